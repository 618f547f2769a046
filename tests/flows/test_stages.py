"""When a run has nothing to do: what decides that, and what doesn't."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from flows import stages
from flows.house import House
from flows.stages import complete, complete_key
from registry.domain import Domain
from registry.records import Annotation, Forgotten
from registry.settings import Settings

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def house(home: Path, **settings: Any) -> House:
    text = {"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}, **settings}
    return House(Domain.model_validate(text), Settings(home=home))


def finish(made: House, decision: str = "rejected") -> None:
    made.finish("refresh", "refresh", [complete_key(made)], [], 0.0, {"decision": decision})


@pytest.fixture
def done(tmp_path: Path) -> House:
    made = house(tmp_path)
    assert complete(made) is None
    finish(made)
    return made


def test_a_finished_run_is_complete_whoever_runs_it_with_how_many(done: House, tmp_path: Path) -> None:
    """The same domain has nothing to do, also with another number of processes; another setting has."""
    assert complete(house(tmp_path)) == "rejected"
    assert complete(house(tmp_path, sandbox={"workers": 4})) == "rejected"
    assert complete(house(tmp_path, synth={"seed": 1})) is None


@pytest.mark.parametrize(
    "part", ["SCRAPER_VERSION", "CHANGES_VERSION", "DERIVE_PART", "CURATE_PART", "TRAIN_PART", "EVALUATE_PART"]
)
def test_a_new_version_of_a_part_is_something_to_do(done: House, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever part of the pipeline would give something else now, a finished run has to look at it again."""
    monkeypatch.setattr(stages, part, "another")
    assert complete(done) is None


def test_a_setting_changed_back_is_no_finished_run(done: House, tmp_path: Path) -> None:
    """The latest snapshot is that of the other setting, so a run has to make the first one the latest again."""
    finish(house(tmp_path, synth={"seed": 1}))
    assert complete(done) is None


def test_what_people_decide_is_something_to_do(done: House) -> None:
    """A judgement, its taking back, and a source that is forgotten: each makes the next run do its work."""
    row = Annotation(example="e", domain="d", verdict="rejected", why="w", at=NOW)
    taken_back = Annotation(example="e", domain="d", verdict="undone", why="w", at=NOW + dt.timedelta(hours=1))
    for decided in (row, taken_back, Forgotten(what="pypi://lib/*/*/a.py", at=NOW)):
        done.lake.append([decided])
        assert complete(done) is None
        finish(done)
        assert complete(done) == "rejected"


def test_other_domains_judgements_change_nothing(done: House) -> None:
    """A judgement is of one domain."""
    done.lake.append([Annotation(example="e", domain="other", verdict="rejected", at=NOW)])
    assert complete(done) == "rejected"


def test_another_task_in_a_benchmark_file_is_something_to_do(tmp_path: Path) -> None:
    """A task that is added to a listed file makes the next run do its work; the file as it was has nothing to do."""
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"prompt": "One."}\n')
    made = house(tmp_path, curation={"benchmarks": [str(path)]})
    finish(made)
    assert complete(made) == "rejected"
    path.write_text('{"prompt": "One."}\n{"prompt": "Two."}\n')
    assert complete(made) is None
