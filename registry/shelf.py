"""A shelf: more than fits into memory, by name, on disk for as long as somebody holds it.

A lake is read as a stream; what is to be looked up again and again meanwhile, or in the order of names, goes onto a
shelf. It is a database of SQLite's in a file without a name: it ends with the process, however that ends.
"""

from __future__ import annotations

import json
import pickle
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, ValuesView
from pathlib import Path
from typing import Any, TypeVar

V = TypeVar("V")

AT_ONCE = 500
"""Values that are read at once where many are wanted."""

_KIBIBYTES = 4096
"""Of the file, what SQLite holds in memory."""


class Shelf(Mapping[str, V]):
    """A mapping on disk, in the order of its names. Values are pickled: each look gives another copy.

    Args:
        folder: Where its file is made; the system's folder for such files where None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix="shelf-") as file:
            # Threads may share it: SQLite takes turns. Nothing is ever committed, as nothing is to be found again.
            self._database = sqlite3.connect(file.name, check_same_thread=False, isolation_level=None)
            for statement in (
                "PRAGMA journal_mode = OFF",
                "PRAGMA synchronous = OFF",
                "PRAGMA locking_mode = EXCLUSIVE",
                f"PRAGMA cache_size = -{_KIBIBYTES}",
                "CREATE TABLE shelf (name TEXT PRIMARY KEY, value BLOB)",
                "BEGIN",
            ):
                self._database.execute(statement)

    def put(self, items: Iterable[tuple[str, V]], *, over: bool = False) -> None:
        """Puts values onto the shelf.

        Args:
            items: Names and values; drawn as they are written.
            over: Whether a value takes the place of what has its name already; else that stays.
        """
        rows = ((name, pickle.dumps(value, pickle.HIGHEST_PROTOCOL)) for name, value in items)
        insert = "INSERT OR REPLACE INTO shelf VALUES (?, ?)" if over else "INSERT OR IGNORE INTO shelf VALUES (?, ?)"
        self._database.executemany(insert, rows)

    def some(self, names: Iterable[str]) -> dict[str, V]:
        """The values of those of some names that are there, all in memory, in the order of these names."""
        asked = list(names)
        query = "SELECT * FROM shelf WHERE name IN (SELECT value FROM json_each(?))"
        found = dict(self._database.execute(query, (json.dumps(asked),)))
        return {name: pickle.loads(found[name]) for name in asked if name in found}  # noqa: S301  # ours

    def __getitem__(self, name: str) -> V:
        found = self._database.execute("SELECT value FROM shelf WHERE name = ?", (name,)).fetchone()
        if found is None:
            raise KeyError(name)
        value: V = pickle.loads(found[0])  # noqa: S301  # ours
        return value

    def __contains__(self, name: object) -> bool:
        return self._database.execute("SELECT 1 FROM shelf WHERE name = ?", (name,)).fetchone() is not None

    def __len__(self) -> int:
        count: int = self._database.execute("SELECT count(*) FROM shelf").fetchone()[0]
        return count

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._each("SELECT name, name"))

    def values(self) -> ValuesView[V]:
        """The values in the order of their names; meanwhile some may be put onto the shelf, or taken away."""
        return _Values(self)

    def _each(self, select: str) -> Iterator[tuple[str, Any]]:
        """Rows in order, so many at a time: meanwhile the table may change."""
        last, query = "", f"{select} FROM shelf WHERE name > ? ORDER BY name LIMIT {AT_ONCE}"
        while rows := self._database.execute(query, (last,)).fetchall():
            yield from rows
            last = rows[-1][0]


def some(values: Mapping[str, V], names: Iterable[str]) -> dict[str, V]:
    """As `Shelf.some`, of any mapping."""
    if isinstance(values, Shelf):
        return values.some(names)
    return {name: values[name] for name in names if name in values}


class _Values(ValuesView[V]):
    _mapping: Shelf[V]

    def __iter__(self) -> Iterator[V]:
        rows = self._mapping._each("SELECT name, value")
        return (pickle.loads(value) for _, value in rows)  # noqa: S301  # ours
