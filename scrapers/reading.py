"""A whole documentation site at once, without a lake: for a look at one, and for trying out a format."""

from __future__ import annotations

import asyncio

from registry.names import SymbolIndex
from registry.records import Fetch, Symbol
from registry.web import Access, Answer, Web
from scrapers.binding import Binding, bind, is_licence_page, licence_in, site_release, stated_licence
from scrapers.crawl import Crawl
from scrapers.documents import Document, Format, Job, get_format
from scrapers.index import normalised_name, parsed_version
from scrapers.sites import Site, SiteLimits, facts_of, file_answer, page_text, site_at
from scrapers.sources import Scraped
from scrapers.texts import decoded_page
from scrapers.uses import named_by_use


def read_site(
    kind: str,
    location: str,
    library: str,
    version: str,
    *,
    licence: str | None = None,
    url: str | None = None,
    access: Access | None = None,
    limits: SiteLimits | None = None,
) -> Scraped:
    """The release, pages and symbols of a site; all of it is in memory.

    Args:
        kind: Name of the site's format.
        location: A folder, or an address.
        library: Name of the distribution.
        version: Its version.
        licence: SPDX expression; None to look for it on the site's own licence page.
        url: The public address of a folder.
        access: What may be asked beside public addresses.
        limits: How much is read.

    Raises:
        ConfigurationError: There is no such folder, address, format or licence.
        SourceError: Nothing of the site can be read.
    """
    site = site_at(location, url, f"{kind}://{normalised_name(library)}/{parsed_version(version)}")
    form = get_format(kind)
    stated = stated_licence(licence) if licence else None
    found, texts = asyncio.run(_crawled(site, form, access, limits or SiteLimits()))
    facts = form.facts(found.indexes)
    jobs = []
    for path, fetch in sorted(found.pages.items()):
        data = file_answer(site, path.partition("#")[0], None, found.limits).body if site.is_folder else b""
        text = decoded_page(data) if site.is_folder else texts[fetch.sha256]
        jobs.append(Job(Document(path, site.url(path), text), facts_of(facts, path), fetch.etag))
    plain = Binding(kind, "", None, SymbolIndex(()))
    own = [job for job in jobs if is_licence_page(job.document.path)]
    found_licence = stated or licence_in(bind(plain, own))
    release = site_release(library, version, site.address, found_licence)
    bounds = bind(Binding(kind, release.id, found_licence.expression, SymbolIndex(()), found.absent), jobs)
    pages = sorted((b.page for b in bounds if b.page is not None), key=lambda p: p.url)
    symbols: dict[str, Symbol] = {}
    for symbol in (symbol for bound in bounds for symbol in bound.symbols):
        symbols.setdefault(symbol.path, symbol)
    named = named_by_use((symbols[path] for path in sorted(symbols)), (p.markdown for p in pages if p.kind == "guide"))
    return Scraped(release=release, pages=tuple(pages), symbols=tuple(named))


async def _crawled(site: Site, form: Format, access: Access | None, limits: SiteLimits) -> tuple[Crawl, dict[str, str]]:
    """What a site has, and the text of what came, by its hash."""
    async with Web(access) as web:

        async def ask(path: str, known: Fetch | None) -> Answer:
            if site.is_folder:
                return file_answer(site, path, known, limits)
            return await web.get(f"{site.base}{path}")

        crawl = Crawl(site, form, ask, limits=limits)
        texts = {b.sha256: page_text(b, f.content_type) async for f, b in crawl.rows() if b is not None}
    return crawl, texts
