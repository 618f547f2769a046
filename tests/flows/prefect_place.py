"""A real Prefect server, for tests of what `driftune deploy` leaves on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.engine import prepare_prefect
from flows.prefect_api import ask
from flows.server import prefect_server
from tests.flows.runs import ROOT, environment, small_domain


@dataclass(frozen=True)
class Place:
    """A Prefect server, and a folder with a domain's file, from which it is deployed to."""

    address: str
    folder: Path

    def run(self, *arguments: str, fails: int = 0) -> str:
        """Runs a command of driftune there; what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=self.folder,
            env=environment(self.folder / "home", PYTHONPATH=str(ROOT), PREFECT_API_URL=self.address),
            capture_output=True,
            text=True,
        )
        assert done.returncode == fails, done.stderr
        return done.stdout + done.stderr

    def post(self, path: str, body: Any) -> Any:
        """What the server answers."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PREFECT_API_URL", self.address)
            return ask("POST", path, body, seconds=30)

    def found(self, what: str) -> dict[str, Any]:
        """Name -> each thing of a kind that the server has."""
        return {row["name"]: row for row in self.post(f"{what}/filter", {})}

    def deployments(self) -> dict[str, Any]:
        """Flow and name -> deployment."""
        flows = {row["id"]: name for name, row in self.found("flows").items()}
        return {f"{flows[row['flow_id']]}/{row['name']}": row for row in self.post("deployments/filter", {})}


@contextmanager
def own_server(folder: Path) -> Iterator[str]:
    """A Prefect server whose home is a folder; its address. The environment is afterwards what it was."""
    before = dict(os.environ)
    try:
        os.environ.pop("PREFECT_API_URL", None)
        prepare_prefect(folder)
        with prefect_server(folder) as server:
            yield server.address
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def served_place(folder: Path) -> Iterator[Place]:
    """A Prefect server, and a folder with a domain that tracks its library."""
    (folder / "domains").mkdir()
    path = small_domain(folder / "domains")
    path.write_text(path.read_text().replace('versions = ["8.14.0", "11.2.1"]', 'track = "latest"'))
    with own_server(folder) as address:
        yield Place(address, folder)
