"""Rows as they are read: their texts, their programs side by side, and what happened when these were run.

What the catalogue's views say of a whole lake takes seconds there; here it is asked for the rows of one page, by ids.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.catalogue import RIGHT_ROLES, WRONG_ROLES
from registry.server.pages.diffs import Line, diff
from registry.server.pages.questions import Questions, Row

_SHOWN = 20_000
"""Characters of a text that are shown."""

_ROW = """
SELECT e.id, e.domain, e.kind, e.releases, e.parts, e.change, e.family, e.symbols, e.generator, e.operator, e.bug_kind,
       e.old_effect, e.licence, e.source_url, e.parents, e.written
FROM examples e
"""


@dataclass(frozen=True)
class Ran:
    """One run of a program.

    Attributes:
        version: The release, as `networkx 3.6.1`.
        outcome: How it ended.
        proof: strong, weak, none.
        detail: What decided.
        warnings: Warnings that it showed, a line each.
    """

    version: str
    outcome: str
    proof: str
    detail: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """A program of a row, with its runs, oldest release first."""

    role: str
    id: str
    code: str
    test: str
    runs: tuple[Ran, ...]


@dataclass(frozen=True)
class Shown:
    """A row that is shown.

    Attributes:
        row: Its columns.
        texts: Its own texts, name -> text.
        programs: Its programs: the wrong ones first.
        lines: The diff of its wrong program and its right one; empty where it has no two.
    """

    row: Row
    texts: dict[str, str] = field(default_factory=dict)
    programs: tuple[Program, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def wrong(self) -> Program | None:
        """The program that is outdated or wrong."""
        return next((p for p in self.programs if p.role in WRONG_ROLES), None)

    @property
    def right(self) -> Program | None:
        """The program that passes."""
        return next((p for p in self.programs if p.role in RIGHT_ROLES), None)

    @property
    def test(self) -> str:
        """The test that the right program passes."""
        return self.right.test if self.right else ""


def read(questions: Questions, ids: Sequence[str]) -> list[Shown]:
    """The rows of these ids, in their order; those that there are.

    Args:
        questions: The lake.
        ids: Whole ids.
    """
    found = {row["id"]: row for row in questions.ask(f"{_ROW} WHERE list_contains($ids, e.id)", ids=list(ids))}
    rows = [found[i] for i in ids if i in found]
    parts: dict[str, dict[str, Any]] = {row["id"]: _object(row["parts"]) for row in rows}
    wanted = {program for held in parts.values() for program in _programs(held).values()}
    code = _code(questions, wanted)
    runs = {domain: _runs(questions, domain, wanted) for domain in sorted({row["domain"] for row in rows})}
    return [_shown(row, parts[row["id"]], code, runs[row["domain"]]) for row in rows]


def find(questions: Questions, start: str, domains: Sequence[str]) -> list[str]:
    """The ids of the rows of some domains that start so, two at most."""
    asked = (
        "SELECT id FROM examples WHERE starts_with(id, $start) AND list_contains($domains, domain) ORDER BY id LIMIT 2"
    )
    return [str(row["id"]) for row in questions.ask(asked, start=start, domains=list(domains))]


def _shown(row: Row, parts: dict[str, Any], code: dict[str, Row], runs: dict[str, list[Ran]]) -> Shown:
    programs = [
        Program(role, i, code[i]["code"][:_SHOWN], (code[i]["test"] or "")[:_SHOWN], tuple(runs.get(i, ())))
        for role, i in _programs(parts).items()
        if i in code
    ]
    programs.sort(key=lambda p: (p.role not in WRONG_ROLES, p.role not in RIGHT_ROLES, p.role))
    texts = {name: _text(value) for name, value in parts.items() if name != "programs"}
    shown = Shown(row, {name: text for name, text in texts.items() if text}, tuple(programs))
    if (wrong := shown.wrong) and (right := shown.right):
        return Shown(row, shown.texts, shown.programs, tuple(diff(wrong.code, right.code)))
    return shown


def _code(questions: Questions, programs: Collection[str]) -> dict[str, Row]:
    asked = "SELECT id, code, test FROM programs WHERE list_contains($ids, id)"
    return {row["id"]: row for row in questions.ask(asked, ids=sorted(programs))} if programs else {}


def _runs(questions: Questions, domain: str, programs: Collection[str]) -> dict[str, list[Ran]]:
    """What happened to programs with each release that a domain ran them with."""
    if not programs:
        return {}
    found = questions.ask(
        "SELECT v.program, v.library, v.version, v.outcome, v.proof, v.detail, v.warnings FROM verdict_releases v"
        " JOIN releases r ON r.id = v.release WHERE v.domain = $domain AND list_contains($ids, v.program)"
        " ORDER BY v.library, r.released_at, v.version",
        domain=domain, ids=sorted(programs),
    )  # fmt: skip
    runs: dict[str, list[Ran]] = {}
    for row in found:
        told = tuple(_warning(warning) for warning in _list(row["warnings"]))
        ran = Ran(f"{row['library']} {row['version']}", row["outcome"], row["proof"], row["detail"] or "", told)
        runs.setdefault(row["program"], []).append(ran)
    return runs


def _programs(parts: dict[str, Any]) -> dict[str, str]:
    held = parts.get("programs")
    return {str(role): str(program) for role, program in held.items()} if isinstance(held, dict) else {}


def _warning(warning: Any) -> str:
    if not isinstance(warning, dict):
        return str(warning)[:500]
    return f"{warning.get('category', 'Warning')}: {warning.get('message', '')}"[:500]


def _text(value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}\n… {len(text) - _SHOWN:,} characters more, not shown"


def _object(text: str | None) -> dict[str, Any]:
    value = json.loads(text or "{}")
    return value if isinstance(value, dict) else {}


def _list(text: str | None) -> list[Any]:
    value = json.loads(text or "[]")
    return value if isinstance(value, list) else []
