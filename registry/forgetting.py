"""`driftune forget`: what came from a source, or stands under a licence, goes out of the lake's files, and stays out.

Gone are what was received (fetches, bodies), the pages, what was read from them (symbols), what was made from them
through any number of steps (examples), the programs that nothing else names, how these ran, and what an LLM answered to
questions that may have quoted them: all but what a row was made of that stays; and every data set that was written for
subscribers. What was found by comparing or reading all pages (changes, rows that quote their evidence, and the memory
that this and the synthesis are done) goes too: the next run makes it anew, from what is left.

Snapshots and adapters are not changed: those that hold a forgotten row are named.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from registry import exports
from registry.compaction import collect, compact
from registry.errors import ConfigurationError
from registry.lake import Lake
from registry.records import (
    Adapter,
    Body,
    Call,
    Change,
    Example,
    Fetch,
    Forgotten,
    Page,
    Program,
    Record,
    Removal,
    Snapshot,
    SnapshotRow,
    Symbol,
    Verdict,
    Work,
)  # fmt: skip

_PACKAGE = re.compile(r"pypi://([^/]+)/[^/]+/[^/]+/(.+)")
_NOW = dt.timedelta(0)


class Order:
    """What is to be forgotten.

    Args:
        what: The address of a source, or a licence's SPDX id; `*` is anything but a slash. An address takes what is
            below it too, and a file of a package is meant in all of its versions.

    Raises:
        ConfigurationError: It is neither.
    """

    def __init__(self, what: str) -> None:
        self.is_source = "://" in what
        text = what.strip().rstrip("/")
        file = _PACKAGE.fullmatch(text)
        self.what = f"pypi://{file[1]}/*/*/{file[2]}" if file else text
        parts = (re.escape(part) for part in self.what.split("*"))
        below = r"(?:[/#?].*)?" if self.is_source else ""
        self._pattern = re.compile("[^/]*".join(parts) + below, 0 if self.is_source else re.IGNORECASE)
        if not self.is_source and not any(map(self._pattern.fullmatch, _licence_ids())):
            raise ConfigurationError(
                f"{what!r} is no source and no licence: give an address, as pypi://networkx, or an SPDX id, as"
                " GPL-3.0-only",
                what=what,
            )

    def takes(self, url: str, licence: str | None) -> bool:
        """Whether what stands at this address, under this SPDX expression, is to be forgotten."""
        if self.is_source:
            return self._pattern.fullmatch(url) is not None
        return any(self._pattern.fullmatch(name) for name in _names(licence or ""))


@dataclass(frozen=True)
class Trace:
    """What an order takes.

    Attributes:
        rows: Table -> ids of the rows that go for good.
        again: Table -> ids of the rows that go, and are made anew by the next run.
        domains: Domains that have something of it.
        snapshots: Snapshots that hold some of the examples, and how many.
        adapters: Adapters that were trained on these.
        answered: Requests to LLMs whose answers stay: those that rows which stay were made of.
    """

    rows: Mapping[str, frozenset[str]]
    again: Mapping[str, frozenset[str]]
    domains: tuple[str, ...]
    snapshots: tuple[tuple[Snapshot, int], ...]
    adapters: tuple[Adapter, ...]
    answered: frozenset[str] = frozenset()


def trace(lake: Lake, order: Order) -> Trace:
    """What an order takes; nothing is changed."""
    gone = [p for p in lake.read(Page) if order.takes(p.url, p.licence)]
    pages = {p.id for p in gone}
    releases = {p.release for p in gone}
    symbols = {s.id for s in lake.read(Symbol) if s.page in pages}
    changes = {c.id: c for c in lake.read(Change) if releases & {c.old, c.new}}
    all_examples = lake.read(Example)
    taken = {e.id for e in all_examples if order.takes(e.source_url, e.licence)}
    examples = _descendants(all_examples, pages | symbols | taken) | taken
    quoting = {e.id for e in all_examples if e.change in changes and _quotes(e, changes[e.change])}
    derived = (_descendants(all_examples, quoting) | quoting) - examples
    domains = _domains(lake, releases, all_examples)
    domains |= {e.domain for e in all_examples if e.id in examples or e.id in derived}
    programs = _unnamed(lake, all_examples, examples, domains) if examples else set()
    answered = _answered(e for e in all_examples if e.id not in examples | derived)
    received, urls = lake.read(Fetch), {p.url for p in gone}
    fetched = [f for f in received if order.takes(f.url, None) or f"{f.site}{f.path}" in urls]
    others = {f.sha256 for f in received} - {f.sha256 for f in fetched}
    rows: dict[str, Iterable[str]] = {
        "bodies": _ids(lake, Body, "sha256", {f.sha256 for f in fetched} - others),
        "fetches": {f.id for f in fetched},
        "pages": pages,
        "symbols": symbols,
        "examples": examples,
        "programs": programs,
        "verdicts": _ids(lake, Verdict, "program", programs),
        "removals": _ids(lake, Removal, "example", examples),
    }
    if any(rows.values()):
        rows["calls"] = _calls(lake, domains, answered)
    again: dict[str, Iterable[str]] = {
        "changes": changes,
        "examples": derived,
        "work": _work(lake, domains, compared=bool(changes)),
    }
    snapshots = _snapshots(lake, examples)
    trained = {s.id for s, _ in snapshots}
    return Trace(
        rows={table: frozenset(ids) for table, ids in rows.items() if ids},
        again={table: frozenset(ids) for table, ids in again.items() if ids},
        domains=tuple(sorted(domains)),
        snapshots=snapshots,
        adapters=tuple(_trained_on(trained, lake.read(Adapter))),
        answered=answered,
    )


def forget(lake: Lake, order: Order, found: Trace, *, by: str) -> None:
    """Takes what was traced out of the lake's files; killed, the same order goes on.

    A query that runs at this moment may find that a file is gone, and has to be asked again. Nobody may write.

    Args:
        lake: The lake, created.
        order: What is forgotten: written down first, so that it stays out.
        found: What it takes.
        by: Name of the account that orders it.
    """
    known = lake.read(Forgotten, "what = $w", {"w": order.what})
    if found.rows or not known:
        lake.append([_written(order, found, by, known[0] if known else None)])
    if found.rows or found.again:
        without = {table: _listed(ids) for table, ids in _together(found).items()}
        if Symbol.table in without:  # what another source says of the same symbol stays
            without[Symbol.table] += f" AND page IN ({_quoted(found.rows[Page.table])})"
        compact(lake, grace=_NOW, without=without)
    exports.drop(lake.home)
    collect(lake, grace=_NOW)  # also what an order that was killed had replaced


def orders(lake: Lake) -> list[Order]:
    """Everything that was ever forgotten: what is scraped from now on leaves it out."""
    return [Order(f.what) for f in lake.read(Forgotten)]


def outlasting(lake: Lake, domain: str) -> frozenset[str]:
    """The requests to LLMs whose answers stay in a domain's journals, once something was forgotten.

    Rows were made of them, or the lake has them still: what was forgotten has left it.
    """
    told = lake.each(Call, "domain = $d AND (text <> '' OR detail <> '')", {"d": domain})
    return _answered(lake.each(Example)) | {call.request for call in told}


def _written(order: Order, found: Trace, by: str, before: Forgotten | None) -> Forgotten:
    """The memory of an order, with what the same order took before."""
    old: Mapping[str, Any] = before.rows if before else {}
    went = {table: ids for table, ids in _together(found).items() if table != Work.table}
    rows = {t: sorted({*old.get(t, ()), *went.get(t, ())}) for t in sorted({*old, *went})}
    snapshots = {*(before.snapshots if before else ()), *(s.id for s, _ in found.snapshots)}
    adapters = {*(before.adapters if before else ()), *(a.id for a in found.adapters)}
    return Forgotten(
        what=order.what, rows=rows, snapshots=tuple(sorted(snapshots)), adapters=tuple(sorted(adapters)), by=by,
        at=dt.datetime.now(dt.UTC),
    )  # fmt: skip


def _together(found: Trace) -> dict[str, frozenset[str]]:
    """Table -> ids of all rows that go, those that are made anew too."""
    return {
        table: found.rows.get(table, frozenset()) | found.again.get(table, frozenset())
        for table in sorted({*found.rows, *found.again})
    }


def _descendants(examples: Iterable[Example], gone: Iterable[str]) -> set[str]:
    """Ids of the examples that were made from what is gone, in any number of steps."""
    children: dict[str, list[str]] = {}
    for example in examples:
        for parent in example.parents:
            children.setdefault(parent, []).append(example.id)
    found: set[str] = set()
    left = list(gone)
    while left:
        fresh = set(children.get(left.pop(), ())) - found
        found |= fresh
        left += fresh
    return found


def _answered(examples: Iterable[Example]) -> frozenset[str]:
    """The requests to LLMs that rows were made of."""
    return frozenset(str(request) for e in examples for request in e.written.get("calls", ()))


def _calls(lake: Lake, domains: set[str], answered: frozenset[str]) -> set[str]:
    """Ids of the calls that came to no row which stays: what was quoted in them isn't known."""
    rows = lake.query("SELECT id, domain, request FROM calls WHERE text <> '' OR detail <> ''").to_pylist()
    return {row["id"] for row in rows if row["domain"] in domains and row["request"] not in answered}


def _quotes(example: Example, change: Change) -> bool:
    """Whether what a row asks for is said in words of its change's evidence: of a note that may stand on a page."""
    asked = " ".join(str(example.parts.get("prompt", "")).split())
    texts = (" ".join(str(e.get("text", "")).split()) for e in change.evidence)
    return any(text and text in asked for text in texts)


def _unnamed(lake: Lake, examples: Iterable[Example], gone: set[str], domains: set[str]) -> set[str]:
    """Ids of the programs that only rows that go name, and of those that were only tried, unless by other domains."""
    named: dict[bool, set[str]] = {True: set(), False: set()}
    for example in examples:
        named[example.id in gone].update(map(str, dict(example.parts.get("programs", {})).values()))
    tried = {p.id for p in lake.read(Program)} - named[True] - named[False]
    return (named[True] | (tried - _run_by_others(lake, domains))) - named[False]


def _run_by_others(lake: Lake, domains: set[str]) -> set[str]:
    """Ids of the programs that ran, and only in environments that none of these domains uses."""
    users: dict[str, set[str]] = {}
    for work in lake.read(Work, "stage = 'validate'"):
        users.setdefault(str(work.result.get("environment")), set()).add(work.domain)
    foreign = {environment for environment, names in users.items() if names.isdisjoint(domains)}
    ran: dict[str, set[str]] = {}
    for row in lake.query("SELECT program, environment FROM verdicts").to_pylist():
        ran.setdefault(row["program"], set()).add(row["environment"])
    return {program for program, environments in ran.items() if environments <= foreign}


def _domains(lake: Lake, releases: set[str], examples: Iterable[Example]) -> set[str]:
    """The domains that scraped one of these releases, or have rows of one: another domain may have scraped it."""
    scraped = {w.domain for w in lake.read(Work, "stage = 'scrape'") if w.result.get("release") in releases}
    return scraped | {e.domain for e in examples if not releases.isdisjoint(e.releases)}


def _work(lake: Lake, domains: set[str], *, compared: bool) -> set[str]:
    """Ids of the work that reads all pages: the whole synthesis, and comparing two releases.

    A comparison is shared by all domains that look at the same releases, so it is done anew whoever did it.
    """
    return {
        work.id
        for work in lake.read(Work)
        if (work.stage == "synth" and work.domain in domains)
        or (work.stage == "scrape" and "release" not in work.result and (compared or work.domain in domains))
    }


def _trained_on(snapshots: set[str], adapters: Iterable[Adapter]) -> Iterator[Adapter]:
    """The adapters that were trained on one of these snapshots, and those that go on from one of them."""
    found: set[str] = set()
    for adapter in sorted(adapters, key=lambda a: (a.domain, a.version)):  # what is gone on from comes before
        if adapter.snapshot in snapshots or adapter.started_from in found:
            found.add(adapter.id)
            yield adapter


def _ids(lake: Lake, record: type[Record], column: str, wanted: Iterable[str]) -> set[str]:
    ids = {"ids": sorted(wanted)}
    return {r.id for r in lake.read(record, f"{column} IN (SELECT unnest($ids))", ids)} if ids["ids"] else set()


def _snapshots(lake: Lake, examples: set[str]) -> tuple[tuple[Snapshot, int], ...]:
    ids = {"ids": sorted(examples)}
    rows = lake.read(SnapshotRow, "example IN (SELECT unnest($ids))", ids) if examples else []
    counts = Counter(r.snapshot for r in rows)
    return tuple((s, counts[s.id]) for s in lake.read(Snapshot) if s.id in counts)


def _listed(ids: Iterable[str]) -> str:
    """SQL for the rows of these ids, in one spelling: it names the files that a compaction writes."""
    return f"id IN ({_quoted(ids)})"


def _quoted(ids: Iterable[str]) -> str:
    return ", ".join(f"'{i}'" for i in sorted(ids))


@functools.cache
def _names(expression: str) -> tuple[str, ...]:
    """The SPDX ids in an expression, those between OR too; a text that is no expression stands for itself."""
    from license_expression import Licensing

    try:
        return tuple(map(str, Licensing().license_keys(expression)))
    except Exception:  # its parser raises several kinds
        return (expression,)


@functools.cache
def _licence_ids() -> tuple[str, ...]:
    from license_expression import get_spdx_licensing

    return tuple(get_spdx_licensing().known_symbols)
