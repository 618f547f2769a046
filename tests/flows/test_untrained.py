"""A release that changes no call gives nothing to train on: that is what came of a run, which ends by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest

from flows.batches import perform
from flows.house import House, open_house
from flows.run import read_plan
from flows.scraping import compared
from flows.stages import STAGES, complete, finish
from flows.status import read_status
from flows.summary import show_summary
from flows.tracking import remember
from flows.training import trained
from registry.errors import ConfigurationError
from registry.records import Run, SnapshotRow
from registry.settings import Settings
from tests.flows.runs import driftune
from tests.flows.test_tracking import DOMAIN
from tests.indexed import OwnIndex, own_index

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MODULE = '''"""Sums, as of {version}. {text}"""


def add(a, b=1):
    """The sum of two numbers.

    >>> import lib
    >>> lib.add(2, 3)
    5
    """
    return a + b


def {mean}(values):
    """The mean of numbers.

    >>> import lib
    >>> lib.{mean}([1, 2, 3])
    2.0
    """
    return sum(values) / len(values)
'''

WHY = "No preference rows to train on: curation left none in the split train"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[OwnIndex]:
    """An index of `lib`: 1.1 says what 1.0 does, in other words."""
    (tmp_path / "made").mkdir()
    with own_index(tmp_path / "made") as served:
        for version in ("1.0", "1.1"):
            offer(served, version)
        yield served


def offer(index: OwnIndex, version: str, mean: str = "mean") -> None:
    text = MODULE.format(version=version, text="It adds. " * 30, mean=mean)
    index.add("lib", version, {"lib.py": text}, "License-Expression: MIT\n")


def domain(folder: Path, index: OwnIndex, settings: str) -> Path:
    path = folder / "lib.toml"
    path.write_text(DOMAIN.format(settings=settings, url=index.url) + "\n[sandbox]\nworkers = 1\n")
    return path


def done(house: House) -> str:
    """Does all that a run does; what came of it."""
    remember(house)
    for stage in STAGES.values():
        perform(stage, house)
    return finish(house)


def test_a_tracked_release_without_a_changed_call_is_ended_and_the_next_one_begun(
    index: OwnIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1.0 -> 1.1 is undecided, with the reason in summary, plan and status; the next night goes from 1.1 to 2.0."""
    path, home = domain(tmp_path, index, 'track = "latest"\nsince = "1.0"'), tmp_path / "home"
    monkeypatch.setenv("DRIFTUNE_HOME", str(home))
    with closing(open_house(str(path), moving=True)) as house:
        assert done(house) == "undecided" == complete(house)
        told = StringIO()
        show_summary(house, output=told)
        assert f"The run ends undecided: {WHY}" in " ".join(told.getvalue().split())
        assert house.lake.read(Run) == []
        assert next(row["what"] for row in read_plan(house) if row["stage"] == "train") == f"lib is undecided: {WHY}"
    (status,) = read_status("lib")
    assert (status["decision"], status["reason"], status["arms"]) == ("undecided", WHY, [])
    offer(index, "2.0", mean="average")
    night = driftune(home, "scrape", str(path))  # as a run begins
    assert night.returncode == 0, night.stderr
    assert "lib 1.1 -> 2.0" in night.stdout
    assert {(c.symbol, c.kind) for c in compared(open_house(str(path), moving=True))} == {("lib.mean", "renamed")}


def test_a_curation_without_rows_is_a_decision_too(index: OwnIndex, tmp_path: Path) -> None:
    """Of a licence that the domain doesn't take every row is removed: with versions that were set it ends likewise."""
    path = domain(tmp_path, index, 'versions = ["1.0", "1.1"]')
    path.write_text('licences = ["Zlib"]\n' + path.read_text())
    with closing(open_house(str(path), settings=Settings(home=tmp_path / "home"))) as house:
        assert done(house) == "undecided"
        assert house.lake.read(SnapshotRow) == []
        with pytest.raises(ConfigurationError, match=f"Nothing is trained on the latest snapshot of lib: {WHY}"):
            trained(house)
