"""What moves in a registry: channels to versions, the lines that follow `stable`, and how versions stand."""

from __future__ import annotations

import re

from registry import channels
from registry.channels import Entry, check_name
from registry.errors import ConfigurationError
from registry.published import STABLE, VERSION, Published
from registry.records import Adapter
from registry.standing import END, REVIVE, UNYANK, YANK, Standing
from registry.turns import publishing

_RANGE = re.compile(r"[^;]*>=(\d+)\.(\d+)[^;]*")


class Moving(Published):
    """The adapters in one registry, for whoever decides which of them others get."""

    def promote(
        self, domain: str, version: int, channel: str, *, reason: str = "", by: str = "", share: float = 1.0
    ) -> Entry:
        """Move a channel to a version, and say in its log why and whose doing it is.

        Args:
            domain: The domain.
            version: The version.
            channel: The channel.
            reason: Why.
            by: Whose doing it is.
            share: The share of those who follow the channel that it is for; the others stay where they are.

        Raises:
            ConfigurationError: There is no such version, it is yanked, or the channel gives nothing to stay at.
        """
        check_name(channel)
        if not 0 < share <= 1:
            raise ConfigurationError(f"No share can be {share:g}: give one above 0, and at most 1 for all")
        adapter = self.resolve(f"{domain}@v{version}")
        if share < 1 and all(move.version == version or move.share < 1 for move in self.held(domain, channel)):
            raise ConfigurationError(
                f"Channel {domain}@{channel} gives nothing that the others could stay at: promote v{version} for all"
            )
        with publishing(self.objects):
            if self._versions.get(domain, version, fresh=True) is None:  # it may have left since it was read
                raise ConfigurationError(self._unknown(f"{domain}@v{version}", domain))
            return self._move(adapter, channel, "promote", reason, by, share)

    def rollback(self, domain: str, channel: str, to: int | None = None, *, reason: str = "", by: str = "") -> Entry:
        """Move a channel back to a version that it gave before the present one, and say why and by whom.

        A second one goes further back: what was rolled back from is not gone back to. `stable` takes its lines along:
        where `3.6.x` gives what `stable` leaves it goes back too, if it gave anything before.

        Args:
            domain: The domain.
            channel: The channel.
            to: The version; the one before the present one where None.
            reason: Why.
            by: Whose doing it is.

        Raises:
            ConfigurationError: There is no such channel, or it gave no such version before.
            RegistryError: That version is damaged.
        """
        moves = [move.version for move in self.held(domain, channel)]
        if not moves:
            raise ConfigurationError(self._unknown(f"{domain}@{channel}", domain))
        *before, now = moves
        advice = f"To move it to any version: driftune registry promote {domain}@vN {channel}"
        if not before:
            raise ConfigurationError(
                f"Channel {domain}@{channel} holds v{now} and has held nothing before that it could go back to. "
                f"{advice}"
            )
        if to is not None and to not in before:
            held = ", ".join(f"v{version}" for version in dict.fromkeys(before))
            raise ConfigurationError(
                f"Channel {domain}@{channel}, which holds v{now}, can't go back to v{to}: it has held {held} before. "
                f"{advice}"
            )
        version = before[-1] if to is None else to
        with publishing(self.objects):
            self.verify(f"{domain}@v{version}")
            if channel == STABLE:
                self._lines_back(domain, now, reason, by)
            return self._channels_of(domain).append(channel, version, channels.ROLLBACK, reason, by)

    def _move(
        self, adapter: Adapter, channel: str, action: str, reason: str = "", by: str = "", share: float = 1.0
    ) -> Entry:
        """Moves a channel, if it isn't there; `stable` takes the lines of the library's versions along, first."""
        own = self._channels_of(adapter.domain)
        past = own.history(channel)
        if past and (past[-1].version, past[-1].share) == (adapter.version, share):
            return past[-1]
        self._check_yanked(adapter)
        if channel == STABLE and share == 1:
            for name in self._lines(adapter):
                self._move(adapter, name, action, reason, by)
        return own.append(channel, adapter.version, action, reason, by, share)

    def _lines(self, adapter: Adapter) -> list[str]:
        """The lines that follow `stable` to a version: `3.6.x`, and `3.x` where it gives nothing newer than 3.6."""
        found = _speaks(adapter)
        if found is None:
            return []
        major = f"{found[0]}.x"
        number = self.given(adapter.domain, major)
        newest = self._versions.get(adapter.domain, number) if number is not None else None  # it may have left
        there = _speaks(newest) if newest is not None else None
        return [f"{found[0]}.{found[1]}.x", *([major] if there is None or there <= found else [])]

    def _lines_back(self, domain: str, version: int, reason: str, by: str) -> None:
        """Moves the lines back that give a version which `stable` leaves, if they gave anything before."""
        found = _speaks(self.resolve(f"{domain}@v{version}"))
        for name in (f"{found[0]}.{found[1]}.x", f"{found[0]}.x") if found is not None else ():
            moves = [move.version for move in self.held(domain, name)]
            if moves[-1:] == [version] and len(moves) > 1:
                self._channels_of(domain).append(name, moves[-2], channels.ROLLBACK, reason, by)

    def yank(self, ref: str, reason: str, by: str = "") -> Standing:
        """Take a version out of all channels: each gives what it gave before. Whoever has it keeps it.

        Args:
            ref: `networkx@v3`.
            reason: Why; it is told whoever names the version.
            by: Whose doing it is.

        Raises:
            ConfigurationError: There is no such version, or no reason.
        """
        return self._say(ref, YANK, reason, by)

    def unyank(self, ref: str, reason: str, by: str = "") -> Standing:
        """Take a yank back: channels give the version again that they held."""
        return self._say(ref, UNYANK, reason, by)

    def end_of_life(self, ref: str, reason: str, by: str = "", *, revive: bool = False) -> Standing:
        """Say that nobody cares for a version any more, or for a domain: it is given as before, and that is told.

        Args:
            ref: `networkx@v3`, or `networkx`.
            reason: Why, and what to use instead.
            by: Whose doing it is.
            revive: Take it back.
        """
        return self._say(ref, REVIVE if revive else END, reason, by)

    def _say(self, ref: str, action: str, reason: str, by: str) -> Standing:
        domain, at, _ = ref.partition("@")
        if not reason.strip():
            raise ConfigurationError(f"Say why: {action} of {ref} needs a reason, which is told whoever asks for it")
        number = self._numbered(ref) if at or action not in (END, REVIVE) else 0
        if not self.versions(domain):
            raise ConfigurationError(self._unknown(ref, domain), ref=ref)
        with publishing(self.objects):
            return self._standings_of(domain).append(number, action, reason.strip(), by)

    def _numbered(self, ref: str) -> int:
        """The number of a version that is named by it: what a channel gives may be another one in a moment."""
        if not VERSION.fullmatch(ref.partition("@")[2]):
            raise ConfigurationError(f"Name the version by its number, as networkx@v3, and not as {ref!r}")
        return self.resolve(ref, yanked=True).version


def _speaks(adapter: Adapter) -> tuple[int, int] | None:
    """Major and minor version of the library that an adapter speaks; None where it speaks several."""
    found = _RANGE.fullmatch(adapter.library_range)
    return (int(found[1]), int(found[2])) if found is not None else None
