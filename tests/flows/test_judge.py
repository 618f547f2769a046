"""`driftune judge` from outside: rows in, results out, whatever happens on the way."""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from validators.execution.interpreters import every
from validators.execution.rows import Result
from validators.execution.wall import WALLS

JUDGE = [sys.executable, "-m", "flows.cli", "judge"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process, with a cache of its own for all tests here."""
    return {**os.environ, "DRIFTUNE_HOME": str(tmp_path_factory.mktemp("home"))}


def _write(path: Path, rows: Iterable[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def _rows(count: int) -> list[dict[str, Any]]:
    """Every third fails."""
    code = "def twice(x):\n    return 2 * x\n"
    return [{"id": f"r{i}", "code": code, "test": f"assert twice({i}) == {2 * i + (i % 3 == 0)}"} for i in range(count)]


def _results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _judge(home: dict[str, str], *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*JUDGE, *map(str, arguments)], env=home, capture_output=True, text=True, **options)


def test_results_have_the_stated_form(home: dict[str, str], tmp_path: Path) -> None:
    """Each result has exactly the stated fields; the exit status is 0 whatever they say; --json is a summary."""
    check = "def check(candidate):\n    assert candidate(2) == 4\n"
    rows = [*_rows(3), {"id": 3, "code": "def f(x):\n    return x * x", "test": check, "entry_point": "f"}, {"id": 4}]
    done = _judge(home, _write(tmp_path / "rows.jsonl", rows), "--out", tmp_path / "out.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    results = {r["id"]: r for r in _results(tmp_path / "out.jsonl")}
    assert {i: (r["outcome"], r["proof"]) for i, r in results.items()} == {
        "r0": ("failed", "strong"), "r1": ("passed", "strong"), "r2": ("passed", "strong"), 3: ("passed", "strong"),
        4: ("error", "none"),
    }  # fmt: skip
    assert {tuple(r) for r in results.values()} == {("id", "outcome", "proof", "detail", "duration_s", "environment")}
    assert results[4]["detail"] == "Line 5 is no valid row: code must be a string, and is missing"
    assert len(results["r1"]["environment"]) == 64
    assert 0 < results["r1"]["duration_s"] < 10
    summary = json.loads(done.stdout)
    assert summary["outcomes"] == {"error": 1, "failed": 1, "passed": 3}
    assert summary["proofs"] == {"none": 1, "strong": 4}
    assert (summary["rows"], summary["judged"], summary["finished_before"], summary["repeated"]) == (5, 5, 0, 0)


def test_standard_streams(home: dict[str, str], tmp_path: Path) -> None:
    """Rows come from standard input and results go to standard output, which holds nothing else."""
    text = "".join(f"{json.dumps(row)}\n" for row in [*_rows(4), *_rows(2)])
    done = _judge(home, "-", input=text)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert Counter(r["id"] for r in found) == {f"r{i}": 1 for i in range(4)}
    assert "4 rows: failed 2, passed 2" in done.stderr
    assert "2 rows have an id that another row has: only the first was judged" in done.stderr


def test_a_stream_is_answered_while_it_is_open(home: dict[str, str]) -> None:
    """A row on an open pipe has its result before the next row is written."""
    process = subprocess.Popen([*JUDGE, "-"], env=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    for row in _rows(3):
        process.stdin.write(json.dumps(row) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == row["id"]
    process.communicate()
    assert process.returncode == 0


def test_what_is_finished_is_not_done_again(home: dict[str, str], tmp_path: Path) -> None:
    """A second run does only what is new or was unavailable; the exit status is 3 as long as something is."""
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    missing = {**_rows(1)[0], "id": "m", "requirements": ["driftune-there-is-no-such-thing"]}
    done = _judge(home, _write(rows, [*_rows(3), missing]), "--out", out)
    assert done.returncode == 3, done.stderr
    assert "unavailable 1" in done.stdout
    (unavailable,) = [r for r in _results(out) if r["outcome"] == "unavailable"]
    assert unavailable["detail"].startswith("No wheels for driftune-there-is-no-such-thing on Python ")
    missing["requirements"] = []
    with out.open("a", encoding="utf-8") as file:
        file.write('{"id": "r7", "outcome": "pas')
    done = _judge(home, _write(rows, [*_rows(4), missing]), "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["rows"], summary["judged"], summary["finished_before"]) == (5, 2, 3)
    assert sorted(r["id"] for r in _results(out)) == ["m", "r0", "r1", "r2", "r3"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl can't be read: No such file or directory"),
        (["."], ". can't be read: Is a directory"),
        (["rows.jsonl", "--out", "rows.jsonl"], "rows.jsonl can't be rows and results at once: name another file"),
        (["rows.jsonl", "--out", "no/out.jsonl"], "no/out.jsonl can't be written: No such file or directory"),
        (["rows.jsonl", "--sandbox", "jail"], "No wall 'jail': there are auto, bubblewrap"),
        (["rows.jsonl", "--timeout", "0"], "0.01"),
    ],
)
def test_the_users_errors(arguments: list[str], said: str, home: dict[str, str], tmp_path: Path) -> None:
    """What is wrong with the command is one line, exit status 2, and nothing is written."""
    _write(tmp_path / "rows.jsonl", _rows(1))
    done = _judge({**home, "PYTHONPATH": str(Path.cwd())}, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize("value", ["much", "-1"])
def test_a_wrong_setting_is_one_line(value: str, home: dict[str, str], tmp_path: Path) -> None:
    """A variable that can't be read is named, with its value, exit status 2."""
    done = _judge({**home, "DRIFTUNE_SANDBOX_MB": value}, _write(tmp_path / "rows.jsonl", _rows(1)))
    assert done.returncode == 2
    assert done.stderr.startswith(f"driftune: DRIFTUNE_SANDBOX_MB can't be '{value}': Input should be")
    assert done.stderr.count("\n") == 1


def test_no_sandbox_is_one_line(home: dict[str, str], tmp_path: Path) -> None:
    """Without any wall nothing is run or written: one line that says what to install, exit status 2."""
    rows = _write(tmp_path / "rows.jsonl", _rows(1))
    nothing = {"PATH": str(tmp_path), "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    done = _judge({**home, **nothing}, rows, "--out", tmp_path / "out.jsonl")
    assert done.returncode == 2
    assert "apt-get install bubblewrap" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out.jsonl").exists()


def test_interrupted(home: dict[str, str], tmp_path: Path) -> None:
    """Ctrl-C ends it with one line and no process left; what was written is whole, and is continued."""
    rows, out = _write(tmp_path / "rows.jsonl", _rows(3000)), tmp_path / "out.jsonl"
    command = [*JUDGE, str(rows), "--out", str(out)]
    process = subprocess.Popen(command, env=home, stderr=subprocess.PIPE, text=True)
    _wait(lambda: out.exists() and out.stat().st_size > 2000)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "Stopped; run the same command again to continue"
    assert "Traceback" not in errors
    assert 0 < len(_results(out)) < 3000


@pytest.mark.slow
def test_killed_in_the_middle(home: dict[str, str], tmp_path: Path) -> None:
    """Killed with SIGKILL several times on the way through 2,000 rows, all have their result in the end, none twice."""
    rows, out = _write(tmp_path / "rows.jsonl", _rows(2000)), tmp_path / "out.jsonl"
    command = [*JUDGE, str(rows), "--out", str(out)]
    for share in (0.15, 0.4, 0.7):
        process = subprocess.Popen(command, env=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait(lambda share=share: out.exists() and out.read_bytes().count(b"\n") > 2000 * share)
        process.kill()
        process.wait()
        assert out.read_bytes().count(b"\n") < 2000
    done = _judge(home, rows, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    found = _results(out)
    assert sorted(r["id"] for r in found) == sorted(f"r{i}" for i in range(2000))
    assert Counter(r["outcome"] for r in found) == {"failed": 667, "passed": 1333}
    assert json.loads(done.stdout)["finished_before"] > 1000


@pytest.mark.slow
def test_a_million_finished_rows(home: dict[str, str], tmp_path: Path) -> None:
    """A million rows that are finished are passed over in flat memory: at most 60 MB more than for a thousand."""
    taken = {}
    for count in (1000, 1_000_000):
        rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
        with rows.open("w", encoding="utf-8") as file, out.open("w", encoding="utf-8") as results:
            for i in range(count):
                file.write(f'{{"id": "row-{i}", "code": "x = {i}", "test": "assert x == {i}"}}\n')
                results.write(f'{{"id": "row-{i}", "outcome": "passed", "proof": "strong"}}\n')
        process = subprocess.Popen([*JUDGE, rows, "--out", out, "--json"], env=home, stdout=subprocess.PIPE)
        assert process.stdout
        summary = json.loads(process.stdout.read())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        process.stdout.close()
        assert status == 0
        assert (summary["judged"], summary["finished_before"]) == (0, count)
        taken[count] = usage.ru_maxrss >> 10
    assert taken[1_000_000] - taken[1000] <= 60, taken


def _wait(condition: Any) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("wall", WALLS)
def test_either_wall(wall: str, request: pytest.FixtureRequest, home: dict[str, str], tmp_path: Path) -> None:
    """Behind each wall the same rows come to the same results, in the same environments' folders."""
    if wall == "docker":
        request.getfixturevalue("engine")
    rows = [*_rows(12), {**_rows(1)[0], "id": "old", "python": every()[0].minor, "requirements": ["toolz==0.12.1"]}]
    out = tmp_path / "out.jsonl"
    variables = {**home, **{k: v for k, v in os.environ.items() if k == "DOCKER_HOST"}}
    done = _judge(variables, _write(tmp_path / "rows.jsonl", rows), "--out", out, "--sandbox", wall)
    assert done.returncode == 0, done.stderr
    assert Counter((r["outcome"], r["proof"]) for r in _results(out)) == {
        ("failed", "strong"): 5,
        ("passed", "strong"): 8,
    }


HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "judge.md"

TASK = {
    "task_id": "Own/0",
    "prompt": 'def longest(words):\n    """ The longest word.\n    >>> longest(["a", "bc"])\n    \'bc\'\n    """\n',
    "canonical_solution": '    return max(words, key=len, default="")\n',
    "test": "M = {'author': 'us'}\n\n\ndef check(candidate):\n    assert candidate(['a', 'bc']) == 'bc'\n",
    "entry_point": "longest",
}
MBPP_TASK = {
    "task_id": 7, "text": "Write a function to add two numbers.", "code": "def add(a, b):\r\n  return a + b",
    "test_setup_code": "", "test_list": ["assert add(1, 2)==3", "assert add(-1, 1)==0"], "challenge_test_list": [],
}  # fmt: skip


def test_the_recipes_for_others_benchmarks(home: dict[str, str], tmp_path: Path) -> None:
    """The how-to's recipes make rows of such files: own solutions pass with strong proof, bodies without any fail."""
    broken = {**TASK, "task_id": "Own/1", "canonical_solution": "    return None\n"}
    with gzip.open(tmp_path / "HumanEval.jsonl.gz", "wt") as file:
        file.write("".join(f"{json.dumps(task)}\n" for task in (TASK, broken)))
    _write(tmp_path / "mbpp.jsonl", [MBPP_TASK, {**MBPP_TASK, "task_id": 8, "code": "def add(a, b):\r\n  return None"}])
    *recipes, reading = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.M | re.S)
    for recipe in recipes:
        subprocess.run([sys.executable, "-c", recipe], cwd=tmp_path, check=True)
    rows = (tmp_path / "humaneval.jsonl").read_text() + (tmp_path / "mbpp-rows.jsonl").read_text()
    (tmp_path / "rows.jsonl").write_text(rows, encoding="utf-8")
    out = tmp_path / "humaneval-results.jsonl"
    done = _judge(home, tmp_path / "rows.jsonl", "--out", out)
    assert done.returncode == 0, done.stderr
    assert {r["id"]: (r["outcome"], r["proof"]) for r in _results(out)} == {
        "Own/0": ("passed", "strong"), "Own/1": ("failed", "strong"),
        7: ("passed", "strong"), 8: ("failed", "strong"),
    }  # fmt: skip
    shown = subprocess.run([sys.executable, "-c", reading], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "passed" in shown.stdout


def test_the_how_to_lists_every_field_and_option() -> None:
    """Every field of a row and a result, and every outcome, stands in the how-to."""
    text = HOW_TO.read_text(encoding="utf-8")
    rows = ["id", "code", "test", "entry_point", "requirements", "python", "timeout_s"]
    fields = [f.name for f in dataclasses.fields(Result)]
    outcomes = ["passed", "failed", "error", "timeout", "memory", "killed", "flaky", "unavailable"]
    assert [name for name in (*rows, *fields, *outcomes) if f"`{name}`" not in text] == []
