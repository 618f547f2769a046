"""The worker under every Python that this machine has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from registry.errors import SandboxError
from registry.records import Program
from validators.execution.interpreters import NEWEST, OLDEST, find
from validators.execution.pool import Pool

PROGRAMS: list[tuple[str, str, str, str]] = [
    ("def f(x):\n    return [x, {x: 1.5}]", "assert f(2) == [2, {2: 1.5}]", "passed", "strong"),
    ("def f(x):\n    return x", "assert f(2) == 3", "failed", "strong"),
    ("def f():\n    raise KeyError('a')", "import pytest\nwith pytest.raises(KeyError):\n    f()", "error", "strong"),
    ("import warnings\nwarnings.warn('old', DeprecationWarning)\nx = iter([1])", "assert x", "passed", "weak"),
    ("import os\nprint(os.listdir('/tmp/work'))\nx = (1, 2)", "assert x == (1, 2)", "passed", "strong"),
    ("import os\nos._exit(0)", "assert x == 1", "killed", "none"),
    ("import platform\nx = platform.python_version()", "assert x == {version!r}", "passed", "strong"),
]


@pytest.mark.parametrize("minor", [f"3.{n}" for n in range(OLDEST[1], NEWEST[1] + 1)])
def test_the_worker_serves_under_every_python(minor: str, pool: Pool, sandbox_cache: Path) -> None:
    """Where that Python is here, programs come to the verdicts that they have elsewhere; else one line says so."""
    try:
        version = find(minor).version
    except SandboxError as error:
        assert re.search(rf"No Python {minor} here: found .*uv python install {minor}", str(error))
        return
    where = pool.build([], sandbox_cache, python=version)
    programs = [Program(code=code, test=test.replace("{version!r}", repr(version))) for code, test, _, _ in PROGRAMS]
    verdicts = list(pool.run(where, programs, attempts=1, watch=["x"], trace=["json"]))
    assert [(v.outcome, v.proof) for v in verdicts] == [(outcome, proof) for _, _, outcome, proof in PROGRAMS]
    assert [w["message"] for w in verdicts[3].warnings] == ["old"]
    assert verdicts[4].output == "['program.py']\n"
    assert verdicts[4].values["x"] == {"actual": "(1, 2)"}
