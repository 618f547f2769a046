"""By which names a site's examples use what it documents elsewhere."""

from __future__ import annotations

import pytest

from registry.records import Symbol
from scrapers.uses import named_by_use

WALK = "lib.paths.generic.walk"
GUIDE = "First:\n\n```pycon\n>>> import lib as lb\n```\n"


def symbol(path: str, kind: str = "function", doc: str = "") -> Symbol:
    return Symbol(release="r" * 64, path=path, kind=kind, doc=doc)


def aliases(symbols: list[Symbol], *guides: str) -> dict[str, tuple[str, ...]]:
    return {s.path: s.aliases for s in named_by_use(symbols, guides) if s.aliases}


@pytest.mark.parametrize(
    ("code", "named"),
    [
        (">>> lb.walk(1)\n2", ("lib.walk",)),
        (">>> lib.paths.walk(1)", ("lib.paths.walk",)),
        (">>> from lib import paths\n>>> paths.walk(1)", ("lib.paths.walk",)),
        (">>> from lib import walk\n>>> walk(1)", ("lib.walk",)),
        ("```python\nlb.walk(1).steps\n```", ("lib.walk",)),
        ("It is lb.walk(1), as prose has it.", ()),
        (">>> other.walk(1)", ()),  # nobody knows what that is
        (">>> lb.elsewhere.walk(1)", ()),  # no part of its path
        (">>> lib.paths.generic.walk(1)", ()),  # documented so
    ],
)
def test_a_name_that_examples_use_is_one_of_the_object(code: str, named: tuple[str, ...]) -> None:
    """A name counts where code uses it and it leaves out parts of the documented path alone."""
    found = aliases([symbol("lib", "module"), symbol(WALK, doc=f"Walks.\n\n{code}\n")], GUIDE)
    assert found == ({WALK: named} if named else {})


def test_of_two_objects_the_one_whose_own_text_uses_a_name_has_it() -> None:
    """A name that fits two is the one's that shows it, and nobody's where none does."""
    exact = symbol("lib.exact.cut", doc=">>> lb.cut(1)\n")
    rough = symbol("lib.rough.cut", doc=">>> from lib import rough\n>>> rough.cut(1)\n")
    assert aliases([exact, rough], GUIDE) == {"lib.exact.cut": ("lib.cut",)}
    silent = [symbol("lib.exact.cut"), symbol("lib.rough.cut")]
    assert aliases(silent, GUIDE, ">>> import lib as lb\n>>> lb.cut(1)\n") == {}


def test_what_a_symbol_has_already_stays() -> None:
    """A documented name of an object is never given to another one, and methods of a class are none of its names."""
    graph = Symbol(release="r" * 64, path="lib.core.Graph", kind="class", aliases=("lib.Graph",))
    other = symbol("lib.more.Graph", "class", doc=">>> lb.Graph.of([])\n")
    assert aliases([graph, other, symbol("lib.makers.of")], GUIDE) == {"lib.core.Graph": ("lib.Graph",)}
