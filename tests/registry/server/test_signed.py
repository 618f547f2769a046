"""A signed registry behind a server, and on S3: clients check it as they check a folder; the server needs no key."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.errors import ConfigurationError, TrustError
from registry.objects import FolderObjects, Objects, objects_of
from registry.sealing import mark_signed, seal_all
from registry.settings import Settings
from registry.signing import SigningKey, new_signing_key
from registry.store import Store
from registry.trust import Trust, place_of
from registry.trusted import TrustedKeys, trusted_key
from tests.adapters import adapter_folder
from tests.registry.server.serving import PUBLIC, Served, context_in, serving
from tests.registry.test_store import publication


def signed(objects: Objects, key: Path) -> SigningKey:
    """Sign all that is there, as `driftune registry sign` does."""
    made = new_signing_key(key)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTUNE_SIGNING_KEY", str(key))
        assert all(each.signed for each in seal_all(objects, unvouched=True))
    mark_signed(objects)
    return made


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    context = context_in(tmp_path_factory.mktemp("signed"))
    with serving(dataclasses.replace(context, store=Store(context.store.url, checks=False))) as running:
        yield running


def test_clients_of_a_server_check_what_it_passes_on(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its key nothing is pulled; with it everything; and what the server changes is refused, by name."""
    objects = served.context.store.objects
    assert isinstance(objects, FolderObjects)
    key = signed(objects, tmp_path / "ci.pem")
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    with pytest.raises(TrustError, match="none of these keys is trusted"):
        Store(served.address).pull(PUBLIC, tmp_path / "into")
    trusted = TrustedKeys.of(Settings())
    trusted.trust(trusted_key(key.public, place_of(served.address), "ci"))
    assert Store(served.address).pull(PUBLIC, tmp_path / "into").adapter.version == 2
    answer = served.get(
        f"/registry/{PUBLIC}/channels/stable", "publish", "POST", json={"version": 1, "reason": "a test"}
    )
    assert (answer.status_code, "no key here to sign with" in answer.text) == (400, True), "a server has no key"
    last = objects.local(f"{PUBLIC}/channels/stable/00000002.json")
    assert last is not None
    last.rename(tmp_path / "held back")
    with pytest.raises(TrustError) as told:
        Store(served.address).pull(PUBLIC, tmp_path / "into")
    assert told.value.values["fault"] == "unsigned", "the entry before was there before anything was signed"


def test_a_registry_on_s3_is_signed_as_a_folder_is(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published signed, pulled by who trusts the key, and refused once a signature is gone."""
    place = f"{bucket}/{tmp_path.name}"
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    key = signed(objects_of(place), tmp_path / "ci.pem")
    with pytest.raises(ConfigurationError, match="no key here to sign with"):
        Store(place).publish(adapter_folder(tmp_path / "made"), publication())
    monkeypatch.setenv("DRIFTUNE_SIGNING_KEY", str(tmp_path / "ci.pem"))
    store = Store(place)
    adapter = store.publish(adapter_folder(tmp_path / "made"), publication())
    monkeypatch.delenv("DRIFTUNE_SIGNING_KEY")
    TrustedKeys.of(Settings()).trust(trusted_key(key.public, place_of(place), "ci"))
    assert Store(place, cache=tmp_path / "cache").pull("networkx", tmp_path / "into").adapter == adapter
    seal = Trust(store.objects).seal("networkx", store.manifest(adapter), "it")
    assert seal is not None
    store.objects.delete(f"networkx/signatures/{seal.signature.sha256}/{key.public.id}.json")
    with pytest.raises(TrustError) as told:
        Store(place, cache=tmp_path / "cache").pull("networkx@v1", tmp_path / "into")
    assert told.value.values["fault"] == "unsigned"
