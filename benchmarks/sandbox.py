"""The sandbox against other ways to run a snippet that nobody trusts: `python benchmarks/sandbox.py [--json]`.

Ours is `Pool` with its defaults, what the attack suite passes with: one worker (two for `two_workers`), one attempt, a
warm server, strong proof. A competitor gets its fastest honest form: no network to set up, the same interpreter and
packages, what it keeps open kept open. Both run snippets of their own, one after the other, in turns; a round's figure
is ours through theirs in snippets a second, the result the median over the rounds. Each side is asked beforehand about
a snippet that fails, and has to say so.

* docker_run, docker_exec, bwrap_cold: a cold Python a snippet. llm_sandbox: one session. evalplus: `untrusted_check`.
* bare_fork: a Python loop with no wall that forks, executes and waits, the same standard modules imported before.
* pandas_docker_run: a snippet that uses pandas, the library imported beforehand on our side where the default does so.
* two_workers: what a second worker brings, as a share of what a second CPU loop without any sandbox brings.

Weak mode (`strong=False`: a token in the program's process instead of values compared outside) stands beside it.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from competitors import BenchmarkError, Docker, Place, Rival, Side, Snippet, bwrap, engine, interpreter_of
from ratios import Result, Target, exit_code, in_turns, table

from registry.records import Program
from registry.settings import Settings
from validators.execution import worker
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool

TARGETS = {
    "docker_run": 60,
    "docker_exec": 15,
    "bwrap_cold": 9,
    "llm_sandbox": 40,
    "evalplus": 1.5,
    "bare_fork": 0.4,
    "pandas_docker_run": 40,
    "two_workers": 0.9,
}
PANDAS = "pandas==2.3.3"
LOOP_TURNS = 10_000_000
_numbers = itertools.count()


def trivial(offset: int = 0) -> Snippet:
    """A function of one line, like no other before; it fails with an `offset`."""
    number = next(_numbers)
    code = f"def add(a, b):\n    return a + b + {number}\n"
    wanted = 3 + number + offset
    return Snippet(code, f"assert add(1, 2) == {wanted}\n", "add", [1, 2], wanted)


def with_pandas(offset: int = 0) -> Snippet:
    """A small group-by."""
    number = next(_numbers)
    code = (
        "import pandas as pd\n\n\n"
        "def totals(names, counts):\n"
        "    frame = pd.DataFrame({'name': names, 'count': counts})\n"
        f"    return (frame.groupby('name')['count'].sum() + {number}).to_dict()\n"
    )
    wanted = {"a": 4 + number + offset, "b": 2 + number}
    test = f"assert totals(['a', 'b', 'a'], [1, 2, 3]) == {wanted}\n"
    return Snippet(code, test, "totals", [["a", "b", "a"], [1, 2, 3]], wanted)


class Ours:
    """A pool, in one environment."""

    def __init__(self, pool: Pool, environment: BuiltEnvironment, proof: str) -> None:
        self.pool = pool
        self.environment = environment
        self.proof = proof

    def run(self, snippets: Sequence[Snippet]) -> list[bool]:
        """Which passed, by verdicts of the proof that is asked for."""
        programs = [Program(code=s.code, test=s.test) for s in snippets]
        verdicts = list(self.pool.run(self.environment, programs, attempts=1))
        for verdict in verdicts:
            if verdict.outcome not in ("passed", "failed") or verdict.proof != self.proof:
                raise BenchmarkError(f"The sandbox says {verdict.outcome} ({verdict.proof}): {verdict.detail}")
        return [v.outcome == "passed" for v in verdicts]


class Runner:
    """Measures sides in turns, and keeps what several ratios share: pools and environments."""

    def __init__(self, stack: ExitStack, cache: Path, rounds: int, seconds: float) -> None:
        self.stack = stack
        self.cache = cache
        self.rounds = rounds
        self.seconds = seconds
        self._pools: dict[tuple[int, bool], Pool] = {}
        self._docker: Docker | None = None

    def docker(self) -> Docker:
        """The engine, started when it is first needed."""
        if self._docker is None:
            self._docker = self.stack.enter_context(engine())
        return self._docker

    def environment(self, *requirements: str) -> BuiltEnvironment:
        """Ours, with these packages."""
        return self._pool(1, strong=True).build(requirements, self.cache / "sandbox")

    def ours(self, environment: BuiltEnvironment, *, workers: int = 1, strong: bool = True) -> Ours:
        """Our side."""
        return Ours(self._pool(workers, strong=strong), environment, "strong" if strong else "weak")

    def _pool(self, workers: int, *, strong: bool) -> Pool:
        if (workers, strong) not in self._pools:
            made = Pool(workers) if strong else Pool(workers, strong=False)
            self._pools[workers, strong] = self.stack.enter_context(made)
        return self._pools[workers, strong]

    def against(self, name: str, theirs: Side, make: Callable[..., Snippet], environment: BuiltEnvironment) -> Result:
        """Our speed through theirs."""
        sides = [theirs, self.ours(environment), self.ours(environment, strong=False)]
        measured = in_turns(self.rounds, [self.pace(side, make) for side in sides])
        other, strong, _ = (_median(column) for column in zip(*measured, strict=True))
        shown = {
            "ours/s": f"{strong:.1f}",
            "theirs/s": f"{other:.1f}",
            "weak mode": f"{_median([m[2] / m[0] for m in measured]):.3g}",
        }
        return Result(Target(name, TARGETS[name]), [m[1] / m[0] for m in measured], shown)

    def pace(self, side: Side, make: Callable[..., Snippet]) -> Callable[[], float]:
        """Snippets a second of a side, once it is warm and has shown that it can tell a failure."""
        if side.run([make(), make(1), make()]) != [True, False, True]:
            raise BenchmarkError("A side doesn't tell a passing snippet from a failing one")
        count = 2
        while (took := _timed(side, [make() for _ in range(count)])) < self.seconds / 4:
            count *= 2
        size = max(2, math.ceil(count * self.seconds / took))
        return lambda: size / _timed(side, [make() for _ in range(size)])


def _timed(side: Side, snippets: Sequence[Snippet]) -> float:
    started = time.perf_counter()
    passed = side.run(snippets)
    took = time.perf_counter() - started
    if not all(passed):
        raise BenchmarkError("A passing snippet was said to fail")
    return took


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def measure(runner: Runner, name: str) -> Result:
    """One line of the table."""
    if name == "two_workers":
        return two_workers(runner)
    pandas = name.startswith("pandas")
    environment = runner.environment(*([PANDAS] if pandas else []))
    with side_of(runner, name.removeprefix("pandas_"), environment) as side:
        return runner.against(name, side, with_pandas if pandas else trivial, environment)


@contextmanager
def side_of(runner: Runner, name: str, environment: BuiltEnvironment) -> Iterator[Side]:
    """A competitor, started and ended."""
    place = Place(environment.root, environment.interpreter.prefix)
    with ExitStack() as stack:
        if name == "docker_run":
            yield runner.docker().run(place)
        elif name == "docker_exec":
            yield stack.enter_context(runner.docker().exec(place))
        elif name == "bwrap_cold":
            yield bwrap(place)
        elif name == "llm_sandbox":
            python, runtime = interpreter_of(name, runner.cache), runner.docker().runtime(place)
            yield stack.enter_context(Rival(python, name, image=Docker.image, runtime=runtime))
        elif name == "evalplus":
            yield stack.enter_context(Rival(interpreter_of(name, runner.cache), name))
        else:
            yield stack.enter_context(Rival(Path(sys.executable), name, preload=list(worker.STANDARD)))


def two_workers(runner: Runner) -> Result:
    """The speed-up of two workers over one, through that of two CPU loops over one."""
    environment = runner.environment()
    one, two = (runner.pace(runner.ours(environment, workers=n), trivial) for n in (1, 2))
    with (
        Rival(Path(sys.executable), "loop", turns=LOOP_TURNS) as a,
        Rival(Path(sys.executable), "loop", turns=LOOP_TURNS) as b,
    ):
        measured = in_turns(runner.rounds, [lambda: _loops(a), one, lambda: _loops(a, b), two])
    ratios = [(two / one) / (loops / loop) for loop, one, loops, two in measured]
    loop, alone, loops, both = (_median(column) for column in zip(*measured, strict=True))
    shown = {"ours/s": f"{both:.1f}", "speed-up": f"{both / alone:.2f} (CPU loops {loops / loop:.2f})"}
    return Result(Target("two_workers", TARGETS["two_workers"]), ratios, shown)


def _loops(*rivals: Rival) -> float:
    started = time.perf_counter()
    for rival in rivals:
        rival.ask([])
    for rival in rivals:
        rival.answer()
    return len(rivals) / (time.perf_counter() - started)


def main() -> int:
    """Measure, print, and say whether everything is as wanted."""
    parser = argparse.ArgumentParser(description="Ratios of the sandbox's speed to that of other ways to run a snippet")
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument(
        "--only", nargs="+", choices=TARGETS, default=list(TARGETS), metavar="NAME", help="these figures"
    )
    parser.add_argument("--rounds", type=int, default=9, help="rounds a figure (default 9)")
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds a side and round (default 1)")
    parser.add_argument("--cache", type=Path, default=Settings().root / "benchmarks", help="where competitors are kept")
    asked = parser.parse_args()
    results = []
    with ExitStack() as stack:
        runner = Runner(stack, asked.cache.absolute(), asked.rounds, asked.seconds)
        for name in asked.only:
            try:
                results.append(measure(runner, name))
            except BenchmarkError as error:
                results.append(Result(Target(name, TARGETS[name]), [], {}, str(error)))
            if asked.json:
                print(results[-1].line(), flush=True)
            else:
                print(f"{name} measured", file=sys.stderr, flush=True)
    if not asked.json:
        load = " ".join(f"{x:.1f}" for x in os.getloadavg())
        print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {load}\n\n{table(results)}")
    return exit_code(results)


if __name__ == "__main__":
    sys.exit(main())
