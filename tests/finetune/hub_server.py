"""A Hub on this machine: the part of the Hugging Face Hub's read API that fetching a model speaks.

`GET /api/models/OWNER/NAME/revision/REVISION` tells commit, files and card; `HEAD` and
`GET /OWNER/NAME/resolve/COMMIT/FILE` give a file. Errors carry the Hub's `X-Error-Code`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.served import Quiet, served

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repo:
    """A model's repository at one commit, which the branch `main` points to.

    Attributes:
        files: Name -> bytes.
        card: The head of its README.md.
        gated: Whether nobody may read it.
        announced: Name -> size and hash that it announces in place of the true ones.
        commit: The commit.
    """

    files: Mapping[str, bytes]
    card: Mapping[str, Any] = field(default_factory=dict)
    gated: bool = False
    announced: dict[str, tuple[int, str]] = field(default_factory=dict)
    commit: str = COMMIT

    def siblings(self) -> list[dict[str, Any]]:
        """The files as the API lists them; weights are stored as large files, with their hash."""
        listed = []
        for name, data in self.files.items():
            size, mark = self.announced.get(name, (len(data), hashlib.sha256(data).hexdigest()))
            row: dict[str, Any] = {"rfilename": name, "size": size}
            if name.endswith(".safetensors"):
                row["lfs"] = {"size": size, "sha256": mark, "pointerSize": 134}
            listed.append(row)
        return listed


@dataclass
class Hub:
    """A running Hub.

    Attributes:
        repos: Name -> repository.
        asked: Method and path of every request, in order.
        tokens: Every `Authorization` header that came.
        url: Its address.
    """

    repos: dict[str, Repo]
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    url: str = ""


@contextmanager
def serving(repos: dict[str, Repo]) -> Iterator[Hub]:
    """A Hub with these repositories, as long as the block runs."""
    hub = Hub(repos)

    class Handler(Quiet):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            hub.asked.append(f"{self.command} {self.path}")
            hub.tokens |= {value for name, value in self.headers.items() if name.lower() == "authorization"}
            status, headers, body = answer(hub.repos, self.path.partition("?")[0])
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

    with served(Handler) as hub.url:
        yield hub


def answer(repos: Mapping[str, Repo], path: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body for a path."""
    parts = path.strip("/").split("/")
    about = parts[:2] == ["api", "models"]
    owner, name, _, revision, *rest = parts[2:] if about else parts
    repo = repos.get(f"{owner}/{name}")
    if repo is None:
        return 404, {"X-Error-Code": "RepoNotFound"}, b""
    if repo.gated:
        return 403, {"X-Error-Code": "GatedRepo"}, b""
    if revision not in ("main", repo.commit):
        return 404, {"X-Error-Code": "RevisionNotFound"}, b""
    if about:
        told = {"id": f"{owner}/{name}", "sha": repo.commit, "siblings": repo.siblings(), "cardData": repo.card}
        return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()
    data = repo.files.get("/".join(rest))
    if data is None:
        return 404, {"X-Error-Code": "EntryNotFound"}, b""
    return 200, {"X-Repo-Commit": repo.commit, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}, data
