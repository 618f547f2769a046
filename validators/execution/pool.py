"""Programs in, verdicts out: a pool of fork servers, each behind its own wall.

A server that dies is replaced and its job run again; a program that ends its server twice is `killed`. A program is run
K times; outcomes that differ make it `flaky`. A timeout counts where the program used the processor for most of its
time, or was late again with nothing else running.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from registry.errors import ConfigurationError, SandboxError
from registry.records import Program, Verdict
from validators.execution import environments
from validators.execution.attempts import Attempt, Setting, attempt
from validators.execution.entry import test_of
from validators.execution.environments import BuiltEnvironment
from validators.execution.rewrite import NotRewritable, Rewritten, rewrite
from validators.execution.server import Server, ServerDiedError
from validators.execution.wall import AUTO, ENV, Limits, Wall, choose

HARNESS = "1"
"""Version of the harness: goes up when the same program could come to another verdict."""

PRELOADABLE = ("networkx", "pytest", "more_itertools", "toolz", "numpy", "pandas", "attr", "sortedcontainers")
"""Libraries known to survive a fork; a server that still has threads after importing them starts without."""

_KEPT_ENVIRONMENTS = 3
_BUSY = 0.8
"""A program that had the processor for this share of its time was late by itself, not because of its neighbours."""


class Sandbox(Protocol):
    """Runs programs where they can do no harm. A backend is a class with these methods and an entry in `SANDBOXES`."""

    def available(self) -> str | None:
        """None where it can be used here; else why not, and what to do."""

    def build(
        self,
        requirements: Sequence[str],
        cache: Path,
        *,
        python: str | None = None,
        wheels: Iterable[Path] = (),
        label: str = "",
    ) -> BuiltEnvironment:
        """An environment with these requirements, from the cache where it is there."""

    def run(
        self,
        environment: BuiltEnvironment,
        programs: Iterable[Program],
        *,
        timeout_s: float = 10.0,
        attempts: int = 2,
        trace: Sequence[str] = (),
    ) -> Iterator[Verdict]:
        """A verdict for each program, in their order."""

    def close(self) -> None:
        """End everything that was started."""


SANDBOXES = {"bubblewrap": "validators.execution.pool:Pool"}
"""The built-in sandboxes; others come through the entry-point group `driftune.sandboxes`."""


def load_sandbox(name: str) -> Callable[..., Sandbox]:
    """The class of a sandbox by its name.

    Raises:
        ConfigurationError: There is none of that name.
    """
    found = {**{e.name: e.value for e in entry_points(group="driftune.sandboxes")}, **SANDBOXES}
    if name not in found:
        raise ConfigurationError(f"No sandbox {name!r}: there are {', '.join(sorted(found))}", name=name)
    module, _, attribute = found[name].partition(":")
    loaded: Callable[..., Sandbox] = getattr(import_module(module), attribute)
    return loaded


class Pool:
    """Fork servers behind a wall. Use as a context manager, or call `close`.

    Args:
        workers: How many programs run at once; by default one a core.
        wall: The wall, or the name of its kind; by default the first that stands here.
        limits: What one program may use.
        preload: Import names that servers load before forking, where the environment has them.
        strong: Compare values outside the program's process wherever its test allows it. False leaves every verdict to
            a token inside that process (`weak`): for measuring what that proof costs, and what it can't stop.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        wall: Wall | str = AUTO,
        limits: Limits | None = None,
        preload: Sequence[str] = PRELOADABLE,
        strong: bool = True,
    ) -> None:
        self.wall = choose(wall) if isinstance(wall, str) else wall
        self.workers = workers or os.cpu_count() or 1
        self.limits = limits or Limits()
        self.preload = tuple(preload)
        self.strong = strong
        # bubblewrap ends with the thread that started it, so these threads live as long as the pool.
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="driftune-sandbox")
        self._servers: dict[tuple[int, str], Server] = {}
        self._recent: deque[str] = deque()
        self._turns = _Turns()
        self._lock = threading.Lock()
        self._closed = False

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
        label: str = "",
    ) -> BuiltEnvironment:
        """As `environments.build`, with the pool's limits."""
        return environments.build(
            requirements, cache, wall=self.wall, python=python, wheels=wheels, limits=self.limits, label=label
        )

    def run(
        self,
        environment: BuiltEnvironment,
        programs: Iterable[Program],
        *,
        timeout_s: float = 10.0,
        attempts: int = 2,
        trace: Sequence[str] = (),
    ) -> Iterator[Verdict]:
        """A verdict for each program, in their order, as soon as it and those before it are done.

        Args:
            environment: Where to run them.
            programs: What to run; read as the pool gets to them.
            timeout_s: Wall seconds for one attempt.
            attempts: How often each is run (K).
            trace: Import names of libraries whose called functions are recorded.

        Raises:
            SandboxError: The harness itself can't work in this environment.
        """
        policy = f"k={attempts},timeout={timeout_s:g}"
        why = self.available()
        if why is not None:
            for program in programs:
                yield _verdict(program, environment, policy, Attempt("unavailable", f"No sandbox: {why}"), "none", 0)
            return
        self._make_room(environment)
        setting = Setting(timeout_s, environment.prefix, tuple(trace))
        waiting: deque[Future[Verdict]] = deque()
        try:
            for program in programs:
                waiting.append(self._threads.submit(self._judge, environment, program, setting, attempts, policy))
                while len(waiting) > 8 * self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def submit(
        self, environment: BuiltEnvironment, program: Program, *, timeout_s: float = 10.0, attempts: int = 2
    ) -> Future[Verdict]:
        """The verdict of one program, once there is one; environments may be mixed. Arguments as for `run`."""
        self._make_room(environment)
        setting = Setting(timeout_s, environment.prefix)
        policy = f"k={attempts},timeout={timeout_s:g}"
        return self._threads.submit(self._judge, environment, program, setting, attempts, policy)

    def close(self) -> None:
        """End all servers, and what runs in them."""
        with self._lock:
            self._closed = True
            for server in self._servers.values():
                server.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    def _make_room(self, environment: BuiltEnvironment) -> None:
        """Keep the servers of the few environments used last."""
        name = str(environment.root)
        with self._lock:
            if name in self._recent:
                self._recent.remove(name)
            self._recent.append(name)
            old = self._recent.popleft() if len(self._recent) > _KEPT_ENVIRONMENTS else None
            gone = [self._servers.pop(key) for key in list(self._servers) if key[1] == old]
        for server in gone:
            server.close()

    def _judge(
        self, environment: BuiltEnvironment, program: Program, setting: Setting, attempts: int, policy: str
    ) -> Verdict:
        rewritten: Rewritten | None = None
        program, asked = replace(program, test=test_of(program)), program
        if self.strong:
            with suppress(NotRewritable):
                rewritten = rewrite(program.test, program.code)
        made = self._attempts(environment, program, rewritten, setting, attempts)
        if rewritten and any(a.unsent is not None for a in made):
            rewritten = None
            made = self._attempts(environment, program, None, setting, attempts)
        first = made[0]
        outcomes = [a.outcome for a in made]
        if len(set(outcomes)) > 1:
            detail = "; ".join(f"{a.outcome}: {a.detail}" if a.detail else a.outcome for a in made)
            first = replace(first, outcome="flaky", detail=f"Its attempts differ: {detail}"[:500])
        return _verdict(asked, environment, policy, first, "strong" if rewritten else "weak", len(made))

    def _attempts(
        self,
        environment: BuiltEnvironment,
        program: Program,
        rewritten: Rewritten | None,
        setting: Setting,
        attempts: int,
    ) -> list[Attempt]:
        made: list[Attempt] = []
        for seed in range(attempts):
            with self._turns.together():
                found = self._once(environment, program, rewritten, setting, seed)
            if found.outcome == "timeout" and found.cpu_s < _BUSY * setting.timeout_s:
                with self._turns.alone():
                    found = self._once(environment, program, rewritten, setting, seed)
            made.append(found)
            if found.unsent is not None or found.outcome == "timeout":
                break
        return made

    def _once(
        self,
        environment: BuiltEnvironment,
        program: Program,
        rewritten: Rewritten | None,
        setting: Setting,
        seed: int,
    ) -> Attempt:
        deaths: list[ServerDiedError] = []
        while len(deaths) < 2:
            try:
                return attempt(self._server(environment), program, rewritten, setting, seed)
            except ServerDiedError as error:
                self._drop(environment)
                deaths.append(error)
        return Attempt("killed", f"It ended the sandbox's server twice: {deaths[-1]}")

    def _server(self, environment: BuiltEnvironment) -> Server:
        """This thread's server of an environment, started where there is none."""
        key = (threading.get_ident(), str(environment.root))
        server = self._servers.get(key)
        if server is None:
            server = self._start(environment)
            with self._lock:
                self._servers[key] = server
                if self._closed:
                    raise SandboxError("The sandbox has been closed")
        return server

    def _start(self, environment: BuiltEnvironment) -> Server:
        site = environment.root / environment.prefix.removeprefix(f"{ENV}/")
        preload = [n for n in self.preload if (site / n).is_dir() or (site / f"{n}.py").is_file()]
        try:
            server = self._serve(environment, preload)
            while preload and (server.ready["threads"] > 1 or server.ready["failed"]):
                # Threads don't survive a fork: such an environment starts cold, its programs import for themselves.
                preload = [] if server.ready["threads"] > 1 else [n for n in preload if n not in server.ready["failed"]]
                server.close()
                server = self._serve(environment, preload)
        except ServerDiedError as error:
            raise SandboxError(f"No sandbox for {environment.record.label}: {error}") from error
        return server

    def _serve(self, environment: BuiltEnvironment, preload: Sequence[str]) -> Server:
        return Server(self.wall, environment.root, environment.interpreter, preload=preload, limits=self.limits)

    def _drop(self, environment: BuiltEnvironment) -> None:
        with self._lock:
            server = self._servers.pop((threading.get_ident(), str(environment.root)), None)
        if server is not None:
            server.close()


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
    program: Program, environment: BuiltEnvironment, policy: str, found: Attempt, proof: str, attempts: int
) -> Verdict:
    return Verdict(
        program=program.id,
        environment=environment.record.id,
        harness=HARNESS,
        policy=policy,
        outcome=found.outcome,
        proof="none" if found.outcome in ("unavailable", "timeout", "killed", "memory", "flaky") else proof,
        detail=found.detail,
        exception=found.exception,
        warnings=found.warnings,
        values=found.values,
        symbols_called=found.symbols,
        attempts=attempts,
        duration_s=found.duration_s,
    )
