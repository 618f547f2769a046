"""What may help is tried again, what can't help isn't, and what fails again and again is set aside."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.batches import Batch, Shard, perform, perform_all
from flows.crews import Piecework
from flows.events import Event, listening
from flows.house import House
from flows.retrying import Patience
from flows.setting_aside import forget_all, read_asides
from registry.domain import Domain
from registry.errors import ConfigurationError, DriftuneError, SandboxError, SourceError
from registry.settings import Settings


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (SourceError("The index is away", retryable=True), 3),
        (ConfigurationError("No such licence"), 1),
        (SandboxError("No wheel fits"), 1),
        (ValueError("a bug"), 1),
    ],
)
def test_only_what_can_help_is_tried_again(error: Exception, tries: int) -> None:
    """An error's class says whether it is tried again; the last one is raised as it was."""
    waited: list[float] = []
    failures: list[BaseException] = []

    def failing() -> None:
        raise error

    with pytest.raises(type(error)):
        Patience(tries=3).tried(failing, failures.append, waited.append)
    assert len(failures) == tries
    assert len(waited) == tries - 1


def test_waiting_grows_is_drawn_and_has_an_end() -> None:
    """Each wait is at most twice the one before, at least half of that, never over the cap, and not the same twice."""
    patience = Patience(tries=10, first_s=2, most_s=60)
    for failures, most in ((1, 2), (2, 4), (5, 32), (6, 60), (1000, 60)):
        drawn = {patience.wait_s(failures) for _ in range(50)}
        assert all(most / 2 <= each <= most for each in drawn)
        assert len(drawn) > 1


def test_a_stage_is_listed_again(tmp_path: Path) -> None:
    """What is left to do may hang on an environment that is built for it, whose installer was killed."""
    domain = Domain.model_validate({"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}})
    house = House(domain, Settings(home=tmp_path))
    failures: list[str] = []

    def stage(_house: House) -> list[Batch]:
        if not failures:
            failures.append("killed")
            raise SandboxError("Installing lib failed: it was killed", retryable=True)
        return [Batch("Something", 1, lambda: 1)]

    assert perform(stage, house) == 1
    assert failures == ["killed"]


class Shards:
    """Shards of a house, of which some fail."""

    def __init__(self, home: Path, **settings: Any) -> None:
        domain = Domain.model_validate({"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}})
        self.house = House(domain, Settings(home=home, **settings))
        self.kept: list[int] = []
        self.threads: set[int] = set()

    def perform(self, count: int, do: Callable[[int], int]) -> None:
        """Has so many done."""
        kind = Piecework(do, lambda _, job: do(job), None)
        shards = [Shard(f"{n}" * 20, kind, lambda n=n: n, self._keep) for n in range(count)]
        batches = [Batch.of(f"Shard {n}", 1, each) for n, each in enumerate(shards)]
        perform_all(self.house, batches, lambda _, run: run())

    def _keep(self, number: int) -> int:
        self.threads.add(threading.get_ident())
        self.kept.append(number)
        return 1


def test_a_shard_that_fails_again_and_again_is_set_aside_and_the_next_run_takes_it_up(tmp_path: Path) -> None:
    """The others are done, its log tells of each try, who listens is told; once it is done the log is gone."""
    told: list[Event] = []

    def failing(number: int) -> int:
        if number == 2:
            raise SandboxError("It is gone", retryable=True)
        return number

    first = Shards(tmp_path, tries=2)
    with pytest.MonkeyPatch.context() as patch, listening(told.append):
        patch.setattr(House, "patience", Patience(2, first_s=0.01))
        first.perform(5, failing)
    assert sorted(first.kept) == [0, 1, 3, 4]
    [aside] = first.house.aside
    log = json.loads(Path(aside.log).read_text())
    assert [log["title"], log["error"], len(log["tries"])] == ["Shard 2", "It is gone", 2]
    assert [(each.kind, each.facts["title"]) for each in told] == [("driftune.shard.set-aside", "Shard 2")]
    assert read_asides(tmp_path, "d") == [aside]
    second = Shards(tmp_path)
    second.perform(5, lambda number: number)
    assert second.house.aside == read_asides(tmp_path, "d") == []


@pytest.mark.parametrize("error", [ConfigurationError("No such key"), SandboxError("Another environment")])
def test_what_stays_wrong_ends_the_run(tmp_path: Path, error: DriftuneError) -> None:
    """An error that is known to stay is no matter of one shard: nothing is set aside, the run ends with it."""

    def failing(number: int) -> int:
        if number == 2:
            raise error
        return number

    shards = Shards(tmp_path)
    with pytest.raises(type(error)):
        shards.perform(5, failing)
    assert read_asides(tmp_path, "d") == []


def test_where_no_shard_can_be_done_the_run_ends(tmp_path: Path) -> None:
    """Where the first three fail and none was done it is no matter of shards: the error ends the run."""

    def failing(number: int) -> int:
        raise ValueError(number)

    shards = Shards(tmp_path)
    with pytest.raises(ValueError, match=r"\d"):
        shards.perform(40, failing)
    assert len(shards.house.aside) == 2
    forget_all(shards.house)
    assert read_asides(tmp_path, "d") == []
