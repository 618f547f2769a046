"""Channels: names that move. Each is a log of numbered entries, created only if absent; the last one counts.

A move may be for a share of those who follow the channel first: who is among them is decided by a hash of his name, so
that everybody keeps his side, and whoever has the new version keeps it when the share grows.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from registry.errors import ConfigurationError, RegistryError
from registry.log import Log, Logged
from registry.objects import Objects
from registry.trust import Trust

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"v?\d+")
ROLLBACK = "rollback"
"""The action that takes moves back."""


@dataclass(frozen=True)
class Entry:
    """One move of a channel.

    Attributes:
        channel: Its name.
        number: 1, 2, 3 … in the channel's log.
        version: The adapter version it moved to.
        action: publish, promote or rollback.
        at: When, ISO 8601 in UTC.
        reason: Why, where that was said.
        by: The account that moved it, where that was said.
        share: The share of those who follow the channel that it is for, above 0 and at most 1; others stay where they
            were.
        before: SHA-256 of the entry before; empty for the first.
        manifest: SHA-256 of the version's manifest: no other one can be put in its place.
    """

    channel: str
    number: int
    version: int
    action: str
    at: str
    reason: str = ""
    by: str = ""
    share: float = 1.0
    before: str = ""
    manifest: str = ""


def check_name(channel: str) -> str:
    """The name of a channel, if it can be one.

    Raises:
        ConfigurationError: It can't: it is empty, has other characters, or looks like a version.
    """
    if not _NAME.fullmatch(channel) or _VERSION.fullmatch(channel):
        raise ConfigurationError(
            f"No channel can be called {channel!r}: use letters, digits, dot, dash and underscore, and no version"
        )
    return channel


def line(past: Iterable[Entry], yanked: Collection[int] = ()) -> list[Entry]:
    """The moves that a channel came to where it is by, oldest first: without those that were taken back.

    Args:
        past: Its moves, oldest first.
        yanked: Versions that no channel gives.
    """
    found: list[Entry] = []
    for entry in past:
        if found and found[-1].version == entry.version:
            found[-1] = entry
        elif entry.action == ROLLBACK and any(move.version == entry.version for move in found):
            while found[-1].version != entry.version:
                found.pop()
        else:
            found.append(entry)
    left: list[Entry] = []
    for entry in found:
        if left and left[-1].version == entry.version:  # what stood between is yanked
            left[-1] = max(left[-1], entry, key=lambda move: (move.share, move.number))
        elif entry.version not in yanked:
            left.append(entry)
    return left


def given(moves: Sequence[Entry], domain: str, who: str = "") -> int | None:
    """The version that a channel gives; None where none.

    Args:
        moves: What `line` gives of its moves.
        domain: The channel's.
        who: Who asks; the anonymous get what all get.
    """
    mine = (move.version for move in reversed(moves) if move.share >= 1 or _place(move, domain, who) < move.share)
    return next(mine, None)


def given_to_any(moves: Sequence[Entry]) -> list[int]:
    """The versions that a channel gives, to whomever: more than one while a move is for a share.

    Args:
        moves: What `line` gives of its moves.
    """
    found: list[int] = []
    for move in reversed(moves):
        found.append(move.version)
        if move.share >= 1:
            break
    return found


def _place(move: Entry, domain: str, who: str) -> float:
    """Where somebody stands among all who follow a channel, from 0 to 1: the same at each move to a version."""
    if not who:
        return 1.0
    told = f"{domain}@{move.channel} v{move.version} {who}"
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:7]) / (1 << 56)


class Channels:
    """The channels of a domain.

    Args:
        objects: The registry's.
        domain: Name of the domain.
        trust: Who may move them; what the environment says where null.
        manifest: Gives the SHA-256 of a version's manifest.
        checked: Whether moves are read only where somebody who is trusted vouches for them.
    """

    def __init__(
        self,
        objects: Objects,
        domain: str,
        trust: Trust | None = None,
        manifest: Callable[[int], str] | None = None,
        *,
        checked: bool = False,
    ) -> None:
        self._objects, self._trust, self._checked = objects, trust or Trust(objects), checked
        self._manifest = manifest
        self._path = f"{domain}/channels"
        self._logs: dict[str, Log] = {}
        self._entries: dict[tuple[str, int], Entry] = {}

    def names(self) -> list[str]:
        """The channels that have been moved, sorted."""
        return [name for name in self._objects.names(self._path) if _NAME.fullmatch(name) and self.log(name).read()]

    def history(self, channel: str) -> list[Entry]:
        """Every move of a channel, oldest first; empty where there is none.

        Raises:
            ConfigurationError: No channel can be called so.
            RegistryError: An entry is broken.
            TrustError: Nobody who is trusted vouches for them, where that is checked.
        """
        found = [self._entry(channel, logged) for logged in self.log(channel).read()]
        if not found:
            self._logs.pop(channel, None)  # a server is asked for any name, by anybody: 7 GB a day if all were kept
        return found

    def append(
        self, channel: str, version: int, action: str, reason: str = "", by: str = "", share: float = 1.0
    ) -> Entry:
        """Move a channel. Whoever comes second among concurrent movers gets the next number; nothing is overwritten.

        Args:
            channel: Name of the channel.
            version: What it moves to.
            action: publish, promote or rollback.
            reason: Why.
            by: Whose doing it is.
            share: The share of those who follow it that it is for.

        Raises:
            ConfigurationError: No channel can be called so, or the registry can't be written.
            RegistryError: The disk fails, or others move it all the time.
        """
        said: dict[str, Any] = {"channel": channel, "version": version, "action": action, "reason": reason, "by": by}
        said |= {"share": share} if share < 1 else {}
        said |= {"manifest": self._manifest(version)} if self._manifest is not None else {}
        logged = self.log(channel).append({name: value for name, value in said.items() if value != ""})
        return self._entry(channel, logged)

    def log(self, channel: str) -> Log:
        """The log of a channel.

        Raises:
            ConfigurationError: No channel can be called so.
        """
        path = f"{self._path}/{check_name(channel)}"
        return self._logs.setdefault(channel, Log(self._objects, path, self._trust, self._checked))

    def _entry(self, channel: str, logged: Logged) -> Entry:
        if (known := self._entries.get((channel, logged.number))) is not None:
            return known
        try:
            entry = Entry(**logged.values)
            texts = (entry.action, entry.at, entry.reason, entry.by, entry.manifest)
            if type(entry.version) is not int or not all(isinstance(text, str) for text in texts):
                raise TypeError("its version is no whole number, or something else no text")
            if not 0 < entry.share <= 1:
                raise TypeError("its share isn't above 0 and at most 1")
        except TypeError as error:
            raise RegistryError(f"Broken entry {logged.number} of channel {channel!r}: {error}") from error
        if entry.channel != channel:
            raise RegistryError(f"Entry {entry.number} of channel {channel!r} is one of {entry.channel!r}")
        return self._entries.setdefault((channel, logged.number), entry)
