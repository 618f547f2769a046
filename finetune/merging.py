"""One adapter of several, for a user of several libraries: the weighted sum of what each adds to the base.

| method | rank | what is lost |
|---|---|---|
| `cat` | the sum of the ranks | nothing: their matrices side by side |
| `svd` | as asked for; else the largest of theirs | all but the strongest directions of the sum |

peft does it (`add_weighted_adapter`). It leaves two kinds wrong without a word: of rank-stabilised adapters (rsLoRA,
Kalajdzievski 2023) the sum comes out sqrt(rank) times too large, so they are written as plain ones first; of DoRA (Liu
et al. 2024) it drops the magnitudes, so these are refused.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune import tuning
from finetune.bases import BaseModel
from finetune.checkpoints import ADAPTER_FILES, room, save
from finetune.loading import PLAIN
from registry.errors import ConfigurationError
from registry.storage import storage

METHODS = ("cat", "svd")


def merge(
    base: BaseModel,
    adapters: Sequence[Path],
    folder: Path,
    *,
    method: str = "cat",
    weights: Sequence[float] = (),
    rank: int = 0,
) -> int:
    """Write one adapter that does what several do together; its rank.

    Args:
        base: What all of them were made for; whoever calls has held its fingerprint against theirs.
        adapters: Folders of adapters, two or more.
        folder: Where the merged one goes; it isn't there yet.
        method: See above.
        weights: What each is multiplied by; 1 where empty.
        rank: Of the merged one, with `svd`; 0 for the largest of theirs.

    Raises:
        ConfigurationError: They can't be merged, or not so (the message says which one, and why), or the disk is full.
    """
    factors = list(weights) or [1.0] * len(adapters)
    configs = [_config(path) for path in adapters]
    fault = _fault(adapters, configs, method, factors, rank)
    if fault:
        raise ConfigurationError(f"Can't merge: {fault}")
    with storage("the merged adapter", folder), room(), tempfile.TemporaryDirectory() as scratch:
        # peft drops what belongs to other adapters by their names: one called "0" takes every layer 0 with it
        copies = [Path(scratch) / f"merged_from_{n}" for n in range(len(adapters))]
        for path, config, copy in zip(adapters, configs, copies, strict=True):
            _make_plain(path, config, copy)
        model = _together(base, copies)
        if method == "svd":
            _check_rank(model, rank or max(int(config["r"]) for config in configs))
        names = [copy.name for copy in copies]
        model.add_weighted_adapter(
            names, factors, "default", combination_type=method, svd_rank=rank or None, svd_full_matrices=False
        )
        model.set_adapter("default")
        save(model, base, folder)
    return int(_config(folder)["r"])


def _fault(
    adapters: Sequence[Path], configs: Sequence[dict[str, Any]], method: str, factors: Sequence[float], rank: int
) -> str:
    """Why these can't be merged so; empty where they can."""
    if len(adapters) < 2:
        return f"{len(adapters)} given, and two or more are needed"
    if method not in METHODS:
        return f"there is no method {method!r}: {' or '.join(METHODS)}"
    if rank and method == "cat":
        return "with cat the rank is the sum of theirs: leave the rank out, or take svd"
    if len(factors) != len(adapters) or not all(map(math.isfinite, factors)):
        return f"{len(adapters)} adapters need as many weights, found {', '.join(map(str, factors))}"
    for path, config in zip(adapters, configs, strict=True):
        if config.get("peft_type") != "LORA" or config.get("use_dora"):
            kind = "DoRA" if config.get("use_dora") else config.get("peft_type")
            return f"{path} is {kind}, and only LoRA can be summed"
        if config.get("modules_to_save") or config.get("bias", "none") != "none" or config.get("target_parameters"):
            return f"{path} changes more than LoRA's matrices (modules_to_save, bias or target_parameters)"
        if config.get("rank_pattern") or config.get("alpha_pattern"):
            return f"{path} has ranks of its own for some layers (rank_pattern, alpha_pattern)"
    return ""


def _check_rank(model: Any, rank: int) -> None:
    """Above the narrowest layer's width peft writes fewer directions than the config says, which nobody can load."""
    shapes = {name: weights.shape for name, weights in model.named_parameters()}
    inputs = [shape[1] for name, shape in shapes.items() if ".lora_A." in name]
    outputs = [shape[0] for name, shape in shapes.items() if ".lora_B." in name]
    narrowest = min(*inputs, *outputs)
    if rank > narrowest:
        raise ConfigurationError(
            f"Can't merge: rank {rank} is above {narrowest}, the width of the narrowest layer: take a lower one"
        )


def _config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / ADAPTER_FILES[0]).read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"No adapter in {folder}: its {ADAPTER_FILES[0]} can't be read ({error})") from error
    return config


def _make_plain(folder: Path, config: dict[str, Any], copy: Path) -> None:
    """Copy an adapter as a plain LoRA: alpha / sqrt(rank) is (alpha * sqrt(rank)) / rank."""
    copy.mkdir()
    shutil.copyfile(folder / ADAPTER_FILES[1], copy / ADAPTER_FILES[1])
    if config.get("use_rslora"):
        config = config | {"use_rslora": False, "lora_alpha": config["lora_alpha"] * math.sqrt(config["r"])}
    (copy / ADAPTER_FILES[0]).write_text(json.dumps(config))


def _together(base: BaseModel, adapters: Sequence[Path]) -> Any:
    """The base in float32 with all adapters on it, each under its folder's name."""
    from peft import PeftModel

    from finetune import quiet

    model, _ = tuning.load(dataclasses.replace(base, loading=PLAIN))
    with quiet.single_process(), quiet.logging_off():
        first, *others = adapters
        together = PeftModel.from_pretrained(model, str(first), adapter_name=first.name)
        for path in others:
            together.load_adapter(str(path), adapter_name=path.name)
    return together
