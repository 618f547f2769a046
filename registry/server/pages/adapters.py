"""The screens of domains and their versions: channels, moves, the gate, the card, files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from registry.channels import Entry
from registry.errors import ConfigurationError, RegistryError
from registry.records import ARMS, Adapter
from registry.server.access import Caller, Scope, context_of, needs
from registry.server.context import Context
from registry.server.errors import unknown
from registry.server.pages import gates
from registry.server.pages.lineage import Page, part
from registry.server.pages.markdown import rendered
from registry.server.pages.questions import Questions, questions_of
from registry.server.pages.view import moment, page
from registry.store import CARD, STABLE, Store

router = APIRouter()

_MOVES = 50
"""Moves of a channel that are shown."""

Reader = Annotated[Caller, needs(Scope.READ)]
Served = Annotated[Context, Depends(context_of)]
Lake = Annotated[Questions | None, Depends(questions_of)]
Part = Annotated[int, Query(alias="page", ge=1, le=1_000_000)]


@router.get("/")
def domains(request: Request, caller: Reader, context: Served, lake: Lake) -> HTMLResponse:
    """All domains that the caller may see."""
    names = seen(caller)
    newest = _newest(lake, names)
    shown = [_domain(context, name, newest.get(name, ())) for name in names]
    return page(request, "domains", caller, at="domains", domains=shown)


@router.get("/domains/{domain}")
def domain(request: Request, caller: Reader, context: Served, domain: str, at: Part = 1) -> HTMLResponse:
    """A domain: its channels with their moves, its versions with what the gate saw of each."""
    store = context.store
    versions, pointed = store.versions(domain), store.channels(domain)
    by = {adapter.version: adapter for adapter in versions}
    listed = part(versions[::-1], at)
    reports = [gates.gate_of(adapter) for adapter in listed.rows]
    drawn = zip(listed.rows, reports, gates.goals(reports), strict=True)
    rows = [_version(*each, pointed) for each in drawn]
    return page(
        request, "domain", caller, crumbs=[("Domains", "/")], domain=domain, line=gates.nought(reports),
        page=Page(rows, listed.number, listed.total),
        channels=[_channel(name, store.history(domain, name), version, by) for name, version in pointed.items()],
    )  # fmt: skip


@router.get("/domains/{domain}/v{number}")
def version(request: Request, caller: Reader, context: Served, domain: str, number: int) -> HTMLResponse:
    """A version: what it is, what the gate saw of it, its files."""
    adapter, versions = find(context.store, domain, number)
    gate = gates.gate_of(adapter)
    return page(
        request, "version", caller, crumbs=crumbs(domain), adapter=adapter, gate=gate, arms=gates.arms(gate),
        gains=gates.gains(gate), others=gates.others(gate), arm_names=ARMS, standing=(), signature="not signed",
        channels=[name for name, held in context.store.channels(domain).items() if held == number],
        before=next((each for each in versions if each.id == adapter.started_from), None),
    )  # fmt: skip


@router.get("/domains/{domain}/v{number}/card")
def card(request: Request, caller: Reader, context: Served, domain: str, number: int) -> HTMLResponse:
    """The card of a version."""
    adapter, _ = find(context.store, domain, number)
    return page(request, "card", caller, crumbs=crumbs(domain), adapter=adapter, card=_card(context.store, adapter))


def find(store: Store, domain: str, number: int) -> tuple[Adapter, Sequence[Adapter]]:
    """A version of a domain, with all that there are.

    Raises:
        RefusedError: There is none.
    """
    versions = store.versions(domain)
    found = next((adapter for adapter in versions if adapter.version == number), None)
    if found is None:
        raise unknown(f"version {number} of {domain}")
    return found, versions


def seen(caller: Caller) -> list[str]:
    """The domains that a caller may see."""
    return [name for name in caller.context.store.domains() if caller.sees(name)]


def crumbs(domain: str) -> list[tuple[str, str]]:
    """Where a page below a domain stands."""
    return [("Domains", "/"), (domain, f"/domains/{domain}")]


def _card(store: Store, adapter: Adapter) -> Any:
    try:
        return rendered(store.read(adapter, CARD).decode("utf-8", "replace"))
    except (RegistryError, ConfigurationError):
        return "The card can't be read: the version is damaged."


def _version(adapter: Adapter, gate: gates.Gate, mark: gates.Mark | None, pointed: dict[str, int]) -> dict[str, Any]:
    return {
        "version": adapter.version, "range": adapter.library_range, "decision": gate.decision, "mark": mark,
        "goal": f"{gate.metric} on {gate.split}", "standing": "",
        "channels": [name for name, version in pointed.items() if version == adapter.version],
    }  # fmt: skip


def _channel(name: str, moves: Sequence[Entry], version: int, by: dict[int, Adapter]) -> dict[str, Any]:
    told = [
        {"at": moment(m.at), "action": m.action, "version": m.version, "by": m.by, "reason": m.reason}
        for m in moves[::-1]
    ]
    return {
        "name": name, "version": version, "share": 1.0, "last": told[0], "moves": part(told, 1, _MOVES),
        "range": by[version].library_range if version in by else "",
    }  # fmt: skip


def _domain(context: Context, name: str, releases: Sequence[str]) -> dict[str, Any]:
    store = context.store
    channels = store.channels(name)
    versions = {adapter.version: adapter for adapter in store.versions(name)}
    moves = [moment(store.history(name, channel)[-1].at) for channel in channels]
    stable = channels.get(STABLE)
    spoken = versions[stable].library_range if stable in versions else ""
    newest = releases[0] if releases else ""
    return {
        "name": name, "private": not context.settings.is_public(name), "stable": stable, "range": spoken,
        "channels": [(channel, version) for channel, version in channels.items() if channel != STABLE],
        "moved": max((at for at in moves if at is not None), default=None), "versions": len(versions),
        "newest": newest, "behind": bool(newest and spoken and not _speaks(spoken, newest)),
    }  # fmt: skip


def _newest(lake: Questions | None, seen: Iterable[str]) -> dict[str, list[str]]:
    """Domain -> the newest release of its library that the lake has, as `networkx 3.6.1`."""
    wanted = set(seen)
    if lake is None or not wanted:
        return {}
    found = lake.kept(
        "SELECT e.domain, r.library, r.version FROM (SELECT DISTINCT domain, unnest(releases) AS release FROM examples)"
        " e JOIN releases r ON r.id = e.release ORDER BY r.released_at DESC NULLS LAST, r.version DESC"
    )
    newest: dict[str, list[str]] = {}
    for row in found:
        if row["domain"] in wanted:
            newest.setdefault(row["domain"], []).append(f"{row['library']} {row['version']}")
    return newest


def _speaks(spoken: str, release: str) -> bool:
    """Whether a library range as `networkx>=3.6,<3.7` has a release in it; what can't be told is taken to be so."""
    library, _, version = release.rpartition(" ")
    try:
        ranges = SpecifierSet(spoken.removeprefix(library))
        return ranges.contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True
