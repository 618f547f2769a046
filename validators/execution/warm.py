"""Warm servers: started once for an environment, lent to one job at a time, ended when memory is short."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from registry.errors import SandboxError
from validators.execution.environments import BuiltEnvironment
from validators.execution.server import Server, ServerDiedError
from validators.execution.wall import ENV, Limits, Wall

_SHARE = 0.25
"""Share of the machine's memory that servers may hold while no program runs in them."""

_DEATHS = 3
"""So often a server is started where it dies before it is ready."""


class WarmServers:
    """The servers of a pool.

    Args:
        wall: What they stand behind.
        limits: What one program may use.
        preload: Import names that servers load before forking, where the environment has them.
        memory_mb: Resident memory of all servers together; beyond it idle ones are ended, those used longest ago first.
    """

    def __init__(self, wall: Wall, limits: Limits, preload: Sequence[str], memory_mb: int | None = None) -> None:
        self.wall = wall
        self.limits = limits
        self.preload = tuple(preload)
        self.memory_mb = memory_mb or idle_mb()
        self.alive: list[Server] = []
        self._idle: list[tuple[str, Server]] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def lent(self, environment: BuiltEnvironment) -> Iterator[Server]:
        """An idle server of the environment, started where there is none; ended where it died in use.

        Raises:
            SandboxError: None can be started, or all have been closed.
        """
        name = f"{environment.root}#{environment.made}"
        server = self._take(name) or self._start(environment)
        try:
            yield server
        except BaseException:
            self._end([server])
            raise
        with self._lock:
            self._idle.append((name, server))
            old = self._beyond_limit()
        self._end(old)

    def close(self) -> None:
        """Kill all, from any thread: those that use one find it dead."""
        with self._lock:
            self._closed = True
            for server in self.alive:
                server.kill()

    def end(self) -> None:
        """Release what is left once no thread uses a server any more."""
        self._end(list(self.alive))

    def _take(self, name: str) -> Server | None:
        while True:
            with self._lock:
                found = next((row for row in reversed(self._idle) if row[0] == name), None)
                if found is None:
                    return None
                self._idle.remove(found)
            if not found[1].dead:
                return found[1]
            self._end([found[1]])

    def _start(self, environment: BuiltEnvironment) -> Server:
        server = self._started(environment)
        with self._lock:
            self.alive.append(server)
            closed, old = self._closed, self._beyond_limit()
        self._end([server] if closed else old)
        if closed:
            raise SandboxError("The sandbox has been closed")
        return server

    def _started(self, environment: BuiltEnvironment) -> Server:
        failed = f"No sandbox for {environment.record.label}"
        deaths: list[ServerDiedError] = []
        while len(deaths) < _DEATHS:
            try:
                return self._preloaded(environment)
            except ServerDiedError as error:
                deaths.append(error)
            except SandboxError as error:
                raise SandboxError(f"{failed}: {error}", retryable=error.retryable) from error
        raise SandboxError(f"{failed}: {deaths[-1]}") from deaths[-1]

    def _preloaded(self, environment: BuiltEnvironment) -> Server:
        """A server with the libraries that survive a fork; with threads left it starts cold: programs import them."""
        site = environment.root / environment.prefix.removeprefix(f"{ENV}/")
        preload = [n for n in self.preload if (site / n).is_dir() or (site / f"{n}.py").is_file()]
        server = self._serve(environment, preload)
        while preload and (server.ready["threads"] > 1 or server.ready["failed"]):
            preload = [] if server.ready["threads"] > 1 else [n for n in preload if n not in server.ready["failed"]]
            server.close()
            server = self._serve(environment, preload)
        return server

    def _serve(self, environment: BuiltEnvironment, preload: Sequence[str]) -> Server:
        return Server(self.wall, environment.root, environment.interpreter, preload=preload, limits=self.limits)

    def _beyond_limit(self) -> list[Server]:
        """The idle servers that have to go, taken out."""
        left = self.memory_mb << 10
        left -= sum(server.ready["rss_kb"] for server in self.alive)
        gone = []
        while left < 0 and self._idle:
            gone.append(self._idle.pop(0)[1])
            left += gone[-1].ready["rss_kb"]
        return gone

    def _end(self, servers: Sequence[Server]) -> None:
        for server in servers:
            with self._lock:
                self.alive.remove(server)
            server.close()


def idle_mb() -> int:
    """Resident memory that idle servers may have where nothing else is said: a share of the machine's."""
    return int(_SHARE * (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20))
