"""Who watches a run: its state beside the lake's tables, deadlines, and what the settings ask for besides."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from flows.events import happened
from flows.logs import LOG, Logs
from flows.watching import Observer, Watch, logged
from registry.errors import BudgetError
from registry.run_states import RunState, RunStates, State, now

if TYPE_CHECKING:
    from flows.house import House

_SPOKEN = "http/protobuf"
"""The form of OTLP that traces are sent in."""


def take_over(house: House) -> str:
    """Marks the domain's runs that were killed; the latest one's name. The caller holds the domain's lock."""
    crashed: list[RunState] = []
    with logged("take over"):
        reason = f"It ended without a word; run {house.run} found that out"
        crashed = RunStates(house.settings.lake_url).crashed(house.domain.name, reason)
    for state in crashed:
        happened(house, "driftune.run.crashed", crashed=state.run, stage=state.stage, beat=state.beat, host=state.host)
    return crashed[0].run if crashed else ""


def observers(watch: Watch) -> list[Observer]:
    """Those that watch a run; what isn't asked for isn't imported."""
    from flows.deadlines import Deadlines
    from flows.stages import COMMANDS

    commands = {stage: command for command, stages in COMMANDS.items() for stage in stages}
    found: list[Observer] = [Logs(watch), States(watch), Deadlines(watch, commands)]
    if address := watch.house.settings.metrics:
        from flows.metrics import Metrics

        found.append(Metrics(watch, address))
    if _traced():
        found.append(_traces(watch))
    if "prefect" in sys.modules:
        from flows.artifacts import Artifacts, current_flow_run

        if flow_run := current_flow_run():
            found.append(Artifacts(watch, flow_run))
    return found


def _traced() -> bool:
    """Whether the standard variables say where traces are to be sent."""
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(os.environ.get(f"OTEL_EXPORTER_OTLP_{name}") for name in ("TRACES_ENDPOINT", "ENDPOINT"))


def _traces(watch: Watch) -> Observer:
    names = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    name, spoken = next(((n, os.environ[n]) for n in names if os.environ.get(n)), ("", _SPOKEN))
    if spoken != _SPOKEN:
        return _Note(f"No traces are sent: {name} is {spoken}, and only {_SPOKEN} is spoken here")
    try:
        from flows.traces import Traces

        return Traces(watch)
    except ImportError as error:
        return _Note(f"No traces are sent ({error}): pip install 'driftune[observe]'")
    except Exception as error:  # what it reads from the environment, it doesn't check before
        return _Note(f"No traces are sent ({error}): see what the variables OTEL_… are set to")


class _Note(Observer):
    """Says in the run's log why it isn't watched in a way that was asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Stands around the run."""
        LOG.warning(self._text)
        yield


def every_s(watch: Watch) -> float:
    """Seconds between two beats: often enough for the state, and for a run that is soon called stuck."""
    settings = watch.house.settings
    every = RunStates(settings.lake_url).every_s
    return min(every, settings.stuck_minutes * 60 / 4) if settings.stuck_minutes else every


class States(Observer):
    """Writes down what a run is at, where it does anything (`registry.run_states`)."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._states = RunStates(watch.house.settings.lake_url)
        self._began = now()

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Stands around the run: it is running, and then what became of it."""
        self.beat()
        try:
            yield
        except BaseException as error:
            said = str(error).strip()
            kind = "" if said and isinstance(error, Exception) else type(error).__name__
            self._end(became(error), ": ".join(part for part in (kind, said) if part))  # "SystemExit: 1"
            raise
        if self._watch.worked:
            self._end("completed")

    @contextlib.contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Stands around a stage, whose beginning is told at once."""
        del stage
        self.beat()
        yield

    def beat(self) -> None:
        """Says that the run is alive, and what it is at."""
        if self._watch.worked:
            self._states.write(self._state("running"))

    def _end(self, state: State, reason: str = "") -> None:
        self._states.write(self._state(state, reason))
        self._states.trim(self._watch.house.domain.name)
        if state == "completed":
            outcome = {"decision": self._watch.outcome} if self._watch.outcome else {}
            happened(self._watch.house, "driftune.run.completed", command=self._watch.house.command, **outcome)

    def _state(self, state: State, reason: str = "") -> RunState:
        watch, house = self._watch, self._watch.house
        return RunState(
            run=house.run, domain=house.domain.name, state=state, command=house.command, code=version("driftune"),
            began=self._began, every_s=every_s(watch), ended="" if state == "running" else now(), stage=watch.last,
            title=watch.title, done=watch.done, total=watch.total, note=watch.note, stages=watch.stages,
            outcome=watch.outcome, reason=reason[:1000], continues=watch.continues,
        )  # fmt: skip


def became(error: BaseException) -> State:
    """What became of a run that an error ended: Ctrl-C, a signal or a budget stopped it, anything else is a failure."""
    return "failed" if isinstance(error, Exception) and not isinstance(error, BudgetError) else "stopped"
