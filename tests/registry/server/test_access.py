"""Tokens and what they open."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from registry.server import audit, tokens
from registry.server.limits import Limits
from tests.registry.server.serving import CALLERS, PRIVATE, Served, context_in, serving


def test_a_secret_is_nowhere_in_the_state(served: Served) -> None:
    """Who copies the state's file can't use the tokens in it."""
    database = sqlite3.connect(served.context.state.url.database or "")
    text = "\n".join(database.iterdump())
    database.close()
    assert "tokens" in text
    assert not [kind for kind in CALLERS if kind != "none" and served.secrets[kind] in text]


@pytest.mark.parametrize("text", ["dt_abc-_9", "Bearer dt_abc and dt_def"])
def test_secrets_are_not_shown(text: str) -> None:
    """What is logged holds no secret."""
    assert "dt_a" not in tokens.shown(text)


def test_refusals_are_bounded_in_length(served: Served) -> None:
    """A row of the audit log is small and printable, whatever was asked."""
    with served.context.state.begin() as connection:
        audit.write(connection, audit.Row("a", "", "", "GET /\n" + "x" * 5000, "dt_secret", audit.REFUSED))
        (row,) = audit.read(connection, last=1)
    assert len(row.action) == 300
    assert row.action.isprintable()
    assert row.target == "dt_…"


def test_who_asks_too_often_waits_and_holds_up_nobody_else(tmp_path: Path) -> None:
    """429 says for how long; tokens have buckets of their own, and wrong ones share that of their address."""
    with serving(context_in(tmp_path, rate=2.0, burst=5)) as limited:
        answers = [limited.get("/registry/", caller).status_code for caller in ("none", "wrong", "expired") * 3]
        assert answers[:5] == [200, 401, 401, 200, 401]
        assert 429 in answers[5:]
        refused = next(r for r in (limited.get("/registry/") for _ in range(9)) if r.status_code == 429)
        assert 0 < int(refused.headers["retry-after"]) <= 3
        assert [limited.get("/registry/", "read").status_code for _ in range(5)] == [200] * 5
        time.sleep(int(refused.headers["retry-after"]))
        assert limited.get("/registry/").status_code == 200


def test_who_is_counted_is_bounded() -> None:
    """Addresses beyond number take no more memory; the last that asked are remembered."""
    limits = Limits(rate=0.001, burst=1)
    for number in range(30_000):
        assert limits.wait_s(f"address {number}") == 0
    assert len(limits._buckets) == 10_000
    assert limits.wait_s("address 29999") > 0


@pytest.mark.parametrize("header", ["Basic dXNlcjpkdF9hYmM=", "Bearer", "dt_abc", "Digest x", "Bearer a b", ""])
def test_what_is_no_token_is_refused(served: Served, header: str) -> None:
    """It isn't taken for no token at all: who sends one means to be somebody."""
    response = served.get("/registry/", headers={"Authorization": header})
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


def test_a_token_that_was_used_says_when(served: Served) -> None:
    """To the hour, a moment later."""
    served.get("/registry/", "read")
    until, used = time.monotonic() + 10, None
    while used is None and time.monotonic() < until:
        time.sleep(0.05)
        with served.context.state.read() as connection:
            used = next(token.used for token in tokens.every(connection) if token.name == "read")
    assert used is not None
    assert abs(used - time.time()) < 60


def test_only_a_named_proxy_is_believed_about_where_a_caller_is(served: Served, tmp_path: Path) -> None:
    """Who could say so himself would have a new bucket for each request, and another's name in the audit log."""
    forwarded = {"X-Forwarded-For": "127.0.0.99", **served.headers("other")}
    served.get(f"/registry/{PRIVATE}/believed", headers=forwarded)
    with serving(context_in(tmp_path, proxy=("127.0.0.1",))) as behind:
        behind.get(f"/registry/{PRIVATE}/believed", headers=forwarded | behind.headers("other"))
    for context, address in ((served.context, "127.0.0.1"), (behind.context, "127.0.0.99")):
        asked = f"GET /registry/{PRIVATE}/believed"
        until, found = time.monotonic() + 10, set[str]()
        while not found and time.monotonic() < until:
            time.sleep(0.05)
            with context.state.read() as connection:
                found = {row.address for row in audit.read(connection, last=100) if row.action == asked}
        context.state.close()
        assert found == {address}
