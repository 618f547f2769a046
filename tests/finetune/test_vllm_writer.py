"""Writing by vLLM: what it is asked, what is made of its answers, when it is used. Against a stand-in of it."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finetune import quiet, tuning
from finetune.bases import BaseModel
from finetune.generation import ENDS_OF_A_BODY, Prompt, Sampling, Writer, opened
from finetune.loading import Loading
from finetune.recipe import LoraSettings
from finetune.vllm_writer import VllmWriter, check, engine, hindrance, version
from registry.errors import ConfigurationError, TrainingError
from tests.finetune.writing import BODIES, prompt

CUDA = Loading("cuda")
GREEDY = Sampling(24, 0.0, stop=ENDS_OF_A_BODY)
PROMPTS = [Prompt(opened(prompt(name)), seed) for seed, name in enumerate(BODIES)]


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The stand-in, as if it were installed."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "stand_ins"))
    monkeypatch.setenv("VLLM_NO_USAGE_STATS", "1")
    import vllm

    vllm.LLM.made.clear()
    yield vllm
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def adapter(writing: BaseModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of rank 2 that changes what is written: its base forgets one word."""
    folder = tmp_path_factory.mktemp("adapters") / "forgets"
    with quiet.logging_off():
        model, _ = tuning.with_new(writing, LoraSettings(rank=2, alpha=64), 0)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.fill_(1.0)
    model.save_pretrained(folder)
    return folder


def test_it_writes_what_the_model_writes(vllm: Any, writing: BaseModel, adapter: Path) -> None:
    """The same prompts, cut at the same ends: base and adapter, through one engine, give the texts of transformers."""
    loaded = engine(writing, [adapter])
    texts = []
    for folder in (None, adapter):
        model, tokenizer = tuning.load(writing) if folder is None else tuning.load_with(writing, folder)
        wanted = Writer(model, tokenizer, GREEDY).write(PROMPTS)
        texts.append(wanted)
        with quiet.logging_off():
            assert VllmWriter(loaded, writing, folder, GREEDY).write(PROMPTS) == wanted
    assert texts[0] != texts[1]
    assert len(vllm.LLM.made) == 1
    assert [lora and (lora.lora_int_id, lora.lora_path) for _, lora in loaded.asked] == [None, (1, str(adapter))]


def test_what_decides_a_text_is_told_for_each(vllm: Any, writing: BaseModel) -> None:
    """Its own seed where it is drawn, none where it isn't; stops, end tokens, lengths: nothing of the base's own."""
    loaded = engine(writing, [])
    warm = VllmWriter(loaded, writing, None, Sampling(24, 0.8, 0.9, ("\n\n",)))
    warm.write(PROMPTS)
    VllmWriter(loaded, writing, None, GREEDY).write(PROMPTS[:1])
    (drawn, _), ((plain,), _) = loaded.asked
    assert sorted(one.seed for one in drawn) == [one.seed for one in PROMPTS]
    first = drawn[0]
    assert (first.temperature, first.top_p, first.stop, first.max_tokens) == (0.8, 0.9, ["\n\n"], 24)
    model, tokenizer = tuning.load(writing)
    assert first.stop_token_ids == Writer(model, tokenizer)._ends == warm._ends
    assert first.ignore_eos
    assert (plain.seed, plain.temperature, plain.top_p) == (None, 0.0, 1.0)


def test_answers_are_held_against_what_was_asked(vllm: Any, writing: BaseModel) -> None:
    """Answers in another order would be taken for those of other tasks: an error, not a score."""
    loaded = engine(writing, [])
    own = loaded.generate
    loaded.generate = lambda *asked, **how: own(*asked, **how)[::-1]
    with pytest.raises(TrainingError, match="gives back other prompts than it was shown"):
        VllmWriter(loaded, writing, None, GREEDY).write(PROMPTS)


def ranked(adapter: Path, folder: Path, **config: Any) -> Path:
    """The same adapter with something else in its config."""
    said = json.loads((adapter / "adapter_config.json").read_text())
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(said | config))
    return folder


def test_the_engine_takes_the_highest_rank(vllm: Any, writing: BaseModel, adapter: Path, tmp_path: Path) -> None:
    """Its limit is one of those that vLLM knows; what it refuses all the same is one line that says what to do."""
    loaded = engine(writing, [adapter, ranked(adapter, tmp_path / "48", r=48)])
    assert loaded._rank == 64
    high = ranked(adapter, tmp_path / "100", r=100)
    with pytest.raises(TrainingError) as error:
        VllmWriter(loaded, writing, high, GREEDY).write(PROMPTS)
    assert str(error.value) == (
        "vLLM can't write: LoRA rank 100 is greater than max_lora_rank 64. Without it: --backend transformers"
    )


def test_vllm_writes_where_it_can(vllm: Any, writing: BaseModel, adapter: Path, tmp_path: Path) -> None:
    """Not on a CPU, not for 4 bits, DoRA or ranks above all its limits: told where it is asked for, else left."""
    assert hindrance(CUDA, [adapter]) == ""
    for loading, config, told in (
        (Loading(), {}, "vLLM writes on CUDA, and the base is loaded on cpu"),
        (dataclasses.replace(CUDA, four_bit=True), {}, "in 4 bits"),
        (CUDA, {"use_dora": True}, "dora: vLLM doesn't load it, as it is a DoRA adapter"),
        (CUDA, {"r": 513}, "its rank, 513, is above 512"),
        (CUDA, {"rank_pattern": {"q_proj": 600}}, "its rank, 600, is above 512"),
    ):
        folder = ranked(adapter, tmp_path / str(len(list(tmp_path.iterdir()))), **config)
        why = hindrance(loading, [folder.rename(tmp_path / "dora")] if "use_dora" in config else [folder])
        assert told in why
        assert not check("auto", why)
        with pytest.raises(ConfigurationError, match=r"^No vLLM: .*\. Or leave --backend out$"):
            check("vllm", why)
    assert check("auto", "") and check("vllm", "") and not check("transformers", "")
    with pytest.raises(ConfigurationError, match="choose auto, transformers or vllm"):
        check("vLLM", "")
    assert version() == "0.0.0"


def test_without_it_transformers_write() -> None:
    """Here it isn't installed."""
    assert hindrance(CUDA, []) == "vLLM isn't installed: pip install vllm"
