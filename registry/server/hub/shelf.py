"""What repositories there are, for a caller: adapters, bases and data sets, found by name or listed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from registry.errors import RegistryError
from registry.server.access import Caller
from registry.server.errors import RefusedError
from registry.server.hub.adapters import adapter_repo, adapter_repos
from registry.server.hub.bases import base_repo, base_repos
from registry.server.hub.names import DATASETS, MAIN, MODELS, Asked
from registry.server.hub.repos import LOG, Commit, File, Repo, missing_revision
from registry.server.hub.snapshots import snapshot_repo, snapshot_repos


def find(caller: Caller, asked: Asked) -> Repo | None:
    """The repository that is asked for; None where there is none, or the caller doesn't see it."""
    if asked.kind == MODELS:
        return adapter_repo(caller, asked.repo) or base_repo(caller, asked.repo)
    return snapshot_repo(caller, asked.repo) if asked.kind == DATASETS else None


def listed(caller: Caller, kind: str, author: str, search: str, tags: Sequence[str]) -> Iterator[Repo]:
    """The repositories of a kind that a caller sees, by namespace, a part of the name, and tags."""
    repos = [*adapter_repos(caller), *base_repos(caller)] if kind == MODELS else [*snapshot_repos(caller)]
    for repo in repos:
        named = (not author or repo.id.startswith(f"{author}/")) and search.lower() in repo.id.lower()
        if named and (not tags or set(tags) <= set(_tags(repo))):
            yield repo


def _tags(repo: Repo) -> Sequence[str]:
    with _told(repo):
        return repo.tags
    return ()


def latest(repo: Repo) -> Commit | None:
    """What `main` is; None where it is nothing, or can't be read, which is no reason not to tell of others."""
    with _told(repo):
        main = repo.names()[0].get(MAIN)
        return repo.at(main) if main else None
    return None


@contextlib.contextmanager
def _told(repo: Repo) -> Iterator[None]:
    """Says in the log what can't be read of a repository."""
    try:
        yield
    except RegistryError as error:
        LOG.error("%s isn't listed: %s", repo.id, error)


def repo_missing() -> RefusedError:
    """The refusal of a repository that isn't there, or that the caller doesn't see: the same words for both."""
    told = "No such repository is here, or none that this caller may see. GET /api/models?author=NAMESPACE lists them"
    return RefusedError(404, "RepoNotFound", told, {"X-Error-Code": "RepoNotFound"})


def commit_at(repo: Repo, revision: str) -> Commit:
    """The commit of a revision.

    Raises:
        RefusedError: There is none; the message lists some that there are.
    """
    found = repo.at(revision)
    if found is None:
        branches, tags = repo.names()
        some = ", ".join([*branches, *list(tags)[-8:]]) or "none yet"
        raise missing_revision(f"{repo.id} has no such revision; it has {some}")
    return found


def file_in(repo: Repo, commit: Commit, path: str) -> File:
    """The file of a path.

    Raises:
        RefusedError: There is none in this commit, which clients keep.
    """
    found = commit.file(path)
    if found is None:
        told = f"{repo.id} has no such file at {commit.id}"
        raise RefusedError(404, "EntryNotFound", told, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit.id})
    return found
