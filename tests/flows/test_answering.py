"""Who answers what models are asked: by which process, in which order and on which machine makes no difference."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune.portions import Portion
from flows.answering import _LOADED, Models, answer
from registry.errors import ConfigurationError
from tests.flows.asked import asked, small_models

Jobs = list[tuple[str, Any, Any]]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """A small base and an adapter on it."""
    return small_models(tmp_path_factory.mktemp("homes") / "home")


@pytest.fixture(scope="module")
def every(small: Models) -> list[tuple[str, str, Portion]]:
    """All that both are asked."""
    return list(asked(small))


@pytest.fixture(scope="module")
def jobs(every: list[tuple[str, str, Portion]]) -> Jobs:
    """What workers are handed of it."""
    return [(model, portion.answer, portion.given) for model, _, portion in every]


def test_who_answers_and_in_which_order_makes_no_difference(
    small: Models, every: list[tuple[str, str, Portion]], jobs: Jobs
) -> None:
    """What is sent holds no model; answered elsewhere, from the last to the first, each portion has the same scores."""
    assert [(p.title(arm), p.done, p.total, p.given) for _, arm, p in every] == [
        (p.title(arm), p.done, p.total, p.given) for _, arm, p in asked(small)
    ]
    here = [answer(small, job) for job in jobs]
    sent = pickle.dumps((small, jobs))
    assert len(sent) < 100_000
    there, same = pickle.loads(sent)
    assert [answer(there, job) for job in reversed(same)][::-1] == here
    scores = [score for (_, arm, p), found in zip(every, here, strict=True) for score in p.scores(arm, found)]
    assert len(scores) == 2 * (5 * 25 + 8)
    ours, theirs = ([score.value for score in scores if score.arm == arm] for arm in ("base", "adapter"))
    assert ours != theirs


def test_a_worker_on_another_machine_is_sent_what_is_small(small: Models, jobs: Jobs, tmp_path: Path) -> None:
    """Base and adapter come with what is asked; where they came from nothing need be left."""
    folders = [small.base.path, *small.adapters.values()]
    sent = {folder: {file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders}
    gone = {folder: tmp_path / f"gone-{n}" for n, folder in enumerate(folders)}
    other = replace(
        small,
        base=replace(small.base, path=gone[small.base.path]),
        adapters={name: gone[folder] for name, folder in small.adapters.items()},
        sent={gone[folder]: files for folder, files in sent.items()},
        host="elsewhere",
    )
    wanted = [jobs[0], jobs[-1]]
    assert [answer(other, job) for job in wanted] == [answer(small, job) for job in wanted]


def test_a_large_base_is_looked_for_on_another_machine(
    small: Models, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is taken from the home there if it is the same one; else it is said where it is to be."""
    home, asking = tmp_path / "there", tmp_path / "here"
    far = replace(small, base=replace(small.base, path=asking / "bases" / "b"), home=asking, host="elsewhere")
    monkeypatch.setenv("DRIFTUNE_HOME", str(home))
    with pytest.raises(ConfigurationError, match=f"copy .*/here/bases/b of elsewhere to {home}/bases/b there"):
        answer(far, jobs[0])
    shutil.copytree(small.base.path, home / "bases" / "b")
    assert answer(far, jobs[0]) == answer(small, jobs[0])
    config = home / "bases" / "b" / "config.json"
    config.write_text(config.read_text().replace("rms_norm_eps", "other"))
    with pytest.raises(ConfigurationError, match="is another one there"):
        answer(replace(far), jobs[0])


def test_one_model_is_in_memory_whoever_asks(small: Models, jobs: Jobs) -> None:
    """Two evaluations that a worker has a part in take no more than one."""
    for models, job in ((small, jobs[0]), (replace(small), jobs[0]), (small, jobs[-1])):
        answer(models, job)
        assert list(_LOADED) == [(models.mark, job[0])]
