"""Asking a documentation site what it has now; what it answers goes to the lake as it arrives.

Whoever is killed goes on: what has arrived is asked for by its validators.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from flows.house import House
from registry.credentials import find_credentials
from registry.domain import SourceSpec
from registry.forgetting import orders
from registry.identity import sha256_of
from registry.records import Body, Fetch, Record
from registry.web import Access, Answer, Web, WebLimits
from scrapers.crawl import Ask, Crawl
from scrapers.documents import Format
from scrapers.sites import Site, SiteLimits, file_answer

_ROWS, _CHARACTERS, _SECONDS = 128, 8 << 20, 20.0
"""Rows, and characters of bodies, that are written at a time, and how long the first of them waits at most."""

SETTINGS = ("hosts", "private", "proxy", "pages", "depth", "pause_s", "credentials")


def asked_how(source: SourceSpec) -> str:
    """Names the settings that say how a site is asked."""
    return sha256_of({name: str(getattr(source, name)) for name in SETTINGS})


def look(house: House, source: SourceSpec, site: Site, form: Format, licence: str | None, *, ask: bool) -> Crawl:
    """What a site has now.

    Args:
        house: The domain: what is new goes to its lake, what is to be forgotten isn't asked for.
        source: The site, as the domain's file has it.
        site: Where it is.
        form: How its pages are read.
        licence: SPDX expression of the site, None where it isn't known.
        ask: Whether it is asked; else all is as it was when it was asked last.

    Raises:
        SourceError: Nothing of it can be read.
    """
    rows = house.lake.read(Fetch, "site = $s", {"s": site.address})
    barred = orders(house.lake)
    crawl = Crawl(
        site,
        form,
        _nobody,
        known={f.url.removeprefix(site.address): f for f in rows},
        bodies=lambda sha256: house.lake.read(Body, "sha256 = $s", {"s": sha256}),
        limits=_limits(source),
        barred=lambda url: any(order.takes(url, licence) for order in barred),
    )
    asyncio.run(_look(house, source, crawl, ask=ask))
    return crawl


async def _nobody(_path: str, _known: Fetch | None) -> Answer | None:
    return None


def _limits(source: SourceSpec) -> SiteLimits:
    set_here = {"pages": source.pages, "depth": source.depth}
    return replace(SiteLimits(), **{name: value for name, value in set_here.items() if value is not None})


async def _look(house: House, source: SourceSpec, crawl: Crawl, *, ask: bool) -> None:
    if not ask:
        return await _drain(house, crawl)
    if crawl.site.is_folder:
        crawl.ask = _of_folder(crawl.site, crawl.limits)
        return await _drain(house, crawl)
    limits = WebLimits(body_bytes=crawl.limits.page_bytes, total_seconds=crawl.limits.seconds)
    limits = limits if source.pause_s is None else replace(limits, pause_s=source.pause_s)
    login = find_credentials(source.credentials, crawl.site.base)
    access = Access(source.hosts or (), source.private or (), source.proxy, (login,) if login else ())
    async with Web(access, limits) as web:
        crawl.ask = _of_web(web, crawl.site)
        return await _drain(house, crawl)


def _of_folder(site: Site, limits: SiteLimits) -> Ask:
    async def ask(path: str, known: Fetch | None) -> Answer:
        return file_answer(site, path, known, limits)

    return ask


def _of_web(web: Web, site: Site) -> Ask:
    base = site.base

    async def ask(path: str, known: Fetch | None) -> Answer:
        nonlocal base
        held = known if known is not None and known.sha256 else None
        etag, modified = (held.etag, held.last_modified) if held else (None, None)
        answer = await web.get(f"{base}{path}", etag=etag, last_modified=modified)
        if answer.final_url.startswith(site.bases[-1]):
            base = site.bases[-1]  # all else would be sent there, too, each by a request of its own
        return answer

    return ask


async def _drain(house: House, crawl: Crawl) -> None:
    """Writes what arrives, some at a time."""
    rows: list[Record] = []
    size, since = 0, time.monotonic()
    try:
        async for fetch, body in crawl.rows():
            rows += [fetch, *([body] if body else [])]
            size += len(body.text) if body else 0
            if len(rows) >= _ROWS or size >= _CHARACTERS or time.monotonic() - since > _SECONDS:
                house.append(rows)
                rows, size, since = [], 0, time.monotonic()
    finally:
        if rows:
            house.append(rows)
