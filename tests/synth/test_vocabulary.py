"""Names are mixed up where they share what they speak of, not where they only look alike."""

from __future__ import annotations

import pytest

from synth.vocabulary import confusable, inventions

MIXED_UP = [
    ("closeness_centrality", "betweenness_centrality"),
    ("predecessors", "successors"),
    ("add_edge", "add_edges_from"),
    ("in_edges", "out_edges"),
    ("nodes", "edges"),
    ("Graph", "DiGraph"),
    ("DataFrame", "LazyFrame"),
    ("is_connected", "is_strongly_connected"),
    ("shortest_path", "shortest_path_length"),
]

TOLD_APART = [
    ("has_edge", "edge_subgraph"),
    ("has_edge", "has_node"),
    ("add_edge", "remove_edge"),
    ("is_aperiodic", "transitive_reduction"),
    ("star_graph", "path_graph"),
    ("cycle_graph", "chordal_cycle_graph"),
    ("karate_club_graph", "les_miserables_graph"),
    ("read_gml", "read_gexf"),
    ("weight", "normalized"),
    ("inspect", "select"),
    ("Categories", "Series"),
    ("color", "core"),
    ("edge_bfs", "edge_boundary"),
    ("onion_layers", "bfs_layers"),
    ("gnp_random_graph", "random_clustered_graph"),
    ("OutMultiEdgeView", "OutDegreeView"),
    ("trials", "trial_communities"),
    ("is_integer_dtype", "is_categorical_dtype"),
    ("IntervalIndex", "CategoricalIndex"),
    ("assert_equal", "assert_not_equal"),
]


@pytest.mark.parametrize(
    ("one", "other", "mixed"), [*((*p, True) for p in MIXED_UP), *((*p, False) for p in TOLD_APART)]
)
def test_only_names_of_one_thing_are_mixed_up(one: str, other: str, mixed: bool) -> None:
    """A verb, a format or a sort of graph is never taken for another one, whichever of the two is asked about."""
    assert confusable(one, other) is confusable(other, one) is mixed


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("add_edges_from", {"add_edegs_from"}),
        ("path_graph", {"pathgraph", "pathGraph", "path", "path_grpah"}),
        ("density", {"denisty"}),
        ("nan_max", {"nanmax", "nanMax", "max_nan"}),
        ("starts_with", {"startswith", "startsWith", "statrs_with"}),
        ("is_connected", {"isconnected", "isConnected", "is_connceted"}),
        ("_from_sequence", set()),
        ("size", set()),
    ],
)
def test_invented_names_are_slips_or_habits(name: str, wanted: set[str]) -> None:
    """No verb is put before a name and no plural made of it; at most one underscore is lost."""
    assert set(inventions(name, {})) == wanted
