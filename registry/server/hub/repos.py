"""What a repository of the Hub is here: names that lead to commits, and a commit's files by their content."""

from __future__ import annotations

import functools
import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from registry.server.errors import RefusedError

COMMIT = re.compile(r"[0-9a-f]{40}")
REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
UNDATED = "1970-01-01T00:00:00.000Z"
"""Of what nobody wrote down the time of: clients refuse a commit without one."""
LOG = logging.getLogger("uvicorn.error")
_LARGE = (".safetensors", ".parquet", ".model")


@dataclass(frozen=True)
class File:
    """A file of a commit.

    Attributes:
        path: Its path in the repository.
        size: Bytes.
        sha256: Of its content.
        read: Gives the local file, or the bytes where they are made, not stored.
    """

    path: str
    size: int
    sha256: str
    read: Callable[[], Path | bytes]

    @property
    def is_large(self) -> bool:
        """Whether the Hub would keep it outside git (LFS): clients then compare its SHA-256."""
        return self.path.endswith(_LARGE)


@dataclass(frozen=True)
class Commit:
    """A state of a repository, which never changes.

    Attributes:
        id: 40 hex characters.
        title: What it is, in a line.
        card: The head of its README.md.
        listed: Gives its files, sorted by path: of a base they are hashed, of a snapshot written.
    """

    id: str
    title: str
    card: Mapping[str, Any]
    listed: Callable[[], Sequence[File]]

    @functools.cached_property
    def files(self) -> Sequence[File]:
        """Its files, sorted by path."""
        return self.listed()

    def file(self, path: str) -> File | None:
        """The file of a path; None where there is none."""
        return next((file for file in self.files if file.path == path), None)


class Repo(Protocol):
    """A repository that a caller may see."""

    @property
    def id(self) -> str:
        """Its full name."""
        ...

    @property
    def kind(self) -> str:
        """Models or datasets."""
        ...

    @property
    def domains(self) -> Sequence[str]:
        """The domains that it belongs to."""
        ...

    @property
    def tags(self) -> Sequence[str]:
        """What it can be found by."""
        ...

    def at(self, revision: str) -> Commit | None:
        """The commit of a branch, a tag or a commit's id; None where there is none."""
        ...

    def names(self) -> tuple[dict[str, str], dict[str, str]]:
        """Branches and tags, each with its commit's id."""
        ...

    def past(self, commit: Commit) -> Sequence[Commit]:
        """A commit and what came before it, newest first."""
        ...

    def times(self) -> Mapping[str, str]:
        """Commit -> when it was made, of those where that is known."""
        ...


def missing_revision(told: str) -> RefusedError:
    """The refusal of a revision that a repository hasn't."""
    return RefusedError(404, "RevisionNotFound", told, {"X-Error-Code": "RevisionNotFound"})


def made(path: str, data: bytes) -> File:
    """A file that is made where it is asked for."""
    return File(path, len(data), hashlib.sha256(data).hexdigest(), lambda: data)


def timed(at: str) -> str:
    """A time of ours as the Hub's clients read it; what is no time is undated."""
    found = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?", at)
    return f"{found[1]}{found[2] or '.000'}Z" if found else UNDATED
