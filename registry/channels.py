"""Channels: names that move. Each is a log of numbered entries, created only if absent; the last one counts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from registry.errors import ConfigurationError, RegistryError
from registry.log import Log, Logged
from registry.objects import Objects

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
        before: SHA-256 of the entry before; empty for the first.
    """

    channel: str
    number: int
    version: int
    action: str
    at: str
    reason: str = ""
    by: str = ""
    before: str = ""


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


def line(past: Iterable[Entry]) -> list[int]:
    """The versions that a channel came to where it is by, oldest first: without those that it was rolled back from.

    Args:
        past: Its moves, oldest first.
    """
    found: list[int] = []
    for entry in past:
        if entry.action == ROLLBACK and entry.version in found:
            del found[len(found) - found[::-1].index(entry.version) :]
        elif found[-1:] != [entry.version]:
            found.append(entry.version)
    return found


class Channels:
    """The channels of a domain.

    Args:
        objects: The registry's.
        domain: Name of the domain.
    """

    def __init__(self, objects: Objects, domain: str) -> None:
        self._objects = objects
        self._path = f"{domain}/channels"
        self._logs: dict[str, Log] = {}

    def names(self) -> list[str]:
        """The channels that have been moved, sorted."""
        return [name for name in self._objects.names(self._path) if _NAME.fullmatch(name) and self._log(name).read()]

    def history(self, channel: str) -> list[Entry]:
        """Every move of a channel, oldest first; empty where there is none.

        Raises:
            ConfigurationError: No channel can be called so.
            RegistryError: An entry is broken.
        """
        return [self._entry(channel, logged) for logged in self._log(channel).read()]

    def append(self, channel: str, version: int, action: str, reason: str = "", by: str = "") -> Entry:
        """Move a channel. Whoever comes second among concurrent movers gets the next number; nothing is overwritten.

        Args:
            channel: Name of the channel.
            version: What it moves to.
            action: publish, promote or rollback.
            reason: Why.
            by: Whose doing it is.

        Raises:
            ConfigurationError: No channel can be called so, or the registry can't be written.
            RegistryError: The disk fails, or others move it all the time.
        """
        said = {"channel": channel, "version": version, "action": action, "reason": reason, "by": by}
        logged = self._log(channel).append({name: value for name, value in said.items() if value != ""})
        return self._entry(channel, logged)

    def _log(self, channel: str) -> Log:
        path = f"{self._path}/{check_name(channel)}"
        return self._logs.setdefault(channel, Log(self._objects, path))

    def _entry(self, channel: str, logged: Logged) -> Entry:
        try:
            entry = Entry(**logged.values)
        except TypeError as error:
            raise RegistryError(f"Broken entry {logged.number} of channel {channel!r}: {error}") from error
        if entry.channel != channel:
            raise RegistryError(f"Entry {entry.number} of channel {channel!r} is one of {entry.channel!r}")
        return entry
