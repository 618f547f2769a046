"""Which wall is chosen where: one that stands is used without a setting; where none does, one line says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.runs import driftune, small_domain

ROWS = [
    {"id": 1, "code": "def f(x):\n    return x + 1\n", "test": "assert f(1) == 2"},
    {"id": 2, "code": "def f(x):\n    return x\n", "test": "assert f(1) == 2"},
]
JUDGE = [sys.executable, "-m", "flows.cli", "judge"]


def judge(folder: Path, *before: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`driftune judge` over two rows, started by `before`, in an environment with these variables."""
    rows = folder / "rows.jsonl"
    rows.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS), encoding="utf-8")
    environment = {**os.environ, "DRIFTUNE_HOME": str(folder / "home"), **variables}
    command = [*before, *JUDGE, str(rows), "--out", str(folder / "out.jsonl")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


def outcomes(folder: Path) -> dict[int, tuple[str, str]]:
    """Id -> outcome and proof."""
    lines = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: (row["outcome"], row["proof"]) for row in map(json.loads, lines)}


def nowhere(folder: Path) -> dict[str, str]:
    """Variables of a machine on which no other program is found, and no engine."""
    (folder / "bin").mkdir(exist_ok=True)
    return {"PATH": str(folder / "bin"), "DOCKER_HOST": f"unix://{folder}/docker.sock"}


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a command that ended as the user's error."""
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("driftune: ")]
    assert "Traceback" not in done.stderr
    return line


def test_with_neither_wall_one_line_names_both(tmp_path: Path) -> None:
    """With neither engine nor bubblewrap nothing runs: one line says what to install, and the exit code is 2."""
    said = refused(judge(tmp_path, **nowhere(tmp_path)))
    assert "bubblewrap is missing. Install it with: apt-get install bubblewrap" in said
    assert "no Docker engine answers" in said
    assert not (tmp_path / "out.jsonl").exists() or (tmp_path / "out.jsonl").read_text() == ""


def test_with_neither_wall_no_run_begins(tmp_path: Path) -> None:
    """A whole run says the same line before it has done anything."""
    home = tmp_path / "home"
    said = refused(driftune(home, "run", str(small_domain(tmp_path)), **nowhere(tmp_path)))
    assert "bubblewrap is missing" in said
    assert "Docker" in said
    assert not list(home.glob("lake/*/2*.parquet"))


FORBID = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'


def test_where_user_namespaces_are_forbidden_the_setting_is_named(tmp_path: Path) -> None:
    """With bubblewrap on a kernel that forbids user namespaces, and no engine, the line names the kernel's setting."""
    nested = ("unshare", "--user", "--map-root-user", "sh", "-c", FORBID, "sh")
    said = refused(judge(tmp_path, *nested, DOCKER_HOST=nowhere(tmp_path)["DOCKER_HOST"]))
    assert "sysctl -w user.max_user_namespaces=10000" in said
    assert "no Docker engine answers" in said


def test_docker_alone_is_enough(engine: Path, tmp_path: Path) -> None:
    """Where there is an engine and no bubblewrap, programs run behind Docker without a setting."""
    done = judge(tmp_path, PATH=nowhere(tmp_path)["PATH"])
    assert done.returncode == 0, done.stderr
    assert outcomes(tmp_path) == {1: ("passed", "strong"), 2: ("failed", "strong")}


def test_an_engine_helps_where_user_namespaces_are_forbidden(engine: Path, tmp_path: Path) -> None:
    """With bubblewrap on a kernel that forbids user namespaces, the engine's wall is taken."""
    nested = ("unshare", "--user", "--map-root-user", "sh", "-c", FORBID, "sh")
    done = judge(tmp_path, *nested)
    assert done.returncode == 0, done.stderr
    assert outcomes(tmp_path) == {1: ("passed", "strong"), 2: ("failed", "strong")}


def test_bubblewrap_alone_is_enough(tmp_path: Path) -> None:
    """Where there is bubblewrap and no engine, programs run behind it without a setting."""
    done = judge(tmp_path, DOCKER_HOST=nowhere(tmp_path)["DOCKER_HOST"])
    assert done.returncode == 0, done.stderr
    assert outcomes(tmp_path) == {1: ("passed", "strong"), 2: ("failed", "strong")}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('wall = "brick"', ["'brick'", "bubblewrap", "docker"]),
        ('wall = "bubblewrap"\nimage = "debian"', ["image", "'docker'"]),
        ('image = "driftune/there-is-no-such-image"', ["docker pull driftune/there-is-no-such-image"]),
        ('runtime = "there-is-no-such-runtime"', ["there-is-no-such-runtime", "runc"]),
    ],
)
def test_a_wrong_setting_is_one_line(setting: str, said: list[str], engine: Path, tmp_path: Path) -> None:
    """A wall, image or runtime that isn't there is refused before the run begins, in one line."""
    domain = small_domain(tmp_path)
    domain.write_text(domain.read_text().replace("[sandbox]\n", f"[sandbox]\n{setting}\n"))
    line = refused(driftune(tmp_path / "home", "run", str(domain)))
    for part in said:
        assert part in line
