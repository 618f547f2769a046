"""The canary of an adapter: stored token ids with the log-probabilities that a right loading must reproduce."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from registry.errors import WrongBaseError
from registry.records import Adapter
from registry.store import CANARY

TOLERANCE = {"float32": 1e-3, "float64": 1e-3, "bfloat16": 0.1, "float16": 0.05}
"""How far a mean log-probability per token may be from the stored one, in nats, by the model's dtype."""

QUANTISED = 0.25
"""The same where the base's weights are quantised, whatever dtype the rest has: rounded to NF4, the quick start's
adapter was 0.016 nats off in the median of 120 texts and 0.051 at most; without the adapter, 1.05 in the median."""


def canary(model: Any, tokenizer: Any, texts: Sequence[str], *, tokens: int = 64) -> tuple[dict[str, Any], ...]:
    """What a right loading must reproduce: the first `tokens` token ids of each text, and their log-probability."""
    rows = []
    for text in texts:
        ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])[:tokens]
        if len(ids) > 1:
            rows.append({"text": text, "ids": ids, "logprob": mean_logprob(model, ids)})
    return tuple(rows)


def check_canary(model: Any, folder: Path, adapter: Adapter, *, derived: bool = False) -> None:
    """Compare the stored log-probabilities with those of the loaded model.

    Args:
        model: The model with the adapter on it.
        folder: The adapter's.
        adapter: The version.
        derived: Whether the model was made from the adapter's base, by rounding its weights or merging into them.

    Raises:
        WrongBaseError: One is further off than its dtype, or quantised weights, explain; or there is none, and only
            it could tell.
    """
    dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
    allowed = TOLERANCE.get(dtype, TOLERANCE["bfloat16"])
    if getattr(model, "is_quantized", False):  # transformers' mark, of any method
        dtype, allowed = f"quantised weights and {dtype}", QUANTISED
    elif derived:
        dtype, allowed = f"a derived base in {dtype}", QUANTISED
    rows = stored_canary(folder)
    if derived and not rows:
        raise WrongBaseError(
            f"{adapter.domain} v{adapter.version} has no canary, so nobody can tell whether it fits a derived base: "
            f"load it on {adapter.base} itself"
        )
    for row in rows:
        found = mean_logprob(model, row["ids"])
        if not abs(found - row["logprob"]) <= allowed:  # what is no number is off too
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
