"""`driftune sql` prints what the lake holds, in four formats, and as a shell."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.line_editing import Words
from flows.sql import run_sql
from registry.errors import ConfigurationError
from registry.lake import Lake
from registry.records import Program, Release

AT = dt.datetime(2022, 11, 1, 12, tzinfo=dt.UTC)
RELEASE = Release(
    library="networkx",
    version="2.8.8",
    artifact_sha256="ab",
    artifacts=[{"kind": "wheel", "name": "n.whl"}],
    released_at=AT,
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    home = tmp_path_factory.mktemp("home")
    lake = Lake(str(home / "lake"), home)
    lake.create()
    lake.append([RELEASE, Program(code="x = 1\ny = 2\n", test="assert x == 1")])
    return lake


@pytest.fixture(autouse=True)
def home(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIFTUNE_HOME", str(lake.home))
    monkeypatch.setenv("COLUMNS", "100")
    return lake.home


def driftune(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", "sql", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=300)


def test_a_person_may_ask_several_statements_at_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting and a PIVOT, which DuckDB makes several of itself: as an argument, and in the shell."""
    asked = "SET default_null_order = 'nulls_first'; PIVOT releases ON version USING count(*) GROUP BY library"
    run_sql(asked, "json")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{asked};\n"))
    run_sql(None, "json")
    answer = '[{"library": "networkx", "2.8.8": 1}]'
    assert capsys.readouterr().out.split("\n") == [answer, answer, ""]


def test_json_is_one_array_with_nested_values(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON columns come out as JSON, times as ISO text with their zone, null as null."""
    run_sql("select artifacts, released_at, licence, 1.5 as x from releases", "json")
    assert json.loads(capsys.readouterr().out) == [
        {"artifacts": [{"kind": "wheel", "name": "n.whl"}], "released_at": AT.isoformat(), "licence": None, "x": 1.5}
    ]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[1, 2]", [1, 2]), ("{'a': [date '2020-01-02']}", {"a": ["2020-01-02"]}), ("'nan'::double", None),
        ("2::hugeint", 2), ("1.25::decimal(4,2)", 1.25), ("sum(range) from range(4)", 6), ("true", True),
        ("'{\"a\": [1]}'::json", {"a": [1]}), ("'\\xff'::blob", "ff"), ("'{\"a\": 1}'", '{"a": 1}'),
    ],
)  # fmt: skip
def test_every_type_is_valid_json(expression: str, value: object, capsys: pytest.CaptureFixture[str]) -> None:
    """A value of any of DuckDB's types is valid JSON; text that looks like JSON stays text."""
    run_sql(f"select {expression}", "json")
    [[shown]] = [row.values() for row in json.loads(capsys.readouterr().out)]
    assert (shown, type(shown)) == (value, type(value))


def test_no_rows_are_an_empty_array(capsys: pytest.CaptureFixture[str]) -> None:
    """A query without rows prints an empty array, and a header alone as CSV."""
    run_sql("select id from releases where false", "json")
    assert json.loads(capsys.readouterr().out) == []
    run_sql("select id from releases where false", "csv")
    assert capsys.readouterr().out == "id\n"


def test_csv_round_trips(capsys: pytest.CaptureFixture[str]) -> None:
    """CSV has a header; texts with lines and nested values survive a reader."""
    run_sql("select p.code, r.artifacts from programs p, releases r", "csv")
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [
        ["code", "artifacts"],
        ["x = 1\ny = 2\n", '[{"kind": "wheel", "name": "n.whl"}]'],
    ]


def test_parquet_is_a_file_on_standard_output(home: Path) -> None:
    """Parquet, sent to a file, is read back with its types."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "sql", "--format", "parquet", "select library, released_at from releases"],
        capture_output=True, check=True,
    )  # fmt: skip
    table = pq.read_table(io.BytesIO(done.stdout))
    assert table.to_pylist() == [{"library": "networkx", "released_at": AT}]


def test_table_shows_lines_of_code(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows with texts of several lines are shown as blocks, others as a table; both say how many there are."""
    run_sql("select code, test from programs", "table")
    shown = capsys.readouterr().out
    assert "    x = 1\n    y = 2\n" in shown
    assert "1 row" in shown
    run_sql("select library, version from releases", "table")
    assert "networkx  2.8.8" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("query", "output", "says"),
    [
        ("selec 1", "table", "The query failed: Parser Error"),
        ("select * from nowhere", "json", "The query failed: Catalog Error"),
        ("create table t (i int)", "table", "The query failed"),
        ("select 1", "xml", "No format 'xml': choose one of table, csv, json, parquet"),
    ],
)
def test_what_is_wrong_is_one_line(query: str, output: str, says: str) -> None:
    """A query that fails, also because it would write, or an unknown format, is the user's error: exit 2, one line."""
    with pytest.raises(ConfigurationError, match=says):
        run_sql(query, output)
    done = driftune(query, "--format", output)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_statements_come_from_standard_input() -> None:
    """Without a query, statements are read from standard input, over several lines, until `.quit`."""
    done = driftune("--format", "csv", text="select 1\n as a;\nselect 'b' as b;\n.quit\nselect nothing;\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "a\n1\nb\nb\n", "")


def test_a_failing_statement_of_a_script_ends_it() -> None:
    """In a script, the first statement that fails ends it with exit code 2."""
    done = driftune("--format", "csv", text="select 1 as a; \nselect nothing;\nselect 2 as b;\n")
    assert (done.returncode, done.stdout) == (2, "a\n1\n")


def test_views_and_columns_are_listed() -> None:
    """`.views` lists the views a data engineer counts on, and `.columns` documents each column of one."""
    done = driftune("--format", "json", text=".views\n")
    assert {"funnel", "proofs", "lineage", "drift", "spend"} <= {row["view"] for row in json.loads(done.stdout)}
    done = driftune("--format", "json", text=".columns funnel\n")
    rows = json.loads(done.stdout)
    assert [r["column_name"] for r in rows][:2] == ["domain", "kind"]
    assert all(r["comment"] for r in rows)


def test_macros_are_listed_with_what_they_answer() -> None:
    """`.macros` names each macro with its parameters and what it answers, and leaves `_as_of` ones out."""
    done = driftune("--format", "json", text=".macros\n")
    macros = {row["macro"]: row["answers"] for row in json.loads(done.stdout)}
    assert {"proof(example_id)", "sample(of_kind, how_many)"} <= set(macros)
    assert not any("_as_of" in name for name in macros)


@pytest.mark.parametrize(
    ("before", "word", "among", "not_among"),
    [
        ("", ".co", ".columns ", ".views "),
        (".columns ", "fun", "funnel", "FUNCTIONAL"),
        ("select * from ", "fun", "funnel", "proofs"),
        ("select * from funnel where ", "prov", "proven", "proof("),
        ("select * from ", "releases.lib", "releases.library", "library"),
        ("select * from ", "pro", "proof(", "parts"),
        ("SELECT * ", "FR", "FROM", "from"),
        ("select * ", "fr", "from", "FROM"),
        ("select * from ", "rele", "releases", "release"),
        ("select ", "json_ex", "json_extract_string(", "examples"),
        ("select * from ", "nothing.x", None, "x"),
    ],
)
def test_tab_completes_what_fits(lake: Lake, before: str, word: str, among: str | None, not_among: str) -> None:
    """Commands, views, columns of the views that are named, macros, functions, keywords are offered where they fit."""
    offered = Words(lake).complete(before, word)
    assert among in offered if among else offered == []
    assert not_among not in offered
    assert all(o.lower().startswith(word.lower()) for o in offered)


def on_a_terminal(typed: bytes) -> tuple[int, bytes]:
    """Exit code of the shell and what the terminal showed."""
    main, terminal = pty.openpty()
    shell = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "sql"], stdin=terminal, stdout=terminal, stderr=terminal, close_fds=True
    )
    os.close(terminal)
    os.write(main, typed)
    shown = b""
    with contextlib.suppress(OSError):  # Linux tells so that the other end is closed, once all is read
        while piece := os.read(main, 65536):
            shown += piece
    os.close(main)
    return shell.wait(timeout=120), shown


def test_tab_completes_on_a_terminal(home: Path) -> None:
    """Tab writes the one name that fits, also in the second line of a statement."""
    code, shown = on_a_terminal(b"select count(*) * 41 + 1 as answer\nfrom rele\t;\n.quit\n")
    assert code == 0
    assert b"from releases;" in shown.replace(b"\x07", b"")  # it rings where a macro begins the same way
    assert b"42" in shown


def test_the_shell_goes_on_after_an_error(home: Path) -> None:
    """On a terminal, an error is shown and the next statement is read; a history is kept."""
    code, shown = on_a_terminal(b"select nothing;\nselect 40 + 2 as answer;\n.quit\n")
    assert code == 0
    assert b"Binder Error" in shown
    assert b"42" in shown
    assert "select 40 + 2 as answer;" in (home / "sql_history").read_text()
