"""The file of results: continued, mended, and never taken for something else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import ConfigurationError, LockedError
from validators.execution.ledger import Ledger
from validators.execution.rows import Result


def _ids(path: Path) -> list[object]:
    return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_is_finished_is_known(tmp_path: Path) -> None:
    """A second writer knows the first one's ids, of either type, and counts what became of them."""
    out = tmp_path / "out.jsonl"
    first = Ledger(out)
    for result in (Result("1", "passed", "strong"), Result(2, "failed", "weak", "é\u2028"), Result("line 3", "error")):
        first.append(result)
    first.close()
    second = Ledger(out)
    assert [second.names.done(i) for i in ("1", 2, "line 3", 1, "2")] == [True, True, True, False, False]
    assert dict(second.outcomes) == {("passed", "strong"): 1, ("failed", "weak"): 1, ("error", "none"): 1}
    assert not second.names.add("1")
    assert second.names.add("new")
    assert not second.names.done("new")
    second.close()
    assert _ids(out) == ["1", 2, "line 3"]


@pytest.mark.parametrize("torn", ['{"id": "b", "outco', '{"id": "b", "outcome": "passed"}', "\0\0"])
def test_a_torn_last_line_goes(torn: str, tmp_path: Path) -> None:
    """What a killed writer wrote half (or without its end) is not finished, and the next line stands by itself."""
    out = tmp_path / "out.jsonl"
    out.write_text(f"{Result('a', 'passed').line()}\n{torn}", encoding="utf-8")
    ledger = Ledger(out)
    assert not ledger.names.done("b")
    ledger.append(Result("b", "failed"))
    ledger.close()
    assert _ids(out) == ["a", "b"]


def test_what_was_unavailable_is_not_finished(tmp_path: Path) -> None:
    """Rows for which nothing was done leave the file, and are done again; each id stands in it once."""
    out = tmp_path / "out.jsonl"
    lines = [Result("a", "passed"), Result("b", "unavailable", detail="No sandbox"), Result("c", "timeout")]
    out.write_text("".join(f"{r.line()}\n" for r in lines) + "{", encoding="utf-8")
    ledger = Ledger(out)
    assert [ledger.names.done(i) for i in "abc"] == [True, False, True]
    ledger.append(Result("b", "passed"))
    ledger.close()
    assert _ids(out) == ["a", "c", "b"]
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize(
    "text", ["hello\n", '{"id": "a", "code": "", "test": ""}\n', "[]\n", '{"outcome": "passed"}\n']
)
def test_other_files_are_left_alone(text: str, tmp_path: Path) -> None:
    """A file that holds something else than results is refused, and not changed."""
    out = tmp_path / "out.jsonl"
    out.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"Line 1 of .*out\.jsonl is no result"):
        Ledger(out)
    assert out.read_text(encoding="utf-8") == text


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """Who comes second is told; when the first is killed, the file is free."""
    out = tmp_path / "out.jsonl"
    code = "import sys; from pathlib import Path; from validators.execution.ledger import Ledger\n"
    code += "held = Ledger(Path(sys.argv[1])); print('held', flush=True); input()"
    command = [sys.executable, "-c", code, str(out)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout and holder.stdout.readline() == b"held\n"
    with pytest.raises(LockedError, match="Another process writes to"):
        Ledger(out)
    holder.kill()
    holder.communicate()
    Ledger(out).close()


def test_a_full_disk_is_said() -> None:
    """Where a result can't be written, it is the disk's fault, in one line that says what to do."""
    full = Ledger(Path("/dev/full"))
    with pytest.raises(ConfigurationError, match="No space left on the disk: free some and run the same command again"):
        full.append(Result("a", "passed"))
    full.close()


def test_what_can_not_be_written_is_said(tmp_path: Path) -> None:
    """A folder that isn't there is the user's error; a pipe or device is written to, and nothing is looked for in it."""
    with pytest.raises(ConfigurationError, match=r"out\.jsonl can't be written: No such file or directory"):
        Ledger(tmp_path / "nowhere" / "out.jsonl")
    null = Ledger(Path(os.devnull))
    null.append(Result("a", "passed"))
    null.close()
