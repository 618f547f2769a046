"""Format `site`: a page of any site: its main part as Markdown, with the tabs and notes that makers of sites know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scrapers.content import content_of, kind_of_page, title_of
from scrapers.documents import Document, Parsed
from scrapers.markdown import Opened
from scrapers.markup import Element, classes, tree_of
from scrapers.mkdocs_writer import MkDocsWriter
from scrapers.rubbish import fault_of
from scrapers.sitemaps import MAPS, maps_in_maps, pages_in_maps

_TITLES = ("codeBlockTitle", "admonitionHeading", "custom-block-title")
"""What classes of titles begin with: Docusaurus adds a hash to each."""


class AnySite:
    """Reads the pages of any site."""

    version = "4"
    indexes: tuple[str, ...] = MAPS

    def pages(self, indexes: Mapping[str, bytes]) -> list[str]:
        """The pages that a sitemap names; none where links have to be followed."""
        return list(dict.fromkeys(pages_in_maps(indexes)))

    def further(self, indexes: Mapping[str, bytes]) -> list[str]:
        """The sitemaps that a sitemap of sitemaps names."""
        return maps_in_maps(indexes)

    def given(self, indexes: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """No page stands in an index."""
        return {}

    def facts(self, indexes: Mapping[str, bytes]) -> Mapping[str, Any]:
        """None are needed."""
        return {}

    def parse(self, document: Document, facts: Any) -> Parsed:
        """The main part of a page as Markdown."""
        root, whole = tree_of(document.html)
        writer = SiteWriter()
        text = writer.write(content_of(root))
        entries = writer.entries()
        title = writer.title or title_of(root) or document.path
        fault = fault_of(root, text) if whole else "too-deep"
        kind = kind_of_page(document.path, bool(entries))
        return Parsed(title=title[:200], kind=kind, markdown=text, entries=entries, fault=fault)


class SiteWriter(MkDocsWriter):
    """A writer that also knows the tabs, notes and code of Docusaurus and VitePress."""

    def open_div(self, element: Element) -> Opened:
        """Begins a part of the page: tabs too."""
        names = classes(element)
        if "vp-code-group" in names:
            self.label(element.iterfind("div/label"), element.iterfind("div[@class='blocks']/div"))
        elif "tabs-container" in names:
            self.label(element.iterfind("ul/li"), element.iterfind("div/div[@role='tabpanel']"))
        elif "tabs" in names:
            return False
        return super().open_div(element)

    def open_ul(self, element: Element) -> Opened:
        """Begins a list; labels of tabs are written with the tabs."""
        return False if element.get("role") == "tablist" else super().open_ul(element)

    def open_block(self, element: Element) -> Opened:
        """Begins a block that is only text, or a title."""
        if any(name.startswith(_TITLES) for name in classes(element)):
            self.flush()
            return self._title
        return super().open_block(element)

    def open_span(self, element: Element) -> Opened:
        """Begins a span; the name of a language beside its code is in the fence already."""
        return False if element.get("class") == "lang" else super().open_span(element)
