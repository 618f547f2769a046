"""Loading an adapter, and refusing a base it wasn't made for.

Most mismatches are silent: other weights of the same shapes, fewer layers, another vocabulary. So the base's files are
hashed and compared with the adapter's fingerprint, and after loading a canary (stored token ids with their stored
log-probabilities) must agree.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from registry.errors import RegistryError, WrongBaseError
from registry.fingerprint import fingerprint
from registry.records import Adapter
from registry.settings import Settings
from registry.store import CANARY, MANIFEST, Store, read_manifest, verify_folder

TOLERANCE = {"float32": 1e-3, "float64": 1e-3, "bfloat16": 0.1, "float16": 0.05}
"""How far a mean log-probability per token may be from the stored one, in nats, by the model's dtype."""

QUANTISED = 0.25
"""The same where the base's weights are quantised, whatever dtype the rest has: rounded to NF4, the quick start's
adapter was 0.016 nats off in the median of 120 texts and 0.051 at most; without the adapter, 1.05 in the median."""

_TOKENIZERS = ("tokenizer*", "*.model", "*.tiktoken", "vocab.*")


def load_adapter(model: Any, ref: str | Path, *, registry: Path | str | None = None) -> Any:
    """A base model with an adapter on it.

    Args:
        model: A loaded `transformers` model, or the folder of one.
        ref: `networkx@stable`, `networkx@v3`, or the folder of an adapter (a version's, or a pulled one).
        registry: The registry's folder or URL; `DRIFTUNE_REGISTRY`, else `DRIFTUNE_HOME/registry`, where null.

    Returns:
        A `peft.PeftModel`, in evaluation mode.

    Raises:
        ConfigurationError: There is no such adapter.
        RegistryError: The adapter's files were changed.
        WrongBaseError: The base isn't the one the adapter was made for.
    """
    folder, adapter = find(ref, registry)
    base = base_folder(model)
    check_base(base, adapter)
    from peft import PeftModel

    with warnings.catch_warnings():  # peft 0.21 asks transformers 5.23 for a property by its former name
        warnings.filterwarnings("ignore", r".*gradient_checkpointing` is deprecated", FutureWarning)
        loaded = PeftModel.from_pretrained(_loaded(model, base), str(folder)).eval()
    check_canary(loaded, folder, adapter)
    return loaded


def find(ref: str | Path, registry: Path | str | None = None) -> tuple[Path, Adapter]:
    """The folder of an adapter, every byte compared with its manifest, and its record.

    Raises:
        ConfigurationError: There is no such adapter.
        RegistryError: The adapter's files were changed.
    """
    folder = Path(ref)
    if (folder / MANIFEST).is_file():
        adapter = read_manifest(folder)
        verify_folder(folder, adapter)
        return folder, adapter
    store = Store(registry if registry is not None else Settings().registry_url)
    adapter = store.resolve(str(ref))
    return store.folder(adapter), adapter


def check_base(folder: Path, adapter: Adapter) -> None:
    """Compare a base's files with the adapter's fingerprint.

    Raises:
        WrongBaseError: They differ; the message names both.
    """
    found = fingerprint(folder)
    if found != adapter.fingerprint:
        bare = not any(path for pattern in _TOKENIZERS for path in folder.glob(pattern))
        advice = (
            "No tokenizer is there, as the Hub's cache fetches each file when it is asked for: load the base's first"
            if bare
            else "Load that base, or an adapter made for this one"
        )
        raise WrongBaseError(
            f"{adapter.domain} v{adapter.version} was made for {adapter.base} with fingerprint {adapter.fingerprint}, "
            f"but {folder} has {found}. {advice}",
            wanted=adapter.fingerprint,
            found=found,
        )


def base_folder(model: Any) -> Path:
    """Where the files of a base lie: a folder, or a loaded model's own.

    Raises:
        RegistryError: It can't be told.
    """
    if isinstance(model, (str, Path)):
        return Path(model)
    name = str(getattr(model.config, "_name_or_path", "") or "")
    if name and Path(name).is_dir():
        return Path(name)
    from huggingface_hub import try_to_load_from_cache

    revision = getattr(model.config, "_commit_hash", None)
    cached = try_to_load_from_cache(name, "config.json", revision=revision) if name else None
    if isinstance(cached, str):
        return Path(cached).parent
    raise RegistryError(f"Can't tell which files the model {name!r} was loaded from: give its folder instead")


def canary(model: Any, tokenizer: Any, texts: Sequence[str], *, tokens: int = 64) -> tuple[dict[str, Any], ...]:
    """What a right loading must reproduce: the first `tokens` token ids of each text, and their log-probability."""
    rows = []
    for text in texts:
        ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])[:tokens]
        if len(ids) > 1:
            rows.append({"text": text, "ids": ids, "logprob": mean_logprob(model, ids)})
    return tuple(rows)


def check_canary(model: Any, folder: Path, adapter: Adapter) -> None:
    """Compare the stored log-probabilities with those of the loaded model.

    Raises:
        WrongBaseError: One is further off than its dtype, or quantised weights, explain.
    """
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    allowed = TOLERANCE.get(dtype, TOLERANCE["bfloat16"])
    if getattr(model, "is_quantized", False):  # transformers' mark, of any method
        dtype, allowed = f"quantised weights and {dtype}", QUANTISED
    for row in stored_canary(folder):
        found = mean_logprob(model, row["ids"])
        if abs(found - row["logprob"]) > allowed:
            raise WrongBaseError(
                f"{adapter.domain} v{adapter.version} gives {found:.4f} nats a token where {row['logprob']:.4f} were "
                f"stored (allowed {allowed} in {dtype}): the model in memory isn't {adapter.base} as published, "
                f"fingerprint {adapter.fingerprint}. Load the base anew",
                wanted=row["logprob"],
                found=found,
            )


def stored_canary(folder: Path) -> list[Mapping[str, Any]]:
    """The canary that travels with an adapter."""
    path = folder / CANARY
    rows: list[Mapping[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    return rows


def mean_logprob(model: Any, ids: Sequence[int]) -> float:
    """Mean log-probability of the tokens after the first, in nats."""
    import torch

    device = next(model.parameters()).device
    row = torch.tensor([list(ids)], device=device)
    model.eval()
    with torch.inference_mode():
        logits = model(input_ids=row, use_cache=False).logits[0, :-1].float()
    picked = torch.log_softmax(logits, dim=-1).gather(1, row[0, 1:, None])
    return float(picked.double().mean())


def _loaded(model: Any, base: Path) -> Any:
    """The model itself, or loaded from its folder without a progress bar on the terminal."""
    if not isinstance(model, (str, Path)):
        return model
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return AutoModelForCausalLM.from_pretrained(base, trust_remote_code=False)
    finally:
        if bars:
            logging.enable_progress_bar()
