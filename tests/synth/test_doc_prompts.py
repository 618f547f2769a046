"""What a `doc` row asks names nothing but what its program uses: the rest may be held out."""

from __future__ import annotations

from typing import Any

from registry.names import SymbolIndex
from synth import doc_examples
from tests.synth.conftest import page, parted, symbol

SESSION = "\n\n>>> import lib\n>>> lib.gather([1, 2])\n3\n"


def test_title_of_another_symbol_or_page_is_not_asked() -> None:
    """A session that calls `gather` asks for `gather`, whether it stands in its docs, in another's or in a guide."""
    source = page("lib/__init__.py", "def gather(items):\n    return 3\n", "source")
    guide = page("docs/guide.md", f"Deprecated, use `spread`{SESSION.replace('2', '4')}", "guide")
    symbols = [
        symbol("lib", "module"),
        symbol("lib.gather", doc=f"Gather things.{SESSION}", on=source),
        symbol("lib.spread", doc=f"Spread things.{SESSION.replace('2', '3')}", on=source),
    ]
    examples, _ = parted(doc_examples.mine([source, guide], symbols, SymbolIndex(symbols), domain="d"))
    parts: list[Any] = [e.parts for e in examples]
    prompts = {p["name"]: p["prompt"] for p in parts}
    asked = "Use `lib.gather`.\nBind `result1`."
    assert prompts == {
        "lib.gather#1": f"Gather things.\n{asked}",
        "lib.spread#1": asked,
        "docs/guide.md#1": asked,
    }
