"""The step `rl` in a run: a domain's own sandbox judges what is written, and the curve in the lake has its rewards."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from finetune.bases import TinyBase
from flows import training
from flows.batches import perform
from flows.house import House, open_house
from flows.preflight import check
from flows.scraping import scrape_key
from flows.training import train_key, train_stage, trained
from registry.domain_files import with_table
from registry.errors import ConfigurationError
from registry.identity import sha256_of
from registry.records import Release, Snapshot, SnapshotRow, Work
from registry.settings import Settings
from tests.finetune.exercised import LEARNED, row_of
from tests.finetune.lib_drift import OLD, TINY

TABLE = """\
[[library]]
name = "lib"
versions = ["1", "2"]
[sandbox]
workers = 1
[train]
base = "folder"
threads = 1
recipe = ["rl"]
[train.base_settings]
path = "{path}"
licences = ["MIT"]
[train.lora]
rank = 2
[train.rl]
batch = 4
samples = 2
steps = 2
written = 8
max_tokens = 32
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A domain with a curated snapshot of functions, whose library's environment is Python and nothing else."""
    base = TinyBase(OLD).prepare(OLD, {**TINY, "steps": 1}, tmp_path / "bases").path
    (tmp_path / "lib.toml").write_text(TABLE.format(path=base))
    monkeypatch.setattr(training, "environment", lambda house, _: house.pool.build([], house.folder("sandbox")))
    with closing(open_house(str(tmp_path / "lib.toml"), settings=Settings(home=tmp_path / "home"))) as opened:
        for version in ("1", "2"):
            release = Release(library="lib", version=version, artifact_sha256=version)
            opened.finish("scrape", "scrape", [scrape_key(opened, opened.library.source[0], version)], [release], 0.0)
        made = [row_of(name) for name in LEARNED]
        rows = [row for row, _ in made]
        snapshot = Snapshot(domain="lib", rows_sha256=sha256_of([r.id for r in rows]), filters={})
        work = Work(key="k", stage="curate", domain="lib", part="curate@1", outputs=1, result={"snapshot": snapshot.id})
        opened.append([*rows, *(program for _, program in made)])
        opened.append([*(SnapshotRow(snapshot=snapshot.id, example=r.id, split="train") for r in rows), snapshot, work])
        yield opened


def test_programs_are_judged_where_the_domain_says(house: House) -> None:
    """Rows become exercises by the house's own sandbox, and each step's reward stands in the run's curve."""
    check(house, ["train"])
    perform(train_stage, house)
    curve = trained(house).curve
    assert [(row["stage"], row["step"]) for row in curve] == [("rl", 1), ("rl", 2)]
    assert all(0 <= row["held_out"] <= row["reward"] <= 1 for row in curve)


def test_how_programs_are_run_decides_what_is_learned(house: House) -> None:
    """With other limits of the sandbox a training with rewards is another one; one without isn't."""
    train = house.domain.train.model_dump()
    keys = {}
    for recipe in (["rl"], ["sft"]):
        for attempts in (2, 3):
            domain = with_table(house.domain, "train", train | {"recipe": recipe})
            other = domain.model_copy(update={"sandbox": domain.sandbox.model_copy(update={"attempts": attempts})})
            keys[recipe[0], attempts] = train_key(dataclasses.replace(house, domain=other))
    assert keys["rl", 2] != keys["rl", 3]
    assert keys["sft", 2] == keys["sft", 3]


def test_without_a_sandbox_it_does_not_begin(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no program can be run, that is said before a base is loaded; other recipes need none to train."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    sandbox = house.domain.sandbox.model_copy(update={"wall": "docker"})
    walled = dataclasses.replace(house, domain=house.domain.model_copy(update={"sandbox": sandbox}))
    with closing(walled), pytest.raises(ConfigurationError, match=r"No sandbox: .*Docker"):
        check(walled, ["train"])
    own = with_table(walled.domain, "train", walled.domain.train.model_dump() | {"recipe": ["sft"]})
    check(dataclasses.replace(walled, domain=own), ["train"])
