"""What a `doc` row asks names nothing but what its program uses: the rest may be held out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.names import SymbolIndex
from synth.mined import doc_examples
from tests.synth.conftest import page, parted, symbol

SESSION = "\n\n>>> import lib\n>>> lib.gather([1, 2])\n3\n"

ASKED = """

Complete this program for lib 1 where it has `...`, with `lib.gather`:
```python
import lib

result1 = ...  # from [1, 2]
```
Write the whole program. This must hold afterwards:
```python
assert result1 == 3
```"""


def test_task_is_of_what_the_program_shows() -> None:
    """A session that calls `gather` asks for `gather`, in its docs and in a guide; in another's docs it is an aside."""
    source = page("lib/__init__.py", "def gather(items):\n    return 3\n", "source")
    guide = page("docs/guide.md", f"Deprecated, use `spread`{SESSION.replace('2', '4')}", "guide")
    symbols = [
        symbol("lib", "module"),
        symbol("lib.gather", doc=f"Gathers things.{SESSION}", on=source),
        symbol("lib.spread", doc=f"Spread things.{SESSION.replace('2', '3')}", on=source),
    ]
    rows = doc_examples.mine([source, guide], symbols, SymbolIndex(symbols), domain="d", release="lib 1")
    parts: list[Any] = [e.parts for e in parted(rows)[0]]
    assert {p["name"]: p["prompt"] for p in parts} == {
        "lib.gather#1": f"Gather things.{ASKED}",
        "docs/guide.md#1": f"Gather things.{ASKED}".replace("2]", "4]"),
    }


@pytest.mark.parametrize(
    ("above", "asked"),
    [
        ("Gather a few numbers:", "Gather a few numbers."),
        ("Gather a few numbers as `spread` does:", "Gather things."),
        ("This is the same:", "Gather things."),
        ("The numbers are 1 and 2.", "Gather things."),
    ],
)
def test_an_example_has_its_own_sentence_where_it_is_a_task(above: str, asked: str) -> None:
    """Prose above an example counts where it says what is done, points nowhere else and names nothing else."""
    source = page("lib/__init__.py", "def gather(items):\n    return 3\n", "source")
    doc = f"Gather things.\n\n{above}{SESSION}"
    symbols = [symbol("lib", "module"), symbol("lib.gather", doc=doc, on=source), symbol("lib.spread", on=source)]
    [example], _ = parted(doc_examples.mine([source], symbols, SymbolIndex(symbols), domain="d"))
    parts: Any = example.parts
    assert parts["prompt"].splitlines()[0] == asked


@pytest.mark.parametrize(
    ("alias", "private", "imported"),
    [
        ("lib.api.Bag", ("lib.core",), "from lib.api import Bag"),
        ("lib.api.Bag", (), "from lib.core.bags import Bag"),
        ("lib.Bag", ("lib.core",), "from lib import Bag"),
    ],
)
def test_what_a_private_module_defines_is_imported_as_elsewhere(
    alias: str, private: tuple[str, ...], imported: str
) -> None:
    """A session in a private module's docs imports what it defines by its public name."""
    source = page("lib/core/bags.py", "class Bag:\n    pass\n", "source")
    doc = "A bag.\n\n>>> bag = Bag([1, 2])\n>>> bag.size\n2\n"
    symbols = [symbol("lib", "module"), symbol("lib.core.bags.Bag", "class", alias, doc=doc, on=source)]
    _, programs = parted(doc_examples.mine([source], symbols, SymbolIndex(symbols, private), domain="d"))
    assert imported in next(iter(programs.values())).code.splitlines()


def test_a_draw_without_a_seed_is_no_example() -> None:
    """What a function gives that could be given a seed, and isn't, is chance."""
    source = page("lib/__init__.py", "def gather(items, seed=None):\n    return 3\n", "source")
    seeded = SESSION.replace("2]", "2], seed=1")
    made = []
    for text in (SESSION, seeded):
        gather = replace(symbol("lib.gather", doc=text, on=source), parameters=({"name": "items"}, {"name": "seed"}))
        symbols = [symbol("lib", "module"), gather]
        made.append(len(list(doc_examples.mine([source], symbols, SymbolIndex(symbols), domain="d"))))
    assert made == [0, 3]


@pytest.mark.parametrize(
    ("path", "kind", "imported"),
    [
        ("lib.core.gather", "function", "from lib.core import gather"),
        ("lib.Bag.gather", "method", None),
    ],
)
def test_the_docs_of_a_site_import_what_they_are_about(path: str, kind: str, imported: str | None) -> None:
    """A page has no source that tells what a bare name is; the name of what is documented there is known."""
    api = page("core.html", "", "api")
    symbols = [symbol(path, kind, doc="Gathers.\n\n```pycon\n>>> gather([1, 2])\n2\n```\n", on=api)]
    _, programs = parted(doc_examples.mine([api], symbols, SymbolIndex(symbols), domain="d"))
    assert [p.code.splitlines()[0] for p in programs.values()][:1] == ([imported] if imported else [])


def test_an_error_is_caught_by_the_name_that_most_of_the_docs_have_for_the_library() -> None:
    """One guide that imports the library in full doesn't change how all examples name its errors."""
    doc = ">>> lb.gather([])\nTraceback (most recent call last):\n    ...\nlib.Empty: nothing there\n"
    guides = [page(f"{n}.html", f"```pycon\n>>> import {name}\n```\n", "guide")
              for n, name in enumerate(("lib as lb", "lib as lb", "lib"))]  # fmt: skip
    api = page("api.html", "", "api")
    symbols = [symbol("lib.Empty", "class"), symbol("lib.gather", doc=doc, on=api)]
    pages = [api, *guides]
    _, programs = parted(doc_examples.mine(pages, symbols, SymbolIndex(symbols), domain="d"))
    assert "except lb.Empty as error:" in next(iter(programs.values())).code


def test_a_session_is_of_the_class_that_defines_what_it_shows() -> None:
    """A site shows a method's text again with each class that inherits it; a stub of theirs would change nothing."""
    doc = ">>> import lib\n>>> bag = lib.Bag()\n>>> bag.size()\n2\n"
    api, source = page("api.html", "", "api"), page("lib/zoo.py", "class Bag:\n    pass\n", "source")
    classes = [symbol("lib.zoo.Bag", "class", "lib.Bag"), symbol("lib.zoo.Ark", "class", "lib.Ark")]
    for heir, on in (("lib.Ark.size", api), ("lib.zoo.Ark.size", source)):
        symbols = [*classes, symbol("lib.zoo.Bag.size", "method", doc=doc, on=on),
                   symbol(heir, "method", doc=doc, on=api)]  # fmt: skip
        [example], _ = parted(doc_examples.mine([api, source], symbols, SymbolIndex(symbols), domain="d"))
        assert example.symbols[0] == "lib.zoo.Bag.size"
