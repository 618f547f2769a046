"""A task of Prefect's is tried again where that can help, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.runs import ROOT, environment

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
from pathlib import Path
from flows.engine import prepare_prefect
from flows.server import prefect_server

home = Path(sys.argv[1])
prepare_prefect(home)
with prefect_server(home):
    from prefect import flow
    from flows.refresh import as_task
    from flows.retrying import Patience
    from registry.errors import ConfigurationError, SourceError

    calls = []
    patience = Patience(first_s=0.01)

    def fails(error):
        calls.append(type(error).__name__)
        if calls.count(type(error).__name__) < 2:
            raise error
        return 7

    @flow
    def both():
        helped = patience.tried(lambda: as_task("helps", lambda: fails(SourceError("Timed out", retryable=True))))
        assert helped == 7
        try:
            patience.tried(lambda: as_task("hopeless", lambda: fails(ConfigurationError("No such library"))))
        except ConfigurationError as error:
            return str(error)

    print(both(), calls)
"""


def test_only_errors_that_can_pass_are_tried_again(tmp_path: Path) -> None:
    """A retryable error is tried again until it passes; the user's error comes out as it was, after one call."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "home")], cwd=ROOT, env=environment(tmp_path / "home"),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "No such library ['SourceError', 'SourceError', 'ConfigurationError']"
