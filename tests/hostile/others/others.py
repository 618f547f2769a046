"""Another distribution's sandboxes: one that is sound, one that believes what it is told, and one that is none."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from registry.records import Program, Verdict
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool


class Careful(Pool):
    """As good as driftune's own."""


class Credulous(Pool):
    """Takes an exit status of 0 for a success, and what its programs leave for nothing to worry about."""

    def run(self, environment: BuiltEnvironment, programs: Iterable[Program], **options: Any) -> Iterator[Verdict]:
        for verdict in super().run(environment, programs, **options):
            ended = verdict.outcome == "killed" and "exit status 0" in verdict.detail
            yield replace(verdict, outcome="passed", proof="strong") if ended else verdict


class Open:
    """Runs programs as they are, on the host."""

    def __init__(self, workers: int = 1) -> None:
        self._pool = Pool(workers)
        self._folder = tempfile.TemporaryDirectory()

    def available(self) -> str | None:
        return None

    def build(self, requirements: Iterable[str], cache: Path, **options: Any) -> BuiltEnvironment:
        return self._pool.build(list(requirements), cache, **options)

    def run(
        self, environment: BuiltEnvironment, programs: Iterable[Program], *, timeout_s: float = 10.0, **_: Any
    ) -> Iterator[Verdict]:
        for program in programs:
            for name, text in program.files.items():
                Path(self._folder.name, name).write_text(text, encoding="utf-8")
            script = f"{program.code}\n{program.test}"
            done = subprocess.run(
                [sys.executable, "-c", script], cwd=self._folder.name, timeout=timeout_s, capture_output=True, text=True
            )
            yield Verdict(
                program=program.id,
                environment=environment.record.id,
                harness="open",
                policy="k=1",
                outcome="failed" if done.returncode else "passed",
                proof="strong",
                detail=done.stderr[-200:],
            )

    def close(self) -> None:
        self._pool.close()
        self._folder.cleanup()
