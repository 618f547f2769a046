"""`driftune sql`: one read-only query over the lake's views, or a small shell."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import decimal
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from flows.line_editing import line_editing
from registry.errors import ConfigurationError
from registry.lake import Lake, is_json, open_lake

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("table", "csv", "json", "parquet")
_HELP = (
    ".quit leaves, .views and .macros list what can be asked, .columns VIEW shows one; Tab completes;"
    " a query may have several lines, and ends with ;"
)


def run_sql(query: str | None, output: str = "table") -> None:
    """Prints the result of a query; where there is none, reads queries from the terminal or standard input.

    Args:
        query: One query of DuckDB's SQL.
        output: `table`, `csv`, `json` (one array of objects) or `parquet` (to a file or pipe, not to a terminal).

    Raises:
        ConfigurationError: The query or the format is wrong.
    """
    if output not in FORMATS:
        raise ConfigurationError(f"No format {output!r}: choose one of {', '.join(FORMATS)}", format=output)
    if output == "parquet" and sys.stdout.isatty():
        raise ConfigurationError("Parquet is no text: send it to a file, as in driftune sql --format parquet … > rows")
    lake = open_lake()
    if query is not None:
        write(lake.query(query, is_a_persons=True), output)
        return
    _shell(lake, output, lake.home / "sql_history")


def write(table: pa.Table, output: str) -> None:
    """Writes a table to standard output in one of the formats."""
    {"table": _as_table, "csv": _as_csv, "json": _as_json, "parquet": _as_parquet}[output](table)


def rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows as JSON-ready objects: JSON columns parsed, times as ISO text with their zone."""
    parsed = {field.name for field in table.schema if is_json(field)}
    for batch in table.to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            yield {name: _plain(value, name in parsed) for name, value in row.items()}


def _plain(value: Any, is_json: bool = False) -> Any:
    if is_json and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, decimal.Decimal):
        return float(value) if int(value.as_tuple().exponent) < 0 else int(value)
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None  # JSON has no such numbers
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return value.hex() if isinstance(value, bytes) else str(value)


def _as_json(table: pa.Table) -> None:
    separator = "["
    for row in rows(table):
        print(separator, json.dumps(row, ensure_ascii=False), sep="", end="")
        separator = ",\n "
    print("]" if separator != "[" else "[]")


def _as_csv(table: pa.Table) -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(table.column_names)
    for row in rows(table):
        out.writerow(json.dumps(v, ensure_ascii=False) if isinstance(v, (dict, list)) else v for v in row.values())


def _as_parquet(table: pa.Table) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, sys.stdout.buffer, compression="zstd")


def _as_table(table: pa.Table) -> None:
    """One line a row where the terminal is wide enough; else, and where a text has lines, a block a row."""
    from rich.console import Console

    from flows.render import blocks, grid

    shown = list(rows(table))
    console = Console()
    console.print(
        blocks(shown) if _is_long(shown, console.width) else grid(table.column_names, [r.values() for r in shown])
    )
    console.print(f"{len(shown)} row{'' if len(shown) == 1 else 's'}", style="dim")


def _is_long(shown: list[dict[str, Any]], width: int) -> bool:
    texts = [str(v) for row in shown for v in row.values()]
    widest = max((sum(len(str(v)) + 3 for v in row.values()) for row in shown), default=0)
    return any("\n" in text for text in texts) or widest > width * 3


def _shell(lake: Lake, output: str, history: Path) -> None:
    """Reads statements until the end of input or `.quit`; an error in one is said, and the next is read."""
    interactive = sys.stdin.isatty()
    if interactive:
        print(_HELP)
    lines: list[str] = []
    with line_editing(lake, lines, history) if interactive else contextlib.nullcontext():
        for statement in _statements(sys.stdin, interactive, lines):
            try:
                _answer(lake, statement, output)
            except ConfigurationError as error:
                if not interactive:
                    raise
                print(error, file=sys.stderr)


def _answer(lake: Lake, statement: str, output: str) -> None:
    command, _, rest = statement.partition(" ")
    if command == ".views":
        statement = "SELECT view_name AS view FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
    elif command == ".columns":
        name = rest.strip().replace("'", "''")
        statement = f"SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = '{name}'"  # noqa: S608
    elif command == ".macros":
        statement = """
            SELECT function_name || '(' || array_to_string(parameters, ', ') || ')' AS macro, comment AS answers
            FROM duckdb_functions() WHERE NOT internal AND comment IS NOT NULL ORDER BY ALL
        """
    elif command.startswith("."):
        raise ConfigurationError(f"No command {command}. {_HELP}")
    write(lake.query(statement, is_a_persons=True), output)


def _statements(source: IO[str], interactive: bool, lines: list[str]) -> Iterator[str]:
    """The statements of a stream: a line that starts with a dot, or everything up to a line that ends with `;`.

    Args:
        source: The stream.
        interactive: Whether to ask for lines on the terminal.
        lines: The lines of the statement that is being read.
    """
    ask: Callable[[], str] = (lambda: input("   ...> " if lines else "driftune> ")) if interactive else _reader(source)
    while True:
        try:
            line = ask().strip()
        except EOFError:
            break
        except KeyboardInterrupt:  # drops what was typed, as shells do
            print()
            lines.clear()
            continue
        if not lines and line in (".quit", ".exit"):
            return
        if not lines and line.startswith("."):
            yield line
        elif line:
            lines.append(line)
            if line.endswith(";"):
                yield "\n".join(lines)
                lines.clear()
    if lines:
        yield "\n".join(lines)


def _reader(source: IO[str]) -> Callable[[], str]:
    def read() -> str:
        line = source.readline()
        if not line:
            raise EOFError
        return line

    return read
