"""What all tests share: where CI=true a skipped test fails; and a finished run over networkx, made when asked for."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from finetune.bases import BaseModel
    from tests.flows.scheduled import Scheduled

# A busy machine is no failure, a failure comes again at the next run, and nothing is written beside the tests.
settings.register_profile(
    "driftune", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("driftune")

STRICT = os.environ.get("CI", "").lower() in {"1", "true"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns the skip of a test into its failure."""
    report = yield
    return _no_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turns the skip of a module into its failure."""
    report = yield
    return _no_skip(report)


def _no_skip(report: Any) -> Any:
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: {reason}. With CI=true nothing may be skipped: install what is missing"
    return report


ENGINE = Path(__file__).parents[1] / "scripts" / "engine.sh"


@pytest.fixture(scope="session")
def engine() -> Iterator[Path]:
    """The folder of a real Docker engine of the tests' own; DOCKER_HOST names it as long as tests run."""
    folder = tempfile.mkdtemp(prefix="engine-")
    with pytest.MonkeyPatch.context() as patch:
        try:
            started = subprocess.run([ENGINE, "up", folder], stdout=subprocess.PIPE, text=True, timeout=500, check=True)
            patch.setenv("DOCKER_HOST", started.stdout.strip())
            yield Path(folder)
        finally:
            subprocess.run([ENGINE, "down", folder], timeout=300, check=True)


@pytest.fixture(scope="session")
def writing(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    """A base that can write: it knows a few functions by heart (tests/finetune/writing.py)."""
    from tests.finetune.writing import chained_base

    return chained_base(tmp_path_factory.mktemp("writing") / "base")


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The domain file and home of a finished run over a small real library, by one process; to be copied."""
    from tests.flows.runs import driftune, small_domain

    folder = tmp_path_factory.mktemp("small")
    domain, home = small_domain(folder), folder / "home"
    done = driftune(home, "run", str(domain), DRIFTUNE_SANDBOX__WORKERS="1")
    assert done.returncode == 4, done.stderr + done.stdout
    return domain, home


@pytest.fixture(scope="session")
def scheduled(tmp_path_factory: pytest.TempPathFactory) -> Scheduled:
    """Two scheduled runs over networkx: 20 minutes on two cores, within the time limit of the test that asks first."""
    from tests.flows.scheduled import run_twice

    return run_twice(tmp_path_factory.mktemp("scheduled"))


@pytest.fixture(scope="session")
def networkx_home(scheduled: Scheduled) -> Path:
    """Home folder of a finished run over networkx."""
    return scheduled.home
