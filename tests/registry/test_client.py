"""Loading an adapter: right on its base, refused on any other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from registry.canary import TOLERANCE, canary, mean_logprob
from registry.client import check_base, load_adapter
from registry.errors import ConfigurationError, RegistryError, WrongBaseError
from registry.fingerprint import fingerprint
from registry.store import Publication, Store

TEXTS = ("import networkx as nx\nG = nx.path_graph(4)\n", "x = nx.shortest_path(G, 0, 3)\n")


def make_base(
    folder: Path, seed: int = 0, *, width: int = 16, layers: int = 2, vocabulary: int = 280, model: str = "llama"
) -> Path:
    """A model of random weights, with a byte-level tokenizer: real files, no training."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=vocabulary, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False
        ),
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|end|>", pad_token="<|end|>")
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        model,
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_adapter(base: Path, folder: Path) -> tuple[Path, tuple[dict[str, object], ...]]:
    """A LoRA adapter of random weights, and the canary it gives on its base."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(7)
    plain = AutoModelForCausalLM.from_pretrained(base)
    model = get_peft_model(plain, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    model.save_pretrained(folder)
    return folder, canary(model, AutoTokenizer.from_pretrained(base), TEXTS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Path]:
    """A registry with one adapter, and the base it was made for."""
    import warnings

    root: Path = tmp_path_factory.mktemp("made")
    base = make_base(root / "base", seed=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*gradient_checkpointing` is deprecated", FutureWarning)
        folder, rows = make_adapter(base, root / "adapter")
    store = Store(root / "registry")
    store.publish(
        folder,
        Publication(
            domain="networkx",
            library_range="networkx>=3.6,<3.7",
            base="driftune/tiny-0",
            base_revision=fingerprint(base),
            fingerprint=fingerprint(base),
            snapshot="s",
            run="r",
            canary=rows,
        ),
    )
    return store, base


def test_adapter_loads_on_its_base(made: tuple[Store, Path]) -> None:
    """By name or by folder, onto a folder or a loaded model, it gives what was stored."""
    from transformers import AutoModelForCausalLM

    store, base = made
    stored = json.loads((store.folder(store.resolve("networkx")) / "canary.json").read_text())
    for model in (base, str(base), AutoModelForCausalLM.from_pretrained(base)):
        loaded = load_adapter(model, "networkx@stable", registry=store.url)
        for row in stored:
            assert mean_logprob(loaded, row["ids"]) == pytest.approx(row["logprob"], abs=1e-4)
    assert load_adapter(base, store.folder(store.resolve("networkx")))


def test_adapter_loads_from_s3(made: tuple[Store, Path], bucket: str) -> None:
    """A registry on S3 is one like any other."""
    store, base = made
    adapter = store.resolve("networkx")
    folder = store.folder(adapter)
    remote = Store(f"{bucket}/loaded")
    canary_rows = tuple(json.loads((folder / "canary.json").read_text()))
    remote.publish(
        folder,
        Publication(
            domain="networkx", library_range="networkx>=3.6,<3.7", base=adapter.base, base_revision="r",
            fingerprint=adapter.fingerprint, snapshot="s", run="r", canary=canary_rows,
        ),
    )  # fmt: skip
    assert load_adapter(base, "networkx@stable", registry=remote.url).driftune.adapter == remote.resolve("networkx")


def test_pulled_folder_loads_with_plain_peft(made: tuple[Store, Path], tmp_path: Path) -> None:
    """No driftune is needed to use an adapter: peft reads the folder."""
    store, base = made
    into = store.pull("networkx@stable", tmp_path / "model").path
    model, _ = with_plain_peft(base, into)
    stored = json.loads((into / "canary.json").read_text())
    assert mean_logprob(model, stored[0]["ids"]) == pytest.approx(stored[0]["logprob"], abs=1e-4)
    assert load_adapter(base, into)


def with_plain_peft(base: Path, adapter: Path) -> tuple[Any, list[str]]:
    """An adapter on a base as peft alone puts it there, and what it warned of."""
    import warnings

    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter))
    return model, [str(w.message) for w in caught if "gradient_checkpointing` is deprecated" not in str(w.message)]


def edited_tokenizer(base: Path, folder: Path) -> Path:
    """The same model, two tokens of its vocabulary exchanged."""
    shutil.copytree(base, folder)
    path = folder / "tokenizer.json"
    said = json.loads(path.read_text())
    vocabulary = said["model"]["vocab"]
    one, other = sorted(vocabulary, key=vocabulary.get)[-2:]
    vocabulary[one], vocabulary[other] = vocabulary[other], vocabulary[one]
    path.write_text(json.dumps(said))
    return folder


WRONG = {
    "width": lambda base, folder: make_base(folder, width=32),
    "same shapes, other weights": lambda base, folder: make_base(folder, seed=1),
    "fewer layers": lambda base, folder: make_base(folder, layers=1),
    "other vocabulary": lambda base, folder: make_base(folder, vocabulary=270),
    "other architecture": lambda base, folder: make_base(folder, model="mistral"),
    "edited tokenizer": edited_tokenizer,
}
"""What makes a base that an adapter wasn't made for."""

SILENT = frozenset(WRONG) - {"width"}
"""Those that peft alone puts the adapter on without an error or a warning."""


@pytest.mark.parametrize("way", sorted(WRONG))
def test_wrong_base_is_refused(made: tuple[Store, Path], tmp_path: Path, way: str) -> None:
    """A base that is wrong in one way is refused, naming both fingerprints; peft alone takes most without a word."""
    store, base = made
    other = WRONG[way](base, tmp_path / "other")
    with pytest.raises(WrongBaseError) as caught:
        load_adapter(other, "networkx", registry=store.url)
    assert fingerprint(base) in str(caught.value)
    assert fingerprint(other) in str(caught.value)
    adapter = store.folder(store.resolve("networkx"))
    if way in SILENT:
        assert with_plain_peft(other, adapter)[1] == []
    else:
        with pytest.raises(RuntimeError, match="size mismatch"):
            with_plain_peft(other, adapter)


def test_a_base_whose_tokenizer_is_not_fetched_yet_is_told(made: tuple[Store, Path], tmp_path: Path) -> None:
    """In the Hub's cache lies what was asked for: the right base is one only when its tokenizer was loaded too."""
    store, base = made
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in base.iterdir():
        if not path.name.startswith("tokenizer"):
            shutil.copyfile(path, copy / path.name)
    with pytest.raises(WrongBaseError, match=r"No tokenizer is there, .*: load the base's first"):
        check_base(copy, store.resolve("networkx"))
    for path in base.glob("tokenizer*"):
        shutil.copyfile(path, copy / path.name)
    check_base(copy, store.resolve("networkx"))


def test_added_chat_template_is_refused(made: tuple[Store, Path], tmp_path: Path) -> None:
    """Another chat template makes other prompts."""
    store, base = made
    copy = Path(shutil.copytree(base, tmp_path / "copy"))
    (copy / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(WrongBaseError):
        check_base(copy, store.resolve("networkx"))


def test_model_changed_in_memory_is_found_by_the_canary(made: tuple[Store, Path]) -> None:
    """The files are right, the weights in memory aren't: the stored log-probabilities don't come."""
    import torch
    from transformers import AutoModelForCausalLM

    store, base = made
    model = AutoModelForCausalLM.from_pretrained(base)
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight.mul_(1.5)
    with pytest.raises(WrongBaseError, match="nats a token"):
        load_adapter(model, "networkx", registry=store.url)


def test_model_in_bfloat16_is_within_its_tolerance(made: tuple[Store, Path]) -> None:
    """A coarser dtype isn't taken for another base."""
    import torch
    from transformers import AutoModelForCausalLM

    store, base = made
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    assert load_adapter(model, "networkx", registry=store.url)


def test_quantised_model_is_within_its_tolerance(made: tuple[Store, Path]) -> None:
    """Weights of few bits in float32 aren't taken for another base; those of another model still are."""
    import torch
    from transformers import AutoModelForCausalLM

    store, base = made
    for scale, fits in ((1.0, True), (3.0, False)):
        model = AutoModelForCausalLM.from_pretrained(base)
        model.is_quantized = True  # as transformers' quantizers leave it
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "proj" in name:
                    step = weight.abs().amax(dim=1, keepdim=True) / 7  # sixteen levels a row
                    weight.copy_((weight / step).round() * step * scale)
        if fits:
            loaded = load_adapter(model, "networkx", registry=store.url)
            stored = json.loads((store.folder(store.resolve("networkx")) / "canary.json").read_text())
            assert max(abs(mean_logprob(loaded, r["ids"]) - r["logprob"]) for r in stored) > TOLERANCE["float32"]
        else:
            with pytest.raises(WrongBaseError, match="quantised weights and float32"):
                load_adapter(model, "networkx", registry=store.url)


def test_model_without_files_is_refused(made: tuple[Store, Path]) -> None:
    """A model that was never on a disk can't be checked."""
    from transformers import LlamaConfig, LlamaForCausalLM

    store, _ = made
    config = LlamaConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=99
    )
    with pytest.raises(RegistryError, match="give its folder instead"):
        load_adapter(LlamaForCausalLM(config), "networkx", registry=store.url)


def test_damaged_adapter_and_unknown_name_are_refused(made: tuple[Store, Path], tmp_path: Path) -> None:
    """Every byte is checked before it is loaded."""
    store, base = made
    copy = Path(shutil.copytree(store.folder(store.resolve("networkx")), tmp_path / "copy"))
    with (copy / "adapter_model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    with pytest.raises(RegistryError, match="was changed"):
        load_adapter(base, copy)
    with pytest.raises(ConfigurationError, match="No adapter"):
        load_adapter(base, "pandas@stable", registry=store.url)


def test_a_derived_base_is_loaded_on_its_owners_word(made: tuple[Store, Path], tmp_path: Path) -> None:
    """Rounded weights are refused, unless it is said what they were made from; a wrong word doesn't help."""
    from transformers import AutoModelForCausalLM

    store, base = made
    rounded = tmp_path / "rounded"
    model = rounded_to_eight_bits(AutoModelForCausalLM.from_pretrained(base))
    model.save_pretrained(rounded)
    adapter = store.resolve("networkx")
    with pytest.raises(WrongBaseError, match="was made for driftune/tiny-0"):
        load_adapter(rounded, "networkx", registry=store.url)
    for said in (base, str(base), adapter.base, adapter.fingerprint):
        loaded = load_adapter(rounded, "networkx", registry=store.url, derived_from=said)
        assert loaded.driftune.adapter == adapter
    with pytest.raises(WrongBaseError, match="not for derived_from='llama'"):
        load_adapter(rounded, "networkx", registry=store.url, derived_from="llama")
    with pytest.raises(WrongBaseError, match="a derived base in float32"):
        load_adapter(make_base(tmp_path / "other", seed=1), "networkx", registry=store.url, derived_from=base)
    with pytest.raises(WrongBaseError, match=r"v1 can't be put on this model: .*size mismatch"):
        load_adapter(make_base(tmp_path / "wide", width=32), "networkx", registry=store.url, derived_from=base)


def rounded_to_eight_bits(model: Any) -> Any:
    """A model whose projections have 256 levels a row, as 8-bit weights do."""
    import torch

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "proj" in name:
                step = weight.abs().amax(dim=1, keepdim=True) / 127
                weight.copy_((weight / step).round() * step)
    return model


def test_a_version_that_fails_its_canary_gives_way_to_the_one_before(made: tuple[Store, Path]) -> None:
    """Where that is asked for, what the channel held before is loaded, and told; nothing is left of the other."""
    import dataclasses

    from transformers import AutoModelForCausalLM

    store, base = made
    good = store.resolve("networkx")
    folder = store.folder(good)
    rows = tuple(json.loads((folder / "canary.json").read_text()))
    said = Publication(
        domain="falling", library_range="networkx>=3.6,<3.7", base=good.base, base_revision="r",
        fingerprint=good.fingerprint, snapshot="s", run="1", canary=rows,
    )  # fmt: skip
    off = tuple({**row, "logprob": row["logprob"] + 1} for row in rows)
    first = store.publish(folder, said)
    store.publish(folder, dataclasses.replace(said, run="other base", fingerprint="f", canary=off))
    last = store.publish(folder, dataclasses.replace(said, run="broken", canary=off))
    model = AutoModelForCausalLM.from_pretrained(base)
    with pytest.raises(WrongBaseError, match="v3 gives"):
        load_adapter(model, "falling", registry=store.url)
    with pytest.warns(UserWarning, match="v3 gives .* Loaded v1 instead, which falling held before"):
        loaded = load_adapter(model, "falling", registry=store.url, fall_back=True)
    assert (loaded.driftune.adapter, loaded.driftune.instead_of) == (first, last)
    assert "v3 gives" in loaded.driftune.why
    assert mean_logprob(loaded, rows[0]["ids"]) == pytest.approx(rows[0]["logprob"], abs=1e-4)
    for ref in ("falling@v3", "falling@new"):
        store.promote("falling", 3, "new")
        with pytest.raises(WrongBaseError, match=r"Nothing that falling@\w+ held before fits either"):
            load_adapter(base, ref, registry=store.url, fall_back=True)
