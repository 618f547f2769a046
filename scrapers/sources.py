"""Where a library's documentation comes from: one Protocol, a table of built-ins, an entry-point group.

A source is named in a domain file (`[[library.source]]`, `kind = "pypi"`). A third party adds one by an entry point in
the group `driftune.sources` that names a class without arguments, or a function that makes one.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from registry.errors import ConfigurationError
from registry.records import Page, Release, Symbol
from scrapers import documents

GROUP = "driftune.sources"

BUILT_IN: Mapping[str, str] = {
    "pypi": "scrapers.pypi:PyPISource",
}
"""Name of a source -> where its class is; imported when it is asked for."""


@dataclass(frozen=True, kw_only=True)
class Scraped:
    """What a source found of one release.

    Attributes:
        release: The release itself.
        pages: Its pages, sorted by URL.
        symbols: Its public API, sorted by canonical path.
    """

    release: Release
    pages: tuple[Page, ...] = ()
    symbols: tuple[Symbol, ...] = ()


@runtime_checkable
class Source(Protocol):
    """Reads one release of a library."""

    def scrape(self, spec: Mapping[str, Any], library: str, version: str, cache: Path) -> Scraped:
        """Reads a release; what it downloads goes to `cache` and is not downloaded again.

        Args:
            spec: The source's table in the domain file.
            library: Name of the distribution.
            version: Version to read.
            cache: Folder for downloads, made where missing.

        Raises:
            ConfigurationError: The library or the version doesn't exist, or `spec` is wrong.
            SourceError: The source failed.
        """
        ...


def names() -> list[str]:
    """The names of all sources that can be asked for, kinds of sites too, sorted."""
    from importlib.metadata import entry_points

    return sorted({*BUILT_IN, *documents.names(), *(e.name for e in entry_points(group=GROUP))})


def get_source(name: str) -> Source:
    """The source of that name.

    Raises:
        ConfigurationError: There is none.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return _made(name, getattr(importlib.import_module(module), attribute))
    from importlib.metadata import entry_points  # a fifth of what a process that parses pages starts with

    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return _made(name, entry.load())
    raise ConfigurationError(f"No source {name!r}: there are {', '.join(names())}", source=name)


def _made(name: str, factory: Any) -> Source:
    source = factory()
    if not isinstance(source, Source):
        raise ConfigurationError(f"Source {name!r} has no method scrape: {factory!r} is none", source=name)
    return source
