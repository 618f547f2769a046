"""A paused domain: scheduled runs pass it over, whatever machine they are on, and everybody sees why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.pausing import pauses, show_pausing
from flows.scheduled import PassedOverError, check_home, check_paused, refresh_scheduled
from flows.status import read_status
from registry.errors import ConfigurationError
from registry.lake import open_lake
from tests.flows.runs import small_domain


@pytest.fixture
def domain(tmp_path: Path) -> Iterator[str]:
    """A domain's file, and a home of its own where no Prefect server is configured."""
    before = dict(os.environ)
    os.environ.pop("PREFECT_API_URL", None)
    os.environ.update(DRIFTUNE_HOME=str(tmp_path / "home"), PREFECT__FLOW_RUN_ID="0198")
    yield str(small_domain(tmp_path))
    os.environ.clear()
    os.environ.update(before)


def test_a_scheduled_run_passes_a_paused_domain_over(
    domain: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Paused, nothing of the domain is looked at; resumed and paused again, the last word counts, and says why."""
    show_pausing(domain, paused=True, why="the site moves", as_json=False)
    assert ": the site moves\n" in capsys.readouterr().out
    with pytest.raises(PassedOverError, match=r"more-itertools is paused since .* UTC.*: the site moves"):
        refresh_scheduled(domain, "all", 1, lambda *_: pytest.fail("a paused domain is not run"))
    assert not (tmp_path / "home" / "locks").exists()

    show_pausing(domain, paused=False, why="", as_json=False)
    check_paused(domain)
    show_pausing(domain, paused=True, why="again", as_json=True)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["paused"]["why"] == "again"
    with pytest.raises(PassedOverError, match=": again"):
        check_paused(domain)
    assert read_status(None) == [], "a pause is no run"


def test_resuming_what_runs_writes_nothing(domain: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A domain that isn't paused can be resumed at will."""
    show_pausing(domain, paused=False, why="", as_json=False)
    assert capsys.readouterr().out == "more-itertools was not paused\n"
    assert pauses(open_lake()) == {}


def test_a_worker_without_a_home_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run in a worker's folder, which is gone after it, would lose what it makes: that is said instead."""
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "0198")
    monkeypatch.delenv("DRIFTUNE_HOME", raising=False)
    with pytest.raises(ConfigurationError, match="DRIFTUNE_HOME is not set here: set it, for a folder that stays"):
        check_home()
