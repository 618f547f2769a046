from __future__ import annotations

import pytest

from registry.records import Symbol
from scrapers.stubs import without_aliases
from tests.scrapers.conftest import scraped

CODE = '''"""A library."""
import warnings

__all__ = ["f", "g", "C", "LIMIT", "old"]
LIMIT = 10


@decorated(edge_attrs="weight")
def f(G: "Graph", /, x: int = 1, *args, flag=None, **kw) -> list[int]:
    """Does f.

    Second line.
    """


def g(a, *, key="k"): ...


class C:
    """A class."""

    size: int = 3

    def __init__(self, a, b=2): ...

    def method(self, x):
        """Does method."""

    def _private(self): ...


class D(C): ...


def _old():
    warnings.warn("old is deprecated, use g instead", DeprecationWarning)


old = _old
'''


@pytest.fixture(scope="module")
def symbols() -> dict[str, Symbol]:
    texts = {
        "lib/__init__.py": "from lib.core import *\n",
        "lib/core.py": CODE,
        "lib/tests/test_core.py": "def test(): ...\n",
    }
    return {s.path: s for s in scraped("1.0", texts).symbols}


def test_public_objects_are_symbols(symbols: dict[str, Symbol]) -> None:
    """Every public object is one Symbol, at the place where it is defined; tests and private ones are none."""
    assert {p: s.kind for p, s in symbols.items()} == {
        "lib": "module",
        "lib.core": "module",
        "lib.core.C": "class",
        "lib.core.C.method": "method",
        "lib.core.C.size": "attribute",
        "lib.core.LIMIT": "attribute",
        "lib.core.f": "function",
        "lib.core.g": "function",
        "lib.core.old": "function",
    }


def test_symbols_have_their_public_aliases(symbols: dict[str, Symbol]) -> None:
    """A symbol and its members know the paths that people write."""
    assert symbols["lib.core.f"].aliases == ("lib.f",)
    assert symbols["lib.core.C.method"].aliases == ("lib.C.method",)
    assert symbols["lib.core.old"].aliases == ("lib.old",)


def test_signature_is_as_written(symbols: dict[str, Symbol]) -> None:
    """The signature is the source's, under decorators too; that of a class is its constructor's without self."""
    assert symbols["lib.core.f"].signature == "(G: Graph, /, x: int = 1, *args, flag=None, **kw) -> list[int]"
    assert symbols["lib.core.g"].signature == "(a, *, key='k')"
    assert symbols["lib.core.C"].signature == "(a, b=2)"
    assert symbols["lib.core.C.method"].signature == "(self, x)"
    assert symbols["lib.core.LIMIT"].signature is None


def test_parameters_have_kind_and_default(symbols: dict[str, Symbol]) -> None:
    """Parameters come in order, with kind and default as griffe gives them."""
    assert [(p["name"], p["kind"], p["default"]) for p in symbols["lib.core.f"].parameters] == [
        ("G", "positional-only", None),
        ("x", "positional or keyword", "1"),
        ("args", "variadic positional", "()"),
        ("flag", "keyword-only", "None"),
        ("kw", "variadic keyword", "{}"),
    ]


def test_docs_lines_and_deprecation_are_read(symbols: dict[str, Symbol]) -> None:
    """A symbol has its docstring, its line in its page, and what its warning says."""
    assert symbols["lib.core.f"].doc == "Does f.\n\nSecond line."
    assert CODE.split("\n")[symbols["lib.core.g"].line - 1].startswith("def g")
    assert symbols["lib.core.old"].deprecated == "old is deprecated, use g instead"
    assert symbols["lib.core.g"].deprecated is None


def test_text_that_json_does_not_take_is_cleaned() -> None:
    """A lone surrogate or NUL in a docstring does not stop the record from being hashed."""
    release = scraped("1.0", {"lib/__init__.py": 'def f(a="\\ud800"):\n    """\\ud800 \\x00 text"""\n'})
    assert all(len(s.digest) == 64 for s in release.symbols)


def test_symbols_of_a_stub_have_its_lines() -> None:
    """What only a stub has is read from there; of nothing but overloads the one with most parameters counts."""
    stub = (
        "from typing import overload\n\n@overload\ndef f(a: int) -> int: ...\n@overload\n"
        "def f(a: str, b: int = 1) -> str: ...\nclass Box:\n    def __new__(cls, size: int) -> Box: ...\n"
    )
    texts = {
        "lib/__init__.py": "from lib.core import Box, f, own\n",
        "lib/core.py": "def own(x): ...\n",
        "lib/core.pyi": stub,
    }
    release = scraped("1.0", texts)
    pages = {p.id: p.path for p in release.pages}
    found = {s.path: s for s in release.symbols}
    assert (found["lib.core.f"].signature, found["lib.core.f"].line) == ("(a: str, b: int = 1) -> str", 6)
    assert found["lib.core.Box"].signature == "(size: int)"
    assert [pages[found[f"lib.core.{n}"].page or ""] for n in ("f", "own")] == ["lib/core.pyi", "lib/core.py"]


def test_a_stub_does_not_make_a_function_an_attribute() -> None:
    """`quantile = percentile` in a stub says that both have one signature: the source says what they are."""
    source = "def percentile(a, q): ...\ndef quantile(a, q, *, weights=None): ...\n"
    texts = {"lib/__init__.py": source, "lib/__init__.pyi": "def percentile(a, q): ...\nquantile = percentile\n"}
    assert without_aliases(texts["lib/__init__.pyi"], source).split("\n")[1] == "# quantile = percentile"
    found = {s.path: s for s in scraped("1.0", texts).symbols}
    assert (found["lib.quantile"].kind, found["lib.quantile"].signature) == ("function", "(a, q, *, weights=None)")
