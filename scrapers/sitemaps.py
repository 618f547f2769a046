"""The pages that a site's own lists name: sitemaps, packed or not, and MkDocs' search index.

Guarantees: no more than the limits is unpacked or kept; no XML parser sees a sitemap, so it has no entities to expand.
"""

from __future__ import annotations

import html
import json
import posixpath
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import unquote, urlsplit

MAPS = ("sitemap.xml", "sitemap.xml.gz", "sitemap-index.xml", "sitemap-0.xml")
"""Names of sitemaps that are asked for, and then those that a sitemap of sitemaps names."""

_MAPS = (".xml", ".xml.gz")
_IS_OF_MAPS, _HEAD = re.compile(r"<(?:\w{1,20}:)?sitemapindex\b"), 2_000

SEARCH = "search/search_index.json"

_PACKED, _UNPACKED, _MOST = 16 << 20, 64 << 20, 50_000
"""Bytes as received and unpacked, and pages."""

_PLACE = re.compile(r"<loc>([^<]{1,2100})</loc>")
_SLASHES = 3
"""Slashes of an address that has a host: `https://host/`."""

_OTHERS = re.compile(
    r"\.(?:png|jpe?g|gif|svg|webp|ico|css|js|mjs|json|xml|gz|zip|whl|pdf|woff2?|ttf|map|inv|py|ipynb)$"
)


def pages_in_maps(indexes: Mapping[str, bytes], known: Iterable[str] = ()) -> list[str]:
    """The addresses that sitemaps name, and, as far as that can be told, their paths within the site.

    A sitemap has the addresses under which a site is published, which needn't be that it is read from.

    Args:
        indexes: Name of a sitemap -> its bytes.
        known: Paths that are pages: a sitemap that has them tells where the site begins.
    """
    places: dict[str, None] = {}
    for name in (*MAPS, *sorted(set(indexes).difference(MAPS))):
        text = _text(indexes.get(name, b"")) if name.endswith(_MAPS) else ""
        if not _IS_OF_MAPS.search(text[:_HEAD]):
            places.update(dict.fromkeys(html.unescape(p.strip()) for p in _PLACE.findall(text)[:_MOST]))
    named = [p for p in places if (path := path_of(p)) is not None and not _OTHERS.search(path)][:_MOST]
    base = _base(named, list(known))
    return [*named, *(p[len(base) :] for p in named if base and p.startswith(base))]


def maps_in_maps(indexes: Mapping[str, bytes]) -> list[str]:
    """The addresses of sitemaps that those under the usual names name; what these name in turn is not looked at."""
    texts = (_text(indexes.get(name, b"")) for name in MAPS)
    found = (place for text in texts if _IS_OF_MAPS.search(text[:_HEAD]) for place in _PLACE.findall(text)[:_MOST])
    return [place for place in dict.fromkeys(html.unescape(p.strip()) for p in found) if place.endswith(_MAPS)]


def path_of(address: str) -> str | None:
    """The path of an address; None where it is no address of a page."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    return unquote(parts.path) if parts.scheme in {"http", "https"} and parts.netloc else None


def _base(places: Sequence[str], known: Sequence[str]) -> str:
    """The address that all lie below: where a known path is among them, what stands before it."""
    for path in sorted(filter(None, known), key=len, reverse=True)[:20]:
        place = next((place for place in places if place.endswith(f"/{path}")), "")
        base = place[: len(place) - len(path)]
        if base and all(other.startswith(base) for other in places):
            return base
    common = posixpath.commonprefix(list(places))
    common = common[: common.rfind("/") + 1]
    return common if common.count("/") >= _SLASHES else ""


def pages_in_search(data: bytes) -> list[str]:
    """The paths of the pages in MkDocs' search index, in order; none where it can't be read."""
    try:
        found = json.loads(data[:_UNPACKED])
        rows = found["docs"] if isinstance(found, dict) else found
        places = [row["location"] for row in rows[: 20 * _MOST] if isinstance(row, dict)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    paths = (place.partition("#")[0] for place in places if isinstance(place, str))
    return list(dict.fromkeys(p for p in paths if is_within(p)))[:_MOST]


def is_within(path: str) -> bool:
    """Whether a relative path stays within its site."""
    plain = unquote(path)
    bad = "://" in plain or plain.startswith("/") or ".." in plain.split("/") or "\\" in plain
    return not bad and all(c >= " " for c in plain) and len(plain) < 2000


def _text(data: bytes) -> str:
    if not data.startswith(b"\x1f\x8b"):
        return data[:_UNPACKED].decode("utf-8", "replace")
    try:
        return zlib.decompressobj(31).decompress(data[:_PACKED], _UNPACKED).decode("utf-8", "replace")
    except zlib.error:
        return ""
