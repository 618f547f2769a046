"""Both tuning stages on a real base: they teach, resume to the same bytes, and save an adapter that is only that."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from finetune import evaluation, intervals, preference, recipe, sft, tuning
from finetune.bases import BaseModel
from finetune.recipe import PreferenceSettings, SftSettings
from finetune.scoring import Scorer
from registry.errors import ConfigurationError, TrainingError
from registry.store import content_hash
from tests.finetune.lib_drift import general, sites

SFT = SftSettings(rank=4, alpha=8, learning_rate=2e-2, batch=8, steps=40, max_tokens=64, save_every=4)
DPO = PreferenceSettings(learning_rate=1e-2, batch=8, steps=24, max_tokens=64, save_every=4)
TRAIN = sites(6, 6)


def tuned(base: BaseModel, work: Path) -> tuning.Stage:
    first = sft.tune(base, recipe.completions(TRAIN, general(), SFT, 0), work / "sft", SFT, threads=1)
    return preference.tune(base, first.folder, recipe.pairs(TRAIN, DPO, 0), work / "dpo", DPO, threads=1)


@pytest.fixture(scope="module")
def whole(tiny_base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of an undisturbed training."""
    work: Path = tmp_path_factory.mktemp("whole")
    tuned(tiny_base, work)
    return work


def test_adapter_learns_the_new_call(tiny_base: BaseModel, whole: Path) -> None:
    """After both stages the new call is cheaper, and above the old one, at call sites never seen."""
    held = sites(12, 2)[-36:]
    rows = []
    for arm, (model, tokenizer) in {
        "base": tuning.load(tiny_base),
        "adapter": tuning.load_with(tiny_base, whole / "dpo" / "adapter"),
    }.items():
        rows += evaluation.score_pairs(held, Scorer(model, tokenizer), run="r", arm=arm, split="context")
    for metric, least in (("preference", 0.5), ("bits_gap", 0.2)):
        gain = intervals.difference(rows, split="context", metric=metric)
        assert gain is not None and gain.value > least
    bits = intervals.difference(rows, split="context", metric="bits_new")
    assert bits is not None and bits.value < -0.2


def test_adapter_folder_holds_an_adapter_only(tiny_base: BaseModel, whole: Path) -> None:
    """No pickle, no optimizer state, no path of this machine; the base and its revision are named."""
    for stage in ("sft", "dpo"):
        folder = whole / stage / "adapter"
        assert sorted(p.name for p in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
        text = (folder / "adapter_config.json").read_text()
        config = json.loads(text)
        assert config["base_model_name_or_path"] == tiny_base.name
        assert config["revision"] == tiny_base.revision
        assert str(tiny_base.path.parent) not in text
        assert config["peft_type"] == "LORA"
        assert {name.rpartition(".")[2] for name in config["target_modules"]} >= {"q_proj", "down_proj"}


def test_finished_training_is_not_repeated(tiny_base: BaseModel, whole: Path) -> None:
    """The same call on finished work returns at once, with the curve that was kept."""
    steps: list[int] = []
    before = content_hash(whole / "sft" / "adapter")
    stage = sft.tune(tiny_base, [], whole / "sft", SFT, progress=lambda what, done, total: steps.append(done))
    assert steps == []
    assert stage.steps == 40 and len(stage.curve) == 40
    assert content_hash(stage.folder) == before


def _killed(base: BaseModel, work: Path, stage: str, at: int) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if what == stage and done == at:
            os._exit(9)

    first = sft.tune(base, recipe.completions(TRAIN, general(), SFT, 0), work / "sft", SFT, threads=1, progress=stop)
    preference.tune(base, first.folder, recipe.pairs(TRAIN, DPO, 0), work / "dpo", DPO, threads=1, progress=stop)


@pytest.mark.parametrize(("stage", "at"), [pytest.param("sft", 7, marks=pytest.mark.slow), ("preference", 10)])
def test_killed_training_goes_on_to_the_same_bytes(
    tiny_base: BaseModel, whole: Path, tmp_path: Path, stage: str, at: int
) -> None:
    """Killed in either stage and started again, it ends in the adapter of an undisturbed run."""
    job = multiprocessing.get_context("spawn").Process(target=_killed, args=(tiny_base, tmp_path, stage, at))
    job.start()
    job.join()
    assert job.exitcode == 9
    folder = tmp_path / ("sft" if stage == "sft" else "dpo")
    assert not tuning.finished(folder / "adapter")
    torn = folder / f"checkpoint-{at}"
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"global_st')
    tuned(tiny_base, tmp_path)
    for name in ("sft", "dpo"):
        assert content_hash(tmp_path / name / "adapter") == content_hash(whole / name / "adapter")


def test_diverging_training_stops(tiny_base: BaseModel, tmp_path: Path) -> None:
    """A loss that is not a number ends the stage with what to do, and leaves no adapter."""
    settings = SftSettings(rank=4, learning_rate=1e30, batch=4, steps=8, max_tokens=64)
    with pytest.raises(TrainingError, match=r"lower \[train\.sft\] learning_rate"):
        sft.tune(tiny_base, recipe.completions(TRAIN, general(), settings, 0), tmp_path, settings, threads=1)
    assert not tuning.finished(tmp_path / "adapter")


def test_rows_are_what_the_settings_say() -> None:
    """Batch times steps rows, the share of general code, half of the pairs new over old; the same from a seed."""
    rows = recipe.completions(TRAIN, general(), SFT, 3)
    assert len(rows) == 320
    assert sum(row.prompt == "" for row in rows) == 48
    assert rows == recipe.completions(list(reversed(TRAIN)), general(), SFT, 3)
    assert rows != recipe.completions(TRAIN, general(), SFT, 4)
    pairs = recipe.pairs(TRAIN, DPO, 3)
    assert len(pairs) == 192
    assert sum(pair.rejected.startswith("old_call") for pair in pairs) == 96
    held = {file.path for file in general() if file.held_out}
    assert not any(row.text in file.text for file in general() if file.path in held for row in rows if not row.prompt)


def test_families_with_many_rows_do_not_drown_the_others() -> None:
    """A family with 25 times the rows is seen 5 times as often."""
    rows = sites(1, 25) + [e for e in sites(2, 25) if e.root == "lib.f1:25"]
    texts = [row.text for row in recipe.completions(rows, [], SftSettings(batch=100, steps=10, replay=0.0), 0)]
    rare = sum(text.startswith("new_call(25,") for text in texts)
    assert 120 < rare < 220


def test_nothing_to_train_on_is_said() -> None:
    """Without preference rows the error says where they went."""
    with pytest.raises(TrainingError, match="No preference rows to train on"):
        recipe.completions([], general(), SFT, 0)


def test_unknown_setting_is_the_users_error() -> None:
    """The message lists what the stage takes."""
    with pytest.raises(ConfigurationError, match=r"No training setting 'lr': this stage takes .*learning_rate"):
        SftSettings.of({"lr": 1})
    assert SftSettings.of({"steps": 5}).steps == 5
    assert all(isinstance(v, (str, list)) for v in PreferenceSettings().as_text().values())
