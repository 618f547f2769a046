"""Bases as repositories: those of the local folder of bases that an adapter names, under the name that it names.

So what `adapter_config.json` says of its base, name and revision, resolves here, as peft's `AutoPeftModel` looks it up:
of a base that driftune trained, which is nowhere else, and of a model of the Hub, as a mirror of that one revision. A
base is seen by who sees a domain that is on it. Its files are its weights as safetensors, configuration and tokenizer:
no pickle, no link and nothing hidden.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from registry.errors import RegistryError
from registry.fingerprint import fingerprint
from registry.identity import sha256_of_file
from registry.records import Adapter
from registry.server.access import Caller
from registry.server.hub.names import MAIN, MODELS
from registry.server.hub.repos import COMMIT, LOG, Commit, File, Repo
from registry.store import Store

_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".msgpack", ".h5")
_OURS = ("base.json",)
"""What was noted beside a fetched base."""
_HASHING = threading.Lock()
"""A client that gave up waiting asks again: nothing is hashed twice at a time."""


@dataclass(frozen=True)
class Named:
    """A base as adapters name it.

    Attributes:
        name: Its full name.
        revision: Its revision: a commit of the Hub, or the fingerprint.
        fingerprint: Of its files.
    """

    name: str
    revision: str
    fingerprint: str

    @property
    def commit(self) -> str:
        """The commit that it is here."""
        return self.revision if COMMIT.fullmatch(self.revision) else self.fingerprint[:40]


@dataclass(frozen=True)
class BaseRepo:
    """A base, at the revisions that adapters were made for.

    Attributes:
        name: Its full name.
        named: What adapters name, that of the latest adapter first, each with its folder.
        domains: The domains that are on it.
    """

    name: str
    named: tuple[tuple[Named, Path], ...]
    domains: Sequence[str]

    kind = MODELS

    @property
    def id(self) -> str:
        """The full name."""
        return self.name

    @property
    def tags(self) -> Sequence[str]:
        """What bases are found by."""
        return ["transformers", "safetensors", "text-generation", "driftune", "base"]

    def at(self, revision: str) -> Commit | None:
        """The commit of `main`, a revision that an adapter names, or a fingerprint."""
        for base, folder in self.named:
            if revision in (MAIN, base.revision, base.fingerprint, base.commit):
                card = {"library_name": "transformers", "tags": list(self.tags)}
                return Commit(base.commit, f"{self.name}: {base.fingerprint}", card, partial(_files, folder))
        return None

    def names(self) -> tuple[dict[str, str], dict[str, str]]:
        """`main`, and a tag for each revision that is no commit."""
        tags = {base.revision: base.commit for base, _ in self.named if base.revision != base.commit}
        return {MAIN: self.named[0][0].commit}, tags

    def past(self, commit: Commit) -> Sequence[Commit]:
        """The commit alone: what a base was made from is another base."""
        return [commit]

    def times(self) -> Mapping[str, str]:
        """Nothing: it isn't known."""
        return {}


def base_repo(caller: Caller, name: str) -> Repo | None:
    """The base with this full name; None where there is none, or the caller sees no domain that is on it."""
    return next((repo for repo in base_repos(caller, name)), None)


def base_repos(caller: Caller, name: str = "") -> Iterator[Repo]:
    """The bases that a caller sees, or the one of a full name: those that are in the folder of bases."""
    found: dict[str, dict[Named, set[str]]] = {}
    for domain in filter(caller.sees, caller.context.store.domains()):
        for adapter in reversed(_readable(caller.context.store, domain)):
            full = _full_name(adapter.base, caller.context.settings.namespace)
            if not name or full == name:
                base = Named(full, adapter.base_revision, adapter.fingerprint)
                found.setdefault(full, {}).setdefault(base, set()).add(domain)
    for full, bases in sorted(found.items()):
        here = tuple((base, folder) for base in bases if (folder := _folder(caller.context.bases, base)) is not None)
        if here:
            yield BaseRepo(full, here, sorted(set().union(*bases.values())))


def _readable(store: Store, domain: str) -> list[Adapter]:
    """The versions of a domain; none where they can't be read, which is no reason to hide others' bases."""
    try:
        return store.versions(domain)
    except RegistryError as error:
        LOG.error("The bases of %s aren't told: %s", domain, error)
        return []


def _full_name(base: str, namespace: str) -> str:
    """What a base is called here: a folder that was named without a namespace is in ours."""
    return base if "/" in base else f"{namespace}/{base}"


def _folder(bases: Path, base: Named) -> Path | None:
    """Where a base lies: a folder that is called by its name, and has its fingerprint."""
    called = re.sub(r"[^\w.-]", "--", base.name.rpartition("/")[2])
    for config in sorted(bases.glob("*/config.json")):
        folder = config.parent
        if called in folder.name and not folder.name.startswith(".") and _mark(folder) == base.fingerprint:
            return folder
    return None


def _mark(folder: Path) -> str:
    try:
        with _HASHING:
            return _kept_mark(folder, _state(folder))
    except (RegistryError, OSError):
        return ""


@functools.lru_cache(maxsize=64)
def _kept_mark(folder: Path, _unchanged: tuple[Any, ...]) -> str:
    return fingerprint(folder)


def _files(folder: Path) -> tuple[File, ...]:
    with _HASHING:
        return _kept_files(folder, _state(folder))


@functools.lru_cache(maxsize=64)
def _kept_files(folder: Path, state: tuple[tuple[str, int, int, int], ...]) -> tuple[File, ...]:
    return tuple(
        File(name, size, sha256_of_file(folder / name), partial(Path, folder, name)) for name, size, *_ in state
    )


def _state(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Name, size, time and place on the disk of each file that is served: hashes are kept as long as these stay."""
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        linked = any((folder / part).is_symlink() for part in (name, *name.parents[:-1]))
        if hidden or linked or not path.is_file() or path.suffix in _PICKLES or path.name in _OURS:
            continue
        told = path.stat()
        found.append((name.as_posix(), told.st_size, told.st_mtime_ns, told.st_ino))
    return tuple(found)
