"""Channels: names that move. Each is a log of numbered entries, created only if absent; the last one counts."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from registry.errors import ConfigurationError, RegistryError
from registry.storage import storage

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VERSION = re.compile(r"v?\d+")
_ATTEMPTS = 1000
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
    """

    channel: str
    number: int
    version: int
    action: str
    at: str
    reason: str = ""
    by: str = ""


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


def history(folder: Path, channel: str) -> list[Entry]:
    """Every move of a channel, oldest first; empty where there is none.

    Args:
        folder: The domain's folder of channels.
        channel: Name of the channel.
    """
    entries = []
    for path in sorted((folder / check_name(channel)).glob("[0-9]*.json")):
        try:
            entries.append(Entry(**json.loads(path.read_text())))
        except (OSError, ValueError, TypeError) as error:
            raise RegistryError(f"Broken entry {path} of channel {channel!r}: {error}", path=str(path)) from error
    return entries


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


def names(folder: Path) -> list[str]:
    """The channels of a domain, sorted."""
    return sorted(path.name for path in folder.glob("*") if path.is_dir()) if folder.is_dir() else []


def append(folder: Path, channel: str, version: int, action: str, reason: str = "", by: str = "") -> Entry:
    """Move a channel. Whoever comes second among concurrent movers gets the next number; nothing is overwritten.

    Args:
        folder: The domain's folder of channels.
        channel: Name of the channel.
        version: What it moves to.
        action: publish, promote or rollback.
        reason: Why.
        by: Whose doing it is.

    Raises:
        ConfigurationError: The folder can't be written.
        RegistryError: The disk fails.
    """
    log = folder / check_name(channel)
    with storage(f"channel {channel}", log):
        log.mkdir(parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS):
            past = history(folder, channel)
            number = past[-1].number + 1 if past else 1
            now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            entry = Entry(channel, number, version, action, now, reason, by)
            said = {name: value for name, value in entry.__dict__.items() if value != ""}
            if _create(log / f"{number:08d}.json", json.dumps(said, sort_keys=True).encode()):
                return entry
    raise RegistryError(f"Channel {channel!r} at {log} is moved by others all the time: try again", retryable=True)


def _create(path: Path, data: bytes) -> bool:
    """Create a file with its whole content, atomically; false where it exists."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(partial)
            return True
        return False
    finally:
        partial.unlink(missing_ok=True)
