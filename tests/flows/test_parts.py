"""A refresh in two parts: up to the snapshot on one machine, from there on one with a GPU; and what each tells."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.batches import perform
from flows.events import Event, listening
from flows.house import House
from flows.news import tell_yield
from flows.scheduled import Part, refresh_scheduled
from flows.stages import PARTS, STAGES, UNFINISHED, end_part, stages_of
from registry.domain import Domain
from registry.records import Snapshot
from registry.settings import Settings


@pytest.mark.slow
def test_the_parts_of_a_refresh_come_to_what_the_whole_does(
    small_run: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set to train otherwise, the first part does nothing but say so, the second trains and decides, once."""
    domain, home = tmp_path / "more-itertools.toml", tmp_path / "home"
    shutil.copytree(small_run[1], home)
    domain.write_text(
        small_run[0].read_text().replace("[train.sft]\nbatch = 4\nsteps = 8", "[train.sft]\nbatch = 4\nsteps = 9")
    )
    monkeypatch.setenv("DRIFTUNE_HOME", str(home))
    monkeypatch.setenv("DRIFTUNE_SANDBOX__WORKERS", "1")
    done: list[str] = []

    def stages(house: House, _: str, part: Part) -> str:
        done.extend(stage for stage in stages_of(PARTS[part]) if perform(STAGES[stage], house))
        came_to = end_part(house, part)
        house.close()
        return came_to

    heard: list[Event] = []
    with listening(heard.append):
        assert refresh_scheduled(str(domain), "cpu", 1, stages) == UNFINISHED
        assert done == []
        [proven] = heard
        assert (proven.kind, proven.facts["new"]) == ("driftune.rows.proven", 0), "the training is another one"
        assert refresh_scheduled(str(domain), "gpu", 1, stages) in ("rejected", "undecided")
        assert done == ["train", "evaluate"]
        assert [event.kind for event in heard[1:]] == ["driftune.gate.refused"]
        assert refresh_scheduled(str(domain), "cpu", 1, stages) in ("rejected", "undecided")
        assert len(heard) == 2
        assert done == ["train", "evaluate"], "all of it is done"


@pytest.mark.parametrize(("rows", "told"), [(41, []), (40, []), (39, ["driftune.yield.halved"])])
def test_a_snapshot_with_hardly_half_the_rows_is_told_of(rows: int, told: list[str], tmp_path: Path) -> None:
    """Half of the rows of the snapshot before pass unnoticed, less do not; and a first snapshot is never small."""
    library = {"name": "toolz", "versions": ("0.12.0", "1.0.0")}
    house = House(Domain.model_validate({"name": "toolz", "library": [library]}), Settings(home=tmp_path))
    first = Snapshot(domain="toolz", rows_sha256="a", filters={}, counts={"bug": {"train": 60, "dev": 20}})
    house.append([first])
    then = Snapshot(domain="toolz", rows_sha256="b", filters={}, counts={"bug": {"train": rows}}, parent=first.id)
    heard: list[Event] = []
    with listening(heard.append):
        tell_yield(house, first)
        tell_yield(house, then)
    assert [event.kind for event in heard] == told
