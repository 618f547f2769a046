"""What Tab completes in the shell of `driftune sql`: the lake's views, columns and macros, and SQL's own words."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from registry.lake import Lake

COMMANDS = (".columns", ".macros", ".quit", ".views")
_WORD = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_BREAKS = " \t\n,;()[]'=<>+-*/|"
_RARE = 3
"""Letters before DuckDB's own functions (over 1,500) are offered too."""


class Words:
    """The names a statement may use.

    Args:
        lake: The lake, created.
    """

    def __init__(self, lake: Lake) -> None:
        rows = lake.query("""
            SELECT view_name AS view, list(column_name ORDER BY column_index) AS columns
            FROM duckdb_views() JOIN duckdb_columns() ON table_name = view_name WHERE NOT duckdb_views.internal
            GROUP BY ALL ORDER BY ALL
        """).to_pylist()
        self.columns: dict[str, list[str]] = {row["view"]: row["columns"] for row in rows}
        self._macros = _names(lake, "SELECT DISTINCT function_name FROM duckdb_functions() WHERE NOT internal")
        self._functions = _names(lake, "SELECT DISTINCT function_name FROM duckdb_functions() WHERE internal")
        self._keywords = _names(lake, "SELECT keyword_name FROM duckdb_keywords()")

    def complete(self, before: str, word: str) -> list[str]:
        """What `word` may become.

        Args:
            before: What was typed before it, of the whole statement.
            word: What was typed of it; `view.start` gives the view's columns.
        """
        if not before.strip() and word.startswith("."):
            return [c + " " for c in COMMANDS if c.startswith(word)]
        if before.lstrip().startswith(".columns"):
            return _starting(word, self.columns)
        view, dot, start = word.rpartition(".")
        if dot:
            return [f"{view}.{name}" for name in _starting(start, self.columns.get(view.lower(), []))]
        sources = [*self.columns, *(f"{m}(" for m in self._macros)]
        if before.lower().split()[-1:] in (["from"], ["join"]):
            return _starting(word, sources)
        named = [v for v in dict.fromkeys(_WORD.findall(before.lower())) if v in self.columns]
        columns = [c for v in named or self.columns for c in self.columns[v]]
        keywords = [k.lower() if word.islower() else k.upper() for k in self._keywords]
        functions = [f"{f}(" for f in self._functions if _WORD.fullmatch(f)] if len(word) >= _RARE else []
        ordered = _starting(word, [*sources, *columns]) + _starting(word, keywords) + _starting(word, functions)
        return list(dict.fromkeys(ordered))


def _names(lake: Lake, query: str) -> list[str]:
    return sorted(str(name) for name in lake.query(query).column(0).to_pylist())


def _starting(start: str, names: list[str] | dict[str, list[str]]) -> list[str]:
    return sorted(name for name in names if name.lower().startswith(start.lower()))


@contextlib.contextmanager
def line_editing(lake: Lake, lines: list[str], history: Path) -> Iterator[None]:
    """Within the block, `input` edits lines, Tab completes, and a history is kept in a file.

    Args:
        lake: The lake, created.
        lines: The lines of the statement so far, above the one that is typed.
        history: The file.
    """
    try:
        import readline
    except ImportError:  # a Python without it: plain lines
        yield
        return
    words: list[Words] = []
    found: list[str] = []

    def completed(text: str, number: int) -> str | None:
        if number == 0:
            words[:] = words or [Words(lake)]  # asked for at the first Tab
            typed = readline.get_line_buffer()[: readline.get_begidx()]
            found[:] = words[0].complete("\n".join([*lines, typed]), text)
        return found[number] if number < len(found) else None

    with contextlib.suppress(OSError):
        readline.read_history_file(history)
    readline.set_completer_delims(_BREAKS)
    readline.set_completer(completed)
    readline.parse_and_bind("tab: complete")
    try:
        yield
    finally:
        readline.set_completer(None)
        readline.set_history_length(1000)
        with contextlib.suppress(OSError):
            readline.write_history_file(history)
