"""Sizes of the base that is made on the spot, and what they need.

The built-in one has 2.6 million parameters, so that a CPU makes it in minutes. The larger ones are made the same way,
from the packages' source too, on a GPU, as long as a person lets them: what a base of that size can show of driftune.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetune.bases import TinySettings

_LARGE: Mapping[str, Any] = {"context": 1024, "batch": 64, "library": 8, "save_every": 200}

SIZES: Mapping[str, Mapping[str, Any]] = {
    "tiny": {},
    "50m": {
        **_LARGE, "layers": 14, "width": 512, "heads": 8, "inner": 1408, "vocabulary": 16384, "learning_rate": 1.2e-3,
    },
    "100m": {
        **_LARGE, "layers": 12, "width": 768, "heads": 12, "inner": 2048, "vocabulary": 24576, "learning_rate": 8e-4,
    },
    "150m": {
        **_LARGE, "layers": 17, "width": 768, "heads": 12, "inner": 2048, "vocabulary": 32768, "learning_rate": 6e-4,
    },
}  # fmt: skip
"""Name -> settings of the base that aren't at their defaults."""

AT_ONCE: Mapping[str, int] = {"cpu": 1, "cuda": 32}
"""Windows of a larger base that are computed at once."""

_A_PARAMETER = 16
"""Bytes for each parameter in training: weight, gradient, and the two moments of AdamW, in float32."""
_A_LOGIT = 12
"""Bytes for each logit: in float32, what the loss keeps of it, and its gradient."""
_A_WIDTH = 40
"""Bytes for each token, block and unit of width that are kept until gradients are computed: 34 where all is in 16 bits
and attention keeps no scores (Korthikanti et al., Reducing Activation Recomputation, 2022, section 4.1), and norms are
in 32."""


def memory(settings: TinySettings, parameters: int) -> int:
    """Bytes that training a base takes: of its device, about, and without what the programs themselves take.

    Args:
        settings: Its settings.
        parameters: How many parameters it has.
    """
    tokens = (settings.at_once or settings.batch) * settings.context
    inside = settings.layers * settings.width * _A_WIDTH
    return parameters * _A_PARAMETER + tokens * (settings.vocabulary * _A_LOGIT + inside)
