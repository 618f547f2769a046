"""Snapshots as data sets: `datasets/NS/networkx`, whose `main` is the latest, with a tag a snapshot and an adapter."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry import exports
from registry.errors import ConfigurationError
from registry.lake import Lake
from registry.records import Snapshot, Work
from registry.server.access import Caller
from registry.server.hub.names import DATASETS, MAIN
from registry.server.hub.repos import COMMIT, REVISION, Commit, File, Repo
from registry.store import Store


@dataclass(frozen=True)
class SnapshotRepo:
    """The snapshots of a domain.

    Attributes:
        lake: Where the rows are.
        store: The adapters: what one was trained on goes by its version and channels too.
        namespace: What stands before the name.
        domain: The domain.
    """

    lake: Lake
    store: Store
    namespace: str
    domain: str

    kind = DATASETS

    @property
    def id(self) -> str:
        """The full name."""
        return f"{self.namespace}/{self.domain}"

    @property
    def domains(self) -> Sequence[str]:
        """The domain."""
        return (self.domain,)

    @property
    def tags(self) -> Sequence[str]:
        """What data sets are found by."""
        return ["driftune", "code", "parquet", self.domain]

    def at(self, revision: str) -> Commit | None:
        """The commit of `main`, a snapshot's id, or an adapter's version or channel."""
        snapshot = self._snapshot(revision)
        if snapshot is None:
            return None
        splits = [split for split in exports.SPLITS if exports.rows_in(snapshot, split)]
        card = exports.card_data(snapshot, self.id, splits)
        mark = exports.commit_of(snapshot, exports.forgotten(self.lake))
        return Commit(mark, f"Snapshot {snapshot.id}", card, functools.partial(self._files, snapshot))

    def names(self) -> tuple[dict[str, str], dict[str, str]]:
        """`main`, and a tag a snapshot and a version."""
        latest, held = self._latest(), self._snapshots()
        gone = exports.forgotten(self.lake)
        marks = {snapshot.id: exports.commit_of(snapshot, gone) for snapshot in held}
        versions = self.store.versions(self.domain)
        tags = {f"v{a.version}": marks[a.snapshot] for a in versions if a.snapshot in marks}
        return {MAIN: marks[latest]} if latest in marks else {}, {**marks, **tags}

    def past(self, commit: Commit) -> Sequence[Commit]:
        """The commit alone: listing another would write it."""
        return [commit]

    def times(self) -> Mapping[str, str]:
        """Nothing: it isn't known."""
        return {}

    def _files(self, snapshot: Snapshot) -> list[File]:
        folder, files = exports.export(self.lake, snapshot, self.id)
        return [File(f.path, f.size, f.sha256, functools.partial(folder.joinpath, f.path)) for f in files]

    def _snapshots(self) -> list[Snapshot]:
        return self.lake.read(Snapshot, "domain = $d", {"d": self.domain})

    def _latest(self) -> str:
        done = self.lake.read(Work, "stage = 'curate' AND domain = $d", {"d": self.domain}, latest=1)
        return str(done[0].result.get("snapshot", "")) if done else ""

    def _snapshot(self, revision: str) -> Snapshot | None:
        if not REVISION.fullmatch(revision):
            return None
        wanted = self._latest() if revision == MAIN else revision
        held = self._snapshots()
        found = next((s for s in held if s.id == wanted), None)
        if found is None and COMMIT.fullmatch(wanted):
            gone = exports.forgotten(self.lake)
            found = next((s for s in held if exports.commit_of(s, gone) == wanted), None)
        elif found is None and revision != MAIN:
            try:
                trained_on = self.store.resolve(f"{self.domain}@{revision}", yanked=True).snapshot
            except ConfigurationError:
                return None
            found = next((s for s in held if s.id == trained_on), None)
        return found


def snapshot_repo(caller: Caller, name: str) -> Repo | None:
    """The data set with this full name; None where there is none, or the caller doesn't see its domain."""
    lake, namespace = caller.context.lake, caller.context.settings.namespace
    owner, _, domain = name.partition("/")
    if lake is None or owner != namespace or domain not in _domains(lake):
        return None
    if not caller.sees(domain):
        caller.refused(domain, "not seen")
        return None
    return SnapshotRepo(lake, caller.context.store, namespace, domain)


def snapshot_repos(caller: Caller) -> Iterator[Repo]:
    """The data sets that a caller sees, one a domain."""
    lake, namespace = caller.context.lake, caller.context.settings.namespace
    for domain in filter(caller.sees, _domains(lake) if lake is not None else ()):
        if lake is not None:
            yield SnapshotRepo(lake, caller.context.store, namespace, domain)


def _domains(lake: Lake) -> list[str]:
    """The domains that have a snapshot."""
    return sorted({snapshot.domain for snapshot in lake.read(Snapshot)})
