"""The HTML pages of a documentation site, from a folder or over HTTP, within limits.

Guarantees: only pages below the site's own address are read, redirects included; no more than the limits' pages and
bytes; a page that was fetched before is asked for by its validator and not sent again.
Non-guarantees: addresses of private networks are not refused here, and robots.txt is not read.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urljoin, urlsplit

from registry.errors import ConfigurationError, SourceError
from scrapers.texts import decoded

if TYPE_CHECKING:
    import httpx

_SKIPPED = {"_modules", "_static", "_sources", "_images", "_downloads"}
_GENERATED = {"genindex", "search", "py-modindex", "modindex", "404", "genindex-all"}
_PAGE_SUFFIXES = {"", ".html", ".htm"}


@dataclass(frozen=True)
class SiteLimits:
    """How much of a site is read: pages, bytes of one page, bytes in all; seconds between two requests."""

    pages: int = 6_000
    page_bytes: int = 16 << 20
    total_bytes: int = 1 << 30
    pause_s: float = 0.02


@dataclass(frozen=True)
class Document:
    """One HTML page: its path within the site, its text, and the validator the server gave."""

    path: str
    html: str
    etag: str | None = None


def read_site(location: str, cache: Path, limits: SiteLimits | None = None) -> list[Document]:
    """The pages of a site, sorted by path; indexes, search and source listings are left out.

    Args:
        location: A folder, or an `http(s)` address that its pages lie below.
        cache: Folder for what is fetched.
        limits: How much is read.

    Raises:
        ConfigurationError: There is no such folder, or the address is no `http(s)` one.
        SourceError: The site can't be read, has no page, or is larger than the limits.
    """
    bounds = limits or SiteLimits()
    pages = _fetched(location, cache, bounds) if "://" in location else _in_folder(Path(location), bounds)
    found = list(pages)
    if not found:
        raise SourceError(f"No HTML page in {location}: name the folder or address of a built Sphinx site")
    return sorted(found, key=lambda d: d.path)


def is_page(path: str) -> bool:
    """Whether a path within a site is that of a page of documentation."""
    parts = path.split("/")
    suffix = Path(parts[-1]).suffix.lower()
    stem = parts[-1].removesuffix(suffix).lower() if suffix in _PAGE_SUFFIXES else ""
    plain = suffix in _PAGE_SUFFIXES and not any(p in _SKIPPED or p.startswith(".") for p in parts)
    return plain and stem not in _GENERATED and not stem.startswith("genindex")


def _in_folder(folder: Path, limits: SiteLimits) -> Iterator[Document]:
    if not folder.is_dir():
        raise ConfigurationError(
            f"No folder {str(folder)!r}: set the source's location to the folder of a built Sphinx site, or to a URL"
        )
    total = 0
    files = [f for f in sorted(folder.rglob("*.htm*")) if f.is_file() and is_page(f.relative_to(folder).as_posix())]
    for count, file in enumerate(files, 1):
        size = file.stat().st_size
        total += size
        _check(str(folder), count, size, total, limits)
        if file.resolve().is_relative_to(folder.resolve()):
            yield Document(file.relative_to(folder).as_posix(), decoded(file.read_bytes()))


def _check(location: str, count: int, size: int, total: int, limits: SiteLimits) -> None:
    if count > limits.pages or size > limits.page_bytes or total > limits.total_bytes:
        raise SourceError(
            f"{location} is larger than the limits ({limits.pages} pages, {limits.page_bytes >> 20} MiB a page, "
            f"{limits.total_bytes >> 20} MiB): name a part of it",
            location=location,
        )


def _fetched(location: str, cache: Path, limits: SiteLimits) -> Iterator[Document]:
    import httpx

    if urlsplit(location).scheme not in {"http", "https"}:
        raise ConfigurationError(f"{location!r} is no address of a site: it starts with http:// or https://")
    base = location.rpartition("/")[0] if urlsplit(location).path.endswith((".html", ".htm")) else location
    base = f"{base.rstrip('/')}/"
    cache.mkdir(parents=True, exist_ok=True)
    queue, seen, count, total = [base], {base, f"{base}index.html"}, 0, 0
    with httpx.Client(timeout=30, follow_redirects=False, headers={"User-Agent": "driftune"}) as client:
        while queue:
            url = queue.pop(0)
            document = _get(client, url, base, cache, limits)
            if document is None:
                continue
            count, size = count + 1, len(document.html)
            total += size
            _check(location, count, size, total, limits)
            if is_page(document.path):
                yield document
            for link in sorted(_links(document.html, urljoin(base, document.path), base) - seen):
                seen.add(link)
                queue.append(link)
            time.sleep(limits.pause_s)


def _links(html: str, url: str, base: str) -> set[str]:
    """The pages below `base` that a page links to."""
    import lxml.html

    found: set[str] = set()
    if not html.strip():
        return found
    for target in lxml.html.document_fromstring(html.encode()).xpath("//a/@href"):
        try:
            link = urldefrag(urljoin(url, str(target))).url.partition("?")[0]
        except ValueError:
            continue  # no address, such as http://[x
        if link.startswith(base) and is_page(link[len(base) :]):
            found.add(link)
    return found


def _get(client: httpx.Client, url: str, base: str, cache: Path, limits: SiteLimits) -> Document | None:
    """One page, from the server or, where it is unchanged, from the cache; None where it is no page of the site."""
    import httpx

    entry = cache / f"{hashlib.sha256(url.encode()).hexdigest()}.json"
    known = _cached(entry)
    headers = {"If-None-Match": known.etag} if known and known.etag else {}
    try:
        for _ in range(5):
            with client.stream("GET", url, headers=headers) as response:
                if response.has_redirect_location:
                    url = urldefrag(urljoin(url, response.headers["location"])).url
                    if not url.startswith(base):
                        return None
                    continue
                if response.status_code == 304 and known:
                    return known
                return _received(response, url, base, entry, limits)
    except httpx.HTTPError as e:
        raise SourceError(
            f"{url} can't be read ({type(e).__name__}): check the address and try again", retryable=True
        ) from e
    return None


def _received(response: httpx.Response, url: str, base: str, entry: Path, limits: SiteLimits) -> Document | None:
    if response.status_code in {404, 410} and url != base:
        return None  # a broken link of the site
    if response.status_code != 200:
        again = response.status_code >= 500 or response.status_code == 429
        raise SourceError(f"{url} answered {response.status_code}: check the address", retryable=again, url=url)
    if "html" not in response.headers.get("content-type", ""):
        return None
    data = b""
    for chunk in response.iter_bytes():
        data += chunk
        _check(url, 1, len(data), len(data), limits)
    path = urlsplit(url).path[len(urlsplit(base).path) :]
    path = f"{path}index.html" if not path or path.endswith("/") else path
    document = Document(path, decoded(data), response.headers.get("etag"))
    part = entry.with_suffix(".part")
    part.write_text(json.dumps({"path": path, "etag": document.etag, "html": document.html}), encoding="utf-8")
    part.replace(entry)
    return document


def _cached(entry: Path) -> Document | None:
    try:
        known = json.loads(entry.read_text(encoding="utf-8"))
        return replace(Document("", ""), path=known["path"], html=known["html"], etag=known["etag"])
    except (OSError, ValueError, KeyError):
        return None
