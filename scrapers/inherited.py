"""Members that a site lists with each class that has them, or under a class's public name: each once, at its home.

sphinx.ext.viewcode links what a class itself defines, so its path is known; what it inherits, and properties, have no
link, and stand on the page under the name that the class is documented by. Non-guarantee: a member that is documented
word for word alike in a class and its base is the base's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from registry.records import Symbol

_Said = tuple[str, str, str | None, str]


def settled(symbols: Iterable[Symbol]) -> list[Symbol]:
    """The symbols, members of classes under the path of the class that defines them, other names as aliases.

    Args:
        symbols: Of one release, as its pages gave them.
    """
    rows = {row.path: row for row in symbols}
    found = [row for row in rows.values() if row.kind == "class"]
    classes = {name: row.path for row in found for name in row.aliases} | {row.path: row.path for row in found}
    members = sorted((row for row in rows.values() if _home(row, classes)), key=_by_owner)
    stray = [row for row in members if _home(row, classes) != row.path.rpartition(".")[0]]
    astray = {row.path for row in stray}
    owners: dict[_Said, str] = {}
    for row in members:
        if row.path not in astray:
            owners.setdefault(_said(row), row.path)
    names: dict[str, set[str]] = {}
    for row in stray:
        home = f"{_home(row, classes)}.{row.path.rpartition('.')[2]}"
        path = home if home in rows or not row.doc else owners.setdefault(_said(row), home)
        names.setdefault(path, set()).update({row.path, *row.aliases})
        rows.setdefault(path, replace(row, path=path, aliases=()))
        del rows[row.path]
    return [_with(row, names[row.path]) if row.path in names else row for row in rows.values()]


def _home(row: Symbol, classes: dict[str, str]) -> str | None:
    """The path of the class that a member stands with; None of what is no member of a known class."""
    return classes.get(row.path.rpartition(".")[0]) if row.kind in ("method", "attribute") else None


def _said(row: Symbol) -> _Said:
    """What two listings of one member have in common: references to members are to those of the class that lists it.

    Of properties, which have no link where they are defined either, the text as it stands decides.
    """
    last, doc = row.path.rpartition(".")[2], row.doc
    if row.kind != "method":
        return last, row.kind, row.signature, doc
    listing = {name.removesuffix(last) for name in (row.path, *row.aliases) if name.endswith(f".{last}")}
    for owner in sorted(listing, key=len, reverse=True):
        doc = doc.replace(f"`{owner}", "`")
    return last, row.kind, row.signature, doc


def _by_owner(row: Symbol) -> tuple[int, str]:
    """Members of the class with the shortest name first: `Graph` before `DiGraph`, as bases mostly are."""
    return len(row.path.split(".")[-2]), row.path


def _with(row: Symbol, names: set[str]) -> Symbol:
    aliases = {*row.aliases, *names} - {row.path}
    return replace(row, aliases=tuple(sorted(aliases, key=lambda name: (len(name), name))))
