"""Shards that were set aside: they failed so often that the run went on without them; the next run tries them again.

Each leaves a file `set-aside/DOMAIN/KEY.json` in the home: what it was, and how each try ended. It is gone once the
shard is done, or a run had nothing to set aside.
"""

from __future__ import annotations

import datetime as dt
import json
import socket
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.events import happened
from registry.errors import DriftuneError
from registry.storage import storage, write_file

if TYPE_CHECKING:
    from flows.house import House

FOLDER = "set-aside"

_TEXT = 20_000
"""Characters of a try's traceback that are kept: the last ones, which say what it ended with."""


@dataclass(frozen=True)
class Aside:
    """A shard that was set aside.

    Attributes:
        title: What it was.
        key: The work key of what it would have done.
        size: How many units (programs) it has.
        error: What its last try ended with, in a line.
        log: The file that tells of all tries.
    """

    title: str
    key: str
    size: int
    error: str
    log: str


def may_be_set_aside(error: BaseException) -> bool:
    """Whether a run may go on without the shard that ended so.

    It may where the shard failed again and again, and where an error is none of ours (a bug, of which other shards may
    know nothing); not where we know that it stays wrong, as a configuration: that is no matter of one shard.
    """
    return isinstance(error, Exception) and (not isinstance(error, DriftuneError) or error.retryable)


def set_aside(house: House, title: str, key: str, size: int, failures: Sequence[BaseException]) -> Aside:
    """Notes that a shard was set aside, tells whoever listens, and gives what there is to say of it."""
    log = _folder(house.settings.root, house.owner) / f"{key[:16]}.json"
    error = _line(failures[-1])
    told: dict[str, Any] = {"domain": house.owner, "run": house.run, "title": title, "key": key, "size": size}
    told |= {"at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), "host": socket.gethostname(), "error": error}
    tries = ["".join(traceback.format_exception(each))[-_TEXT:] for each in failures]
    write_file(log, json.dumps(told | {"tries": tries}, indent=1).encode(), "the log of what was set aside")
    aside = Aside(title, key, size, error, str(log))
    house.aside.append(aside)
    happened(house, "driftune.shard.set-aside", **asdict(aside))
    return aside


def taken_up(house: House, key: str) -> None:
    """Forgets that a shard was set aside, as it is done."""
    _remove(_folder(house.settings.root, house.owner) / f"{key[:16]}.json")


def forget_all(house: House) -> None:
    """Forgets what earlier runs set aside, at the end of one that did everything."""
    for log in _folder(house.settings.root, house.owner).glob("*.json"):
        _remove(log)


def read_asides(home: Path, domain: str) -> list[Aside]:
    """What is set aside of a domain in a home."""
    found = []
    for log in sorted(_folder(home, domain).glob("*.json")):
        try:
            told = json.loads(log.read_text(encoding="utf-8"))
            found.append(Aside(told["title"], told["key"], told["size"], told["error"], str(log)))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # being written, or taken up meanwhile
    return found


def aside_lines(asides: Sequence[Aside]) -> list[str]:
    """What was set aside, for a person."""
    return [f"Set aside: {each.title} ({each.size:,}): {each.error}; see {each.log}" for each in asides]


def _folder(home: Path, domain: str) -> Path:
    return home / FOLDER / domain


def _remove(log: Path) -> None:
    with storage("the log of what was set aside", log):
        log.unlink(missing_ok=True)


def _line(error: BaseException) -> str:
    said = next(iter(str(error).splitlines()), "")[:500]
    return said if isinstance(error, DriftuneError) else f"{type(error).__name__}: {said}"
