"""`driftune run --all`: several domains, each in turn, and `driftune plan --all`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.engines import RAY, check_engine
from flows.house import House, open_house
from flows.pausing import pauses
from flows.priority import Rank, ranked
from flows.progress import progress
from flows.run import WITH_FAILURES, exit_code, read_plan, told_run
from flows.seating import BESIDE, Outcome, Wanted, share
from registry.domain import Domain
from registry.domain_files import load_domain
from registry.errors import ConfigurationError, DriftuneError
from registry.lake import open_lake
from registry.settings import Settings
from registry.storage import storage

RAY_ADDRESS = "DRIFTUNE_RAY_ADDRESS"
"""Environment variable that names the Ray cluster to be used."""

REFUSED = 4
"""Exit code of a run whose gate refused."""


def run_all(references: Sequence[str], *, jobs: int, as_json: bool, accept_removals: bool = False) -> int:
    """Runs several domains to their ends and prints what came of each; the exit code.

    Args:
        references: Names in `domains/`, or paths of domain files; all of `domains/` where none is given.
        jobs: Domains that work at a time.
        as_json: Print an object instead of a table.
        accept_removals: Much of what there was may go (`flows.guard`).

    Raises:
        ConfigurationError: There is no domain, or the home can't be written.
    """
    domains, outcomes = _read(references)
    settings = Settings()
    with progress(quiet=as_json) as tell, _server(settings) as server:
        lake, wanted = open_lake(), list[Wanted]()
        paused = {} if references else pauses(lake)  # a domain that is asked for by name runs all the same
        for number, rank in enumerate(ranked(domains, lake)):
            tell("Look what is to be done", number, len(domains))
            if pause := paused.get(rank.domain):
                outcomes.append(Outcome(rank.domain, 0, {"paused": pause.line()}))
            elif outcome := _settled(rank):
                outcomes.append(outcome)
            else:
                wanted.append(_wanted(rank, settings, jobs, accept_removals=accept_removals))
        workers = max((domain.sandbox.workers or os.cpu_count() or 1 for domain in domains.values()), default=1)
        one = one_cluster(settings, jobs * workers) if wanted else contextlib.nullcontext()
        with one, contextlib.closing(share(wanted, jobs, server, tell)) as ended:
            outcomes += ended
    code = exit_code_of(outcomes)
    if as_json:
        print(json.dumps({"domains": [asdict(outcome) for outcome in outcomes], "exit_code": code}))
    else:
        _show(outcomes)
    return code


def _read(references: Sequence[str]) -> tuple[dict[str, Domain], list[Outcome]]:
    """The domains that can be read, by how they were named; and what is wrong with the others."""
    named = dict.fromkeys(references or sorted(path.stem for path in Path("domains").glob("*.toml")))
    if not named:
        raise ConfigurationError("No domain in domains/: make one with driftune init LIBRARY, or name files")
    domains, wrong = {}, []
    for reference in named:
        try:
            domains[reference] = load_domain(reference)
        except ConfigurationError as error:
            wrong.append(Outcome(Path(reference).stem, error.exit_code, error=str(error)))
    return domains, wrong


@contextlib.contextmanager
def _opened(rank: Rank) -> Iterator[House]:
    """The house of a domain that is only looked at: of very many, few databases are open."""
    house = open_house(rank.reference, moving=True, tracked=rank.tracked)
    with contextlib.closing(house.lake):
        yield house


def _settled(rank: Rank) -> Outcome | None:
    """What a domain came to that surely has nothing to do; None for one that needs a process of its own to know.

    Nothing is written. A process takes some seconds to start: that of a night without a change is all that it takes.
    """
    from flows.stages import complete

    with contextlib.suppress(DriftuneError), _opened(rank) as house:  # its own run says what is wrong
        moved = house.tracked is None or (house.tracked.finished and not house.tracked.moves)
        decision = complete(house) if moved else None
        if decision is not None:
            told = told_run(house, decision, changed=False)
            return Outcome(rank.domain, exit_code(house, decision), told)
    return None


def _wanted(rank: Rank, settings: Settings, jobs: int, *, accept_removals: bool) -> Wanted:
    from flows.sharing import ACCEPT

    log = settings.root / "logs" / rank.domain / "output.txt"
    with storage("the log of a run", log):
        log.parent.mkdir(parents=True, exist_ok=True)
    command = (sys.executable, "-m", "flows.sharing", rank.reference, str(jobs + BESIDE))
    return Wanted(rank.domain, (*command, *([ACCEPT] if accept_removals else [])), rank.weight, str(log))


@contextlib.contextmanager
def _server(settings: Settings) -> Iterator[Any]:
    """What gives the address of a Prefect server for all, started when it is asked for first, until the block ends."""
    with contextlib.ExitStack() as stack:
        found: list[str] = []

        def address() -> str:
            if not found:
                from flows.engine import prepare_prefect
                from flows.server import prefect_server

                prepare_prefect(settings.root)
                found.append(stack.enter_context(prefect_server(settings.root)).address)
            return found[0]

        yield address


@contextlib.contextmanager
def one_cluster(settings: Settings, workers: int) -> Iterator[None]:
    """Within the block the runs that are started share a Ray cluster, where each would start one of its own.

    Args:
        settings: They name the engine, and perhaps a cluster that is there: then that is used.
        workers: Workers that it has.

    Raises:
        ConfigurationError: Ray isn't installed.
    """
    if settings.engine != RAY or settings.ray_address:
        yield
        return
    check_engine(settings)
    from flows.rays import connected, started_at

    with connected("", workers):
        os.environ[RAY_ADDRESS] = started_at()
        try:
            yield
        finally:
            del os.environ[RAY_ADDRESS]


def exit_code_of(outcomes: Sequence[Outcome]) -> int:
    """What came of all: 3 where some failed or are left and others aren't, 4 where no more than a gate refused."""
    codes = {outcome.exit_code for outcome in outcomes}
    if len(codes) == 1:
        return codes.pop()
    return WITH_FAILURES if codes - {0, REFUSED} else REFUSED


def came_to(outcome: Outcome) -> str:
    """What a domain came to, in a few words."""
    if outcome.held:
        return "held by another run"
    if outcome.left:
        return "left to the next night"
    if outcome.error:
        return "failed"
    if "paused" in outcome.told:
        return str(outcome.told["paused"])
    said = str(outcome.told["decision"])
    return said if outcome.told["changed"] else f"{said}, nothing to do"


def _show(outcomes: Sequence[Outcome]) -> None:
    from rich.console import Console

    from flows.render import grid

    console = Console(highlight=False)
    rows = [[o.name, came_to(o), f"{o.worked_s:,.0f}", f"{o.ended_s:,.0f}"] for o in outcomes]
    console.print(grid(["domain", "came to", "seconds of work", "ended after"], rows))
    for outcome in outcomes:
        if outcome.error:
            console.print(f"{outcome.name}: {outcome.error}", markup=False, soft_wrap=True)
    counted = Counter(came_to(outcome).partition(" since ")[0] for outcome in outcomes)
    console.print(", ".join(f"{count} {what}" for what, count in counted.most_common()), markup=False)


def show_plans(references: Sequence[str], *, as_json: bool) -> None:
    """Prints what a run of several domains would do now, in its order.

    Args:
        references: As for `run_all`.
        as_json: Print an array of objects.
    """
    domains, wrong = _read(references)
    lake = open_lake()
    ranks, paused = ranked(domains, lake), pauses(lake)
    rows = [asdict(rank) | {"points": round(rank.points, 2), "begins": _begins(rank)} for rank in ranks]
    for row in rows:
        del row["tracked"]
        if pause := paused.get(str(row["domain"])):
            row["begins"] = f"{pause.line()}; {row['begins']}"
    rows += [{"domain": each.name, "begins": each.error} for each in wrong]
    if as_json:
        print(json.dumps(rows))
        return
    from rich.console import Console

    from flows.render import grid

    Console().print(grid(["domain", "days", "releases", "subscribers", "weight", "begins with"], list(map(_row, rows))))


def _begins(rank: Rank) -> str:
    """The stage that a run would begin with, or why it can't."""
    try:
        with _opened(rank) as house:
            stages = read_plan(house)
    except DriftuneError as error:
        return str(error)
    return next((f"{row['stage']}: {row['what']}" for row in stages if row["batches"]), "nothing to do")


def _row(row: Mapping[str, Any]) -> list[str]:
    days = "" if "days" not in row else "never" if row["days"] is None else f"{row['days']:.1f}"
    counts = [str(row.get(name, "")) for name in ("releases", "subscribers", "weight")]
    return [row["domain"], days, *counts, row["begins"]]
