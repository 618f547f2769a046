"""What happens to a domain is heard by who listens, and by the Prefect server that is configured."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest

from flows.events import Event, happened, listening
from tests.served import Quiet, served


def test_listeners_hear_while_they_listen() -> None:
    """A listener is told domain, kind and facts, within its block only."""
    heard: list[Event] = []
    with listening(heard.append):
        happened("toolz", "driftune.rows.proven", new=40)
    happened("toolz", "driftune.published", version=1)
    assert [(e.domain, e.kind, e.facts, e.resource) for e in heard] == [
        ("toolz", "driftune.rows.proven", {"new": 40}, "driftune.domain.toolz")
    ]


def test_a_failing_listener_harms_neither_run_nor_the_next_listener(caplog: pytest.LogCaptureFixture) -> None:
    """What one listener raises is a line of the log; the others are told."""
    heard: list[Event] = []

    def failing(event: Event) -> None:
        raise RuntimeError(f"no ear for {event.kind}")

    with listening(failing), listening(heard.append), caplog.at_level(logging.WARNING):
        happened("toolz", "driftune.published")
    assert len(heard) == 1
    assert "driftune.published of toolz was not heard: RuntimeError: no ear for driftune.published" in caplog.text


def test_a_configured_server_is_told_as_prefect_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event goes to the server's API in Prefect's form, with the login that is set, about the flow run it is in."""
    told: list[tuple[str, str, Any]] = []

    class Server(Quiet):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.append((self.path, self.headers["Authorization"], body))
            self.send_response(204)
            self.end_headers()

    with served(Server) as address:
        monkeypatch.setenv("PREFECT_API_URL", f"{address}/api")
        monkeypatch.setenv("PREFECT_API_AUTH_STRING", "night:owl")
        monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "0198")
        happened("toolz", "driftune.gate.refused", reason="worse than its base")
    [(path, login, [event])] = told
    from prefect.events.schemas.events import Event as Theirs

    assert path == "/api/events"
    assert login == "Basic " + base64.b64encode(b"night:owl").decode()
    assert Theirs.model_validate(event).resource.id == "driftune.domain.toolz"
    assert event["payload"] == {"reason": "worse than its base"}
    assert event["related"] == [{"prefect.resource.id": "prefect.flow-run.0198", "prefect.resource.role": "flow-run"}]


def test_a_server_that_is_away_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers: the run goes on."""
    with served(Quiet) as address:
        pass
    monkeypatch.setenv("PREFECT_API_URL", f"{address}/api")
    happened("toolz", "driftune.run.completed")
