"""A run as OpenTelemetry traces: run > stage > batch, sent over OTLP (HTTP, protobuf).

On where the standard variables say where to: `OTEL_EXPORTER_OTLP_ENDPOINT`, or `…_TRACES_ENDPOINT` (and not
`OTEL_SDK_DISABLED` or `OTEL_TRACES_EXPORTER=none`); without them this isn't imported. All else that OpenTelemetry reads
from the environment (headers, timeouts, sampling, resource attributes, the service's name) holds here too. Needs the
extra `observe`. Where a collector is away, spans are dropped and the run goes on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from flows.events import Event, listening
from flows.watching import Observer, Watch

FLUSH_MS = 5_000
"""A run that has ended waits so long for its last spans to be taken."""


class Traces(Observer):
    """Sends a run's spans.

    Args:
        watch: The run.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "driftune"}
        self._provider = TracerProvider(resource=Resource.create({**named, "service.version": version("driftune")}))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("driftune", version("driftune"))
        self._stage: trace.Span | None = None

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Stands around the run: the span that all others stand in, with what happened as its events."""
        house = self._watch.house
        told = {"driftune.domain": house.domain.name, "driftune.run": house.run, "driftune.command": house.command}
        try:
            with self._span(f"run {house.domain.name}", told) as span:

                def heard(event: Event) -> None:
                    if event.domain == house.domain.name:
                        span.add_event(event.kind, {f"driftune.{n}": str(v) for n, v in event.facts.items()})

                with listening(heard):
                    yield
                span.set_attribute("driftune.outcome", self._watch.outcome)
        finally:
            self._provider.force_flush(FLUSH_MS)
            self._provider.shutdown()

    @contextlib.contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Stands around a stage."""
        with self._span(stage, {"driftune.stage": stage}) as self._stage:
            yield
            self._stage.set_attribute("driftune.batches", self._watch.batches.get(stage, 0))

    @contextlib.contextmanager
    def batch(self, title: str, size: int) -> Iterator[None]:
        """Stands around a batch, which may be done in another thread than its stage."""
        within = trace.set_span_in_context(self._stage) if self._stage is not None else None
        told: dict[str, Any] = {"driftune.stage": self._watch.stage, "driftune.size": size}
        with self._tracer.start_as_current_span(title, context=within, attributes=told):
            yield

    def _span(self, name: str, told: dict[str, Any]) -> Any:
        return self._tracer.start_as_current_span(name, attributes=told)
