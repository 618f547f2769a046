"""Going on where memory runs out: half the rows at once, twice as often, so that a step stays a step.

It learns the same up to rounding, but for the term `sft` of preferences: trl takes its mean over all tokens that are
computed at once, and the mean of two such means weighs the tokens of the half with fewer of them more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from registry.storage import write_file


def rows_at_once(batch: int, work: Path) -> Iterator[int]:
    """How many of a step's rows to put into memory together: all, or what fitted before; then fewer and fewer.

    Each is a divisor of `batch`, at most half of the one before, down to 1. What is tried is kept in `work`, so that a
    run that goes on after a kill computes the same.
    """
    kept = work / "rows_at_once"
    rows = int(kept.read_text()) if kept.is_file() else batch
    yield rows
    while rows > 1:
        rows = next(n for n in range(rows // 2, 0, -1) if batch % n == 0)
        write_file(kept, str(rows).encode(), "a training")
        _release()
        yield rows


def ran_out(error: Exception) -> bool:
    """Whether an error says that memory, of the machine or of the accelerator, ran out."""
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, MemoryError) or should_reduce_batch_size(error)


def _release() -> None:
    """Frees what a failed try has left."""
    from accelerate.utils.memory import clear_device_cache

    clear_device_cache(garbage_collection=True)
