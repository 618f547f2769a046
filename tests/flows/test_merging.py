"""Merging adapters of two domains: the gate of each is asked; what both let through is published, with its lineage."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from finetune.bases import BaseModel, TinyBase
from flows.house import House, open_house
from flows.merging import merge_adapters
from flows.scraping import scrape_key
from flows.stages import complete_key
from registry.client import load_adapter
from registry.errors import ConfigurationError, WrongBaseError
from registry.identity import sha256_of
from registry.records import Example, Page, Release, Run, Snapshot, SnapshotRow, Symbol, Work
from registry.store import Publication, Store
from tests.finetune.lib_drift import OLD, TINY, general, sites
from tests.finetune.trained import small, train
from tests.finetune.writing import task, write_tasks

TABLE = """\
[[library]]
name = "{name}"
versions = ["1", "2"]
[train]
base = "folder"
threads = 1
[train.base_settings]
path = "{path}"
licences = ["MIT"]
[gate]
metric = "preference"
general_limit = 10
"""
DOMAINS = {"lib": "MIT", "other": "BSD-3-Clause"}
"""Domain -> the licence of its rows."""


def rows(domain: str, split: str) -> list[Example]:
    """Call sites of a domain: six families to train on, fourteen others that are held out."""
    found = sites(6, 6) if split == "train" else sites(32, 2)[36 * 3 :]
    return [
        dataclasses.replace(
            e, domain=domain, family=f"{domain}{e.family}", root=f"{domain}{e.root}", licence=DOMAINS[domain]
        )
        for e in found
    ]


@contextmanager
def opened(domain: str) -> Iterator[House]:
    with closing(open_house(domain)) as house:
        yield house


def furnish(domain: str, base: BaseModel) -> str:
    """A domain's file, releases and snapshot; the snapshot's id."""
    Path("domains", f"{domain}.toml").write_text(TABLE.format(name=domain, path=base.path))
    with opened(domain) as house:
        for version in ("1", "2"):
            release = Release(
                library=domain, version=version, artifact_sha256=domain + version, licence=DOMAINS[domain]
            )
            page = Page(release=release.id, url=f"pypi://{domain}", content_hash="h", kind="guide", path="guide.md")
            symbol = Symbol(release=release.id, path="lib.new_call", kind="function", signature="(a, *, other)")
            key = scrape_key(house, house.library.source[0], version)
            house.finish("scrape", "pypi@1", [key], [release, page, symbol], time.monotonic())
        kept = {split: rows(domain, split) for split in ("train", "context")}
        snapshot = Snapshot(domain=domain, rows_sha256=sha256_of(domain), filters={})
        work = Work(
            key=domain, stage="curate", domain=domain, part="curate@1", outputs=1, result={"snapshot": snapshot.id}
        )
        listed = [SnapshotRow(snapshot=snapshot.id, example=e.id, split=s) for s, found in kept.items() for e in found]
        house.append([e for found in kept.values() for e in found])
        house.append([snapshot, *listed, work])
        house.finish("refresh", "refresh", [complete_key(house)], [], time.monotonic(), {"decision": "publish"})
        return snapshot.id


def publication(domain: str, base: BaseModel, snapshot: str) -> Publication:
    return Publication(
        domain=domain, library_range=f"{domain}>=2,<3", base=base.name, base_revision=base.revision,
        fingerprint=base.fingerprint, snapshot=snapshot, run=domain, licences=(DOMAINS[domain],),
        notices={f"notices-{domain}-2-LICENSE": f"of {domain}\r\n"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A home with two domains on one base, and an adapter of each: here the same one, as both libraries drifted so."""
    root: Path = tmp_path_factory.mktemp("merging")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("DRIFTUNE_HOME", str(root / "home"))
        (root / "domains").mkdir()
        texts = [file.text for file in general() if not file.held_out]
        base = TinyBase(texts).prepare(OLD, TINY, root / "bases")
        folder = train(base, root / "work", small())["preference"].folder
        store = Store(root / "home" / "registry")
        for domain in DOMAINS:
            store.publish(folder, publication(domain, base, furnish(domain, base)))
        yield store


def merged(
    capsys: pytest.CaptureFixture[str],
    name: str,
    weights: tuple[float, ...],
    references: Sequence[str] = ("lib@stable", "other@v1"),
) -> tuple[int, dict[str, Any]]:
    """The exit code, and what a program reads."""
    code = merge_adapters(references, name, "cat", 0, weights, as_json=True)
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return code, told


@pytest.mark.slow
def test_what_both_gates_let_through_is_published(furnished: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of each is as good as either here: both domains say publish, and the rows of both are the adapter's."""
    code, told = merged(capsys, "both", (0.5, 0.5))
    assert (code, told["decision"], told["adapter"]) == (0, "publish", "both@v1")
    assert [(d["domain"], d["decision"]) for d in told["domains"]] == [("lib", "publish"), ("other", "publish")]
    adapter = furnished.verify("both@stable")
    assert adapter.library_range == "lib>=2,<3; other>=2,<3"
    assert {row["split"].partition(" ")[0] for row in adapter.report["rows"]} == set(DOMAINS)
    assert adapter.licences == ("BSD-3-Clause", "MIT")
    for domain in DOMAINS:
        notice = furnished.folder(adapter) / f"notices-{domain}-2-LICENSE"
        assert notice.read_bytes() == f"of {domain}\r\n".encode()
    card = (furnished.folder(adapter) / "README.md").read_text()
    assert "`--enable-lora --max-lora-rank 16`" in card
    with opened("lib") as house:
        held = house.lake.read(SnapshotRow, "snapshot = $s", {"s": adapter.snapshot})
        assert {row.example for row in held} == {e.id for d in DOMAINS for e in rows(d, "train")}
        lineage = house.lake.query("SELECT DISTINCT licence FROM lineage WHERE domain = 'both' ORDER BY 1").to_pylist()
        assert lineage == [{"licence": "BSD-3-Clause"}, {"licence": "MIT"}]
        [snapshot] = house.lake.read(Snapshot, "domain = 'both'")
        each = {DOMAINS[d]: len({e.id for e in rows(d, "train")}) for d in DOMAINS}
        assert (snapshot.licences, snapshot.counts) == (each, {"preference": {"train": sum(each.values())}})
        trials = house.lake.read(Run, "experiment")
        assert {run.domain for run in trials} == set(DOMAINS)
        before = house.lake.fingerprint()
        base = house.domain.train.base_settings["path"]
    assert load_adapter(base, "both@stable", registry=furnished.url)
    file = str(Path("domains", "other.toml").absolute())
    for named in (("lib@stable", "other@v1"), ("other@v1", "lib@stable"), (f"{file}@v1", "lib")):
        assert merged(capsys, "both", (0.5, 0.5), named) == (code, told), "however they are named, it is the same trial"
    with opened("lib") as house:
        assert house.lake.fingerprint() == before
    about = Publication(
        domain="both", library_range=adapter.library_range, base=adapter.base, base_revision=adapter.base_revision,
        fingerprint=adapter.fingerprint, snapshot=adapter.snapshot, run="later",
    )  # fmt: skip
    later = furnished.publish(furnished.folder(adapter), about)
    assert merged(capsys, "both", (0.5, 0.5)) == (code, told)
    assert furnished.channels("both") == {"stable": later.version}, "what a person has moved since stays"


@pytest.mark.slow
def test_the_tasks_of_one_domain_hold_a_merged_adapter_back(
    furnished: Store, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What both gates let through stays on candidate where a domain's tasks can't tell: stable never moves unasked."""
    file = Path("domains", "lib.toml")
    before = file.read_text()
    file.write_text(f'{before}tasks = "{write_tasks(tmp_path / "tasks.jsonl", [task("double")])}"\n')
    try:
        with opened("lib") as house:
            house.finish("refresh", "refresh", [complete_key(house)], [], time.monotonic(), {"decision": "publish"})
        code, told = merged(capsys, "held", (0.5, 0.5))
    finally:
        file.write_text(before)
        with opened("lib") as house:
            house.finish("refresh", "refresh", [complete_key(house)], [], time.monotonic(), {"decision": "publish"})
    assert (code, told["decision"], told["adapter"]) == (4, "candidate", "held@v1")
    assert told["domains"][-1]["decision"] == "undecided"
    assert "tasks that neither passes can't tell" in told["domains"][-1]["reason"]
    assert furnished.channels("held") == {"candidate": 1}


@pytest.mark.slow
def test_what_a_gate_refuses_is_not_published(furnished: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """A sum that comes to nothing gains nothing: the first domain refuses with its reason, and nothing is published."""
    training = Path(furnished.url).parent / "training"
    before = set(training.glob("merged-*"))
    code, told = merged(capsys, "nothing", (0.0, 0.0))
    assert (code, told["decision"], told["adapter"]) == (4, "rejected", None)
    [asked] = told["domains"]
    assert asked["domain"] == "lib", "the other one has nothing to say any more, and spends no try"
    assert "is not sure" in asked["reason"]
    assert "nothing" not in furnished.domains()
    [folder] = set(training.glob("merged-*")) - before
    (folder / "adapter_config.json").write_text((folder / "adapter_config.json").read_text() + " ")
    _, again = merged(capsys, "nothing", (0.0, 0.0))
    assert again["domains"][0]["run"] != asked["run"], "a verdict is of the very bytes that were judged"


@pytest.mark.slow
def test_what_cannot_be_one_is_refused(furnished: Store) -> None:
    """One domain, a name that is taken or can't be, another base, and rows that may have been trained on since."""

    def merging(*references: str, into: str = "both") -> int:
        return merge_adapters(references, into, "cat", 0, (), as_json=True)

    with pytest.raises(ConfigurationError, match="name adapters of two or more domains"):
        merging("lib", "lib@v1")
    for name in ("lib", "No Name", ""):
        with pytest.raises(ConfigurationError, match="can't be called"):
            merging("lib", "other", into=name)
    Path("domains", "third.toml").touch()
    with pytest.raises(ConfigurationError, match="can't be called 'third', as a domain is"):
        merging("lib", "other", into="third")
    adapter = furnished.resolve("lib")
    about = Publication(
        domain="third", library_range="third>=2,<3", base="b", base_revision="r", fingerprint="f" * 64,
        snapshot=adapter.snapshot, run="third",
    )  # fmt: skip
    furnished.publish(furnished.folder(adapter), about)
    with pytest.raises(WrongBaseError, match=f"with fingerprint {adapter.fingerprint}, third v1 for b with ffff"):
        merging("lib", "third")
    stale = dataclasses.replace(about, domain="other", fingerprint=adapter.fingerprint, snapshot="old", run="stale")
    furnished.publish(furnished.folder(adapter), stale, channel=None)
    with pytest.raises(ConfigurationError, match="other v2 was trained on another snapshot than the latest of other"):
        merging("lib", "other@v2")
    file = Path("domains", "other.toml")
    file.write_text('licences = ["MIT", "PSF-2.0"]\n' + file.read_text())
    with pytest.raises(ConfigurationError, match=r"other isn't as its file.* are now: run driftune run other first"):
        merging("lib", "other@v1")
