"""Traces of a run, as a collector of OTLP receives them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flows.events import happened
from flows.watching import watched_batch, watched_run, watched_stage
from registry.errors import SourceError
from tests.flows.test_logs import lines, opened


class Collector(ThreadingHTTPServer):
    """Takes what is exported to it."""

    def __init__(self) -> None:
        self.taken: list[ExportTraceServiceRequest] = []
        self.headers: list[str] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def spans(self) -> dict[str, Any]:
        """Name -> span."""
        scopes = [scope for request in self.taken for r in request.resource_spans for scope in r.scope_spans]
        return {span.name: span for scope in scopes for span in scope.spans}


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.path == "/v1/traces"
        self.server.headers.append(self.headers.get("x-team", ""))
        self.server.taken.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector on loopback that the standard variables name."""
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-team=drift")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
        yield server
        server.shutdown()


def test_a_run_is_a_trace_of_its_stages_and_batches(collector: Collector, tmp_path: Path) -> None:
    """Batches stand in their stage, also from other threads, stages in the run; errors and events are told."""
    house = opened(tmp_path)

    def batch() -> None:
        with watched_batch(house, "Run programs", 7):
            happened(house, "driftune.rows.proven", number=3)

    with pytest.raises(SourceError), watched_run(house, working=True), watched_stage(house, "validate mined"):
        thread = threading.Thread(target=batch)
        thread.start()
        thread.join()
        raise SourceError("No such page")
    run, stage, done = (collector.spans[name] for name in ("run lib", "validate mined", "Run programs"))
    assert (stage.parent_span_id, done.parent_span_id, run.parent_span_id) == (run.span_id, stage.span_id, b"")
    assert {run.trace_id} == {stage.trace_id} == {done.trace_id} == {run.trace_id}
    told = {a.key: a.value.string_value for a in run.attributes}
    assert (told["driftune.domain"], told["driftune.run"]) == ("lib", house.run)
    assert [e.name for e in run.events] == ["driftune.rows.proven", "exception"]
    assert "No such page" in run.status.message
    resource = {a.key: a.value.string_value for a in collector.taken[0].resource_spans[0].resource.attributes}
    assert resource["service.name"] == "driftune"
    assert resource["deployment.environment"] == "test"
    assert set(collector.headers) == {"drift"}


@pytest.mark.parametrize("off", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_traces_can_be_switched_off(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: dict[str, str]
) -> None:
    """The standard variables that say so are heard."""
    for name, value in off.items():
        monkeypatch.setenv(name, value)
    with watched_run(opened(tmp_path), working=True):
        pass
    assert collector.taken == []


def test_a_protocol_that_is_not_spoken_is_said(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the variables ask for gRPC, the log says what is spoken here, and nothing is sent."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with watched_run(opened(tmp_path), working=True):
        pass
    assert collector.taken == []
    assert [e["message"] for e in lines(tmp_path) if e["level"] == "warning"] == [
        "No traces are sent: OTEL_EXPORTER_OTLP_PROTOCOL is grpc, and only http/protobuf is spoken here"
    ]


def test_a_variable_that_is_wrong_harms_no_run(
    collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What OpenTelemetry can't make of its variables is said in the log, and the run goes on."""
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "0")
    with watched_run(opened(tmp_path), working=True):
        pass
    assert collector.taken == []
    [said] = [e["message"] for e in lines(tmp_path) if e["level"] == "warning"]
    assert said.startswith("No traces are sent (schedule_delay_millis must be positive")
