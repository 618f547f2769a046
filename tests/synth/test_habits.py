"""What people write by habit is what others call the thing, never a word put before it or turned round."""

from __future__ import annotations

import pytest

from synth.habits import kin_of, names_by_habit, other_keywords

FUNCTIONS = ["all_pairs_shortest_path", "all_shortest_paths", "join_trees", "bfs_tree", "is_simple_path", "edge_cuts"]


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("single_source_all_shortest_paths", ["single_source_all_shortest_path"]),
        ("shortest_path", ["shortest_paths"]),
        ("average_clustering", ["average_clustering_coefficient", "avg_clustering", "clustering_coefficient"]),
        ("number_of_nodes", ["num_nodes"]),
        ("number_of_cliques", ["num_cliques"]),
        ("schultz_index", ["schultz"]),
        ("group_by", ["groupby"]),
        ("minimum_cut", ["min_cut", "mincut"]),
        ("get_node_attributes", ["node_attributes"]),
        ("all_triangles", []),
        ("all_edge_cuts", []),
        ("dfs_tree", []),
        ("minimum_edge_cut", ["min_edge_cut"]),
        ("projected_graph", []),
        ("with_row_index", ["with_row_number"]),
        ("diameter", []),
        ("union", []),
    ],
)
def test_a_name_has_its_reasons(name: str, made: list[str]) -> None:
    """Another library's, a shorter one, or one thing for many where a function about the same ends so."""
    assert names_by_habit(name, kin_of(FUNCTIONS)) == made


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("seed", {"seeds"}, ["random_state", "rng"]),
        ("source", {"sources", "start"}, ["root"]),
        ("default", {"defaults"}, ["default_value"]),
        ("value", {"values", "fill_value"}, ["values"]),
        ("create_using", {"create_usings", "using"}, []),
        ("multigraph", {"force_multigraph"}, []),
    ],
)
def test_a_keyword_is_called_what_it_is_called_elsewhere(name: str, known: set[str], found: list[str]) -> None:
    """By another library or for many where the library says so, and never by one of its function's own parameters."""
    assert other_keywords(name, known, ["start"]) == found
