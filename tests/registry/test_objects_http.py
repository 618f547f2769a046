"""A registry's server is a registry: what is read there is what lies behind it, and nothing is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from registry import objects_http
from registry.errors import ConfigurationError, RegistryError
from registry.manifests import hashes
from registry.objects_http import HttpObjects
from registry.pulling import content_path
from registry.store import CARD, Store
from tests.registry.cutting import Way, way_to
from tests.registry.server.serving import OTHER, PRIVATE, PUBLIC, Served, context_in, serving
from tests.registry.test_store import adapter_folder, publication

WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(context_in(tmp_path_factory.mktemp("served"))) as running:
        yield running


@pytest.fixture
def way(served: Served) -> Iterator[Way]:
    with way_to(served.address) as found:
        yield found


@pytest.fixture
def remote(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The server's registry, for who may read the private domain too."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRIFTUNE_TOKEN", served.secrets["read"])
    return Store(served.address)


def content(objects: HttpObjects, sha256: str) -> bytes:
    with objects.open(content_path(sha256)) as file:
        return file.read()


def test_all_that_is_read_is_what_lies_behind_it(served: Served, remote: Store, tmp_path: Path) -> None:
    """Domains, versions, channels, yanks, cards, files, a pull and a verification, as from the folder."""
    own = served.context.store
    own.promote(PUBLIC, 1, "pinned", reason="a test")
    own.yank(f"{OTHER}@v2", "a test", "me")
    assert remote.domains() == [PUBLIC, OTHER, PRIVATE] == own.domains()
    for domain in own.domains():
        assert remote.versions(domain) == own.versions(domain)
        assert remote.channels(domain) == own.channels(domain)
        assert remote.standing(domain) == own.standing(domain)
    assert remote.history(PUBLIC, "pinned") == own.history(PUBLIC, "pinned")
    assert remote.resolve(OTHER).version == 1
    adapter = remote.verify(f"{PRIVATE}@v1")
    assert remote.read(adapter, CARD) == own.read(adapter, CARD)
    for folder in (remote.pull(PRIVATE, tmp_path / "pulled").path, remote.folder(remote.resolve(PRIVATE))):
        assert (folder / WEIGHTS).read_bytes() == own.file(own.resolve(PRIVATE), WEIGHTS).read_bytes()
    size = served.context.store.objects.stat(content_path(hashes(adapter)[WEIGHTS]))
    assert size is not None
    there = remote.objects.stat(content_path(hashes(adapter)[WEIGHTS]))
    assert there is not None
    assert there.size == size.size
    assert remote.objects.stat(f"{PUBLIC}/versions/00000009/manifest.json") is None
    assert remote.objects.names(f"{PUBLIC}/nothing") == []


def test_who_may_not_see_a_domain_finds_none(served: Served, remote: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token the private domain isn't there; a wrong or revoked one is told, and never sent in the open."""
    monkeypatch.setenv("DRIFTUNE_TOKEN", "")
    bare = Store(served.address)
    assert bare.domains() == [PUBLIC, OTHER]
    with pytest.raises(ConfigurationError, match=f"No adapter '{PRIVATE}'"):
        bare.resolve(PRIVATE)
    hidden = content_path(hashes(served.context.store.resolve(PRIVATE))[WEIGHTS])
    with pytest.raises(FileNotFoundError):
        bare.objects.open(hidden)
    for caller in ("wrong", "revoked", "expired"):
        monkeypatch.setenv("DRIFTUNE_TOKEN", served.secrets[caller])
        with pytest.raises(RegistryError, match="DRIFTUNE_TOKEN is wrong, has expired or was revoked"):
            Store(served.address).domains()
    with pytest.raises(ConfigurationError, match=r"isn't sent to http://registry\.example"):
        Store("http://registry.example")
    for place in ("https://", "https://me:secret@registry.example", "https://registry.example/?q=1"):
        with pytest.raises(ConfigurationError, match="No registry can be at"):
            Store(place)


def test_nothing_is_written(remote: Store, tmp_path: Path) -> None:
    """Publishing, promoting and collecting are refused, and it is said where they are done."""
    folder = adapter_folder(tmp_path / "made")
    for change in (
        lambda: remote.publish(folder, publication("new")),
        lambda: remote.promote(PUBLIC, 1, "other"),
        lambda: remote.objects.delete("x"),
    ):
        with pytest.raises(ConfigurationError, match="is only read from here"):
            change()
    with pytest.raises(ConfigurationError, match=r"doesn't list all that it holds.*verify networkx@v3"):
        list(remote.objects.walk())


def test_an_address_that_is_no_registrys_is_told(served: Served) -> None:
    """A path too many is no empty registry, and what isn't seen may want a token."""
    with pytest.raises(ConfigurationError, match=r"No registry is served at .*/page: set DRIFTUNE_REGISTRY"):
        Store(f"{served.address}/page").resolve("networkx")
    with pytest.raises(ConfigurationError, match="by those alone whose DRIFTUNE_TOKEN is for it"):
        Store(served.address).resolve("absentlib")


class Counted(BaseHTTPRequestHandler):
    """Answers what a server does to who asks again, and counts connections."""

    protocol_version = "HTTP/1.1"
    connections: ClassVar[list[object]] = []

    def setup(self) -> None:
        super().setup()
        self.connections.append(self.client_address)

    def do_GET(self) -> None:
        known = self.headers.get("If-None-Match") == '"1"'
        self.send_response(304 if known else 200)
        self.send_header("ETag", '"1"')
        self.send_header("Content-Length", "0" if known else "2")
        self.end_headers()
        self.wfile.write(b"" if known else b"{}")

    def log_message(self, *_: object) -> None:
        pass


def test_looks_share_one_connection(tmp_path: Path) -> None:
    """What is unchanged has no body to wait for: each such answer took a connection of its own."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Counted) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        objects = HttpObjects(f"http://127.0.0.1:{server.server_address[1]}", tmp_path)
        try:
            assert [objects.read("x") for _ in range(3)] == [b"{}"] * 3
            assert len(Counted.connections) == 1
        finally:
            objects._client.close()
            server.shutdown()
            thread.join()


def test_a_download_goes_on_where_it_was_cut_off(way: Way, served: Served, tmp_path: Path) -> None:
    """Cut three times, and begun by a process that was killed: no byte is fetched twice, and all are right."""
    store = served.context.store
    adapter = store.publish(adapter_folder(tmp_path / "large", bytes(range(256)) * 8192), publication("large"))
    sha256 = hashes(adapter)[WEIGHTS]
    data = store.file(adapter, WEIGHTS).read_bytes()
    objects = HttpObjects(way.address, tmp_path / "cache")
    way.cuts += [300_000, 400_000, 500_000]
    assert content(objects, sha256) == data
    assert way.passed < len(data) + 4 * 1024
    assert [head.split()[1] for head in way.heads if head.startswith("HTTP")] == ["200", "206", "206", "206"]
    asked = len(way.heads)
    assert content(objects, sha256) == data
    assert len(way.heads) == asked, "it is here already"
    begun = HttpObjects(way.address, tmp_path / "begun")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / f"{sha256}.part").write_bytes(data[:2_000_000])
    assert content(begun, sha256) == data
    assert way.heads[-1].split()[1] == "206"
    (tmp_path / "begun" / sha256).unlink()
    (tmp_path / "begun" / f"{sha256}.part").write_bytes(b"something else")
    assert content(begun, sha256) == data


def test_what_passes_is_tried_again_and_what_stays_is_told(way: Way, tmp_path: Path) -> None:
    """A busy server and a cut listing cost an attempt; what is unchanged isn't sent again; nonsense is named."""
    objects = HttpObjects(way.address, tmp_path)
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
    way.answers += [busy, busy]
    assert objects.names(PUBLIC) == ["channels", "versions"]
    way.cuts.append(250)
    assert objects.names(f"{PUBLIC}/versions")[0] == "00000001"
    assert objects.names(PUBLIC) == ["channels", "versions"]
    assert way.heads[-1] == "HTTP/1.1 304 Not Modified"
    way.answers += [b"HTTP/1.1 429 Slow\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"]
    with pytest.raises(RegistryError, match=r"answers 429 .* try again later") as caught:
        objects.names("")
    assert caught.value.retryable
    way.answers += [b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>"]
    with pytest.raises(RegistryError, match="is it driftune serve"):
        objects.names("")
    with pytest.raises(RegistryError, match="can't be reached"):
        HttpObjects("http://127.0.0.1:1", tmp_path).names("")


def test_other_bytes_than_their_hash_are_refused(served: Served, remote: Store, tmp_path: Path) -> None:
    """A file that was changed at the server, and a manifest, are never taken for what was published."""
    store = served.context.store
    adapter = store.publish(adapter_folder(tmp_path / "made", b"x" * 5000), publication("tampered", OTHER))
    path = store.file(adapter, WEIGHTS)
    path.chmod(0o644)
    path.write_bytes(b"y" * 5000)
    with pytest.raises(RegistryError, match="sent other bytes than"):
        remote.pull(f"{OTHER}@v{adapter.version}", tmp_path / "pulled")
    assert not (tmp_path / "pulled").exists()


def test_several_at_once_download_once(way: Way, served: Served, tmp_path: Path) -> None:
    """Threads that want one content wait for the one that fetches it."""
    sha256 = hashes(served.context.store.resolve(f"{PUBLIC}@v1"))[WEIGHTS]
    found: list[bytes] = []

    def fetch() -> None:
        found.append(content(HttpObjects(way.address, tmp_path), sha256))

    threads = [threading.Thread(target=fetch) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len([head for head in way.heads if head.startswith("GET")]) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000,
        b'HTTP/1.1 200 OK\r\n\r\n{"names": 5}',
    ],
    ids=["unasked 304", "unasked 416", "redirect", "deep", "no list"],
)
def test_an_answer_that_is_none_is_told(answer: bytes, way: Way, tmp_path: Path) -> None:
    """What isn't an answer to what was asked is the registry's error, and nothing else."""
    way.answers.append(answer)
    with pytest.raises(RegistryError, match="is it driftune serve"):
        HttpObjects(way.address, tmp_path / "cache").names("")


def test_no_more_is_fetched_than_was_promised(way: Way, tmp_path: Path) -> None:
    """A body without an end stops soon after the size that the manifest says, and leaves nothing on the disk."""
    body = bytes(4 << 20)
    way.answers.append(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n" + body)
    objects = HttpObjects(way.address, tmp_path / "cache")
    with pytest.raises(RegistryError, match="sent other bytes"):
        objects.open(content_path("a" * 64), 1000)
    assert [path.stat().st_size for path in (tmp_path / "cache").iterdir()] == [0]


class Dripping(BaseHTTPRequestHandler):
    """Promises much, and sends a byte now and then."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        with suppress(OSError):  # who asked has had enough
            while True:
                self.wfile.write(b" ")
                time.sleep(0.02)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("path", ["x", content_path("a" * 64)], ids=["an object", "content"])
def test_a_body_that_drips_is_given_up(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends a byte now and then holds nobody for ever."""
    monkeypatch.setattr(objects_http, "DRIP_S", 0.1)
    monkeypatch.setattr(objects_http, "ATTEMPTS", 2)
    with ThreadingHTTPServer(("127.0.0.1", 0), Dripping) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        objects = HttpObjects(f"http://127.0.0.1:{server.server_address[1]}", tmp_path)
        try:
            with pytest.raises(RegistryError, match=r"can't be reached: It sent \d+ bytes"):
                objects.open(path)
        finally:
            objects._client.close()
            server.shutdown()
            thread.join()


def test_content_that_a_disk_hurt_is_fetched_again(served: Served, remote: Store, tmp_path: Path) -> None:
    """A download that lies here with other bytes, as after a power cut, isn't what the next pull gets."""
    first = remote.pull(PUBLIC, tmp_path / "first").path
    for path in (tmp_path / "home").rglob(hashes(remote.resolve(PUBLIC))[WEIGHTS]):
        path.write_bytes(b"")
    again = remote.pull(PUBLIC, tmp_path / "again").path
    assert (again / WEIGHTS).read_bytes() == (first / WEIGHTS).read_bytes() != b""


def test_a_token_that_cannot_be_sent_is_not_told(tmp_path: Path) -> None:
    """A token with a line's end, as from a file, is refused before anything says it."""
    for token in ("dt_secret\n", "dt_s\u00e9cret"):
        with pytest.raises(ConfigurationError, match="DRIFTUNE_TOKEN has characters") as told:
            HttpObjects("http://127.0.0.1:1", tmp_path, token)
        assert "cret" not in str(told.value)
    with pytest.raises(ConfigurationError, match="No registry can be at"):
        HttpObjects("http://[::1", tmp_path)
