"""`driftune registry sign` and `driftune registry key …`: from no keys to a signed registry, and a key's whole life."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.doctor import findings_of_keys
from registry.errors import ConfigurationError, TrustError
from registry.settings import Settings
from registry.store import Store
from tests.adapters import adapter_folder
from tests.registry.test_store import publication


def run(*words: str) -> str:
    """What a command prints; one that fails raises what it failed of."""
    result = CliRunner().invoke(app, ["registry", *words], catch_exceptions=False)
    return result.output


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry with one version, which nobody signed."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "publisher"))
    monkeypatch.setenv("DRIFTUNE_REGISTRY", str(tmp_path / "registry"))
    Store(tmp_path / "registry").publish(adapter_folder(tmp_path / "made"), publication())
    return tmp_path / "registry"


def test_a_registry_becomes_signed(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three commands: a key, its mark and signatures, and at the subscriber's its public half."""
    assert [f.level for f in findings_of_keys(Settings())] == ["missing"]
    with pytest.raises(ConfigurationError, match="No key to sign with"):
        run("sign")
    assert "private: keep a copy where it is safe" in run("key", "new")
    assert "Signed 4 of 4 manifests and logs" in run("sign")
    assert [f.level for f in findings_of_keys(Settings())] == ["ok"]
    Store(registry).publish(adapter_folder(tmp_path / "made", b"two"), publication("run-2"))
    public = tmp_path / "publisher/keys/signing.pub"
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "subscriber"))
    assert [f.level for f in findings_of_keys(Settings())] == ["broken"]
    with pytest.raises(TrustError, match="none of these keys is trusted here"):
        run("pull", "networkx", "--into", str(tmp_path / "into"))
    with pytest.raises(ConfigurationError, match="holds a private key"):
        run("key", "trust", str(public.with_suffix(".pem")))
    assert "is trusted for" in run("key", "trust", str(public), "--name", "ci")
    assert "Pulled networkx v2" in run("pull", "networkx", "--into", str(tmp_path / "into"))
    assert [f.level for f in findings_of_keys(Settings())] == ["ok"]


def test_a_key_is_retired_replaced_and_revoked(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each leaves to be taken, and what is told."""
    run("key", "new")
    run("sign")
    [old] = json.loads(run("key", "list", "--json"))["keys"]
    assert "what it signed up to" in run("key", "retire", old["id"][:8], "--why", "a new one")
    run("key", "new", str(tmp_path / "new.pem"))
    run("key", "trust", str(tmp_path / "new.pub"))
    monkeypatch.setenv("DRIFTUNE_SIGNING_KEY", str(tmp_path / "new.pem"))
    assert "Signed 4 of 4" in run("key", "resign")
    assert "is revoked: nothing that it signed is taken any more" in run("key", "revoke", old["id"], "--why", "lost")
    listed = run("key", "list")
    assert f"{old['id']} one's own for {registry}" in listed
    assert "REVOKED at" in listed
    assert "Pulled networkx v1" in run("pull", "networkx", "--into", str(tmp_path / "into"))
    assert "private" not in "".join(p.read_text() for p in tmp_path.rglob("trusted-keys.json"))
    run("key", "revoke", json.loads(run("key", "list", "--json"))["signs"], "--why", "lost too")
    with pytest.raises(TrustError, match=r"isn't vouched for: .* was revoked"):
        run("list")
    assert [row["channels"] for row in json.loads(run("list", "--unchecked", "--json"))] == [["3.6.x", "3.x", "stable"]]
    assert "networkx v1" in run("show", "networkx@stable", "--unchecked")
