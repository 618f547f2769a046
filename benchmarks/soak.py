"""Whether a pool can run for days: `python benchmarks/soak.py [--executions 50000] [--workers 2] [--wall auto]`.

Runs small programs of every sort, most of them well-behaved, and looks in between at the memory of this process and of
the servers, at its open descriptors, and at processes that nobody buried. Exit code 1 where one of them grows.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from registry.records import Program
from validators.execution.host import descendants, processes
from validators.execution.pool import Pool
from validators.execution.wall import WORKER, Limits

LOOKS = 10
RSS_SHARE = 1.05
"""Memory may grow by a twentieth after the second look: allocators don't give back all that was used for a moment."""

SORTS = (
    ("x = {n}", "assert x == {n}", "passed"),
    ("import json\nx = json.loads('[{n}]')", "assert x == [{n}]", "passed"),
    ("x = [i * i for i in range(2000)]", "for i in x[:3]:\n    assert i < 5 + {n}", "passed"),
    ("def f(a):\n    return a + {n}\nprint(f(1))", "assert f(2) == {n} + 3", "failed"),
    ("open('a', 'w').write('b' * 100000)\nx = 1 / 0", "assert x == {n}", "error"),
    ("import os\nif not os.fork():\n    import time\n    time.sleep(60)\nx = {n}", "assert x == {n}", "passed"),
    ("import os\nx = {n}\nos._exit(0)", "assert x == {n}", "killed"),
    ("import warnings\nwarnings.warn('old', DeprecationWarning)\nx = object()", "assert x != {n}", "passed"),
)


@dataclass(frozen=True)
class Look:
    """What is there at one moment; memory in KB."""

    rss_kb: int
    servers_kb: int
    descriptors: int
    zombies: int
    processes: int


def programs(count: int) -> Iterator[tuple[Program, str]]:
    """Programs of every sort with the outcomes they have to come to, no two alike."""
    for n in range(count):
        code, test, outcome = SORTS[n % len(SORTS)]
        yield Program(code=code.replace("{n}", str(n)), test=test.replace("{n}", str(n))), outcome


def look() -> Look:
    """At this process and at what it has started."""
    rows = processes()
    below = descendants(rows)
    return Look(
        rss_kb=_rss_kb(os.getpid()),
        servers_kb=sum(map(_rss_kb, servers(rows))),
        descriptors=len(list(Path("/proc/self/fd").iterdir())),
        zombies=sum(rows[pid][1] == "Z" for pid in below),
        processes=len(below),
    )


def servers(rows: dict[int, tuple[int, str]]) -> list[int]:
    """The fork servers of this process: those that run the worker, and were started by no other such process."""
    workers = {pid for pid in descendants(rows) if _is_worker(pid)}
    return sorted(pid for pid in workers if rows[pid][0] not in workers)


def _is_worker(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return command[0].endswith("python") and WORKER in command[:4]


def _rss_kb(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") >> 10


def soak(pool: Pool, cache: Path, count: int) -> tuple[list[Look], Counter[str]]:
    """What was seen in between, each time with nothing running, and the verdicts that are wrong."""
    environment = pool.build([], cache)
    asked = programs(count)
    wrong: Counter[str] = Counter()
    looks = []
    for part in range(LOOKS):
        rows = [row for _, row in zip(range(count // LOOKS), asked, strict=False)]
        verdicts = pool.run(environment, [p for p, _ in rows], attempts=1)
        for verdict, (_, outcome) in zip(verdicts, rows, strict=True):
            if verdict.outcome != outcome:
                wrong[f"{outcome} became {verdict.outcome}: {verdict.detail}"[:200]] += 1
        looks.append(look())
        print(f"{(part + 1) * (count // LOOKS):>8}  {looks[-1]}", flush=True)
    return looks, wrong


def grown(looks: list[Look]) -> list[str]:
    """What is more at the end than at the second look, beyond what is allowed."""
    first, last = looks[1], looks[-1]
    found = []
    for name in (f.name for f in fields(Look)):
        before, after = getattr(first, name), getattr(last, name)
        if after > before * (RSS_SHARE if name.endswith("_kb") else 1):
            found.append(f"{name}: {before} -> {after}")
    return found


def main() -> int:
    """Run, print, and say whether nothing grew and every verdict is right."""
    parser = argparse.ArgumentParser(description="Whether a pool's memory, descriptors and processes stay as they are")
    parser.add_argument("--executions", type=int, default=50000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--wall", default="auto")
    asked = parser.parse_args()
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as cache,
        Pool(asked.workers, wall=asked.wall, limits=Limits(memory_mb=512)) as pool,
    ):
        looks, wrong = soak(pool, Path(cache), asked.executions)
    left = len(descendants())
    found = [*grown(looks), *(f"{n} times {what}" for what, n in wrong.items()), *([f"{left} left"] if left else [])]
    print(f"{asked.executions} executions in {time.monotonic() - began:.0f} s: {'; '.join(found) or 'nothing grew'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
