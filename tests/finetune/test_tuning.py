"""The steps of a recipe on a real base: they teach, survive what stops them, and save an adapter that is only that."""

from __future__ import annotations

import contextlib
import json
import math
import random
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from finetune import completions, evaluation, intervals, packing, quiet, tuning, watching
from finetune.bases import BaseModel, TinyBase
from finetune.chain import Chain
from finetune.checkpoints import finished, last_checkpoint
from finetune.completions import Completion
from finetune.corpus import SourceFile
from finetune.portions import scored
from finetune.recipe import LoraSettings
from finetune.scoring import Scorer
from finetune.steps import preference, sft, text
from finetune.steps.preference import Pair, PreferenceSettings
from finetune.steps.sft import SftSettings
from finetune.steps.text import TextSettings
from finetune.warm import Start
from registry.errors import ConfigurationError, NoRowsError, TrainingError
from registry.store import content_hash
from tests.finetune.lib_drift import OLD, TINY, general, sites
from tests.finetune.trained import SMALL, TRAIN, Death, die, make, small, texts, train

SFT = SftSettings.of(SMALL["sft"])
DPO = PreferenceSettings.of(SMALL["preference"])
SHORT = {"steps": 10}
"""Of `sft`: checkpoints after 4, 8 and 10 steps."""


@pytest.fixture(scope="module")
def whole(tiny_base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of an undisturbed training."""
    work: Path = tmp_path_factory.mktemp("whole")
    train(tiny_base, work)
    return work


@pytest.fixture(scope="module")
def short(tiny_base: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> tuning.Stage:
    """Ten undisturbed steps of supervised fine-tuning."""
    return train(tiny_base, tmp_path_factory.mktemp("short"), small(recipe=["sft"], sft=SHORT))["sft"]


def test_adapter_learns_the_new_call(tiny_base: BaseModel, whole: Path) -> None:
    """After both steps the new call is cheaper, and above the old one, at call sites never seen."""
    held = sites(12, 2)[-36:]
    rows = []
    for arm, (model, tokenizer) in {
        "base": tuning.load(tiny_base),
        "adapter": tuning.load_with(tiny_base, whole / "preference" / "adapter"),
    }.items():
        scorer = Scorer(model, tokenizer)
        rows += scored(evaluation.site_portions(held, scorer, run="r", split="context"), scorer, arm)
    for metric, least in (("preference", 0.5), ("bits_gap", 0.2)):
        gain = intervals.difference(rows, split="context", metric=metric)
        assert gain is not None and gain.value > least
    bits = intervals.difference(rows, split="context", metric="bits_new")
    assert bits is not None and bits.value < -0.2


def test_an_outline_tells_what_a_model_would_without_its_weights(tiny_base: BaseModel) -> None:
    """As many parameters, as much to read, and nothing in memory."""
    outline, model = tuning.outlined(tiny_base), tuning.load(tiny_base)[0]
    assert outline.num_parameters() == model.num_parameters()
    assert outline.config.max_position_embeddings == model.config.max_position_embeddings
    assert {weight.device.type for weight in outline.parameters()} == {"meta"}


def _is_an_adapter_only(folder: Path, base: BaseModel) -> dict[str, Any]:
    assert sorted(p.name for p in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    said = (folder / "adapter_config.json").read_text()
    assert str(base.path.parent) not in said
    config: dict[str, Any] = json.loads(said)
    return config


def test_adapter_folder_holds_an_adapter_only(tiny_base: BaseModel, whole: Path) -> None:
    """No pickle, no optimizer state, no path of this machine; the base and its revision are named."""
    for step in ("sft", "preference"):
        config = _is_an_adapter_only(whole / step / "adapter", tiny_base)
        assert config["base_model_name_or_path"] == tiny_base.name
        assert config["revision"] == tiny_base.revision
        assert config["peft_type"] == "LORA"
        assert {name.rpartition(".")[2] for name in config["target_modules"]} >= {"q_proj", "down_proj"}
        assert not list((whole / step).glob("checkpoint-*"))


def test_finished_training_is_not_repeated(tiny_base: BaseModel, whole: Path) -> None:
    """The same call on finished work returns at once, with the curve and the seconds that were kept."""
    steps: list[int] = []
    before = content_hash(whole / "preference" / "adapter")
    stages = train(tiny_base, whole, progress=lambda what, done, total, note: steps.append(done))
    assert steps == []
    assert list(stages) == ["sft", "preference"]
    assert [len(stage.curve) for stage in stages.values()] == [40, 24]
    assert all(stage.seconds > 0 for stage in stages.values())
    assert content_hash(stages["preference"].folder) == before


@pytest.mark.parametrize("variant", [{"dora": True, "rank": 2}, {"rslora": True}])
def test_a_chain_of_text_and_preferences_with_another_adapter(
    tiny_base: BaseModel, tmp_path: Path, variant: dict[str, Any]
) -> None:
    """Continued pretraining makes a DoRA or rsLoRA adapter, preference tuning goes on with it, peft loads it."""
    chain = small(recipe=["text", "preference"], lora=variant, preference={"steps": 3})
    told: list[str] = []
    stages = train(tiny_base, tmp_path, chain, progress=lambda what, done, total, note: told.append(note))
    assert list(stages) == ["text", "preference"]
    config = _is_an_adapter_only(stages["preference"].folder, tiny_base)
    assert (config["use_dora"], config["use_rslora"]) == (variant.get("dora", False), variant.get("rslora", False))
    assert config["r"] == variant.get("rank", 4)
    hashes = {content_hash(stage.folder) for stage in stages.values()}
    assert len(hashes) == 2
    tuning.load_with(tiny_base, stages["preference"].folder)
    assert len(told) == 9
    assert all(note.startswith("loss ") and note.endswith(" tokens/s") for note in told)


def _deaths(rng: random.Random) -> list[Death]:
    """Ten deaths in their order: each is where the training comes after the one before."""
    first, third = rng.randrange(1, 12), rng.randrange(20, 28)
    early, late = rng.randrange(1, 8), rng.randrange(13, 24)
    return [
        Death(file="checkpoint.pt.part"),  # the base's first checkpoint is written and not in its place
        Death("base", rng.randrange(11, 30)),
        Death("sft", first),
        Death(file=f"checkpoint-{first // 4 * 4 + 4}/trainer_state.json"),  # all of a checkpoint but its last file
        Death("sft", third),
        Death("sft", rng.randrange(third, 41)),
        Death(file="sft/.adapter.part"),  # the adapter is written and not in its place
        Death("preference", early),
        Death(file=f"checkpoint-{early // 4 * 4 + 4}/adapter_config.json"),
        Death("preference", late),
    ]


@pytest.mark.slow
def test_ten_times_killed_it_ends_in_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    """One training is killed in base, steps and saves, ten times in a row; its adapters are the undisturbed ones."""
    for death in _deaths(random.Random(6)):
        assert die(tmp_path, death) == -9, death
        assert not finished(tmp_path / "work" / "preference" / "adapter")
    make(tmp_path)
    for step in ("sft", "preference"):
        assert content_hash(tmp_path / "work" / step / "adapter") == content_hash(whole / step / "adapter")


@contextmanager
def _disk(step: int, size: int) -> Iterator[Callable[..., None]]:
    """A callback after whose `step` no file of this process may grow beyond `size` bytes, until the block's end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(_what: str, done: int, _total: int, _note: str = "") -> None:
        if done == step:
            sys.dont_write_bytecode = True  # what is imported first here would be cached half, for every later process
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    before = sys.dont_write_bytecode
    try:
        yield fill
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        sys.dont_write_bytecode = before


def test_a_full_disk_loses_no_checkpoint(tiny_base: BaseModel, tmp_path: Path, short: tuning.Stage) -> None:
    """Whichever file there is no room for, one line says so; with room again, it ends in the same bytes."""
    chain = small(recipe=["sft"], sft=SHORT)
    for size in (1_000, 12_000, 30_000):
        said = pytest.raises(
            ConfigurationError, match=r"^Can't write checkpoints of sft at \S+: No space left .*is lost$"
        )
        with _disk(5, size) as full, said:
            train(tiny_base, tmp_path, chain, progress=full)
        kept = last_checkpoint(tmp_path / "sft")
        assert kept is not None and kept.name == "checkpoint-4"
    assert content_hash(train(tiny_base, tmp_path, chain)["sft"].folder) == content_hash(short.folder)


def test_a_full_disk_while_the_base_is_made_loses_nothing(tiny_base: BaseModel, tmp_path: Path) -> None:
    """One line says so, and the base that is made afterwards is the same."""
    kept = [file.text for file in general() if not file.held_out]
    said = pytest.raises(ConfigurationError, match=r"^Can't write the base at \S+: No space left")
    with _disk(15, 30_000) as full, said:
        TinyBase(kept).prepare(OLD, TINY, tmp_path, full)
    assert list(tmp_path.glob(".tiny-*.part/checkpoint.pt"))
    steps: list[int] = []
    made = TinyBase(kept).prepare(OLD, TINY, tmp_path, lambda what, done, total: steps.append(done))
    assert steps[0] == 11
    assert made.fingerprint == tiny_base.fingerprint


@contextmanager
def _memory_for(rows: int, passes: int = 0) -> Iterator[None]:
    """After so many passes the model has no memory for more rows at once than these."""
    from torch.nn.modules.module import register_module_forward_pre_hook

    done = 0

    def limited(module: Any, given: Any) -> None:
        nonlocal done
        if type(module).__name__ == "LlamaMLP":  # each layer has one, which is given (rows, tokens, width)
            done += 1
            if done > passes and given[0].shape[0] > rows:
                raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    handle = register_module_forward_pre_hook(limited)
    try:
        yield
    finally:
        handle.remove()


def test_out_of_memory_goes_on_with_half_the_rows(tiny_base: BaseModel, tmp_path: Path, short: tuning.Stage) -> None:
    """From the last checkpoint on a step takes two halves: the same losses, and the same number of steps."""
    steps: list[int] = []
    layers = 2
    with _memory_for(4, passes=6 * layers):
        [stage] = train(
            tiny_base, tmp_path, small(recipe=["sft"], sft=SHORT),
            progress=lambda what, done, total, note: steps.append(done),
        ).values()  # fmt: skip
    assert steps == [1, 2, 3, 4, 5, 6, 5, 6, 7, 8, 9, 10]
    assert [step for step, _ in stage.curve] == list(range(1, 11))
    assert [loss for _, loss in stage.curve] == pytest.approx([loss for _, loss in short.curve], abs=0.05)


def test_halves_learn_preferences_nearly_as_whole_steps_do(tiny_base: BaseModel, tmp_path: Path) -> None:
    """As many steps, with losses that differ by how the term `sft` weighs its tokens, but do differ, and no more."""
    chain = small(recipe=["preference"], preference={"steps": 6})
    whole = train(tiny_base, tmp_path / "whole", chain)["preference"]
    kept = tmp_path / "halves" / "preference" / "rows_at_once"
    kept.parent.mkdir(parents=True)
    kept.write_text("4")  # as where eight didn't fit before
    halves = train(tiny_base, tmp_path / "halves", chain)["preference"]
    assert [step for step, _ in halves.curve] == [step for step, _ in whole.curve]
    assert [loss for _, loss in halves.curve] == pytest.approx([loss for _, loss in whole.curve], abs=0.1)
    assert halves.curve != whole.curve


@pytest.mark.parametrize("margin", [0.0, 1.5])
def test_simpo_is_the_papers_loss(tiny_base: BaseModel, tmp_path: Path, margin: float) -> None:
    """Of rows of unlike lengths: -log sigmoid of the difference of mean log-probabilities times beta, less the margin.

    Meng et al., 2024, equation 6; and beside it the SFT term, the mean over all tokens chosen.
    """
    import torch

    settings = PreferenceSettings.of({"loss": ["simpo", "sft"], "margin": margin, "max_tokens": 64})
    assert settings.beta == 2.0
    model, tokenizer = tuning.with_new(tiny_base, LoraSettings(rank=4), 0)
    pairs = [Pair("import lib\nx = lib.", f"new_call({n})\n" * (1 + n), "old_call(1, 2)\n" * (3 - n)) for n in range(3)]
    made = preference.STEP.encode(pairs, tokenizer, settings, 0)
    arguments = tuning.arguments(tmp_path, settings, 0, 8) | {"bf16": False}
    with quiet.logging_off():
        trainer = preference.STEP.trainer(model, tokenizer, made, arguments, settings)
    batch = trainer.data_collator([trainer.train_dataset[place] for place in range(3)])
    with torch.no_grad():
        loss = float(trainer.compute_loss(model, batch))

    def summed(row: Any, role: str) -> float:
        ids = torch.tensor([row["prompt_ids"] + row[role]])
        with torch.no_grad():
            logs = torch.log_softmax(model(ids).logits[0, :-1].float(), -1).gather(1, ids[0, 1:, None])
        return float(logs[-len(row[role]) :].sum())

    expected, chosen, tokens = 0.0, 0.0, 0
    for row in made:
        new, old = summed(row, "chosen_ids"), summed(row, "rejected_ids")
        reward = 2.0 * new / len(row["chosen_ids"]) - 2.0 * old / len(row["rejected_ids"])
        expected += math.log1p(math.exp(margin - reward)) / len(made)
        chosen, tokens = chosen - new, tokens + len(row["chosen_ids"])
    assert loss == pytest.approx(expected + chosen / tokens, rel=1e-4)


def test_simpo_learns_preferences(tiny_base: BaseModel, tmp_path: Path) -> None:
    """A training by it makes its loss fall, goes on from another step's adapter, and leaves an adapter that is one."""
    chain = small(sft={"steps": 4}, preference={"steps": 16, "loss": ["simpo", "sft"]})
    stage = train(tiny_base, tmp_path, chain)["preference"]
    losses = [loss for _, loss in stage.curve]
    assert sum(losses[-4:]) < 0.95 * sum(losses[:4])
    _is_an_adapter_only(stage.folder, tiny_base)


def test_a_row_that_does_not_fit_is_told(tiny_base: BaseModel, tmp_path: Path) -> None:
    """Where not even one row fits, the error says which setting to lower; what was tried is not tried again."""
    with _memory_for(0), pytest.raises(TrainingError, match=r"Not even one row of sft .* \[train\.sft\] max_tokens"):
        train(tiny_base, tmp_path, small(recipe=["sft"], sft={"batch": 2}))
    assert (tmp_path / "sft" / "rows_at_once").read_text() == "1"


def test_a_loss_that_is_no_number_stops(tiny_base: BaseModel, tmp_path: Path) -> None:
    """It ends the step with what to do, and leaves no adapter."""
    with pytest.raises(
        TrainingError, match=r"(loss|gradient) of sft is (nan|inf) .* lower \[train\.sft\] learning_rate"
    ):
        train(tiny_base, tmp_path, small(recipe=["sft"], sft={"learning_rate": 1e30}))
    assert not finished(tmp_path / "sft" / "adapter")


@pytest.mark.parametrize(
    ("losses", "stops"),
    [
        ([2.0] * 10 + [5.1] * 10, True),
        ([2.0] * 10 + [4.9] * 10, False),
        ([2.0] * 10 + [9.0] * 5, False),
        ([0.1] * 10 + [0.9] * 10, False),
        ([-3.0] * 10 + [1.2] * 10, True),
    ],
)
def test_a_loss_that_grows_stops(losses: list[float], stops: bool) -> None:
    """The mean of ten losses may double and grow by a nat over the first ten: single ones, and small ones, jump."""
    if stops:
        with pytest.raises(TrainingError, match=r"The loss of sft has grown from .* at step 20: lower"):
            watching.check("sft", 20, {"loss": losses[-1]}, losses)
    else:
        watching.check("sft", 20, {"loss": losses[-1]}, losses)


@pytest.mark.parametrize(("half", "stops"), [(True, False), (False, True)])
def test_gradients_may_overflow_in_float16(half: bool, stops: bool) -> None:
    """There its scale is found by trying, and a step whose gradient is none is left out; elsewhere it is the end."""
    from transformers import TrainerState

    state = TrainerState(log_history=[{"loss": 1.0, "step": 1}], global_step=1, max_steps=9)
    watcher = watching.watch("sft", [1] * 9, None)
    watcher.on_train_begin(None, state, None)
    with pytest.raises(TrainingError, match="gradient of sft is inf") if stops else nullcontext():
        watcher.on_log(SimpleNamespace(fp16=half), state, None, logs={"loss": 1.0, "grad_norm": math.inf})
    with pytest.raises(TrainingError, match="loss of sft is nan"):
        watcher.on_log(SimpleNamespace(fp16=half), state, None, logs={"loss": math.nan})


def test_speed_is_told_of_the_last_steps() -> None:
    """Tokens of the steps that are told through their seconds, also in a second pass over few rows."""
    log = [{"step": step, "loss": 3.0 - step / 10, "seconds": 2.0} for step in range(1, 16)]
    assert watching.note(log[:1], [100, 300]) == "loss 2.900, 50 tokens/s"
    assert watching.note(log, [100, 300]) == "loss 1.500, 100 tokens/s"


def test_packed_rows_give_the_gradient_of_padded_ones(tiny_base: BaseModel, tmp_path: Path) -> None:
    """Loss and gradient of rows in few sequences are those of the same rows each for itself, up to rounding."""
    import torch

    rows = [Completion(f"x{n} = lib.", f"new_call({n}, other={n + 1})\n" * (1 + n % 3)) for n in range(8)]
    arguments = tuning.arguments(tmp_path, SFT, 0, 8) | {"bf16": False}
    found = []
    for packed in (False, True):
        model, tokenizer = tuning.with_new(tiny_base, LoraSettings(rank=4), 0)
        for name, weights in model.named_parameters():
            if "lora_B" in name:  # a new adapter's are 0, and nothing flows back through them
                torch.nn.init.normal_(weights, std=0.1)
        made = completions.encoded(rows, tokenizer, 64)
        with quiet.logging_off():
            trainer = completions.trainer(model, tokenizer, made, arguments, 64, packed=packed)
        batch = trainer.data_collator(made)
        loss = trainer.compute_loss(model, batch)
        loss.backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        found.append((batch["input_ids"].numel(), float(loss.detach()), gradient))
    (padded, one, of_padded), (dense, two, of_packed) = found
    assert dense < padded
    assert two == pytest.approx(one, rel=1e-5)
    assert float((of_packed - of_padded).norm() / of_padded.norm()) < 1e-4


def test_only_what_is_learned_is_computed(tiny_base: BaseModel, tmp_path: Path) -> None:
    """At a prompt's tokens no probabilities are computed, which changes no gradient but by rounding."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    rows = [Completion("import lib\n" * (1 + n % 5), f"new_call({n})\n" * (1 + n % 3)) for n in range(8)]
    found = []
    for surroundings in (contextlib.nullcontext(), quiet.learned_only()):
        model, tokenizer = tuning.with_new(tiny_base, LoraSettings(rank=4), 0)
        made = completions.encoded(rows, tokenizer, 64)
        with quiet.logging_off():
            trainer = completions.trainer(
                model, tokenizer, made, tuning.arguments(tmp_path, SFT, 0, 8), 64, packed=False
            )
        with surroundings, FlopCounterMode(display=False) as counter:
            trainer.compute_loss(model, trainer.data_collator(made)).backward()
        gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        found.append((counter.get_total_flops(), gradient))
    (all_flops, one), (few_flops, two) = found
    assert few_flops < 0.8 * all_flops
    assert float((two - one).norm() / one.norm()) < 1e-4


def test_rows_are_packed_tightly() -> None:
    """The longest first, each into the emptiest sequence: as many as are needed, about as long as each other."""
    assert packing.bins([3, 9, 4, 2, 12, 5], 10) == [[4], [1], [5, 3], [2, 0]]
    assert packing.bins([50], 10) == [[0]]
    rng = random.Random(0)
    lengths = [rng.randrange(5, 60) for _ in range(40)]
    filled = [sum(lengths[place] for place in group) for group in packing.bins(lengths, 256)]
    assert sum(filled) == sum(lengths)
    assert max(filled) * len(filled) < 1.1 * sum(lengths)


def test_rows_are_what_the_settings_say() -> None:
    """Batch times steps rows, the share of general code, half of the pairs new over old; the same from a seed."""
    rows = sft.rows(TRAIN, general(), SFT, 3)
    assert len(rows) == 320
    assert sum(row.prompt == "" for row in rows) == 48
    assert rows == sft.rows(list(reversed(TRAIN)), general(), SFT, 3)
    assert rows != sft.rows(TRAIN, general(), SFT, 4)
    pairs = preference.rows(TRAIN, [], DPO, 3)
    assert len(pairs) == 192
    assert sum(pair.rejected.startswith("old_call") for pair in pairs) == 96
    held = {file.path for file in general() if file.held_out}
    assert not any(row.text in file.text for file in general() if file.path in held for row in rows if not row.prompt)


def test_where_general_code_runs_short_calls_take_its_place() -> None:
    """A step sees as many rows as its settings say: with fewer a training would go round and round, and never end."""
    code = [SourceFile("a.py", "general = 1\n" * 40)]
    for files, most in ((code, 2), ([], 0)):
        rows = sft.rows(TRAIN, files, SftSettings(batch=10, steps=10, replay=0.9), 0)
        assert len(rows) == 100
        assert sum("general" in row.text for row in rows) == most


def test_texts_are_read_dependencies_first() -> None:
    """A module comes after what it imports, in each pass over the texts, and where only some pieces are drawn."""

    def places(settings: TextSettings) -> list[int]:
        rows = text.rows(texts(), [], settings, 0)
        assert len(rows) == settings.batch * settings.steps
        return [next(i for i, word in enumerate(("guide", "low", "top")) if word in row.text) for row in rows]

    few = places(TextSettings(batch=6, steps=1, replay=0.0, max_tokens=64))
    assert few == sorted(few)
    assert len(set(few)) > 1
    many = places(TextSettings(batch=4, steps=20, replay=0.0, max_tokens=64))
    passes = sum(a > b for a, b in pairwise(many)) + 1
    pieces = len({row.text for row in text.rows(texts(), [], TextSettings(replay=0.0, max_tokens=64), 0)})
    assert passes == math.ceil(80 / pieces) > 2


def test_general_code_stands_among_the_texts() -> None:
    """Its share is replay, at drawn places; without any text there is nothing to do."""
    code = [SourceFile("a.py", "".join(f"general_{n} = {n}\n" for n in range(2000)))]
    rows = text.rows(texts(), code, TextSettings(batch=10, steps=10, replay=0.2), 0)
    assert sum("general_" in row.text for row in rows) == 20
    with pytest.raises(NoRowsError, match="No text rows to train on"):
        text.rows(TRAIN, code, TextSettings(), 0)


def test_families_with_many_rows_do_not_drown_the_others() -> None:
    """A family with 25 times the rows is seen 5 times as often."""
    rows = sites(1, 25) + [e for e in sites(2, 25) if e.root == "lib.f1:25"]
    drawn = [row.text for row in sft.rows(rows, [], SftSettings(batch=100, steps=10, replay=0.0), 0)]
    rare = sum(row.startswith("new_call(25,") for row in drawn)
    assert 120 < rare < 220


def test_nothing_to_train_on_is_said() -> None:
    """Without preference rows the error says where they went, before the first step is begun."""
    with pytest.raises(NoRowsError, match="No preference rows to train on"):
        sft.rows([], general(), SFT, 0)
    chain = Chain.of({"recipe": ["text", "sft"], "sft": {"mix": {"edit": 0.1}}})
    chain.check([*texts(), *TRAIN, replace(TRAIN[0], kind="edit")])
    with pytest.raises(NoRowsError, match="No edit rows to train on"):
        chain.check([*texts(), *TRAIN])
    chain.check([], Start(Path(), TRAIN, 0.25))  # nothing is new to the adapter, which stays as it is
    with pytest.raises(NoRowsError, match="No preference rows to train on"):
        chain.check([replace(TRAIN[0], kind="edit")], Start(Path(), [], 0.25))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"recipe": ["sft", "dpo"]}, "No step 'dpo' for .* recipe: found text, sft, preference"),
        ({"recipe": []}, r"recipe can't be \[\]: name one or more of text, sft, preference"),
        ({"recipe": ["sft", "sft"]}, "each once"),
        ({"recipe": "sft"}, r"recipe can't be 'sft': write a list of steps, as"),
        ({"recipe": 3}, r"recipe can't be 3: write a list of steps, as"),
        ({"recipe": [3]}, r"recipe can't be \[3\]: write a list of steps, as"),
        ({"sft": 3}, r"\[train\] sft can't be 3: it is a table of settings"),
        ({"lora": 4}, r"\[train\] lora can't be 4: it is a table of settings"),
        ({"sft": {"lr": 1}}, r"No setting 'lr' in \[train\.sft\]: it takes .*learning_rate"),
        ({"recipe": ["sft"], "text": {"lr": 1}}, r"No setting 'lr' in \[train\.text\]"),
        ({"lora": {"rank": 0}}, r"\[train\.lora\] rank can't be 0: write it at least 1, as its default is, 16"),
        ({"lora": {"dora": 1}}, r"dora can't be 1: write it as its default is, False"),
        ({"sft": {"steps": "many"}}, "steps can't be 'many'"),
        ({"sft": {"replay": 1.5}}, "replay can't be 1.5: write it from 0 to 1"),
        ({"preference": {"loss": ["sigmoid"]}}, r"without 'sft' the model .* Add it: \['sigmoid', 'sft'\]"),
        ({"preference": {"loss": ["kto", "sft"]}}, "No loss 'kto' in .*: it takes sigmoid, sft, hinge"),
        ({"preference": {"loss": ["simpo", "sigmoid", "sft"]}}, r"knows no model .* Write \['simpo', 'sft'\]"),
        ({"preference": {"loss": ["simpo"]}}, r"without 'sft' the model .* Add it: \['simpo', 'sft'\]"),
        ({"preference": {"loss": ["simpo", "sft"], "beta": 0}}, r"beta can't be 0 with 'simpo': write 2.0 or more"),
    ],
)
def test_a_recipe_that_can_not_be_is_the_users_error(changed: dict[str, Any], said: str) -> None:
    """The message names the table and the setting, and lists what there is, or says how to write it."""
    with pytest.raises(ConfigurationError, match=said):
        Chain.of({**SMALL, **changed})


def test_only_what_is_not_at_its_default_makes_another_training() -> None:
    """Defaults that are written out, whole rates and settings of steps that aren't done change nothing of its name."""
    plain = Chain.of({"recipe": ["sft"]})
    same = {"sft": {"steps": 250, "packed": False}, "lora": {"rank": 16}, "text": {"steps": 3}}
    assert Chain.of({"recipe": ["sft"], **same}).changed() == plain.changed() == {"recipe": ["sft"]}
    assert Chain.of({"recipe": ["sft"], "sft": {"learning_rate": 1}}).changed()["sft"] == {"learning_rate": "1.0"}
    assert Chain.of({"recipe": ["sft"], "lora": {"dora": True}}).changed()["lora"] == {"dora": "True"}


def test_a_recipe_is_remembered_with_its_defaults_and_without_floats() -> None:
    """What a run tells of its recipe: the steps in order and all their settings; a whole number may be a rate."""
    told = Chain.of({"recipe": ["preference"], "preference": {"learning_rate": 1, "steps": 5}}).as_text()
    assert told["recipe"] == ["preference"]
    assert set(told) == {"recipe", "lora", "preference"}
    assert told["lora"] == {"rank": "16", "alpha": "16", "rslora": "False", "dora": "False"}
    assert told["preference"]["learning_rate"] == "1.0"
    assert told["preference"]["loss"] == ["sigmoid", "sft"]
    assert told["preference"]["steps"] == "5"
