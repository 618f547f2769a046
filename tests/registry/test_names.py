"""Which library object a dotted name means."""

from __future__ import annotations

import pytest

from registry.names import SymbolIndex, dotted_name, imported_names
from registry.records import Symbol


def symbol(path: str, kind: str = "function", *aliases: str) -> Symbol:
    return Symbol(release="r", path=path, kind=kind, aliases=aliases)


SYMBOLS = [
    symbol("lib", "module"),
    symbol("lib.algorithms", "module"),
    symbol("lib.algorithms.paths", "module"),
    symbol("lib.algorithms.paths.shortest", "function", "lib.shortest", "lib.algorithms.shortest"),
    symbol("lib.classes.graph.Graph", "class", "lib.Graph"),
    symbol("lib.classes.graph.Graph.add", "method"),
    symbol("lib.taken", "function"),
    symbol("lib.other.thing", "function", "lib.taken"),
    symbol("lib.constant", "attribute"),
]
INDEX = SymbolIndex(SYMBOLS)


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("lib.algorithms.paths.shortest", "lib.algorithms.paths.shortest"),
        ("lib.shortest", "lib.algorithms.paths.shortest"),
        ("lib.Graph", "lib.classes.graph.Graph"),
        ("lib.Graph.add", "lib.classes.graph.Graph.add"),
        ("lib.taken", "lib.taken"),
        ("lib.Graph.nowhere", None),
        ("lib.nowhere", None),
        ("other.shortest", None),
        ("shortest", None),
        ("", None),
    ],
)
def test_any_public_path_leads_to_the_definition(path: str, canonical: str | None) -> None:
    """Aliases, members of aliased classes and canonical paths are found; a canonical path outranks an alias."""
    assert INDEX.canonical(path) == canonical


def test_public_path_is_the_shortest() -> None:
    """A symbol is shown by its shortest public path, an unknown one by its own."""
    assert INDEX.public("lib.algorithms.paths.shortest") == "lib.shortest"
    assert INDEX.public("lib.constant") == "lib.constant"
    assert INDEX.public("lib.nowhere.at.all") == "lib.nowhere.at.all"


def test_what_lies_in_a_private_module_is_named_as_elsewhere() -> None:
    """A longer public path is preferred to one into a private module; code that names the latter is told."""
    index = SymbolIndex([symbol("lib.core.f", "function", "lib.api.types.f"), symbol("lib.cores.h")], ["lib.core"])
    assert index.public("lib.core.f") == "lib.api.types.f"
    private = ["import lib as l\nl.core.f(1)", "from lib.core import f", "import lib.core.g as g\ng.x"]
    private += ["import lib.core", "import os, lib.core.g", "def f():\n    import lib.core"]
    assert [index.names_private(code) for code in private] == [True] * 6
    public = ["import lib\nlib.api.types.f(1)", "from lib.cores import h", "core = lib = 1\nlib.core", "def ("]
    assert [index.names_private(code) for code in public] == [False] * 4


@pytest.mark.parametrize(
    ("code", "called"),
    [
        ("import lib\nlib.shortest(1)", ["lib.algorithms.paths.shortest"]),
        ("import lib as l\nl.algorithms.paths.shortest", ["lib.algorithms.paths.shortest"]),
        ("import lib.algorithms.paths as p\np.shortest()", ["lib.algorithms.paths.shortest"]),
        ("import lib.algorithms\nlib.algorithms.shortest()", ["lib.algorithms.paths.shortest"]),
        ("from lib import Graph as G, taken\nG().add(1)", ["lib.classes.graph.Graph", "lib.taken"]),
        ("from lib import Graph\nGraph.add(1, 2).x", ["lib.classes.graph.Graph", "lib.classes.graph.Graph.add"]),
        ("from lib.algorithms import paths\npaths.shortest(lib.taken)", ["lib.algorithms.paths.shortest"]),
        ("import lib\nlib.shortest(lib.Graph().add(lib.taken()))", [
            "lib.algorithms.paths.shortest", "lib.classes.graph.Graph", "lib.taken",
        ]),
        ("import lib\nlib.algorithms", []),
        ("import library\nlibrary.shortest()", []),
        ("from . import lib\nlib.shortest()", []),
        ("from lib import *\nshortest()", []),
        ("lib.shortest()", []),
        ("def f(", []),
        ("x = '\x00'", []),
    ],
)  # fmt: skip
def test_called_reads_imports_and_attributes(code: str, called: list[str]) -> None:
    """Functions, classes and methods named through an import of the library, in order of first appearance."""
    assert list(INDEX.called(code)) == called


@pytest.mark.parametrize(("levels", "called"), [(60, ("lib.algorithms.paths.shortest",)), (2000, ())])
def test_code_is_read_as_deep_as_it_is_parsed(levels: int, called: tuple[str, ...]) -> None:
    """Expressions nested as deeply as is allowed are read like others; code nested deeper names nothing."""
    deep = "import lib\nx = " + "+".join(["1"] * levels) + "\ny = lib.shortest" + ".a" * levels
    assert INDEX.called(deep) == called


def test_order_of_symbols_does_not_matter() -> None:
    """The index is the same however the release's symbols come."""
    back = SymbolIndex(reversed(SYMBOLS))
    paths = [p for s in SYMBOLS for p in (s.path, *s.aliases)]
    assert [back.canonical(p) for p in paths] == [INDEX.canonical(p) for p in paths]
    assert back.roots == INDEX.roots == {"lib"}


def test_imports_and_chains_of_attributes() -> None:
    """The two readers that others build on: what imports bind, and what a chain of attributes spells."""
    import ast

    tree = ast.parse("import lib.a.b\nimport lib.c as d\nfrom lib.e import f as g, h\nimport os\n")
    assert imported_names(tree, ["lib"]) == {"lib": "lib", "d": "lib.c", "g": "lib.e.f", "h": "lib.e.h"}
    assert [dotted_name(ast.parse(t, mode="eval").body) for t in ("a.b.c", "a", "a().b", "a[0].b")] == [
        "a.b.c",
        "a",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("dotted", "there"),
    [
        ("lib.shortest", True),
        ("lib.algorithms.paths.shortest", True),
        ("lib.algorithms", True),
        ("lib.nowhere", False),
        ("lib.algorithms.nowhere", False),
        ("lib.nowhere.shortest", False),
        ("lib.Graph.add", True),
        ("lib.Graph.attribute_of_an_object", True),
        ("lib.constant.real", True),
        ("other.shortest", False),
    ],
)
def test_a_name_is_there_as_far_as_symbols_tell(dotted: str, there: bool) -> None:
    """What a module doesn't have isn't there; attributes of classes and values are not judged."""
    assert INDEX.has(dotted) is there


def test_names_after_a_place_are_those_of_what_is_written_there() -> None:
    """What stands before the place is left out; imports above it count; the library alone is no name."""
    begun = "import lib as l\nfrom lib import taken\nx = l.constant\n"
    code = begun + "y = l.shortest(l.nowhere)\nz = taken(l)\n"
    assert INDEX.named_after(code, len(begun)) == {"lib.shortest": True, "lib.nowhere": False, "lib.taken": True}
    assert INDEX.named_after(code, len(begun) - 4) == INDEX.named_after(code, len(begun)) | {"lib.constant": True}
    assert INDEX.named_after(code + "(", 0) == {}


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("from lib import *\nshortest()\n", {}),
        ("import lib\nlib.__version__\nlib.__dict__['x']\n", {}),
        ("from lib import __version__\n", {}),
        ("import lib.nowhere\n", {"lib.nowhere": False}),
        ("import lib.algorithms.paths as p\nimport lib\n", {"lib.algorithms.paths": True}),
        ("import lib as l\ndef f(l):\n    return l.nowhere\n", {}),
        ("from lib import nowhere\nnowhere = 1\nnowhere.real\n", {"lib.nowhere": False}),
        ("import other.nowhere\n", {}),
    ],
)
def test_what_symbols_cannot_tell_of_is_not_counted(code: str, named: dict[str, bool]) -> None:
    """Stars, dunders and names that are bound anew say nothing; a module that is imported is named."""
    assert INDEX.named_after(code, 0) == named
