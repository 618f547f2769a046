"""What other files say of the library's names in a program: signatures under path headers, for cross-file rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from registry.names import SymbolIndex
from registry.records import Page, Symbol

MOST = 2
"""Definitions shown of one program."""

_NAMED = re.compile(r"[^\W\d]\w*")


class Definitions:
    """The heads of a release's functions and classes: signature, and what the docstring says first.

    Args:
        pages: The release's pages.
        index: The release's symbols.
    """

    def __init__(self, pages: Iterable[Page], index: SymbolIndex) -> None:
        self._pages: Mapping[str, Page] = {p.id: p for p in pages}
        self._index = index

    def named_in(self, text: str, symbols: Iterable[str]) -> list[tuple[Page, str]]:
        """(page, head) of the definitions of those symbols that a text names, in the text's order.

        Args:
            text: Lines of a program.
            symbols: Canonical paths that the program calls.
        """
        words = list(dict.fromkeys(_NAMED.findall(text)))
        called = set(symbols)  # of two classes' methods that one whose class is called too
        ordered = sorted(sorted(called, reverse=True), key=lambda path: path.rpartition(".")[0] in called)
        by_name = {path.rpartition(".")[2]: path for path in ordered}
        found = [self._index.by_path.get(by_name[word]) for word in words if word in by_name]
        shown = [(self._pages.get(s.page or ""), self._head(s)) for s in found if s is not None]
        return [(page, head) for page, head in shown if page is not None and head][:MOST]

    def _head(self, symbol: Symbol) -> str:
        """The definition without its body, as it could stand in a `.pyi`; empty where there is nothing to show."""
        if symbol.signature is None or symbol.kind not in ("function", "method", "class"):
            return ""
        owner, _, name = symbol.path.rpartition(".")
        says = symbol.doc.strip().partition("\n\n")[0].strip()
        if '"""' in says or "\\" in says or ">>>" in says:
            says = ""
        if symbol.kind == "class":
            signature = f"(self, {symbol.signature[1:]}".replace(", )", ")")
            return f"class {name}:\n{_doc(says, 4)}    def __init__{signature}: ...\n"
        if symbol.kind == "method":
            indent = 8 if says else 0
            body = f"\n{_doc(says, indent)}{'':8}...\n" if says else " ...\n"
            bound = "    @classmethod\n" if symbol.signature.startswith("(cls") else ""
            return f"class {owner.rpartition('.')[2]}:\n{bound}    def {name}{symbol.signature}:{body}"
        return f"def {name}{symbol.signature}:" + (f"\n{_doc(says, 4)}    ...\n" if says else " ...\n")


def _doc(says: str, indent: int) -> str:
    if not says:
        return ""
    lines = [line.strip() for line in says.splitlines()]
    closing = '"""\n' if len(lines) == 1 else "\n" + " " * indent + '"""\n'
    return " " * indent + '"""' + ("\n" + " " * indent).join(lines) + closing
