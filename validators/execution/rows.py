"""Rows of anybody's programs, one JSON object a line, and what becomes of each: the format of `driftune judge`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

from packaging.requirements import InvalidRequirement, Requirement

from registry.records import Program
from validators.execution.interpreters import VERSION

LINE_BYTES = 32 << 20
LONGEST_S = 86400.0

Identifier = str | int


@dataclass(frozen=True)
class Row:
    """One program to be judged, and where.

    Attributes:
        id: Its name, as it was given.
        program: Code, test and entry point.
        requirements: What its environment holds.
        python: Version of its interpreter; None for the running one.
        timeout_s: Wall seconds for one attempt; None for the default.
        size: Bytes of its line.
    """

    id: Identifier
    program: Program
    requirements: tuple[str, ...] = ()
    python: str | None = None
    timeout_s: float | None = None
    size: int = 0


@dataclass(frozen=True)
class Result:
    """What became of a row.

    Attributes:
        id: The row's; `line 7` where it has none.
        outcome: As a verdict's.
        proof: As a verdict's.
        detail: One line: what decided.
        duration_s: Wall seconds of the first attempt.
        environment: Id of the environment; None where it never came to one.
    """

    id: Identifier
    outcome: str
    proof: str = "none"
    detail: str = ""
    duration_s: float = 0.0
    environment: str | None = None

    def line(self) -> str:
        """As a line of the output, without its end: ASCII, so that no reader splits it elsewhere."""
        return json.dumps(self.__dict__)


def read(file: BinaryIO, wanted: Callable[[Identifier], bool] = lambda _: True) -> Iterator[Row | Result]:
    """The rows of a file; where a line is none, an `error` result that says what is wrong with it.

    Args:
        file: Lines of UTF-8; empty ones are passed over.
        wanted: Asked once for each id, before its row is looked at any further.
    """
    for number, line in enumerate(_lines(file), 1):
        if not line.strip():
            continue
        identifier: Identifier = f"line {number}"
        try:
            said = _object(line)
            identifier = _identifier(said)
            if wanted(identifier):
                yield _row(identifier, said, len(line))
        except _Wrong as error:
            if not isinstance(error, _Nameless) or wanted(identifier):
                yield Result(identifier, "error", detail=f"Line {number} is no valid row: {error}")


class _Wrong(Exception):  # noqa: N818 - a property of the line
    """What is wrong with a line."""


class _Nameless(_Wrong):
    """It has no id that it could be known by."""


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines, one that is too long cut: what follows of it is never held."""
    while line := file.readline(LINE_BYTES):
        if len(line) == LINE_BYTES and not line.endswith(b"\n"):
            while (rest := file.readline(LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
        yield line


def _object(line: bytes) -> dict[str, Any]:
    if len(line) >= LINE_BYTES:
        raise _Nameless(f"it is longer than {LINE_BYTES >> 20} MB")
    try:
        said = json.loads(line.rstrip().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _Nameless(f"it is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise _Nameless(f"it is not JSON ({error.msg}, column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise _Nameless(f"it is not JSON that can be read ({type(error).__name__})") from error
    if not isinstance(said, dict):
        raise _Nameless(f"it is {_kind(said)}, not an object with id, code and test")
    return said


def _identifier(said: dict[str, Any]) -> Identifier:
    found = said.get("id")
    if "id" not in said or not isinstance(found, (str, int)) or isinstance(found, bool):
        raise _Nameless(f"id must be a string or a whole number{_got(said, 'id')}")
    _text(said, "id") if isinstance(found, str) else None
    return found


def _row(identifier: Identifier, said: dict[str, Any], size: int) -> Row:
    code, test = _text(said, "code"), _text(said, "test")
    entry = _text(said, "entry_point") if said.get("entry_point") is not None else None
    if entry is not None and not entry.isidentifier():
        raise _Wrong(f"entry_point must be the name of a function, and is {entry[:50]!r}")
    program = Program(code=code, test=test, entry_point=entry)
    return Row(identifier, program, _requirements(said), _python(said), _timeout(said), size)


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str):
        raise _Wrong(f"{name} must be a string{_got(said, name)}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        wrong = f"{name} holds half a character (\\u{ord(value[error.start]):04x})"
        raise (_Nameless if name == "id" else _Wrong)(wrong) from error
    return value


def _requirements(said: dict[str, Any]) -> tuple[str, ...]:
    value = said.get("requirements")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(r, str) for r in value):
        raise _Wrong(f'requirements must be a list such as ["pandas==1.5.3"]{_got(said, "requirements")}')
    wrong = _wrong_requirement(tuple(value))
    if wrong:
        raise _Wrong(wrong)
    return tuple(sorted(set(value)))


@lru_cache(maxsize=1024)
def _wrong_requirement(requirements: tuple[str, ...]) -> str:
    for text in requirements:
        try:
            if Requirement(text).url is None:
                continue
        except InvalidRequirement:
            pass
        return f'requirements must be names with versions such as "pandas==1.5.3", and one is {text[:80]!r}'
    return ""


def _python(said: dict[str, Any]) -> str | None:
    value = said.get("python")
    if value is not None and not (isinstance(value, str) and VERSION.fullmatch(value)):
        raise _Wrong(f'python must be a string such as "3.11" or "3.11.7"{_got(said, "python")}')
    return value


def _timeout(said: dict[str, Any]) -> float | None:
    value = said.get("timeout_s")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _Wrong(f"timeout_s must be a number of seconds{_got(said, 'timeout_s')}")
    if not 0 < value <= LONGEST_S:
        raise _Wrong(f"timeout_s must be above 0 and at most {LONGEST_S:g}, and is {value:g}")
    return float(value)


def _got(said: dict[str, Any], name: str) -> str:
    return f", and is {_kind(said[name])}" if name in said else ", and is missing"


def _kind(value: Any) -> str:
    names: Iterable[tuple[type, str]] = (
        (type(None), "null"), (bool, "true or false"), (str, "a string"), (int, "a number"), (float, "a number"),
        (list, "a list"), (dict, "an object"),
    )  # fmt: skip
    return next(name for kind, name in names if isinstance(value, kind))
