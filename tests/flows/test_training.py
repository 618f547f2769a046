"""A training is of one base: what the gate judged is what is given away, and nothing goes on on another base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from finetune.bases import TinyBase
from flows.batches import perform
from flows.house import House, open_house
from flows.training import base_model, run_id, train_key, train_stage, tuned_adapter
from registry.errors import TrainingError
from registry.identity import sha256_of
from registry.records import Snapshot, SnapshotRow, Work
from registry.settings import Settings
from tests.finetune.lib_drift import OLD, TINY, sites

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


def test_what_was_trained_is_no_adapter_of_a_base_that_came_since(house: House) -> None:
    """With other files in the base's folder its adapter isn't given out, killed before its end or finished."""

    def stop(_title: str, done: int, _total: int, _note: str = "", /) -> None:
        if done == 1:
            raise KeyboardInterrupt

    house.tell = stop
    with pytest.raises(KeyboardInterrupt):
        perform(train_stage, house)
    house.tell = lambda *_: None
    began = base_model(house).fingerprint
    config = Path(house.domain.train.base_settings["path"]) / "tokenizer_config.json"
    kept = config.read_text()
    other(house)
    for finished in (False, True):
        with pytest.raises(TrainingError, match=f"has fingerprint .*was begun on {began}: put that one back"):
            tuned_adapter(house) if finished else perform(train_stage, house)
        config.write_text(kept)
        perform(train_stage, house)
        assert tuned_adapter(house)[1].is_dir()
        other(house)
        shutil.rmtree(house.folder("training"))  # the lake still knows


def test_half_a_training_goes_on_as_it_was_loaded(house: House) -> None:
    """Where another machine, or an update, would load the base in another way, the second half isn't trained so."""
    begun = house.folder("training") / train_key(house)[:16] / "begun.json"
    begun.parent.mkdir(parents=True)
    mark = base_model(house).fingerprint
    begun.write_text(json.dumps({"base": mark, "loading": "bfloat16 on cuda"}))
    with pytest.raises(TrainingError, match=r"begun with bfloat16 on cuda.*go on with float32 on the CPU"):
        perform(train_stage, house)
    begun.unlink()
    perform(train_stage, house)
    assert json.loads(begun.read_text())["base"] == mark
    begun.write_text(json.dumps({"base": mark, "loading": "bfloat16 on cuda"}))
    assert tuned_adapter(house)[1].is_dir()  # finished: how it is loaded from now on changes nothing of it


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
