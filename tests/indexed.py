"""A package index of a test's own, on loopback: PEP 691, with yanked files, wanted Pythons, and perhaps a login."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.scrapers.conftest import write_wheel
from tests.served import Quiet, served


@dataclass
class OwnIndex:
    """What the index has; it can be added to while it is asked.

    Attributes:
        folder: Where wheels are made.
        login: The `Authorization` that it wants; None where anybody may ask.
        held_s: Seconds that it lets a file be waited for.
        down: Whether it answers every request with 503.
        moved_to: Address that it sends everything to; below /moved it is itself.
        asked: (path, Authorization) of every request.
    """

    folder: Path
    login: str | None = None
    held_s: float = 0.0
    down: bool = False
    moved_to: str = ""
    url: str = ""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    files: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def add(self, name: str, version: str, files: Mapping[str, str], metadata: str = "", **listed: Any) -> None:
        """Adds a wheel; `listed` goes into its entry, as `yanked=True` or `requires_python=">=3.99"`."""
        wheel = write_wheel(self.folder, name, version, {**files, **installable(name, version)}, metadata)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        entry = {"filename": wheel.name, "url": f"/files/{wheel.name}", "hashes": {"sha256": digest}}
        entry |= {key.replace("_", "-"): value for key, value in listed.items()}
        self.files.setdefault(name, {})[wheel.name] = entry


def installable(name: str, version: str) -> dict[str, str]:
    """What pip wants of a wheel beside its metadata."""
    info = f"{name}-{version}.dist-info"
    return {
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }


@contextmanager
def own_index(folder: Path, login: str | None = None) -> Iterator[OwnIndex]:
    """Serves an index until the block ends."""
    index = OwnIndex(folder, login)
    handler = type("Handler", (_Handler,), {"index": index})
    with served(handler) as address:
        index.url = f"{address}/simple/"
        yield index


class _Handler(Quiet):
    index: OwnIndex

    def do_GET(self) -> None:
        sent = self.headers.get("Authorization")
        self.index.asked.append((self.path, sent))
        if self.index.down:
            self.send_error(503)
        elif self.index.login is not None and sent != self.index.login:
            self.send_error(401, f"Not with {sent}")  # as careless servers do
        elif self.index.moved_to and not self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", f"{self.index.moved_to}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._answer(*self.path.removeprefix("/moved").strip("/").split("/"))

    def _answer(self, kind: str, *rest: str) -> None:
        name = unquote(rest[0]) if rest else ""
        if kind == "simple" and name in self.index.files:
            listing = {"meta": {"api-version": "1.0"}, "name": name, "files": list(self.index.files[name].values())}
            self._send(json.dumps(listing).encode(), "application/vnd.pypi.simple.v1+json")
        elif kind == "files" and any(name in files for files in self.index.files.values()):
            time.sleep(self.index.held_s)
            self._send((self.index.folder / name).read_bytes(), "application/octet-stream")
        else:
            self.send_error(404)

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)
