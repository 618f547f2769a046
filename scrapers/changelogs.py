"""Entries of changelogs and release notes between two versions, and the symbols they name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from packaging.version import Version

from registry.records import Page
from scrapers.lookup import Names

_VERSION = re.compile(r"(?<![\w.])v?(\d+(?:\.\d+)+(?:(?:a|b|rc)\d+)?)(?!\w)")
_BULLET = re.compile(r"^(\s*)[-*+•]\s+(.*)$")
_UNDERLINE = re.compile(r"^([=\-~^\"'*+#.])\1{2,}\s*$")
_TICKED = re.compile(r"(?::[\w:]+:)?`{1,2}[~!]?([A-Za-z_][\w.]*?)(?:\([^`]*\))?`{1,2}")
_BARE = re.compile(
    r"\b(?:functions?|class(?:es)?|methods?|decorators?|nx\.)\s*([A-Za-z_]\w+)|\b([a-z]+(?:_\w+)+|[A-Z][a-z]+[A-Z]\w+)\b"
)
_BEHAVIOUR = re.compile(
    r"now (?:returns?|raises?|yields?|accepts?|requires?|uses?)|no longer|used to"
    r"|(?:update|change)d? (?:the )?(?:return|default|behavio)|return type|a generator|previously"
    r"|breaking change|behavio[u]?r (?:has been|is) (?:changed|updated)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Entry:
    """One item of a changelog: its text on one line, the version it stands under, the page's path."""

    text: str
    version: str
    path: str

    @property
    def is_behaviour(self) -> bool:
        """Whether it says that the same call now does something else."""
        return bool(_BEHAVIOUR.search(self.text))


def entries(pages: Iterable[Page], old: str, new: str) -> list[Entry]:
    """The entries of changelog pages for versions after `old` up to `new`, in the order of pages and lines."""
    low, high = Version(old), Version(new)
    found: dict[Entry, None] = {}
    for page in pages:
        if page.kind == "changelog":
            for entry in _entries(page):
                if low < Version(entry.version) <= high and len(entry.text) > 8:
                    found[entry] = None
    return list(found)


def symbols_named(entry: Entry, names: Names) -> list[str]:
    """Canonical paths of the symbols that an entry names, in the order in which it does."""
    written = [(m.start(), m.group(1)) for m in _TICKED.finditer(entry.text)]
    plain = _TICKED.sub(lambda m: " " * len(m.group(0)), entry.text)
    written += [(m.start(), m.group(1) or m.group(2)) for m in _BARE.finditer(plain)]
    paths = (names.find(name) for _, name in sorted(written))
    return list(dict.fromkeys(p for p in paths if p is not None and names.symbols[p].kind != "module"))


def _entries(page: Page) -> Iterator[Entry]:
    version = _last_version(page.path)
    fixed = version is not None
    lines = page.markdown.split("\n")
    block: list[str] = []
    for i, line in enumerate(lines):
        heading = line.lstrip("# ") if line.startswith("#") else line
        is_heading = line.startswith("#") or (
            i + 1 < len(lines) and bool(_UNDERLINE.match(lines[i + 1])) and line.strip()
        )
        bullet = _BULLET.match(line)
        if is_heading or not line.strip() or bullet or _UNDERLINE.match(line):
            if block and version:
                yield Entry(" ".join(" ".join(block).split()), version, page.path)
            block = [bullet.group(2)] if bullet and not is_heading and not _UNDERLINE.match(line) else []
            if is_heading and not fixed:
                version = _first_version(heading) or version
        else:
            block.append(line)
    if block and version:
        yield Entry(" ".join(" ".join(block).split()), version, page.path)


def _first_version(text: str) -> str | None:
    match = _VERSION.search(text)
    return match.group(1) if match and _is_version(match.group(1)) else None


def _last_version(path: str) -> str | None:
    """The version in a file's name: `release_3.0.rst`, `migration_from_2.x_to_3.0.rst`."""
    stem = re.sub(r"\.(rst|md|txt)$", "", path.rpartition("/")[2])
    found = re.findall(r"(?<![\d.])v?(\d+(?:\.\d+)+)(?![\d.]*x)", stem)
    return found[-1] if found and _is_version(found[-1]) else None


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except ValueError:  # none, or of more digits than Python reads
        return False
    return True
