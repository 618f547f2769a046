"""Tampering with a signed registry, and with what was pulled from it: refused by name, wherever it is used."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.census import DAMAGE, Census
from registry.client import find, load_adapter
from registry.errors import ConfigurationError, RegistryError, TrustError
from registry.objects import FolderObjects
from registry.sealing import mark_signed, seal_all
from registry.signing import SigningKey, load_signing_key, new_signing_key, sign
from registry.store import Store
from registry.trust import place_of
from registry.trusted import trusted_key
from tests.adapters import adapter_folder, framed, weights
from tests.registry.tampered import DOMAIN, OTHER, WEIGHTS, Target, build, entry, resigned, where
from tests.registry.test_store import publication

PICKLE = pickle.dumps(os.system)
LATER = "networkx@v3"
"""Asked for by its number: no channel says which manifest it is."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build(folder)
    return folder


@pytest.fixture
def target(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """A copy of the registry whose client trusts the publisher and has followed it."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    made = Target.of(built, tmp_path)
    made.trust()
    store = Store(made.root)
    for ref in (DOMAIN, OTHER):
        store.resolve(ref)
    return made


def swap(target: Target, one: str, other: str) -> None:
    first, second = target.at(one).read_bytes(), target.at(other).read_bytes()
    target.write(one, second)
    target.write(other, first)


def put(target: Target, path: str, source: str) -> None:
    """An object in the place of another, with its signature where that one's would be looked for."""
    target.write(path, target.at(source).read_bytes())


def thiefs_version(target: Target, key: SigningKey | None) -> None:
    """Another version 3, with another adapter, signed by a thief or by nobody; its own channels say nothing of it."""
    target.insider({WEIGHTS: weights(b"thief")})
    target.at(target.signature(where())).unlink()
    if key is not None:
        target.seal(where(), key)


def shorten(target: Target, log: str = "channels/stable", domain: str = DOMAIN) -> None:
    sorted(target.at(f"{domain}/{log}").iterdir())[-1].unlink()


def forged_signature(target: Target, **changes: str) -> None:
    path = target.signature(where())
    target.write(path, resigned(target.at(path).read_bytes(), **changes))


def pipe(target: Target, path: str) -> None:
    target.at(path).unlink()
    os.mkfifo(target.at(path))


def unsigned(target: Target) -> None:
    """All signatures are gone, and the registry says that there needn't be any."""
    for domain in (DOMAIN, OTHER):
        shutil.rmtree(target.at(f"{domain}/signatures"))
    target.write("registry.json", b'{"signed": false}')


Tamper = Callable[[Target], object]

STORED: dict[str, tuple[Tamper, str, str]] = {
    "a bit in the weights": (lambda t: t.flip(t.content(WEIGHTS)), DOMAIN, "changed"),
    "a bit in the config": (lambda t: t.flip(t.content("adapter_config.json")), DOMAIN, "changed"),
    "a bit in the card": (lambda t: t.flip(t.content("README.md")), DOMAIN, "changed"),
    "a bit in the canary": (lambda t: t.flip(t.content("canary.json")), DOMAIN, "changed"),
    "a bit in the provenance": (lambda t: t.flip(t.content("provenance.json")), DOMAIN, "changed"),
    "a bit in the notices": (lambda t: t.flip(t.content("LICENSES.txt")), DOMAIN, "changed"),
    "a bit in the manifest's id": (lambda t: t.flip(where(), -4), DOMAIN, "manifest"),
    "a bit in what the manifest says": (lambda t: t.flip(where(), 40), LATER, "manifest|unsigned"),
    "a bit in the signature": (lambda t: t.flip(t.signature(where()), 200), DOMAIN, "signature"),
    "a bit in the channel's last entry": (lambda t: t.flip(entry(3), 60), DOMAIN, "log|unsigned"),
    "a bit in its first entry": (lambda t: t.flip(entry(1), 60), DOMAIN, "log"),
    "content cut short": (lambda t: t.write(t.content(WEIGHTS), b"U"), DOMAIN, "changed"),
    "content with more behind it": (
        lambda t: t.write(t.content(WEIGHTS), t.at(t.content(WEIGHTS)).read_bytes() + b"more"), DOMAIN, "changed"),
    "content that is missing": (lambda t: t.at(t.content(WEIGHTS)).unlink(), DOMAIN, "missing"),
    "weights swapped with another version's": (
        lambda t: swap(t, t.content(WEIGHTS), t.content(WEIGHTS, 2)), DOMAIN, "changed"),
    "weights swapped with another domain's": (
        lambda t: swap(t, t.content(WEIGHTS), t.content(WEIGHTS, 1, OTHER)), DOMAIN, "changed"),
    "two files of a version swapped": (
        lambda t: swap(t, t.content("README.md"), t.content("canary.json")), DOMAIN, "changed"),
    "manifests of two versions swapped": (lambda t: swap(t, where(3), where(2)), DOMAIN, "swapped"),
    "an older manifest replayed": (lambda t: put(t, where(3), where(1)), LATER, "swapped"),
    "manifests of two domains swapped": (lambda t: swap(t, where(1), where(1, OTHER)), f"{DOMAIN}@v1", "swapped"),
    "a signed manifest as a new version of another domain": (
        lambda t: put(t, where(9, OTHER), where(3)), f"{OTHER}@v9", "swapped"),
    "a removed signature": (lambda t: t.at(t.signature(where())).unlink(), DOMAIN, "unsigned"),
    "no signatures, and a registry that asks for none": (unsigned, DOMAIN, "unsigned"),
    "a version of nobody": (lambda t: thiefs_version(t, None), LATER, "unsigned"),
    "a version of a thief": (lambda t: thiefs_version(t, t.thief), LATER, "unknown-key"),
    "the signature of another manifest": (
        lambda t: t.write(t.signature(where()), t.at(t.signature(where(2))).read_bytes()), DOMAIN, "signature"),
    "a thief's signature under the publisher's name": (
        lambda t: t.write(t.signature(where()), sign(t.at(where()).read_bytes(), t.thief).file()), DOMAIN, "signature"),
    "a signature that says another key": (lambda t: forged_signature(t, key="0" * 32), DOMAIN, "signature"),
    "a signature that says another time": (
        lambda t: forged_signature(t, at="2020-01-01T00:00:00+00:00"), DOMAIN, "signature"),
    "a signature that says another thing": (lambda t: forged_signature(t, sha256="0" * 64), DOMAIN, "signature"),
    "a signature of gigabytes": (
        lambda t: os.truncate(t.at(t.signature(where())), 8 << 30), DOMAIN, "size"),
    "a revoked key": (lambda t: t.keys.revoke(t.publisher.public.id, "stolen"), DOMAIN, "revoked-key"),
    "an expired key": (lambda t: t.trust(until="2020-01-01T00:00:00+00:00"), DOMAIN, "expired-key"),
    "a key whose time hasn't come": (lambda t: t.trust(since="2126-01-01T00:00:00+00:00"), DOMAIN, "expired-key"),
    "an unknown key": (
        lambda t: (t.keys.path.unlink(), t.keys.trust(trusted_key(t.thief.public, "*"))), DOMAIN, "unknown-key"),
    "the channel's last entry cut off": (shorten, DOMAIN, "rolled-back"),
    "its middle entry cut out": (lambda t: t.at(entry(2)).unlink(), DOMAIN, "log"),
    "its first entry cut out": (lambda t: t.at(entry(1)).unlink(), DOMAIN, "log"),
    "the channel gone": (lambda t: shutil.rmtree(t.at(f"{DOMAIN}/channels/stable")), DOMAIN, "rolled-back"),
    "entries in another order": (lambda t: swap(t, entry(1), entry(2)), DOMAIN, "log"),
    "an old entry played again": (lambda t: put(t, entry(4), entry(1)), DOMAIN, "log"),
    "the entry of another channel": (lambda t: put(t, entry(3), entry(2, "channels/candidate")), DOMAIN, "log"),
    "the entry of another domain": (lambda t: put(t, entry(2, domain=OTHER), entry(2)), OTHER, "log"),
    "a whole channel of another domain": (
        lambda t: (shutil.rmtree(t.at(f"{OTHER}/channels/stable")),
                   shutil.copytree(t.at(f"{DOMAIN}/channels/stable"), t.at(f"{OTHER}/channels/stable"))), OTHER, "log"),
    "a move that nobody signed": (lambda t: t.move("channels/stable", None, version=2), DOMAIN, "unsigned"),
    "a move that a thief signed": (lambda t: t.move("channels/stable", t.thief, version=2), DOMAIN, "unknown-key"),
    "a move to another manifest": (
        lambda t: t.move("channels/stable", t.publisher, manifest="0" * 64), DOMAIN, "swapped"),
    "the last entry written anew": (
        lambda t: (t.at(entry(3)).unlink(), t.move("channels/stable", t.publisher, version=1)), DOMAIN, "rolled-back"),
    "a yank taken out": (lambda t: shorten(t, "standing"), f"{DOMAIN}@v1", "rolled-back"),
    "a yank taken back by nobody": (
        lambda t: t.move("standing", None, action="unyank"), f"{DOMAIN}@v1", "unsigned"),
    "an entry of gigabytes": (lambda t: os.truncate(t.at(entry(3)), 8 << 30), DOMAIN, "size"),
    "a manifest of gigabytes": (lambda t: os.truncate(t.at(where()), 8 << 30), DOMAIN, "size"),
    "content of gigabytes": (lambda t: os.truncate(t.at(t.content("README.md")), 64 << 20), DOMAIN, "changed"),
    "a log with a hundred million entries": (lambda t: t.write(entry(99_999_999), b"{}"), DOMAIN, "size"),
    "an entry nested without end": (lambda t: t.write(entry(3), b'{"a":' * 10_000), DOMAIN, "log"),
    "a manifest nested without end": (lambda t: t.write(where(), b"[" * 1_000_000), LATER, "manifest"),
    "a link in the place of the weights": (
        lambda t: t.link(t.content(WEIGHTS), t.folder / "elsewhere"), DOMAIN, "symlink"),
    "a link to what never ends": (lambda t: t.link(t.content(WEIGHTS), "/dev/zero"), DOMAIN, "symlink"),
    "a link in the place of all content": (lambda t: t.link("files", t.folder / "elsewhere"), DOMAIN, "symlink"),
    "a link in the place of a version": (
        lambda t: t.link(f"{DOMAIN}/versions/00000003", t.folder / "elsewhere"), DOMAIN, "symlink"),
    "a link in the place of a channel": (
        lambda t: t.link(f"{DOMAIN}/channels/stable", t.folder / "elsewhere"), DOMAIN, "symlink"),
    "a link in the place of an entry": (lambda t: t.link(entry(3), t.folder / "elsewhere"), DOMAIN, "symlink"),
    "a link in the place of a signature": (
        lambda t: t.link(t.signature(where()), t.folder / "elsewhere"), DOMAIN, "symlink"),
    "a pipe in the place of the manifest": (lambda t: pipe(t, where()), LATER, "symlink"),
    "a pipe in the place of the weights": (lambda t: pipe(t, t.content(WEIGHTS)), DOMAIN, "symlink"),
    "a pipe in the place of an entry": (lambda t: pipe(t, entry(3)), DOMAIN, "symlink"),
}  # fmt: skip
"""By whoever may write to the registry but can't sign: what he does, what is asked for, and the fault's name."""


def renamed(name: str) -> Callable[[list[dict[str, object]]], object]:
    return lambda rows: rows[-1].update(path=name)


INSIDE: dict[str, tuple[Tamper, str]] = {
    "a path that climbs out": (lambda t: t.insider(rows=renamed("../../out.txt")), "path"),
    "an absolute path": (lambda t: t.insider(rows=renamed("/tmp/out.txt")), "path"),
    "a path with a backslash": (lambda t: t.insider(rows=renamed("..\\out.txt")), "path"),
    "a path that nobody sees": (lambda t: t.insider(rows=renamed("card\u202edm.exe")), "path"),
    "a path in a terminal's language": (lambda t: t.insider(rows=renamed("\x1b[2Ja")), "manifest"),
    "two paths that are one": (lambda t: t.insider(rows=renamed("readme.MD")), "path"),
    "a file called as the manifest": (lambda t: t.insider({"manifest.json": b"{}"}), "path"),
    "a file called as the signatures": (lambda t: t.insider({"signatures.json": b"{}"}), "path"),
    "a hash that is a path": (
        lambda t: t.insider(rows=lambda rows: rows[0].update(sha256="../" * 21 + "a")), "manifest"),
    "a size that is wrong": (
        lambda t: t.insider(rows=lambda rows: rows[0].update(size=rows[0]["size"] + 1)), "changed"),
    "a size that is none": (lambda t: t.insider(rows=lambda rows: rows[0].update(size=-1)), "manifest"),
    "a pickle beside the config": (lambda t: t.insider({"adapter_model.bin": PICKLE}), "pickle"),
    "a pickle called weights": (lambda t: t.insider({WEIGHTS: PICKLE}), "pickle"),
    "a pickle called config": (lambda t: t.insider({"adapter_config.json": PICKLE}), "pickle"),
    "a pickle called card": (lambda t: t.insider({"README.md": b"cos\nsystem\n(S'true'\ntR."}), "pickle"),
    "a program": (lambda t: t.insider({"run.sh": b"\x7fELF\0\0"}), "content"),
    "weights with a vast header": (
        lambda t: t.insider({WEIGHTS: (1 << 60).to_bytes(8, "little") + b"{}"}), "safetensors"),
    "weights with a tensor twice": (lambda t: t.insider({WEIGHTS: framed(b'{"a":{},"a":{}}')}), "safetensors"),
    "a config with a name twice": (lambda t: t.insider({"adapter_config.json": b'{"r":1,"r":2}'}), "json"),
    "a config that hangs": (
        lambda t: t.insider({"adapter_config.json": b'{"peft_type":"LORA","target_modules":"(a+)+$"}'}), "json"),
    "a manifest with a name twice": (
        lambda t: t.insider(data=lambda data: data.replace(b'{"adapter"', b'{"id":"","adapter"', 1)), "manifest"),
    "a manifest that isn't canonical": (lambda t: t.insider(data=lambda data: data + b"\n"), "manifest"),
    "a manifest whose id isn't its own": (
        lambda t: t.insider(data=lambda data: data[:-66] + b"0" * 64 + b'"}'), "manifest"),
    "a base that is no text": (lambda t: t.insider(base=["tiny"]), "manifest"),
    "another domain's name": (lambda t: t.insider(domain=OTHER), "swapped"),
}  # fmt: skip
"""By a publisher who turned bad, and signs as he should: what no signature makes good."""


@pytest.mark.parametrize("case", STORED)
def test_what_an_attacker_writes_is_refused_by_name(target: Target, tmp_path: Path, case: str) -> None:
    """At pull, at load_adapter and for who uses its folder, at once; and verify finds it."""
    tamper, ref, fault = STORED[case]
    tamper(target)
    since = time.monotonic()
    refused(target, ref, fault, tmp_path)
    assert time.monotonic() - since < 5


@pytest.mark.parametrize("case", INSIDE)
def test_what_may_not_be_in_a_version_is_refused_whoever_signed_it(target: Target, tmp_path: Path, case: str) -> None:
    """A key makes nobody's pickle good; who trusts none is as safe; nothing is written outside what was asked for."""
    tamper, fault = INSIDE[case]
    tamper(target)
    refused(target, DOMAIN, fault, tmp_path)
    target.keys.path.unlink()
    refused(target, LATER, fault, tmp_path)
    assert not list(tmp_path.rglob("out.txt"))


def refused(target: Target, ref: str, fault: str, tmp_path: Path) -> None:
    into = tmp_path / "into"
    with pytest.raises(RegistryError) as pulled:
        Store(target.root).pull(ref, into)
    assert not into.exists()
    with pytest.raises(RegistryError) as loaded:
        load_adapter(tmp_path / "no model", ref, registry=target.root)
    with pytest.raises(RegistryError) as used:
        store = Store(target.root)
        store.folder(store.resolve(ref))
    told = [str(error.value.values.get("fault")) for error in (pulled, loaded, used)]
    assert all(each in fault.split("|") for each in told), (told, str(pulled.value))
    found = list(Census(FolderObjects(target.root)).findings())
    assert [each for each in found if each.kind == DAMAGE], "verify finds it"


def overwrite(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    overwrite(path, bytes(data))


PULLED: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "a bit in the weights": (lambda own, _: flipped(own / WEIGHTS), "changed"),
    "a bit in the card": (lambda own, _: flipped(own / "README.md"), "changed"),
    "a bit in the manifest": (lambda own, _: flipped(own / "manifest.json"), "signature"),
    "a bit in the signatures": (lambda own, _: flipped(own / "signatures.json"), "signature"),
    "no signatures": (lambda own, _: (own / "signatures.json").unlink(), "unsigned"),
    "no signature among them": (
        lambda own, _: overwrite(own / "signatures.json", b'{"signatures": []}'), "unsigned"),
    "signatures of another version": (
        lambda own, other: overwrite(own / "signatures.json", (other / "signatures.json").read_bytes()), "signature"),
    "the manifest of another version": (
        lambda own, other: overwrite(own / "manifest.json", (other / "manifest.json").read_bytes()), "signature"),
    "manifest and signatures of another version": (
        lambda own, other: [overwrite(own / name, (other / name).read_bytes())
                            for name in ("manifest.json", "signatures.json")], "changed"),
    "the weights of another version": (
        lambda own, other: overwrite(own / WEIGHTS, (other / WEIGHTS).read_bytes()), "changed"),
    "a file that is missing": (lambda own, _: (own / "canary.json").unlink(), "missing"),
    "a file too many": (lambda own, _: (own / "adapter_model.bin").write_bytes(PICKLE), "extra"),
    "a file too many, deep down": (
        lambda own, _: ((own / "a/b").mkdir(parents=True), (own / "a/b/manifest.json").write_bytes(b"{}")), "extra"),
    "a link to the same bytes": (
        lambda own, other: (shutil.move(own / WEIGHTS, other.parent / "moved"),
                            (own / WEIGHTS).symlink_to(other.parent / "moved")), "symlink"),
    "a link to a folder": (lambda own, other: (own / "more").symlink_to(other), "symlink"),
    "a pipe": (lambda own, _: os.mkfifo(own / "pipe"), "symlink"),
    "signatures that are a link": (
        lambda own, other: (shutil.move(own / "signatures.json", other.parent / "moved"),
                            (own / "signatures.json").symlink_to(other.parent / "moved")), "symlink"),
    "signatures without end": (lambda own, _: os.truncate(own / "signatures.json", 8 << 30), "signature"),
    "a manifest without end": (lambda own, _: os.truncate(own / "manifest.json", 8 << 30), "size"),
}  # fmt: skip
"""By whoever may write to the folder that was pulled, which holds version 3; the other one holds version 2."""


@pytest.mark.parametrize("case", PULLED)
def test_what_was_pulled_and_changed_since_isn_t_loaded(target: Target, tmp_path: Path, case: str) -> None:
    """The signature travels along: a folder is checked without the registry, whichever it is from."""
    tamper, fault = PULLED[case]
    store = Store(target.root)
    own, other = (store.pull(f"{DOMAIN}@v{n}", tmp_path / f"pulled-{n}").path.resolve() for n in (3, 2))
    assert find(own)[1].version == find(own, target.root)[1].version == 3
    tamper(own, other)
    for registry in (None, target.root):
        with pytest.raises(RegistryError) as told:
            load_adapter(tmp_path / "no model", own, registry=registry)
        assert told.value.values.get("fault") == fault, told.value


@pytest.fixture
def honest(target: Target, tmp_path: Path) -> Iterator[Callable[[], list[int]]]:
    """What the client gets of each reference, pulled and loaded; and nothing is found wrong."""

    def asked() -> list[int]:
        found = []
        for ref in (DOMAIN, f"{DOMAIN}@candidate", f"{DOMAIN}@v2", OTHER):
            pulled = Store(target.root).pull(ref, tmp_path / ref)
            assert find(pulled.path)[1] == find(ref, target.root)[1] == pulled.adapter
            found.append(pulled.adapter.version)
        findings = list(Census(FolderObjects(target.root)).findings())
        assert not [each for each in findings if each.kind == DAMAGE], findings
        return found

    yield asked


def test_what_is_honest_is_taken(target: Target, honest: Callable[[], list[int]]) -> None:
    """By who trusts the key, by who trusts none while nothing is marked, and again and again."""
    assert honest() == honest() == [3, 2, 2, 1]
    target.keys.path.unlink()
    assert honest() == [3, 2, 2, 1]


def test_a_key_takes_over_from_another(
    target: Target, honest: Callable[[], list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one is retired: what it signed stays good, what is signed from now on needs the new one."""
    new = new_signing_key(tmp_path / "keys/new.pem")
    target.keys.trust(trusted_key(new.public, place_of(target.root), "new"))
    target.keys.retire(target.publisher.public.id, "a new one is used")
    assert honest() == [3, 2, 2, 1]
    time.sleep(1.1)  # times of signatures are in seconds
    monkeypatch.setenv("DRIFTUNE_SIGNING_KEY", str(tmp_path / "keys/publisher.pem"))
    with pytest.raises(ConfigurationError, match="Nobody would take what is signed here"):
        Store(target.root).promote(DOMAIN, 2, "stable")
    monkeypatch.setenv("DRIFTUNE_SIGNING_KEY", str(tmp_path / "keys/new.pem"))
    Store(target.root).promote(DOMAIN, 2, "stable")
    Store(target.root).publish(adapter_folder(tmp_path / "four", b"four"), publication("run-4"))
    monkeypatch.delenv("DRIFTUNE_SIGNING_KEY")
    assert honest() == [4, 2, 2, 1]


def test_after_a_theft_all_is_signed_again(
    target: Target, honest: Callable[[], list[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new key signs what others vouch for, and the rest once somebody has looked; the old one counts for nothing."""
    new = new_signing_key(tmp_path / "keys/new.pem")
    monkeypatch.setenv("DRIFTUNE_SIGNING_KEY", str(tmp_path / "keys/new.pem"))
    assert all(each.signed for each in seal_all(FolderObjects(target.root), unvouched=False))
    thiefs_version(target, target.publisher)
    target.keys.trust(trusted_key(new.public, place_of(target.root), "new"))
    target.keys.revoke(target.publisher.public.id, "stolen")
    left = [each.path for each in seal_all(FolderObjects(target.root), unvouched=False) if not each.signed]
    assert left == [where(3), entry(4)], "what the thief has done since"
    with pytest.raises(TrustError):
        Store(target.root).pull(DOMAIN, tmp_path / "into")
    assert all(each.signed for each in seal_all(FolderObjects(target.root), unvouched=True))
    monkeypatch.delenv("DRIFTUNE_SIGNING_KEY")
    assert honest() == [3, 2, 2, 1]


def test_a_registry_that_is_marked_gives_nothing_to_who_has_no_key(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it take anything unsigned; a key of another registry doesn't count for it."""
    mark_signed(FolderObjects(target.root))
    assert json.loads((target.root / "registry.json").read_bytes()) == {"signed": True}
    for keys in ((), (trusted_key(target.publisher.public, "/srv/other"),)):
        target.keys.path.unlink()
        for key in keys:
            target.keys.trust(key)
        if not keys:
            target.keys.path.write_text('{"keys": []}')
        refused(target, DOMAIN, "unknown-key", tmp_path)
        with pytest.raises(ConfigurationError, match="there is no key here to sign with"):
            Store(target.root).publish(adapter_folder(tmp_path / "four", b"four"), publication("run-4"))
        assert not target.at(where(4)).exists()


@pytest.mark.parametrize(
    "said", [b'{"signed": true, "signed": false}', b"[" * 50_000, b"nothing", b" " * 100_000, b"[]"]
)
def test_what_a_registry_says_of_itself_is_never_taken_for_nothing(target: Target, tmp_path: Path, said: bytes) -> None:
    """Where it can't be read nobody knows whether it is signed."""
    target.keys.path.unlink()
    target.write("registry.json", said)
    with pytest.raises(RegistryError, match=r"registry\.json"):
        Store(target.root).pull(DOMAIN, tmp_path / "into")


def test_nobody_goes_on_from_what_a_thief_wrote(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An honest move would vouch for all that is before it: whoever moves a channel looks at that first."""
    target.move("channels/stable", target.thief, version=2)
    monkeypatch.setenv("DRIFTUNE_SIGNING_KEY", str(tmp_path / "keys/publisher.pem"))
    with pytest.raises(TrustError, match="none of these keys is trusted"):
        Store(target.root).rollback(DOMAIN, "stable")
    before = Store(target.root).objects.names(f"{DOMAIN}/versions")
    with pytest.raises(TrustError, match="none of these keys is trusted"):
        Store(target.root).publish(adapter_folder(tmp_path / "next"), publication("next", DOMAIN))
    assert Store(target.root).objects.names(f"{DOMAIN}/versions") == before
    assert not target.at(entry(5)).exists()


def test_a_log_that_is_held_back_looks_like_one_that_rests(target: Target, tmp_path: Path) -> None:
    """What signatures can't tell: a client who never saw the last move follows the one before. It is written down."""
    shutil.rmtree(tmp_path / "home/accepted")
    shorten(target)
    assert Store(target.root).resolve(DOMAIN).version == 2
    assert Store(target.root).resolve(DOMAIN).version == 2


def test_a_key_is_loaded_once_and_signs_for_all(target: Target) -> None:
    """What the publisher's key file holds is what the client trusts."""
    assert load_signing_key(target.folder / "keys/publisher.pem").public == target.publisher.public


class Turncoat(FolderObjects):
    """A registry that answers otherwise from the second time on: then its channels have a thief's last entry."""

    def __init__(self, target: Target) -> None:
        super().__init__(target.root)
        self.target, self.asked = target, 0

    def names(self, prefix: str) -> list[str]:
        """What lies below a prefix; the channel's log has grown since it was looked at."""
        if prefix.endswith("channels/stable"):
            self.asked += 1
            if self.asked == 2:
                self.target.move("channels/stable", self.target.thief, version=2)
        return super().names(prefix)


def test_what_is_followed_is_what_was_checked(target: Target) -> None:
    """A registry that shows its honest log to be checked, and another to be followed, gains nothing."""
    store = Store(target.root)
    store.objects = Turncoat(target)
    found = []
    for _ in range(3):
        try:
            found.append(store.resolve(DOMAIN).version)
        except TrustError as error:
            found.append(error.values["fault"])
    assert "unknown-key" in found
    assert set(found) <= {3, "unknown-key"}
    target.at(entry(4)).unlink()
    assert store.resolve(DOMAIN).version == 3, "it is mended, and this client needn't be started again"


def test_who_trusts_nobody_lists_what_is_there(target: Target) -> None:
    """What may not be followed may be looked at, by who doesn't check."""
    target.move("channels/stable", None, version=2)
    assert Store(target.root, checks=False).channels(DOMAIN) == {"candidate": 2, "stable": 2}
    with pytest.raises(TrustError):
        Store(target.root).channels(DOMAIN)
