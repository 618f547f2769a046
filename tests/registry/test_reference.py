"""The lake's documentation is true: its reference page says what is there, its worked queries run."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from registry.lake import Lake
from registry.records import Adapter, Call, Removal, Snapshot, SnapshotRow, Work
from registry.reference import markdown
from tests.registry.test_catalogue import CHANGE, NEW, OLD, Bench

DOCS = Path(__file__).parents[2] / "docs"
QUERIES = re.findall(
    r"^## (.*?)$.*?^```sql\n(.*?)^```$", (DOCS / "how-to/questions.md").read_text("utf-8"), re.M | re.S
)


def test_reference_page_is_the_records() -> None:
    """`docs/reference/schema.md` lists the tables, views, macros and columns that there are, with what they say."""
    written = (DOCS / "reference/schema.md").read_text("utf-8")
    assert written == markdown(), "Write it anew: python -m registry.reference > docs/reference/schema.md"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake with a row of everything that the worked queries ask for."""
    home = tmp_path_factory.mktemp("home")
    lake = Lake(str(home / "lake"), home)
    lake.create()
    bench = Bench()
    passed, failed = bench.program("new", {NEW.id: "passed"}), bench.program("old", {OLD.id: "passed", NEW.id: "error"})
    drift = bench.example("drift", {"old": failed, "new": passed}, change=CHANGE.id, old_effect="fails")
    bug = bench.example("bug", {"buggy": bench.program("b", {NEW.id: "failed"}), "fixed": passed}, operator="swap")
    bench.example("doc", {"answer": passed, "stub": bench.program("hangs", {NEW.id: "timeout"})}, rule="licence")
    bench.example("text", {})
    bench.rows.append(dataclasses.replace(CHANGE, symbol="lib.unseen"))
    snapshot = bench.write(lake)
    later = Snapshot(domain="d", rows_sha256="later", filters={}, parent=snapshot.id)
    adapter = Adapter(
        domain="d", version=1, files=(), library_range="lib>=1", base="b", base_revision="r", fingerprint="f",
        snapshot=snapshot.id, run="run",
    )  # fmt: skip
    kept = {drift.id: "dev", bug.id: "train"}
    work = Work(key="later", stage="curate", domain="d", part="p@1", outputs=1, result={"snapshot": later.id})
    gone = [dataclasses.replace(r, curation="later") for r in bench.rows if isinstance(r, Removal)]
    call = Call(request="q", attempt=0, domain="d", purpose="task/exercise@1", model="m", outcome="refused")
    ended = {"dialogue": "k", "outcome": "refused", "detail": "No", "rows": [], "calls": ["q"]}
    choice = {"model": "m", "dialogues": [{"writer": "task", "subject": "lib.f", "key": "k"}]}
    asked = [
        Work(key=key, stage="synth", domain="d", part="p@1", outputs=0, result=result)
        for key, result in (("k", ended), ("choice", choice))
    ]
    lake.append(
        [
            later,
            work,
            call,
            *asked,
            *gone,
            *(SnapshotRow(snapshot=later.id, example=e, split=s) for e, s in kept.items()),
            adapter,
        ]
    )
    return lake


@pytest.mark.parametrize(("title", "query"), QUERIES, ids=[title.split()[0] for title, _ in QUERIES])
def test_worked_query_runs(lake: Lake, title: str, query: str) -> None:
    """Each of the thirteen queries of the how-to answers, with rows where the lake has what it asks for."""
    query = query.replace("'networkx', '2.8.8', '3.6.1'", "'lib', '1.0', '1.0.1'")
    assert lake.query(query).num_rows > 0, title


def test_there_are_thirteen_worked_queries() -> None:
    """No query of the how-to is missed by the test above."""
    assert [title.split()[0] for title, _ in QUERIES] == [str(n) for n in range(1, 14)]


def test_lineage_is_found_from_either_end(lake: Lake) -> None:
    """A page, an example, a snapshot and an adapter lead to the same row, by the starts of their ids."""
    rows = lake.query("FROM lineage((SELECT min(id) FROM examples WHERE kind = 'bug'))").to_pylist()
    (row,) = (r for r in rows if r["adapter"] is not None)
    assert [r["snapshot"] for r in rows if r["adapter"] is None] != [row["snapshot"]]  # the later one has it too
    for name in ("page", "snapshot", "adapter"):
        found = lake.query(f"FROM lineage('{row[name][:12]}')").to_pylist()
        assert row in found, name


def test_diff_tells_what_happened_to_each_row(lake: Lake) -> None:
    """A row that changed its split has moved, one that is missing was removed; the other way round it was added."""
    both = lake.query("SELECT id FROM snapshots ORDER BY _at").column("id").to_pylist()
    there = lake.query(f"SELECT kind, what FROM diff('{both[0]}', '{both[1]}')").to_pylist()
    assert there == [{"kind": "drift", "what": "moved"}, {"kind": "text", "what": "removed"}]
    back = lake.query(f"SELECT kind, what FROM diff('{both[1]}', '{both[0]}')").to_pylist()
    assert {"kind": "text", "what": "added"} in back
    assert lake.query(f"FROM diff('{both[0]}', '{both[0]}')").num_rows == 0


def test_sample_draws_the_same_rows_each_time(lake: Lake) -> None:
    """`sample` gives so many rows of a kind from the latest snapshots, the same ones whenever it is asked."""
    twice = [lake.query("FROM sample('drift', 1)").to_pylist() for _ in range(2)]
    assert twice[0] == twice[1]
    assert [(r["code_old"], r["code_new"], r["split"]) for r in twice[0]] == [("old", "new", "dev")]
    assert lake.query("FROM sample('bug', 5)").num_rows == 1
    assert lake.query("FROM sample('text', 5)").num_rows == 0  # not in the latest snapshot
