"""A training is of one base: what the gate judged is what is given away, and nothing goes on on another base."""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from finetune import completions, tuning
from finetune.bases import BaseModel, TinyBase
from flows.batches import perform
from flows.curation import snapshot_id
from flows.evaluation import EVALUATE_PART, decision_of, evaluate_key, evaluate_stage
from flows.house import House, open_house
from flows.making import base_model
from flows.publication import publish_key
from flows.scraping import scrape_key
from flows.training import run_id, train_stage, trained, trainings, tuned_adapter
from registry.domain_files import with_table
from registry.errors import ConfigurationError, TrainingError
from registry.identity import sha256_of
from registry.records import ARMS, Example, Release, Score, Snapshot, SnapshotRow, Symbol, Work
from registry.settings import Settings
from registry.storage import write_file
from tests.finetune.lib_drift import OLD, TINY, sites
from tests.finetune.proven import proven

TABLE = """\
[[library]]
name = "lib"
versions = ["1", "2"]
[train]
base = "folder"
threads = 1
recipe = ["sft"]
[train.base_settings]
path = "{path}"
licences = ["MIT"]
[train.lora]
rank = 2
[train.sft]
batch = 2
steps = 2
replay = 0
"""


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in a folder, as little trained as can be."""
    return TinyBase(OLD).prepare(OLD, {**TINY, "steps": 1}, tmp_path_factory.mktemp("bases")).path


@pytest.fixture
def house(made: Path, tmp_path: Path) -> Iterator[House]:
    """A domain on a copy of that model, with a curated snapshot."""
    (tmp_path / "lib.toml").write_text(TABLE.format(path=shutil.copytree(made, tmp_path / "base")))
    with closing(open_house(str(tmp_path / "lib.toml"), settings=Settings(home=tmp_path / "home"))) as opened:
        rows = sites(2, 1)
        snapshot = Snapshot(domain="lib", rows_sha256=sha256_of([r.id for r in rows]), filters={})
        work = Work(key="k", stage="curate", domain="lib", part="curate@1", outputs=1, result={"snapshot": snapshot.id})
        opened.append([*rows, *(SnapshotRow(snapshot=snapshot.id, example=r.id, split="train") for r in rows)])
        opened.append([snapshot, work])
        yield opened


def other(house: House) -> None:
    """Makes the base in its folder another one, with the same settings."""
    config = Path(house.domain.train.base_settings["path"]) / "tokenizer_config.json"
    config.write_text(config.read_text() + "\n")


def test_the_process_that_makes_a_base_ends_by_itself(house: House) -> None:
    """What started it is still there then: it ends with 0, and isn't aborted while it looks out for that one's end."""
    command = [sys.executable, "-m", "flows.making", house.reference]
    home = os.environ | {"DRIFTUNE_HOME": str(house.settings.root)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=home) as process:
        assert process.wait(60) == 0, process.stderr and process.stderr.read()


def test_what_was_trained_is_no_adapter_of_a_base_that_came_since(house: House) -> None:
    """With other files in the base's folder the adapter of a finished training isn't given out."""
    perform(train_stage, house)
    began = base_model(house).fingerprint
    config = Path(house.domain.train.base_settings["path"]) / "tokenizer_config.json"
    kept = config.read_text()
    for there in (True, False):
        other(house)
        with pytest.raises(TrainingError, match=f"was done on {began}: put that one back, or set another .train. seed"):
            tuned_adapter(house)
        config.write_text(kept)
        assert tuned_adapter(house)[1].is_dir()
        if there:
            shutil.rmtree(house.folder("training"))  # the lake still knows
    other(house)
    house.domain = with_table(house.domain, "train", house.domain.train.model_dump() | {"seed": 1})
    perform(train_stage, house)
    assert tuned_adapter(house)[1].is_dir(), "what the refusal says to do helps"


def test_half_a_training_is_begun_anew_where_it_would_go_on_as_another(house: House) -> None:
    """After an update, on another machine or base no half is trained in another way: running again finishes it."""
    begun = trainings(house)[0].folder(house) / "begun.json"
    told: list[str] = []

    def stop(title: str, done: int, _total: int, _note: str = "", /) -> None:
        told.append(title)
        if done == 1:
            raise KeyboardInterrupt

    house.tell = stop
    with pytest.raises(KeyboardInterrupt):
        perform(train_stage, house)
    now = json.loads(begun.read_text())
    (begun.parent / "half").touch()
    begun.write_text(json.dumps(now | {"base": "f", "loading": "bfloat16 on cuda", "torch": "torch 0.1"}))
    with pytest.raises(KeyboardInterrupt):
        perform(train_stage, house)
    assert "Train anew, as half of it was trained with another base, loading, torch" in told
    assert json.loads(begun.read_text()) == now
    assert not (begun.parent / "half").exists()
    (begun.parent / "half").touch()
    begun.write_text(json.dumps(now | {"general": "general code 0"}))
    house.tell = lambda *_: None
    perform(train_stage, house)
    assert (begun.parent / "half").exists(), "nothing is replayed here: general code is no matter"
    assert now["torch"] == f"torch {metadata.version('torch')}"
    begun.write_text(json.dumps(now | {"loading": "bfloat16 on cuda"}))
    assert tuned_adapter(house)[1].is_dir()  # finished: how it is loaded from now on changes nothing of it


def test_half_a_training_is_of_the_general_code_that_it_replays(house: House) -> None:
    """Another Python brings another standard library."""
    replaying = with_sft(house, replay=0.5)
    begun = trainings(replaying)[0].folder(replaying) / "begun.json"
    mark = base_model(house).fingerprint
    write_file(begun, json.dumps({"base": mark, "general": "general code 0"}).encode(), "a training")
    perform(train_stage, replaying)
    assert json.loads(begun.read_text())["general"] != "general code 0"


def curate(house: House, train: Sequence[Example], context: Sequence[Example]) -> None:
    """A later snapshot."""
    splits = {row.id: "train" for row in train} | {row.id: "context" for row in context}
    snapshot = Snapshot(domain="lib", rows_sha256=sha256_of(splits), filters={})
    listed = [SnapshotRow(snapshot=snapshot.id, example=row, split=split) for row, split in splits.items()]
    house.append([*train, *context, *listed, snapshot])
    house.finish("curate", "curate@1", [snapshot.id], [], time.monotonic(), {"snapshot": snapshot.id})


def test_the_same_rows_are_not_trained_on_again_where_others_are_held_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later snapshot has a run of its own, of the adapter that there is and at no cost, and is decided anew."""
    scrape(house)
    priced = house.domain.train.model_dump() | {"price": 1000.0}
    house = dataclasses.replace(house, domain=with_table(house.domain, "train", priced))
    rows, others = sites(2, 1), sites(4, 1)[2 * 3 :]
    perform(train_stage, house)
    first, asked = trained(house), evaluate_key(house)
    assert first.cost > 0
    told: list[str] = []
    house.tell = lambda title, *_: told.append(title)
    monkeypatch.setattr("flows.training.version", lambda _: "0.1")  # an update trains nothing anew either
    curate(house, [dataclasses.replace(row, source_url="moved.html", licence="ISC") for row in rows], others)
    assert train_stage(house)[0].title == "Take the adapter of the same training on folder"
    weights = tuned_adapter(house)[1] / "adapter_model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + b"\x01")
    with pytest.raises(TrainingError, match=f"isn't the one that run {first.id} trained"):
        perform(train_stage, house)
    weights.write_bytes(kept)
    perform(train_stage, house)
    again = trained(house)
    assert (again.adapter_sha256, again.seconds, again.cost) == (first.adapter_sha256, 0, 0)
    assert again.id != first.id and again.snapshot == snapshot_id(house)
    assert evaluate_key(house) != asked and len(evaluate_stage(house)) == 1
    assert train_stage(house) == [] and set(told) == {"Take the adapter of the same training on folder"}
    curate(house, rows[:-1], others)
    assert train_stage(house)[0].title == "Train an adapter on folder"


def test_a_window_that_the_base_does_not_take_is_told_before_the_training(house: House) -> None:
    """Not after hours of it, and each night again."""
    wide = dataclasses.replace(house, domain=with_table(house.domain, "gate", {"window": 1 << 20}))
    with pytest.raises(ConfigurationError, match=r"\[gate\] window can't be 1048576"):
        perform(train_stage, wide)
    assert not list(house.folder("training").rglob("*"))


def test_only_what_the_gate_judged_is_given_out(house: House) -> None:
    """An adapter whose files changed since its run is refused; the run's own comes back when they are put back."""
    perform(train_stage, house)
    _, folder = tuned_adapter(house)
    weights = folder / "adapter_model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + b"\x01")
    with pytest.raises(TrainingError, match=f"isn't the one that run {run_id(house)} trained"):
        tuned_adapter(house)
    weights.write_bytes(kept)
    assert tuned_adapter(house)[1] == folder


def scrape(house: House) -> None:
    """Writes down that both releases are scraped."""
    for version in house.library.versions:
        release = Release(library="lib", version=version, artifact_sha256=version, licence="MIT")
        symbol = Symbol(release=release.id, path="lib.new_call", kind="function", signature="(a, *, other)")
        key = scrape_key(house, house.library.source[0], version)
        house.finish("scrape", "pypi@1", [key], [release, symbol], time.monotonic(), {"release": release.id})


def test_what_else_a_run_left_is_evaluated_before_it_is_published(house: House) -> None:
    """Loaded in another way, the same run leaves another adapter: the gate's yes to the first says nothing of it."""
    scrape(house)
    perform(train_stage, house)
    said = {"decision": "publish", "reason": "Better than its base"}
    house.finish("evaluate", EVALUATE_PART, [evaluate_key(house)], [], time.monotonic(), said)
    assert evaluate_stage(house) == []
    loaded = {**house.domain.train.base_settings, "dtype": "bfloat16"}
    table = {**house.domain.train.model_dump(), "base_settings": loaded}
    other = dataclasses.replace(house, domain=with_table(house.domain, "train", table))
    perform(train_stage, other)
    assert run_id(other) == run_id(house)
    assert trained(other).adapter_sha256 != trained(house).adapter_sha256
    assert len(evaluate_stage(other)) == 1
    assert publish_key(other) != publish_key(house)


def test_other_docs_are_another_evaluation(house: House) -> None:
    """What is shown in prompts decides what the gate sees: with other modules kept from it, it is asked anew."""
    scrape(house)
    perform(train_stage, house)
    private = house.library.model_copy(update={"private": ("lib.core",)})
    other = dataclasses.replace(house, domain=house.domain.model_copy(update={"library": (private,)}))
    assert evaluate_key(other) != evaluate_key(house)


def test_an_update_asks_nothing_anew(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided stays decided with another Python: what a run calls finished is no error in `publish`."""
    scrape(house)
    perform(train_stage, house)
    said = {"decision": "rejected", "reason": "Rejected"}
    house.finish("evaluate", EVALUATE_PART, [evaluate_key(house)], [], time.monotonic(), said)
    monkeypatch.setattr(platform, "python_version", lambda: "3.11.99")
    assert evaluate_stage(house) == []
    assert decision_of(house) == said


def test_one_model_is_in_memory_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """All arms are scored though the base is gone when the adapter is loaded; the decision says what was asked."""
    scrape(house)
    held_out = sites(4, 1)[2 * 3 :]
    listed = [SnapshotRow(snapshot=snapshot_id(house), example=row.id, split="context") for row in held_out]
    house.append([*held_out, *listed])
    perform(train_stage, house)
    loaded: list[weakref.ref[Any]] = []
    load = tuning.load

    def loading(base: BaseModel) -> tuple[Any, Any]:
        gc.collect()
        assert [model for model in loaded if model() is not None] == []
        model, tokenizer = load(base)
        loaded.append(weakref.ref(model))
        return model, tokenizer

    monkeypatch.setattr(tuning, "load", loading)
    perform(evaluate_stage, house)
    assert len(loaded) == 2
    assert {score.arm for score in house.lake.read(Score, "metric = 'choice@1'")} == set(ARMS)
    result = house.result(evaluate_key(house)) or {}
    assert result["adapter"] == trained(house).adapter_sha256
    assert (result["run"], result["decision"]) == (run_id(house), "undecided")


def with_sft(house: House, **settings: Any) -> House:
    """The same with other settings of `[train.sft]`."""
    train = house.domain.train
    return dataclasses.replace(
        house, domain=with_table(house.domain, "train", {**train.model_dump(), "sft": {**train.sft, **settings}})
    )


def test_docs_in_prompts_are_of_the_training(house: House) -> None:
    """Other documentation is another training where some of it is trained on, and no other where none is."""
    scrape(house)
    plain, docs = house, with_sft(house, docs=0.5)
    keys = []
    for one in (plain, docs):
        more = dataclasses.replace(one, domain=with_table(one.domain, "gate", {"docs": 3}))
        keys.append((trainings(one)[0].key, trainings(more)[0].key))
    assert keys[0][0] == keys[0][1]
    assert len({*keys[0], *keys[1]}) == 3


def test_rows_of_every_kind_and_docs_are_trained_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs and documentation come from the lake; of the documentation what is held out is cut."""
    scrape(house)
    rows = proven(2)
    made = [*rows.examples, *rows.programs.values()]
    house.append(
        [*made, *(SnapshotRow(snapshot=snapshot_id(house), example=r.id, split="train") for r in rows.examples)]
    )
    seen: list[Any] = []
    encoded = completions.encoded

    def seeing(tasks: Any, *others: Any, **settings: Any) -> Any:
        seen.extend(tasks)
        return encoded(tasks, *others, **settings)

    monkeypatch.setattr(completions, "encoded", seeing)
    mixed = with_sft(house, batch=8, steps=1, max_tokens=200, mix={"bug": 0.25, "edit": 0.25}, docs=1.0)
    perform(train_stage, mixed)
    assert sorted(task.kind for task in seen) == ["bug"] * 2 + ["calls"] * 4 + ["edit"] * 2
    assert all(task.docs.best("new_call") for task in seen)
    assert trained(mixed).recipe["sft"]["mix"] == {"edit": "0.25", "bug": "0.25"}
