"""What people write by habit: names that other libraries, other functions or a function's own kin have for a thing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

NAMES: Mapping[str, tuple[str, ...]] = {
    # graphs: igraph, graph-tool, R, textbooks
    "average_clustering": ("clustering_coefficient", "average_clustering_coefficient"),
    "average_shortest_path_length": ("average_path_length", "mean_shortest_path_length"),
    "adjacency_data": ("to_adjacency_data",),
    "adjacency_graph": ("from_adjacency_data",),
    "center": ("centre",),
    "barycenter": ("barycentre",),
    "connected_components": ("components",),
    "cytoscape_data": ("to_cytoscape", "to_cytoscape_data"),
    "cytoscape_graph": ("from_cytoscape", "from_cytoscape_data"),
    "chordless_cycles": ("induced_cycles",),
    "dominance_frontiers": ("dominance_frontier",),
    "nonisomorphic_trees": ("non_isomorphic_trees",),
    "greedy_color": ("greedy_coloring", "greedy_colour"),
    "node_link_data": ("to_node_link", "to_node_link_data"),
    "node_link_graph": ("from_node_link", "from_node_link_data"),
    "tree_data": ("to_tree_data",),
    "tree_graph": ("from_tree_data",),
    "core_number": ("coreness",),
    "gnm_random_graph": ("erdos_renyi_gnm",),
    "gnp_random_graph": ("erdos_renyi",),
    "fast_gnp_random_graph": ("erdos_renyi", "fast_gnp"),
    "is_isomorphic": ("are_isomorphic",),
    "s_metric": ("smetric",),
    "maximum_flow": ("maxflow",),
    "minimum_cut": ("mincut",),
    "random_regular_graph": ("k_regular_graph", "random_regular"),
    "strongly_connected_components": ("strong_components", "scc"),
    "weakly_connected_components": ("weak_components",),
    "transitivity": ("global_clustering_coefficient",),
    "topological_sort": ("topological_order", "toposort"),
    "traveling_salesman_problem": ("traveling_salesman", "tsp"),
    "average_degree_connectivity": ("average_neighbor_degree_connectivity",),
    "pagerank": ("page_rank",),
    # tables: pandas and polars say the same in other words
    "Map": ("Dict",),
    "business_day_count": ("count_business_days",),
    "by_name": ("by_names",),
    "clip": ("clamp",),
    "concat": ("concatenate",),
    "concat_arr": ("concat_array",),
    "from_dict": ("from_dictionary",),
    "from_numpy": ("from_array",),
    "from_records": ("from_rows",),
    "from_repr": ("from_string",),
    "implode": ("collect_list",),
    "read_lines": ("read_text",),
    "scan_lines": ("scan_text",),
    "to_timedelta": ("to_time_delta",),
    "corr": ("correlation",),
    "cov": ("covariance",),
    "cum_count": ("cumcount",),
    "cum_max": ("cummax",),
    "cum_min": ("cummin",),
    "cum_prod": ("cumprod",),
    "cum_sum": ("cumsum",),
    "cumprod": ("cum_prod",),
    "cumsum": ("cum_sum",),
    "cummax": ("cum_max",),
    "cummin": ("cum_min",),
    "date_range": ("daterange",),
    "drop_nulls": ("dropna",),
    "dropna": ("drop_nulls", "drop_na"),
    "ends_with": ("endswith",),
    "endswith": ("ends_with",),
    "fill_null": ("fillna",),
    "fillna": ("fill_null", "fill_na"),
    "gather": ("take",),
    "gather_every": ("take_every",),
    "group_by": ("groupby",),
    "group_by_dynamic": ("groupby_dynamic",),
    "groupby": ("group_by",),
    "infer_freq": ("infer_frequency",),
    "int_range": ("arange",),
    "json_decode": ("decode_json",),
    "len_bytes": ("n_bytes",),
    "len_chars": ("n_chars",),
    "merge_sorted": ("merge",),
    "is_duplicated": ("duplicated",),
    "is_in": ("isin",),
    "isin": ("is_in",),
    "is_nan": ("isnan",),
    "is_null": ("isnull",),
    "isna": ("is_na", "is_null"),
    "map_elements": ("apply",),
    "n_unique": ("nunique",),
    "nunique": ("n_unique",),
    "notna": ("is_not_null",),
    "pct_change": ("percent_change",),
    "replace_strict": ("map_dict",),
    "sort_values": ("sort_by",),
    "split_exact": ("splitn",),
    "starts_with": ("startswith",),
    "startswith": ("starts_with",),
    "to_dicts": ("to_records",),
    "to_lowercase": ("lower",),
    "to_numpy": ("as_numpy",),
    "to_uppercase": ("upper",),
    "total_days": ("days",),
    "total_hours": ("hours",),
    "total_microseconds": ("microseconds",),
    "total_milliseconds": ("milliseconds",),
    "total_minutes": ("minutes",),
    "total_nanoseconds": ("nanoseconds",),
    "total_seconds": ("seconds",),
    "unpivot": ("melt",),
    "value_counts": ("count_values",),
    "with_columns": ("with_column",),
    "with_row_index": ("with_row_number",),
    "equals": ("is_equal",),
    "json_normalize": ("normalize_json",),
    "get_dummies": ("to_dummies",),
    "to_dummies": ("get_dummies",),
}
"""A function's name -> what another library, or everybody else, calls it."""

SISTERS = (
    ("adjacency_data", "adjacency_graph"),
    ("compose", "union"),
    ("cytoscape_data", "cytoscape_graph"),
    ("disjoint_union", "union"),
    ("compose_all", "union_all"),
    ("from_numpy_array", "from_scipy_sparse_array"),
    ("node_link_data", "node_link_graph"),
    ("tree_data", "tree_graph"),
)
"""Functions of one library that are taken for each other though their names tell them apart."""

THINGS = frozenset({"graph"})
"""Last words of functions' names that say what is made: the other words alone tell these functions apart."""

_WHOLE = frozenset({"with_row_index"})
"""Names that nobody shortens."""

_HABITS = (
    (re.compile(r"^number_of_"), "num_"),
    (re.compile(r"^number_(?!of_)"), "number_of_"),
    (re.compile(r"^minimum_"), "min_"),
    (re.compile(r"^maximum_"), "max_"),
    (re.compile(r"^average_"), "avg_"),
    (re.compile(r"^all_(?=simple|maximal)"), ""),
    (re.compile(r"^(find|compute|generate|get)_(?=[a-z]+_)"), ""),
    (re.compile(r"(?<=[a-z]{3})(?<!ed)_(centrality|communities|coefficient|dtype|index|graph)$"), ""),
    (re.compile(r"^(from|to)_(numpy|pandas|scipy_sparse|dict)_(array|edgelist|dataframe)$"), r"\1_\2"),
)
"""How names are shortened or filled in."""

KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "ascending": ("descending",),
    "attr": ("attribute",),
    "axis": ("dim",),
    "columns": ("cols",),
    "cutoff": ("max_depth", "depth_limit"),
    "default": ("default_value",),
    "depth_limit": ("max_depth", "cutoff"),
    "descending": ("ascending", "reverse"),
    "distance": ("weight",),
    "dtype": ("type",),
    "end": ("stop",),
    "every": ("freq", "interval"),
    "func": ("function", "fn"),
    "function": ("func", "fn"),
    "interval": ("freq", "every"),
    "labels": ("label",),
    "max_iter": ("max_iterations", "n_iter"),
    "max_level": ("level", "max_depth"),
    "max_tries": ("max_attempts",),
    "names": ("columns",),
    "nodes": ("nodelist", "nbunch"),
    "nodetype": ("node_type",),
    "num_samples": ("num",),
    "on": ("by",),
    "p": ("prob", "probability"),
    "pat": ("pattern", "regex"),
    "pattern": ("pat", "regex"),
    "seed": ("random_state", "rng"),
    "sep": ("separator", "delimiter"),
    "separator": ("sep", "delimiter"),
    "source": ("start", "root"),
    "target": ("end", "sink"),
    "tol": ("tolerance", "eps"),
    "usebounds": ("use_bounds",),
    "weight": ("weights",),
    "window": ("window_size",),
    "window_size": ("window",),
}
"""A parameter -> what the same thing is called by other libraries and functions."""

_COUNTED = ("components", "edges", "nodes", "paths")
"""What a function for one of is called as if it gave many: of other things nobody loses count."""

_LITTLE = frozenset({"all", "and", "by", "from", "in", "is", "of", "on", "to", "number", "get", "set", "add", "has"})
"""Words that say nothing of what two names have in common."""


def kin_of(names: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """The last word of names -> all other words of those that end so."""
    found: dict[str, set[str]] = {}
    for name in names:
        *first, last = name.split("_")
        found.setdefault(last, set()).update(first)
    return {last: frozenset(first - _LITTLE) for last, first in found.items()}


def names_by_habit(name: str, kin: Mapping[str, Collection[str]]) -> list[str]:
    """What a function's name is taken to be, sorted: as elsewhere, shortened, or one thing for many as its kin has it.

    Args:
        name: The function's.
        kin: `kin_of` the library's functions.
    """
    shortened = (pattern.sub(text, name) for pattern, text in _HABITS if name not in _WHOLE and pattern.search(name))
    made = {*NAMES.get(name, ()), *shortened, *_in_number(name, kin)}
    return sorted(n for n in made if n != name and n.isidentifier() and len(n) > 2)


def _in_number(name: str, kin: Mapping[str, Collection[str]]) -> Iterator[str]:
    """The name for one, or for many, where another function about the same ends so (`all_pairs_shortest_path`)."""
    *first, last = name.split("_")
    other = last[:-1] if last.endswith("s") and not last.endswith("ss") else last + "s"
    if other.endswith("s") and other not in _COUNTED:
        return
    if {*first} & {*kin.get(other, ())} and ("all" not in first or other in ("path", "paths")):
        yield "_".join([*first, other])


def other_keywords(name: str, known: Collection[str], own: Collection[str]) -> list[str]:
    """What a parameter is taken to be called, sorted; none of its function's own.

    Args:
        name: The parameter.
        known: Parameters of the library's functions; the same word for one or for many counts.
        own: Parameters of its function.
    """
    same = {*KEYWORDS.get(name, ())}
    number = name[:-1] if name.endswith("s") else name + "s"
    if not same and len(name) > 3 and "_" not in name and number in known:
        same = {number}
    return sorted(same - {*own, name})
