"""What a client has accepted of each log of a registry: it never goes back behind that.

Signatures alone don't tell an old log from a new one. So the highest entry of a channel, and of a domain's standing,
that was accepted here is kept in `DRIFTUNE_HOME/accepted`, and a log that doesn't hold that very entry is refused: it
was cut short, replayed from a backup, or written anew. One that is held back can't be told from one that rests.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from registry.errors import RegistryError, TrustError
from registry.identity import sha256_of_bytes
from registry.storage import storage, write_file


class Accepted:
    """The highest entries that were accepted of one registry.

    Args:
        folder: Where they are kept.
        place: The registry's location.
    """

    def __init__(self, folder: Path, place: str) -> None:
        self.folder, self.place = folder, place

    def check(self, log: str, hashes: Sequence[str], key: str, ignore: Collection[str] = ()) -> None:
        """Accept a log, if it holds what was accepted before, and remember its last entry.

        Args:
            log: Which, as `networkx/channels/stable`.
            hashes: The SHA-256 of each of its entries, oldest first.
            key: Id of the key that vouches for the last one.
            ignore: Revoked keys: what was accepted by their word isn't held against anybody.

        Raises:
            TrustError: It doesn't hold it.
        """
        path = self.folder / f"{sha256_of_bytes(f'{self.place} {log}'.encode())[:32]}.json"
        if self._holds(path, log, hashes, ignore) or not hashes:
            return
        with storage("what was accepted of a registry", path):
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self._holds(path, log, hashes, ignore):
                    return
                row = {"registry": self.place, "log": log, "number": len(hashes), "sha256": hashes[-1], "key": key}
                write_file(path, json.dumps(row, indent=1).encode(), "what was accepted of a registry")

    def logs(self) -> list[str]:
        """The logs of the registry of which something was accepted; files that can't be read are left to `check`."""
        rows = []
        for path in sorted(self.folder.glob("*.json")):
            with contextlib.suppress(RegistryError):
                rows.append(_read(path))
        return [str(row["log"]) for row in rows if row is not None and row.get("registry") == self.place]

    def _holds(self, path: Path, log: str, hashes: Sequence[str], ignore: Collection[str]) -> bool:
        """Whether a log's last entry is what was accepted; False where it goes on from there.

        Raises:
            TrustError: It doesn't go on from there.
        """
        row = _read(path)
        if row is None or row["key"] in ignore:
            return False
        number = int(row["number"])
        if number > len(hashes) or hashes[number - 1] != row["sha256"]:
            now = f"ends at entry {len(hashes)}" if number > len(hashes) else f"has another entry {number}"
            raise TrustError(
                f"The log {log} of {self.place} goes back behind entry {number}, which was accepted here before: it "
                f"{now}. It was cut short, replayed or written anew. Where that is meant, as after a restore from an "
                f"old backup, remove {path}",
                fault="rolled-back",
                log=log,
            )
        return number == len(hashes)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        row: dict[str, Any] = json.loads(path.read_bytes())
        if isinstance(row["number"], int) and row["number"] > 0 and {"sha256", "key", "log"} <= row.keys():
            return row
        raise ValueError("it lacks a number, log, sha256 or key")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"Can't read what was accepted before, in {path}: {error}. Remove it") from error
