"""How versions stand: a log of yanks, of their being taken back, and of what isn't cared for any more.

A yanked version stays: whoever names it and says so gets it. No channel gives it, and no new training goes on from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.errors import RegistryError
from registry.log import Log, Logged
from registry.objects import Objects
from registry.trust import Trust

YANK, UNYANK, END, REVIVE = "yank", "unyank", "end-of-life", "revive"
_OPPOSITE = {YANK: YANK, UNYANK: YANK, END: END, REVIVE: END}


@dataclass(frozen=True)
class Standing:
    """What was said of a version, or of a domain.

    Attributes:
        number: 1, 2, 3 … in the domain's log.
        version: The version; 0 for the domain.
        action: yank, unyank, end-of-life or revive.
        at: When, ISO 8601 in UTC.
        reason: Why.
        by: The account that said so, where that is known.
        before: SHA-256 of the entry before; empty for the first.
    """

    number: int
    version: int
    action: str
    at: str
    reason: str = ""
    by: str = ""
    before: str = ""


class Standings:
    """How the versions of a domain stand.

    Args:
        objects: The registry's.
        domain: Name of the domain.
        trust: Who may say so; what the environment says where null.
        checked: Whether it is read only where somebody who is trusted vouches for it.
    """

    def __init__(self, objects: Objects, domain: str, trust: Trust | None = None, *, checked: bool = False) -> None:
        self.log = Log(objects, f"{domain}/standing", trust, checked)

    def history(self) -> list[Standing]:
        """All that was said, oldest first.

        Raises:
            RegistryError: An entry is broken.
            TrustError: Nobody who is trusted vouches for it, where that is checked.
        """
        return [self._entry(logged) for logged in self.log.read()]

    def append(self, version: int, action: str, reason: str, by: str) -> Standing:
        """Say how a version stands from now on; what is said already isn't said again.

        Args:
            version: The version; 0 for the domain.
            action: yank, unyank, end-of-life or revive.
            reason: Why.
            by: Whose doing it is.
        """
        last = self._last(action).get(version)
        if last is not None and last.action == action:
            return last
        said = {"version": version, "action": action, "reason": reason, "by": by}
        return self._entry(self.log.append({name: value for name, value in said.items() if value != ""}))

    def yanked(self) -> dict[int, Standing]:
        """The versions that are yanked, and what was said."""
        return {version: said for version, said in self._last(YANK).items() if said.action == YANK}

    def ended(self) -> dict[int, Standing]:
        """The versions that aren't cared for any more, and what was said; 0 is the domain."""
        return {version: said for version, said in self._last(END).items() if said.action == END}

    def _last(self, about: str) -> dict[int, Standing]:
        """What was said last of each version, of yanking or of the end of its life."""
        return {said.version: said for said in self.history() if _OPPOSITE.get(said.action) == _OPPOSITE[about]}

    def _entry(self, logged: Logged) -> Standing:
        try:
            said = Standing(**logged.values)
            if type(said.version) is not int or not all(isinstance(t, str) for t in (said.at, said.reason, said.by)):
                raise TypeError("its version is no whole number, or something else no text")
            return said
        except TypeError as error:
            raise RegistryError(f"Broken entry {logged.number} of {self.log.path}: {error}") from error
