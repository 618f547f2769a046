"""What the Hub's API answers, as JSON: the fields that its clients read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from registry.identity import sha256_of
from registry.server.hub.names import MODELS
from registry.server.hub.repos import UNDATED, Commit, File, Repo

_POINTER = 134
"""Bytes of the file that stands for a large one in git."""


def info(repo: Repo, commit: Commit, *, private: bool, blobs: bool = False) -> dict[str, Any]:
    """A repository at a commit, with its files.

    Args:
        repo: The repository.
        commit: The commit.
        private: Whether only tokens may read it.
        blobs: Whether sizes and hashes of files are told.
    """
    told = summary(repo, commit, private=private)
    told["siblings"] = [_sibling(file, blobs) for file in commit.files]
    told["usedStorage"] = sum(file.size for file in commit.files)
    return told


def summary(repo: Repo, commit: Commit, *, private: bool) -> dict[str, Any]:
    """A repository at a commit, as a listing tells it."""
    told = {
        "_id": sha256_of(repo.id)[:24],
        "id": repo.id,
        "author": repo.id.partition("/")[0],
        "sha": commit.id,
        "lastModified": repo.times().get(commit.id, UNDATED),
        "private": private,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": list(repo.tags),
        "cardData": dict(commit.card),
    }
    if repo.kind != MODELS:
        return told
    return {**told, "modelId": repo.id, "library_name": commit.card.get("library_name"),
            "pipeline_tag": "text-generation"}  # fmt: skip


def only(told: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """What is asked for with `expand`, where something is."""
    return {name: value for name, value in told.items() if name in ("_id", "id", *names)} if names else told


def entry(file: File, last: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A file in a listing; with the commit that it is of where that is asked for."""
    told: dict[str, Any] = {"type": "file", "oid": file.sha256[:40], "size": file.size, "path": file.path}
    if file.is_large:
        told["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": _POINTER}
    return told if last is None else told | {"lastCommit": last}


def tree(repo: Repo, commit: Commit, below: str = "", *, recursive: bool, expand: bool = False) -> list[dict[str, Any]]:
    """Files and folders below a path, or directly in it; sorted."""
    last = _last(repo, commit) if expand else None
    start = f"{below}/" if below else ""
    return sorted(_entries(commit, start, recursive, last), key=lambda told: str(told["path"]))


def _entries(commit: Commit, start: str, recursive: bool, last: Mapping[str, str] | None) -> Iterator[dict[str, Any]]:
    files = [file for file in commit.files if file.path.startswith(start)]
    for folder in sorted({each for file in files for each in _folders(file.path, start, recursive)}):
        yield directory(commit, folder)
    for file in files:
        if recursive or "/" not in file.path.removeprefix(start):
            yield entry(file, last)


def _folders(path: str, start: str, recursive: bool) -> list[str]:
    parts = path.removeprefix(start).split("/")[:-1]
    return [start + "/".join(parts[: n + 1]) for n in range(len(parts) if recursive else min(len(parts), 1))]


def directory(commit: Commit, path: str) -> dict[str, Any]:
    """A folder in a listing."""
    return {"type": "directory", "oid": sha256_of([commit.id, path])[:40], "size": 0, "path": path}


def refs(branches: dict[str, str], tags: dict[str, str]) -> dict[str, Any]:
    """Branches and tags of a repository."""
    return {
        "branches": [_ref("heads", name, commit) for name, commit in branches.items()],
        "tags": [_ref("tags", name, commit) for name, commit in tags.items()],
        "converts": [],
        "pullRequests": [],
    }


def commits(repo: Repo, commit: Commit) -> list[dict[str, Any]]:
    """A commit and those before it."""
    times = repo.times()
    return [
        {"id": each.id, "title": each.title, "message": "", "date": times.get(each.id, UNDATED),
         "authors": [{"user": "driftune"}]}
        for each in repo.past(commit)
    ]  # fmt: skip


def _ref(kind: str, name: str, commit: str) -> dict[str, str]:
    return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": commit}


def _last(repo: Repo, commit: Commit) -> dict[str, str]:
    return {"id": commit.id, "title": commit.title, "date": repo.times().get(commit.id, UNDATED)}


def _sibling(file: File, blobs: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"rfilename": file.path}
    if blobs:
        told |= {"size": file.size, "blobId": file.sha256[:40]}
        if file.is_large:
            told["lfs"] = {"size": file.size, "sha256": file.sha256, "pointerSize": _POINTER}
    return told
