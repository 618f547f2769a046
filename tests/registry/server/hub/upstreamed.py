"""A hub of somebody else, on 127.0.0.2, that writes down what it is asked and with which headers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.served import Quiet, served

COMMIT = "fedcba9876543210fedcba9876543210fedcba98"
FILES = {"config.json": b"{}", "model.safetensors": b"weights of theirs" * 100}


@dataclass
class Upstream:
    """A running upstream.

    Attributes:
        url: Its address.
        asked: Method, path and headers of each request.
    """

    url: str = ""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def paths(self) -> list[str]:
        """Method and path of each request."""
        return [f"{method} {path}" for method, path, _ in self.asked]


@contextmanager
def upstream_hub() -> Iterator[Upstream]:
    """An upstream that knows `others/model`, calls it `others/old` too, and sends a page of two in its listings."""
    hub = Upstream()

    class Handler(Quiet):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.do_GET()

        def do_GET(self) -> None:
            hub.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            status, headers, body = _answer(hub.url, self.path)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body)), "Set-Cookie": "theirs=1"}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with served(Handler, "127.0.0.2") as hub.url:
        yield hub


def _answer(url: str, path: str) -> tuple[int, dict[str, str], bytes]:
    path, _, query = path.partition("?")
    if "others/old" in path:
        return 307, {"Location": path.replace("others/old", "others/model")}, b""
    if "others/model" not in path:
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
    told = {"Content-Type": "application/json"}
    if "/tree/" in path:
        names = list(FILES)[1:] if "cursor" in query else list(FILES)[:1]
        rows = [{"type": "file", "path": name, "size": len(FILES[name]), "oid": "0" * 40} for name in names]
        more = {} if "cursor" in query else {"Link": f'<{url}{path}?cursor=1>; rel="next"'}
        return 200, {**told, **more}, json.dumps(rows).encode()
    if path.startswith("/api/"):
        siblings = [{"rfilename": name} for name in FILES]
        return 200, told, json.dumps({"id": "others/model", "sha": COMMIT, "siblings": siblings}).encode()
    data = FILES.get(path.rpartition("/")[2])
    if data is None:
        return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
    return 200, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}, data
