"""The catalogue: documented views that answer over any lake, and count what they say they count."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from registry.catalogue import DERIVED, PROOF_RULES
from registry.lake import Lake
from registry.macros import MACROS
from registry.records import (
    RECORDS,
    Adapter,
    Change,
    Environment,
    Example,
    Page,
    Program,
    Release,
    Removal,
    Snapshot,
    SnapshotRow,
    Verdict,
    Work,
)  # fmt: skip

OLD = Release(library="lib", version="1.0", artifact_sha256="1")
NEW = Release(library="lib", version="1.0.1", artifact_sha256="2")
CHANGE = Change(old=OLD.id, new=NEW.id, symbol="lib.f", kind="renamed", replacement="lib.g")
ENVIRONMENTS = {
    r.id: Environment(
        python="3.11.7", requirements=(f"lib=={r.version} --hash=sha256:{r.artifact_sha256}",), settings={}
    )
    for r in (OLD, NEW)
}
PAGE = Page(release=NEW.id, url="pypi://lib/1.0.1/x/lib/a.py", content_hash="h", kind="source", path="lib/a.py")


def validated(domain: str, release: str, environment: Environment) -> Work:
    """The memory of a shard that a domain ran."""
    where = {"release": release, "environment": environment.id}
    return Work(key=f"{domain}{environment.id}", stage="validate", domain=domain, part="2", outputs=1, result=where)


class Bench:
    """Rows of a small lake, as the stages would write them."""

    def __init__(self) -> None:
        self.rows: list[Any] = [OLD, NEW, CHANGE, PAGE, *ENVIRONMENTS.values()]
        self.split: dict[str, str] = {}
        self.filters: dict[str, Any] = {}

    def program(self, code: str, outcomes: dict[str, str], proof: str = "strong") -> str:
        program = Program(code=code, test="assert r")
        self.rows.append(program)
        for release, outcome in outcomes.items():
            self.rows.append(
                Verdict(program=program.id, environment=ENVIRONMENTS[release].id, harness="1", policy="k=2",
                        outcome=outcome, proof=proof, detail=f"{code} {outcome}")
            )  # fmt: skip
        return program.id

    def example(
        self, kind: str, programs: dict[str, str], rule: str = "", split: str = "train", **more: Any
    ) -> Example:
        both = (OLD.id, NEW.id) if kind in ("drift", "preference") else (NEW.id,)
        example = Example(
            kind=kind, parts={"programs": programs, "n": len(self.rows)}, file="f", root="r", generator="g",
            generator_version="1", licence="MIT", source_url=PAGE.url, **{"domain": "d", "releases": both, **more},
        )  # fmt: skip
        self.rows.append(example)
        if rule:
            self.rows.append(Removal(example=example.id, rule=rule, curation="now", domain="d"))
        else:
            self.split[example.id] = split
        return example

    def write(self, lake: Lake) -> Snapshot:
        snapshot = Snapshot(domain="d", rows_sha256=str(sorted(self.split)), filters=self.filters)
        rows = [SnapshotRow(snapshot=snapshot.id, example=e, split=s) for e, s in self.split.items()]
        work = Work(key="now", stage="curate", domain="d", part="curate@1", outputs=1, seconds=2.0, tokens=3,
                    result={"snapshot": snapshot.id})  # fmt: skip
        lake.append([*self.rows, snapshot, *rows, work, *(validated("d", r, e) for r, e in ENVIRONMENTS.items())])
        return snapshot


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(str(tmp_path / "lake"), tmp_path)
    made.create()
    return made


def rows(lake: Lake, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake.query(sql).to_pylist()
    return found


def test_every_view_answers_and_documents_its_columns(lake: Lake) -> None:
    """Each table's view and each derived view can be queried when empty, and says what each of its columns is."""
    views = [*(r.table for r in RECORDS), *DERIVED]
    assert {"funnel", "proofs", "lineage", "drift", "spend"} <= set(views)
    comments = rows(lake, "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal")
    documented = {(r["table_name"], r["column_name"]) for r in comments if r["comment"]}
    for view in views:
        columns = lake.query(f"SELECT * FROM {view}").column_names
        assert columns
        assert {(view, c) for c in columns} <= documented, view
        assert len(rows(lake, f"SELECT * FROM {view}")) == 0


def test_every_macro_answers_and_documents_its_columns(lake: Lake) -> None:
    """Each macro can be asked of an empty lake, says what it answers, and names exactly its columns."""
    said = rows(lake, "SELECT function_name AS name, comment FROM duckdb_functions() WHERE NOT internal")
    for name, macro in MACROS.items():
        asked = {"sample": "'', 1"}.get(name, ", ".join(["''"] * len(macro.parameters)))
        call = f"{name}({asked})"
        assert lake.query(f"FROM {call}").column_names == list(macro.columns)
        assert all(macro.columns.values())
        assert {"name": name, "comment": macro.doc} in said


def test_every_view_can_be_asked_as_of_a_time(lake: Lake) -> None:
    """`<view>_as_of(ts)` gives every view's rows as they were: before anything was written none, now those of now."""
    bench = Bench()
    answer = {"answer": bench.program("a", {NEW.id: "passed"}), "stub": bench.program("s", {NEW.id: "failed"})}
    bench.example("doc", answer)
    bench.example("text", {}, rule="licence")
    before = rows(lake, "SELECT now() AS at")[0]["at"]
    bench.write(lake)
    for view in [*(r.table for r in RECORDS), *DERIVED]:
        now = lake.query(f"SELECT * FROM {view} ORDER BY ALL")
        assert lake.query(f"SELECT * FROM {view}_as_of(now()) ORDER BY ALL").to_pylist() == now.to_pylist(), view
        assert lake.query(f"SELECT * FROM {view}_as_of(TIMESTAMPTZ '{before.isoformat()}')").num_rows == 0, view
    assert lake.query("SELECT * FROM funnel").num_rows == 2


def test_every_derived_column_is_named_once() -> None:
    """The documentation of a derived view names exactly its columns."""
    assert all(sql.strip() and columns for sql, columns in DERIVED.values())


def test_funnel_counts_what_it_says(lake: Lake) -> None:
    """generated, ran, proven, strong, kept and in_snapshot are counted along the way, each a part of the one before."""
    bench = Bench()
    for n in range(3):
        good = {
            "answer": bench.program(f"a{n}", {NEW.id: "passed"}),
            "stub": bench.program(f"s{n}", {NEW.id: "failed"}),
        }
        bench.example("doc", good)
    weak = {"answer": bench.program("w", {NEW.id: "passed"}, "weak"), "stub": bench.program("ws", {NEW.id: "failed"})}
    bench.example("doc", weak, rule="duplicate")
    bench.example("doc", weak, rule="held-out")
    bench.example("doc", {"answer": bench.program("no", {NEW.id: "failed"}), "stub": weak["stub"]}, rule="unproven")
    bench.example("doc", {"answer": bench.program("never", {}), "stub": weak["stub"]}, rule="unavailable")
    bench.example("text", {})
    bench.write(lake)
    doc, text = rows(lake, "SELECT * FROM funnel ORDER BY kind")
    counts = {k: doc[k] for k in ("generated", "ran", "proven", "strong", "kept", "in_snapshot")}
    assert counts == {"generated": 7, "ran": 6, "proven": 5, "strong": 3, "kept": 4, "in_snapshot": 3}
    assert (text["kind"], text["proven"], text["in_snapshot"]) == ("text", 1, 1)


def test_funnel_counts_each_version_for_itself(lake: Lake) -> None:
    """A kind that is mined at both releases has a line each: the older one's rows are no part of the newer one's yield.

    What doesn't run and what doubles another row is; rows of both releases are of the newer one.
    """
    bench = Bench()
    programs = {"answer": bench.program("a", {NEW.id: "passed"}), "stub": bench.program("s", {NEW.id: "failed"})}
    bench.example("doc", programs)
    bench.example("doc", programs, rule="duplicate")
    bench.example("doc", {"answer": bench.program("a (", {NEW.id: "error"})}, rule="unproven")
    bench.example("drift", {"old": bench.program("o", {OLD.id: "passed", NEW.id: "error"}), "new": programs["answer"]})
    for _ in range(2):
        bench.example("doc", programs, rule="outdated", releases=(OLD.id,))
    bench.write(lake)
    found = rows(lake, "SELECT kind, version, generated, proven, in_snapshot FROM funnel ORDER BY kind, version")
    assert [tuple(row.values()) for row in found] == [
        ("doc", "1.0", 2, 0, 0),
        ("doc", "1.0.1", 3, 2, 1),
        ("drift", "1.0.1", 1, 1, 1),
    ]


@pytest.mark.parametrize("rule", PROOF_RULES)
def test_rows_under_a_proof_rule_are_not_proven(lake: Lake, rule: str) -> None:
    """A row that was removed because its proof does not hold is in no count of proven rows, and in no proof."""
    bench = Bench()
    new = bench.program("n", {NEW.id: "passed"})
    bench.example("drift", {"old": bench.program("o", {OLD.id: "passed", NEW.id: "error"}), "new": new}, rule=rule)
    bench.write(lake)
    assert rows(lake, "SELECT proven, kept FROM curated") == [{"proven": False, "kept": False}]
    assert rows(lake, "SELECT * FROM proofs") == []


def test_proofs_show_code_and_outcomes_at_both_releases(lake: Lake) -> None:
    """A proven drift row shows both codes, and what the old one did at the old and at the new release."""
    bench = Bench()
    programs = {
        "old": bench.program("old code", {OLD.id: "passed", NEW.id: "error"}),
        "new": bench.program("new code", {OLD.id: "error", NEW.id: "passed"}),
    }
    example = bench.example("drift", programs, old_effect="fails", change=CHANGE.id)
    bench.write(lake)
    (row,) = rows(lake, "SELECT * FROM proofs")
    assert row == {
        "example": example.id, "domain": "d", "kind": "drift", "code_old": "old code", "code_new": "new code",
        "test": "assert r", "outcome_old": "passed", "outcome_new": "passed", "outcome_old_at_new": "error",
        "old_at_new_detail": "old code error", "old_effect": "fails", "proof": "strong",
    }  # fmt: skip
    (change,) = rows(lake, "SELECT * FROM drift")
    assert (change["old_version"], change["new_version"], change["example"]) == ("1.0", "1.0.1", example.id)


def test_rows_of_two_domains_that_show_one_change_are_counted_apart(lake: Lake) -> None:
    """Domains with the same releases share their changes: each is there once, and its rows stand with their domain."""
    bench = Bench()
    programs = {
        "old": bench.program("old code", {OLD.id: "passed", NEW.id: "error"}),
        "new": bench.program("new code", {NEW.id: "passed"}),
    }
    unseen = dataclasses.replace(CHANGE, symbol="lib.k")
    for _ in range(2):
        bench.example("drift", programs, old_effect="fails", change=CHANGE.id)
        capped = bench.example("drift", programs, rule="-", old_effect="fails", change=CHANGE.id, domain="e")
        bench.rows[-1] = Removal(example=capped.id, rule="cap", curation="then", domain="e")
    bench.rows.append(unseen)
    bench.write(lake)
    curated = Work(key="then", stage="curate", domain="e", part="p", outputs=1, result={"snapshot": "s"})
    lake.append([CHANGE, curated])
    assert rows(lake, "SELECT count(*) AS n FROM changes") == [{"n": 2}]
    counted = rows(lake, "SELECT domain, symbol, rows FROM drift_between('lib', '1.0', '1.0.1')")
    assert [tuple(row.values()) for row in counted] == [("d", "lib.f", 2), ("e", "lib.f", 2), (None, "lib.k", 0)]


def test_a_programs_outcomes_are_told_apart_by_release(lake: Lake) -> None:
    """A verdict in the environment that a domain ran one release in is none at the other."""
    bench = Bench()
    bench.program("p", {OLD.id: "passed", NEW.id: "failed"})
    bench.write(lake)
    found = rows(lake, "SELECT version, outcome FROM verdict_releases ORDER BY version")
    assert found == [{"version": "1.0", "outcome": "passed"}, {"version": "1.0.1", "outcome": "failed"}]


def test_a_program_that_does_not_compile_needs_no_run(lake: Lake) -> None:
    """A `syntax` row has run when its fixed program has; of a `bug` the buggy one has to run too."""
    bench = Bench()
    pairs = {
        kind: {"buggy": bench.program(f"{kind} (", {}), "fixed": bench.program(kind, {NEW.id: "passed"})}
        for kind in ("syntax", "bug")
    }
    for kind, programs in pairs.items():
        bench.example(kind, programs)
    bench.write(lake)
    found = rows(lake, "SELECT kind, ran FROM example_outcomes ORDER BY kind")
    assert found == [{"kind": "bug", "ran": False}, {"kind": "syntax", "ran": True}]


def test_the_latest_verdict_of_a_program_counts(lake: Lake) -> None:
    """Run again under another policy, a program has the outcome of its last run, once."""
    bench = Bench()
    program = bench.program("p", {NEW.id: "timeout"})
    bench.write(lake)
    first = next(r for r in bench.rows if isinstance(r, Verdict))
    lake.append([dataclasses.replace(first, policy="k=2,timeout=60", outcome="passed")])
    found = rows(lake, "SELECT program, outcome FROM verdict_releases")
    assert found == [{"program": program, "outcome": "passed"}]


def test_two_domains_of_one_library_keep_their_own_outcomes(lake: Lake) -> None:
    """What runs bare and what runs beside numpy are two environments: views show each domain its own, once."""
    bench = Bench()
    program = bench.program("p", {NEW.id: "failed"})
    bench.write(lake)
    beside = dataclasses.replace(ENVIRONMENTS[NEW.id], label="with numpy", python="3.12.0")
    verdict = next(r for r in bench.rows if isinstance(r, Verdict))
    passed = dataclasses.replace(verdict, environment=beside.id, outcome="passed")
    lake.append([beside, passed, validated("other", NEW.id, beside)])
    found = rows(lake, "SELECT domain, program, outcome FROM verdict_releases ORDER BY domain")
    assert found == [
        {"domain": "d", "program": program, "outcome": "failed"},
        {"domain": "other", "program": program, "outcome": "passed"},
    ]


def test_removals_show_the_latest_curation(lake: Lake) -> None:
    """A row that an earlier curation removed and the latest kept is shown as removed by none."""
    bench = Bench()
    example = bench.example("text", {})
    lake.append([
        Removal(example=example.id, rule="licence", curation="before", domain="d"),
        Work(key="before", stage="curate", domain="d", part="curate@1", outputs=1),
    ])  # fmt: skip
    assert len(rows(lake, "SELECT * FROM removals")) == 1
    bench.write(lake)
    assert rows(lake, "SELECT * FROM removals") == []
    assert rows(lake, "SELECT split, rule, kept FROM curated") == [{"split": "train", "rule": None, "kept": True}]


def test_what_is_not_made_any_more_is_not_counted(lake: Lake) -> None:
    """Counted are the rows that the latest curation looked at, kept or removed, and those that were written since."""
    bench = Bench()
    bench.example("text", {})
    bench.example("doc", {})
    older = bench.write(lake)
    assert rows(lake, "SELECT sum(generated) AS n FROM funnel") == [{"n": 2}]
    bench = Bench()
    bench.example("test", {}, rule="licence")
    bench.example("bug", {})
    lake.append(bench.rows)
    count = "SELECT list(kind ORDER BY kind) AS kinds FROM"
    assert rows(lake, f"{count} funnel") == [{"kinds": ["bug", "doc", "test", "text"]}]
    [before] = rows(lake, "SELECT now() AS at")
    later = bench.write(lake)
    for view in ("funnel", "curated"):
        assert rows(lake, f"{count} {view}") == [{"kinds": ["bug", "test"]}]
        earlier = f"{count} {view}_as_of(TIMESTAMPTZ '{before['at'].isoformat()}')"
        assert rows(lake, earlier) == [{"kinds": ["bug", "doc", "test", "text"]}]
    assert rows(lake, "SELECT count(*) AS n FROM examples") == [{"n": 4}]
    gone = rows(lake, f"SELECT what, rule FROM diff('{older.id}', '{later.id}') WHERE what <> 'added'")
    assert gone == [{"what": "removed", "rule": None}] * 2


def test_the_latest_snapshot_is_that_of_the_latest_curation(lake: Lake) -> None:
    """A domain that comes back to rows it was curated with before has that snapshot and those removals again."""
    bench = Bench()
    example = bench.example("text", {})
    first = bench.write(lake)
    later = Snapshot(domain="d", rows_sha256="later", filters={}, parent=first.id)
    removal = Removal(example=example.id, rule="cap", curation="x", domain="d")
    work = Work(key="x", stage="curate", domain="d", part="p", outputs=1, result={"snapshot": later.id})
    lake.append([later, removal, work])
    assert rows(lake, "SELECT in_snapshot FROM funnel") == [{"in_snapshot": 0}]
    lake.append([Work(key="now", stage="curate", domain="d", part="p", outputs=1, result={"snapshot": first.id})])
    assert rows(lake, "SELECT in_snapshot FROM funnel") == [{"in_snapshot": 1}]


def test_lineage_goes_from_an_adapter_to_pages_and_licences(lake: Lake) -> None:
    """Each row that an adapter was trained on stands with its page and licence, those too of what it goes on from."""
    bench = Bench()
    example = bench.example("text", {})
    snapshot = bench.write(lake)
    adapter = Adapter(
        domain="d", version=1, files=(), library_range="lib>=1", base="b", base_revision="r", fingerprint="f",
        snapshot=snapshot.id, run="run",
    )  # fmt: skip
    lake.append([adapter])
    (row,) = rows(lake, "SELECT * FROM lineage")
    assert (row["adapter"], row["example"], row["licence"], row["page"]) == (adapter.id, example.id, "MIT", PAGE.id)
    later = dataclasses.replace(adapter, version=2, snapshot="nothing of its own", started_from=adapter.id)
    lake.append([later, dataclasses.replace(later, version=3, started_from=later.id)])
    found = rows(lake, "SELECT version, example, snapshot FROM lineage ORDER BY version")
    assert found == [{"version": n, "example": example.id, "snapshot": snapshot.id} for n in (1, 2, 3)]
    assert len(rows(lake, "FROM lineage_as_of(now()::TIMESTAMP)")) == 3


def test_spend_sums_work(lake: Lake) -> None:
    """Tokens and seconds are summed by stage and run."""
    Bench().write(lake)
    (row,) = rows(lake, "SELECT stage, tokens, seconds, pieces FROM spend WHERE stage = 'curate'")
    assert row == {"stage": "curate", "tokens": 3, "seconds": 2.0, "pieces": 1}


def test_new_column_is_seen_in_old_files(lake: Lake) -> None:
    """Files written before a column was added are still read, the column empty in them (`union_by_name`)."""
    import pyarrow.parquet as pq

    lake.append([dataclasses.replace(PAGE, title="t")])
    (path,) = (lake.home / "lake" / "pages").glob("2*.parquet")
    pq.write_table(pq.read_table(path).drop_columns(["title"]), path)
    assert rows(lake, "SELECT title, path FROM pages") == [{"title": None, "path": "lib/a.py"}]
