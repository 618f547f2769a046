"""The index that Sphinx and mkdocstrings put beside a site: `objects.inv`, names -> pages and anchors.

Guarantees: no more than the limits is unpacked or kept, a line is read in time that grows with its length, and any
bytes give an Inventory or a SourceError. What a row points at lies within the site.
Own code, not sphobjinv, which unpacks without a limit and takes quadratic time for a line of blanks; the benchmark
holds what is read here against what sphobjinv reads.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from registry.errors import SourceError

NAME = "objects.inv"

_ROW = re.compile(
    r"(?P<name>\S.*?)\s(?P<domain>[^\s:]{1,40}):(?P<role>\S{1,40})\s(?P<priority>-?\d{1,9})\s(?P<uri>\S*)\s"
)
_LONGEST = 4000
"""Characters of a line."""
_KEPT = 4 * _LONGEST + 4
"""Bytes of a line that are looked at: any line that is not too long fits in."""
_STEP = 1 << 16
"""Bytes that are unpacked at a time."""
_SHOWN = 200
"""Lines that are no row, of which the beginning is kept."""


@dataclass(frozen=True)
class InventoryLimits:
    """How much is read: bytes as received, bytes unpacked, rows."""

    packed: int = 16 << 20
    unpacked: int = 128 << 20
    rows: int = 500_000


@dataclass(frozen=True, slots=True)
class Row:
    """One name.

    Attributes:
        name: As it is written in cross references.
        role: Domain and role, such as `py:function` and `std:doc`.
        priority: Sphinx's; -1 is another name of an object.
        path: Path of the page within the site.
        anchor: Where on the page; empty for the page itself.
    """

    name: str
    role: str
    priority: int
    path: str
    anchor: str


@dataclass(frozen=True)
class Inventory:
    """What an index says.

    Attributes:
        project: Of what.
        version: At which version; empty where it doesn't say.
        rows: The names, in order of the file.
        unread: The first lines that are no row, or that point out of the site.
    """

    project: str
    version: str
    rows: tuple[Row, ...]
    unread: tuple[str, ...] = ()


@lru_cache(maxsize=1)  # a look at a site asks it for pages, then for what is on each
def read_inventory(data: bytes, limits: InventoryLimits | None = None) -> Inventory:
    """Reads `objects.inv`, version 1 or 2.

    Raises:
        SourceError: It is none, larger than the limits, or broken; its `values` have what could be read, as `read`.
    """
    bounds = limits or InventoryLimits()
    if len(data) > bounds.packed:
        raise SourceError(f"{NAME} has {len(data)} bytes: at most {bounds.packed} are read", read=None)
    head, body = _split(data)
    lines = _Lines(body, bounds) if head[0] == 2 else _Plain(body)
    rows: list[Row] = []
    unread: list[str] = []
    fault = ""
    for count, line in enumerate(filter(str.strip, lines), start=1):
        row = (_old_row if head[0] == 1 else _row)(line) if len(line) <= _LONGEST else None
        if row is not None:
            rows.append(row)
        elif len(unread) < _SHOWN:
            unread.append(line[:200])
        if count > bounds.rows:
            fault = f"has more than {bounds.rows} rows"
            break
    fault = fault or lines.fault
    found = Inventory(head[1], head[2], tuple(rows), tuple(unread))
    if fault:
        raise SourceError(f"{NAME} {fault}: {len(rows)} names could be read. Build the site anew", read=found)
    return found


def _split(data: bytes) -> tuple[tuple[int, str, str], bytes]:
    """(version of the format, project, its version), and what follows the head."""
    lines = data.split(b"\n", 4)
    first = re.fullmatch(rb"# Sphinx inventory version ([12])\s*", lines[0])
    count = 3 if first and first.group(1) == b"1" else 4
    if first is None or len(lines) < count:
        raise SourceError(f"{NAME} doesn't begin as Sphinx's index does: build the site with Sphinx", read=None)
    project, version = (line.partition(b":")[2].decode("utf-8", "replace").strip()[:200] for line in lines[1:3])
    return (int(first.group(1)), project, version), b"\n".join(lines[count:])


class _Plain:
    """The lines of a body that isn't packed."""

    fault = ""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[str]:
        return (line.decode("utf-8", "replace") for line in self._data.split(b"\n"))


class _Lines:
    """The lines of a packed body, as they are unpacked; of one that is too long its beginning.

    Attributes:
        fault: What is wrong with what follows the last line, once that was read.
    """

    def __init__(self, data: bytes, limits: InventoryLimits) -> None:
        self._data, self._most = data, limits.unpacked
        self.fault = ""

    def __iter__(self) -> Iterator[str]:
        kept = b""
        for piece in self._pieces():
            first, *more = piece.split(b"\n")
            kept += first[: _KEPT - len(kept)]
            for line in more:
                yield kept.decode("utf-8", "replace")
                kept = line[:_KEPT]
        if not self.fault:  # else the last one may be cut off
            yield kept.decode("utf-8", "replace")

    def _pieces(self) -> Iterator[bytes]:
        unpacker, count = zlib.decompressobj(), 0
        try:
            for at in range(0, len(self._data), _STEP):  # an error then loses no more than one piece
                left = self._data[at : at + _STEP]
                while left and not unpacker.eof:
                    piece = unpacker.decompress(left, _STEP)
                    left, count = unpacker.unconsumed_tail, count + len(piece)
                    yield piece
                    if count > self._most:
                        self.fault = f"unpacks to more than {self._most} bytes"
                        return
        except zlib.error:
            self.fault = "is broken"
        self.fault = self.fault or ("" if unpacker.eof else "is cut off")


def _row(line: str) -> Row | None:
    match = _ROW.match(line)
    if match is None:
        return None
    name, uri = match["name"], match["uri"]
    uri = uri[:-1] + name if uri.endswith("$") else uri
    return _within(name, f"{match['domain']}:{match['role']}", int(match["priority"]), uri)


def _old_row(line: str) -> Row | None:
    parts = line.split()
    if len(parts) != 3:
        return None
    name, role, uri = parts
    anchor = f"module-{name}" if role == "mod" else name
    return _within(name, f"py:{'module' if role == 'mod' else role}", 1, f"{uri}#{anchor}")


def _within(name: str, role: str, priority: int, uri: str) -> Row | None:
    """A row, where its address lies within the site."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    path = unquote(parts.path)
    steps = path.split("/")
    anchor = unquote(parts.fragment)
    anchor = name if anchor == name else anchor  # one text, not two
    outside = parts.scheme or parts.netloc or path.startswith("/") or ".." in steps or "\\" in path or "\0" in path
    return None if outside else Row(name, sys.intern(role), priority, sys.intern(path), anchor)


def pages_of(inventory: Inventory) -> list[str]:
    """The paths of the site's pages, as its documents are named, in order; of the objects where no document is."""
    named = [r.path for r in inventory.rows if r.role == "std:doc"] or [r.path for r in inventory.rows]
    return list(dict.fromkeys(named))


def objects_of(inventory: Inventory) -> Iterator[tuple[str, list[list[str | int]]]]:
    """(path of a page, [[anchor, name, role, priority] …]) of the Python objects; a folder's page is its index."""
    found: dict[str, list[list[str | int]]] = {}
    for row in inventory.rows:
        if row.role.startswith("py:"):
            path = f"{row.path}index.html" if not row.path or row.path.endswith("/") else row.path
            found.setdefault(path, []).append([row.anchor, row.name, row.role, row.priority])
    for path in sorted(found):
        yield path, sorted(found[path], key=str)
