"""Near-duplicates: rows that say the same in other words are found, rows that only look alike stay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from registry.records import Example, Program
from validators.curation.forms import Forms, form_of, likeness, shingles
from validators.curation.near import near_duplicates

PLAIN = """
import networkx as nx
from math import sqrt

def total(graph, *, scale=1):
    return sum(sqrt(w) for _, _, w in graph.edges(data="weight")) * scale

G = nx.path_graph(4)
G.add_weighted_edges_from([(0, 1, 4.0), (1, 2, 9.0)])
result = total(G, scale=2)
"""
TEST = "assert result == 10.0\nassert G.number_of_nodes() == 4\n"


def swapped(*pairs: tuple[str, str]) -> str:
    """The plain program with texts replaced, one after the other."""
    text = PLAIN
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    "other",
    [
        swapped(("G = nx.path_graph(4)", "G = (\n    nx.path_graph(\n        4,\n    )\n)  # four nodes")),
        swapped(('"', "'"), ("    return", "    \"\"\"The total.\"\"\"\n    return")),
        swapped(("(graph,", "(g,"), ("graph.edges", "g.edges")),
        swapped(("(graph, *, scale=1):", "(graph: nx.Graph, *, scale: int = 1) -> float:")),
        swapped(("as nx", "as net"), ("nx.", "net."), ("sqrt(w)", "root(w)"), ("import sqrt", "import sqrt as root")),
        swapped(("import networkx as nx", "from networkx import path_graph"), ("nx.path", "path")),
        swapped(("scale=1", "k=1"), ("* scale", "* k"), ("scale=2", "k=2")),
        swapped(("G", "the_graph"), ("result = ", "outcome: float = "), ("total", "sum_of")),
    ],
)  # fmt: skip
def test_a_form_is_blind_to_layout_and_names(other: str) -> None:
    """Formatting, comments, docstrings, hints, import aliases and own names leave the form as it is."""
    assert other != PLAIN
    assert form_of(other) == form_of(PLAIN) != []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f(g(a), b)", "f(g(a, b))"),
        ("x.close", "x.open"),
        ("f(a=1)", "f(b=1)"),
        ("f(1)", "f(2)"),
        ("f(a).b", "f(a.b)"),
        ("x = 1\nx + y", "x = 1\ny + x"),
        ("from a import f\nf()", "from b import f\nf()"),
        ("if a:\n    b\nc", "if a:\n    b\n    c"),
        ("[a, [b, c]]", "[a, [b], c]"),
        ("not a", "-a"),
        ("a < b", "a <= b"),
        ("f(True)", "f(1)"),
        ("async def f():\n    await g()", "def f():\n    g()"),
    ],
)
def test_a_form_tells_apart_what_does_something_else(one: str, other: str) -> None:
    """Another structure, literal, attribute, keyword or operator is another form."""
    assert form_of(one) != form_of(other)


def test_what_does_not_parse_has_no_form() -> None:
    """Half a program and a null byte have an empty form, which is like nothing."""
    assert form_of("f(") == form_of("a\0b") == []
    assert likeness(shingles([]), shingles([])) == 0


class World:
    """Rows and their programs."""

    def __init__(self) -> None:
        self.programs: dict[str, Program] = {}
        self.rows: list[Example] = []

    def program(self, code: str) -> str:
        made = Program(code=code, test=TEST if "G = " in code else renamed(TEST))
        self.programs[made.id] = made
        return made.id

    def add(self, kind: str, *, releases: tuple[str, ...] = ("new",), parts: Any = None, **programs: str) -> Example:
        named = {role: self.program(code) for role, code in programs.items()}
        row = Example(
            domain="d", kind=kind, releases=releases, parts={"programs": named, **(parts or {})},
            file="lib/a.py", root=f"root {len(self.rows)}", generator="g", generator_version="1",
        )  # fmt: skip
        self.rows.append(row)
        return row

    def gone(self) -> dict[str, str]:
        rows = {row.id: row for row in self.rows}
        found = near_duplicates(rows, rows, Forms(self.programs), "new")
        assert found == near_duplicates(reversed(rows), rows, Forms(self.programs), "new")
        return found


def renamed(code: str) -> str:
    return code.replace("G", "the_graph").replace("result", "outcome")


def test_the_lowest_id_of_the_current_release_stays() -> None:
    """Of alike rows one of the current release stays, and of these the lowest id, in whatever order they come."""
    world = World()
    world.add("test", answer=PLAIN, releases=("old",))
    for n in range(3):
        world.add("test", answer=f"# {n}\n{PLAIN}")
    first = min(r.id for r in world.rows[1:])
    assert world.gone() == {r.id: first for r in world.rows if r.id != first}


def test_rows_of_one_root_or_of_two_kinds_stay() -> None:
    """A bug and its twin of the same root differ on purpose, and a test doesn't repeat a doc."""
    world = World()
    one = world.add("test", answer=PLAIN)
    world.rows.append(replace(one, parts={**one.parts, "name": "again"}))
    world.add("doc", answer=PLAIN + "\n# doc\n")
    assert world.gone() == {}


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.replace("path_graph", "star_graph"),
        PLAIN.replace("4.0", "16.0"),
        PLAIN.replace("scale=2", "scale=1"),
        PLAIN.replace("sum", "max"),
    ],
)
def test_another_function_or_number_is_another_row(other: str) -> None:
    """Two tests that share all but one name or literal both stay, however long they are."""
    world = World()
    world.add("test", answer=PLAIN)
    world.add("test", answer=other)
    assert world.gone() == {}


def test_the_same_test_of_two_releases_is_one() -> None:
    """A test that was touched between two releases is one row: the current release's."""
    world = World()
    touched = PLAIN.replace("(1, 2, 9.0)", "(1, 2, 9)")
    old = world.add("test", answer=touched, releases=("old",), parts={"name": "test_total"})
    new = world.add("test", answer=PLAIN, parts={"name": "test_total"})
    world.add("test", answer=touched, releases=("old",), parts={"name": "test_other"})
    assert world.gone() == {old.id: new.id}


def test_bugs_are_alike_where_they_change_the_same() -> None:
    """Of two programs alike, the same bug is one row, another bug is another."""
    world = World()
    same = [world.add("bug", fixed=c, buggy=c.replace("sqrt(w)", "sqrt(-w)")) for c in (PLAIN, renamed(PLAIN))]
    world.add("bug", fixed=renamed(PLAIN), buggy=renamed(PLAIN).replace("scale=2", "scale=3"))
    first, second = sorted(row.id for row in same)
    assert world.gone() == {second: first}


def test_two_errors_of_syntax_are_two_rows() -> None:
    """What doesn't parse has no form to compare: only what is equal but for layout is a duplicate."""
    world = World()
    for broken in ("def total(graph", "def total[graph"):
        world.add("syntax", fixed=PLAIN, buggy=PLAIN.replace("def total(graph", broken + ":"))
    assert world.gone() == {}


def test_the_pairs_of_a_site_go_together() -> None:
    """Of two call sites alike all pairs of one stay and all of the other go; another call of the program is no twin."""
    world = World()
    sites: dict[str, list[Example]] = {}
    for name, text in (("a", PLAIN), ("b", renamed(PLAIN)), ("c", PLAIN + "H = nx.path_graph(4)\n")):
        for wrong in ("5", "x=4"):
            before, call, rest = text.rpartition("nx.path_graph(4)")
            row = world.add(
                "preference", chosen=text, rejected=before + f"nx.path_graph({wrong})" + rest,
                parts={"prompt": before, "chosen": call, "suffix": rest, "wrong": wrong},
            )  # fmt: skip
            world.rows[-1] = replace(row, root=f"site {name}", family="networkx.path_graph")
            sites.setdefault(name, []).append(world.rows[-1])
    gone = world.gone()
    assert {r.root for r in world.rows if r.id in gone} in ({"site a"}, {"site b"})
    assert len(gone) == 2
    assert len(set(gone.values())) == 1


def test_texts_are_compared_by_their_words() -> None:
    """A page that differs in markup and a word is a near-duplicate; a page on something else is none."""
    world = World()
    words = " ".join(f"word{n}" for n in range(200))
    world.add("text", parts={"text": words})
    world.add("text", parts={"text": f"# Title\n\n{words.replace(' ', chr(10))}"})
    world.add("text", parts={"text": words.replace("word", "other")})
    assert len(world.gone()) == 1


def test_gaps_and_replaced_tokens_are_compared_where_they_are() -> None:
    """Gaps in alike programs are one where they are in one place; so are equal replacements of a token."""
    world = World()
    for code in (PLAIN, renamed(PLAIN)):
        for middle in ("G = nx.path_graph(4)", "scale=2"):
            middle = middle if code == PLAIN else renamed(middle)
            prefix, _, suffix = code.partition(middle)
            world.add("fim", whole=code, parts={"prefix": prefix, "middle": middle, "suffix": suffix})
        for wrong in ("scale=3", "scale=4"):
            world.add("locate", original=code, corrupted=code.replace("scale=2", wrong))
    gone = world.gone()
    assert len(gone) == 4
    by_id = {row.id: row for row in world.rows}
    assert {by_id[name].kind for name in gone} == {"fim", "locate"}
    assert all(by_id[a].kind == by_id[b].kind for a, b in gone.items())
