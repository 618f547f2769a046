"""Adapters as repositories: `NS/networkx` with a branch a channel and a tag a version, `NS/networkx-v12` for one alone.

`main` is `stable`. The second kind is for clients that take no revision. It has one dash, as huggingface_hub refuses
two in a name; with two it is found as well. A domain that is called so itself goes first.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.card import all_of
from registry.errors import ConfigurationError
from registry.records import Adapter
from registry.server.access import Caller
from registry.server.hub.names import MAIN, MODELS
from registry.server.hub.repos import COMMIT, REVISION, Commit, File, Repo, made, missing_revision, timed
from registry.store import MANIFEST, STABLE, Store

_ONE = re.compile(r"(.+?)--?v([1-9][0-9]{0,8})")
"""The repository of one version."""


@dataclass(frozen=True)
class AdapterRepo:
    """A domain's versions, or one of them.

    Attributes:
        store: The adapters.
        namespace: What stands before the name.
        domain: The domain.
        only: The version that the repository is of; None for all.
        who: For whom a channel is looked up: a new version may be for a share of the subscribers first.
    """

    store: Store
    namespace: str
    domain: str
    only: int | None = None
    who: str = ""

    kind = MODELS

    @property
    def id(self) -> str:
        """The full name."""
        return f"{self.namespace}/{self.domain}" + (f"-v{self.only}" if self.only else "")

    @property
    def domains(self) -> Sequence[str]:
        """The domain."""
        return (self.domain,)

    @property
    def tags(self) -> Sequence[str]:
        """What adapters are found by: the libraries that load them, the domain, the base."""
        found = self._adapter(MAIN) if self._is_given() else None
        base = [f"base_model:{found.base}", f"base_model:adapter:{found.base}"] if found else []
        return ["peft", "safetensors", "lora", "driftune", "code", self.domain, *base]

    def at(self, revision: str) -> Commit | None:
        """The commit of `main`, a channel, `vN` or an adapter's id.

        Raises:
            RefusedError: That version is yanked; who names its commit still gets it.
        """
        found = self._adapter(revision)
        return None if found is None else self._commit(found)

    def names(self) -> tuple[dict[str, str], dict[str, str]]:
        """A branch a channel, a tag a version."""
        yanked = self.store.yanked(self.domain)
        tags = {f"v{a.version}": commit_of(a) for a in self._versions() if a.version not in yanked}
        channels = [] if self.only else self.store.channels(self.domain)
        found = {name: self._adapter(name) for name in (*([MAIN] if self._is_given() else ()), *channels)}
        return {name: commit_of(adapter) for name, adapter in found.items() if adapter is not None}, tags

    def past(self, commit: Commit) -> Sequence[Commit]:
        """A version and those before it."""
        versions = self._versions()[::-1]
        place = next((n for n, adapter in enumerate(versions) if commit_of(adapter) == commit.id), 0)
        return [self._commit(adapter) for adapter in versions[place:]]

    def times(self) -> Mapping[str, str]:
        """When a channel first held each version: what is told of when it was published."""
        found: dict[int, str] = {}
        for channel in self.store.channel_names(self.domain):
            for entry in self.store.history(self.domain, channel):
                at = timed(entry.at)
                found[entry.version] = min(at, found.get(entry.version, at))
        return {commit_of(a): found[a.version] for a in self._versions() if a.version in found}

    def _versions(self) -> list[Adapter]:
        return [adapter for adapter in self.store.versions(self.domain) if self.only in (None, adapter.version)]

    def _adapter(self, revision: str) -> Adapter | None:
        if COMMIT.fullmatch(revision):
            return next((adapter for adapter in self._versions() if commit_of(adapter) == revision), None)
        if not REVISION.fullmatch(revision):
            return None
        own = f"v{self.only}" if self.only else STABLE
        if self.only and revision not in (MAIN, own):
            return None
        try:
            return self.store.resolve(f"{self.domain}@{own if revision == MAIN else revision}", who=self.who)
        except ConfigurationError as error:
            if "yanked" in error.values:
                raise missing_revision(str(error)) from error
            return None

    def _is_given(self) -> bool:
        """Whether `main` is anything: `stable` may never have been moved, and a version may be yanked."""
        if self.only:
            return self.only not in self.store.yanked(self.domain)
        return self.store.given(self.domain, STABLE, self.who) is not None

    def _commit(self, adapter: Adapter) -> Commit:
        title = f"{adapter.domain} v{adapter.version}: {adapter.library_range}"
        return Commit(commit_of(adapter), title, card_of(adapter), functools.partial(self._files, adapter))

    def _files(self, adapter: Adapter) -> list[File]:
        manifest = made(MANIFEST, _manifest(self.store, adapter.domain, adapter.version))
        return sorted([*(self._file(adapter, row) for row in adapter.files), manifest], key=lambda file: file.path)

    def _file(self, adapter: Adapter, row: Mapping[str, Any]) -> File:
        path = str(row["path"])
        return File(path, int(row["size"]), str(row["sha256"]), lambda: self.store.file(adapter, path))


@functools.lru_cache(maxsize=4096)
def _manifest(store: Store, domain: str, version: int) -> bytes:
    """A version's manifest, with which `registry.client` takes what was downloaded for what it is."""
    return store.manifest(store.resolve(f"{domain}@v{version}", yanked=True))


def commit_of(adapter: Adapter) -> str:
    """The commit that a version is: the beginning of its id."""
    return adapter.id[:40]


def card_of(adapter: Adapter) -> dict[str, Any]:
    """The head of a version's card, as the Hub tells it."""
    return {
        "library_name": "peft",
        "base_model": adapter.base,
        "license": "other",
        "license_name": all_of(adapter.licences) or "unknown",
        "tags": ["driftune", "lora", "code", adapter.domain],
    }


def adapter_repo(caller: Caller, name: str) -> Repo | None:
    """The repository of adapters with this full name; None where there is none, or the caller doesn't see it."""
    store, namespace = caller.context.store, caller.context.settings.namespace
    owner, _, short = name.partition("/")
    if owner != namespace:
        return None
    known = set(store.domains())
    if short in known and caller.sees(short):
        return AdapterRepo(store, namespace, short, who=_who(caller))
    one = _ONE.fullmatch(short)
    if one is not None and one[1] in known and caller.sees(one[1]):
        only = int(one[2])
        held = any(adapter.version == only for adapter in store.versions(one[1]))
        return AdapterRepo(store, namespace, one[1], only) if held else None
    for domain in {short, one[1] if one else short} & known:
        caller.refused(domain, "not seen")
    return None


def adapter_repos(caller: Caller) -> Iterator[Repo]:
    """The repositories of adapters that a caller sees, one a domain."""
    store, namespace = caller.context.store, caller.context.settings.namespace
    for domain in filter(caller.sees, store.domains()):
        yield AdapterRepo(store, namespace, domain, who=_who(caller))


def _who(caller: Caller) -> str:
    return caller.token.id if caller.token else ""
