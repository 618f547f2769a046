"""The pages that a site's own lists name: sitemaps, packed or not, and MkDocs' search index.

Guarantees: no more than the limits is unpacked or kept; no XML parser sees a sitemap, so it has no entities to expand.
"""

from __future__ import annotations

import html
import json
import posixpath
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from urllib.parse import unquote, urlsplit

MAPS = ("sitemap.xml", "sitemap.xml.gz", "sitemap-index.xml", "sitemap-0.xml")
"""Names of sitemaps that are asked for, and then those that a sitemap of sitemaps names."""

_MAPS = (".xml", ".xml.gz")
_IS_OF_MAPS, _HEAD = re.compile(rb"<(?:\w{1,20}:)?sitemapindex\b"), 2_000

SEARCH = "search/search_index.json"

_UNPACKED, _STEP, _MOST = 64 << 20, 1 << 20, 50_000
"""Bytes unpacked, those of a piece, and pages."""

_PLACE = re.compile(rb"<loc>(?:\s{0,50}<!\[CDATA\[)?([^<]{1,2100}?)(?:\]\]>\s{0,50})?</loc>")
_LONGEST = 2_300
"""Bytes that a place and its marks take at most."""
_LOCATION = re.compile(rb'"location"\s*:\s*"((?:[^"\\]|\\.){0,2100})"')
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
        if name.endswith(_MAPS):
            places.update(dict.fromkeys(_places(indexes.get(name, b""), of_maps=False)))
    named = [p for p in places if (path := path_of(p)) is not None and not _OTHERS.search(path)][:_MOST]
    base = _base(named, list(known))
    return [*named, *(p[len(base) :] for p in named if base and p.startswith(base))]


def maps_in_maps(indexes: Mapping[str, bytes]) -> list[str]:
    """The addresses of sitemaps that those under the usual names name; what these name in turn is not looked at."""
    found = (place for name in MAPS for place in _places(indexes.get(name, b""), of_maps=True))
    return [place for place in dict.fromkeys(found) if place.endswith(_MAPS)]


def _places(data: bytes, *, of_maps: bool) -> Iterator[str]:
    """What a sitemap names, if it is one of maps or one of pages; its text is never held whole."""
    kept, count, is_first = b"", 0, True
    for piece in _pieces(data):
        kept += piece
        if is_first and bool(_IS_OF_MAPS.search(kept[:_HEAD])) is not of_maps:
            return
        is_first, end = False, 0
        for place in _PLACE.finditer(kept):
            end, count = place.end(), count + 1
            yield html.unescape(place[1].decode("utf-8", "replace").strip())
            if count >= _MOST:
                return
        kept = kept[max(end, len(kept) - _LONGEST) :]


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
    """The paths of the pages in MkDocs' search index, in order; none where it can't be read.

    Found by their name alone: in a text that is quoted that has a backslash before its quotes. What a reader of JSON
    makes of 16 MB of brackets are 360 MB.
    """
    places = (_unquoted(match[1]) for match in islice(_LOCATION.finditer(data), 20 * _MOST))
    paths = dict.fromkeys(place.partition("#")[0] for place in places)
    return [path for path in paths if is_within(path)][:_MOST]


def _unquoted(text: bytes) -> str:
    try:
        return str(json.loads(b'"%s"' % text))
    except ValueError:
        return "//"  # within no site


def is_within(path: str) -> bool:
    """Whether a relative path stays within its site."""
    plain = unquote(path)
    bad = "://" in plain or plain.startswith("/") or ".." in plain.split("/") or "\\" in plain
    return not bad and all(c >= " " for c in plain) and len(plain) < 2000


def _pieces(data: bytes) -> Iterator[bytes]:
    """What was received, unpacked, a piece at a time."""
    if not data.startswith(b"\x1f\x8b"):
        yield from (data[at : at + _STEP] for at in range(0, len(data), _STEP))
        return
    unpacker, left, count = zlib.decompressobj(31), data, 0
    try:
        while left and not unpacker.eof and count < _UNPACKED:
            piece = unpacker.decompress(left, _STEP)
            left, count = unpacker.unconsumed_tail, count + len(piece)
            yield piece
    except zlib.error:
        return
