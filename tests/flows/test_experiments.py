"""Trials of other settings: which they are, and that the domain's own run doesn't feel them."""

from __future__ import annotations

import pytest

from finetune.chain import Chain
from flows.experiments import trained_with
from registry.domain import TrainSpec
from registry.errors import ConfigurationError

OWN = TrainSpec(sft={"steps": 8}).model_dump()


def test_a_trial_is_the_own_table_with_other_settings() -> None:
    """One trial a seed; settings are TOML, in a table or not; what isn't named stays."""
    trials = trained_with(OWN, [1, 2, 1], ["sft.batch=2", "threads=1", "base=folder"])
    assert [t["seed"] for t in trials] == [1, 2]
    for trial in trials:
        assert trial == OWN | {
            "seed": trial["seed"], "threads": 1, "base": "folder", "sft": {"steps": 8, "batch": 2}
        }  # fmt: skip


def test_a_trial_may_have_another_recipe() -> None:
    """Steps, the adapter's kind and the settings of each step are reached."""
    settings = ['recipe=["text", "sft"]', "lora.dora=true", "text.steps=5", "preference.steps=7"]
    [trial] = trained_with(OWN, [0], settings)
    chain = Chain.of(trial)
    assert [(step.name, settings.steps) for step, settings in chain.steps] == [("text", 5), ("sft", 8)]
    assert chain.lora.dora


@pytest.mark.parametrize(
    ("seed", "setting", "said"),
    [
        (0, "sft.steps=8", "the domain's own run"),
        (0, "sft.batch=16", "the domain's own run"),
        (0, "threads=2", "the domain's own run"),
        (0, "sft.steps", "No value"),
        (0, "sft.=3", "No value"),
        (0, "lora.rank=16", "the domain's own run"),
        (0, "price=2.5", "the domain's own run"),
        (0, "text.steps=3", "the domain's own run"),
        (0, 'recipe=["preference", "ppo"]', "No step 'ppo' for .* found text, sft, preference"),
        (0, "lora.r=8", "No setting 'r' in .*: it takes rank, alpha, rslora, dora"),
        (0, 'preference.loss=["sigmoid"]', "without 'sft'"),
        (0, "dpo.steps=3", "No table 'dpo' in .* found base_settings, lora, text, sft, preference"),
        (0, "seed.x=3", "No table 'seed'"),
        (0, "recipe=3", "recipe can't be 3"),
        (0, "recipe=sft", "recipe can't be 'sft'"),
        (0, "sft=3", "sft can't be 3"),
        (0, "lora=4", "lora can't be 4"),
    ],
)
def test_what_is_no_trial_is_told_in_one_line(seed: int, setting: str, said: str) -> None:
    """The domain's own settings, a setting without a value, and a table that there isn't."""
    with pytest.raises(ConfigurationError, match=said):
        trained_with(OWN, [seed], [setting])


def test_shuffled_rows_at_the_own_seed_are_a_trial() -> None:
    """What is trained on shuffled rows isn't the domain's own run, whatever the seed; not to shuffle is."""
    assert trained_with(OWN, [0], ["shuffle=true"]) == [OWN | {"shuffle": True}]
    with pytest.raises(ConfigurationError, match="the domain's own run"):
        trained_with(OWN, [0], ["shuffle=false"])
