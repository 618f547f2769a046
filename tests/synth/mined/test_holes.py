"""What a task shows of its answer: all of it but the calls of its subject, with what these are given."""

from __future__ import annotations

import ast

import pytest

from synth.mined.holes import holed

CASES = {
    "a call is a hole, and what it is given is said": (
        "G = lib.make(3)\nx = sorted(lib.find(G, k=2))\n",
        "G = lib.make(3)\nx = sorted(...)  # from G, k=2\n",
    ),
    "a comment of the author's stays": (
        "x = lib.find(G)  # no target\n",
        "x = ...  # from G; no target\n",
    ),
    "a method's object is given to it": ("x = [e for e in G.find()]\n", "x = [e for e in ...]  # from G\n"),
    "long data stays in its place": (
        f"x = lib.find({list(range(40))})\n",
        f"x = ...({list(range(40))})\n",
    ),
    "blocks are looked into, their other lines stay": (
        "for g in graphs:\n    if g:\n        y = lib.find(g)\n        z = y\n",
        "for g in graphs:\n    if g:\n        y = ...  # from g\n        z = y\n",
    ),
    "a call within a call is one hole": ("x = lib.find(lib.find(G, 1), 2)\n", "x = ...  # from G, 1, 2\n"),
    "a reference is a hole too": ("f = partial(lib.find, G)\n", "f = partial(..., G)\n"),
    "what follows a hole stays readable": ("x = lib.find(G).size\n", "x = (...).size  # from G\n"),
    "a line that goes on is said behind its end": (
        "x = lib.find(G) + \\\n    2\n",
        "x = ... + \\\n    2  # from G\n",
    ),
    "nothing is said within a string": (
        'x = lib.find(G) + """a\nb"""\n',
        'x = ... + """a\nb"""  # from G\n',
    ),
    "nor within one with holes of its own": (
        'x = lib.find(G) + f"""a {y}\nb"""\n',
        'x = ... + f"""a {y}\nb"""  # from G\n',
    ),
}


def names_find(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "find"


@pytest.mark.parametrize(("code", "wanted"), CASES.values(), ids=CASES.keys())
def test_subject_is_hidden_and_its_inputs_are_said(code: str, wanted: str) -> None:
    """A program with holes parses, and tells of each what it is given."""
    made = holed(f"import lib\n{code}", names_find)
    assert made is not None
    assert made.text == f"import lib\n{wanted}"
    ast.parse(made.text)


def test_program_without_its_subject_has_no_holes() -> None:
    """Where no statement names the subject there is nothing to ask."""
    assert holed("import lib\nx = lib.other(1)\n", names_find) is None
