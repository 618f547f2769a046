"""The screens of what adapters stand on: their rows, pages and API changes; a domain's funnel and removals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from registry.records import Adapter
from registry.server.access import Caller
from registry.server.errors import unknown
from registry.server.pages import lineage
from registry.server.pages.asking import Lake, Part, Reader, Served, crumbs, find, seen, there
from registry.server.pages.lineage import part
from registry.server.pages.questions import Row
from registry.server.pages.view import page, query_of

router = APIRouter()

_STEPS = ("generated", "ran", "proven", "strong", "kept", "in snapshot")


@router.get("/domains/{domain}/v{number}/changes")
def version_changes(
    request: Request, caller: Reader, context: Served, lake: Lake, domain: str, number: int, at: Part = 1
) -> HTMLResponse:
    """The API changes that a version's training data proves."""
    adapter, versions = find(context.store, domain, number)
    found = lineage.covered(there(lake), _trained(caller, adapter, versions))
    kind = query_of(request)["kind"]
    shown = part([row for row in found if kind in ("", row["kind"])], at)
    kinds = sorted(Counter(row["kind"] for row in found).items())
    return page(request, "changes", caller, crumbs=crumbs(domain), adapter=adapter, page=shown, kinds=kinds)


@router.get("/domains/{domain}/v{number}/rows")
def version_rows(
    request: Request, caller: Reader, context: Served, lake: Lake, domain: str, number: int, at: Part = 1
) -> HTMLResponse:
    """The rows of a version's snapshots."""
    adapter, versions = find(context.store, domain, number)
    of = _trained(caller, adapter, versions)
    counted = lineage.kinds(there(lake), of)
    choices = [(name, _choices(counted, name)) for name in ("kind", "split", "licence")]
    shown = lineage.rows(there(lake), of, at, query_of(request))
    return page(
        request,
        "rows",
        caller,
        crumbs=crumbs(domain),
        adapter=adapter,
        page=shown,
        choices=choices,
        snapshots=of.snapshots,
    )


@router.get("/domains/{domain}/v{number}/pages")
def version_pages(
    request: Request, caller: Reader, context: Served, lake: Lake, domain: str, number: int, at: Part = 1
) -> HTMLResponse:
    """The pages that a version's rows come from, and their licences."""
    adapter, versions = find(context.store, domain, number)
    found = lineage.sources(there(lake), _trained(caller, adapter, versions))
    by: dict[str, dict[str, Any]] = {}
    for row in found:
        licence = row["licence"] or ""
        line = by.setdefault(licence, {"licence": licence, "rows": 0, "pages": 0})
        line["rows"] += row["rows"]
        line["pages"] += 1
    licences = sorted(by.values(), key=lambda line: -line["rows"])
    return page(
        request, "sources", caller, crumbs=crumbs(domain), adapter=adapter, page=part(found, at), licences=licences
    )


@router.get("/domains/{domain}/funnel")
def domain_funnel(request: Request, caller: Reader, lake: Lake, domain: str) -> HTMLResponse:
    """How far a domain's rows got, and which rule removed how many."""
    versions: dict[str, list[Row]] = {}
    for line in lineage.funnel(there(lake), domain):
        versions.setdefault(line["version"] or "", []).append(line)
    shown = sorted(versions.items(), key=lambda item: -sum(line["in_snapshot"] for line in item[1]))
    return page(
        request, "funnel", caller, crumbs=[("Domains", "/")], domain=domain, versions=shown, steps=_STEPS,
        removals=lineage.removals(there(lake), domain),
    )  # fmt: skip


@router.get("/domains/{domain}/removals/{rule}")
def domain_removals(request: Request, caller: Reader, lake: Lake, domain: str, rule: str, at: Part = 1) -> HTMLResponse:
    """The rows that a rule removed."""
    known = next((row for row in lineage.removals(there(lake), domain) if row["rule"] == rule), None)
    if known is None:
        raise unknown(f"removal by {rule!r} in {domain}")
    shown = lineage.removed(there(lake), domain, rule, query_of(request)["kind"], at)
    return page(
        request, "removals", caller, domain=domain, rule=rule, page=shown, kinds=[k for k in known["kinds"] if k],
        crumbs=[*crumbs(domain), ("Funnel", f"/domains/{domain}/funnel")],
    )  # fmt: skip


def _trained(caller: Caller, adapter: Adapter, versions: Sequence[Adapter]) -> lineage.Trained:
    return lineage.Trained(lineage.snapshots(adapter, versions), seen(caller))


def _choices(counted: list[Row], name: str) -> list[tuple[str, int]]:
    """What rows may be chosen by in a column, with how many there are, most first."""
    by: Counter[str] = Counter()
    for row in counted:
        by[row[name] or ""] += row["rows"]
    return [(value, rows) for value, rows in by.most_common() if value]
