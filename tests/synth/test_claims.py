"""Which symbol an example is about."""

from __future__ import annotations

from collections import Counter

import pytest

from registry.names import SymbolIndex
from registry.records import Symbol
from synth.claims import by_relevance, called, has_idle_call, is_flag, is_record, is_result, is_told

PATHS = {
    "lib.graph.Graph": "class",
    "lib.graph.Graph.add_nodes_from": "method",
    "lib.graph.Graph.edge_part": "method",
    "lib.graph.Graph.graph": "attribute",
    "lib.multi.MultiGraph": "class",
    "lib.make.path": "function",
    "lib.relabel.relabel_nodes": "function",
    "lib.tree.mst.spanning_edges": "function",
    "lib.errors.LibError": "class",
}
INDEX = SymbolIndex([Symbol(release="r", path=path, kind=kind) for path, kind in PATHS.items()])
USES = Counter({"lib.graph.Graph": 900, "lib.make.path": 300, "lib.graph.Graph.add_nodes_from": 100})

CASES = {
    "the module that the file is named after, before what else is rare": (
        ["test_isolated_nodes_to_same", "TestRelabel.test_isolated_nodes_to_same", "test_relabel"],
        "lib.relabel.relabel_nodes",
    ),
    "a function, before the class that the name tells of too": (
        ["test_multi_graph_keys", "TestPrim.test_multi_graph_keys", "test_mst"],
        "lib.tree.mst.spanning_edges",
    ),
    "what the name tells whole": (["test_path", "test_path", "test_other"], "lib.make.path"),
    "not an attribute whose name is only a part of a word": (
        ["test_graphml", "test_graphml", "test_graphml"],
        "lib.relabel.relabel_nodes",
    ),
}


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_the_subject_comes_first(case: str) -> None:
    """Names of the test and its file tell what it is about, hubs and exceptions are what it needs."""
    names, wanted = CASES[case]
    symbols = [p for p in PATHS if p != "lib.tree.mst.spanning_edges" or "test_mst" in names]
    assert by_relevance(symbols, INDEX, names, USES)[0] == wanted


def test_inherited_methods_are_those_of_the_base() -> None:
    """`MultiGraph` has what `Graph` has."""
    code = "import lib.multi\nG = lib.multi.MultiGraph()\nG.edge_part()\nG.unknown()\n"
    assert called(code, INDEX) == ("lib.multi.MultiGraph", "lib.graph.Graph.edge_part")


def test_a_hub_is_what_a_test_is_about_only_where_its_names_say_so() -> None:
    """A generator that every test calls is no subject of a test of something else."""
    names = ["test_or", "TestViews.test_or", "test_views"]
    assert not is_told("lib.make.path", names, USES, 1000)
    assert is_told("lib.relabel.relabel_nodes", names, USES, 1000)
    assert is_told("lib.make.path", ["test_path_of_two", "test_views"], USES, 1000)


@pytest.mark.parametrize(
    ("code", "idle"),
    [
        ("s.shift(1)\nr = s.shift(2)\n", True),
        ("s.dt.add_days(1)\nr = s.dt.add_days(2)\n", True),
        ("df.set_index('a')\nr = df.set_index('b')\n", True),
        ("G.add_edge(1, 2)\nk = G.add_edge(1, 2)\n", False),
        ("G.clear()\nr = G.size()\n", False),
        ("d.setdefault('a', 1)\nr = d.setdefault('b', 2)\n", False),
        ("df.drop_in_place('a')\nr = df.drop_in_place('b')\n", False),
        ("s.add(1)\nr = s.add(2)\n", True),
        ("try:\n    s.shift(1)\nexcept ValueError:\n    r = 1\n", False),
    ],
)
def test_call_whose_value_is_thrown_away_is_idle(code: str, idle: bool) -> None:
    """A method is called for its value elsewhere, so it is for its value that it is called here."""
    assert has_idle_call(code) is idle


@pytest.mark.parametrize(
    ("name", "sort"),
    [
        ("result", "result"), ("result12", "result"), ("results3", "result"), ("printed1", "result"),
        ("raised2", "flag"), ("warned", "flag"), ("caught1", "flag"),
        ("result_graph", ""), ("resulting", ""), ("caught_up", ""), ("G", ""),
    ],
)  # fmt: skip
def test_names_that_miners_give_are_told_from_those_of_authors(name: str, sort: str) -> None:
    """A stem and a number at most: `result_graph` is somebody's variable, and any mistake may be made with it."""
    assert (is_result(name), is_flag(name), is_record(name)) == (sort == "result", sort == "flag", sort != "")
