"""A docstring's first sentence is a task only where it is whole and says what is done."""

from __future__ import annotations

import pytest

from synth.mined.sentences import imperative, sentence_of

SENTENCES = {
    "joined over lines": (
        "Returns a new graph that contains only the nodes and the edges that exist in\nall graphs.\n\nMore.",
        "Returns a new graph that contains only the nodes and the edges that exist in all graphs.",
    ),
    "the first of several": ("Compute it. Then more. [1]_", "Compute it."),
    "an abbreviation ends none": ("Find trees, i.e. acyclic graphs. More.", "Find trees, i.e. acyclic graphs."),
    "roles, literals and footnotes are plain": (
        "Implements the :func:`~lib.search.find` of ``G`` [1]_, an *n*-ary one.",
        "Implements the `find` of `G`, an n-ary one.",
    ),
    "a list's introduction is none": ("The options are as follows:\n\n- one", None),
    "a number of an issue is none": ("Regression test for #123.", None),
    "a heading is none": ("Notes\n-----\nSome.", None),
    "nothing is none": ("", None),
}


@pytest.mark.parametrize(("doc", "wanted"), SENTENCES.values(), ids=SENTENCES.keys())
def test_first_sentence_is_whole_and_plain(doc: str, wanted: str | None) -> None:
    """Nothing is cut off at a line's end, and no markup is left."""
    assert sentence_of(doc) == wanted


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("Returns the degree of a node.", "Return the degree of a node."),
        ("Applies a function.", "Apply a function."),
        ("Apply a function.", "Apply a function."),
        ("Searches a tree.", "Search a tree."),
        ("Randomly generates paths.", "Randomly generate paths."),
        ("Iterate over edges.", "Iterate over edges."),
        ("View of `G` applying a filter.", None),
        ("Base class for directed graphs.", None),
        ("Tests whether it is so.", "Test whether it is so."),
    ],
)
def test_what_is_done_is_asked_for(sentence: str, wanted: str | None) -> None:
    """A description of what a function does becomes a task; one of what a thing is doesn't."""
    assert imperative(sentence) == wanted
