"""The screens of all domains, and of one: its channels with their moves, its versions with what the gate saw."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from registry.errors import DriftuneError
from registry.records import Adapter
from registry.server.context import Context
from registry.server.pages import gates
from registry.server.pages.asking import Lake, Part, Reader, Served, seen
from registry.server.pages.lineage import Page, part
from registry.server.pages.questions import Questions
from registry.server.pages.view import moment, page
from registry.store import CANDIDATE, STABLE, Store

router = APIRouter()

_MOVES = 50
"""Moves of a channel that are shown."""


@router.get("/")
def domains(request: Request, caller: Reader, context: Served, lake: Lake) -> HTMLResponse:
    """All domains that the caller may see."""
    names = seen(caller)
    releases = newest(lake, names)
    shown = [_domain(context, name, releases.get(name, "")) for name in names]
    return page(request, "domains", caller, at="domains", domains=shown)


@router.get("/domains/{domain}")
def domain(request: Request, caller: Reader, context: Served, domain: str, at: Part = 1) -> HTMLResponse:
    """A domain: its channels with their moves, its versions with what the gate saw of each."""
    store = context.store
    versions = store.versions(domain)
    listed = part(versions[::-1], at)
    reports = [gates.gate_of(adapter) for adapter in listed.rows]
    channels, standing = _channels(store, domain, versions), standings(store, domain)
    rows = [
        {
            "version": adapter.version, "range": adapter.library_range, "decision": gate.decision, "mark": mark,
            "goal": f"{gate.metric} on {gate.split}", "standing": [note["what"] for note in standing(adapter.version)],
            "channels": [each["name"] for each in channels if each["version"] == adapter.version],
        }
        for adapter, gate, mark in zip(listed.rows, reports, gates.goals(reports), strict=True)
    ]  # fmt: skip
    return page(
        request, "domain", caller, crumbs=[("Domains", "/")], domain=domain, line=gates.nought(reports),
        page=Page(rows, listed.number, listed.total), ended=standing(0), channels=channels,
    )  # fmt: skip


def standings(store: Store, domain: str) -> Any:
    """What gives the notes on a version, or, for 0, on the domain: that it is yanked, at the end of its life."""
    said = (("Yanked", store.yanked(domain)), ("At the end of its life", store.ended(domain)))

    def notes(version: int) -> list[dict[str, Any]]:
        return [
            {"what": what, "at": moment(held[version].at), "reason": held[version].reason, "by": held[version].by}
            for what, held in said
            if version in held
        ]

    return notes


def _channels(store: Store, domain: str, versions: Iterable[Adapter]) -> list[dict[str, Any]]:
    """Each channel: what it gives, to whom it gives another version first, its moves from the last on."""
    yanked = store.yanked(domain)
    ranges: Mapping[int, str] = {adapter.version: adapter.library_range for adapter in versions}
    shown = []
    for name in sorted(store.channel_names(domain), key=_place):
        given = store.given(domain, name)
        moves: list[dict[str, Any]] = [
            {"at": moment(m.at), "action": m.action, "version": m.version, "by": m.by, "reason": m.reason,
             "share": m.share}
            for m in reversed(store.history(domain, name))
        ]  # fmt: skip
        shown.append(
            {"name": name, "version": given, "range": ranges.get(given or 0, ""), "last": moves[0],
             "first": moves[0] if moves[0]["share"] < 1 and moves[0]["version"] not in yanked else None,
             "moves": part(moves, 1, _MOVES)}
        )  # fmt: skip
    return shown


def _place(channel: str) -> tuple[int, str]:
    """Where a channel stands among others: what most follow comes first."""
    return {STABLE: 0, CANDIDATE: 1}.get(channel, 2), channel


def _domain(context: Context, name: str, release: str) -> dict[str, Any]:
    """What is said of a domain in the list; of one that can't be read only that, so that the others are there."""
    shown = {"name": name, "private": not context.settings.is_public(name), "broken": False}
    try:
        return shown | _held(context.store, name, release)
    except DriftuneError:
        return shown | {"broken": True}


def _held(store: Store, name: str, release: str) -> dict[str, Any]:
    names, versions = store.channel_names(name), store.versions(name)
    channels = {channel: store.given(name, channel) for channel in names}
    moved = [moment(store.history(name, channel)[-1].at) for channel in names]
    stable = channels.get(STABLE)
    spoken = next((adapter.library_range for adapter in versions if adapter.version == stable), "")
    return {
        "stable": stable, "range": spoken,
        "channels": [each for each in channels.items() if each[0] != STABLE and each[1]],
        "moved": max((at for at in moved if at is not None), default=None), "versions": len(versions),
        "newest": release, "behind": bool(release and spoken) and not _speaks(spoken, release),
        "ended": 0 in store.ended(name),
    }  # fmt: skip


def newest(lake: Questions | None, domains: Collection[str]) -> dict[str, str]:
    """Domain -> the newest release of a library of it that the lake has, as `networkx 3.6.1`."""
    if lake is None or not domains:
        return {}
    found = lake.kept(
        "SELECT e.domain, r.library, r.version FROM (SELECT DISTINCT domain, unnest(releases) AS release FROM examples)"
        " e JOIN releases r ON r.id = e.release ORDER BY r.released_at, r.version"
    )
    return {row["domain"]: f"{row['library']} {row['version']}" for row in found if row["domain"] in domains}


def _speaks(spoken: str, release: str) -> bool:
    """Whether a library range as `networkx>=3.6,<3.7` has a release in it; what can't be told is taken to be so."""
    library, _, version = release.rpartition(" ")
    own = next((each.strip() for each in spoken.split(";") if each.strip().startswith(library)), "")
    try:
        return SpecifierSet(own.removeprefix(library)).contains(Version(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return True
