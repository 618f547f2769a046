"""Whether a model keeps rows that are packed into one sequence from seeing each other: asked of the model itself.

Positions that start at 0 again say where a row begins (`finetune.packing`). Not every model reads them so: one that
carries a state along never does, and FlashAttention only for a single sequence.
"""

from __future__ import annotations

from typing import Any

ROW = 4
"""Tokens of a row."""

CLOSE = 1e-6
"""How far logits may be apart: what a row doesn't see counts nothing, so that sums are those of the same numbers.

Where attention reads positions they were equal to the bit (Llama, GPT-2; 32 and 16 bits); in small untrained
models of Mamba, Mamba 2, Falcon and RecurrentGemma, 0.02 to 2.3 apart.
"""


def keeps_rows_apart(model: Any) -> bool:
    """Whether what a row gives is the same after any other row in its sequence.

    Args:
        model: A causal language model (a PEFT model too); it is left as it was.
    """
    import torch

    embeddings = model.get_input_embeddings().weight
    second = torch.arange(ROW) % embeddings.shape[0]
    firsts = ((torch.arange(ROW) + start) % embeddings.shape[0] for start in (ROW, 2 * ROW))
    positions = torch.arange(ROW).repeat(2).expand(2, -1)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            one, other = (
                model(
                    input_ids=torch.cat([first, second]).expand(2, -1).to(embeddings.device),
                    position_ids=positions.to(embeddings.device),
                    use_cache=False,
                ).logits[:, ROW:]
                for first in firsts
            )
    finally:
        model.train(training)
    return bool(torch.allclose(one, other, rtol=CLOSE, atol=CLOSE))
