"""The catalogue's table macros: questions with a parameter, such as `FROM proof('3f2a')`.

An id may be given by its start. Parameters have names that no column has: DuckDB would take the column.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Macro:
    """One table macro.

    Attributes:
        parameters: Their names, in order.
        doc: What it answers.
        sql: The query.
        columns: Column -> documentation.
    """

    parameters: tuple[str, ...]
    doc: str
    sql: str
    columns: dict[str, str]


MACROS: dict[str, Macro] = {
    "proof": Macro(
        ("example_id",),
        "What was run to prove an example, and what happened: a row per program and release",
        """
        SELECT e.id AS example, e.kind, x.role, v.library, v.version, v.outcome, v.proof, v.detail, p.code, p.test
        FROM examples e JOIN example_programs x ON x.example = e.id JOIN programs p ON p.id = x.program
        LEFT JOIN verdict_releases v ON v.domain = e.domain AND v.program = x.program
             AND list_contains(e.releases, v.release)
        WHERE starts_with(e.id, example_id) ORDER BY e.id, x.role, v.version
        """,
        {
            "example": "Id of the example",
            "kind": "Kind",
            "role": "What the program is in it: answer, stub, old, new, buggy, fixed, …",
            "library": "Library of the release it ran with, null where it has not run",
            "version": "Version of the release",
            "outcome": "Outcome there",
            "proof": "strong, weak, none",
            "detail": "What decided",
            "code": "The program",
            "test": "Its test",
        },
    ),
    "lineage": Macro(
        ("any_id",),
        "Everything on the way from page to adapter that an id stands on: an adapter's, run's, snapshot's, example's"
        " or page's",
        """
        SELECT p.id AS page, p.url AS page_url, p.licence AS page_licence, e.id AS example, e.kind, e.generator,
               e.licence, s.snapshot, s.split, a.id AS adapter, a.domain, a.version
        FROM examples e LEFT JOIN pages p ON p.url = e.source_url
        LEFT JOIN snapshot_rows s ON s.example = e.id LEFT JOIN adapters a ON a.snapshot = s.snapshot
        WHERE starts_with(e.id, any_id) OR starts_with(s.snapshot, any_id) OR starts_with(p.id, any_id)
           OR starts_with(a.id, any_id) OR starts_with(a.run, any_id)
        ORDER BY a.version, e.id
        """,
        {
            "page": "Id of the page the row's text comes from",
            "page_url": "Its address",
            "page_licence": "Its licence",
            "example": "Id of the row",
            "kind": "Its kind",
            "generator": "What made it",
            "licence": "Its licence",
            "snapshot": "Id of a snapshot that has it, null where none does",
            "split": "Its split there",
            "adapter": "Id of an adapter trained on that snapshot, null where none was published",
            "domain": "The adapter's domain",
            "version": "The adapter's version",
        },
    ),
    "drift_between": Macro(
        ("library_name", "from_version", "to_version"),
        "What changed between two versions of a library, and how many proven rows of each domain show it, those with"
        " most first",
        """
        SELECT domain, symbol, kind, replacement, count(DISTINCT example) FILTER (example_kind = 'drift') AS rows,
               count(DISTINCT example) FILTER (example_kind = 'drift' AND old_effect = 'fails') AS fails,
               count(DISTINCT example) FILTER (example_kind = 'drift' AND old_effect = 'differs') AS differs,
               count(DISTINCT example) FILTER (example_kind = 'drift' AND old_effect = 'warns') AS warns,
               count(DISTINCT example) FILTER (example_kind = 'preference') AS preferences,
               any_value(evidence) AS evidence, change
        FROM drift WHERE library = library_name AND old_version = from_version AND new_version = to_version
        GROUP BY domain, change, symbol, kind, replacement ORDER BY rows DESC, preferences DESC, symbol, domain
        """,
        {
            "domain": "Domain of the rows, null where none shows it",
            "symbol": "Canonical path, at the old version (for `added`: at the new one)",
            "kind": "Kind of change",
            "replacement": "What to use instead",
            "rows": "Proven drift rows that show it",
            "fails": "of these, those whose old code raises at the new version",
            "differs": "of these, those whose old code gives another result there",
            "warns": "of these, those whose old code is warned of there",
            "preferences": "Proven preference rows that show it",
            "evidence": "Who says so",
            "change": "Id of the change",
        },
    ),
    "sample": Macro(
        ("of_kind", "how_many"),
        "Rows of the latest snapshots to read, drawn by their ids: the same ones each time",
        """
        WITH drawn AS (
            SELECT e.*, s.split FROM snapshot_rows s JOIN latest_snapshots l USING (snapshot)
            JOIN examples e ON e.id = s.example WHERE e.kind = of_kind ORDER BY md5(e.id) LIMIT how_many
        )
        SELECT d.id AS example, d.domain, d.split, d.operator, json_extract_string(d.parts, '$.prompt') AS prompt,
               o.code AS code_old, n.code AS code_new, n.test, json_extract_string(d.parts, '$.text') AS text,
               d.licence, d.source_url
        FROM drawn d LEFT JOIN example_outcomes x ON x.example = d.id
        LEFT JOIN programs o ON o.id = x.old_program LEFT JOIN programs n ON n.id = x.new_program ORDER BY md5(d.id)
        """,
        {
            "example": "Id of the example",
            "domain": "Domain",
            "split": "Its split",
            "operator": "Mutation operator or codemod",
            "prompt": "The task",
            "code_old": "Old, buggy, rejected code, or the stub",
            "code_new": "New, fixed, chosen code, or the answer",
            "test": "The test the new code passes",
            "text": "text: what is read",
            "licence": "Licence",
            "source_url": "Where its text comes from",
        },
    ),
    "diff": Macro(
        ("before_snapshot", "after_snapshot"),
        "Which rows two snapshots differ in, and why those that left did",
        """
        WITH b AS (SELECT example, split FROM snapshot_rows WHERE starts_with(snapshot, before_snapshot)),
             a AS (SELECT example, split FROM snapshot_rows WHERE starts_with(snapshot, after_snapshot))
        SELECT example, e.domain, e.kind, CASE WHEN b.example IS NULL THEN 'added' WHEN a.example IS NULL
               THEN 'removed' ELSE 'moved' END AS what, b.split AS split_before, a.split AS split_after,
               CASE WHEN a.example IS NULL THEN r.rule END AS rule, CASE WHEN a.example IS NULL THEN r.detail END AS detail
        FROM b FULL JOIN a USING (example) LEFT JOIN examples e ON e.id = example
        LEFT JOIN removals r USING (example) WHERE b.split IS DISTINCT FROM a.split ORDER BY what, e.kind, example
        """,
        {
            "example": "Id of the example",
            "domain": "Domain",
            "kind": "Kind",
            "what": "added, removed, moved (to another split)",
            "split_before": "Its split before",
            "split_after": "Its split after",
            "rule": "removed: the rule that removed it in the domain's latest curation, null where it isn't made any more",
            "detail": "What was wrong with it",
        },
    ),
}
"""Macro name -> what it is. Every view has one more: `<view>_as_of(ts)`, the view as it was at a time."""


def definitions() -> list[str]:
    """The SQL that makes the macros, over the catalogue's views."""
    made = []
    for name, macro in MACROS.items():
        made.append(f"CREATE MACRO {name}({', '.join(macro.parameters)}) AS TABLE {macro.sql}")
        made.append(f"COMMENT ON MACRO TABLE {name} IS '" + macro.doc.replace("'", "''") + "'")
    return made
