"""Programs in, verdicts out: a pool of fork servers, each behind its own wall.

A server that dies is replaced and its job run again; a program that ends its server three times is `killed`. A program
is run K times; outcomes that differ make it `flaky`. A timeout counts where the program had the processor for all of
its time, or was late again with nothing else running, then also with the time added for which it had waited for a
processor.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol

from registry.errors import ConfigurationError
from registry.records import Program, Verdict
from validators.execution import environments
from validators.execution.attempts import Attempt, Setting, attempt
from validators.execution.entry import test_of
from validators.execution.environments import BuiltEnvironment
from validators.execution.halves import Halves, attempt_apart, divide
from validators.execution.resolution import Relay
from validators.execution.rewrite import NotRewritable, Rewritten, rewrite
from validators.execution.server import ServerDiedError
from validators.execution.wall import AUTO, WALLS, Limits, Wall, choose
from validators.execution.warm import WarmServers

HARNESS = "2"
"""Version of the harness: goes up when the same program could come to another verdict."""

PRELOADABLE = ("networkx", "pytest", "more_itertools", "toolz", "numpy", "pandas", "attr", "sortedcontainers")
"""Libraries known to survive a fork; a server that still has threads after importing them starts without."""

_DEATHS = 3
"""So often a program is run where its server dies with it; then it counts as the cause."""

_BUSY = 0.95
"""A program that had the processor for this share of its time was late by itself, not because of its neighbours."""


class Sandbox(Protocol):
    """Runs programs where they can do no harm. A third party's is an entry point in `driftune.sandboxes`."""

    def available(self) -> str | None:
        """None where it can be used here; else why not, and what to do."""

    def build(
        self,
        requirements: Sequence[str],
        cache: Path,
        *,
        python: str | None = None,
        wheels: Iterable[Path] = (),
        relay: Relay | None = None,
        label: str = "",
    ) -> BuiltEnvironment:
        """An environment with these requirements, from the cache where it is there.

        `relay` is given where a domain has a package index of its own.
        """

    def run(
        self,
        environment: BuiltEnvironment,
        programs: Iterable[Program],
        *,
        timeout_s: float = 10.0,
        attempts: int = 2,
        trace: Sequence[str] = (),
        watch: Sequence[str] = (),
    ) -> Iterator[Verdict]:
        """A verdict for each program, in their order."""

    def close(self) -> None:
        """End everything that was started."""


def sandboxes() -> dict[str, Callable[..., Sandbox]]:
    """All sandboxes by their names: one for each wall, and those of the entry-point group `driftune.sandboxes`."""
    others = {e.name: partial(_made, e) for e in entry_points(group="driftune.sandboxes")}
    return {**others, **{name: partial(Pool, wall=name) for name in WALLS}}


def load_sandbox(name: str) -> Callable[..., Sandbox]:
    """What makes a sandbox, by its name; it takes how many programs run at once.

    Raises:
        ConfigurationError: There is none of that name.
    """
    found = sandboxes()
    if name not in found:
        raise ConfigurationError(f"No sandbox {name!r}: there are {', '.join(sorted(found))}", name=name)
    return found[name]


def _made(entry: EntryPoint, *arguments: Any) -> Sandbox:
    made: Sandbox = entry.load()(*arguments)
    return made


class Pool:
    """Fork servers behind a wall. Use as a context manager, or call `close`.

    Args:
        workers: How many programs run at once; by default one a core.
        wall: The wall, or the name of its kind; by default the first that stands here.
        limits: What one program may use.
        preload: Import names that servers load before forking, where the environment has them.
        strong: Compare values outside the program's process wherever its test allows it. False leaves every verdict to
            a token inside that process (`weak`): for measuring what that proof costs, and what it can't stop.
        memory_mb: Resident memory of the idle servers kept; by default a quarter of the machine's.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        wall: Wall | str = AUTO,
        limits: Limits | None = None,
        preload: Sequence[str] = PRELOADABLE,
        strong: bool = True,
        memory_mb: int | None = None,
    ) -> None:
        self.wall = choose(wall) if isinstance(wall, str) else wall
        self.workers = workers or os.cpu_count() or 1
        self.limits = limits or Limits()
        self.strong = strong
        # bubblewrap ends with the thread that started it, so these threads live as long as the pool.
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="driftune-sandbox")
        self._servers = WarmServers(self.wall, self.limits, preload, memory_mb)
        self._turns = _Turns()
        self._stands = False  # once it does, an engine that is gone for a while is waited for

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def available(self) -> str | None:
        """None where the wall stands here; else why not, and what to do."""
        return self.wall.available()

    def build(
        self,
        requirements: Sequence[str],
        cache: Path,
        *,
        python: str | None = None,
        wheels: Iterable[Path] = (),
        relay: Relay | None = None,
        label: str = "",
    ) -> BuiltEnvironment:
        """As `environments.build`, with the pool's limits."""
        return environments.build(
            requirements,
            cache,
            wall=self.wall,
            python=python,
            wheels=wheels,
            relay=relay,
            limits=self.limits,
            label=label,
        )

    def run(
        self,
        environment: BuiltEnvironment,
        programs: Iterable[Program],
        *,
        timeout_s: float = 10.0,
        attempts: int = 2,
        trace: Sequence[str] = (),
        watch: Sequence[str] = (),
    ) -> Iterator[Verdict]:
        """A verdict for each program, in their order, as soon as it and those before it are done.

        Args:
            environment: Where to run them.
            programs: What to run; read as the pool gets to them.
            timeout_s: Wall seconds for one attempt.
            attempts: How often each is run (K).
            trace: Import names of libraries whose called functions are recorded.
            watch: Names whose final values are wanted, in the verdict's `values`.

        Raises:
            SandboxError: The harness itself can't work in this environment.
        """
        waiting: deque[Future[Verdict]] = deque()
        try:
            for program in programs:
                waiting.append(
                    self.submit(environment, program, timeout_s=timeout_s, attempts=attempts, trace=trace, watch=watch)
                )
                while len(waiting) > 8 * self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def submit(
        self,
        environment: BuiltEnvironment,
        program: Program,
        *,
        timeout_s: float = 10.0,
        attempts: int = 2,
        trace: Sequence[str] = (),
        watch: Sequence[str] = (),
    ) -> Future[Verdict]:
        """The verdict of one program, once there is one; environments may be mixed. Arguments as for `run`."""
        setting = Setting(timeout_s, environment.prefix, tuple(trace), tuple(watch), attempts, self.strong)
        return self._threads.submit(self._judge, environment, program, setting)

    async def judge(
        self,
        environment: BuiltEnvironment,
        program: Program,
        *,
        timeout_s: float = 10.0,
        attempts: int = 2,
        trace: Sequence[str] = (),
        watch: Sequence[str] = (),
    ) -> Verdict:
        """The verdict of one program, for callers with an event loop. Arguments as for `run`."""
        return await asyncio.wrap_future(
            self.submit(environment, program, timeout_s=timeout_s, attempts=attempts, trace=trace, watch=watch)
        )

    def close(self) -> None:
        """End all servers, and what runs in them."""
        self._servers.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._servers.end()

    def _judge(self, environment: BuiltEnvironment, program: Program, setting: Setting) -> Verdict:
        why = None if self._stands else self.available()
        self._stands = why is None
        if why is not None:
            return _verdict(program, environment, setting, [Attempt("unavailable", f"No sandbox: {why}")], "none")
        if any(_ENDLESS_NAME.search(text) for text in (program.code, program.test)):
            return _verdict(program, environment, setting, [Attempt("error", "It imports a name of 200 parts")], "weak")
        program, asked = replace(program, test=test_of(program)), program
        made: list[Attempt] = []
        for outside in _ways_outside(program) if setting.strong else ():
            made = self._attempts(environment, program, outside, setting)
            if all(a.unsent is None and (isinstance(outside, Rewritten) or a.outcome not in _ALIKE) for a in made):
                return _verdict(asked, environment, setting, made, "strong")
        inside = self._attempts(environment, program, None, setting)
        alike = [(a.outcome, a.unsent) for a in made] == [(a.outcome, None) for a in inside]
        return _verdict(asked, environment, setting, inside, "strong" if alike else "weak")

    def _attempts(
        self, environment: BuiltEnvironment, program: Program, outside: Outside | None, setting: Setting
    ) -> list[Attempt]:
        made: list[Attempt] = []
        for seed in range(setting.attempts):
            with self._turns.together():
                found = self._once(environment, program, outside, setting, seed)
            if found.outcome == "timeout" and found.cpu_s < _BUSY * setting.timeout_s:
                with self._turns.alone():
                    found = self._once(environment, program, outside, setting, seed, patient=True)
            made.append(found)
            if found.unsent is not None or found.outcome == "timeout":
                break
        return made

    def _once(
        self,
        environment: BuiltEnvironment,
        program: Program,
        outside: Outside | None,
        setting: Setting,
        seed: int,
        *,
        patient: bool = False,
    ) -> Attempt:
        deaths: list[ServerDiedError] = []
        while len(deaths) < _DEATHS:
            try:
                with self._servers.lent(environment) as server:
                    if isinstance(outside, Halves):
                        return attempt_apart(server, program, outside, setting, seed, patient=patient)
                    return attempt(server, program, outside, setting, seed, patient=patient)
            except ServerDiedError as error:
                deaths.append(error)
        return Attempt("killed", f"It ended the sandbox's server {_DEATHS} times: {deaths[-1]}")


class _Turns:
    """Many together, or one alone: a late program is tried again with nothing else running."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._running = 0
        self._lonely = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._condition:
            self._condition.wait_for(lambda: not self._lonely)
            self._running += 1
        try:
            yield
        finally:
            with self._condition:
                self._running -= 1
                self._condition.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._condition:
            self._lonely += 1
            self._condition.wait_for(lambda: self._running == 0)
            self._running += 1
        try:
            yield
        finally:
            with self._condition:
                self._lonely -= 1
                self._running -= 1
                self._condition.notify_all()


def _verdict(
    program: Program, environment: BuiltEnvironment, setting: Setting, made: Sequence[Attempt], proof: str
) -> Verdict:
    first = made[0]
    if len({a.outcome for a in made}) > 1:
        detail = "; ".join(f"{a.outcome}: {a.detail}" if a.detail else a.outcome for a in made)
        first = replace(first, outcome="flaky", detail=f"Its attempts differ: {detail}"[:500])
    return Verdict(
        program=program.id,
        environment=environment.record.id,
        harness=HARNESS,
        policy=setting.policy,
        outcome=first.outcome,
        proof="none" if first.outcome in _UNPROVEN else proof,
        detail=first.detail,
        exception=first.exception,
        warnings=first.warnings,
        values=first.values,
        symbols_called=first.symbols,
        attempts=0 if first.outcome == "unavailable" else len(made),
        duration_s=first.duration_s,
        output=first.output,
    )


Outside = Rewritten | Halves
"""How a program's outcome is found outside its process."""


def _ways_outside(program: Program) -> Iterator[Outside]:
    with suppress(NotRewritable):
        yield rewrite(program.test, program.code)
    with suppress(NotRewritable):
        yield divide(program)


_ENDLESS_NAME = re.compile(r"\b(?:import|from)\s++(?:\w++[\s\\]*+\.[\s\\]*+){200}")
"""Python's own parser takes minutes for these, and the supervisor waits for it."""

_ALIKE = ("failed", "error")
"""Outcomes in two processes that are believed only where they come of one process as well."""

_UNPROVEN = ("unavailable", "timeout", "killed", "memory", "flaky")
