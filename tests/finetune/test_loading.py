"""How a base is put into memory: what `auto` comes to on which machine, and that what is chosen is what happens."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from finetune import bases, tuning
from finetune.bases import BaseModel
from finetune.loading import LARGE, PLAIN, Loading, Machine, decide, weights
from registry.errors import ConfigurationError
from tests.finetune.trained import small, train

GB = 1_000_000_000
CPU = Machine()
OLD_GPU = Machine(cuda=True, bfloat16=False, memory=16 * GB)
GPU = Machine(cuda=True, bfloat16=True, memory=24 * GB, bitsandbytes=True)


@pytest.mark.parametrize(
    ("machine", "size", "wanted"),
    [
        (CPU, GB, PLAIN),
        (CPU, 3 * GB, Loading(checkpointing=True)),
        (OLD_GPU, GB, Loading("cuda", "float16")),
        (OLD_GPU, 14 * GB, Loading("cuda", "float16", checkpointing=True)),
        (GPU, GB, Loading("cuda", "bfloat16")),
        (GPU, 11 * GB, Loading("cuda", "bfloat16", checkpointing=True)),
        (GPU, 15 * GB, Loading("cuda", "bfloat16", four_bit=True, checkpointing=True)),
    ],
)
def test_auto_fits_machine_and_model(machine: Machine, size: int, wanted: Loading) -> None:
    """float32 on a CPU, 16 bits on a GPU; 4-bit where half of its memory is too little and bitsandbytes is there."""
    assert decide({}, size, machine) == wanted
    assert decide(
        dict.fromkeys(("device", "dtype", "attention", "four_bit", "checkpointing"), "auto"), size, machine
    ) == (wanted)


def test_every_setting_can_be_overridden() -> None:
    """What the settings say stands, whatever `auto` would have been."""
    said = {"device": "cpu", "dtype": "bfloat16", "attention": "eager", "four_bit": False, "checkpointing": True}
    assert decide(said, 15 * GB, GPU) == Loading("cpu", "bfloat16", "eager", False, True)
    assert decide({"four_bit": True, "checkpointing": False}, LARGE + 1, GPU) == Loading(
        "cuda", "bfloat16", four_bit=True
    )


@pytest.mark.parametrize(
    ("settings", "machine", "said"),
    [
        ({"dtype": "int8"}, CPU, "dtype of the base can't be 'int8': set it to auto, float32, bfloat16, float16"),
        ({"four_bit": "yes"}, GPU, "four_bit of the base can't be 'yes': set it to auto, true, false"),
        ({"checkpointing": 1}, CPU, "checkpointing of the base can't be 1"),
        ({"device": "cuda"}, CPU, "no CUDA device for device = 'cuda'"),
        ({"dtype": "float16"}, CPU, "'float16' needs a CUDA device"),
        ({"four_bit": True}, CPU, "four_bit = true needs a CUDA device"),
        ({"four_bit": True}, OLD_GPU, r"needs bitsandbytes: pip install 'driftune\[quant\]'"),
    ],
)
def test_what_cannot_be_is_the_users_error(settings: Any, machine: Machine, said: str) -> None:
    """One line that says what to set."""
    with pytest.raises(ConfigurationError, match=said):
        decide(settings, GB, machine)


def test_it_is_told_in_words() -> None:
    """As `plan` and `doctor` show it."""
    assert str(PLAIN) == "float32 on the CPU, attention as transformers chooses, no gradient checkpointing"
    assert str(Loading("cuda", "bfloat16", "sdpa", True, True)) == (
        "4-bit weights, bfloat16 on cuda, attention sdpa, with gradient checkpointing"
    )


def test_four_bit_weights_are_nf4_on_the_first_device() -> None:
    """What transformers and the trainer are told for a GPU; on a CPU 16 bits are bfloat16."""
    told = Loading("cuda", "bfloat16", four_bit=True).options()
    assert told["device_map"] == {"": 0}
    assert (told["quantization_config"].load_in_4bit, told["quantization_config"].bnb_4bit_quant_type) == (True, "nf4")
    arguments = {dtype: Loading("cuda", dtype).arguments() for dtype in ("bfloat16", "float16")}
    assert [(a["bf16"], a["fp16"], a["use_cpu"]) for a in arguments.values()] == [
        (True, False, False),
        (False, True, False),
    ]
    assert PLAIN.options() == {"dtype": "float32"}
    assert PLAIN.arguments() == {"use_cpu": True, "bf16": True, "fp16": False, "gradient_checkpointing": False}


def test_a_base_is_loaded_and_trained_as_its_settings_say(tiny_base: BaseModel, tmp_path: Path) -> None:
    """Dtype and attention are the model's, and an adapter trains on it with gradient checkpointing."""
    import torch

    settings = {"path": str(tiny_base.path), "dtype": "bfloat16", "attention": "eager", "checkpointing": True}
    base = bases.find("folder").prepare((), settings, tmp_path)
    model, _ = tuning.load(base)
    assert next(model.parameters()).dtype == torch.bfloat16
    assert model.config._attn_implementation == "eager"
    stages = train(base, tmp_path / "work", small(recipe=["sft"], sft={"steps": 8, "replay": 0.0}))
    losses = [loss for _, loss in stages["sft"].curve]
    assert losses[-1] < losses[0]
    assert weights(tiny_base.path) == (tiny_base.path / "model.safetensors").stat().st_size
    assert weights(tmp_path) == 0


def test_checkpointing_changes_no_byte_on_a_cpu(tiny_base: BaseModel, tmp_path: Path) -> None:
    """Activations that are computed twice are the same: so is the adapter."""
    chain = small(recipe=["sft"], sft={"steps": 4})
    found = []
    for twice in (False, True):
        base = dataclasses.replace(tiny_base, loading=dataclasses.replace(PLAIN, checkpointing=twice))
        folder = train(base, tmp_path / str(twice), chain)["sft"].folder
        found.append((folder / "adapter_model.safetensors").read_bytes())
    assert found[0] == found[1]
