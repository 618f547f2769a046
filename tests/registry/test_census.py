"""Care of a registry: what is broken is named, what nobody can ask for goes and nothing else, a copy is whole."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.census import DAMAGE, ORPHAN, Census, Finding
from registry.collecting import Gone, collect, retention
from registry.copying import copy
from registry.errors import ConfigurationError, RegistryError
from registry.manifests import MANIFEST
from registry.objects import PARTS, objects_of
from registry.pulling import content_path
from registry.store import Store
from registry.turns import publishing, removing
from tests.registry.test_store import WEIGHTS, adapter_folder, overwrite, publication


def published(store: Store, tmp_path: Path, count: int, domain: str = "networkx", **facts: str) -> None:
    """Publishes versions that differ in their weights."""
    for _ in range(count):
        number = len(store.versions(domain)) + 1
        about = dataclasses.replace(publication(f"run-{number}", domain), **facts)
        store.publish(adapter_folder(tmp_path / "a", f"{domain} {number}".encode()), about)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three versions of one domain and one of another."""
    made = Store(tmp_path / "registry")
    published(made, tmp_path, 3)
    published(made, tmp_path, 1, "polars")
    return made


def findings(store: Store) -> list[Finding]:
    return list(Census(store.objects).findings())


def removed(store: Store, **how: object) -> list[Gone]:
    return list(collect(store.objects, grace_s=0, **how))  # type: ignore[arg-type]


def test_an_intact_registry_has_no_finding_and_everything_was_counted(store: Store) -> None:
    """Each content is hashed once, however many versions have it."""
    census = Census(store.objects)
    assert list(census.findings()) == []
    listed = {f["sha256"]: f["size"] for d in store.domains() for a in store.versions(d) for f in a.files}
    assert (census.versions, census.files, census.bytes) == (4, len(listed), sum(listed.values()))
    assert census.entries == 12, "of stable and its two lines"


def place(store: Store, name: str, version: int = 2) -> Path:
    return store.file(store.resolve(f"networkx@v{version}"), name)


DAMAGES: dict[str, tuple[Callable[[Store, Path], object], str, tuple[str, ...]]] = {
    "changed weights": (
        lambda store, _: overwrite(place(store, WEIGHTS), b"x"), "was changed: its SHA-256 is", ("networkx@v2",)
    ),
    "missing weights": (lambda store, _: place(store, WEIGHTS).unlink(), "is missing", ("networkx@v2",)),
    "content that all have": (
        lambda store, _: place(store, "LICENSES.txt").unlink(), "of networkx@v1, networkx@v2, networkx@v3,",
        ("networkx@v1", "networkx@v2", "networkx@v3", "polars@v1"),
    ),
    "changed manifest": (
        lambda _, root: overwrite(root / "networkx/versions/00000002" / MANIFEST, b"{}"), "No readable manifest",
        ("networkx@v2",),
    ),
    "another's manifest": (
        lambda _, root: overwrite(
            root / "networkx/versions/00000002" / MANIFEST, (root / "polars/versions/00000001" / MANIFEST).read_bytes()
        ),
        "is that of polars v1", ("networkx@v2",),
    ),
    "a version that stable gives": (
        lambda _, root: shutil.rmtree(root / "networkx/versions/00000003"), "gives v3, which isn't there",
        ("networkx@v3",),
    ),
    "a cut log": (
        lambda _, root: (root / "networkx/channels/stable/00000002.json").unlink(), "Entry 2 of .* is missing", ()
    ),
    "a changed entry": (
        lambda _, root: overwrite(
            root / "networkx/channels/stable/00000001.json",
            json.dumps(
                {"action": "publish", "at": "2026-01-01", "channel": "stable", "number": 1, "version": 3}
            ).encode(),
        ),
        "Broken entry .*00000001.json", (),
    ),
    "half an entry": (
        lambda _, root: overwrite(root / "networkx/channels/stable/00000003.json", b'{"number"'), "Broken entry", ()
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", sorted(DAMAGES))
def test_what_is_broken_is_named(store: Store, tmp_path: Path, way: str) -> None:
    """By the object and by the versions that miss it; what isn't broken isn't told of."""
    damage, told, versions = DAMAGES[way]
    damage(store, tmp_path / "registry")
    found = [finding for finding in findings(store) if finding.kind == DAMAGE]
    assert found
    for finding in found[:1]:
        assert finding.versions == versions
        with pytest.raises(AssertionError, match=told):
            raise AssertionError(finding.what)
    if versions:
        assert {version for finding in found for version in finding.versions} <= set(versions)


def test_what_a_killed_publisher_leaves_is_no_damage(store: Store, tmp_path: Path) -> None:
    """Content of no version, a half-written file, and what isn't the registry's at all are orphans."""
    root = tmp_path / "registry"
    store.objects.put(content_path("ab" + "0" * 62), b"left")
    (root / PARTS / "0123").write_text("half")
    (root / "networkx" / "notes.txt").write_text("mine")
    (root / "networkx" / "versions" / "00000009").mkdir()
    found = findings(store)
    assert {finding.kind for finding in found} == {ORPHAN}
    assert sorted(finding.path for finding in found) == [
        f"{PARTS}/0123", f"files/ab/ab{'0' * 62}", "networkx/notes.txt",
    ]  # fmt: skip


def test_garbage_goes_and_versions_stay(store: Store, tmp_path: Path) -> None:
    """Without a retention no version leaves; content of none goes once it is old, and a dry run removes nothing."""
    root = tmp_path / "registry"
    left = content_path("ab" + "0" * 62)
    store.objects.put(left, b"left")
    (root / PARTS / "0123").write_text("half")
    (root / "networkx" / "notes.txt").write_text("mine")
    assert list(collect(store.objects)) == [], "it isn't a day old"
    dry = removed(store, dry_run=True)
    assert [gone.path for gone in dry] == [left, f"{PARTS}/0123"]
    assert removed(store) == dry
    assert removed(store) == []
    assert [finding.path for finding in findings(store)] == ["networkx/notes.txt"], "what is nobody's stays"
    assert len(store.versions("networkx")) == 3


def keep(store: Store, count: int, days: float = 0) -> None:
    store.objects.put("registry.json", json.dumps({"retention": {"keep": count, "days": days}}).encode())


def numbers(store: Store) -> list[int]:
    return [adapter.version for adapter in Store(store.url).versions("networkx")]


def test_versions_leave_only_by_the_registrys_own_retention(store: Store, tmp_path: Path) -> None:
    """The last ones stay, what leaves takes its content along, and what others have too stays."""
    published(store, tmp_path, 2)
    keep(store, 2)
    gone = removed(store)
    assert [each.what for each in gone if each.kind == "version"] == [
        f"networkx@v{n}, made for driftune/tiny-0" for n in (1, 2, 3)
    ]
    assert numbers(store) == [4, 5]
    assert findings(store) == []
    assert [a.version for a in store.versions("polars")] == [1]
    assert not (tmp_path / "registry" / "networkx" / "versions" / "00000001").exists()
    published(store, tmp_path, 1)
    assert numbers(store) == [4, 5, 6], "no number is given twice"


@pytest.mark.parametrize("way", ["channel", "share", "lately", "standing", "held", "started from"])
def test_what_somebody_may_hold_stays(store: Store, tmp_path: Path, way: str) -> None:
    """What a channel gives to anybody or gave in the last days, what is spoken of, named by others, or told of."""
    published(store, tmp_path, 1)  # stable would go back to v3
    held: list[tuple[str, int]] = []
    if way == "channel":
        store.promote("networkx", 1, "pinned")
    elif way == "share":
        store.promote("networkx", 1, "pinned")
        store.promote("networkx", 3, "pinned", share=0.5)
    elif way == "standing":
        store.end_of_life("networkx@v1", "use v3")
    elif way == "held":
        held = [("networkx", 1)]
    elif way == "started from":
        published(store, tmp_path, 1, started_from=store.resolve("networkx@v1").id)
    keep(store, 1, days=1 if way == "lately" else 0)
    removed(store, held=held)
    assert 1 in numbers(store)
    assert (2 in numbers(store)) == (way == "lately")
    assert findings(store) == []


def test_where_a_manifest_is_broken_nothing_is_removed(store: Store, tmp_path: Path) -> None:
    """Nobody knows which content its version has."""
    overwrite(tmp_path / "registry" / "networkx" / "versions" / "00000002" / MANIFEST, b"{}")
    store.objects.put(content_path("ab" + "0" * 62), b"left")
    before = {each.path for each in store.objects.walk()}
    with pytest.raises(RegistryError, match="No readable manifest"):
        removed(Store(store.url))
    assert {each.path for each in store.objects.walk()} == before


@pytest.mark.parametrize(
    "said", ["[]", "{", '{"retention": {"keep": -1}}', '{"retention": {"kept": 1}}', '{"retention": {"days": 1e12}}']
)
def test_a_retention_that_cannot_be_read_removes_nothing(store: Store, said: str) -> None:
    """It is told, with how to write it."""
    store.objects.put("registry.json", said.encode())
    with pytest.raises(ConfigurationError, match=r"Can't read retention in .*registry\.json: .*\"keep\": 50"):
        retention(store.objects)
    with pytest.raises(ConfigurationError, match="Can't read retention"):
        removed(store)
    assert numbers(store) == [1, 2, 3]


def test_nobody_publishes_while_something_is_removed(store: Store, tmp_path: Path) -> None:
    """A publisher waits for the remover, and the remover for those who publish; readers wait for nobody."""
    done: list[str] = []

    def publish() -> None:
        published(Store(store.url), tmp_path, 1)
        done.append("published")

    with removing(store.objects):
        other = threading.Thread(target=publish)
        other.start()
        time.sleep(0.2)
        assert done == []
        assert Store(store.url).resolve("networkx").version == 3
    other.join()
    assert done == ["published"]


def test_publishers_publish_beside_each_other(store: Store) -> None:
    """The lock is shared among them."""
    with publishing(store.objects), publishing(store.objects):
        pass


def test_on_s3_a_remover_gives_way_and_a_dead_ones_mark_is_passed_over(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are no locks, marks do: nothing is removed beside a publisher."""
    store = Store(f"{bucket}/{tmp_path.name}")
    published(store, tmp_path, 2)
    store.objects.put(content_path("ab" + "0" * 62), b"left")
    time.sleep(1.1)  # the service tells whole seconds
    with publishing(store.objects), pytest.raises(RegistryError, match="while others publish") as caught:
        removed(store)
    assert caught.value.retryable
    with removing(store.objects), pytest.raises(RegistryError, match="while others publish or remove"):
        removed(store)
    with monkeypatch.context() as patch:
        patch.setattr("registry.turns.WAIT_S", 0.1)
        with removing(store.objects), pytest.raises(RegistryError, match="Somebody removes"):
            published(store, tmp_path, 1)
    store.objects.put(".turns/publishing/dead", b"")
    monkeypatch.setattr("registry.turns.PUBLISHING_S", -60.0)
    assert [gone.kind for gone in removed(store)] == ["file"]
    assert [finding.kind for finding in findings(store)] == [ORPHAN], "the dead one's mark"
    with pytest.raises(RegistryError, match="may be gone by now"):  # one that slept for as long as its mark counts
        published(store, tmp_path, 1)
    assert len(Store(store.url).versions("networkx")) == 2


def test_on_s3_a_publishers_mark_counts_while_he_lives(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He writes it again and again, however long he takes; one that slept for too long doesn't have it back."""
    objects = Store(f"{bucket}/{tmp_path.name}").objects
    monkeypatch.setattr("registry.turns._RENEW_S", 0.05)
    with publishing(objects) as until:
        first = until()
        while (last := until()) == first:
            time.sleep(0.02)
        monkeypatch.setattr("registry.turns.clock", lambda: last + 1)
        time.sleep(0.3)
        assert until() <= last + 1, "somebody may have removed what he relies on"
    assert list(objects.walk(".turns/publishing")) == []


@pytest.mark.parametrize("way", ["backup", "cp -a"])
def test_a_copy_is_a_registry(store: Store, tmp_path: Path, way: str) -> None:
    """Of a registry that rests, copying the folder is a backup, and copying it back restores it."""
    published(store, tmp_path, 1)
    if way == "backup":
        assert len(list(copy(store.objects, tmp_path / "copy"))) == len(list(store.objects.walk()))
        assert list(copy(store.objects, tmp_path / "copy")) == [], "nothing is new"
        published(store, tmp_path, 1)
        assert 0 < len(list(copy(store.objects, tmp_path / "copy"))) < 12
    else:
        subprocess.run(["cp", "-a", tmp_path / "registry", tmp_path / "copy"], check=True)
    shutil.rmtree(tmp_path / "registry")
    subprocess.run(["cp", "-a", tmp_path / "copy", tmp_path / "registry"], check=True)
    again = Store(store.url)
    assert findings(again) == []
    assert again.resolve("networkx").version == (5 if way == "backup" else 4)
    published(again, tmp_path, 1)
    assert again.verify("networkx").version == (6 if way == "backup" else 5)


def test_a_registry_on_s3_is_copied_into_a_folder(bucket: str, tmp_path: Path) -> None:
    """With all that it holds."""
    store = Store(f"{bucket}/{tmp_path.name}")
    published(store, tmp_path, 2)
    list(copy(store.objects, tmp_path / "copy"))
    copied = Store(objects_of(tmp_path / "copy").url)
    assert findings(copied) == []
    assert copied.verify("networkx") == store.verify("networkx")
