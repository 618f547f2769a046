"""The catalogue: `driftune.duckdb`, a file of views and macros that holds no data.

It is built beside its place and renamed over it, and is opened read-only, so that readers never meet a lock. Every
column carries its documentation as a comment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from registry.arrow import column_types, schema
from registry.identity import sha256_of_bytes
from registry.macros import definitions
from registry.records import RECORDS, Record, Removal

PROOF_RULES = ("unproven", "vacuous-test", "equivalent-mutant", "flaky", "unavailable")
"""Removal rules that say: this row's proof does not hold."""

EARLY_RULES = ("rejected", "outdated")
"""Removal rules that take a row out before its proof is looked at: nothing is said of it."""

SPLIT_RULES = ("held-out",)
"""Removal rules that keep a good row out of training because of what is held out."""

WRONG_ROLES = ("old", "buggy", "rejected", "stub", "before", "corrupted", "empty", "attempt1")
"""Roles of programs that a row shows as outdated or wrong."""

RIGHT_ROLES = ("new", "fixed", "chosen", "answer", "after", "original", "whole", "block1")
"""Roles of the programs that pass: the one that a row is about; of a conversation its first block of code."""

_LATEST_CURATIONS = """curation IN (SELECT max_by("key", "_at") FROM {work} WHERE stage = 'curate' GROUP BY domain)"""


def current(record: type[Record], patterns: Sequence[str], among: str = "true", each: str = "id") -> str:
    """SQL for the current row of each id in the files of these globs: raw column types, JSON as text.

    Args:
        record: The kind.
        patterns: The globs.
        among: SQL condition: of the versions of each row that it takes, the last is the current one.
        each: What is one row: its id, or that and another column.
    """
    names = ", ".join(f'"{name}"' for name in schema(record).names)
    return (
        f"SELECT {names} FROM {files_sql(patterns)} WHERE {among} "
        f'QUALIFY row_number() OVER (PARTITION BY {each} ORDER BY "_at" DESC, "_run" DESC, digest) = 1'
    )


def files_sql(patterns: Sequence[str]) -> str:
    """SQL for all rows in the files of these globs."""
    globs = ", ".join("'" + pattern.replace("'", "''") + "'" for pattern in patterns)
    return f"read_parquet([{globs}], union_by_name = true)"


def _typed(record: type[Record]) -> str:
    """The record's columns, JSON text cast to JSON."""
    json = {name for name, (_, is_json) in column_types(record).items() if is_json}
    return ", ".join(f'"{n}"::JSON AS "{n}"' if n in json else f'"{n}"' for n in schema(record).names)


def _table_view(record: type[Record], patterns: Sequence[str]) -> str:
    source = current(record, patterns)
    if record is Removal:  # only each domain's latest curation
        source = f"SELECT * FROM ({source}) WHERE {_LATEST_CURATIONS.format(work='work')}"
    return f"CREATE VIEW {record.table} AS SELECT {_typed(record)} FROM ({source})"


def _as_of(record: type[Record], patterns: Sequence[str]) -> str:
    source = current(record, patterns, '"_at" <= ts')
    if record is Removal:
        source = f"SELECT * FROM ({source}) WHERE {_LATEST_CURATIONS.format(work='work_as_of(ts)')}"
    return f"CREATE MACRO {record.table}_as_of(ts) AS TABLE SELECT {_typed(record)} FROM ({source})"


def _derived_as_of(name: str) -> str:
    """The macro of a derived view at a time: its query, over what it reads at that time."""
    sql, _ = DERIVED[name]
    read = set(re.findall(r"(?:FROM|JOIN) (\w+)", sql)) - {name}
    views = (view for view in [*(r.table for r in RECORDS), *DERIVED] if view in read)
    at_time = ", ".join(f"{view} AS (FROM {view}_as_of(ts))" for view in views)
    return f"CREATE MACRO {name}_as_of(ts) AS TABLE WITH {at_time} {sql}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


DERIVED: dict[str, tuple[str, dict[str, str]]] = {
    "forgotten_rows": (
        """
        SELECT f.what, t.key AS "table", json_extract_string(i.value, '$') AS id
        FROM forgotten f, json_each(f.rows) t, json_each(t.value) i
        """,
        {
            "what": "Source or licence that was forgotten",
            "table": "Table",
            "id": "Id of a row that went; it may have been made anew",
        },
    ),
    "domain_environments": (
        """
        SELECT domain, json_extract_string(result, '$.release') AS release,
               arg_max(json_extract_string(result, '$.environment'), "_at") AS environment
        FROM work WHERE stage = 'validate' GROUP BY ALL
        """,
        {
            "domain": "Domain",
            "release": "Id of a release",
            "environment": "Id of the environment that the domain ran it in last",
        },
    ),
    "verdict_releases": (
        """
        SELECT v.id AS verdict, d.domain, v.program, r.id AS release, r.library, r.version, v.outcome, v.proof,
               v.detail, v.warnings, v.exception, v.duration_s
        FROM domain_environments d JOIN verdicts v USING (environment) JOIN releases r ON r.id = d.release
        QUALIFY row_number() OVER (PARTITION BY d.domain, v.program, r.id ORDER BY v."_at" DESC, v.id) = 1
        """,
        {
            "verdict": "Id of the verdict",
            "domain": "Domain: others may run the same program beside other packages",
            "program": "Id of the program",
            "release": "Id of the release it ran with",
            "library": "Library of the release",
            "version": "Version of the release",
            "outcome": "Outcome",
            "proof": "strong, weak, none",
            "detail": "What decided",
            "warnings": "Warnings shown",
            "exception": "Exception, if any",
            "duration_s": "Seconds",
        },
    ),
    "latest_snapshots": (
        """
        SELECT domain, arg_max(json_extract_string(result, '$.snapshot'), "_at") AS snapshot, max("_at") AS curated_at
        FROM work WHERE stage = 'curate' GROUP BY domain
        """,
        {
            "domain": "Domain",
            "snapshot": "Id of the snapshot that its latest curation came to",
            "curated_at": "When that was",
        },
    ),
    "latest_pages": (
        """
        SELECT url, id, licence FROM pages QUALIFY row_number() OVER (PARTITION BY url ORDER BY "_at" DESC, id) = 1
        """,
        {
            "url": "Address of a page",
            "id": "Id of the page that was found there last: an older scraper, or another day, may have found others",
            "licence": "Its licence",
        },
    ),
    "example_programs": (
        """
        SELECT e.id AS example, e.domain, e.kind, p.key AS role, json_extract_string(p.value, '$') AS program,
               CASE WHEN p.key = 'old' THEN e.releases[1] ELSE e.releases[-1] END AS release
        FROM examples e, json_each(json_extract(e.parts, '$.programs')) p
        """,
        {
            "example": "Id of the example",
            "domain": "Domain",
            "kind": "Kind",
            "role": "What it is in the row: answer, stub, old, new, buggy, fixed, chosen, rejected, whole, before, …",
            "program": "Id of the program",
            "release": "Release it belongs to",
        },
    ),
    "example_outcomes": (
        f"""
        SELECT x.example, any_value(x.domain) AS domain, any_value(x.kind) AS kind,
               any_value(x.program) FILTER (x.role IN ({_listed(WRONG_ROLES)})) AS old_program,
               any_value(x.program) FILTER (x.role IN ({_listed(RIGHT_ROLES)})) AS new_program,
               any_value(v.outcome) FILTER (x.role IN ({_listed(WRONG_ROLES)})) AS outcome_old,
               any_value(v.outcome) FILTER (x.role IN ({_listed(RIGHT_ROLES)})) AS outcome_new,
               bool_and(v.verdict IS NOT NULL OR (x.kind = 'syntax' AND x.role = 'buggy')) AS ran,
               CASE WHEN count(v.proof) FILTER (v.outcome = 'passed') = 0 THEN 'none'
                    WHEN bool_and(v.proof = 'strong') FILTER (v.outcome = 'passed') THEN 'strong'
                    ELSE 'weak' END AS proof
        FROM example_programs x LEFT JOIN verdict_releases v USING (domain, program, release)
        GROUP BY x.example
        """,
        {
            "example": "Id of the example",
            "domain": "Domain",
            "kind": "Kind",
            "old_program": "Id of the program that doesn't: old, buggy, rejected, stub, before, corrupted, empty,"
            " attempt1",
            "new_program": "Id of the program that passes: new, fixed, chosen, answer, after, original, whole, block1",
            "outcome_old": "Outcome of old_program (drift: at the old version)",
            "outcome_new": "Outcome of new_program",
            "ran": "Whether every program has its verdict (the buggy one of a syntax row is the compiler's)",
            "proof": "strong where all passes were compared outside the candidate's process",
        },
    ),
    "proofs": (
        """
        SELECT p.example, p.domain, p.kind, o.code AS code_old, n.code AS code_new, n.test AS test,
               p.outcome_old, p.outcome_new, a.outcome AS outcome_old_at_new, a.detail AS old_at_new_detail,
               e.old_effect, p.proof
        FROM example_outcomes p JOIN examples e ON e.id = p.example
        LEFT JOIN programs o ON o.id = p.old_program LEFT JOIN programs n ON n.id = p.new_program
        LEFT JOIN verdict_releases a ON p.kind = 'drift' AND a.domain = p.domain
             AND a.program = p.old_program AND a.release = e.releases[-1]
        WHERE p.outcome_new = 'passed' AND EXISTS (SELECT 1 FROM curated c WHERE c.example = p.example AND c.proven)
        """,
        {
            "example": "Id of the example",
            "domain": "Domain",
            "kind": "Kind",
            "code_old": "Old, buggy, rejected, unedited, corrupted code, the stub, or code with its gap left empty",
            "code_new": "New, fixed, chosen, edited, original, whole code, or the answer",
            "test": "The test the new code passes",
            "outcome_old": "Outcome of code_old at its own version (drift: the old one)",
            "outcome_new": "Outcome of code_new at the new version",
            "outcome_old_at_new": "drift: outcome of the old code at the new version",
            "old_at_new_detail": "drift: what the old code ran into there",
            "old_effect": "drift: fails, warns, differs",
            "proof": "strong where all passes were compared outside the candidate's process",
        },
    ),
    "curated": (
        f"""
        SELECT e.id AS example, e.domain, e.kind, s.split, r.rule,
               s.split IS NOT NULL
                   OR (r.rule IS NOT NULL AND r.rule NOT IN ({_listed(PROOF_RULES + EARLY_RULES)})) AS proven,
               s.split IS NOT NULL OR (r.rule IS NOT NULL AND r.rule IN ({_listed(SPLIT_RULES)})) AS kept
        FROM examples e
        LEFT JOIN latest_snapshots l ON l.domain = e.domain
        LEFT JOIN snapshot_rows s ON s.snapshot = l.snapshot AND s.example = e.id
        LEFT JOIN removals r ON r.example = e.id
        WHERE l.domain IS NULL OR s.split IS NOT NULL OR r.rule IS NOT NULL OR e."_at" > l.curated_at
        """,
        {
            "example": "Id of an example that its domain's latest curation looked at, or that was written since then",
            "domain": "Domain",
            "kind": "Kind",
            "split": "Its split in the latest snapshot, null where it isn't in it",
            "rule": "The rule that removed it, null where none did",
            "proven": "Whether its proof holds; false where it was removed before (rejected, outdated)",
            "kept": "Whether curation kept it (held-out neighbours of an evaluation row included)",
        },
    ),
    "funnel": (
        """
        SELECT e.domain, e.kind, r.version, coalesce(e.operator, e.generator) AS operator, count(*) AS generated,
               count(*) FILTER (o.ran OR c.proven) AS ran, count(*) FILTER (c.proven) AS proven,
               count(*) FILTER (c.proven AND o.proof = 'strong') AS strong,
               count(*) FILTER (c.kept) AS kept, count(*) FILTER (c.split IS NOT NULL) AS in_snapshot
        FROM examples e JOIN curated c ON c.example = e.id LEFT JOIN example_outcomes o ON o.example = e.id
        LEFT JOIN releases r ON r.id = e.releases[-1]
        GROUP BY ALL ORDER BY ALL
        """,
        {
            "domain": "Domain",
            "kind": "Kind",
            "version": "Version that the rows teach: the newer one of a pair. Rows mined of the older release alone are"
            " what drift is found in and teach nothing (rule outdated): a kind's yield is that of the newer version",
            "operator": "Mutation operator or codemod, else the generator",
            "generated": "Examples that generators emitted, those too that don't run or double others; of several with"
            " one id one, of superseded ones (see curated) none",
            "ran": "of these, those whose programs all ran (text has none to run)",
            "proven": "of these, those whose proof holds",
            "strong": "of the proven, those whose passes were all compared outside the candidate's process",
            "kept": "of these, those that curation kept",
            "in_snapshot": "of these, those in the domain's latest snapshot",
        },
    ),
    "lineage": (
        """
        SELECT a.id AS adapter, a.domain, a.version, a.snapshot, s.example, s.split, e.kind, e.generator, e.licence,
               e.source_url, p.id AS page, p.url AS page_url, p.licence AS page_licence
        FROM (
            WITH RECURSIVE made_of AS (
                SELECT id, domain, version, snapshot, started_from FROM adapters
                UNION ALL SELECT m.id, m.domain, m.version, before.snapshot, before.started_from
                FROM made_of m JOIN adapters before ON before.id = m.started_from
            ) FROM made_of
        ) a JOIN snapshot_rows s ON s.snapshot = a.snapshot JOIN examples e ON e.id = s.example
        LEFT JOIN latest_pages p ON p.url = e.source_url
        """,
        {
            "adapter": "Id of the adapter",
            "domain": "Domain",
            "version": "The adapter's version",
            "snapshot": "Id of the snapshot that it, or one that it goes on from, was trained on",
            "example": "Id of a row of it",
            "split": "The row's split",
            "kind": "The row's kind",
            "generator": "What made the row",
            "licence": "The row's licence",
            "source_url": "Where the row's text comes from",
            "page": "Id of that page, as it was scraped last",
            "page_url": "Its address",
            "page_licence": "Its licence",
        },
    ),
    "drift": (
        """
        SELECT c.id AS change, c.symbol, c.kind, c.replacement, c.evidence, r.library, r.version AS old_version,
               n.version AS new_version, e.domain, e.id AS example, e.kind AS example_kind, e.old_effect
        FROM changes c JOIN releases r ON r.id = c.old JOIN releases n ON n.id = c.new
        LEFT JOIN (SELECT x.* FROM examples x JOIN curated k ON k.example = x.id AND k.proven
                   WHERE x.kind IN ('drift', 'preference')) e ON e.change = c.id
        """,
        {
            "change": "Id of the change",
            "symbol": "Canonical path",
            "kind": "Kind of change",
            "replacement": "What to use instead",
            "evidence": "Who says so",
            "library": "Library",
            "old_version": "From",
            "new_version": "To",
            "domain": "Domain of the example: others may look at the same releases, and have rows of their own",
            "example": "Id of an example that proves it, null where none does",
            "example_kind": "drift or preference",
            "old_effect": "What old code does at the new version",
        },
    ),
    "sites": (
        """
        SELECT s.domain, s.site, s.release, s.pages, s.version, s.said, any_value(l.down) AS down,
               count(*) FILTER (f.outcome = 'ok' AND f.sha256 <> '' AND f.fault IS NULL AND f."_at" >= l.since)
                   AS changed,
               count(*) FILTER (f.outcome = 'ok' AND f.sha256 <> '' AND f.fault IS NULL AND f."_at" < l.since)
                   AS unchanged,
               count(*) FILTER (f.outcome = 'missing') AS missing,
               count(*) FILTER (f.fault IS NOT NULL OR f.outcome NOT IN ('ok', 'missing')) AS faulty,
               max(l.asked) AS asked
        FROM (
            SELECT domain, result ->> '$.site' AS site, result ->> '$.release' AS release,
                   coalesce(arg_max(json_array_length(result, '$.works'), "_at"), 0)::BIGINT AS pages,
                   arg_max(result ->> '$.version.outcome', "_at") AS version,
                   arg_max(result ->> '$.version.detail', "_at") AS said
            FROM work WHERE stage = 'scrape' AND (json_exists(result, '$.works') OR json_exists(result, '$.down'))
            GROUP BY ALL
        ) s LEFT JOIN (
            SELECT domain, result ->> '$.site' AS site, max("_at") AS asked, max("_at" - to_seconds(seconds)) AS since,
                   arg_max_null(result ->> '$.down', "_at") AS down
            FROM work WHERE stage = 'scrape' AND part LIKE 'look@%' GROUP BY ALL
        ) l ON l.domain = s.domain AND l.site = s.site
        LEFT JOIN fetches f ON f.site = s.site
        GROUP BY ALL ORDER BY s.domain, s.site, s.release
        """,
        {
            "domain": "Domain",
            "site": "Address that the pages of a documentation site lie below",
            "release": "Id of the release that they are of",
            "pages": "Pages that there are now",
            "version": "Whether it says that it is of the version it is read for: agrees, unknown; differs: its pages"
            " are left out, unless version_check is false",
            "said": "What it says, in a sentence",
            "down": "Why it couldn't be read when it was asked last: what it gave before stays; null where it could",
            "changed": "Addresses that gave something else, or for the first time, when the site was asked last",
            "unchanged": "Addresses that are as they were",
            "missing": "Addresses that are named or linked, and where nothing is",
            "faulty": "Addresses that can't be read, or hold no page of documentation: see fetches",
            "asked": "When it was asked last",
        },
    ),
    "dialogues": (
        """
        SELECT c.domain, each.value ->> '$.writer' AS writer, each.value ->> '$.subject' AS subject,
               c.result ->> '$.model' AS model, coalesce(d.outcome, 'left') AS outcome, d.detail,
               coalesce(d.rows, []::VARCHAR[]) AS rows, coalesce(d.calls, []::VARCHAR[]) AS calls, d.tokens, d.money,
               d.run, d."at", each.value ->> '$.key' AS dialogue
        FROM (
            SELECT domain, arg_max(result, "_at") AS result FROM work
            WHERE stage = 'synth' AND json_exists(result, '$.dialogues') GROUP BY domain
        ) c, json_each(c.result, '$.dialogues') each
        LEFT JOIN (
            SELECT result ->> '$.dialogue' AS dialogue, result ->> '$.outcome' AS outcome,
                   result ->> '$.detail' AS detail,
                   (result ->> '$.rows[*]')::VARCHAR[] AS rows, (result ->> '$.calls[*]')::VARCHAR[] AS calls, tokens,
                   money, "_run" AS run, "_at" AS "at"
            FROM work WHERE stage = 'synth' AND json_exists(result, '$.dialogue')
            QUALIFY row_number() OVER (PARTITION BY result ->> '$.dialogue' ORDER BY "_at" DESC, "key") = 1
        ) d ON d.dialogue = each.value ->> '$.key'
        ORDER BY c.domain, writer, subject
        """,
        {
            "domain": "Domain",
            "writer": "Writer",
            "subject": "What it writes about",
            "model": "The LLM",
            "outcome": "How the dialogue ended: written; budget, error, timeout, rate-limited (the next run goes on);"
            " refused, truncated, malformed, empty, format, language, off-topic, hostile, unproven, doubled, private;"
            " broken (the writer raised: a bug); left: not held yet",
            "detail": "Why, in a sentence",
            "rows": "Ids of its rows in examples",
            "calls": "What it asked, in order: calls.request",
            "tokens": "Tokens of these, also where they were answered before: spend counts each once",
            "money": "Likewise",
            "run": "Run that held it last",
            "at": "When",
            "dialogue": "Its work key",
        },
    ),
    "written": (
        """
        SELECT d.domain, d.writer, d.model, d.outcome, count(DISTINCT d.dialogue) AS dialogues,
               count(d.example) AS rows,
               count(*) FILTER (c.proven) AS proven, count(*) FILTER (c.kept) AS kept,
               count(*) FILTER (c.split IS NOT NULL) AS in_snapshot
        FROM (
            SELECT o.* EXCLUDE (rows), e.example
            FROM dialogues o LEFT JOIN (SELECT dialogue, unnest(rows) AS example FROM dialogues) e USING (dialogue)
        ) d LEFT JOIN curated c ON c.example = d.example
        GROUP BY ALL ORDER BY ALL
        """,
        {
            "domain": "Domain",
            "writer": "Writer",
            "model": "The LLM",
            "outcome": "How its dialogues ended: see dialogues",
            "dialogues": "How many ended so",
            "rows": "Rows that they came to",
            "proven": "of these, those whose proof holds",
            "kept": "of these, those that curation kept",
            "in_snapshot": "of these, those in the domain's latest snapshot",
        },
    ),
    "expenses": (
        """
        SELECT domain, stage, "_run" AS run, "_at" AS "at", seconds, 1 AS pieces, 0 AS calls,
               CASE WHEN json_exists(result, '$.dialogue') THEN 0 ELSE tokens END AS tokens,
               CASE WHEN json_exists(result, '$.dialogue') THEN 0 ELSE money END AS money
        FROM work
        UNION ALL BY NAME
        SELECT domain, 'synth' AS stage, coalesce(nullif(run, ''), "_run") AS run, "_at" AS "at", 0 AS seconds,
               0 AS pieces, 1 AS calls, prompt_tokens + completion_tokens AS tokens, money
        FROM calls
        UNION ALL BY NAME
        SELECT domain, 'train' AS stage, "_run" AS run, "_at" AS "at", 0 AS seconds, 0 AS pieces, 0 AS calls,
               0 AS tokens, cost AS money
        FROM runs WHERE cost > 0
        """,
        {
            "domain": "Domain",
            "stage": "Stage",
            "run": "Run; of an LLM's calls the one that is charged, also where another wrote them down",
            "at": "When it was written down",
            "seconds": "Seconds of work, summed over processes",
            "pieces": "1 for a piece of work, else 0",
            "calls": "1 for a time that an LLM was asked, else 0",
            "tokens": "LLM tokens, both ways, as charged",
            "money": "Money: of an LLM's calls as charged, of trainings their hours times `price` of `[train]`",
        },
    ),
    "spend": (
        """
        SELECT domain, stage, run, sum(tokens)::BIGINT AS tokens, sum(money) AS money, sum(seconds) AS seconds,
               sum(pieces)::BIGINT AS pieces, sum(calls)::BIGINT AS calls
        FROM expenses GROUP BY domain, stage, run ORDER BY min("at")
        """,
        {
            "domain": "Domain",
            "stage": "Stage",
            "run": "Run; of an LLM's calls the one that is charged, also where another wrote them down",
            "tokens": "LLM tokens, both ways, as charged",
            "money": "Money, also of trainings",
            "seconds": "Seconds of work, summed over processes",
            "pieces": "Pieces of work",
            "calls": "Times that an LLM was asked",
        },
    ),
}
"""View -> (SQL, column -> documentation), above the tables' own views."""

_ORDER = (
    "forgotten_rows", "domain_environments", "verdict_releases", "latest_snapshots", "latest_pages", "example_programs",
    "example_outcomes", "curated", "proofs", "funnel", "lineage", "drift", "sites", "dialogues", "written", "expenses",
    "spend",
)  # fmt: skip


def statements(patterns: Mapping[str, Sequence[str]]) -> list[str]:
    """The SQL that makes the catalogue over files: table -> globs."""
    made = []
    for record in sorted(RECORDS, key=lambda r: r.table != "work"):  # removals refers to work
        made += [
            _table_view(record, patterns[record.table]),
            _as_of(record, patterns[record.table]),
            *_comments(record.table, documentation(record)),
        ]
    for name in _ORDER:
        sql, columns = DERIVED[name]
        made += [f"CREATE VIEW {name} AS {sql}", *_comments(name, columns), _derived_as_of(name)]
    return made + definitions()


def documentation(record: type[Record]) -> dict[str, str]:
    """Column -> what it says, of a table's view."""
    own = {f.name: f.metadata["doc"] for f in dataclasses.fields(record)}
    stamps = {
        "_at": "When the row was written",
        "_run": "By which run",
        "_code": "By which version of driftune",
    }
    return (
        {"id": "SHA-256 of the identity columns", "digest": "SHA-256 of all columns that are not volatile"}
        | own
        | stamps
    )


def _comments(view: str, columns: dict[str, str]) -> list[str]:
    return [f'COMMENT ON COLUMN {view}."{name}" IS \'' + doc.replace("'", "''") + "'" for name, doc in columns.items()]


def build(path: Path, patterns: Mapping[str, Sequence[str]]) -> None:
    """Makes the catalogue at `path` over files (table -> globs); nothing happens where it is up to date.

    That is written down beside it, with which file is meant: to open it only to see that takes longer than all else
    that a command does first.
    """
    made = statements(patterns)
    mark = sha256_of_bytes("\n".join([duckdb.__version__, *made]).encode())
    beside = path.with_name(f".{path.name}.mark")
    if path.exists():
        if _written(beside) == (known := f"{mark} {_which(path)}"):
            return
        if _mark(path) == mark:
            with contextlib.suppress(OSError):  # on a read-only disk it is opened each time
                beside.write_text(known)
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_native_id()}.part")
    partial.unlink(missing_ok=True)
    try:
        with duckdb.connect(str(partial)) as connection:
            connection.execute("BEGIN")  # one commit instead of hundreds: 0.2 s instead of 1.4 s
            for statement in made:
                connection.execute(statement)
            connection.execute(f"CREATE MACRO driftune_catalogue() AS '{mark}'")
            connection.execute("COMMIT")
    except duckdb.Error as error:
        for file in (partial, partial.with_name(f"{partial.name}.wal")):
            file.unlink(missing_ok=True)
        if "No space left" in str(error):  # of several kinds: where it ends up depends on what was written last
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
    partial.chmod(0o444)
    known = f"{mark} {_which(partial)}"
    partial.replace(path)
    beside.write_text(known)


def _which(path: Path) -> str:
    """Tells a file from any other that may take its place; a rename leaves it."""
    found = path.stat()
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"


def _written(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _mark(path: Path) -> str:
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            row = connection.execute("SELECT driftune_catalogue()").fetchone()
    except duckdb.Error:
        return ""
    return str(row[0]) if row else ""
