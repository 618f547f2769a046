"""The base that is made on the spot, at other sizes, and from packages' source too."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune import corpus, pretraining, sizes
from finetune.bases import TinyBase, TinySettings
from finetune.corpus import SourceFile
from finetune.loading import PLAIN, Machine
from registry.errors import ConfigurationError
from tests.finetune.lib_drift import OLD, TINY, general

FEW = {**TINY, "steps": 4, "save_every": 3}
GENERAL = ["def f(x):\n    return x + 1\n" * 40]
FILES = [SourceFile("pack/one.py", "ONE = 1\n" * 90), SourceFile("pack/two.py", "TWO = 'é'\n" * 90)]
ABOUT = {"licences": ["BSD-3-Clause", "MIT"]}


@pytest.mark.parametrize(("name", "millions"), [("tiny", 2.6), ("50m", 53), ("100m", 104), ("150m", 146)])
def test_a_size_has_the_parameters_that_it_is_named_for(name: str, millions: float) -> None:
    """Counted on a model that has shapes and no weights; what training takes is more than weights and moments."""
    settings = TinySettings.of(sizes.SIZES[name])
    count = pretraining.parameters(settings)
    assert count == pytest.approx(millions * 1e6, rel=0.02)
    assert settings.width % settings.heads == 0
    assert 0 < settings.library < settings.batch or name == "tiny"
    needed = [sizes.memory(dataclasses.replace(settings, at_once=n), count) for n in (1, 2)]
    assert 16 * count < needed[0] < needed[1] < sizes.memory(settings, count)


def test_windows_that_are_computed_one_by_one_teach_the_same() -> None:
    """Whether a step's windows are computed at once or in parts, it ends in the same weights, but for rounding."""
    ends = []
    for at_once in (0, 1, 3):
        settings = TinySettings.of({**TINY, "at_once": at_once})
        torch.manual_seed(0)
        model = pretraining._model(settings)
        batch = torch.randint(settings.vocabulary, (settings.batch, settings.context + 1))
        assert pretraining._learn(model, pretraining._optimizer(model, settings), batch, settings)
        ends.append(torch.cat([weight.detach().flatten() for weight in model.parameters()]))
    moved = TINY["learning_rate"]
    for end in ends[1:]:  # AdamW's first step moves each weight by the learning rate, whatever its gradient's size
        assert (end - ends[0]).abs().mean() < 0.01 * moved


def test_settings_that_came_later_leave_a_base_as_it_was(tmp_path: Path) -> None:
    """Written at their defaults they make no other base; set otherwise they do."""
    one = TinyBase(GENERAL).prepare(OLD, FEW, tmp_path)
    said = {"at_once": 0, "library": 0, "corpus": "", "device": "cpu"}
    assert TinyBase(GENERAL).prepare(OLD, {**FEW, **said}, tmp_path) == one
    assert TinyBase(GENERAL).prepare(OLD, {**FEW, "library": 1}, tmp_path).fingerprint != one.fingerprint


def test_a_step_has_as_many_windows_of_the_library_as_is_said() -> None:
    """One of eight, in an order that visits each window once before any twice, also from the middle on."""
    settings = TinySettings.of({"batch": 8, "library": 1, "steps": 6})
    pools = [np.arange(20).reshape(20, 1), np.arange(100, 103).reshape(3, 1)]
    batches = [batch[:, 0].tolist() for batch in pretraining._batches(pools, settings, 0)]
    assert [sum(window >= 100 for window in batch) for batch in batches] == [1] * 6
    assert sorted(batch[-1] for batch in batches[:3]) == [100, 101, 102]
    assert [batch[:, 0].tolist() for batch in pretraining._batches(pools, settings, 4)] == batches[4:]


def test_packages_are_general_code_under_their_licences(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A base of a corpus is another one, and says what that is under; nothing of a corpus is held out."""
    few = general()
    monkeypatch.setattr(corpus, "standard_library", lambda: iter(few))
    name = corpus.write_corpus(tmp_path, FILES, ABOUT)
    assert corpus.write_corpus(tmp_path, FILES, ABOUT) == name
    assert corpus.write_corpus(tmp_path, FILES, {"licences": ["MIT"]}) != name
    assert list(corpus.packages(tmp_path, name)) == FILES
    settings = {**FEW, "corpus": name}
    base = TinyBase().prepare(OLD, settings, tmp_path)
    assert base.licences == (corpus.LICENCE, "BSD-3-Clause", "MIT") == TinyBase().licences(settings, tmp_path)
    assert base.name != TinyBase().prepare(OLD, FEW, tmp_path).name


def test_a_corpus_or_device_that_there_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is one line, before anything is trained."""
    monkeypatch.setattr(Machine, "this", lambda: Machine())
    for settings, said in (
        ({"corpus": "packages-0"}, "No corpus packages-0 in .*driftune prove makes one"),
        ({"device": "tpu"}, "device of the base 'tiny' can't be 'tpu': set it to cpu or cuda"),
        ({"device": "cuda"}, "There is no CUDA device"),
        ({"library": 4}, "library of the base .tiny. can.t be 4: a step has 4 windows"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            TinyBase().prepare(OLD, {**FEW, **settings}, tmp_path)
    assert not list(tmp_path.glob("*tiny*"))


def test_a_base_is_loaded_where_it_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU in float32 whatever the machine has; on CUDA, where its settings say so, in bfloat16."""
    monkeypatch.setattr(Machine, "this", lambda: Machine(cuda=True, bfloat16=True, memory=1 << 37, bitsandbytes=True))
    assert TinyBase().loading({}, tmp_path) == PLAIN
    found = TinyBase().loading({"device": "cuda"}, tmp_path)
    assert (found.device, found.dtype, found.four_bit, found.checkpointing) == ("cuda", "bfloat16", False, False)


def test_speed_is_measured_where_it_would_be_trained() -> None:
    """Tokens a second, of a model of these very settings."""
    assert pretraining.speed(TinySettings.of({**TINY, "at_once": 2})) > 0
