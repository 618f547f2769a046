"""Several short rows in one sequence, so that no padding is computed.

Each row's positions start at 0 again and there is no attention mask: transformers builds one from the positions that
keeps rows from seeing each other. As the loss is a mean over all learned tokens of a step, its gradient is that of the
same rows padded, up to rounding; only the rows of one step are put together, so that their order stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from finetune.recipe import Row

LENGTH = 256
"""Tokens of a sequence, about: attention costs the square of it."""


def bins(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Places of rows that go into one sequence: the longest first, each into the one that is emptiest yet.

    All sequences are about as long so, and hardly any is padded.

    Args:
        lengths: Tokens of each row.
        size: Tokens of a sequence, about.
    """
    count = min(len(lengths), math.ceil(sum(lengths) / size))
    found: list[list[int]] = [[] for _ in range(count)]
    filled = [0] * count
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        emptiest = filled.index(min(filled))
        found[emptiest].append(place)
        filled[emptiest] += lengths[place]
    return found


@dataclass(frozen=True)
class Packed:
    """Makes a batch of rows into few sequences of ids, labels and positions, each of shape (sequences, tokens).

    Args:
        pad: Id of the token behind the last row of a sequence; each is a row of its own that is not learned.
        size: Tokens of a sequence, about.
    """

    pad: int
    size: int = LENGTH

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        """The batch that a model takes."""
        import torch

        groups = bins([len(row["input_ids"]) for row in rows], self.size)
        width = max(sum(len(rows[place]["input_ids"]) for place in group) for group in groups)
        shape = (len(groups), width)
        batch = {
            "input_ids": torch.full(shape, self.pad),
            "labels": torch.full(shape, -100),
            "position_ids": torch.zeros(shape, dtype=torch.long),
        }
        for line, group in enumerate(groups):
            start = 0
            for place in group:
                ids, labels = rows[place]["input_ids"], rows[place]["labels"]
                span = slice(start, start + len(ids))
                batch["input_ids"][line, span] = torch.tensor(ids)
                batch["labels"][line, span] = torch.tensor([-100, *labels[1:]])  # no row tells how the next begins
                batch["position_ids"][line, span] = torch.arange(len(ids))
                start += len(ids)
        return batch
