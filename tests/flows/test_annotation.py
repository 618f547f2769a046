"""`driftune annotate`: what a person says of a row, and takes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.annotation import annotate, show_annotations
from registry.errors import ConfigurationError
from registry.lake import Lake
from registry.records import Annotation, Example, Program
from validators.curation.curate import CUT

PROGRAMS = [Program(code=code, test="assert r") for code in ("r = 1\n", "r = 1\n\n# the same\n", "r = 2\n")]


def example(kind: str, release: str, parts: Any, **more: Any) -> Example:
    return Example(
        domain="d", kind=kind, releases=(release,), parts=parts, file="f", root="r", generator="g",
        generator_version="1", **more,
    )  # fmt: skip


ROWS = [example("test", f"release {n}", {"programs": {"answer": p.id}}) for n, p in enumerate(PROGRAMS)]
TEXT = example("text", "release 0", {"text": "All of it."})
PART = example("text", "release 0", {"text": "All"}, operator=CUT, parents=("page", TEXT.id))


@pytest.fixture(autouse=True)
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    made = Lake(str(tmp_path / "lake"), tmp_path)
    made.create()
    made.append([*PROGRAMS, *ROWS, TEXT, PART])
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path))
    return made


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    capsys.readouterr()
    show_annotations(as_json=True)
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def test_a_judgement_is_kept_with_who_why_and_when(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """The command names the row and what to run next; the list shows reason, account and time."""
    annotate(ROWS[0].id[:12], reject="It says nothing", undo=False)
    assert f"Rejected test {ROWS[0].id[:12]} of d. Next: driftune run d" in capsys.readouterr().out
    [row] = listed(capsys)
    assert (row["example"], row["domain"], row["verdict"]) == (ROWS[0].id, "d", "rejected")
    assert row["why"] == "It says nothing"
    assert row["at"]
    assert lake.query("SELECT why FROM annotations").to_pylist() == [{"why": "It says nothing"}]


def test_it_is_taken_back_by_any_row_that_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """After a refresh the row has another id: `--undo` with the new one takes the judgement back."""
    annotate(ROWS[0].id, reject="No", undo=False)
    with pytest.raises(ConfigurationError, match="Nobody rejected"):
        annotate(ROWS[2].id, reject=None, undo=True)
    annotate(ROWS[1].id, reject=None, undo=True)
    assert listed(capsys) == []
    with pytest.raises(ConfigurationError, match="Nobody rejected"):
        annotate(ROWS[0].id, reject=None, undo=True)


def test_of_a_text_that_was_cut_the_whole_is_rejected(lake: Lake) -> None:
    """Curation makes the cut row anew each time: what a person says of it is said of the row it is cut from."""
    annotate(PART.id, reject="Spam", undo=False)
    assert [a.example for a in lake.read(Annotation)] == [TEXT.id]


@pytest.mark.parametrize(
    ("identifier", "reject", "undo", "said"),
    [
        ("ffff", "no", False, "No record's id starts with ffff"),
        (PROGRAMS[0].id, "no", False, "only examples are annotated"),
        (ROWS[0].id, None, False, "--reject"),
        (ROWS[0].id, "no", True, "--reject"),
        (ROWS[0].id, " ", False, "--reject"),
    ],
)
def test_what_makes_no_sense_is_the_users_error(identifier: str, reject: str | None, undo: bool, said: str) -> None:
    """An unknown id, another record's, and options that say nothing or two things are refused in one line."""
    with pytest.raises(ConfigurationError, match=said):
        annotate(identifier, reject=reject, undo=undo)
