"""What runs are at, beside the tables of a lake: in a folder, and on S3."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry import run_states
from registry.objects import objects_of
from registry.run_states import RunState, RunStates


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A lake's place."""
    if request.param == "folder":
        return str(tmp_path / "a[b]*")  # a folder's name is no pattern
    return f"{request.getfixturevalue('bucket')}/{tmp_path.name}"


def test_states_are_written_read_and_marked(place: str) -> None:
    """The latest run stands first; a running one is crashed once it is known to be dead, and an ended one never."""
    kept = RunStates(place)
    assert kept.read("lib") == []
    assert kept.domains() == []
    for n, state in enumerate(("completed", "failed", "running")):
        kept.write(RunState(f"r{n}", "lib", state, began=f"2026-01-0{n + 1}T00:00:00+00:00"))  # type: ignore[arg-type]
    assert [(s.run, s.state) for s in kept.read("lib")] == [("r2", "running"), ("r1", "failed"), ("r0", "completed")]
    assert kept.domains() == ["lib"]
    [marked] = RunStates(place).crashed("lib", "Nobody knows")
    assert (marked.run, marked.ended) == ("r2", kept.read("lib")[0].ended)
    assert [s.state for s in kept.read("lib")] == ["crashed", "failed", "completed"]
    assert kept.crashed("lib", "Again") == []


def test_only_the_latest_runs_are_remembered(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more runs than are kept the latest stay; what is no state, or has something wrong in it, is passed over."""
    monkeypatch.setattr(run_states, "KEPT", 3)
    kept, objects = RunStates(place), objects_of(place)
    for name, data in (("half", b'{"run": 1, "domain"'), ("list", b"[]"), ("bare", b"{}")):
        objects.put(f"_runs/lib/{name}.json", data)
    for n in range(6):
        kept.write(RunState(f"r{n}", "lib", "completed", began=f"2026-01-01T00:0{n}:00+00:00"))
    kept.trim("lib")
    assert [s.run for s in kept.read("lib")] == ["r5", "r4", "r3"]
    assert len(objects.names("_runs/lib")) == 3


def test_a_state_that_says_nonsense_hides_no_other(tmp_path: Path) -> None:
    """Times that are none, and numbers that are text, are passed over: whoever watches sees the other runs."""
    kept, objects = RunStates(str(tmp_path)), objects_of(str(tmp_path))
    kept.write(RunState("good", "lib"))
    for n, told in enumerate(({"began": 7}, {"began": "soon"}, {"beat": "2026-01-01"}, {"total": "many"})):
        said = {"run": f"r{n}", "domain": "lib", "began": "2026-01-01T00:00:00+00:00", **told}
        objects.put(f"_runs/lib/r{n}.json", json.dumps(said).encode())
    assert [s.run for s in kept.read("lib")] == ["good"]
