"""Keys, signatures, whom a client trusts, and what it has accepted before."""

from __future__ import annotations

import json
import pickle
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from registry.accepted import Accepted
from registry.errors import ConfigurationError, DriftuneError, RegistryError, TrustError
from registry.settings import Settings
from registry.signing import (
    SigningKey,
    load_public_key,
    load_signing_key,
    new_signing_key,
    read_signature,
    sign,
    verified,
)
from registry.trusted import TrustedKeys, trusted_key

HERE = "/srv/registry"
DATA = b'{"id":"a manifest"}'


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return new_signing_key(tmp_path / "keys" / "ci.pem")


def trusted(tmp_path: Path) -> TrustedKeys:
    return TrustedKeys(tmp_path / "trusted-keys.json")


def test_a_key_is_its_owners_alone_and_is_never_replaced(tmp_path: Path, key: SigningKey) -> None:
    """The private half is made unreadable to others, and a second key doesn't overwrite it."""
    path = tmp_path / "keys" / "ci.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_signing_key(path).public == load_public_key(path.with_suffix(".pub")) == key.public
    with pytest.raises(ConfigurationError, match="A key is never replaced"):
        new_signing_key(path)
    with pytest.raises(ConfigurationError, match="its public half is called"):
        new_signing_key(tmp_path / "ci.pub")


def test_a_private_key_is_shown_nowhere(tmp_path: Path, key: SigningKey) -> None:
    """Neither repr, nor errors about a file that holds one, nor pickling tell what is in it."""
    path = tmp_path / "keys" / "ci.pem"
    secret = path.read_text().splitlines()[1]
    (tmp_path / "broken.pem").write_text(f"-----BEGIN PRIVATE KEY-----\n{secret[:-4]}\n-----END PRIVATE KEY-----\n")
    (tmp_path / "broken.pem").chmod(0o600)
    with pytest.raises(ConfigurationError) as broken:
        load_signing_key(tmp_path / "broken.pem")
    with pytest.raises(ConfigurationError) as private:
        load_public_key(path)
    told = [repr(key), str(key), str(vars(key.public)), *map(str, (broken.value, private.value, broken.value.values))]
    assert not any(secret[:8] in each for each in told)
    assert broken.value.__cause__ is None
    with pytest.raises(TypeError, match="doesn't leave its process"):
        pickle.dumps(key)


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (None, 0, "Can't read the key"),
        (b"", 0o600, "No private key in"),
        (b"not a key", 0o600, "No private key in"),
        ("own", 0o640, "is open to others (its mode is 640)"),
        ("own", 0o604, "is open to others"),
        ("other", 0o600, "isn't Ed25519"),
        ("folder", 0, "is no file"),
    ],
)
def test_what_is_no_private_key_is_refused(
    tmp_path: Path, key: SigningKey, content: bytes | str | None, mode: int, said: str
) -> None:
    """A missing, empty, broken, open or foreign key is refused in one line that says what to do."""
    path = tmp_path / "key.pem"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        own = (tmp_path / "keys" / "ci.pem").read_bytes()
        path.write_bytes(content if isinstance(content, bytes) else own if content == "own" else other)
        path.chmod(mode)
    with pytest.raises(ConfigurationError, match=said.replace("(", r"\(").replace(")", r"\)")):
        load_signing_key(path)


def test_a_signature_is_of_these_bytes_by_this_key_at_this_time(key: SigningKey, tmp_path: Path) -> None:
    """Another byte, key, time or hash, and it is none."""
    made = read_signature(sign(DATA, key, "2026-11-22T10:00:00+00:00").file(), "here")
    other = new_signing_key(tmp_path / "other.pem").public
    assert verified(made, DATA, key.public)
    assert not verified(made, DATA + b" ", key.public)
    assert not verified(made, DATA, other)
    for name, value in (("at", "2026-11-22T10:00:01+00:00"), ("sha256", "0" * 64), ("key", other.id)):
        changed = read_signature(
            json.dumps(json.loads(made.file()) | {name: value}, sort_keys=True, separators=(",", ":")).encode(), "here"
        )
        assert not verified(changed, DATA, key.public), name
        assert not verified(changed, DATA, other), name


@pytest.mark.parametrize(
    "change",
    [
        lambda held: held[:-1],
        lambda held: held + b"\n",
        lambda held: held.replace(b'"at"', b'"at":"2026-11-22T10:00:00+00:00","at"'),
        lambda held: held.replace(b"}", b',"until":"never"}'),
        lambda held: held.replace(b"driftune-signature-1", b"driftune-signature-2"),
        lambda held: held.replace(b"+00:00", b"+01:00"),
        lambda held: held.replace(b"+00:00", b""),
        lambda _: b"[" * 4_000,
        lambda _: b"{" + b" " * 5_000 + b"}",
        lambda _: b"null",
        lambda _: b"\xff\xfe",
    ],
)
def test_a_signature_s_file_is_exactly_what_was_written(key: SigningKey, change: object) -> None:
    """Cut, padded, with a name twice, with more in it, of another type, without a zone, nested, huge: none is read."""
    with pytest.raises(TrustError, match="Broken signature here") as told:
        read_signature(change(sign(DATA, key).file()), "here")  # type: ignore[operator]
    assert told.value.values["fault"] == "signature"


def test_keys_count_within_their_time_and_not_once_revoked(tmp_path: Path, key: SigningKey) -> None:
    """A retired key's earlier signatures stay good; a revoked one's don't, whatever time they say."""
    keys = trusted(tmp_path)
    keys.trust(trusted_key(key.public, HERE, "ci", since="2026-01-01T00:00:00+00:00"))
    early, mid, late = (sign(DATA, key, f"{year}-06-01T00:00:00+00:00") for year in (2025, 2026, 2027))
    [row] = keys.of_registry(HERE)
    assert [row.fault(s) is None for s in (early, mid, late)] == [False, True, True]
    keys.retire(key.public.id[:6], "a new one is used", "2026-12-31T00:00:00+00:00")
    [row] = keys.of_registry(HERE)
    assert [(row.fault(s) or ("good",))[0] for s in (early, mid, late)] == ["expired-key", "good", "expired-key"]
    keys.revoke(key.public.id, "its laptop was stolen")
    [row] = keys.of_registry(HERE)
    assert [(row.fault(s) or ("good", ""))[0] for s in (early, mid, late)] == ["revoked-key"] * 3
    assert "its laptop was stolen" in (row.fault(mid) or ("", ""))[1]
    with pytest.raises(ConfigurationError, match="was revoked at"):
        keys.trust(trusted_key(key.public, HERE))


def test_a_key_is_trusted_with_one_registry_or_with_all(tmp_path: Path, key: SigningKey) -> None:
    """What is trusted for one registry says nothing of another, unless it is trusted everywhere."""
    keys = trusted(tmp_path)
    keys.trust(trusted_key(key.public, HERE))
    assert [len(keys.of_registry(place)) for place in (HERE, "/srv/other")] == [1, 0]
    keys.trust(trusted_key(key.public, "*"))
    assert [len(keys.of_registry(place)) for place in (HERE, "/srv/other")] == [2, 1]
    with pytest.raises(ConfigurationError, match="No one trusted key is called 'zz'"):
        keys.revoke("zz", "")


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"keys": 3}', '{"keys": [{}]}', '{"keys": [], "keys": []}',
        '{"keys": [{"id": "a", "key": "b"}]}', "ID", "[" * 100_000, '{"keys": [{"id": 1, "key": 2}]}',
    ],
)  # fmt: skip
def test_a_broken_file_of_trusted_keys_is_never_taken_for_none(tmp_path: Path, key: SigningKey, text: str) -> None:
    """Who damages the file doesn't turn checking off."""
    keys = trusted(tmp_path)
    if text == "ID":
        keys.trust(trusted_key(key.public, HERE))
        text = keys.path.read_text().replace(key.public.id, "0" * 32)
    keys.path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"Can't read the trusted keys in .*trusted-keys.json"):
        keys.of_registry(HERE)


def test_a_file_of_trusted_keys_that_is_named_must_be_there_and_not_be_anybodys(
    tmp_path: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where DRIFTUNE_TRUSTED_KEYS names a file, its absence is no empty one; and one that all may write is none."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    assert TrustedKeys.of(Settings()).all() == []
    monkeypatch.setenv("DRIFTUNE_TRUSTED_KEYS", str(tmp_path / "keys.json"))
    named = TrustedKeys.of(Settings())
    with pytest.raises(ConfigurationError, match="DRIFTUNE_TRUSTED_KEYS names it"):
        named.all()
    TrustedKeys(named.path).trust(trusted_key(key.public, HERE))
    assert [row.id for row in named.all()] == [key.public.id]
    named.path.chmod(0o666)
    with pytest.raises(ConfigurationError, match="anybody may write it"):
        named.all()


def test_a_client_never_goes_back_behind_what_it_accepted(tmp_path: Path) -> None:
    """A log may grow; cut short, replaced or gone it is refused, and other logs and registries know nothing of it."""
    log, seen = "networkx/channels/stable", Accepted(tmp_path / "accepted", HERE)
    for hashes in (["a"], ["a", "b"], ["a", "b"], ["a", "b", "c"]):
        seen.check(log, hashes, "key")
    for hashes in (["a", "b"], [], ["a", "b", "x"], ["a", "b", "x", "d"]):
        with pytest.raises(TrustError, match="goes back behind entry 3") as told:
            Accepted(tmp_path / "accepted", HERE).check(log, hashes, "key")
        assert told.value.values["fault"] == "rolled-back"
    seen.check("numpy/channels/stable", ["x"], "key")
    Accepted(tmp_path / "accepted", "/srv/other").check(log, ["x"], "key")
    seen.check(log, ["a", "b", "c", "d"], "key")


def test_what_a_revoked_key_had_a_client_accept_binds_it_no_more(tmp_path: Path) -> None:
    """A thief can't lock a client out with entries of his own: once his key is revoked, the honest log counts again."""
    log, seen = "networkx/channels/stable", Accepted(tmp_path, HERE)
    seen.check(log, ["a", "b", "thief"], "stolen")
    with pytest.raises(TrustError):
        seen.check(log, ["a", "b"], "new")
    seen.check(log, ["a", "b"], "new", ignore={"stolen"})
    with pytest.raises(TrustError):
        seen.check(log, ["a"], "new", ignore={"stolen"})


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"number": 0, "sha256": "a", "key": "k"}', '{"number": "3"}'])
def test_a_broken_memory_is_an_error_and_no_clean_slate(tmp_path: Path, text: str) -> None:
    """It says which file to remove."""
    seen = Accepted(tmp_path, HERE)
    seen.check("a", ["1"], "key")
    [path] = tmp_path.glob("*.json")
    path.write_text(text)
    with pytest.raises(RegistryError, match=path.name) as told:
        seen.check("a", ["1", "2"], "key")
    assert isinstance(told.value, DriftuneError)
