"""Outputs and the training rows they come from: planted copies, renamed copies, pieces, and none."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune import copies
from finetune.copies import AT_LENGTH, copied, nearest, texts_of
from registry.records import Example, Program

PATHS = """\
import networkx as nx

G = nx.path_graph(5)
G.add_edge(0, 4, weight=3)
lengths = []
for source, targets in nx.all_pairs_shortest_path_length(G):
    lengths.append(max(targets.values()))
result = sorted(lengths)
"""
TREES = """\
import networkx as nx

T = nx.balanced_tree(2, 3)
root = next(iter(nx.topological_sort(T)))
result = [v for v in T if T.degree(v) == 1 and v != root]
"""
FRAMES = """\
import polars as pl

df = pl.DataFrame({"a": [1, 2, 3]})
out = df.select(pl.col("a").cum_sum())
"""
ROWS = {"paths": [PATHS], "trees": [TREES, "Which leaves does the tree have?"], "frames": [FRAMES]}


def renamed(text: str, **names: str) -> str:
    """The text with words replaced."""
    for old, new in names.items():
        text = "".join(new if part == old else part for part in split(text))
    return text


def split(text: str) -> list[str]:
    """The text in words and what is between them."""
    return ["".join(part) for _, part in itertools.groupby(text, lambda c: c.isalnum() or c == "_")]


def test_a_planted_copy_is_found_whole() -> None:
    """A row's program in an output's midst is the nearest, with all its tokens and the lines where it stands."""
    output = f"# Leaves of a tree\nprint('leaves')\n{TREES}print(result)\n"
    [[first, *others]] = nearest([output], ROWS)
    assert first.row == "trees"
    assert first.lines == (3, 7)
    assert first.tokens == nearest([TREES], ROWS)[0][0].tokens > AT_LENGTH
    assert 0.7 < first.share < 1
    assert not first.renamed
    assert all(other.tokens < first.tokens for other in others)


def test_an_output_that_is_a_row_is_covered_whole() -> None:
    """Layout doesn't count: with other blanks the share is 1."""
    [[first, *_]] = nearest([PATHS.replace(", ", ",").replace("    ", "\t")], ROWS)
    assert (first.row, first.share, first.lines) == ("paths", 1.0, (1, 8))


def test_a_renamed_copy_is_found_whole_and_says_what_was_renamed() -> None:
    """Other names of variables, loops and the imported module change nothing, one for one."""
    output = renamed(PATHS, G="graph", lengths="far", source="a", targets="b", nx="networks")
    assert len(nearest([output], {"paths": [PATHS]})[0]) == 1
    [[first, *_]] = nearest([output], ROWS)
    assert (first.row, first.share) == ("paths", 1.0)
    assert dict(first.renamed) == {"G": "graph", "lengths": "far", "source": "a", "targets": "b", "nx": "networks"}


def test_two_names_made_one_are_no_copy() -> None:
    """Where one name stands for two of the row's, the shared run ends."""
    whole = nearest([renamed(PATHS, G="graph")], ROWS)[0][0].tokens
    merged = nearest([renamed(PATHS, G="lengths")], ROWS)[0][0]
    assert merged.row == "paths"
    assert merged.tokens < whole - 10


@pytest.mark.parametrize("change", [("add_edge", "remove_edge"), ("weight", "cost"), ("0", "7")])
def test_what_a_text_does_not_bind_has_to_be_the_same(change: tuple[str, str]) -> None:
    """Another method, keyword or literal ends the run."""
    old, new = change
    whole = nearest([PATHS], ROWS)[0][0].tokens
    assert nearest([renamed(PATHS, **{old: new})], ROWS)[0][0].tokens < whole - 5


@pytest.mark.parametrize(
    "output", ["", "import networkx as nx\n", "def add(a, b):\n    return a + b\n", "The quick brown fox. " * 30]
)
def test_what_is_nobodys_is_attributed_to_nobody(output: str) -> None:
    """Nothing, a line that everybody writes, other code, and prose come from no row."""
    assert nearest([output], ROWS) == [[]]


def test_a_cut_off_piece_is_found_as_it_stands() -> None:
    """A piece that uses names it doesn't bind is compared with them; one line is one line."""
    piece = PATHS.splitlines()[6].strip()
    [[first]] = nearest([f"{piece}\n"], ROWS)
    assert (first.row, first.share, first.lines) == ("paths", 1.0, (1, 1))


def test_copies_at_length_are_counted() -> None:
    """Of four outputs those are copies that share fifty tokens in a row with one row."""
    short = "\n".join(PATHS.splitlines()[:3])
    found = copied([TREES, "x = 1\n", short, renamed(PATHS, G="H") + TREES], ROWS)
    assert [match and match.row for match in found] == ["trees", None, None, "paths"]
    assert all(match.tokens >= AT_LENGTH for match in found if match)
    assert copied([short], ROWS, least=10)[0] is not None


def test_rows_of_the_same_text_are_all_named() -> None:
    """A program that stands in two rows is read once and attributed to both, by id where they are as near."""
    [found] = nearest([TREES], {"b": [TREES], "a": ["Say:", TREES]})
    assert [match.row for match in found] == ["a", "b"]


def test_an_output_that_repeats_itself_is_read_to_its_end() -> None:
    """Thousands of equal runs on both sides are one long run, not millions of pairs."""
    [[first]] = nearest(["0, " * 3000], {"zeros": ["x = [" + "0, " * 3000 + "]"]})
    assert first.tokens >= 64


LETTERS = st.lists(st.sampled_from("a+(b"), max_size=40)


@given(LETTERS, LETTERS)
def test_the_longest_run_is_the_longest(one: list[str], other: list[str]) -> None:
    """It is as long as comparing every place with every other says."""
    longest = 0
    for i, j in itertools.product(range(len(one)), range(len(other))):
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one[i:], other[j:], strict=False))
        longest = max(longest, sum(1 for _ in same))
    [found] = nearest([" ".join(one)], {"row": [" ".join(other)]}, least=3)
    assert [match.tokens for match in found] == ([longest] if longest >= 3 else [])


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        (
            "def f(g: Graph, *, n: dict[Node, list[Edge]] = {first: 1}, **more: Any) -> None: ...",
            {"f", "g", "n", "more"},
        ),
        ("def f(\n    g,\n    *rest,\n):\n    ...", {"f", "g", "rest"}),
        ("key = lambda x, y=default: (x, y)", {"key", "x", "y"}),
        ("def f(a, b=max(x, min(y, z)), c=(p, q), d=[(r, s)]): ...", {"f", "a", "b", "c", "d"}),
        ("def f(a=(lambda q: g(q, h)), b=1): ...", {"f", "a", "b"}),
        ("key = lambda x, y=g(h, i): (x, y)", {"key", "x", "y"}),
        ("for (u, v), w in edges: ...", {"u", "v", "w"}),
    ],
)
def test_annotations_and_defaults_are_not_bound(text: str, bound: set[str]) -> None:
    """What a signature only mentions stands for itself: another class in its place makes another text."""
    spelled = copies._Text(text).spelled(free=True)
    gone = {name for name in copies._Text(text).tokens if name.isidentifier()} - set(spelled)
    assert gone == bound


def test_a_row_is_what_it_shows() -> None:
    """Programs with tests, prompt and quoted context count; what only proves something doesn't, nor what is missing."""
    programs = [Program(code=f"{name} = 1", test=f"assert {name}") for name in ("fixed", "stub", "alone")]
    example = Example(
        domain="d", kind="bug", releases=("r",), file="f", root="r", generator="g", generator_version="1",
        parts={
            "programs": {"fixed": programs[0].id, "stub": programs[1].id, "alone1": programs[2].id, "buggy": "gone"},
            "prompt": "Fix it.",
            "context": [{"path": "lib.py", "text": "def quoted(): ..."}],
        },
    )  # fmt: skip
    found = texts_of(example, {p.id: p for p in programs})
    assert found == ["fixed = 1\nassert fixed", "Fix it.", "def quoted(): ..."]


def test_a_copy_is_found_in_each_of_many_outputs() -> None:
    """A hundred outputs that copy one row are a hundred copies; one that repeats itself doesn't hide the others."""
    assert all(copied([TREES] * 100, ROWS))
    assert all(copied([TREES * 80, PATHS, TREES], ROWS))
