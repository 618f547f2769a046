"""Which version of a library a documentation site says that it documents, and whether that is the one asked for.

Many sites show only the latest, whatever address they are asked at. What counts, strongest first: the header of
`objects.inv`; Sphinx's `DOCUMENTATION_OPTIONS`; a version switcher that names this address (`switcher.json` of the
PyData theme, `versions.json` of mike); `<meta name="docsearch:version">`; the title; the address itself.
`<meta name="generator">` names the version of the tool, and doesn't count.
Guarantees: no exception, in time that grows with the length of what was received; only the head of a page is read.
"""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from packaging.version import InvalidVersion, Version

from scrapers.documents import Document

WORDS = frozenset({"stable", "latest", "current", "dev", "devel", "development", "main", "master", "nightly", "head"})
"""What addresses say in place of a version."""

AGREES, DIFFERS, UNKNOWN = "agrees", "differs", "unknown"

_PAGES, _HEAD, _JSON, _LONG = 20, 1 << 16, 1 << 20, 40
"""Pages looked at; characters of each; bytes of a switcher; characters of a version."""

_NUMBER = r"v?\d+(?:\.\d+)*(?:[-_.]?(?:a|b|c|rc|alpha|beta|dev|post)[-_.]?\d*)*(?:\+[\w.]+)?"
_VERSION = re.compile(rf"(?i)(?:version|release|v)?\s*({_NUMBER})")
_OPTION = re.compile(r"\bVERSION\s*:\s*['\"]([^'\"\n]{1,40})['\"]")
_MATCH = re.compile(r"theme_switcher_version_match\s*[=:]\s*['\"]([^'\"\n]{1,40})['\"]")
_META = re.compile(r"(?i)<meta\s+name=[\"']docsearch:version[\"']\s+content=[\"']([^\"'\n]{1,40})[\"']")
_TITLE = re.compile(r"(?i)<title[^>]{0,200}>([^<]{1,500})</title>")
_TITLED = re.compile(rf"(?i)\s({_NUMBER})\s+(?:documentation|docs|manual|reference)\b")
_SEGMENT = re.compile(rf"(?i)(?:[a-z][a-z0-9_]*[-_])?({_NUMBER})")


@dataclass(frozen=True)
class Stated:
    """What a site says of its version.

    Attributes:
        version: The version, in its normal form; None where it says none.
        evidence: `[{source, text}]`: all that says one, strongest first.
        word: `stable`, `latest` … where its address says that, else None.
    """

    version: str | None
    evidence: tuple[Mapping[str, str], ...] = ()
    word: str | None = None


@dataclass(frozen=True)
class Match:
    """Whether a site documents the version that was asked for.

    Attributes:
        outcome: `agrees`; `differs`: its pages are those of another version; `unknown`: it doesn't say.
        detail: One line for a person.
    """

    outcome: str
    detail: str


def stated_version(indexes: Mapping[str, bytes], documents: Iterable[Document], address: str) -> Stated:
    """What a site says of its version.

    Args:
        indexes: Name -> what was received of `objects.inv`, `documentation_options.js`, `switcher.json`,
            `versions.json` (which mike puts one folder above); only those that are there, under any folder.
        documents: Some of its pages, the first ones at most.
        address: Its own address or folder.
    """
    found = [*_inventory(indexes), *_options(indexes), *_pages(documents), *_switchers(indexes, address)]
    found += _of_address(address)
    order = {name: place for place, name in enumerate(_ORDER)}
    said = [(order[name], name, text, version) for name, text in found if (version := _parsed(text)) is not None]
    said.sort(key=lambda row: row[0])
    evidence = tuple({"source": name, "text": text} for _, name, text, _ in said)
    best = said[0][3] if said else None
    for *_, version in said[1:]:
        if best is not None and _is_line_of(best, version):
            best = version  # Sphinx's inventory has 3.6 where the title has 3.6.1
    return Stated(str(best) if best is not None else None, evidence, _word(address))


_ORDER = ("objects.inv", "DOCUMENTATION_OPTIONS", "version switcher", "meta docsearch:version", "title", "address")


def match_version(stated: Stated, wanted: str) -> Match:
    """Holds what a site says against the version that was asked for.

    A line agrees with its releases (`3.6` with 3.6.1), a release with nothing but itself; where no version is said, a
    word (`latest`) says nothing.
    """
    if stated.version is None:
        told = f"its address says {stated.word}, not which version that is" if stated.word else "it doesn't say"
        return Match(UNKNOWN, f"Whether the site documents {wanted} isn't known: {told}")
    where = next(row["source"] for row in stated.evidence)
    asked, said = Version(wanted), Version(stated.version)
    if _plain(asked) == _plain(said) or _is_line_of(said, asked):
        return Match(AGREES, f"The site says that it documents {stated.version} ({where})")
    return Match(
        DIFFERS,
        f"Asked for {wanted}, the site says {stated.version} ({where}): many sites show only the latest. Name the "
        'address of that version (location = "…/{version}/"), or set version_check = false',
    )


def _parsed(text: str) -> Version | None:
    found = _VERSION.fullmatch(text.strip()[:_LONG])
    try:
        return Version(found[1]) if found else None
    except InvalidVersion:
        return None


def _plain(version: Version) -> tuple[Any, ...]:
    """What tells releases apart: not what was built of one again, or where."""
    return Version(version.base_version), version.pre, version.dev


def _is_line_of(line: Version, release: Version) -> bool:
    """Whether a version is the line that a release is of: 3.6 of 3.6.1."""
    if line.is_prerelease or len(line.release) >= len(release.release) or line.epoch != release.epoch:
        return False
    return release.release[: len(line.release)] == line.release


def _inventory(indexes: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for name, data in indexes.items():
        if name.endswith("objects.inv"):
            lines = data[:2048].decode("utf-8", "replace").split("\n")
            head = next((line for line in lines[:4] if line.startswith("# Version:")), "")
            yield "objects.inv", head.partition(":")[2].strip()


def _options(indexes: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for name, data in indexes.items():
        if name.endswith("documentation_options.js"):
            yield from _scripted(data[:_HEAD].decode("utf-8", "replace"))


def _scripted(text: str) -> Iterator[tuple[str, str]]:
    for expression, name in ((_OPTION, "DOCUMENTATION_OPTIONS"), (_MATCH, "version switcher")):
        yield from ((name, found[1]) for found in expression.finditer(text))


def _pages(documents: Iterable[Document]) -> Iterator[tuple[str, str]]:
    """What most of the pages say that say something."""
    said: dict[str, Counter[str]] = {}
    for document in islice(documents, _PAGES):
        head = document.html[:_HEAD]
        rows = {*_scripted(head), *(("meta docsearch:version", found[1]) for found in _META.finditer(head))}
        title = _TITLE.search(head)
        rows |= {("title", found[1]) for found in _TITLED.finditer(" " + html.unescape(title[1]))} if title else set()
        for name, text in rows:
            said.setdefault(name, Counter())[text] += 1
    for name, counted in said.items():
        yield name, min(counted, key=lambda text: (-counted[text], text))


def _switchers(indexes: Mapping[str, bytes], address: str) -> Iterator[tuple[str, str]]:
    """What a version switcher says of this very address: by the entry's own, or by a name in the path."""
    parts = _segments(address)
    for name, data in indexes.items():
        if not name.endswith(("switcher.json", "versions.json")) or len(data) > _JSON:
            continue
        for entry in _entries(data):
            texts = [str(entry.get(key) or "") for key in ("title", "name", "version")]
            aliases = entry.get("aliases")
            named = {str(entry.get("version")), *map(str, aliases if isinstance(aliases, list) else ())}
            url = str(entry.get("url") or "")
            here = _segments(url) == parts if url else bool(parts and parts[-1] in named)
            yield from (("version switcher", text) for text in map(_leading, texts) if here and text)


def _entries(data: bytes) -> Iterator[Mapping[str, Any]]:
    try:
        read = json.loads(data)
    except (ValueError, RecursionError):
        return
    yield from (entry for entry in read[:1000] if isinstance(entry, dict)) if isinstance(read, list) else ()


def _leading(text: str) -> str:
    """The version that a switcher's entry begins with: `3.6.1 (stable)`."""
    return text.strip().partition(" ")[0][:_LONG]


def _segments(address: str) -> list[str]:
    """The folders of an address."""
    try:
        path = urlsplit(address).path
    except ValueError:
        return []
    return [part for part in path.split("/") if part and not part.endswith((".html", ".htm"))]


def _of_address(address: str) -> Iterator[tuple[str, str]]:
    """The last folder of an address that is a version, alone or behind a name, as `lib-2.8.8`; with a point in it.

    Of a folder on this machine only its own name: what lies above it has nothing to do with the site.
    """
    parts = _segments(address)
    for part in reversed(parts if "://" in address else parts[-1:]):
        found = _SEGMENT.fullmatch(part[:_LONG])
        if found and "." in found[1]:
            yield "address", found[1]
            return


def _word(address: str) -> str | None:
    return next((part for part in reversed(_segments(address)) if part.lower() in WORDS), None)
