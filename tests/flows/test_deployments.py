"""`driftune deploy --server`: what a real Prefect server has after it, how often it is asked, and after `--remove`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from flows.deploy import Request, api_address, serve
from flows.engine import prepare_prefect
from flows.scheduled import Part
from flows.server import prefect_server
from flows.stages import COMMANDS, PARTS, STAGES, stages_of
from registry.errors import ConfigurationError
from tests.flows.runs import ROOT, environment, small_domain


def test_parts_make_up_a_run() -> None:
    """What a CPU and a GPU machine do is each stage once, in a run's order; and parts are what a flow takes."""
    assert set(get_args(Part)) == set(PARTS)
    assert [*stages_of(PARTS["cpu"]), *stages_of(PARTS["gpu"])] == list(STAGES) == stages_of(PARTS["all"])


@pytest.mark.parametrize(
    "said", ["http://127.0.0.1:4200", "http://127.0.0.1:4200/", "http://127.0.0.1:4200/api"]
)  # fmt: skip
def test_the_address_of_page_and_api_will_do(said: str) -> None:
    """A server is named by the address that a browser has, or by Prefect's own setting."""
    assert api_address(said) == "http://127.0.0.1:4200/api"


def test_pools_need_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only workers can do is refused where there is no server, instead of being left out."""
    monkeypatch.chdir(ROOT)
    with pytest.raises(ConfigurationError, match="Without a Prefect server there are no pools: name one with --server"):
        serve(["networkx"], Request("0 3 * * *", gpu=True))


@dataclass(frozen=True)
class Place:
    """A Prefect server, and a folder with a domain's file, from which it is deployed to."""

    address: str
    folder: Path

    def run(self, *arguments: str, fails: int = 0) -> str:
        """Runs `driftune deploy`; what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", "deploy", *arguments, "--server", self.address.removesuffix("/api")],
            cwd=self.folder,
            env=environment(self.folder / "home", PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
        )
        assert done.returncode == fails, done.stderr
        return done.stdout + done.stderr

    def found(self, what: str) -> dict[str, Any]:
        """Name -> each thing of a kind that the server has."""
        rows = httpx.post(f"{self.address}/{what}/filter", json={}, trust_env=False).json()
        return {row["name"]: row for row in rows}

    def deployments(self) -> dict[str, Any]:
        """Flow and name -> deployment."""
        flows = {row["id"]: name for name, row in self.found("flows").items()}
        rows = httpx.post(f"{self.address}/deployments/filter", json={}, trust_env=False).json()
        return {f"{flows[row['flow_id']]}/{row['name']}": row for row in rows}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A Prefect server of these tests' own, and a folder with a domain that tracks its library."""
    folder, before = tmp_path_factory.mktemp("place"), dict(os.environ)
    (folder / "domains").mkdir()
    path = small_domain(folder / "domains")
    path.write_text(path.read_text().replace('versions = ["8.14.0", "11.2.1"]', 'track = "latest"'))
    try:
        os.environ.pop("PREFECT_API_URL", None)
        prepare_prefect(folder)
        with prefect_server(folder) as server:
            yield Place(server.address, folder)
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.mark.slow
def test_deploying_is_idempotent_and_can_be_taken_back(place: Place) -> None:
    """Deployed again, with other options too, the server has the same deployments; removed, it has nothing of ours."""
    said = place.run("more-itertools", "--cron", "0 3 * * *")
    assert "Deployed refresh/more-itertools" in said
    first = place.deployments()
    assert set(first) == {"refresh/more-itertools", "stage/more-itertools", "watch/more-itertools"}

    told = json.loads(place.run("more-itertools", "--cron", "30 4 * * *", "--gpu", "--at-once", "3", "--json"))
    assert set(told["deployments"]) == {*first, "refresh/more-itertools-gpu"}
    second = place.deployments()
    assert {name: second[name]["id"] for name in first} == {name: row["id"] for name, row in first.items()}
    nightly = second["refresh/more-itertools"]
    assert [each["schedule"]["cron"] for each in nightly["schedules"]] == ["30 4 * * *"]
    assert (nightly["parameters"]["part"], nightly["work_pool_name"]) == ("cpu", "driftune-cpu")
    gpu = second["refresh/more-itertools-gpu"]
    assert (gpu["parameters"]["part"], gpu["work_pool_name"], gpu["schedules"]) == ("gpu", "driftune-gpu", [])
    assert second["stage/more-itertools"]["parameter_openapi_schema"]["properties"]["stage"]["enum"] == list(COMMANDS)
    assert nightly["job_variables"]["env"]["DRIFTUNE_HOME"] == str(place.folder / "home")
    pools = place.found("work_pools")
    assert {name: pools[name]["concurrency_limit"] for name in pools} == {"driftune-cpu": 3, "driftune-gpu": 1}
    assert place.found("v2/concurrency_limits")["driftune-gpu"]["limit"] == 1

    place.run("more-itertools")  # no longer with a GPU: the run does everything again
    third = place.deployments()
    assert set(third) == set(first)
    assert third["refresh/more-itertools"]["parameters"]["part"] == "all"

    place.run("more-itertools", "--remove")
    assert place.deployments() == place.found("work_pools") == place.found("v2/concurrency_limits") == {}


def test_a_server_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers, that is said with the address, and nothing is made."""
    (tmp_path / "domains").mkdir()
    small_domain(tmp_path / "domains")
    gone = Place("http://127.0.0.1:9/api", tmp_path)
    assert gone.run("more-itertools", fails=1).startswith(
        "driftune: No Prefect server answers at http://127.0.0.1:9/api"
    )
    assert not (tmp_path / "home").exists()
