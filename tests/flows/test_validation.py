"""The stage `validate`: what has a verdict is not run again, and what has lost its verdict is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from flows import running, validation
from flows.house import House
from flows.running import Said, run_now
from flows.scraping import releases, scrape_key
from flows.synthesis import mine_key
from flows.validation import shard_key, validate_mined_stage
from registry.domain import Domain
from registry.errors import SandboxError
from registry.records import Environment, Example, Program, Release, Verdict
from registry.settings import Settings
from validators.execution.pool import HARNESS


def test_what_lost_its_verdict_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remembered work is done only as long as each of its programs has a verdict, be it `unavailable`."""
    domain = Domain.model_validate({"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}})
    made = House(domain=domain, settings=Settings(home=tmp_path))
    where = Environment(python="3.11.7", requirements=("lib==2",), settings={})
    monkeypatch.setattr(validation, "environment", lambda *_: SimpleNamespace(record=where))  # there is no such lib
    for version in ("1", "2"):
        release = Release(library="lib", version=version, artifact_sha256=version)
        key = scrape_key(made, made.library.source[0], version)
        made.finish("scrape", "scrape", [key], [release], 0.0, {"release": release.id})
    programs = [Program(code=f"r = {n}", test="assert r") for n in range(2)]
    answer, stub = (p.id for p in programs)
    example = Example(
        domain="d", kind="test", releases=(release.id,), parts={"programs": {"answer": answer, "stub": stub}},
        file="a.py", root="r", generator="g", generator_version="1",
    )  # fmt: skip
    for found in releases(made):
        made.finish(
            "synth", "g@1", [mine_key(made, found)], [*programs, example] if found.id == release.id else [], 0.0
        )
    assert [batch.size for batch in validate_mined_stage(made)] == [2]
    verdicts = [
        Verdict(program=p, environment=where.id, harness=HARNESS, policy="k=2,timeout=10", outcome=o, proof="none")
        for p, o in ((answer, "passed"), (stub, "unavailable"))
    ]
    made.finish("validate", HARNESS, [shard_key(made, where.id, sorted((answer, stub)))], verdicts[1:], 0.0)
    assert [batch.size for batch in validate_mined_stage(made)] == [2]
    made.append(verdicts[:1])
    assert validate_mined_stage(made) == []


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
