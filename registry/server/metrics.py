"""`/metrics`, where it is asked for: what became of each domain's latest runs, and what its channels give.

It is read from the lake's place and the registry, so it tells of runs on any machine, also of killed ones. Like all
routes it tells a caller of those domains alone that he may see: Prometheus sends a token (`authorization` in its
`scrape_configs`).
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Iterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from registry.run_states import RunState, RunStates
from registry.server.access import Caller, Scope, context_of, needs
from registry.server.context import Context

router = APIRouter()

_LOOKED_AT = 10
"""Latest runs of a domain among which the last completed one is looked for: each is a request to an object store."""

_STATES = ("running", "completed", "failed", "stopped", "crashed")


@router.get("/metrics")
def metrics(context: Annotated[Context, Depends(context_of)], caller: Annotated[Caller, needs(Scope.READ)]) -> Response:
    """What Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_Told(context, caller))
    return Response(generate_latest(registry), media_type="text/plain; version=0.0.4; charset=utf-8")


class _Told:
    """What one caller is told."""

    def __init__(self, context: Context, caller: Caller) -> None:
        self._context = context
        self._caller = caller

    def collect(self) -> Iterator[Metric]:
        """The families, read now."""
        yield from self._runs() if self._context.lake is not None else ()
        version = GaugeMetricFamily("driftune_channel_version", "What a channel gives", labels=("domain", "channel"))
        for domain in self._seen(self._context.store.domains()):
            for channel, number in self._context.store.channels(domain).items():
                version.add_metric((domain, channel), number)
        yield version

    def _runs(self) -> Iterator[Metric]:
        assert self._context.lake is not None
        states = RunStates(self._context.lake.url)
        state = GaugeMetricFamily("driftune_run", "1 for the state of the latest run", labels=("domain", "state"))
        beat = GaugeMetricFamily("driftune_run_silent_seconds", "Seconds beyond its heartbeat", labels=("domain",))
        done = GaugeMetricFamily("driftune_run_progress_done", "Units done of what it is at", labels=("domain",))
        total = GaugeMetricFamily("driftune_run_progress_total", "Units of it in all", labels=("domain",))
        ended = GaugeMetricFamily("driftune_completed_seconds", "Seconds since a run was completed", labels=("domain",))
        for domain in self._seen(states.domains()):
            known = states.read(domain, _LOOKED_AT)
            for latest in known[:1]:
                for name in _STATES:
                    state.add_metric((domain, name), float(name == latest.state))
                beat.add_metric((domain,), latest.silent_s)
                done.add_metric((domain,), latest.done)
                total.add_metric((domain,), latest.total)
            for run in _completed(known):
                since = time.time() - dt.datetime.fromisoformat(run.ended).timestamp()
                ended.add_metric((domain,), max(0.0, since))
        yield from (state, beat, done, total, ended)

    def _seen(self, domains: Iterable[str]) -> list[str]:
        return [domain for domain in domains if self._caller.sees(domain)]


def _completed(known: list[RunState]) -> list[RunState]:
    """The run that was completed last, if there is one."""
    return [run for run in known if run.state == "completed" and run.ended][:1]
