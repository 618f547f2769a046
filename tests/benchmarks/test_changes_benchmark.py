"""The scorer of changes: what its machine check says, and that the finder is as good as was measured."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.changes import PAIRS, TRUTH, score
from benchmarks.judge import Question, asked, confirmation, finds, names_replacement, verdict
from benchmarks.shares import Share, Weighted
from registry.records import Change

LIBRARIES = [pair.library for pair in PAIRS]


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    paths = [
        "textwrap.dedent",
        "textwrap.nothing",
        "json.JSONDecoder.decode",
        "nowhere.at.all",
        "collections.abc.Sized",
    ]
    code = "import warnings\nwarnings.warn('old', DeprecationWarning)\nresult = 1 + 1"
    questions = [*map(Question, paths), Question("textwrap.fill", ("width", "no_such")), Question("len", code=code)]
    return dict(asked(Path(sys.executable), [*questions, Question("os.path.join", code="raise KeyError")]))


def test_probe_says_what_is_there(answers: dict[str, Any]) -> None:
    """The probe finds functions and methods, and says which keywords a call takes and what code gives."""
    found = {path: answer["found"] for path, answer in answers.items()}
    assert found == {
        "textwrap.dedent": True, "textwrap.nothing": False, "json.JSONDecoder.decode": True, "nowhere.at.all": False,
        "collections.abc.Sized": True, "textwrap.fill": True, "len": False, "os.path.join": True,
    }  # fmt: skip
    assert answers["textwrap.fill"]["takes"] == ["width"]
    assert answers["os.path.join"]["said"] == "KeyError"
    assert answers["json.JSONDecoder.decode"]["parameters"][0][:2] == ["s", "positional or keyword"]


def _answer(found: bool = True, parameters: Any = None, takes: Any = (), **more: Any) -> dict[str, Any]:
    return {"found": found, "parameters": parameters, "takes": list(takes), "deprecated": False, **more}


A1 = ["a", "positional or keyword", "1"]
A2 = ["a", "positional or keyword", "2"]
B = ["b", "keyword-only", None]


@pytest.mark.parametrize(
    ("kind", "detail", "old", "new", "right"),
    [
        ("removed", {}, _answer(), _answer(found=False), True),
        ("removed", {}, _answer(), _answer(), False),
        ("removed", {}, _answer(found=False), _answer(found=False), None),
        ("removed", {}, _answer(found=False, blocked=True), _answer(found=False), None),
        ("added", {}, _answer(found=False), _answer(), True),
        ("added", {}, _answer(), _answer(), False),
        ("signature", {"defaults": {"a": ["1", "2"]}}, _answer(parameters=[A1]), _answer(parameters=[A2]), True),
        ("signature", {"defaults": {"a": ["1", "2"]}}, _answer(parameters=[A1]), _answer(parameters=[A1]), False),
        ("signature", {"removed": ["b"]}, _answer(parameters=[A1, B]), _answer(parameters=[A1]), True),
        ("signature", {"removed": ["b"]}, _answer(parameters=[A1], takes="b"), _answer(parameters=[A1]), True),
        ("signature", {"removed": ["b"]}, _answer(parameters=[A1]), _answer(parameters=[A2]), False),
        ("signature", {"renamed": {"a": "b"}}, _answer(parameters=[A1]), _answer(parameters=[B]), True),
        ("signature", {}, _answer(parameters=[A1]), _answer(), None),
        ("behaviour", {}, _answer(), _answer(), None),
    ],
)
def test_reported_change_is_judged(kind: str, detail: Any, old: Any, new: Any, right: bool | None) -> None:
    """A change is right where both versions bear out every part of it, and not judged where they can't say."""
    change = Change(old="a" * 64, new="b" * 64, symbol="lib.f", kind=kind, detail=detail)
    assert verdict(change, {"lib.f": old}, {"lib.f": new}) is right


def test_a_deprecation_is_confirmed_by_a_call_where_there_is_one() -> None:
    """A call that warns at new only bears out that something is deprecated, whatever its docstring says."""
    entry = {"kind": "deprecated", "code": "lib.f()"}
    quiet, warning = (_answer(warned=w) | {"deprecated": True} for w in ([], ["DeprecationWarning"]))
    assert confirmation(entry, quiet, warning)[2]
    assert not confirmation(entry, quiet, quiet)[2]


def test_entries_are_matched_by_kind_and_parameter() -> None:
    """A change finds an entry only where it says the same of the same parameter."""
    detail = {"removed": ["x"], "renamed": {"y": "z"}}
    change = Change(old="a" * 64, new="b" * 64, symbol="lib.f", kind="signature", detail=detail)
    entry = {"kind": "parameter", "parameter": "y", "replacement": ["z"]}
    assert finds(change, entry)
    assert names_replacement(change, entry)
    assert not finds(change, {"kind": "parameter", "parameter": "z"})
    assert not names_replacement(change, {**entry, "replacement": ["w"]})
    assert not finds(change, {"kind": "removed"})


@pytest.mark.parametrize("library", LIBRARIES)
def test_truth_is_whole(library: str) -> None:
    """Each pair has 30 or more confirmed entries, each with its note, and no entry twice."""
    truth = json.loads((TRUTH / f"{library}.json").read_text(encoding="utf-8"))
    assert sum(e["confirmed"] for e in truth) >= 30
    assert all(e["note"] and e["source"] and len(e["check"]) == 2 for e in truth)
    keys = [(e["symbol"], e["kind"], e.get("parameter")) for e in truth]
    assert len(set(keys)) == len(keys)


def test_share_has_an_interval() -> None:
    """A share is printed with its 95% interval."""
    share = Share()
    for right in (True, True, False):
        share.add(right, "x")
    assert str(share).startswith("0.667 [0.208, 0.939]  2 of 3")


def test_a_sample_counts_as_often_as_there_are_changes_of_its_kind() -> None:
    """A stratum weighs by what was found of it, not by what was judged, and one that nobody judged is wrong."""
    strata: dict[object, Share] = {"all": Share(90, 90, emitted=90), "sample": Share(5, 10, emitted=110)}
    assert Weighted(strata).value == pytest.approx(0.725)
    low, high = Weighted(strata).interval
    alone_low, alone_high = strata["sample"].interval
    assert low < 0.725 < high
    assert high - low == pytest.approx(0.55 * (alone_high - alone_low), rel=0.15)
    assert Weighted({**strata, "unread": Share(emitted=200)}).value == pytest.approx(0.3625)


@pytest.mark.slow
def test_finder_is_as_good_as_measured(tmp_path: Path) -> None:
    """On networkx 2.8.8 -> 3.6.1 recall, precision and replacements stay near what was measured."""
    result = score(PAIRS[0], tmp_path)
    assert result.shares["recall"].value >= 0.88
    assert result.precision.value >= 0.97
    assert result.shares["replacements"].value >= 0.9
