"""Tokens and what they open."""

from __future__ import annotations

import sqlite3

import pytest

from registry.server import audit, tokens
from tests.registry.server.serving import CALLERS, Served


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
