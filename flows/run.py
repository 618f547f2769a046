"""`driftune run`, `plan` and the commands of single stages.

What has nothing to do doesn't start Prefect: whether a run is complete is one look-up in the lake.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from typing import Any

from flows.house import House, open_house
from flows.setting_aside import aside_lines
from registry.lock import domain_lock
from registry.records import SCHEMA
from registry.store import CANDIDATE

WITH_FAILURES = 3
"""Exit code of what came to its end without all of its sources, or with shards set aside."""

EXIT_BY_DECISION = {"publish": 0, "candidate": 4, "rejected": 4, "undecided": 4}
"""What came of a run -> exit code; `candidate`: published, and kept from `stable` by the domain's tasks."""


def run_domain(reference: str, *, as_json: bool, accept_removals: bool = False) -> int:
    """Runs a domain to its end and prints the summary; the exit code.

    Args:
        reference: A name in `domains/`, or the path of a domain file.
        as_json: Print an object instead of the summary.
        accept_removals: Much of what there was may go (`flows.guard`).
    """
    from flows.pausing import pauses
    from flows.progress import progress
    from flows.summary import show_summary

    with progress(quiet=as_json) as tell:
        house = open_house(reference, tell, moving=True)
        house.accept_removals = accept_removals
        decision, changed = run_house(house)
    if as_json:
        print(json.dumps(told_run(house, decision, changed=changed)))
    else:
        show_summary(house, changed=changed)
        if pause := pauses(house.lake).get(house.domain.name):
            print(f"{house.domain.name} is {pause.line()}; it ran as it was asked to")
    return exit_code(house, decision)


def run_house(house: House) -> tuple[str, bool]:
    """Runs a domain to its end; what came of it (`flows.stages.decision`), and whether there was anything to do."""
    from flows.observers import take_over
    from flows.preflight import check
    from flows.stages import COMMANDS, ask_sites, complete
    from flows.tracking import end, remember

    check(house, COMMANDS)
    with domain_lock(house.settings, house.domain.name, house.run):
        remember(house)
        ask_sites(house)
        decision = complete(house)
        if decision is None:
            return _refresh(house), True
        take_over(house)
        end(house)
        return decision, False


def told_run(house: House, decision: str, *, changed: bool) -> dict[str, Any]:
    """What a run came to, for a program."""
    from flows.pausing import pauses
    from flows.scraping import site_failures
    from flows.spending import left_to_the_next, told_spending
    from flows.stages import workload_decisions
    from flows.validation import waiting_lines

    told = {"domain": house.domain.name, "decision": decision, "run": house.run, "changed": changed}
    told |= {"versions": house.library.versions} if house.tracked else {}
    told |= {"left": waiting} if (waiting := left_to_the_next(told_spending(house))) else {}
    told |= {"failures": failures} if (failures := site_failures(house)) else {}
    told |= {"paused": pause.line()} if (pause := pauses(house.lake).get(house.domain.name)) else {}
    told |= {"set_aside": [asdict(each) for each in house.aside]} if house.aside else {}
    told |= {"waiting": lines} if (lines := waiting_lines(house)) else {}
    return told | ({"workloads": others} if (others := workload_decisions(house)) else {})


def exit_code(house: House, decision: str) -> int:
    """What a command exits with whose run came to this."""
    from flows.scraping import site_failures
    from flows.stages import workload_decisions

    codes = [EXIT_BY_DECISION[said] for said in (decision, *workload_decisions(house).values())]
    return max(*codes, WITH_FAILURES if site_failures(house) or house.aside else 0)


def _refresh(house: House) -> str:
    from flows.engine import prepare_prefect

    house.turn()
    house.tell("Start the engine", 0, 1)
    # Here the terminal has progress and one line for an error: Prefect's own log would say the same again.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_ENABLED", "0")
    prepare_prefect(house.settings.root)
    from flows.server import prefect_server

    with prefect_server(house.settings.root):
        from flows.refresh import refresh, refresh_opened  # imports Prefect, which reads its settings but once

        house.tell("Start the engine", 1, 1)
        with refresh_opened(house, house.reference):
            return str(refresh(house.reference))


def run_stage(reference: str, command: str, *, accept_removals: bool = False) -> int:
    """Does what is left of one command's stages, without Prefect; the exit code.

    Args:
        reference: A name in `domains/`, or the path of a domain file.
        command: scrape, synth, …
        accept_removals: Much of what there was may go (`flows.guard`).
    """
    from flows.batches import perform
    from flows.evaluation import decision_of
    from flows.preflight import check
    from flows.progress import progress
    from flows.scraping import site_failures, site_warnings
    from flows.spending import spending_lines, told_spending
    from flows.stages import COMMANDS, STAGES, decision, workload_decisions
    from flows.tracking import end, remember
    from flows.watching import watched_run, watched_stage

    def did(stage: str) -> int:
        with watched_stage(house, stage):
            return perform(STAGES[stage], house)

    with progress() as tell:
        house = open_house(reference, tell, moving=command == "scrape")
        house.command, house.accept_removals = command, accept_removals
        check(house, [command])
        with domain_lock(house.settings, house.domain.name, house.run), contextlib.closing(house):
            if command == "scrape":
                remember(house)
            with watched_run(house):
                done = sum(did(stage) for stage in COMMANDS[command])
            if command == "publish":
                end(house)
    if house.tracked is not None:
        print(f"{house.library.name} {house.tracked.line()}")
    for warning in site_warnings(house) if command == "scrape" else ():
        print(warning)
    print(f"{house.domain.name}: {command} " + (f"did {done} batches" if done else "had nothing to do"))
    for line in aside_lines(house.aside):
        print(line)
    if command in ("train", "evaluate", "publish") and (why := _untrained(house)):
        print(why)
    for line in spending_lines(told_spending(house)) if command == "synth" else ():
        print(line)
    if command in ("evaluate", "publish"):
        found = decision(house) if command == "publish" else decision_of(house)
        others = workload_decisions(house, command)
        held = found["decision"] == CANDIDATE
        print(f"Published as {CANDIDATE} alone: {found['reason']}" if held else f"Gate: {found['decision']}")
        for name, said in others.items():
            print(f"Gate of {name}: {said}")
        return max(EXIT_BY_DECISION[said] for said in (found["decision"], *others.values()))
    return WITH_FAILURES if house.aside or (command == "scrape" and site_failures(house)) else 0


def read_plan(house: House) -> list[dict[str, Any]]:
    """What a run would do now, a row a stage; what hangs on an unfinished stage can't be counted yet."""
    from flows.stages import STAGES, complete

    if complete(house) is not None:
        said = dict.fromkeys(STAGES, "nothing to do") | {"train": _untrained(house) or "nothing to do"}
        return [{"stage": name, "batches": 0, "units": 0, "what": what} for name, what in said.items()]
    rows: list[dict[str, Any]] = []
    unfinished = None
    for name, stage in STAGES.items():
        if unfinished is None:
            batches = stage(house)
            what = batches[0].title + (" …" if len(batches) > 1 else "") if batches else "nothing to do"
            rows.append({"stage": name, "batches": len(batches), "units": sum(b.size for b in batches), "what": what})
            unfinished = name if batches else None
            if name == "train" and not batches:
                rows[-1]["what"] = _untrained(house) or what
        else:
            rows.append({"stage": name, "batches": None, "units": None, "what": f"depends on what {unfinished} gives"})
    return rows


def _untrained(house: House) -> str:
    """Why there was nothing to train on, of the domain's own adapter and those of its workloads; empty where there was.

    It is known once a snapshot is there.
    """
    from flows.training import untrained

    whys = {each.domain.name: untrained(each) for each in house.adapters}
    return "; ".join(f"{name} is undecided: {why}" for name, why in whys.items() if why)


def show_plan(reference: str, *, as_json: bool) -> None:
    """Prints `read_plan`, how each base would be loaded, what a training goes on from, and what is asked of it then."""
    from flows.bases import told_base
    from flows.continuing import current, newest, told_start
    from flows.evaluation import told_written
    from flows.promotion import told_tasks
    from flows.scraping import sites
    from flows.spending import told_plan
    from flows.tracking import last_cost, told_cost
    from flows.upgrades import rekeyed, upgrade_lines

    house = open_house(reference, moving=True)
    rows = read_plan(house)
    listed = any(row["stage"] == "train" and row["batches"] is not None for row in rows)
    find = current if listed else newest  # until it is curated, the snapshot that is trained on is yet to come
    bases = {e.domain.name: told_base(e) | {"start": told_start(e, find(e))} for e in house.adapters}
    written = {e.domain.name: told_written(e, counted=listed) for e in house.adapters}
    tasks = {e.domain.name: told_tasks(e) for e in house.adapters}
    own = house.domain.name
    more: dict[str, dict[str, Any]] = {"train": dict(bases[own]), "evaluate": {"written": written[own]}}
    more["promote"] = {"tasks": tasks[own]}
    writes = told_plan(house, listed=any(row["stage"] == "write" and row["batches"] is not None for row in rows))
    if writes:
        more["write"] = {"dialogues": writes}
    if house.tracked is not None:
        more["scrape"] = {"versions": house.library.versions, "tracked": house.tracked.line()}
    again, lake = rekeyed(house), house.lake
    if lake.schema < SCHEMA:
        more.setdefault("scrape", {})["schema"] = lake.schema
    for each in again:
        step = "validate mined" if each.step == "validate" else each.step
        more.setdefault(step, {})["upgrade"] = asdict(each)
    asked = [f"{site.site.address} ({site.version}) {site.plan()}" for site in sites(house)]
    if asked:
        more.setdefault("scrape", {})["sites"] = asked
    if as_json:
        print(json.dumps([row | more.get(row["stage"], {}) for row in rows]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("stage", "batches", "units", "what")
    for row in rows:
        table.add_row(row["stage"], *("" if row[n] is None else str(row[n]) for n in ("batches", "units")), row["what"])
    Console().print(table)
    if lake.schema < SCHEMA:
        print(f"The lake is of schema {lake.schema}, and this driftune writes {SCHEMA}: run driftune migrate first")
    for line in upgrade_lines(again):
        print(line)
    if house.tracked is not None:
        print(f"{house.library.name} {house.tracked.line()}")
        print(told_cost(last_cost(house)))
    for line in [*asked, *([writes] if writes else [])]:
        print(line)
    for name, told in bases.items():
        which = f" of {name}" if len(bases) > 1 else ""
        print(f"The base{which}: {told['base']}, {told['loading']}; trained {told['start']}")
        print(f"Written in the evaluation{which}: {written[name]}")
        print(f"Asked before stable moves{which}: {tasks[name]}")
