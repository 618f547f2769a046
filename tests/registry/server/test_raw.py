"""The raw registry: every object that a caller may see, byte by byte, and no other."""

from __future__ import annotations

import dataclasses
import itertools
import json

import httpcore
import pytest

from registry.identity import sha256_of_bytes
from registry.store import Store, hashes
from tests.registry.server.serving import OTHER, PRIVATE, PUBLIC, Served, context_in, serving
from tests.registry.test_store import adapter_folder, publication


def names(served: Served, path: str, caller: str = "none") -> list[str]:
    found: list[str] = served.get(f"/registry/{path}", caller).json()["names"]
    return found


def walked(served: Served, caller: str, below: str = "") -> list[str]:
    """Every object that lists lead to."""
    found = []
    for name in names(served, below, caller):
        path = f"{below}{name}"
        response = served.get(f"/registry/{path}", caller)
        found += [path] if response.status_code == 200 else walked(served, caller, f"{path}/")
    return found


@pytest.mark.parametrize(
    ("caller", "seen"), [("none", [PUBLIC, OTHER]), ("other", [PUBLIC, OTHER]), ("read", [PUBLIC, OTHER, PRIVATE])]
)
def test_lists_lead_to_all_that_the_caller_sees_and_nothing_else(served: Served, caller: str, seen: list[str]) -> None:
    """What is served are the registry's own bytes."""
    paths = walked(served, caller)
    objects = served.context.store.objects
    there = [stored.path for stored in objects.walk() if not stored.path.startswith("files/")]
    assert sorted(paths) == sorted(path for path in there if path.split("/")[0] in seen)
    assert all(served.get(f"/registry/{path}", caller).content == objects.read(path) for path in paths)


def test_content_is_given_to_who_sees_a_version_that_holds_it(served: Served) -> None:
    """Also where a private domain holds the same; the private's own is given to its readers alone."""
    store = served.context.store
    public = {
        sha256 for domain in (PUBLIC, OTHER) for held in store.versions(domain) for sha256 in hashes(held).values()
    }
    assert 0 < len(public & set(hashes(store.versions(PRIVATE)[0]).values())) < len(hashes(store.versions(PRIVATE)[0]))
    for domain, caller in itertools.product((PUBLIC, PRIVATE), ("none", "other", "read")):
        for name, sha256 in hashes(store.versions(domain)[0]).items():
            response = served.get(f"/registry/files/{sha256[:2]}/{sha256}", caller)
            assert response.status_code == (200 if sha256 in public or caller == "read" else 404), name
            if response.status_code == 200:
                assert sha256_of_bytes(response.content) == sha256


def test_a_version_that_is_published_meanwhile_is_served(served: Served) -> None:
    """By another process, into the same registry."""
    folder = served.context.bases.parent / "later"
    adapter = Store(served.context.store.url).publish(adapter_folder(folder, b"later"), publication("later", "latelib"))
    sha256 = hashes(adapter)["adapter_model.safetensors"]
    assert served.get(f"/registry/files/{sha256[:2]}/{sha256}").content.endswith(b"later")
    assert "latelib" in names(served, "")


def test_a_cut_download_goes_on_and_what_is_held_is_not_sent(served: Served) -> None:
    """Ranges and ETags, on content and on manifests."""
    sha256 = hashes(served.context.store.versions(PUBLIC)[0])["adapter_model.safetensors"]
    path = f"/registry/files/{sha256[:2]}/{sha256}"
    whole = served.get(path)
    rest = served.get(path, headers={"Range": "bytes=1000-", "If-Range": whole.headers["etag"]})
    assert (rest.status_code, rest.content) == (206, whole.content[1000:])
    assert served.get(path, headers={"Range": "bytes=5-", "If-Range": '"other"'}).content == whole.content
    head = served.get(path, method="HEAD")
    assert (head.headers["content-length"], head.content) == (str(len(whole.content)), b"")
    for each in (path, f"/registry/{PUBLIC}/versions/00000001/manifest.json"):
        etag = served.get(each).headers["etag"]
        assert served.get(each, headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "registry/../server.sqlite", "registry/networkx/..%2f..%2fserver.sqlite", "registry/networkx/.hidden",
        "registry/networkx/versions/../../secretlib/versions/00000001/manifest.json", "registry/files/",
        "registry/networkx/versions/%2e%2e/%2e%2e/secretlib/channels/", "registry/networkx/channels//",
        "registry/networkx/../secretlib/channels/", "registry//networkx", "registry/networkx/versions/00000001",
        "registry/networkx/versions/%00", "registry/.parts/", "registry/networkx/versions/a%0ab", "registry/networkx/",
        "registry/files/..%2f..%2f/x", "registry/files/%2e%2e/x",
    ],
)  # fmt: skip
def test_a_path_leads_nowhere_else(served: Served, path: str) -> None:
    """Sent as it stands, without a client that tidies it up."""
    with httpcore.ConnectionPool() as pool:
        host, _, port = served.address.removeprefix("http://").partition(":")
        target = ("/" + path).encode()
        url = httpcore.URL(scheme=b"http", host=host.encode(), port=int(port), target=target)
        response = pool.request("GET", url)
    text = response.content.decode("utf-8", "replace")
    assert response.status in (200, 400, 404)
    assert "SQLite" not in text
    assert "secretlib" not in text or '"code":"unknown"' in text
    assert response.status != 200 or set(json.loads(text)["names"]) <= {"versions", "channels", "stable"}


def test_behind_nginx_large_files_are_left_to_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The server sends headers alone, and where the file lies below nginx' internal location."""
    with serving(context_in(tmp_path_factory.mktemp("accel"), accel="/internal")) as behind:
        sha256 = hashes(behind.context.store.versions(PRIVATE)[0])["adapter_model.safetensors"]
        path = f"/registry/files/{sha256[:2]}/{sha256}"
        response = behind.get(path, "read")
        assert response.headers["x-accel-redirect"] == f"/internal/registry/files/{sha256[:2]}/{sha256}"
        assert response.content == b""
        assert "x-accel-redirect" not in behind.get(path).headers


def test_what_is_broken_is_told_to_the_log_alone(
    tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of a manifest that can't be read: the caller learns that the server fails, its keeper why."""
    folder = tmp_path_factory.mktemp("broken")
    context = context_in(folder)
    manifest = folder / "registry" / OTHER / "versions" / "00000002" / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_bytes(b"{")
    fresh = dataclasses.replace(context, store=Store(context.store.url))
    with serving(fresh) as broken:
        response = broken.get(f"/registry/{OTHER}/")
        sha256 = hashes(context.store.versions(PUBLIC)[0])["adapter_model.safetensors"]
        assert broken.get(f"/registry/files/{sha256[:2]}/{sha256}").status_code == 200
    assert (response.status_code, response.json()["code"]) == (500, "failed")
    assert str(folder) not in response.text
    assert f"GET /registry/{OTHER}/: " in capfd.readouterr().err
