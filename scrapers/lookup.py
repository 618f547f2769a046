"""Names as people write them in notes and changelogs, looked up among a release's symbols."""

from __future__ import annotations

from collections.abc import Iterable

from registry.records import Symbol


class Names:
    """Canonical paths of written names.

    Args:
        symbols: The symbols of one release.
    """

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        self.symbols = {s.path: s for s in symbols}
        self._exact: dict[str, str] = {}
        self._last: dict[str, list[str]] = {}
        for path, symbol in sorted(self.symbols.items()):
            for name in (path, *symbol.aliases):
                self._exact.setdefault(name, path)
            self._last.setdefault(path.rpartition(".")[2], []).append(path)
        self._roots = sorted({p.split(".")[0] for p in self.symbols})

    def exact(self, name: str) -> str | None:
        """The canonical path of a full dotted path, public or canonical."""
        return self._exact.get(name)

    def find(self, name: str, near: str = "") -> str | None:
        """The canonical path that a written name means: `networkx.f`, `nx.f`, `module.f`, `Class.method`, `f`.

        Args:
            name: As written.
            near: The symbol whose note it stands in: what lies nearest to it is preferred.
        """
        if path := self._exact.get(name):
            return path
        _, _, inner = name.partition(".")
        for candidate in [f"{root}.{n}" for root in self._roots for n in (name, inner) if n]:
            if path := self._exact.get(candidate):
                return path
        known = [p for p in self._last.get(name.rpartition(".")[2], ()) if p.endswith(f".{name}") or p == name]
        if not known and "." in name:
            return None
        if "." not in name:  # a bare name means no method of some class, unless that of the note's own class
            owner = near.rpartition(".")[0]
            known = [p for p in known if self.symbols[p].kind in {"function", "class"} or p.rpartition(".")[0] == owner]
        return min(known, key=lambda p: (-_shared(p, near), p.count("."), p), default=None)


def _shared(one: str, other: str) -> int:
    """How many leading components two dotted paths share."""
    count = 0
    for a, b in zip(one.split("."), other.split("."), strict=False):
        if a != b:
            break
        count += 1
    return count
