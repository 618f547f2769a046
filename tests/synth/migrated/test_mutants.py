"""Wrong calls rest on the library: on functions beside, keywords elsewhere, objects at hand."""

from __future__ import annotations

import random

import pytest

from registry.names import SymbolIndex
from registry.records import Symbol
from synth.migrated.arguments import parsed_call
from synth.migrated.mutants import Mutator, Written, takes
from tests.synth.conftest import RELEASE


def function(path: str, *parameters: str, kind: str = "function") -> Symbol:
    """A function with parameters written `a`, `b=1`, `*c`."""
    rows = []
    for text in parameters:
        name, _, default = text.partition("=")
        sort = "variadic positional" if name.startswith("*") else "positional or keyword"
        rows.append({"name": name.lstrip("*"), "kind": sort, "default": default or None})
    return Symbol(release=RELEASE, path=path, kind=kind, parameters=rows)


NEW = SymbolIndex(
    [
        function("lib.core_number", "G", "weight=None", "usebounds=False"),
        function("lib.edge_core_number", "G", "weight=None"),
        function("lib.edge_load", "G", "source", "target", "weight=None", "seed=None"),
        function("lib.flow.maximum_flow", "G", "source", "target"),
        function("lib.nth", "*indices"),
        function("lib.Graph", "data=None", kind="class"),
        function("lib.Graph.fill", "self", "limit=None", kind="method"),
        function("lib.node_link_data", "G"),
        function("lib.node_link_graph", "data"),
        function("lib.tally", "G", "group=None"),
        function("lib.gather", "*groups"),
    ]
)
OLD = SymbolIndex([function("lib.edge_loads", "G")])

CASES = [
    ("lib.core_number", "lib.core_number(G)", {"lib.edge_core_number(G)", "G.core_number()", "lib.coreness(G)"}),
    ("lib.core_number", "lib.core_number(G, usebounds=True)", {
        "G.core_number(usebounds=True)", "lib.coreness(G, usebounds=True)", "lib.core_number(G, True)",
        "lib.core_number(G, use_bounds=True)"}),
    ("lib.core_number", "lib.core_number(make(), usebounds=False)", {
        "lib.coreness(make(), usebounds=False)"}),
    ("lib.edge_load", "lib.edge_load(make(), 1, 2, seed=3)", {
        "lib.edge_load(make(), 1, 2, random_state=3)", "lib.edge_load(make(), 1, 2, rng=3)",
        "lib.edge_load(make(), 1, 2, 3)"}),
    ("lib.edge_load", "lib.edge_load(make(), 1, 2)", set()),
    ("lib.flow.maximum_flow", "lib.flow.maximum_flow(make(), s, t)", {
        "lib.maximum_flow(make(), s, t)", "lib.flow.maxflow(make(), s, t)", "lib.flow.max_flow(make(), s, t)"}),
    ("lib.Graph.fill", "G.fill(limit=1)", {"lib.fill(G, limit=1)"}),
    ("lib.nth", "lib.nth(2, 0)", set()),
    ("lib.tally", "lib.tally(make(), group=3)", set()),  # nothing takes `groups=` by its name
    ("lib.node_link_graph", "lib.node_link_graph(d)", {
        "lib.node_link_data(d)", "lib.from_node_link(d)", "lib.from_node_link_data(d)", "lib.node_link(d)"}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "right", "wanted"), CASES)
def test_a_wrong_call_has_its_reasons(path: str, right: str, wanted: set[str]) -> None:
    """No keyword that says what holds anyway, no function that can't take the arguments, no method of a stranger."""
    call = parsed_call(right)
    assert call is not None
    written = Written(path, right.partition("(")[0], call, {"G"}, "lib")
    mutator = Mutator(NEW, OLD)
    made = {wrong.text for seed in range(40) for wrong in mutator.mutants(written, random.Random(seed))}
    assert made == wanted


def test_methods_are_taken_for_functions_only_where_functions_are_most() -> None:
    """A library of methods gets no `lib.fill(G, limit=1)`; its functions are taken for methods all the same."""
    methods = [function(f"lib.Graph.{name}", "self", kind="method") for name in "abcdefghijk"]
    mutator = Mutator(SymbolIndex([*NEW.by_path.values(), *methods]), OLD)

    def made(path: str, right: str) -> set[str]:
        call = parsed_call(right)
        assert call is not None
        written = Written(path, right.partition("(")[0], call, {"G"}, "lib")
        return {w.kind for seed in range(40) for w in mutator.mutants(written, random.Random(seed))}

    assert "wrong-receiver" not in made("lib.Graph.fill", "G.fill(limit=1)")
    assert "wrong-receiver" in made("lib.core_number", "lib.core_number(G)")


@pytest.mark.parametrize(
    ("path", "text", "fits"),
    [
        ("lib.edge_core_number", "f(G)", True),
        ("lib.edge_core_number", "f(G, usebounds=True)", False),
        ("lib.edge_core_number", "f(G, 1, 2)", False),
        ("lib.edge_core_number", "f()", False),
        ("lib.edge_core_number", "f(G, G=1)", False),
        ("lib.nth", "f(1, 2, 3)", True),
        ("lib.Graph.fill", "f(1)", True),
    ],
)
def test_what_a_function_takes(path: str, text: str, fits: bool) -> None:
    """So many arguments by position, these keywords, nothing missing."""
    call = parsed_call(text)
    assert call is not None
    assert takes(NEW.by_path[path], call) is fits
