"""What a subscription remembers between two runs, in one small file, and the lock that keeps a second one out."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from registry.errors import LockedError
from registry.identity import sha256_of
from registry.lock import held
from registry.storage import storage, write_file


@dataclass
class Memory:
    """What is remembered.

    Attributes:
        path: The file.
        adapter: Id of the adapter that the action was last finished for.
        version: Its version; 0 where there is none yet.
        failed: What isn't tried again, an adapter's id and what tells where it was tried -> why.
        names: Names that a vLLM has served -> ids of the adapters that they stood for.
    """

    path: Path
    adapter: str = ""
    version: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def done(self, adapter: str, version: int) -> None:
        """The action is finished for this one."""
        self.adapter, self.version = adapter, version
        self.save()

    def fail(self, tried: str, why: str) -> None:
        """This isn't tried again."""
        self.failed[tried] = why
        self.save()

    def save(self) -> None:
        """Write it down, whole or not at all."""
        said = {name: value for name, value in asdict(self).items() if name != "path"}
        write_file(self.path, json.dumps(said, indent=1).encode(), "what the subscription remembers")


def subscriber(home: Path) -> str:
    """Who subscribes from a home: a number that is drawn once, so that he keeps his side of a rollout to a share."""
    path = home / "subscriptions" / "subscriber"
    with storage("who subscribes", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            write_file(path, secrets.token_hex(16).encode())
        return path.read_text()


@contextlib.contextmanager
def remembered(home: Path, *what: str) -> Iterator[Memory]:
    """What a subscription remembers; it is this process's alone within the block.

    Args:
        home: The home folder; the file lies in `subscriptions/` there.
        *what: What tells the subscription from others: its registry, channel, action and target.

    Raises:
        LockedError: Another process has it.
    """
    name = sha256_of(list(what))[:16]
    path = home / "subscriptions" / f"{name}.json"

    def refused(text: str) -> LockedError:
        told = f"process {text or 'unknown'}"
        return LockedError(f"This subscription ({' '.join(what)}) is held by {told}: stop that first")

    with held(path.with_suffix(".lock"), "what the subscription remembers", str(os.getpid()), refused):
        yield _read(path)


def _read(path: Path) -> Memory:
    """What is remembered; nothing where there is nothing, or nobody can read it: then the action is done once more."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Memory(path, **json.loads(path.read_text()))
    return Memory(path)
