"""How a base is put into memory: device, dtype, attention, 4-bit weights, gradient checkpointing; what `auto` is.

The built-in base is always float32 on the CPU, so that its adapters are the same bytes everywhere.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.errors import ConfigurationError

AUTO = "auto"
CHOICES: Mapping[str, tuple[Any, ...]] = {
    "device": (AUTO, "cpu", "cuda"),
    "dtype": (AUTO, "float32", "bfloat16", "float16"),
    "attention": (AUTO, "eager", "sdpa", "flash_attention_2"),
    "four_bit": (AUTO, True, False),
    "checkpointing": (AUTO, True, False),
}
"""Setting -> what it may be; the settings of a base's `[train.base_settings]` beside its own."""

PROCESSES = "processes"
"""The setting beside these that is a number: how many processes train together."""

LARGE = 2_000_000_000
"""Bytes of weights from which on activations are computed twice instead of kept, about a billion parameters."""


@dataclass(frozen=True)
class Machine:
    """What decides how a base is loaded.

    Attributes:
        cuda: Whether there is a CUDA device.
        bfloat16: Whether it computes in bfloat16.
        memory: Bytes of its memory.
        bitsandbytes: Whether that is installed.
        gpus: How many CUDA devices there are, where there is one.
    """

    cuda: bool = False
    bfloat16: bool = False
    memory: int = 0
    bitsandbytes: bool = False
    gpus: int = 1

    @classmethod
    def this(cls) -> Machine:
        """This machine."""
        import torch

        if not torch.cuda.is_available():
            return cls()
        memory = int(torch.cuda.get_device_properties(0).total_memory)
        quant = importlib.util.find_spec("bitsandbytes") is not None
        return cls(True, torch.cuda.is_bf16_supported(), memory, quant, torch.cuda.device_count())


@dataclass(frozen=True)
class Loading:
    """How a base is put into memory.

    Attributes:
        device: cpu or cuda.
        dtype: Of its weights; the adapter's are float32.
        attention: transformers' implementation; auto: what that chooses for the model.
        four_bit: Whether its weights are quantised to 4 bits (NF4), which only CUDA computes with.
        checkpointing: Whether training computes activations twice instead of keeping them.
        processes: How many processes train together, on CUDA each on a device of its own.
    """

    device: str = "cpu"
    dtype: str = "float32"
    attention: str = AUTO
    four_bit: bool = False
    checkpointing: bool = False
    processes: int = 1

    def __str__(self) -> str:
        where = "the CPU" if self.device == "cpu" else self.device
        weights = "4-bit weights, " if self.four_bit else ""
        chosen = "as transformers chooses" if self.attention == AUTO else self.attention
        twice = "with" if self.checkpointing else "no"
        told = f"{weights}{self.dtype} on {where}, attention {chosen}, {twice} gradient checkpointing"
        return told if self.processes == 1 else f"{told}, trained by {self.processes} processes"

    def options(self) -> dict[str, Any]:
        """What `from_pretrained` is told."""
        told: dict[str, Any] = {"dtype": self.dtype}
        if self.attention != AUTO:
            told["attn_implementation"] = self.attention
        if self.device != "cpu":
            told["device_map"] = {"": int(os.environ.get("LOCAL_RANK", "0"))}  # of several processes, each its own
        if self.four_bit:
            from transformers import BitsAndBytesConfig

            told["quantization_config"] = BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=self.dtype
            )
        return told

    def arguments(self) -> dict[str, Any]:
        """What a trainer is told: it computes in 16 bits, which on a CPU is bfloat16."""
        return {
            "use_cpu": self.device == "cpu",
            "bf16": self.dtype != "float16",
            "fp16": self.dtype == "float16",
            "gradient_checkpointing": self.checkpointing,
        }


PLAIN = Loading()
"""In float32 on the CPU, which any machine can, to the same bits but for rounding."""


def decide(settings: Mapping[str, Any], size: int, machine: Machine) -> Loading:
    """How a base is loaded here: what its settings say, and for the rest what fits it and the machine.

    Args:
        settings: Those of `CHOICES` that are set, and `processes`.
        size: Bytes of the base's weight files; 0 where they aren't here yet.
        machine: What there is.

    Raises:
        ConfigurationError: A setting can't be what it is, or not on this machine.
    """
    said = {name: settings.get(name, AUTO) for name in CHOICES}
    for name, value in said.items():
        if value not in CHOICES[name] or isinstance(value, bool) != (value in (True, False)):
            accepted = ", ".join(str(choice).lower() for choice in CHOICES[name])
            raise ConfigurationError(f"{name} of the base can't be {value!r}: set it to {accepted}")
    device = ("cuda" if machine.cuda else "cpu") if said["device"] == AUTO else said["device"]
    cuda = device == "cuda"
    half = "bfloat16" if machine.bfloat16 else "float16"
    dtype = (half if cuda else "float32") if said["dtype"] == AUTO else said["dtype"]
    crowded = cuda and machine.bitsandbytes and size > machine.memory / 2
    four_bit = crowded if said["four_bit"] == AUTO else said["four_bit"]
    processes = settings.get(PROCESSES, 1)
    if type(processes) is not int or processes < 1:
        raise ConfigurationError(f"processes of the base can't be {processes!r}: set it to a number from 1 on")
    faults = {
        f"processes = {processes} needs as many CUDA devices: lower it to {machine.gpus}": (
            cuda and processes > machine.gpus
        ),
        "There is no CUDA device for device = 'cuda': set it to auto or cpu": cuda and not machine.cuda,
        "dtype = 'float16' needs a CUDA device: set it to bfloat16 or float32": dtype == "float16" and not cuda,
        "four_bit = true needs a CUDA device: leave it out": four_bit and not cuda,
        "four_bit = true needs bitsandbytes: pip install 'driftune[quant]'": four_bit and not machine.bitsandbytes,
    }
    for fault, found in faults.items():
        if found:
            raise ConfigurationError(f"{fault} in [train.base_settings]")
    checkpointing = size > LARGE if said["checkpointing"] == AUTO else said["checkpointing"]
    return Loading(device, dtype, said["attention"], four_bit, checkpointing, processes)


def weights(folder: Path) -> int:
    """Bytes of a base's weight files; 0 where it isn't there."""
    files = [*folder.glob("*.safetensors")] or [*folder.glob("pytorch_model*.bin")]
    return sum(path.stat().st_size for path in files)
