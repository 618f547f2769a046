"""Names that are taken for others."""

from __future__ import annotations

import pytest

from synth.migrated.names import invented_names, other_keywords, renumbered


@pytest.mark.parametrize(
    ("name", "siblings", "made"),
    [
        ("dfs_preorder_nodes", ["dfs_tree", "dfs_edges"], "dfs_preorder_tree"),
        ("nonisomorphic_trees", [], "trees_nonisomorphic"),
        ("contracted_edge", ["equivalence_classes"], "contracted_edges"),
        ("find_minimal_d_separator", [], "minimal_d_separator"),
    ],
)
def test_invented_names_read_as_if_they_existed(name: str, siblings: list[str], made: str) -> None:
    """The words of a name, or those and the end of one that begins alike."""
    assert made in invented_names(name, siblings)


@pytest.mark.parametrize(
    ("name", "siblings", "mash"),
    [
        ("astar_path", ["is_path"], "is_astar_path"),
        ("gn_graph", ["scale_free_graph"], "gn_free_graph"),
        ("soft_random_geometric_graph", ["random_graph"], "random_random_geometric_graph"),
        ("contracted_edge", ["equivalence_classes"], "equivalence_edge"),
        ("louvain_communities", [], "louvain_communitie"),
        ("s_metric", [], "metric_s"),
        ("radius", [], "radiu"),
        ("quotient_graph", [], "quotient_graphs"),
    ],
)
def test_no_name_is_a_mash_of_others(name: str, siblings: list[str], mash: str) -> None:
    """What nobody would write is not made."""
    assert mash not in invented_names(name, siblings)


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("seed", {"seq", "greedy"}, ["random_state", "rng"]),
        ("multigraph", {"force_multigraph", "alpha"}, ["force_multigraph"]),
        ("source", {"sources", "start"}, ["root", "sources"]),
        ("alpha", {"initial_graph"}, []),
    ],
)
def test_a_keyword_is_called_what_it_is_called_elsewhere(name: str, known: set[str], found: list[str]) -> None:
    """By another library or a function alike, and never by one of its function's own parameters."""
    assert other_keywords(name, known, ["start"]) == found


@pytest.mark.parametrize(
    ("texts", "after"),
    [
        (["result2 = f()\n", "assert result2"], ["result = f()\n", "assert result"]),
        (["result2 = f()\nresult5 = g()\n", "assert result5"], ["result1 = f()\nresult2 = g()\n", "assert result2"]),
        (["result = f()\nresult2 = g()\n"], ["result = f()\nresult2 = g()\n"]),
    ],
)
def test_results_are_counted_from_one(texts: list[str], after: list[str]) -> None:
    """A part of a program shows nothing of results that went."""
    assert renumbered(texts) == after
