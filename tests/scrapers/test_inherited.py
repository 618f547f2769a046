"""Members that a site lists with several classes are one, at the path of the class that defines them."""

from __future__ import annotations

from registry.records import Symbol
from scrapers.inherited import settled


def row(path: str, kind: str = "method", doc: str = "", aliases: tuple[str, ...] = ()) -> Symbol:
    return Symbol(release="r", path=path, kind=kind, doc=doc, signature="(self)", aliases=aliases)


CLASSES = (
    row("lib.graph.Graph", "class", aliases=("lib.Graph",)),
    row("lib.digraph.DiGraph", "class", aliases=("lib.DiGraph",)),
    row("lib.plain.Plain", "class"),
)


def test_an_inherited_member_is_the_base_s_with_another_name() -> None:
    """What says the same of the same member is one; the class that the site links to as its home has it."""
    found = settled([*CLASSES, row("lib.graph.Graph.size", doc="How many."), row("lib.DiGraph.size", doc="How many.")])
    members = {s.path: s.aliases for s in found if s.kind == "method"}
    assert members == {"lib.graph.Graph.size": ("lib.DiGraph.size",)}


def test_references_to_the_listing_class_make_no_other_text() -> None:
    """Sphinx leads what a docstring refers to into the class that lists the member: the docstring is the same."""
    own = row("lib.graph.Graph.size", doc="As `lib.Graph.order()`.", aliases=("lib.Graph.size",))
    found = settled([*CLASSES, own, row("lib.DiGraph.size", doc="As `lib.DiGraph.order()`.")])
    assert [s.path for s in found if s.kind == "method"] == ["lib.graph.Graph.size"]


def test_a_member_goes_home_where_nothing_says_the_same() -> None:
    """Another text, or none, is another member: it stands with its own class, under the class's path."""
    rows = [row("lib.graph.Graph.size", doc="How many."), row("lib.DiGraph.size", doc="Another."), row("lib.Graph.all")]
    members = {s.path: (s.doc, s.aliases) for s in settled([*CLASSES, *rows]) if s.kind == "method"}
    assert members == {
        "lib.graph.Graph.size": ("How many.", ()),
        "lib.digraph.DiGraph.size": ("Another.", ("lib.DiGraph.size",)),
        "lib.graph.Graph.all": ("", ("lib.Graph.all",)),
    }


def test_of_members_without_a_home_the_shortest_class_has_them() -> None:
    """Properties have no link to their source: they are the base's, as far as names tell."""
    rows = [row("lib.DiGraph.nodes", "attribute", "All."), row("lib.Graph.nodes", "attribute", "All.")]
    for given in (rows, rows[::-1]):
        members = {s.path: s.aliases for s in settled([*CLASSES, *given]) if s.kind == "attribute"}
        assert members == {"lib.graph.Graph.nodes": ("lib.Graph.nodes", "lib.DiGraph.nodes")}


def test_nothing_moves_where_classes_have_one_path() -> None:
    """Members of classes that stand at their own path stay, and so does what belongs to no known class."""
    rows = [
        *CLASSES,
        row("lib.plain.Plain.run", doc="x"),
        row("lib.plain.Other.run", doc="x"),
        row("lib.f", "function"),
    ]
    assert {s.path: s.aliases for s in settled(rows)} == {s.path: s.aliases for s in rows}
    assert settled(settled(rows)) == settled(rows)
