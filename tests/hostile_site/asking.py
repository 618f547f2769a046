"""Asking for every case in one session, as a run would."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from registry.web import Access, Answer, Web, WebLimits
from tests.hostile_site.cases import FRIENDS, LIMIT
from tests.hostile_site.server import HERE, Case, HostileSite


@dataclass(frozen=True)
class Asked:
    """What asking for all cases gave.

    Attributes:
        answers: By the case's name.
        waits: Seconds that were waited, had they been.
        left: Connections and files that are open when the session is over.
    """

    site: HostileSite
    answers: dict[str, Answer]
    waits: list[float]
    left: int


def ask_all(site: HostileSite, cases: Iterable[Case], seconds: float = 30.0) -> Asked:
    """Ask for all, 24 at a time, each request within `seconds`; then for what is never answered, within one second.

    Only the latter may hang on time: a machine that is busy answers everything else, too, but later.
    """
    asked = [case for case in cases if case.outcome]
    never = [case for case in asked if case.outcome == "too-slow" or "limit of a request" in case.says]
    first = asyncio.run(_ask_all(site, [case for case in asked if case not in never], seconds))
    last = asyncio.run(_ask_all(site, never, 1.0)) if never else Asked(site, {}, [], 0)
    return Asked(site, first.answers | last.answers, first.waits + last.waits, first.left + last.left)


async def _ask_all(site: HostileSite, cases: list[Case], seconds: float) -> Asked:
    waits: list[float] = []

    async def wait(duration: float) -> None:
        waits.append(duration)
        await asyncio.sleep(0)

    access = Access(hosts=FRIENDS, private=(HERE,))
    limits = WebLimits(body_bytes=LIMIT, seconds=seconds, per_host=24, pause_s=0, attempts=3, faults=len(cases))
    before = _open_files()
    async with Web(access, limits, resolve=site.resolve, sleep=wait) as web:
        found = await asyncio.gather(*(web.get(site.at(case)) for case in cases))
    for _ in range(100):  # the server sees only later that we have gone
        if not site.connections:
            break
        await asyncio.sleep(0.05)
    names = (case.name for case in cases)
    return Asked(site, dict(zip(names, found, strict=True)), waits, site.connections + len(_open_files() - before))


def _open_files() -> set[tuple[str, str]]:
    """What is open, by number and what it is: an earlier test's server may close its own meanwhile."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add((entry.name, str(entry.readlink())))
    return found
