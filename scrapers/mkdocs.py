"""Format `mkdocs`: a page of a site made with MkDocs, whatever its theme, and what mkdocstrings documents on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrapers.content import content_of, kind_of_page
from scrapers.documents import Document, Parsed
from scrapers.inventory import NAME, objects_of, pages_of, read_inventory
from scrapers.markup import tree_of
from scrapers.mkdocs_writer import MkDocsWriter
from scrapers.rubbish import fault_of
from scrapers.sitemaps import MAPS, SEARCH, maps_in_maps, pages_in_maps, pages_in_search

VERSIONS = "../versions.json"


class MkDocs:
    """Reads the pages of a MkDocs site."""

    version = "4"
    indexes: tuple[str, ...] = (SEARCH, NAME, *MAPS)

    def pages(self, indexes: Mapping[str, bytes]) -> list[str]:
        """The pages that the search index, the sitemap and the inventory name; none where there are none of these.

        Raises:
            SourceError: The inventory can't be read.
        """
        named = pages_in_search(indexes.get(SEARCH, b""))
        listed = pages_of(read_inventory(indexes[NAME])) if NAME in indexes else []
        return list(dict.fromkeys([*named, *listed, *pages_in_maps(indexes, named)]))

    def further(self, indexes: Mapping[str, bytes]) -> list[str]:
        """The sitemaps that a sitemap of sitemaps names, and mike's list of versions, beside the site's folder."""
        return [VERSIONS, *maps_in_maps(indexes)]

    def given(self, indexes: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """No page stands in an index."""
        return {}

    def facts(self, indexes: Mapping[str, bytes]) -> Mapping[str, Any]:
        """The Python names that the inventory has for a page: `[[anchor, name, role, priority] …]`.

        Raises:
            SourceError: The inventory can't be read.
        """
        return dict(objects_of(read_inventory(indexes[NAME]))) if NAME in indexes else {}

    def parse(self, document: Document, facts: Any) -> Parsed:
        """The main part of a page as Markdown, and its API objects."""
        root, whole = tree_of(document.html)
        writer = MkDocsWriter(facts or [])
        text = writer.write(content_of(root))
        entries = writer.entries()
        title = writer.title or document.path.removesuffix("/index.html").rpartition("/")[2].partition(".")[0]
        fault = fault_of(root, text) if whole else "too-deep"
        kind = kind_of_page(document.path, bool(entries))
        return Parsed(title=title[:200], kind=kind, markdown=text, entries=entries, fault=fault)
