"""Merged adapters give what theirs add up to, for each kind of LoRA; what can't be summed is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from finetune import quiet, tuning
from finetune.bases import BaseModel
from finetune.checkpoints import ADAPTER_FILES, save
from finetune.merging import merge
from finetune.recipe import LoraSettings
from registry.errors import ConfigurationError

Made = Callable[..., Path]


@pytest.fixture
def made(tiny_base: BaseModel, tmp_path: Path) -> Made:
    """Makes an adapter of random weights, as the recipe's step would save it."""
    import torch

    def make(name: str, seed: int, rank: int = 4, **kind: bool) -> Path:
        with quiet.logging_off():
            model, _ = tuning.with_new(tiny_base, LoraSettings(rank=rank, alpha=rank * 2, **kind), seed)
        torch.manual_seed(seed)
        for key, weights in model.named_parameters():
            if "lora_" in key:
                torch.nn.init.normal_(weights, std=0.1)
        save(model, tiny_base, tmp_path / name)
        return tmp_path / name

    return make


def added(base: BaseModel, folder: Path) -> dict[str, Any]:
    """Layer -> what an adapter adds to its weights, as peft itself computes it where it is merged into the base."""
    model, _ = tuning.load(base)
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    tuned, _ = tuning.load_with(base, folder)
    after = dict(tuned.merge_and_unload().named_parameters())
    return {name: after[name].detach() - before[name].detach() for name in before if "proj" in name}


def total(parts: Sequence[dict[str, Any]], weights: Sequence[float]) -> dict[str, Any]:
    return {name: sum(w * part[name] for part, w in zip(parts, weights, strict=True)) for name in parts[0]}


def distance(one: dict[str, Any], other: dict[str, Any]) -> float:
    """How far apart two changes of the base are, as a share of the second."""
    apart = sum(float(((one[name] - other[name]) ** 2).sum()) for name in other)
    return float((apart / sum(float((other[name] ** 2).sum()) for name in other)) ** 0.5)


@pytest.mark.parametrize(("kind", "weights"), [({}, ()), ({"rslora": True}, (0.5, 2.0))])
def test_cat_is_the_sum(
    tiny_base: BaseModel, made: Made, tmp_path: Path, kind: dict[str, bool], weights: tuple[float, ...]
) -> None:
    """Of adapters of other ranks, plain or rank-stabilised: exactly what they add, weighted; the ranks add up."""
    two = [made("one", 1, 4), made("two", 2, 6, **kind)]
    assert merge(tiny_base, two, tmp_path / "merged", method="cat", weights=weights) == 10
    wanted = total([added(tiny_base, path) for path in two], weights or (1.0, 1.0))
    assert distance(added(tiny_base, tmp_path / "merged"), wanted) < 1e-4


def test_svd_keeps_the_strongest_directions(tiny_base: BaseModel, made: Made, tmp_path: Path) -> None:
    """With the sum of the ranks it is the sum; with fewer it is as near as that rank allows, and nearer with more."""
    two = [made("one", 1, 4, rslora=True), made("two", 2, 4)]
    wanted = total([added(tiny_base, path) for path in two], (1.0, 1.0))
    apart = {}
    for rank in (0, 6, 8):
        folder = tmp_path / f"merged{rank}"
        assert merge(tiny_base, two, folder, method="svd", rank=rank) == (rank or 4)
        apart[rank] = distance(added(tiny_base, folder), wanted)
    assert apart[8] < 1e-4 < apart[6] < apart[0] < 1
    assert apart[6] == pytest.approx(best(wanted, 6), rel=1e-3)


def best(change: dict[str, Any], rank: int) -> float:
    """The least distance that a change of this rank can have (Eckart and Young, 1936)."""
    import torch

    squares = [torch.linalg.svdvals(matrix) ** 2 for matrix in change.values()]
    return float((sum(s[rank:].sum() for s in squares) / sum(s.sum() for s in squares)) ** 0.5)


def test_a_rank_above_the_narrowest_layer_is_refused(tiny_base: BaseModel, made: Made, tmp_path: Path) -> None:
    """Nothing has more directions than its width, here 32: said as a rank, or that of the largest adapter."""
    two = [made("one", 1, 4), made("two", 2, 40)]
    for rank, said in ((33, 33), (0, 40)):
        with pytest.raises(ConfigurationError, match=f"Can't merge: rank {said} is above 32, the width of the narrow"):
            merge(tiny_base, two, tmp_path / "merged", method="svd", rank=rank)
    assert not (tmp_path / "merged").exists()
    assert merge(tiny_base, two, tmp_path / "merged", method="svd", rank=32) == 32
    tuning.load_with(tiny_base, tmp_path / "merged")


def test_where_it_cannot_be_written_is_told(tiny_base: BaseModel, made: Made, tmp_path: Path) -> None:
    """One line names the place and what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(
        ConfigurationError, match=r"Can't write the merged adapter at .*file/merged: A part of its path"
    ):
        merge(tiny_base, [made("one", 1), made("two", 2)], tmp_path / "file" / "merged")


def test_one_with_nothing_is_itself(tiny_base: BaseModel, made: Made, tmp_path: Path) -> None:
    """An adapter of weight 1 beside one of weight 0 gives itself."""
    one, other = made("one", 1, 4, rslora=True), made("two", 2, 4)
    merge(tiny_base, [one, other], tmp_path / "merged", weights=(1.0, 0.0))
    assert distance(added(tiny_base, tmp_path / "merged"), added(tiny_base, one)) < 1e-4


def test_a_merged_folder_holds_an_adapter_only(tiny_base: BaseModel, made: Made, tmp_path: Path) -> None:
    """Config and weights at the top, naming the base, no path of this machine; the sources are as they were."""
    two = [made("one", 1), made("two", 2, rslora=True)]
    before = [(path / name).read_bytes() for path in two for name in ADAPTER_FILES]
    merge(tiny_base, two, tmp_path / "merged")
    assert sorted(path.name for path in (tmp_path / "merged").iterdir()) == sorted(ADAPTER_FILES)
    text = (tmp_path / "merged" / ADAPTER_FILES[0]).read_text()
    config = json.loads(text)
    assert (config["base_model_name_or_path"], config["revision"]) == (tiny_base.name, tiny_base.revision)
    assert (config["r"], config["lora_alpha"], config["use_rslora"]) == (8, 8, False)
    assert str(tmp_path) not in text and "/tmp" not in text
    assert [(path / name).read_bytes() for path in two for name in ADAPTER_FILES] == before


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"method": "ties"}, "no method 'ties': cat or svd"),
        ({"method": "cat", "rank": 4}, "with cat the rank is the sum of theirs"),
        ({"weights": (1.0,)}, "2 adapters need as many weights, found 1.0"),
        ({"weights": (1.0, float("nan"))}, "need as many weights"),
    ],
)
def test_how_it_cannot_be_done_is_the_users_error(
    tiny_base: BaseModel, made: Made, tmp_path: Path, how: Any, said: str
) -> None:
    """One line, and nothing is written."""
    two = [made("one", 1), made("two", 2)]
    with pytest.raises(ConfigurationError, match=f"Can't merge: .*{said}"):
        merge(tiny_base, two, tmp_path / "merged", **how)
    assert not (tmp_path / "merged").exists()


def test_what_cannot_be_summed_is_refused(tiny_base: BaseModel, made: Made, tmp_path: Path) -> None:
    """DoRA, whose magnitudes would be dropped; saved modules, biases, ranks by layer; one alone; no adapter at all."""
    one, other = made("one", 1), made("dora", 2, dora=True)
    with pytest.raises(ConfigurationError, match="dora is DoRA, and only LoRA can be summed"):
        merge(tiny_base, [one, other], tmp_path / "merged")
    two = made("two", 3)
    config = json.loads((two / ADAPTER_FILES[0]).read_text())
    for changed, said in (
        ({"modules_to_save": ["lm_head"]}, "changes more than LoRA's matrices"),
        ({"bias": "all"}, "changes more than LoRA's matrices"),
        ({"rank_pattern": {"q_proj": 8}}, "ranks of its own"),
        ({"peft_type": "IA3"}, "is IA3"),
    ):
        (two / ADAPTER_FILES[0]).write_text(json.dumps(config | changed))
        with pytest.raises(ConfigurationError, match=said):
            merge(tiny_base, [one, two], tmp_path / "merged")
    with pytest.raises(ConfigurationError, match="1 given, and two or more"):
        merge(tiny_base, [one], tmp_path / "merged")
    with pytest.raises(ConfigurationError, match="No adapter in"):
        merge(tiny_base, [one, tmp_path], tmp_path / "merged")
