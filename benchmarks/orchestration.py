"""What orchestration costs beside the work: `python benchmarks/orchestration.py [--json] [--examples 10000]`.

A domain over more-itertools with so many examples, each a program of its own, is validated three times: by the bare
functions of the stage in this process, by `--engine processes` and by `--engine ray`, both as tasks of a Prefect flow.
The sides take turns, a piece of the shards each time, so that what else the machine does is shared fairly; each has the
same number of workers, its own lake, and one environment of all. What is written is part of each side.

* processes: seconds with processes through seconds of the bare functions, the median of the pieces.
* ray: the same with a local Ray.

How long Prefect's server and Ray take to start is left out and told; that workers start, and their sandboxes, is in the
first piece. In the end the three lakes must hold the same verdicts. About ten minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)

from ratios import Result, Target, exit_code, in_turns, table

sys.path[:] = [entry for entry in sys.path if entry != HERE]

# Workers begin with reading this file: so it imports what it measures where it is used.
if TYPE_CHECKING:
    from flows.batches import Batch
    from flows.house import House

TARGETS = {"processes": Target("processes", 1.1, "lower"), "ray": Target("ray", 1.25, "lower")}
BARE = "bare"
PIECES, TOGETHER = 5, 8
"""Pieces at most, and shards in each at least: with fewer one worker would wait for the other's last."""

DOMAIN = """\
[[library]]
name = "more-itertools"
versions = ["8.14.0", "11.2.1"]
packages = ["more_itertools"]

[sandbox]
workers = {workers}
memory_mb = 256
"""
CODE = "from more_itertools import chunked, windowed\n\n\ndef of(size):\n    return [list(c) for c in {call}]\n"
CALLS = ("chunked(range(size), {n})", "windowed(range(size), {n})")


def main() -> int:
    """Measures, prints and judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument("--examples", type=int, default=10_000, help="examples that are validated")
    parser.add_argument("--workers", type=int, default=2, help="programs at a time")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftune-engines-") as folder:
        results, told = measured(Path(folder), arguments.examples, arguments.workers)
    print("\n".join(told), file=sys.stderr)
    print("\n".join(r.line() for r in results) if arguments.json else table(results))
    return exit_code(results)


def measured(folder: Path, examples: int, workers: int) -> tuple[list[Result], list[str]]:
    """The results, and what else there is to say."""
    from flows.engine import prepare_prefect
    from flows.server import prefect_server

    homes = prepared(folder, examples, workers)
    prepare_prefect(folder)
    since = time.monotonic()
    with prefect_server(folder), ExitStack() as stack:
        told = [f"Prefect's server took {time.monotonic() - since:.1f} s to start, which is left out"]
        since = time.monotonic()
        from flows.rays import connected

        stack.enter_context(connected("", workers))
        told.append(f"Ray took {time.monotonic() - since:.1f} s to start, which is left out")
        houses = {name: stack.enter_context(closing(opened(folder, home))) for name, home in homes.items()}
        pieces = {name: cut(house) for name, house in houses.items()}
        sides = [side(name, houses[name], pieces[name]) for name in homes]
        seconds = in_turns(len(pieces[BARE]), sides)
        marks = {name: house.lake.fingerprint(["verdicts"])["verdicts"] for name, house in houses.items()}
    if len(set(marks.values())) > 1:
        raise SystemExit(f"The engines came to different verdicts: {marks}")
    columns = {name: [row[number] for row in seconds] for number, name in enumerate(homes)}
    told += [f"{name}: {sum(taken):.1f} s for {examples:,} examples" for name, taken in columns.items()]
    return [
        Result(
            target,
            [engine / bare for engine, bare in zip(columns[name], columns[BARE], strict=True)],
            {"whole": f"{sum(columns[name]) / sum(columns[BARE]):.3g}"},
        )
        for name, target in TARGETS.items()
    ], told


def prepared(folder: Path, examples: int, workers: int) -> dict[str, Path]:
    """Side -> its home: a lake in which nothing is left to do but to run the programs of the examples."""
    from flows.batches import perform
    from flows.running import environment
    from flows.scraping import releases
    from flows.stages import STAGES
    from flows.synthesis import mine_key, mine_part
    from registry.records import Example, Program

    (folder / "domain.toml").write_text(DOMAIN.format(workers=workers), encoding="utf-8")
    home = folder / BARE
    with closing(opened(folder, home)) as house:
        perform(STAGES["scrape"], house)
        old, new = releases(house)
        rows: list[Any] = []
        for number in range(examples):
            call = CALLS[number % 2].format(n=number % 7 + 2)
            size = number // 14 + 8
            program = Program(code=CODE.format(call=call), test=f"assert all(of({size}))")
            rows += [program, _example(Example, house, new.id, program.id)]
        house.finish("synth", mine_part(), [mine_key(house, new)], rows, time.monotonic())
        house.finish("synth", mine_part(), [mine_key(house, old)], [], time.monotonic())
        environment(house, new)
    homes = {BARE: home, **{name: folder / name for name in TARGETS}}
    for name in TARGETS:
        shutil.copytree(home, homes[name], symlinks=True)
    return homes


def _example(kind: type[Any], house: House, release: str, program: str) -> Any:
    return kind(
        domain=house.owner, kind="doc", releases=(release,), parts={"programs": {"answer": program}},
        file="docs.md", root=program, generator="benchmark", generator_version="1",
    )  # fmt: skip


def opened(folder: Path, home: Path) -> House:
    """The run of the domain in a home, by the engine that the home is named by."""
    from flows.house import open_house
    from registry.settings import Settings

    engine = home.name if home.name in TARGETS else "threads"
    return open_house(str(folder / "domain.toml"), settings=Settings(home=home, engine=engine))


def cut(house: House) -> list[list[Batch]]:
    """The shards that are left, in pieces of about the same size."""
    from flows.validation import validate_mined_stage

    batches = validate_mined_stage(house)
    count = max(1, min(PIECES, len(batches) // TOGETHER))
    return [batches[number::count] for number in range(count)]


def side(name: str, house: House, pieces: Sequence[Sequence[Batch]]) -> Callable[[], float]:
    """Does the next piece each time it is called; the seconds that it took."""
    left = iter(pieces)
    do = bare if name == BARE else orchestrated(house)

    def turn() -> float:
        since = time.monotonic()
        do(house, next(left))
        return time.monotonic() - since

    return turn


def bare(house: House, batches: Sequence[Batch]) -> None:
    """All programs of the shards through one pool, whose last ones nobody waits for in between."""
    from flows.running import environment, run_programs
    from flows.scraping import releases

    shards = [batch.shard for batch in batches if batch.shard is not None]
    programs = [shard.job() for shard in shards]
    made = run_programs(house, environment(house, releases(house)[1]), (p for each in programs for p in each))
    for shard, each in zip(shards, programs, strict=True):
        since = time.monotonic()
        shard.keep(([next(made) for _ in each], time.monotonic() - since))


def orchestrated(house: House) -> Callable[[House, Sequence[Batch]], None]:
    """The shards as tasks of a flow."""
    from prefect import flow

    from flows.batches import perform_all
    from flows.refresh import BATCHES
    from flows.task_runners import PrefectExecutors

    house.executors = PrefectExecutors()

    @flow(name="piece", validate_parameters=False, persist_result=False)
    def piece(name: str) -> int:
        from flows.refresh import BATCHES  # it is sent to the workers with all that it names: so it names nothing

        return BATCHES[name]()

    def do(_: House, batches: Sequence[Batch]) -> None:
        def run() -> int:
            perform_all(house, batches, lambda _, run: run())
            return len(batches)

        BATCHES[house.settings.engine] = run
        piece(house.settings.engine)
        if house.aside:
            raise SystemExit(f"Shards were set aside: {house.aside}")

    return do


if __name__ == "__main__":
    sys.exit(main())
