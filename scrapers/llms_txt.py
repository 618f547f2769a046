"""Format `llms_txt`: the Markdown that a site offers to models: the pages that `llms.txt` links to, or `llms-full.txt`.

A `llms-full.txt` that says no addresses is a page for each of its first headings, where there are several.

What a page says is taken from `llms-full.txt` where that has it under the page's address, else from the page itself:
Markdown as it is, HTML as the format `site` reads it. A page is asked for in any case: then it is known to be there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from posixpath import commonprefix
from typing import Any

from scrapers.content import kind_of_page
from scrapers.documents import Document, Entry, Parsed
from scrapers.entries import parameters_in
from scrapers.site import AnySite
from scrapers.sitemaps import is_within, path_of
from scrapers.texts import cleaned

LIST, FULL = "llms.txt", "llms-full.txt"

_MOST, _LONGEST, _LINE = 20_000, 64 << 20, 500
"""Pages that are named, characters of a file, characters of a heading."""

_LINK = re.compile(r"\]\(\s*<?([^()\s<>]{1,2000})>?(?:\s+\"[^\"\n]{0,500}\")?\s*\)")
_SOURCE = re.compile(
    r"^(?:Source|URL|url|Source URL|Page|<!-- *(?:Source|URL)): *<?(https?://[^\s<>]{1,2000})>?(?: *-->)?[ \t]*$",
    re.MULTILINE,
)
_FENCES = 400_000
"""Fences that are looked at: what follows them counts as code."""
_LETTERS = re.compile(r"[^\n]")
_CHAPTER = re.compile(r"^#[ \t]+(\S.*)", re.MULTILINE)
_NAMED = re.compile(r"\w+")
_CHAPTERS = 3
"""First headings from which on each is a page: a text of one or two is one page with a subtitle."""
_HEADING = re.compile(r"#{1,6}[ \t]+(\S.*)")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_SIGNATURE = re.compile(
    r"`?(?:(?:async )?def |class )?(?P<path>[^\W\d]\w*(?:\.[^\W\d]\w*)+)(?P<signature>\(.*\)(?: ?-> ?[^`]+)?)`?"
)
_HTML = re.compile(r"(?i)\s*(?:<!doctype html|<html|<head|<body|<\?xml)")


class LlmsTxt:
    """Reads what a site offers as Markdown."""

    version = "3"
    indexes: tuple[str, ...] = (LIST, FULL)

    def pages(self, indexes: Mapping[str, bytes]) -> list[str]:
        """What `llms.txt` links to and `llms-full.txt` has; that file itself where it says no addresses."""
        linked = _LINK.findall(_text(indexes.get(LIST, b"")))[:_MOST]
        named = [link.partition("#")[0] for link in linked if _is_page(link)]
        named += [address for address, _ in sections(_text(indexes.get(FULL, b""))) if address]
        named = [name for name in dict.fromkeys(named) if name.rpartition("/")[2] not in (LIST, FULL)]
        return named or ([FULL] if FULL in indexes and not self.given(indexes) else [])

    def further(self, indexes: Mapping[str, bytes]) -> list[str]:
        """None are read."""
        return []

    def given(self, indexes: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """The chapters of a `llms-full.txt` that says no addresses, where nothing else names pages."""
        full = _text(indexes.get(FULL, b""))
        if _LINK.search(_text(indexes.get(LIST, b""))) or sections(full):
            return {}
        return {path: text.encode() for path, text in chapters(full).items()}

    def facts(self, indexes: Mapping[str, bytes]) -> Mapping[str, Any]:
        """Address of a page, and its path -> the Markdown that `llms-full.txt` has of it."""
        found = sections(_text(indexes.get(FULL, b"")))
        base = commonprefix([path_of(address) or "" for address, _ in found]).rpartition("/")[0]
        facts: dict[str, str] = {}
        for address, text in found:
            for name in _names(path_of(address) or "", base):
                facts.setdefault(name, text)
        return facts or {path: text.decode() for path, text in self.given(indexes).items()}

    def parse(self, document: Document, facts: Any) -> Parsed:
        """A page as Markdown: as it was given, without comments; headings that are signatures are entries."""
        if not isinstance(facts, str) and _HTML.match(document.html[:2000]):
            return AnySite().parse(document, None)
        text = as_given(facts if isinstance(facts, str) else document.html)
        headings = _headings(text)
        entries = tuple(e for e in map(_entry, headings) if e is not None)
        title = headings[0] if headings else document.path.rpartition("/")[2]
        fault = None if text.strip() else "empty: it has no text"
        kind = kind_of_page(document.path, bool(entries))
        return Parsed(title=title[:200], kind=kind, markdown=text, entries=entries, fault=fault)


def sections(full: str) -> list[tuple[str, str]]:
    """(address, text) of the pages in `llms-full.txt`: what follows `Source:` or `URL:`, and the title before that."""
    marks = list(islice(_SOURCE.finditer(_without_code(full)), _MOST))
    found = []
    starts = [_title_before(full, m.start()) for m in marks]
    for place, (mark, start) in enumerate(zip(marks, starts, strict=True)):
        end = starts[place + 1] if place + 1 < len(starts) else len(full)
        body = full[mark.end() : max(end, mark.end())].strip().removesuffix("---").strip()
        found.append((mark[1], f"{full[start : mark.start()].strip()}\n\n{body}\n".lstrip("\n")))
    return found


def chapters(full: str) -> dict[str, str]:
    """`llms-full.txt#title` -> the text below a first heading, with it; none where these are few."""
    starts = [mark.start() for mark in islice(_CHAPTER.finditer(_without_code(full)), _MOST)]
    if len(starts) < _CHAPTERS:
        return {}
    found: dict[str, str] = {}
    counted: Counter[str] = Counter()
    for start, end in zip([0, *starts[1:]], [*starts[1:], len(full)], strict=True):
        text = full[start:end].strip()
        heading = _CHAPTER.search(text)
        name = "-".join(_NAMED.findall((heading[1] if heading else "").lower()))[:80]
        counted[name] += 1
        found[f"{FULL}#{name}" + (f"-{counted[name]}" if counted[name] > 1 else "")] = f"{text}\n"
    return found


def _title_before(text: str, at: int) -> int:
    """Where the heading begins that stands right above a place; the place itself where none does."""
    above = text[max(0, at - 500) : at].rstrip()
    line = above.rpartition("\n")[2]
    return max(0, at - 500) + len(above) - len(line) if line.startswith("#") else at


def as_given(markdown: str) -> str:
    """Markdown as it is, without comments outside code, which no reader sees, and without blank lines at its ends."""
    pieces = _pieces(cleaned(markdown[:_LONGEST]))
    return "".join(piece if is_code else _uncommented(piece) for piece, is_code in pieces).strip("\n") + "\n"


def _uncommented(text: str) -> str:
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return "".join([*kept, text[at:]])


def _headings(text: str) -> list[str]:
    lines = (line for piece, is_code in _pieces(text) if not is_code for line in piece.splitlines())
    found = (_HEADING.match(line) for line in lines if len(line) <= _LINE)
    return [match[1].rstrip(" \t#") for match in found if match]


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """A text in parts, each with whether it is a fenced block."""
    fence, start = "", 0
    for count, mark in enumerate(_FENCE.finditer(text)):
        if count > _FENCES:
            fence = "all that follows"
            break
        if not fence:
            yield text[start : mark.start()], False
            fence, start = mark[1], mark.start()
        elif mark[1].startswith(fence):
            end = text.find("\n", mark.end()) + 1 or len(text)
            yield text[start:end], True
            fence, start = "", end
    yield text[start:], bool(fence)


def _without_code(text: str) -> str:
    """The text with blanks for blocks of code: positions stay."""
    return "".join(_LETTERS.sub(" ", piece) if is_code else piece for piece, is_code in _pieces(text))


def _entry(heading: str) -> Entry | None:
    """The object whose signature a heading is: with a dotted path, so that prose with brackets is none."""
    match = _SIGNATURE.fullmatch(heading.strip().replace("\\_", "_").replace("\\*", "*"))
    if match is None:
        return None
    parts = match["path"].split(".")
    kind = "class" if parts[-1][:1].isupper() else "method" if parts[-2][:1].isupper() else "function"
    signature = match["signature"].strip()
    return Entry(path=match["path"], kind=kind, signature=signature, parameters=parameters_in(signature))


def _is_page(link: str) -> bool:
    path = path_of(link)
    if path is None and not is_within(link):
        return False
    last = (path if path is not None else link).partition("#")[0].rpartition("/")[2]
    return bool(link.partition("#")[0]) and ("." not in last or last.endswith((".md", ".mdx", ".txt", ".html", ".htm")))


def _names(path: str, base: str) -> list[str]:
    """The paths within its site that a page may be known by, where all pages lie below `base`, or below the host."""
    ends = dict.fromkeys((path.removeprefix(base).strip("/"), path.strip("/")))
    return [name for end in ends for name in (end, f"{end}.md", f"{end}.html", f"{end}/index.html") if end]


def _text(data: bytes) -> str:
    return data[:_LONGEST].decode("utf-8-sig", "replace")
