"""What an adapter stands on: the rows of its snapshots, the pages these come from, the API changes they prove."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from registry.records import Adapter
from registry.server.pages.questions import Questions, Row

PER_PAGE = 50
"""Lines of a table that a page shows."""

_TRAINED = (
    "FROM snapshot_rows s JOIN examples e ON e.id = s.example WHERE list_contains($snapshots, s.snapshot)"
    " AND list_contains($domains, e.domain)"
)
_SHOWING = ("drift", "preference")
"""Kinds of rows that show an API change."""


@dataclass(frozen=True)
class Page:
    """A part of a long list.

    Attributes:
        rows: What is shown.
        number: Which part, from 1.
        total: How many there are in all.
        size: How many a part holds.
    """

    rows: Sequence[Any]
    number: int
    total: int
    size: int = PER_PAGE

    @property
    def last(self) -> int:
        """The number of the last part."""
        return max(1, -(-self.total // self.size))

    @property
    def first_row(self) -> int:
        """Number of the first that is shown, from 1."""
        return (self.number - 1) * self.size + 1 if self.rows else 0

    @property
    def last_row(self) -> int:
        """Number of the last that is shown."""
        return self.first_row + len(self.rows) - 1 if self.rows else 0


def part(rows: Sequence[Any], number: int, size: int = PER_PAGE) -> Page:
    """A part of a list that is held whole; the last one where `number` is beyond it."""
    number = min(number, max(1, -(-len(rows) // size)))
    return Page(rows[(number - 1) * size : number * size], number, len(rows), size)


@dataclass(frozen=True)
class Trained:
    """What an adapter was trained on, as far as a caller may see it.

    Attributes:
        snapshots: Ids of its snapshots.
        domains: The domains that the caller may see: whoever publishes names a snapshot, perhaps another domain's.
    """

    snapshots: list[str]
    domains: list[str]

    @property
    def held(self) -> dict[str, Any]:
        """The parameters of a question."""
        return {"snapshots": self.snapshots, "domains": self.domains}


def snapshots(adapter: Adapter, versions: Iterable[Adapter]) -> list[str]:
    """The snapshots that an adapter was trained on: its own, and those of the adapters that it goes on from."""
    found = [adapter.snapshot]
    if adapter.started_from:
        by_id = {each.id: each for each in versions}
        now = by_id.get(adapter.started_from)
        while now is not None and now.snapshot not in found:
            found.append(now.snapshot)
            now = by_id.get(now.started_from or "")
    return found


def kinds(questions: Questions, of: Trained) -> list[Row]:
    """How many rows of each kind, split and licence there are in snapshots."""
    return questions.kept(
        f"SELECT e.kind, s.split, e.licence, count(*) AS rows {_TRAINED} GROUP BY ALL"
        " ORDER BY rows DESC, e.kind, s.split, e.licence",
        **of.held,
    )


def rows(questions: Questions, of: Trained, number: int, chosen: dict[str, str]) -> Page:
    """The rows of snapshots, those that have the chosen kind, split, licence or source.

    Args:
        questions: The lake.
        of: What they were trained on.
        number: Which part.
        chosen: Column -> value, of `kind`, `split`, `licence`, `source`; an empty one is as good as none.
    """
    columns = {"kind": "e.kind", "split": "s.split", "licence": "e.licence", "source": "e.source_url"}
    wanted = {name: chosen[name] for name in columns if chosen.get(name)}
    where = "".join(f" AND {columns[name]} = ${name}" for name in wanted)
    held: dict[str, Any] = {**of.held, **wanted}
    total = questions.kept(f"SELECT count(*) AS n {_TRAINED}{where}", **held)[0]["n"]
    number = min(number, max(1, -(-total // PER_PAGE)))
    found = questions.ask(
        "SELECT e.id, e.kind, s.split, coalesce(e.operator, e.generator) AS maker, e.symbols[1] AS symbol, e.licence,"
        f" e.source_url {_TRAINED}{where} ORDER BY e.id, s.split LIMIT {PER_PAGE} OFFSET {(number - 1) * PER_PAGE}",
        **held,
    )
    return Page(found, number, total)


def sources(questions: Questions, of: Trained) -> list[Row]:
    """The pages that the rows of snapshots come from, each with its licence, those of most rows first."""
    return questions.kept(
        "WITH used AS (SELECT e.source_url AS url, e.licence, count(*) AS rows "
        f"{_TRAINED} GROUP BY ALL) SELECT u.url, u.licence, u.rows, p.licence AS page_licence FROM used u"
        " LEFT JOIN latest_pages p ON p.url = u.url ORDER BY u.rows DESC, u.url, u.licence",
        **of.held,
    )


def covered(questions: Questions, of: Trained) -> list[Row]:
    """The API changes that rows of snapshots prove, with how many of each kind do; those of most drift rows first."""
    return questions.kept(
        "SELECT c.id, c.symbol, c.kind, c.replacement, o.version AS old_version, n.version AS new_version,"
        " count(*) FILTER (t.kind = 'drift') AS drift, count(*) FILTER (t.old_effect = 'fails') AS fails,"
        " count(*) FILTER (t.old_effect = 'differs') AS differs, count(*) FILTER (t.old_effect = 'warns') AS warns,"
        " count(*) FILTER (t.kind = 'preference') AS preferences"
        f" FROM (SELECT DISTINCT e.id, e.kind, e.change, e.old_effect {_TRAINED} AND list_contains($kinds, e.kind)) t"
        " JOIN changes c ON c.id = t.change JOIN releases o ON o.id = c.old JOIN releases n ON n.id = c.new"
        " GROUP BY ALL ORDER BY drift DESC, preferences DESC, c.symbol, c.id",
        **of.held, kinds=list(_SHOWING),
    )  # fmt: skip


def change(questions: Questions, start: str) -> Row | None:
    """A change by its id; its evidence as a list."""
    found = questions.ask(
        "SELECT c.id, c.symbol, c.kind, c.replacement, c.evidence, c.detail, o.library, o.version AS old_version,"
        " n.version AS new_version, c.old, c.new FROM changes c JOIN releases o ON o.id = c.old"
        " JOIN releases n ON n.id = c.new WHERE c.id = $id",
        id=start,
    )
    if not found:
        return None
    evidence = json.loads(found[0]["evidence"] or "[]")
    detail = json.loads(found[0]["detail"] or "{}")
    return found[0] | {"evidence": [e for e in evidence if isinstance(e, dict)], "detail": detail}


def proving(questions: Questions, change_id: str, domains: Sequence[str]) -> list[Row]:
    """The proven rows of domains that show a change, each with its split in the latest snapshot; drift first."""
    return questions.kept(
        "SELECT e.id, e.domain, e.kind, c.split FROM examples e JOIN curated c ON c.example = e.id AND c.proven"
        " WHERE e.change = $change AND list_contains($kinds, e.kind) AND list_contains($domains, e.domain)"
        " ORDER BY e.kind, e.id",
        change=change_id, kinds=list(_SHOWING), domains=sorted(domains),
    )  # fmt: skip


def funnel(questions: Questions, domain: str) -> list[Row]:
    """How far a domain's rows got, a line a version and kind, with the lines of each operator below."""
    found = questions.kept("SELECT * FROM funnel WHERE domain = $domain", domain=domain)
    counts = ("generated", "ran", "proven", "strong", "kept", "in_snapshot")
    by: dict[tuple[str, str], Row] = {}
    for row in found:
        line = by.setdefault(
            (row["version"] or "", row["kind"]),
            {"version": row["version"], "kind": row["kind"], "operators": [], **dict.fromkeys(counts, 0)},
        )
        line["operators"].append(row)
        for name in counts:
            line[name] += row[name]
    return list(by.values())


def removals(questions: Questions, domain: str) -> list[Row]:
    """How many of a domain's rows each rule removed, with the kinds and one detail."""
    return questions.kept(
        "SELECT r.rule, count(*) AS rows, arg_min(r.detail, r.example) AS detail,"
        " list(DISTINCT e.kind ORDER BY e.kind) AS kinds FROM removals r LEFT JOIN examples e ON e.id = r.example"
        " WHERE r.domain = $domain GROUP BY r.rule ORDER BY rows DESC, r.rule",
        domain=domain,
    )


def removed(questions: Questions, domain: str, rule: str, kind: str, number: int) -> Page:
    """The rows that a rule removed."""
    where = "FROM removals r LEFT JOIN examples e ON e.id = r.example WHERE r.domain = $domain AND r.rule = $rule" + (
        " AND e.kind = $kind" if kind else ""
    )
    held = {"domain": domain, "rule": rule} | ({"kind": kind} if kind else {})
    total = questions.kept(f"SELECT count(*) AS n {where}", **held)[0]["n"]
    number = min(number, max(1, -(-total // PER_PAGE)))
    found = questions.ask(
        f"SELECT r.example, e.kind, coalesce(e.operator, e.generator) AS maker, r.detail, r.kept_instead {where}"
        f" ORDER BY r.example LIMIT {PER_PAGE} OFFSET {(number - 1) * PER_PAGE}",
        **held,
    )
    return Page(found, number, total)
