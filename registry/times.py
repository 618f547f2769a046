"""Rows of a clock that was ahead: they are told, and put before now, in their order.

Times of a lake never go back, so what such a clock wrote once all later rows follow. While they are ahead `as_of` a
time of now shows none of them, and what is counted by the day takes them for today's.
"""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

from registry.arrow import STAMP
from registry.compaction import collect, compact
from registry.lake import TICK, Lake

_AT_ONCE = dt.timedelta(0)
_ALIKE = dt.timedelta(minutes=1)
"""By how much clocks differ that are right."""


def put_right(lake: Lake) -> int:
    """Gives rows that are ahead of the clock times up to now, in their order; how many times that were.

    Nobody may write. Killed, the same again goes on: what was written is there twice, as it was and put right.

    Args:
        lake: The lake, created.
    """
    now = lake.files.now()
    last, ahead = lake.times(now + _ALIKE)
    if not ahead:
        return 0
    start = now - len(ahead) * TICK
    start = start if last is None else max(start, last)
    after = [start + n * TICK for n in range(1, len(ahead) + 1)]
    times = pa.table({"before": pa.array(ahead, STAMP), "after": pa.array(after, STAMP)})
    compact(lake, grace=_AT_ONCE, times=times)
    collect(lake, grace=_AT_ONCE)
    return len(ahead)
