"""Format `sphinx`: a page of a built Sphinx site as Markdown and API entries."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scrapers.api_writer import SphinxWriter
from scrapers.content import kind_of_page
from scrapers.documents import Document, Parsed
from scrapers.inventory import NAME, objects_of, pages_of, read_inventory
from scrapers.markup import main_of, tree_of
from scrapers.rubbish import fault_of

_HEAD = '<dt class="sig'
_LISTED = re.compile(r"</?d[ld]>")


class Sphinx:
    """Reads the pages of a Sphinx site, whatever its theme."""

    version = "10"
    indexes: tuple[str, ...] = (NAME,)

    def pages(self, indexes: Mapping[str, bytes]) -> list[str]:
        """The pages that the site's inventory names; none where it has no inventory.

        Raises:
            SourceError: The inventory can't be read.
        """
        return pages_of(read_inventory(indexes[NAME])) if NAME in indexes else []

    def further(self, indexes: Mapping[str, bytes]) -> list[str]:
        """The theme's list of versions, where the inventory doesn't say of which it is."""
        lines = indexes.get(NAME, b"").split(b"\n", 3)
        return ["_static/switcher.json"] if len(lines) > 2 and lines[2].strip() == b"# Version:" else []

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
        """The main part of a page as Markdown, and its API entries."""
        root, whole = tree_of(_with_flat_heads(document.html))
        writer = SphinxWriter(facts or [])
        text = writer.write(main_of(root))
        entries = writer.entries()
        title = writer.title or document.path.rpartition("/")[2].partition(".")[0]
        fault = fault_of(root, text) if whole else "too-deep"
        kind = kind_of_page(document.path, any(entry.kind != "module" for entry in entries))  # its text is a guide
        return Parsed(title=title[:200], kind=kind, markdown=text, entries=entries, fault=fault)


def _with_flat_heads(html: str) -> str:
    """The page with each head of an entry in one piece: a parser ends it at the list that a long signature is."""
    first, *parts = html.split(_HEAD)
    flat = []
    for part in parts:
        head, end, rest = part.partition("</dt>")
        flat.append(_HEAD + (_LISTED.sub("", head) if end else head) + end + rest)
    return first + "".join(flat)
