"""Format `sphinx`: a page of a built Sphinx site as Markdown and API entries; source `sphinx`: a site of such pages.

In a domain file: `location` (folder or URL), optionally `licence` (SPDX; else it is looked for on the site's own
licence page) and `url` (the public address of a site that is read from a folder).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from registry.errors import ConfigurationError
from registry.identity import sha256_of, sha256_of_bytes
from registry.injection import screened
from registry.records import Page, Release, Symbol
from scrapers.api_writer import SphinxWriter
from scrapers.documents import Document, Parsed
from scrapers.index import normalised_name, parsed_version
from scrapers.inventory import NAME, objects_of, pages_of, read_inventory
from scrapers.licences import Licence, normalised, recognised
from scrapers.markup import main_of, tree_of
from scrapers.sites import SiteLimits, read_site
from scrapers.sources import Scraped

_CHANGES = re.compile(r"(?i)^(changes?|changelogs?|history|news|release[-_ ]?notes?|whats-?new.*|.*migrat.*)$")


class Sphinx:
    """Reads the pages of a Sphinx site, whatever its theme."""

    version = "2"
    indexes: tuple[str, ...] = (NAME,)

    def pages(self, indexes: Mapping[str, bytes]) -> list[str]:
        """The pages that the site's inventory names; none where it has no inventory.

        Raises:
            SourceError: The inventory can't be read.
        """
        return pages_of(read_inventory(indexes[NAME])) if NAME in indexes else []

    def facts(self, indexes: Mapping[str, bytes]) -> Mapping[str, Any]:
        """The Python names that the inventory has for a page: `[[anchor, name, role, priority] …]`.

        Raises:
            SourceError: The inventory can't be read.
        """
        return dict(objects_of(read_inventory(indexes[NAME]))) if NAME in indexes else {}

    def parse(self, document: Document, facts: Any) -> Parsed:
        """The main part of a page as Markdown, and its API entries."""
        root, whole = tree_of(document.html)
        writer = SphinxWriter(facts or [])
        text = writer.write(main_of(root))
        entries = writer.entries()
        title = writer.title or document.path.rpartition("/")[2].partition(".")[0]
        fault = None if whole else "too-deep"
        kind = _kind(document.path, bool(entries))
        return Parsed(title=title[:200], kind=kind, markdown=text, entries=entries, fault=fault)


def _kind(path: str, has_entries: bool) -> str:
    stem = path.rpartition("/")[2].partition(".")[0]
    if any(_CHANGES.match(part) for part in [*path.split("/")[:-1], stem]):
        return "changelog"
    return "api" if has_entries else "guide"


class SphinxSource:
    """Reads a built Sphinx site.

    Args:
        limits: How much of it is read.
    """

    def __init__(self, limits: SiteLimits | None = None) -> None:
        self._limits = limits

    def scrape(self, spec: Mapping[str, Any], library: str, version: str, cache: Path) -> Scraped:
        """Reads the site at `spec["location"]` (which may hold `{version}`) as one release of the library."""
        location = str(spec.get("location", "")).replace("{version}", version)
        if not location:
            raise ConfigurationError(f"Source 'sphinx' of {library} has no location: set it to a folder or a URL")
        name, number = normalised_name(library), str(parsed_version(version))
        address = str(spec.get("url") or (location if "://" in location else f"sphinx://{name}/{number}")).rstrip("/")
        read = read_site(location, cache / "sphinx" / name / number, self._limits)
        documents = [Document(d.path, f"{address}/{d.path}", d.html) for d in read]
        etags = {d.path: d.etag for d in read}
        return read_documents(documents, name, number, _stated(spec), etags)


def _stated(spec: Mapping[str, Any]) -> Licence | None:
    written = spec.get("licence")
    if not written:
        return None
    expression = normalised(str(written))
    if expression is None:
        raise ConfigurationError(
            f"Licence {written!r} of a sphinx source is no SPDX expression: write it as BSD-3-Clause"
        )
    return Licence(expression, ({"source": "domain file", "text": str(written)},))


def read_documents(
    documents: Iterable[Document], library: str, version: str, licence: Licence | None, etags: Mapping[str, str | None]
) -> Scraped:
    """The release, pages and symbols of a site's HTML pages.

    Args:
        documents: The pages.
        library: Name of the distribution.
        version: Its version.
        licence: What the domain file states; None to look for it on the site's own licence page.
        etags: Path of a page -> the validator that the server gave.
    """
    parsed = [(d, Sphinx().parse(d, None)) for d in documents]
    licence = licence or _found_licence(parsed)
    site = sha256_of([[d.path, sha256_of_bytes(p.markdown.encode())] for d, p in parsed])
    release = Release(
        library=library,
        version=version,
        artifact_sha256=site,
        artifacts=[{"name": "site", "sha256": site, "kind": "site"}],
        licence=licence.expression,
        licence_evidence=list(licence.evidence),
    )
    pages: list[Page] = []
    symbols: dict[str, Symbol] = {}
    for document, found in parsed:
        text, injections = screened(found.markdown)
        page = Page(
            release=release.id,
            url=document.url,
            content_hash=sha256_of_bytes(text.encode()),
            kind=found.kind,
            path=document.path,
            title=found.title,
            markdown=text,
            etag=etags.get(document.path),
            licence=licence.expression,
            injections=injections,
        )
        pages.append(page)
        for entry in found.entries:
            symbols.setdefault(entry.path, entry.symbol(release.id, page.id))
    ordered = tuple(symbols[path] for path in sorted(symbols))
    return Scraped(release=release, pages=tuple(sorted(pages, key=lambda p: p.url)), symbols=ordered)


def _found_licence(parsed: Iterable[tuple[Document, Parsed]]) -> Licence:
    """The licence that the site's own licence page gives the text of."""
    for document, page in parsed:
        is_licence = re.fullmatch(r"(?i)(.*/)?(licen[cs]es?|copying)(/index)?\.html?", document.path)
        if is_licence and (ids := sorted(recognised(page.markdown))):
            evidence = {"source": document.path, "text": " ".join(page.markdown.split())[:120]}
            return Licence(normalised(" AND ".join(ids)), (evidence,))
    return Licence(None)
