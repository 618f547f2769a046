"""`driftune status --watch`: what the runs of a lake are at, from any machine, until Ctrl-C.

It reads the states that runs leave beside the lake's tables (`registry.run_states`), no more often than they are
written: on an object store each look costs a request a domain.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from registry.errors import ConfigurationError
from registry.run_states import RunState, RunStates
from registry.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 3
"""Runs of a domain that are shown: that which goes on, and those before it."""

_COLOURS = {"running": "cyan", "completed": "green", "failed": "red", "stopped": "yellow", "crashed": "red"}


def told(state: RunState) -> dict[str, Any]:
    """A run for a program: what it said last, for how long it has been silent beyond its heartbeat, and in a line."""
    return dataclasses.asdict(state) | {"silent_s": round(state.silent_s, 1), "line": run_line(state)}


def run_line(state: RunState) -> str:
    """A run in one line, for a person."""
    told = f"Run {state.run} {state.state}"
    if state.state == "running":
        told += f" on {state.host} (process {state.pid}) for {_time(state.seconds)}: {at(state) or 'it begins'}"
        return told + (f"; SILENT for {_time(state.silent_s)}" if state.silent_s else "")
    where = f" at {state.stage}" if state.state != "completed" and state.stage else ""
    why = f": {clean(state.reason or state.outcome)}" if state.reason or state.outcome else ""
    return f"{told}{where} after {_time(state.seconds)}, {state.ended}{why}"


def at(state: RunState) -> str:
    """What a run is at: stage, title, how much of it is done."""
    count = f" {state.done:,}/{state.total:,}" if state.total > 1 else ""
    return clean(", ".join(part for part in (state.stage, f"{state.title}{count} {state.note}".strip()) if part))


def clean(text: str) -> str:
    """Text in one line, without what a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)


def _time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def watch_runs(domain: str | None, *, as_json: bool) -> None:
    """Shows what runs are at until Ctrl-C; with `as_json` a line for each run at first, and for each change.

    Args:
        domain: One domain; all of the lake where None.
        as_json: Print objects, a line each.
    """
    states = RunStates(Settings().lake_url)
    if domain is not None and "/" in domain:
        raise ConfigurationError(f"No domain is called {domain!r}: name it as driftune status does")
    with contextlib.suppress(KeyboardInterrupt):
        if as_json:
            _print_changes(states, domain)
        else:
            _draw(states, domain)


def _looks(states: RunStates, domain: str | None) -> Iterator[list[RunState]]:
    """What is known, again and again: the latest runs of each domain."""
    every = 1.0 if states.every_s < 10 else 10.0
    while True:
        names = [domain] if domain is not None else states.domains()
        yield [state for name in names for state in states.read(name, SHOWN)]
        time.sleep(every)


def _print_changes(states: RunStates, domain: str | None) -> None:
    known: dict[tuple[str, str], tuple[Any, ...]] = {}
    for found in _looks(states, domain):
        for state in found:
            now = (state, bool(state.silent_s))
            if known.get((state.domain, state.run)) != now:
                known[state.domain, state.run] = now
                print(json.dumps(told(state)), flush=True)


def _draw(states: RunStates, domain: str | None) -> None:
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    with Live(console=console, auto_refresh=False, screen=False) as live:
        for found in _looks(states, domain):
            live.update(_table(found), refresh=True)
            if not console.is_terminal:
                return  # a file wants it once


def _table(found: list[RunState]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = "" if found else "No run is known yet. Start one with: driftune run networkx"
    table = Table("domain", "run", "state", "for", "at", box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for state in found:
        said = f"silent for {_time(state.silent_s)}" if state.silent_s else state.state
        what = at(state) if state.state == "running" else clean(state.reason or state.outcome)
        cells = (state.domain, state.run, said, _time(state.seconds), what)
        colour = "yellow" if state.silent_s else _COLOURS.get(state.state, "")
        table.add_row(*(Text(cell, colour if n == 2 else "", overflow="fold") for n, cell in enumerate(cells)))
    return table
