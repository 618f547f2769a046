"""Where the registry's bytes lie: the same promises on a folder and on S3."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.errors import ConfigurationError, RegistryError
from registry.objects import PARTS, FolderObjects, objects_of
from registry.store import Store
from tests.adapters import adapter_folder, weights
from tests.registry.test_store import WEIGHTS, publication

KINDS = ("folder", "s3")


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A registry's place: a folder, or a prefix on S3."""
    if request.param == "folder":
        return str(tmp_path / "registry")
    return f"{request.getfixturevalue('bucket')}/{tmp_path.name}"


@pytest.mark.parametrize("place", KINDS, indirect=True)
def test_an_object_is_created_once(place: str) -> None:
    """The second writer is told that it is there, and changes nothing."""
    objects = objects_of(place)
    assert objects.create("a/b/1.json", b"one")
    assert not objects.create("a/b/1.json", b"two")
    assert objects.read("a/b/1.json") == b"one"


@pytest.mark.parametrize("place", KINDS, indirect=True)
def test_of_many_at_once_one_creates_an_object(place: str) -> None:
    """Whatever the order, one of them has made it, and what is read is that one's."""
    objects = objects_of(place)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: objects.create("a/1", bytes([n])), range(8)))
    assert made.count(True) == 1
    assert objects.read("a/1") == bytes([made.index(True)])


@pytest.mark.parametrize("place", KINDS, indirect=True)
def test_what_is_written_is_listed_read_and_removed(place: str, tmp_path: Path) -> None:
    """Names one level down, everything below, sizes and times; what isn't there is empty, none, or not found."""
    objects = objects_of(place)
    assert (objects.names(""), list(objects.walk()), objects.stat("a/x")) == ([], [], None)
    with pytest.raises(FileNotFoundError):
        objects.read("a/x")
    with pytest.raises(FileNotFoundError):
        objects.open("a/x").read()
    (tmp_path / "big").write_bytes(b"x" * 100_000)
    objects.put("a/x", b"one")
    objects.put("a/x", b"three")
    objects.put("a/c/y", tmp_path / "big")
    objects.create("b", b"")
    assert objects.names("") == ["a", "b"]
    assert objects.names("a") == ["c", "x"]
    assert objects.names("a/x/nothing") == []
    assert sorted((each.path, each.size) for each in objects.walk()) == [("a/c/y", 100_000), ("a/x", 5), ("b", 0)]
    assert [each.path for each in objects.walk("a/c")] == ["a/c/y"]
    found = objects.stat("a/x")
    assert found is not None
    assert (found.path, found.size) == ("a/x", 5)
    assert abs(found.time - (tmp_path / "big").stat().st_mtime) < 60
    assert objects.stat("a") is None, "a folder is no object"
    with objects.open("a/c/y") as file:
        assert (file.read(10), len(file.read())) == (b"x" * 10, 99_990)
    for _ in range(2):
        objects.delete("a/x")
    assert objects.names("a") == ["c"]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    """Whatever stands in a reference or a manifest."""
    objects = FolderObjects(tmp_path / "registry")
    asks: list[Callable[[], object]] = [
        lambda: objects.read(path), lambda: objects.create(path, b""), lambda: objects.put(path, b""),
        lambda: objects.delete(path), lambda: objects.stat(path), lambda: objects.names(path),
    ]  # fmt: skip
    for ask in asks:
        with pytest.raises(RegistryError, match="can be called"):
            ask()


def test_what_is_half_written_has_no_name(tmp_path: Path) -> None:
    """A writer that fails leaves nothing, and what a killed one left is under no name that is read."""
    objects = FolderObjects(tmp_path / "registry")
    with pytest.raises(RegistryError, match="Can't write the registry"):
        objects.put("a/x", tmp_path)  # a folder has no bytes
    assert list((tmp_path / "registry" / PARTS).iterdir()) == []
    (tmp_path / "registry" / PARTS / "0123").write_text("half")
    assert (objects.names(""), list(objects.walk())) == ([], [])


def test_objects_of_a_folder_are_read_only_files(tmp_path: Path) -> None:
    """A program that writes into the registry by mistake is stopped, and other tools can read it."""
    objects = FolderObjects(tmp_path)
    objects.put("a/x", b"one")
    found = objects.local("a/x")
    assert found == tmp_path / "a" / "x"
    assert found.stat().st_mode & 0o777 == 0o444


@pytest.fixture
def remote(bucket: str, tmp_path: Path) -> Iterator[Store]:
    """A store on S3 with two versions."""
    store = Store(f"{bucket}/{tmp_path.name}", cache=tmp_path / "cache")
    for number in (1, 2):
        store.publish(adapter_folder(tmp_path / f"run-{number}", bytes([number])), publication(f"run-{number}"))
    yield store


def test_a_registry_on_s3_does_what_a_folder_does(remote: Store, tmp_path: Path) -> None:
    """Publish, list, resolve, verify, roll back, promote, pull and use, with the same layout."""
    store = Store(remote.url, cache=tmp_path / "other")
    assert (store.domains(), [a.version for a in store.versions("networkx")]) == (["networkx"], [1, 2])
    assert store.publish(tmp_path / "run-2", publication("run-2")).version == 2, "it is there already"
    assert store.verify("networkx").version == 2
    assert store.rollback("networkx", "stable").version == 1
    assert store.promote("networkx", 2, "candidate").before == ""
    assert store.channels("networkx") == {"3.6.x": 1, "3.x": 1, "candidate": 2, "stable": 1}
    assert (store.pull("networkx", tmp_path / "into").path / WEIGHTS).read_bytes() == weights(bytes([1]))
    adapter = store.resolve("networkx@v2")
    folder = store.folder(adapter)
    assert store.file(adapter, WEIGHTS).read_bytes() == (folder / WEIGHTS).read_bytes() == weights(bytes([2]))
    assert folder.parent == tmp_path / "other"


def test_a_server_hashes_what_it_holds_of_s3_once(remote: Store, tmp_path: Path) -> None:
    """Not at each piece that somebody asks for; again where a file isn't as it was hashed."""
    adapter = remote.publish(adapter_folder(tmp_path / "held"), publication("held"))
    server = Store(remote.url, tmp_path / "served", checks=False)
    path = server.file(adapter, WEIGHTS)
    written = path.read_bytes()
    (stray := path.with_name("stray")).touch()
    assert server.file(adapter, WEIGHTS) == path
    assert stray.exists()  # who looked at the folder would have made it anew
    path.chmod(0o600)
    path.write_bytes(written[::-1])
    assert server.file(adapter, WEIGHTS).read_bytes() == written


def test_a_damaged_object_on_s3_is_found(remote: Store, tmp_path: Path) -> None:
    """Changed bytes and missing ones are told by the file's name, and nothing is pulled."""
    adapter = remote.resolve("networkx")
    [path] = [each.path for each in remote.objects.walk("files") if each.path.endswith(_hash(remote, WEIGHTS))]
    remote.objects.put(path, b"other")
    with pytest.raises(RegistryError, match=f"{WEIGHTS} in s3://.* was changed"):
        remote.verify("networkx")
    remote.objects.delete(path)
    with pytest.raises(RegistryError, match=f"{WEIGHTS} in .* is missing"):
        remote.pull("networkx", tmp_path / "into")
    assert not (tmp_path / "into").exists()
    assert remote.publish(tmp_path / "run-2", publication("run-2")) == adapter, "publishing again mends it"
    assert remote.verify("networkx") == adapter


def _hash(store: Store, name: str) -> str:
    return next(str(f["sha256"]) for f in store.resolve("networkx").files if f["path"] == name)


def test_a_bucket_that_is_not_there_is_the_users_error(bucket: str, tmp_path: Path) -> None:
    """Reading finds nothing; writing says to make it."""
    store = Store("s3://no-such-bucket/x")
    assert store.domains() == []
    with pytest.raises(ConfigurationError, match="Make the bucket first"):
        store.publish(adapter_folder(tmp_path / "run"), publication())


def test_a_service_that_does_not_answer_is_told(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One error of ours that names the place."""
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    try:
        with pytest.raises(RegistryError, match=r"Can't read s3://adapters/gone"):
            Store("s3://adapters/gone").domains()
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
