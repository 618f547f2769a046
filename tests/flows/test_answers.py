"""Answers to held-out rows in the stage `evaluate`: the domain's own sandbox runs them, or it is said why none did."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from finetune.bases import TinyBase
from finetune.row_metrics import WRITTEN
from finetune.row_writing import KINDS
from flows import evaluation
from flows.batches import perform
from flows.curation import snapshot_id
from flows.evaluation import evaluate_key, evaluate_stage, told_written
from flows.house import House, open_house
from flows.training import train_stage
from registry.domain_files import with_table
from registry.errors import SandboxError
from registry.identity import sha256_of
from registry.records import ARMS, Score, Snapshot, SnapshotRow, Work
from registry.settings import Settings
from tests.finetune.lib_drift import OLD, TINY, sites
from tests.finetune.proven import proven
from tests.flows.test_training import TABLE, scrape
from validators.execution.pool import Pool

RUN = {"pass@1_doc", "pass@1_test", "pass@1_bug"}
"""The metrics of programs that were run."""


class Walled(Pool):
    """A sandbox that says, each time it is asked, whether it can be used; the last answer stays."""

    def __init__(self, *answers: str | None) -> None:
        super().__init__(1)
        self.answers = list(answers)

    def available(self) -> str | None:
        """The next answer."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A trained domain with held-out rows of all kinds, whose library's environment is Python and nothing else."""
    base = TinyBase(OLD).prepare(OLD, {**TINY, "steps": 1}, tmp_path / "bases").path
    (tmp_path / "lib.toml").write_text(TABLE.format(path=base) + "[gate]\nwritten = 1\n[sandbox]\nworkers = 1\n")
    monkeypatch.setattr(evaluation, "environment", lambda house, _: house.pool.build([], house.folder("sandbox")))
    with closing(open_house(str(tmp_path / "lib.toml"), settings=Settings(home=tmp_path / "home"))) as opened:
        scrape(opened)
        rows, calls = proven(1), sites(4, 1)
        snapshot = Snapshot(domain="lib", rows_sha256=sha256_of([r.id for r in calls]), filters={})
        work = Work(key="k", stage="curate", domain="lib", part="curate@1", outputs=1, result={"snapshot": snapshot.id})
        split = {row.id: "train" for row in calls[:6]} | {row.id: "context" for row in (*calls[6:], *rows.examples)}
        listed = [SnapshotRow(snapshot=snapshot.id, example=name, split=where) for name, where in split.items()]
        opened.append([*calls, *rows.examples, *rows.programs.values(), *listed])
        opened.append([snapshot, work])
        assert snapshot_id(opened) == snapshot.id
        perform(train_stage, opened)
        yield opened


def measured(house: House) -> dict[str, set[str]]:
    """Metric -> arms, of what was written."""
    found: dict[str, set[str]] = {}
    for score in house.lake.read(Score):
        if score.metric in WRITTEN:
            found.setdefault(score.metric, set()).add(score.arm)
    return found


def test_what_is_written_is_run_in_the_sandbox(house: House) -> None:
    """Every arm's programs have a verdict; a base that knows nothing writes none that passes, nor keeps to a scope."""
    perform(evaluate_stage, house)
    assert {metric: measured(house).get(metric) for metric in (*RUN, "edit_scope")} == {
        metric: set(ARMS) for metric in (*RUN, "edit_scope")
    }
    assert {s.value for s in house.lake.read(Score) if s.metric in RUN} == {0.0}
    told = "for up to 1 rows of each kind in context and symbol, by both models, without and with docs"
    assert told_written(house, counted=False) == told
    assert told_written(house, counted=True) == f"{told}: {4 * len(KINDS)} texts at most"
    assert "not_run" not in (house.result(evaluate_key(house)) or {})


def test_without_a_sandbox_all_else_is_measured_and_it_is_said(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program is run, nor an environment built; decided all the same, and asked to write anew it is done anew."""
    told: list[str] = []
    house.tell = lambda title, *_: told.append(title)
    monkeypatch.setattr(House, "pool", Walled("no user namespaces"))
    monkeypatch.delattr(evaluation, "environment")
    perform(evaluate_stage, house)
    assert set(measured(house)) & (RUN | {"edit_scope"}) == {"edit_scope"}
    result = house.result(evaluate_key(house)) or {}
    assert (result["not_run"], result["decision"]) == ("no user namespaces", "undecided")
    assert "Run no program that a model writes: no sandbox: no user namespaces" in told
    other = dataclasses.replace(house, domain=with_table(house.domain, "gate", {"written": 2}))
    assert len(evaluate_stage(other)) == 1


def test_what_could_not_be_run_is_not_done(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that goes away is an error; nothing is remembered as measured, and the next try finishes it."""
    with monkeypatch.context() as patch:
        gone = Walled(None, "it went away")
        patch.setattr(House, "pool", gone)
        with closing(gone), pytest.raises(SandboxError, match=r"couldn't be run: No sandbox: it went away"):
            perform(evaluate_stage, house)
    assert house.result(evaluate_key(house)) is None
    assert measured(house) == {}
    perform(evaluate_stage, house)
    assert set(measured(house)) >= RUN
