"""`text` rows: guides, then source with imports before what imports them."""

from __future__ import annotations

from registry.names import SymbolIndex
from synth.text import dependencies_first, mine
from tests.synth.conftest import page, symbol

FILLER = "# " + "x" * 100 + "\n"


def test_imported_modules_come_first() -> None:
    """A module stands after those it imports, relative imports and packages too; a cycle ends."""
    pages = [
        page("lib/__init__.py", "from lib.a import f\n", "source"),
        page("lib/a.py", "from .sub import b\n", "source"),
        page("lib/sub/__init__.py", "", "source"),
        page("lib/sub/b.py", "from lib import z\n", "source"),
        page("lib/z.py", "import os\n", "source"),
    ]
    ordered = [(p.path, depth) for p, depth in dependencies_first(pages)]
    order = [path for path, _ in ordered]
    assert sorted(order) == sorted(p.path for p in pages)
    depths = dict(ordered)
    assert depths["lib/z.py"] < depths["lib/sub/b.py"] < depths["lib/a.py"]
    assert order.index("lib/z.py") < order.index("lib/sub/b.py") < order.index("lib/a.py")


def test_rows_carry_text_licence_and_defined_symbols() -> None:
    """Guides come before source; tests and short pages are no text."""
    source = page("lib/a.py", FILLER + "def f(): pass\n", "source")
    pages = [
        source,
        page("doc/guide.rst", FILLER, "guide"),
        page("lib/tests/test_a.py", FILLER),
        page("e.rst", "", "guide"),
    ]
    rows = list(mine(pages, SymbolIndex([symbol("lib.a.f", on=source)]), domain="d"))
    assert [(r.file, r.parts["depth"], r.language) for r in rows] == [  # type: ignore[call-overload]
        ("doc/guide.rst", 0, "text"),
        ("lib/a.py", 0, "python"),
    ]
    assert rows[1].symbols == ("lib.a.f",)
    assert {r.licence for r in rows} == {"MIT"}
    assert rows[1].parts["text"] == source.markdown  # type: ignore[call-overload]
