"""Where a documentation site is, what of it is read, and what a folder gives for a path."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import httpx

from registry.errors import ConfigurationError
from registry.identity import sha256_of_bytes
from registry.records import Body, Fetch
from registry.web import Answer
from scrapers.folders import FILE_BYTES, RefusedError, read_file
from scrapers.texts import decoded_page

_SKIPPED = {"_modules", "_static", "_sources", "_images", "_downloads"}
_GENERATED = {"genindex", "search", "py-modindex", "modindex", "404", "genindex-all"}
_PAGE_SUFFIXES = {"", ".html", ".htm"}
_LONGEST = 2_000
"""Characters of a link."""
_FILE_SUFFIXES = (".html", ".htm", ".txt", ".md", ".xml", ".json", ".inv")


@dataclass(frozen=True)
class SiteLimits:
    """How much of a site is read.

    Attributes:
        pages: Pages at most.
        depth: Links that a page may be away from the first one.
        links: Links of a page.
        seconds: For asking all of them.
        page_bytes: Bytes of a file in a folder.
        silent: Addresses in a row that give nothing: then the site is taken to be down, and nothing more is asked.
    """

    pages: int = 6_000
    depth: int = 10
    links: int = 2_000
    seconds: float = 3 * 3600.0
    page_bytes: int = FILE_BYTES
    silent: int = 20


@dataclass(frozen=True)
class Site:
    """Where a site is.

    Attributes:
        base: What its pages lie below: an address, or a folder; ends with a slash.
        address: The same as it is published.
        first: Path of the page that links are followed from.
    """

    base: str
    address: str
    first: str = ""

    @property
    def is_folder(self) -> bool:
        """Whether it lies on this machine."""
        return "://" not in self.base

    @property
    def bases(self) -> tuple[str, ...]:
        """What its addresses begin with: of an `http` one also the same over `https`, where servers send everybody."""
        secure = f"https://{self.base.removeprefix('http://')}"
        return (self.base, secure) if self.base.startswith("http://") else (self.base,)

    def url(self, path: str) -> str:
        """The public address of a page."""
        return f"{self.address}{path}"

    def path_of(self, url: str) -> str | None:
        """The path within the site that an address led to; None where it is off the site."""
        plain = urldefrag(url).url.partition("?")[0]
        base = next((base for base in self.bases if f"{plain}/".startswith(base)), None)
        if base is None:
            return None
        path = plain[len(base) :]
        return path if path and not path.endswith("/") else f"{path}index.html"

    def relative(self, target: str, url: str) -> str | None:
        """The path within the site that a link on a page leads to; None where it leads off the site."""
        if self.is_folder:
            path = urldefrag(target).url.partition("?")[0]
            return path if "://" not in path and not path.startswith("/") and ".." not in path.split("/") else None
        try:
            link = urldefrag(urljoin(url, target)).url.partition("?")[0]
        except ValueError:
            return None  # no address, such as http://[x
        base = next((base for base in self.bases if link.startswith(base)), None)
        if base is None or any(c < " " for c in link) or len(link) > _LONGEST:
            return None
        path = link[len(base) :]
        return None if ".." in unquote(path).split("/") else path


def site_at(location: str, published: str | None, name: str) -> Site:
    """The site at a location.

    Args:
        location: A folder, or an `http(s)` address that the pages lie below.
        published: The public address of a folder.
        name: What a folder without one is called, as `sphinx://lib/1.0`.

    Raises:
        ConfigurationError: There is no such folder, or the address is no `http(s)` one.
    """
    if "://" not in location:
        folder = Path(location)
        if not folder.is_dir():
            raise ConfigurationError(
                f"No folder {location!r}: set the source's location to the folder of a built site, or to a URL"
            )
        return Site(f"{folder}/", f"{(published or name).rstrip('/')}/")
    parts = urlsplit(location)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ConfigurationError(f"{location!r} is no address of a site: it starts with http:// or https://")
    plain = _as_asked(parts._replace(query="", fragment="").geturl())
    parent, _, last = plain.rpartition("/")
    is_file = last.lower().endswith(_FILE_SUFFIXES) and parts.path.count("/") > 0
    base = f"{parent}/" if is_file else f"{plain.rstrip('/')}/"
    return Site(base, base, last if is_file and is_page(last) else "")


def _as_asked(address: str) -> str:
    """An address as a request spells it, with what is no ASCII encoded: pages are told by that they lie below it."""
    try:
        return str(httpx.URL(address))
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"{address!r} is no address of a site: {error}") from None


def is_page(path: str) -> bool:
    """Whether a path within a site is that of a page of documentation."""
    parts = path.split("/")
    suffix = Path(parts[-1]).suffix.lower()
    stem = parts[-1].removesuffix(suffix).lower() if suffix in _PAGE_SUFFIXES else ""
    plain = suffix in _PAGE_SUFFIXES and not any(p in _SKIPPED or p.startswith(".") for p in parts)
    return plain and stem not in _GENERATED and not stem.startswith("genindex")


def facts_of(facts: Mapping[str, Any], path: str) -> Any:
    """What the indexes say of a page, which they may name by its folder."""
    return facts.get(path, facts.get(path.removesuffix("index.html")))


def page_text(body: Body, content_type: str) -> str:
    """What was received, as the text of a page."""
    return body.text if body.coding == "text" else decoded_page(base64.b64decode(body.text), content_type)


def file_answer(site: Site, path: str, known: Fetch | None, limits: SiteLimits) -> Answer:
    """What a folder gives for a path, as a server would."""
    url = f"{site.base}{path}"
    try:
        data = read_file(site.base, path, limits.page_bytes)
    except RefusedError as refused:
        outcome, detail = refused.args
        return Answer(url, url, None, outcome, detail)
    if known is not None and known.sha256 == sha256_of_bytes(data):
        return Answer(url, url, None, "unchanged")
    return Answer(url, url, None, "ok", body=data)
