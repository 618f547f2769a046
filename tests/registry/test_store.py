"""The store of adapters: immutable versions, channels that move, pulls that switch at once."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
from pathlib import Path

import pytest
import rfc8785

from registry.card import table
from registry.channels import Channels
from registry.copying import copy
from registry.errors import ConfigurationError, LockedError, RegistryError
from registry.identity import sha256_of_bytes
from registry.objects import PARTS, FolderObjects
from registry.records import Report
from registry.store import MANIFEST, Publication, Store, content_hash, read_manifest, verify_folder
from registry.versions import Hashed, Versions
from tests.adapters import adapter_folder, weights

WEIGHTS = "adapter_model.safetensors"


def publication(run: str = "run-1", domain: str = "networkx") -> Publication:
    row = Report(
        run=run,
        arm="adapter-base",
        split="context",
        metric="choice@1",
        domain=domain,
        value=0.25,
        ci_low=0.1,
        ci_high=0.4,
        p=0.001,
        n=100,
        clusters=30,
        decision="publish",
        reason="Better than its base",
    )
    return Publication(
        domain=domain,
        library_range="networkx>=3.6,<3.7",
        base="driftune/tiny-0",
        base_revision="r",
        fingerprint="f" * 64,
        snapshot="s" * 64,
        run=run,
        licences=("BSD-3-Clause", "PSF-2.0"),
        reports=(row,),
        canary=({"text": "a b", "ids": [1, 2], "logprob": -1.5},),
        notices={"LICENSES.txt": "BSD-3-Clause …"},
    )


def overwrite(path: Path, data: bytes) -> None:
    """What the registry has is read-only."""
    path.chmod(0o600)
    path.write_bytes(data)


def moved(store: Store) -> dict[str, int]:
    """The channels but for the lines that follow stable."""
    return {name: version for name, version in store.channels("networkx").items() if not name.endswith(".x")}


def published(tmp_path: Path, run: str = "run-1", weights: bytes = b"weights") -> Store:
    store = Store(tmp_path / "registry")
    store.publish(adapter_folder(tmp_path / run, weights), publication(run))
    return store


@pytest.mark.parametrize(
    ("licences", "named"),
    [
        (("MIT OR Apache-2.0",), "MIT OR Apache-2.0"),
        (("BSD-3-Clause", "MIT"), "BSD-3-Clause AND MIT"),
        (("BSD-3-Clause", "MIT OR Apache-2.0"), "BSD-3-Clause AND (MIT OR Apache-2.0)"),
        ((), "unknown"),
    ],
)
def test_the_card_names_all_licences_in_one_expression(tmp_path: Path, licences: tuple[str, ...], named: str) -> None:
    """A choice that one of them leaves is no choice among all."""
    store = Store(tmp_path / "registry")
    about = dataclasses.replace(publication(), licences=licences)
    adapter = store.publish(adapter_folder(tmp_path / "one"), about)
    assert f"\nlicense_name: {named}\n" in (store.folder(adapter) / "README.md").read_text()


def test_published_version_is_whole_and_stable_points_to_it(tmp_path: Path) -> None:
    """A version holds weights, card, canary, provenance, notices and manifest, nothing else, and `stable` means it."""
    store = published(tmp_path)
    adapter = store.resolve("networkx")
    folder = store.folder(adapter)
    assert sorted(p.name for p in folder.iterdir()) == [
        "LICENSES.txt",
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "canary.json",
        "manifest.json",
        "provenance.json",
    ]
    assert adapter.version == 1
    assert moved(store) == {"stable": 1}
    assert store.verify("networkx@stable") == store.resolve("networkx@v1") == store.resolve("networkx@1")
    assert sorted(store.domains()) == ["networkx"]


def test_who_lost_the_domain_meanwhile_publishes_nothing(tmp_path: Path) -> None:
    """It is asked once all is uploaded, however long that took: no version is there, and the next has its number."""
    store, uploaded = Store(tmp_path / "registry"), []

    def fence() -> None:
        uploaded.extend(store.objects.walk("files"))
        raise LockedError("Domain networkx was taken over")

    with pytest.raises(LockedError):
        store.publish(adapter_folder(tmp_path / "one"), publication(), fence=fence)
    assert len(uploaded) > 3
    assert store.versions("networkx") == []
    assert store.publish(adapter_folder(tmp_path / "one"), publication()).version == 1


def test_card_names_base_library_licences_and_gate(tmp_path: Path) -> None:
    """A person who opens the folder sees what it is for and what the gate saw."""
    store = published(tmp_path)
    text = (store.folder(store.resolve("networkx")) / "README.md").read_text()
    for said in ("driftune/tiny-0", "networkx>=3.6,<3.7", "BSD-3-Clause", "f" * 64, "**publish**", "[+0.100, +0.400]"):
        assert said in text


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"r": 4}, "vLLM serves it with `--enable-lora --max-lora-rank 16`."),
        ({"r": 16, "rank_pattern": {}}, "`--enable-lora --max-lora-rank 16`."),
        ({"r": 24}, "`--enable-lora --max-lora-rank 32`."),
        ({"r": 8, "rank_pattern": {"q_proj": 200}}, "`--enable-lora --max-lora-rank 256`."),
        ({"r": 600}, "vLLM doesn't load it, as its rank, 600, is above 512: peft does."),
        ({"r": 8, "use_dora": True}, "vLLM doesn't load it, as it is a DoRA adapter"),
    ],
)
def test_card_says_what_serves_it(tmp_path: Path, config: dict[str, object], said: str) -> None:
    """Ranks above 16 have to be told to vLLM, in steps, and it takes no DoRA: the card tells who serves it."""
    folder = adapter_folder(tmp_path / "adapter")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    store = Store(tmp_path / "registry")
    text = (store.folder(store.publish(folder, publication())) / "README.md").read_text()
    assert said in text
    assert "\n\n## What the gate saw\n\n" in text


def test_card_shows_the_arms_side_by_side() -> None:
    """One line a split and metric: every arm that was measured, the gain over the base and its interval."""
    arms = {
        "base": 0.2, "base+docs": 0.3, "adapter": 0.5, "adapter+docs": 0.55, "adapter-base": 0.3, "base+docs-base": 0.1
    }  # fmt: skip
    rows = [
        {"split": "context", "metric": "choice@1", "arm": arm, "value": value, "n": 90, "clusters": 30,
         "ci_low": value - 0.1, "ci_high": value + 0.1}
        for arm, value in arms.items()
    ]  # fmt: skip
    [head, _, line] = table(rows).splitlines()
    assert "| interval |" in head  # of 95% at the first decision on a held-out set alone
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        "context", "choice@1", "0.200", "0.300", "0.500", "0.550", "+0.300", "[+0.200, +0.400]", "90", "30"
    ]  # fmt: skip


def test_publishing_again_gives_the_version_that_is_there(tmp_path: Path) -> None:
    """The same weights of the same run are one version, and the channel doesn't move twice."""
    store = published(tmp_path)
    again = store.publish(adapter_folder(tmp_path / "run-1"), publication())
    assert again.version == 1
    assert len(store.versions("networkx")) == 1
    assert [entry.version for entry in store.history("networkx", "stable")] == [1]


def test_kill_between_version_and_channel_is_healed_by_publishing_again(tmp_path: Path) -> None:
    """A version that no channel points to yet gets its channel at the next publish, not a second version."""
    store = Store(tmp_path / "registry")
    folder = adapter_folder(tmp_path / "run-1")
    store.publish(folder, publication(), channel=None)
    assert moved(store) == {}
    store.publish(folder, publication())
    assert moved(store) == {"stable": 1}
    assert len(store.versions("networkx")) == 1


def test_half_published_version_is_not_seen(tmp_path: Path) -> None:
    """What a killed publisher left behind is no version."""
    store = published(tmp_path)
    left = tmp_path / "registry" / "networkx"
    (left / "versions" / "00000002").mkdir()
    (left / "channels" / "canary").mkdir()
    (tmp_path / "registry" / PARTS / "0").write_text("{}")
    assert [a.version for a in store.versions("networkx")] == [1]
    assert moved(store) == {"stable": 1}
    store.publish(adapter_folder(tmp_path / "run-2", b"other"), publication("run-2"))
    assert moved(store) == {"stable": 2}


def _publish(root: Path, folder: Path, run: str) -> None:
    Store(root).publish(folder, publication(run))


def test_concurrent_publishers_get_versions_of_their_own(tmp_path: Path) -> None:
    """Four publishers at once make four whole versions, and the channel's log has no hole."""
    folders = [adapter_folder(tmp_path / f"run-{n}", bytes([n])) for n in range(4)]
    context = multiprocessing.get_context("spawn")
    jobs = [context.Process(target=_publish, args=(tmp_path / "registry", folder, folder.name)) for folder in folders]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    store = Store(tmp_path / "registry")
    assert [job.exitcode for job in jobs] == [0] * 4
    assert [a.version for a in store.versions("networkx")] == list(range(1, 5))
    for number in range(1, 5):
        store.verify(f"networkx@v{number}")
    log = store.history("networkx", "stable")
    assert [entry.number for entry in log] == list(range(1, len(log) + 1))
    assert not list((tmp_path / "registry" / PARTS).iterdir())


def test_channel_entries_are_never_overwritten(tmp_path: Path) -> None:
    """Moving a channel adds an entry; promote and rollback append too."""
    store = published(tmp_path)
    store.publish(adapter_folder(tmp_path / "run-2", b"other"), publication("run-2"))
    assert store.resolve("networkx").version == 2
    store.rollback("networkx", "stable")
    assert store.resolve("networkx").version == 1
    store.promote("networkx", 2, "candidate")
    assert moved(store) == {"candidate": 2, "stable": 1}
    assert [(e.version, e.action) for e in store.history("networkx", "stable")] == [
        (1, "publish"),
        (2, "publish"),
        (1, "rollback"),
    ]


def test_rolling_back_again_goes_further_back(tmp_path: Path) -> None:
    """What was rolled back from is not gone back to; what was moved on to since is."""
    store = published(tmp_path)
    for number in (2, 3):
        store.publish(adapter_folder(tmp_path / f"run-{number}", bytes([number])), publication(f"run-{number}"))
    moved = [store.rollback("networkx", "stable").version for _ in range(2)]
    assert moved == [2, 1]
    with pytest.raises(ConfigurationError, match="holds v1 and has held nothing before"):
        store.rollback("networkx", "stable")
    store.promote("networkx", 3, "stable")
    assert store.rollback("networkx", "stable", reason="worse", by="ann").version == 1
    assert dataclasses.asdict(store.history("networkx", "stable")[-1]).items() >= {
        ("number", 7), ("action", "rollback"), ("reason", "worse"), ("by", "ann"),
    }  # fmt: skip


def test_a_rollback_goes_to_what_the_channel_held_and_is_whole(tmp_path: Path) -> None:
    """A version that it never held, that is damaged, or no channel at all: refused, and nothing moves."""
    store = published(tmp_path)
    for number in (2, 3):
        store.publish(adapter_folder(tmp_path / f"run-{number}", bytes([number])), publication(f"run-{number}"))
    store.promote("networkx", 3, "candidate")
    for channel, to, told in (
        ("candidate", None, "held nothing before"),
        ("stable", 3, "can't go back to v3: it has held v1, v2 before"),
        ("canary", None, r"networkx has v1, v2, v3; channels: .*candidate \(v3\), stable \(v3\)"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            store.rollback("networkx", channel, to)
    overwrite(store.file(store.resolve("networkx@v1"), WEIGHTS), b"other")
    with pytest.raises(RegistryError, match="v1 is damaged"):
        store.rollback("networkx", "stable", 1)
    assert moved(store) == {"candidate": 3, "stable": 3}
    assert store.rollback("networkx", "stable").version == 2


@pytest.mark.parametrize("name", ["", "v3", "3", "a/b", "../x", "-x"])
def test_channel_names_that_could_be_taken_for_something_else_are_refused(tmp_path: Path, name: str) -> None:
    """A channel can't be called like a version or a path."""
    with pytest.raises(ConfigurationError, match="No channel can be called"):
        Channels(FolderObjects(tmp_path), "networkx").append(name, 1, "promote")


def test_pull_switches_to_the_new_version_and_is_silent_when_unchanged(tmp_path: Path) -> None:
    """A pull gives the folder its user asked for; a second one does nothing; after a publish it has the new one."""
    store = published(tmp_path)
    into = tmp_path / "models" / "networkx"
    first = store.pull("networkx@stable", into)
    assert first.changed
    assert (into / "adapter_model.safetensors").read_bytes() == weights()
    stamp = into.lstat().st_mtime_ns
    assert not store.pull("networkx@stable", into).changed
    assert into.lstat().st_mtime_ns == stamp
    for number in (2, 3):
        store.publish(adapter_folder(tmp_path / f"run-{number}", bytes([number])), publication(f"run-{number}"))
        assert store.pull("networkx@stable", into).changed
    assert (into / "adapter_model.safetensors").read_bytes() == weights(bytes([3]))
    assert len(list(into.parent.glob(".networkx.*"))) == 2, "the version before stays for who still reads it"


def test_reader_sees_one_version_while_it_is_switched(tmp_path: Path) -> None:
    """A folder opened before the switch still has the files it had."""
    store = published(tmp_path)
    into = tmp_path / "model"
    store.pull("networkx", into)
    opened = into.resolve()
    store.publish(adapter_folder(tmp_path / "run-2", b"other"), publication("run-2"))
    store.pull("networkx", into)
    assert (opened / "adapter_model.safetensors").read_bytes() == weights()


def test_pull_never_replaces_what_is_the_users(tmp_path: Path) -> None:
    """A folder with files of its own is refused, and left as it is."""
    store = published(tmp_path)
    into = tmp_path / "mine"
    into.mkdir()
    (into / "thesis.tex").write_text("…")
    with pytest.raises(ConfigurationError, match="isn't ours"):
        store.pull("networkx", into)
    assert (into / "thesis.tex").exists()


def test_pull_never_replaces_a_link_of_the_users(tmp_path: Path) -> None:
    """A link that leads elsewhere isn't what a pull made."""
    store = published(tmp_path)
    into = tmp_path / "models"
    into.symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="isn't ours"):
        store.pull("networkx", into)
    assert into.readlink() == tmp_path


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
def test_pulling_again_mends_what_was_damaged(tmp_path: Path, name: str) -> None:
    """As the message of a damaged one says; who still reads the damaged folder isn't disturbed."""
    store = published(tmp_path)
    into = tmp_path / "into"
    adapter = store.pull("networkx", into).adapter
    before = into.resolve()
    overwrite(before / name, b"{}")
    assert store.pull("networkx", into).changed
    verify_folder(into, adapter)
    assert read_manifest(into) == adapter
    assert before.is_dir()
    assert not store.pull("networkx", into).changed


def test_damaged_content_is_written_anew_by_whoever_publishes_it(tmp_path: Path) -> None:
    """Another run with the same weights doesn't go by what lies there."""
    store = published(tmp_path)
    place = store.file(store.resolve("networkx"), WEIGHTS)
    overwrite(place, b"x" * place.stat().st_size)
    store.publish(tmp_path / "run-1", publication("run-2"))
    assert store.verify("networkx@v1") != store.verify("networkx@v2")


def test_a_file_where_a_folder_belongs_is_told(tmp_path: Path) -> None:
    """It isn't taken for a version that another has published meanwhile: who does tries again for ever."""
    store = Store(tmp_path / "registry")
    store.objects.put("networkx/versions", b"")
    with pytest.raises(ConfigurationError, match="A file is where a folder is needed"):
        store.publish(adapter_folder(tmp_path / "one"), publication())


@pytest.mark.parametrize("ref", ["networkx@v9", "networkx@beta", "pandas", "pandas@stable"])
def test_unknown_adapter_is_one_line_that_lists_what_there_is(tmp_path: Path, ref: str) -> None:
    """A name that means nothing is the user's error, and the message says what would."""
    store = published(tmp_path)
    with pytest.raises(ConfigurationError, match=r"networkx") as caught:
        store.resolve(ref)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "README.md"])
def test_verify_finds_a_changed_byte(tmp_path: Path, name: str) -> None:
    """Every byte counts."""
    store = published(tmp_path)
    path = store.file(store.resolve("networkx"), name)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    overwrite(path, bytes(data))
    with pytest.raises(RegistryError, match=f"{name} in .* was changed"):
        store.verify("networkx")
    with pytest.raises(RegistryError, match="was changed"):
        store.pull("networkx", tmp_path / "into")
    assert [p.name for p in tmp_path.iterdir() if "into" in p.name] == []
    path.unlink()
    with pytest.raises(RegistryError, match=f"{name} in .* is missing"):
        store.verify("networkx")
    with pytest.raises(RegistryError, match=f"{name} in .* is missing"):
        store.file(store.resolve("networkx"), name)


def test_a_pulled_folder_is_exactly_its_files(tmp_path: Path) -> None:
    """A file too many and one too few are found."""
    folder = published(tmp_path).pull("networkx", tmp_path / "into").path
    adapter = read_manifest(folder)
    verify_folder(folder, adapter)
    (folder / "evil.py").write_text("")
    with pytest.raises(RegistryError, match=r"evil\.py in .* doesn't belong there"):
        verify_folder(folder, adapter)
    (folder / "evil.py").unlink()
    (folder / "canary.json").unlink()
    with pytest.raises(RegistryError, match=r"canary\.json in .* is missing"):
        verify_folder(folder, adapter)


def test_a_folder_with_names_is_made_once_and_again_where_it_was_changed(tmp_path: Path) -> None:
    """What is used locally has every byte of the manifest, whatever was done to it."""
    store = published(tmp_path)
    adapter = store.resolve("networkx")
    folder = store.folder(adapter)
    before = (folder / WEIGHTS).stat().st_mtime_ns
    assert store.folder(adapter) == folder
    assert (folder / WEIGHTS).stat().st_mtime_ns == before
    (folder / WEIGHTS).write_bytes(b"other")
    assert (store.folder(adapter) / WEIGHTS).read_bytes() == weights()


def test_the_same_content_lies_there_once(tmp_path: Path) -> None:
    """Two versions of the same weights take their room once."""
    store = published(tmp_path)
    store.publish(tmp_path / "run-1", publication("run-2"))
    first, second = store.versions("networkx")
    assert store.file(first, WEIGHTS) == store.file(second, WEIGHTS)
    assert store.file(first, "README.md") != store.file(second, "README.md")


def test_a_file_that_a_version_does_not_have_is_told(tmp_path: Path) -> None:
    """The message lists what it has."""
    store = published(tmp_path)
    with pytest.raises(ConfigurationError, match=r"networkx v1 has no file 'x': it has LICENSES\.txt, README\.md"):
        store.file(store.resolve("networkx"), "x")


def test_an_entry_of_a_log_names_the_one_before(tmp_path: Path) -> None:
    """What is cut out of a log, or put there, is missed."""
    store = published(tmp_path)
    store.publish(adapter_folder(tmp_path / "run-2", b"other"), publication("run-2"))
    first, second = store.history("networkx", "stable")
    written = (tmp_path / "registry" / "networkx" / "channels" / "stable" / "00000001.json").read_bytes()
    assert (first.before, second.before) == ("", sha256_of_bytes(written))


def test_a_manifest_in_anothers_place_is_refused(tmp_path: Path) -> None:
    """A version is what its manifest says, where it says."""
    store = published(tmp_path)
    (tmp_path / "registry" / "networkx" / "versions" / "00000001").rename(
        tmp_path / "registry" / "networkx" / "versions" / "00000007"
    )
    with pytest.raises(RegistryError, match="is that of networkx v1"):
        Store(store.url).resolve("networkx@v7")


def test_a_registry_of_an_earlier_layout_says_what_to_do(tmp_path: Path) -> None:
    """Versions that lie as folders of names aren't passed over in silence, and stop no other domain."""
    old = tmp_path / "registry" / "networkx" / "v1"
    old.mkdir(parents=True)
    (old / MANIFEST).write_text("{}")
    log = old.parent / "channels" / "stable" / "00000001.json"
    log.parent.mkdir(parents=True)
    log.write_text('{"channel": "stable", "version": 1}\n')
    store = Store(tmp_path / "registry")
    store.publish(adapter_folder(tmp_path / "one"), publication(domain="polars"))
    assert store.domains() == ["networkx", "polars"]
    for ask in (
        lambda: store.versions("networkx"),
        lambda: store.resolve("networkx@v1"),
        lambda: store.resolve("networkx"),
        lambda: store.channels("networkx"),
        lambda: list(copy(store.objects, tmp_path / "copy")),
    ):
        with pytest.raises(RegistryError, match=r"driftune migrate --dry-run, then run driftune migrate"):
            ask()


@pytest.mark.parametrize("name", ["files", "registry.json", "", "../x", "a/b", ".x"])
def test_names_that_are_no_domain_are_refused(tmp_path: Path, name: str) -> None:
    """Nothing is written outside, or where content lies."""
    store = published(tmp_path)
    with pytest.raises(ConfigurationError, match="Nothing can be published as"):
        store.publish(tmp_path / "run-1", publication(domain=name))
    with pytest.raises(ConfigurationError, match="No adapter"):
        store.resolve(f"{name}@stable")
    with pytest.raises(ConfigurationError, match="No adapter"):
        store.resolve(f"{name}@v1")


def test_only_a_folder_or_s3_can_be_a_registry() -> None:
    """Elsewhere two publishers could write one version."""
    with pytest.raises(ConfigurationError, match=r"No registry can be at 'ftp://host/x': set DRIFTUNE_REGISTRY to"):
        Store("ftp://host/x")


def test_changed_manifest_is_found(tmp_path: Path) -> None:
    """Who changes a file and its hash in the manifest changes the version's id."""
    store = published(tmp_path)
    path = Path(store.url, store.resolve("networkx").location, MANIFEST)
    held = json.loads(path.read_text())
    held["adapter"]["files"][0]["sha256"] = "0" * 64
    overwrite(path, json.dumps(held).encode())
    with pytest.raises(RegistryError, match=r"manifest.* was changed"):
        store.verify("networkx")
    with pytest.raises(RegistryError, match=r"manifest.* was changed"):
        Store(store.url).resolve("networkx")


def test_registry_that_cannot_be_written_is_the_users_error(tmp_path: Path) -> None:
    """A registry below a file is refused in one line that says what to do, with exit code 2."""
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "registry")
    with pytest.raises(ConfigurationError, match=r"Can't write the registry at .*choose another folder") as caught:
        store.publish(adapter_folder(tmp_path / "run"), publication())
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)


def test_folder_without_an_adapter_is_refused(tmp_path: Path) -> None:
    """Publishing needs config and weights."""
    with pytest.raises(ConfigurationError, match=r"adapter_config\.json is missing"):
        Store(tmp_path / "registry").publish(tmp_path, publication())


def test_content_hash_is_of_config_and_weights_only(tmp_path: Path) -> None:
    """Equal weights have equal hashes whatever lies beside them."""
    first, second = adapter_folder(tmp_path / "a"), adapter_folder(tmp_path / "b")
    (second / "trainer_state.json").write_text("{}")
    assert content_hash(first) == content_hash(second)
    assert content_hash(first) != content_hash(adapter_folder(tmp_path / "c", b"other"))


def test_a_broken_version_hides_no_other_domain(tmp_path: Path) -> None:
    """Who looks at one domain needn't wait until another is mended; the broken one is told where it is asked for."""
    store = published(tmp_path)
    store.publish(adapter_folder(tmp_path / "other"), publication(domain="other"))
    manifest = tmp_path / "registry" / "other" / "versions" / "00000001" / MANIFEST
    manifest.chmod(0o644)
    manifest.write_text("{")
    fresh = Store(tmp_path / "registry")
    assert fresh.domains() == ["networkx", "other"] and fresh.resolve("networkx").version == 1
    with pytest.raises(RegistryError, match="No readable manifest"):
        fresh.resolve("other")


def test_a_manifest_is_read_but_once(tmp_path: Path) -> None:
    """As it never changes: of what another process publishes only that is read."""
    store = published(tmp_path)
    assert [a.version for a in store.versions("networkx")] == [1]
    overwrite(tmp_path / "registry" / "networkx" / "versions" / "00000001" / MANIFEST, b"broken")
    with pytest.raises(RegistryError, match="No readable manifest"):
        Store(store.url).versions("networkx")
    other = Store(store.url)
    other.publish(adapter_folder(tmp_path / "run-2", b"other"), publication("run-2", "polars"))
    assert [a.version for a in store.versions("networkx")] == [1]
    assert store.domains() == ["networkx", "polars"]


def test_a_manifest_of_an_earlier_driftune_is_as_good(tmp_path: Path) -> None:
    """It lacks what records have come to say since: it is read, used and verified all the same."""
    store = published(tmp_path)
    path = Path(store.url, store.resolve("networkx").location, MANIFEST)
    held = json.loads(path.read_text())
    del held["adapter"]["written"]
    overwrite(path, rfc8785.dumps(held))
    for log in (tmp_path / "registry" / "networkx" / "channels").iterdir():
        (log / "00000001.json").unlink()
    old = Store(store.url)
    assert old.verify("networkx@v1").version == 1
    assert (old.folder(old.resolve("networkx@v1")) / MANIFEST).read_bytes() == path.read_bytes()
    assert old.promote("networkx", 1, "stable").manifest == sha256_of_bytes(path.read_bytes())
    assert Store(store.url).resolve("networkx").version == 1


class _Changing(FolderObjects):
    """Somebody writes into a file while it is copied."""

    def put(self, path: str, content: bytes | Path) -> None:
        if isinstance(content, Path):
            content.write_bytes(weights(b"changed"))
        super().put(path, content)


def test_what_is_changed_while_it_is_published_is_refused(tmp_path: Path) -> None:
    """What it was isn't there any more, and what it is now lies under no other's hash."""
    objects = _Changing(tmp_path / "registry")
    file = Hashed.of(adapter_folder(tmp_path / "a") / WEIGHTS)
    with pytest.raises(ConfigurationError, match=f"{WEIGHTS} was changed while it was published"):
        Versions(objects).deposit(WEIGHTS, file)
    assert list(objects.walk()) == []
