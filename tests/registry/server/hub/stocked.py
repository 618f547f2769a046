"""A server's shelves: a tiny base, adapters of it in a public and a private domain, and a snapshot in a lake."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from registry.fingerprint import fingerprint
from registry.identity import sha256_of
from registry.lake import Lake
from registry.records import Example, Program, Record, Snapshot, SnapshotRow, Work
from registry.server.context import Context
from registry.server.settings import ServerSettings
from registry.server.state import State
from registry.store import Publication, Store
from tests.registry.server.serving import OTHER, PRIVATE, PUBLIC

BASE = "driftune/tiny-0123456789abcdef"
MIRROR, COMMIT = "others/mirror", "ab" * 20
"""A base that was fetched from the Hub, and its commit there."""
SIZE = 16
"""Width and vocabulary of the base."""
PADDING = 24 << 20
"""Bytes of a file that is large enough to be cut: clients write 10 MiB at a time."""
SPLITS = {"train": 5, "context": 2, "symbol": 1, "dev": 1}
"""Rows of each split of the snapshot."""


def stocked(folder: Path, **settings: object) -> Context:
    """A context over adapters that peft loads, two versions of PUBLIC, PRIVATE and OTHER; the last are of MIRROR."""
    bases = folder / "home" / "bases"
    own, fetched = bases / BASE.rpartition("/")[2], bases / "hub--others--mirror--main"
    mark = write_base(own)
    shutil.copytree(own, fetched)
    (fetched / "base.json").write_text("{}")
    lake = Lake(str(folder / "lake"), folder / "home", "tests")
    lake.create()
    store = Store(folder / "registry")
    for domain in (PUBLIC, PRIVATE, OTHER):
        snapshot = append_snapshot(lake, domain)
        for number in (1, 2):
            padding = PADDING if (domain, number) == (OTHER, 2) else 0
            made = write_adapter(folder / f"made-{domain}-{number}", mark, number, padding)
            base, revision = (MIRROR, COMMIT) if domain == OTHER else (BASE, mark)
            said = Publication(
                domain=domain, library_range=f"{domain}>=3.6,<3.7", base=base, base_revision=revision, fingerprint=mark,
                snapshot=snapshot.id, run=f"run-{number}", licences=("BSD-3-Clause", "PSF-2.0"),
            )  # fmt: skip
            store.publish(made, said, channel="stable" if number == 1 else "candidate")
    told = ServerSettings(**{"private": (PRIVATE,), "rate": 0, **settings})
    return Context(store, lake, bases, State(f"sqlite:///{folder / 'server.sqlite'}"), told)


def write_base(folder: Path) -> str:
    """A Llama of one layer, with its tokenizer, in the Hub's layout; its fingerprint."""
    folder.mkdir(parents=True)
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": SIZE, "hidden_size": SIZE,
        "intermediate_size": SIZE, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
        "max_position_embeddings": 32, "bos_token_id": 0, "eos_token_id": 1, "tie_word_embeddings": False,
        "torch_dtype": "float32",
    }  # fmt: skip
    rng = np.random.default_rng(0)
    layer = "model.layers.0"
    square = [f"{layer}.self_attn.{part}_proj" for part in "qkvo"]
    square += [f"{layer}.mlp.{part}_proj" for part in ("gate", "up", "down")]
    square += ["model.embed_tokens", "lm_head"]
    flat = [f"{layer}.input_layernorm", f"{layer}.post_attention_layernorm", "model.norm"]
    weights = {f"{name}.weight": rng.normal(size=(SIZE, SIZE)).astype("float32") for name in square}
    weights |= {f"{name}.weight": np.ones(SIZE, "float32") for name in flat}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
    words = {word: number for number, word in enumerate(["<s>", "</s>", "<unk>", *"abcdefghijklm"])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    (folder / "checkpoint.pt").write_bytes(b"a pickle")
    (folder / ".hidden").write_text("secret")
    return fingerprint(folder)


def write_adapter(folder: Path, mark: str, number: int, padding: int = 0) -> Path:
    """A LoRA of the base, as `finetune` leaves it; of so many bytes more where a large one is wanted."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(number)
    start = "base_model.model.model.layers.0.self_attn.q_proj.lora"
    shapes = {"A": (2, SIZE), "B": (SIZE, 2)}
    weights = {f"{start}_{each}.weight": rng.normal(size=shape).astype("float32") for each, shape in shapes.items()}
    if padding:
        weights["padding"] = rng.integers(0, 255, size=padding, dtype="uint8")
    save_file(weights, folder / "adapter_model.safetensors", {"format": "pt"})
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": BASE, "revision": mark, "r": 2,
        "lora_alpha": 4, "target_modules": ["q_proj"], "inference_mode": True, "bias": "none",
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def append_snapshot(lake: Lake, domain: str, rows: Mapping[str, int] = SPLITS) -> Snapshot:
    """A snapshot of a domain, with rows in each split, appended to a lake as its latest."""
    named = [(split, number) for split, count in rows.items() for number in range(count)]
    examples: list[Example] = []
    written: list[Record] = []
    for split, number in named:
        name = f"{split}_{number}"
        program = Program(code=f"def {name}():\n    return {number}\n", test=f"assert {name}() == {number}")
        row = Example(
            domain=domain, kind="test", releases=("new",), parts={"programs": {"answer": program.id}},
            root=name, file=f"{split}.py", generator="tests", generator_version="1", licence="BSD-3-Clause",
            source_url=f"pypi://{domain}/3.6/x.whl/{name}.py", symbols=(f"{domain}.{split}",), family=split,
        )  # fmt: skip
        examples.append(row)
        written += [program, row]
    counts = {"test": dict(rows)}
    snapshot = Snapshot(
        domain=domain, rows_sha256=sha256_of(sorted(e.id for e in examples)), filters={}, counts=counts,
        licences={"BSD-3-Clause": len(examples)},
    )  # fmt: skip
    placed = zip(named, examples, strict=True)
    written += [SnapshotRow(snapshot=snapshot.id, example=row.id, split=split) for (split, _), row in placed]
    work = Work(key=f"curate-{snapshot.id}", stage="curate", domain=domain, part="curate@1", outputs=len(written),
                result={"snapshot": snapshot.id})  # fmt: skip
    lake.append([*written, snapshot, work])
    return snapshot
