"""Engines: threads, processes and Ray come to the same lake and scores, and a killed worker loses its shard alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from flows.answering import Models, answered_by
from flows.batches import perform
from flows.crews import Crew, ProcessCrew, RayCrew
from flows.executors import BareExecutors
from flows.house import House, open_house
from flows.many import one_cluster
from flows.rays import connected, started_at
from flows.retrying import Patience
from flows.spreading import spread
from flows.stages import STAGES
from registry.errors import WorkerError
from registry.records import Score
from registry.settings import Settings
from tests.flows import jobs
from tests.flows.asked import asked, small_models
from tests.flows.runs import ROOT, environment
from tests.flows.written_lib import DOMAIN, done, files
from tests.indexed import own_index

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

QUICK = Patience(tries=2, first_s=0.1)

MADE = ("mine", "validate mined", "derive", "validate derived")


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a domain and a home in which it is scraped; its index answers meanwhile."""
    folder = tmp_path_factory.mktemp("scraped")
    (folder / "made").mkdir()
    with own_index(folder / "made") as index:
        for version, is_new in (("1.0", False), ("2.0", True)):
            index.add("lib", version, files(is_new=is_new), "License-Expression: MIT\n")
        (folder / "lib.toml").write_text(DOMAIN.format(url=index.url))
        done(folder, upto="compare")
        yield folder


@pytest.fixture(scope="module")
def by_threads(scraped: Path) -> dict[str, str]:
    """What the lake comes to by threads."""
    return made(scraped, "threads")


def made(scraped: Path, engine: str) -> dict[str, str]:
    """The fingerprint of the lake, made by an engine over a copy of what is scraped."""
    with closing(opened(scraped, engine)) as house:
        for name in MADE:
            perform(STAGES[name], house)
            assert STAGES[name](house) == []
        return house.lake.fingerprint()


def opened(scraped: Path, engine: str) -> House:
    """The run of the domain by an engine, over a copy of what is scraped."""
    home = scraped / engine
    if not home.exists():
        shutil.copytree(scraped / "home", home)
    return open_house(str(scraped / "lib.toml"), settings=Settings(home=home, engine=engine))


@pytest.fixture(scope="module")
def cluster() -> Iterator[int]:
    """A Ray cluster of this machine's, which all that asks for one in this process shares."""
    with connected("", 2) as hands:
        yield hands


@pytest.fixture(params=["processes", "ray"])
def crew(request: pytest.FixtureRequest) -> Iterator[Crew]:
    """A crew of two whose workers are other processes."""
    executors = BareExecutors()
    if request.param == "ray":
        request.getfixturevalue("cluster")
    with closing(RayCrew(executors, 2) if request.param == "ray" else ProcessCrew(executors, 2)) as opened:
        yield opened


SENT = """
import cloudpickle, sys, threading
from pathlib import Path
from flows.engine import prepare_prefect
prepare_prefect(Path(sys.argv[1]))
from flows import refresh
from flows.task_runners import shard
refresh._OPEN["run"] = refresh.BATCHES["batch"] = threading.Lock()
print(len(cloudpickle.dumps((refresh.stage_flow, shard))))
"""


def test_what_prefect_sends_to_workers_holds_nothing_of_the_run(tmp_path: Path) -> None:
    """The flow that goes along with each shard is small, and can be pickled whatever this process has open."""
    done = subprocess.run(
        [sys.executable, "-c", SENT, tmp_path], cwd=ROOT, env=environment(tmp_path), capture_output=True, check=True
    )
    assert int(done.stdout) < 5000


def test_a_worker_that_is_killed_loses_its_own_job_alone(crew: Crew, tmp_path: Path) -> None:
    """Each job's result comes once and in order, and the job that was killed alone was begun again."""
    assert list(spread(jobs.killed_once, str(tmp_path), range(12), 2, crew, QUICK)) == list(range(12))
    assert sorted(int(each.name.partition("-")[0]) for each in tmp_path.glob("*-*")) == list(range(12))


def test_a_job_that_kills_each_worker_is_given_up(crew: Crew) -> None:
    """What kills its worker as often as it is tried is an error, and the crew does the next jobs as before."""
    with pytest.raises(WorkerError, match="killing"):
        list(spread(jobs.killing, None, range(2), 2, crew, QUICK))
    assert list(spread(divmod, 7, [2, 3, 4], 2, crew, QUICK)) == [(3, 1), (2, 1), (1, 3)]


CONNECT = """
import time
from flows.rays import connected, started_at
from registry.settings import Settings
with connected(Settings().ray_address, 1) as hands:
    import ray
    ray.get(ray.remote(lambda: 1).remote())
    time.sleep(2.5)
    print(started_at(), hands)
"""


def workers(count: int) -> set[int]:
    """The processes of so many tasks at once."""
    import ray

    def nap() -> int:
        time.sleep(1)
        return os.getpid()

    task = ray.remote(nap)
    return set(ray.get([task.remote() for _ in range(count)]))


def test_runs_of_many_domains_share_a_cluster(cluster: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each open run would start a cluster of its own, of 800 MB; so they are told of one, which a process joins.

    While another works, a run's workers stay as they are, with their sandboxes and models.
    """
    monkeypatch.delenv("DRIFTUNE_RAY_ADDRESS", raising=False)
    with one_cluster(Settings(engine="threads"), 2):
        assert Settings().ray_address == ""
    with one_cluster(Settings(engine="ray"), 2):
        mine = workers(cluster)
        joined = subprocess.run([sys.executable, "-c", CONNECT], capture_output=True, text=True, check=True)
        assert joined.stdout.split() == [started_at(), str(cluster)]
        assert workers(cluster) == mine
    assert Settings().ray_address == ""


@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_all_engines_make_the_same_lake(scraped: Path, by_threads: dict[str, str], cluster: int, engine: str) -> None:
    """Ids and digests of all that is mined, derived and run are those that threads come to."""
    assert cluster == 2
    assert made(scraped, engine) == by_threads


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """A small base and an adapter on it."""
    return small_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def scores(scraped: Path, small: Models) -> list[Score]:
    """What they answer in this process."""
    return evaluated(scraped, small, "threads")


def evaluated(scraped: Path, models: Models, engine: str, folder: Path | None = None) -> list[Score]:
    """The scores of models by an engine, of whose workers one is killed amid where there is a folder for its mark."""
    every = list(asked(models))
    if folder is not None:
        model, arm, first = every[0]
        given = (str(folder), first.answer, first.given)
        every[0] = (model, arm, replace(first, answer=jobs.answering_once_killed, given=given))
    with closing(opened(scraped, engine)) as house:
        return list(answered_by(house, models.base, models.adapters, models.window, every))


@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_all_engines_come_to_the_same_scores(
    scraped: Path, small: Models, scores: list[Score], cluster: int, engine: str, tmp_path: Path
) -> None:
    """Each score of base and adapter is that of one process to the last bit, though a worker was killed amid."""
    assert cluster == 2
    assert evaluated(scraped, small, engine, tmp_path) == scores
    assert (tmp_path / "killed").exists()
    assert {score.arm for score in scores} == {"base", "adapter"}
