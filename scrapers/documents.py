"""One page of a documentation site, what a format makes of it, and the formats there are.

A format is pure: the same page and the same facts give the same result, in any process, so that a page that did not
change is not parsed again and pages are parsed side by side. Nothing here fetches.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from registry.errors import ConfigurationError
from registry.records import Symbol

BUILT_IN: Mapping[str, str] = {
    "sphinx": "scrapers.sphinx:Sphinx",
    "mkdocs": "scrapers.mkdocs:MkDocs",
    "llms_txt": "scrapers.llms_txt:LlmsTxt",
    "site": "scrapers.site:AnySite",
}
"""Name of a format -> where its class is; imported when it is asked for."""


@dataclass(frozen=True)
class Document:
    """One page as it was received.

    Attributes:
        path: Where it is within the site, `/` separated.
        url: Its public address; what links on it are relative to.
        html: Its text, decoded.
    """

    path: str
    url: str
    html: str


@dataclass(frozen=True)
class Job:
    """One page to be parsed.

    Attributes:
        document: The page.
        facts: What its format knows of it from the site's indexes.
        etag: The validator that the server gave.
    """

    document: Document
    facts: Any = None
    etag: str | None = None

    def read(self) -> Job:
        """Itself: it has been read."""
        return self


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One API object that a page documents: a Symbol that has no release and no page yet.

    Attributes are those of a Symbol.
    """

    path: str
    kind: str
    aliases: tuple[str, ...] = ()
    signature: str | None = None
    parameters: Sequence[Mapping[str, Any]] = ()
    doc: str = ""
    deprecated: str | None = None

    def symbol(self, release: str, page: str) -> Symbol:
        """The Symbol of a release that stands on the page of that id."""
        return Symbol(
            release=release,
            path=self.path,
            kind=self.kind,
            aliases=self.aliases,
            signature=self.signature,
            parameters=[dict(p) for p in self.parameters],
            doc=self.doc,
            deprecated=self.deprecated,
            page=page,
        )


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """What one page gives.

    Attributes:
        title: Its title, on one line.
        kind: `guide`, `api` or `changelog`, as a Page has it.
        markdown: Its main part, cleaned.
        entries: The API objects it documents, in order of the page.
        fault: Why it is no page of documentation, as `name: evidence` (`scrapers.rubbish.fault_of` has the names);
            None where it is one.
    """

    title: str
    kind: str
    markdown: str
    entries: tuple[Entry, ...] = ()
    fault: str | None = None


@runtime_checkable
class Format(Protocol):
    """How the pages of one kind of site are read.

    Attributes:
        version: Goes up when the same page gives something else.
        indexes: Files that are asked for first, relative to the site; each may be missing, and can be read by itself.
    """

    version: str
    indexes: tuple[str, ...]

    def pages(self, indexes: Mapping[str, bytes]) -> list[str]:
        """The paths of the site's pages, as its indexes name them; none where links have to be followed.

        Args:
            indexes: Name in `indexes` -> what was received; only those that are there.

        Raises:
            SourceError: An index can't be read.
        """
        ...

    def further(self, indexes: Mapping[str, bytes]) -> list[str]:
        """Files that these name, or make worth a look, and that are read like them: once, those that they name aren't.

        Args:
            indexes: Name in `indexes` -> what was received; only those that are there.
        """
        ...

    def given(self, indexes: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Path of a page -> its text, of pages that stand in an index and nowhere else: they aren't asked for.

        Args:
            indexes: Likewise, with what `further` named. The paths are `INDEX#part`.
        """
        ...

    def facts(self, indexes: Mapping[str, bytes]) -> Mapping[str, Any]:
        """Path of a page -> what its parse needs of the indexes, JSON-able: part of the key of the page's work.

        Raises:
            SourceError: An index can't be read.
        """
        ...

    def parse(self, document: Document, facts: Any) -> Parsed:
        """What one page gives; of any text, however broken, and in time that grows with its length only.

        Args:
            document: The page.
            facts: What `facts` has for its path; None where nothing.
        """
        ...


def names() -> list[str]:
    """The names of the formats, sorted."""
    return sorted(BUILT_IN)


def get_format(name: str) -> Format:
    """The format of that name.

    Raises:
        ConfigurationError: There is none.
    """
    if name not in BUILT_IN:
        raise ConfigurationError(f"No format {name!r}: there are {', '.join(names())}", format=name)
    module, _, attribute = BUILT_IN[name].partition(":")
    made = getattr(importlib.import_module(module), attribute)()
    assert isinstance(made, Format)
    return made
