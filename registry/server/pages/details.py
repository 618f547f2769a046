"""The screens of single things of the lake, search above them: a row, an API change with its pairs, a symbol."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from registry.errors import DriftuneError
from registry.records import Adapter
from registry.server.context import Context
from registry.server.errors import unknown
from registry.server.pages import lineage, looking, rows
from registry.server.pages.asking import Lake, Part, Reader, Served, crumbs, seen, there
from registry.server.pages.lineage import Page, part
from registry.server.pages.questions import Questions, Row
from registry.server.pages.view import page

router = APIRouter()

_PAIRS = 10
"""Pairs that a page shows: each is two programs and three verdicts."""

_SHORTEST = 8
"""Characters that the start of a row's id must have."""


@router.get("/search")
def search(request: Request, caller: Reader, lake: Lake, q: str = "") -> HTMLResponse:
    """Symbols and changes that have all of some words."""
    q = q[:100]
    symbols: list[Row] = []
    changes: list[Row] = []
    if looking.words(q):
        domains = seen(caller)
        symbols, changes = looking.symbols(there(lake), q, domains), looking.changes(there(lake), q, domains)
    limit = looking.LIMIT
    return page(request, "search", caller, at="search", q=q, limit=limit, symbols=symbols, changes=changes)


@router.get("/symbols/{symbol}")
def symbol(request: Request, caller: Reader, lake: Lake, symbol: str) -> HTMLResponse:
    """A symbol at each release, with what changed of it."""
    domains = seen(caller)
    found = looking.symbol(there(lake), symbol, domains)
    if not found:
        raise unknown(f"symbol {symbol[:64]!r}")
    changes = looking.changes_of(there(lake), found[0]["path"], domains)
    return page(request, "symbol", caller, crumbs=_SEARCH, found=found, changes=changes)


@router.get("/changes/{change}")
def change(request: Request, caller: Reader, lake: Lake, change: str, at: Part = 1) -> HTMLResponse:
    """A change of the API: who says so, and the pairs of old and new code that prove it."""
    domains = seen(caller)
    found = lineage.change(there(lake), change)
    if found is None or found["new"] not in looking.releases(there(lake), domains):
        raise unknown(f"change {change[:64]!r}")
    listed = part(lineage.proving(there(lake), change, domains), at, _PAIRS)
    return page(
        request, "change", caller, crumbs=_SEARCH, change=found,
        splits={row["id"]: row["split"] for row in listed.rows},
        page=Page(rows.read(there(lake), [row["id"] for row in listed.rows]), listed.number, listed.total, _PAIRS),
    )  # fmt: skip


@router.get("/rows/{row}")
def row(request: Request, caller: Reader, context: Served, lake: Lake, row: str) -> HTMLResponse:
    """A row, by its id or the start of it: texts, programs, runs, where it comes from, who was trained on it."""
    domains = seen(caller)
    found = rows.find(there(lake), row, domains) if len(row) >= _SHORTEST else []
    if len(found) != 1:
        raise unknown(f"row {row[:64]!r}")
    [shown] = rows.read(there(lake), found)
    around = _around(there(lake), context, shown.row, domains)
    return page(request, "row", caller, shown=shown, crumbs=crumbs(shown.row["domain"]), **around)


_SEARCH = (("Search", "/search"),)


def _around(lake: Questions, context: Context, row: Row, domains: Sequence[str]) -> dict[str, Any]:
    """What is known of a row beside it: why it was removed, what it teaches, its page's licence, its adapters."""
    asked = "SELECT id, library || ' ' || version AS name FROM releases WHERE list_contains($ids, id)"
    names = {each["id"]: each["name"] for each in lake.ask(asked, ids=list(row["releases"]))}
    licences = lake.ask("SELECT licence FROM latest_pages WHERE url = $url", url=row["source_url"] or "")
    return {
        "releases": [names[release] for release in row["releases"] if release in names],
        "removals": lake.ask("SELECT rule, detail, kept_instead FROM removals WHERE example = $id", id=row["id"]),
        "page_licence": licences[0]["licence"] if licences else None,
        "adapters": _adapters(lake, context, row["id"], domains),
    }


def _adapters(lake: Questions, context: Context, row: str, domains: Sequence[str]) -> list[dict[str, Any]]:
    """The versions that were trained on a row's snapshots, or that go on from one that was."""
    held = lake.ask("SELECT snapshot, split FROM snapshot_rows WHERE example = $id", id=row)
    splits = {each["snapshot"]: each["split"] for each in held}
    found = []
    for domain in domains:
        versions: list[Adapter] = []
        with contextlib.suppress(DriftuneError):  # of what is broken its own page tells
            versions = context.store.versions(domain) if splits else []
        for adapter in versions:
            split = next((splits[s] for s in lineage.snapshots(adapter, versions) if s in splits), None)
            if split is not None:
                found.append({"domain": domain, "version": adapter.version, "split": split})
    return found[-_SHOWN:]


_SHOWN = 20
"""Adapters of a row that are shown, the newest ones."""
