"""The stage `validate`: what has a verdict is not run again, and what has lost its verdict is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TypeVar

import pytest

from flows import running, stages, validation
from flows.batches import Stage
from flows.house import House
from flows.running import Said, run_now
from flows.scraping import releases, scrape_key
from flows.stages import COMMANDS, STAGES, UNFINISHED, complete, end_part, finish
from flows.synthesis import derive_key, mine_key
from flows.training import train_key
from flows.validation import (
    TRIES,
    all_tried,
    is_to_be_tried_again,
    lost,
    shard_key,
    validate_derived_stage,
    validate_mined_stage,
    waiting_lines,
)
from registry.domain import Domain
from registry.errors import SandboxError
from registry.records import Environment, Example, Program, Release, Removal, Snapshot, Verdict
from registry.settings import Settings
from validators.execution.pool import HARNESS

T = TypeVar("T")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A home with one row of two programs, of a library that isn't there."""
    domain = Domain.model_validate({"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}})
    place = SimpleNamespace(record=WHERE, folder=tmp_path)
    for module in (validation, running):
        monkeypatch.setattr(module, "environment", lambda *_: place)
    made = House(domain=domain, settings=Settings(home=tmp_path))
    for version in ("1", "2"):
        release = Release(library="lib", version=version, artifact_sha256=version)
        key = scrape_key(made, made.library.source[0], version)
        made.finish("scrape", "scrape", [key], [release], 0.0, {"release": release.id})
    example = Example(
        domain="d", kind="test", releases=(release.id,), parts={"programs": {"answer": ANSWER.id, "stub": STUB.id}},
        file="a.py", root="r", generator="g", generator_version="1",
    )  # fmt: skip
    for found in releases(made):
        rows = [ANSWER, STUB, example] if found.id == release.id else []
        made.finish("synth", "g@1", [mine_key(made, found)], rows, 0.0)
    return made


WHERE = Environment(python="3.11.7", requirements=("lib==2",), settings={})
ANSWER, STUB, OTHER = (Program(code=f"r = {n}", test="assert r") for n in range(3))


def verdict(program: Program, outcome: str) -> Verdict:
    return Verdict(program=program.id, environment=WHERE.id, harness=HARNESS, policy="k=2,timeout=10", outcome=outcome,
                   proof="none", detail="No sandbox: the engine is gone")  # fmt: skip


def sizes(house: House) -> list[int]:
    return [batch.size for batch in validate_mined_stage(house)]


def run(house: House, outcome: str, stage: Stage = validate_mined_stage) -> list[str]:
    """Performs what is left: the answer passes, and the others do or not; the programs that were tried."""
    tried: list[str] = []

    def made(_: object, programs: Sequence[Program], **__: object) -> list[Verdict]:
        tried.extend(p.id for p in programs)
        return [verdict(p, "passed" if p.id == ANSWER.id else outcome) for p in programs]

    house.__dict__["pool"] = SimpleNamespace(run=made)
    for batch in stage(house):
        batch.run()
    return tried


def test_what_lost_its_verdict_is_run_again(made: House) -> None:
    """Remembered work is done only as long as each of its programs has a verdict."""
    assert sizes(made) == [2]
    key = shard_key(made, WHERE.id, sorted((ANSWER.id, STUB.id)))
    made.finish("validate", HARNESS, [key], [verdict(STUB, "failed")], 0.0)
    assert sizes(made) == [1]
    made.append([verdict(ANSWER, "passed")])
    assert sizes(made) == []


def test_what_could_not_be_run_is_tried_by_the_next_runs_but_not_for_ever(made: House) -> None:
    """Once a run, and by three; then whenever a person asks. Once it ran, nothing tells that it couldn't be."""
    for tries, left in enumerate((2, 1, 1), start=1):
        made.run = f"run {tries}"
        assert (sizes(made), all_tried(made)) == ([left], tries > 1)
        run(made, "unavailable")
        assert (sizes(made), all_tried(made)) == ([], True), "not twice by one run, and it is in nobody's way"
        assert is_to_be_tried_again(made) == (tries < TRIES)
    made.run = "one more"
    assert sizes(made) == []
    made.command = "validate"
    assert sizes(made) == [1]
    run(made, "passed")
    [work] = made.lake.work("validate").values()
    assert work.result == {"release": releases(made)[1].id, "environment": WHERE.id}
    assert not is_to_be_tried_again(made)


def undecided(house: House) -> None:
    """A curation without rows: what a run comes to without a training."""
    empty = Snapshot(domain="d", rows_sha256="0", filters={})
    house.finish("curate", "c@1", ["c"], [empty], 0.0, {"snapshot": empty.id})
    house.finish("train", "t@1", [train_key(house)], [], 0.0, {"nothing": "No row is proven"})


def test_the_part_with_a_gpu_ends_though_a_program_is_to_be_tried_again(
    made: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the part before couldn't run holds up no later part, and what was never tried does; the next run tries."""
    monkeypatch.setattr(stages, "STAGES", {name: STAGES[name] for name in COMMANDS["validate"]})  # all else is done
    undecided(made)
    assert end_part(made, "gpu") == UNFINISHED
    for stage in (validate_mined_stage, validate_derived_stage):
        run(made, "unavailable", stage)
    made.run = "the other part's"
    assert end_part(made, "gpu") == "undecided"
    assert complete(made) is None
    assert sizes(made) == [1]


def test_what_a_person_has_rescued_after_the_last_try_is_something_to_do(made: House) -> None:
    """A run that gave up is complete, until `driftune validate` gives a verdict: rows wait for the next curation."""
    undecided(made)
    for tries in range(1, TRIES + 1):
        made.run = f"run {tries}"
        run(made, "unavailable")
        assert (finish(made), complete(made)) == ("undecided", "undecided" if tries == TRIES else None)
    made.run, made.command = "a person's", "validate"
    run(made, "unavailable")
    assert complete(made) == "undecided", "nothing was rescued"
    made.run = "once more"
    run(made, "passed")
    assert complete(made) is None
    made.run, made.command = "the next", "run"
    assert (finish(made), complete(made)) == ("undecided", "undecided")


def test_once_a_program_ran_no_row_is_read_to_know_that_none_waits(
    made: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A verdict that has passed since was unavailable for ever: each run read all rows three times at its end."""
    run(made, "unavailable")
    made.run = "the next"
    read: list[int] = []
    for name in ("mined", "unwritten", "written"):
        monkeypatch.setattr(validation, name, counted(getattr(validation, name), read))
    assert is_to_be_tried_again(made)
    assert read
    run(made, "passed")
    read.clear()
    assert not is_to_be_tried_again(made)
    assert read == []


def counted(function: Callable[..., T], calls: list[int]) -> Callable[..., T]:
    """The function, with a note of each call."""

    def call(*arguments: object) -> T:
        calls.append(1)
        return function(*arguments)

    return call


def test_what_two_stages_need_is_tried_once_a_run(made: House) -> None:
    """A program of a mined and a derived row that couldn't be run is tried by three runs, not six times."""
    tried = run(made, "unavailable")
    parts = {"programs": {"answer": OTHER.id, "stub": STUB.id}}
    derived = Example(
        domain="d", kind="test", releases=(releases(made)[1].id,), parts=parts, file="b.py", root="s", generator="g",
        generator_version="1",
    )  # fmt: skip
    made.finish("synth", "d@1", [derive_key(made)], [OTHER, derived], 0.0)
    tried += run(made, "unavailable", validate_derived_stage)
    assert (tried.count(STUB.id), tried.count(OTHER.id)) == (1, 1)
    for night in range(TRIES + 1):
        made.run = f"night {night}"
        assert is_to_be_tried_again(made) == (night < TRIES - 1)
        for stage in (validate_mined_stage, validate_derived_stage):
            tried += run(made, "unavailable", stage)
    assert (tried.count(STUB.id), tried.count(OTHER.id)) == (TRIES, TRIES)
    made.run, made.command = "a person's", "validate"
    assert run(made, "passed") == [STUB.id]
    assert run(made, "passed", validate_derived_stage) == [OTHER.id]
    assert lost(made) == [], "nothing says that something waits"


def test_rows_that_wait_are_told(made: House) -> None:
    """How many, why, and what has them tried again; nothing where none do."""
    assert waiting_lines(made) == []
    removal = Removal(example="e", rule="unavailable", curation="c", domain="d", detail="No sandbox: gone")
    made.finish("curate", "c@1", ["c"], [removal], 0.0)
    [line] = waiting_lines(made)
    assert line.startswith("1 rows wait for what couldn't be run (No sandbox: gone): 3 runs try it")
    assert "driftune validate d" in line


def test_what_could_not_be_run_is_not_taken_for_observed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a sandbox is gone while generators observe programs, the step fails: it would be done with rows missing."""
    domain = Domain.model_validate({"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}})
    made = House(domain=domain, settings=Settings(home=tmp_path))
    where = Environment(python="3.11.7", requirements=("lib==2",), settings={})
    monkeypatch.setattr(running, "environment", lambda *_: SimpleNamespace(record=where))  # there is no such lib
    outcomes = {"r = 1": "passed", "r = 2": "unavailable"}
    made.__dict__["pool"] = SimpleNamespace(  # an entry point's: its outcomes, whatever is installed here
        run=lambda _, programs, **__: [
            Verdict(
                program=p.id, environment=where.id, harness=HARNESS, policy="k=2,timeout=10",
                outcome=outcomes[p.code], proof="none", detail="No sandbox: the engine is gone",
            )
            for p in programs
        ]
    )  # fmt: skip
    release = Release(library="lib", version="2", artifact_sha256="2")
    one, two = (Program(code=code, test="assert r") for code in outcomes)
    ran = Said({release.id: made.shelf()})
    assert run_now(made, release, [one], ran)[one.id].outcome == "passed"
    with pytest.raises(SandboxError, match="the engine is gone"):
        run_now(made, release, [one, two], ran)
    outcomes["r = 2"] = "passed"
    assert set(run_now(made, release, [one, two], ran)) == {one.id, two.id}
