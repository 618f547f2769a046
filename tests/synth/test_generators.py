"""Generators are found by name."""

from __future__ import annotations

import pytest

from registry.errors import GeneratorError
from registry.names import SymbolIndex
from registry.records import Release
from synth.generators import Material, load, names
from tests.synth.conftest import page, symbol


def test_built_in_generators_make_rows() -> None:
    """Every built-in generator reads the same material and makes rows of its kind."""
    doc = "Adds.\n\n>>> lib.add(1, 2)\n3\n"
    source = page("lib/__init__.py", "def add(a, b):\n    return a + b\n" + "# filler\n" * 10, "source")
    other = page("lib/more.py", "import lib\n", "source")
    test = page("lib/tests/test_add.py", "import lib\n\n\ndef test_add():\n    assert lib.add(1, 2) == 3\n")
    symbols = (symbol("lib.add", doc=doc, on=source),)
    release = Release(library="lib", version="1", artifact_sha256="0" * 64)
    material = Material("d", release, (source, other, test), symbols, SymbolIndex(symbols))
    kinds = {
        name: [getattr(r, "kind", "program") for r in load(name).generate(material)] for name in ("doc", "test", "text")
    }
    assert kinds == {"doc": ["program", "program", "doc"], "test": ["program", "program", "test"], "text": ["text"]}


def test_unknown_generator_is_named_with_those_there_are() -> None:
    """An unknown name is an error that lists the known ones."""
    with pytest.raises(GeneratorError, match="No generator 'nonsense': there are doc, test, text"):
        load("nonsense")
    assert names()[:3] == ["doc", "test", "text"]
