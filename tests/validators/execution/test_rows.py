"""Rows of anybody's programs: what is accepted, and what is said of the rest."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from registry.records import Program
from validators.execution.rows import LINE_BYTES, Result, Row, read

GOOD = {"id": "a", "code": "x = 1", "test": "assert x == 1"}


def _read(*lines: Any) -> list[Row | Result]:
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return list(read(io.BytesIO(b"\n".join(texts))))


def test_a_full_row() -> None:
    """Every field arrives; those that are unknown, and null where a field may be missing, change nothing."""
    full = {"entry_point": "f", "requirements": ["b==2", "a==1", "b==2"], "python": "3.9", "timeout_s": 3, "more": []}
    (row,) = _read({**GOOD, **full})
    assert isinstance(row, Row)
    assert row.program == Program(code="x = 1", test="assert x == 1", entry_point="f")
    assert (row.requirements, row.python, row.timeout_s) == (("a==1", "b==2"), "3.9", 3.0)
    (bare,) = _read({**GOOD, "entry_point": None, "requirements": None, "python": None, "timeout_s": None})
    assert bare == Row("a", Program(code="x = 1", test="assert x == 1"), size=bare.size if isinstance(bare, Row) else 0)


def test_empty_lines_are_passed_over() -> None:
    """Empty lines are no rows, and count as lines; a byte order mark is no error."""
    assert [r.id for r in _read(b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), b"", b"  ", b"1", b"")] == ["a", "line 4"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "it is not JSON (Expecting property name enclosed in double quotes, column 2)"),
        (b"[]", "it is a list, not an object with id, code and test"),
        (b"null", "it is null, not an object"),
        (b'{"id": "\xff"}', "it is not UTF-8 (byte 8)"),
        (b"[" * 200_000, "it is not JSON that can be read"),
        (b'{"id": 1' + b"0" * 5000 + b"}", "it is not JSON that can be read"),
        ({"code": "", "test": ""}, "id must be a string or a whole number, and is missing"),
        ({**GOOD, "id": None}, "id must be a string or a whole number, and is null"),
        ({**GOOD, "id": True}, "id must be a string or a whole number, and is true or false"),
        ({**GOOD, "id": "\ud800"}, "id holds half a character (\\ud800)"),
        ({**GOOD, "code": None}, "code must be a string, and is null"),
        ({"id": "a", "code": ""}, "test must be a string, and is missing"),
        ({**GOOD, "test": "'\udcff'"}, "test holds half a character (\\udcff)"),
        ({**GOOD, "entry_point": "f()"}, "entry_point must be the name of a function, and is 'f()'"),
        ({**GOOD, "requirements": "pandas"}, 'requirements must be a list such as ["pandas==1.5.3"], and is a string'),
        ({**GOOD, "requirements": [1]}, "requirements must be a list"),
        ({**GOOD, "requirements": ["--index-url=x"]}, "requirements must be names with versions"),
        ({**GOOD, "requirements": ["../setup"]}, "requirements must be names with versions"),
        ({**GOOD, "requirements": ["a @ file:///tmp/a.whl"]}, "requirements must be names with versions"),
        ({**GOOD, "python": 3.10}, 'python must be a string such as "3.11" or "3.11.7", and is a number'),
        ({**GOOD, "python": ">=3.8"}, 'python must be a string such as "3.11"'),
        ({**GOOD, "timeout_s": "10"}, "timeout_s must be a number of seconds, and is a string"),
        ({**GOOD, "timeout_s": float("nan")}, "timeout_s must be a number of seconds"),
        ({**GOOD, "timeout_s": 0}, "timeout_s must be above 0 and at most 86400, and is 0"),
    ],
)
def test_what_is_no_row_is_an_error_that_says_why(line: Any, said: str) -> None:
    """A line that is no valid row is an `error` result with its line number and what is wrong; the next is read as ever."""
    first, wrong, last = _read(GOOD, line, {**GOOD, "id": 7})
    assert isinstance(first, Row) and isinstance(last, Row) and isinstance(wrong, Result)
    assert (wrong.outcome, wrong.proof, wrong.environment) == ("error", "none", None)
    assert wrong.detail.startswith("Line 2 is no valid row: ")
    assert said in wrong.detail
    assert wrong.id == ("line 2" if "id " in said[:3] or said.startswith("it ") else "a")
    assert json.loads(wrong.line().encode())["id"] == wrong.id


def test_a_line_without_end_is_cut() -> None:
    """A line that is too long is an error, is never held whole, and the one after it is read."""
    long = json.dumps({**GOOD, "code": "#" * (2 * LINE_BYTES + 100)}).encode()
    wrong, row = _read(long, GOOD)
    assert isinstance(wrong, Result)
    assert "it is longer than 32 MB" in wrong.detail
    assert (row.id, wrong.id) == ("a", "line 1")


def test_unwanted_rows_are_not_looked_at() -> None:
    """What is not wanted is dropped by its id, also where it is no valid row."""
    lines = [GOOD, {"id": "bad"}, {"id": 3, **{k: GOOD[k] for k in ("code", "test")}}, []]
    file = io.BytesIO("\n".join(map(json.dumps, lines)).encode())
    assert [r.id for r in read(file, lambda i: i == 3)] == [3]
