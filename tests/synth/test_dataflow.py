"""Which names statements read, bind and change."""

from __future__ import annotations

import ast

import pytest

from synth.dataflow import flow, needed, nodes, unbound


@pytest.mark.parametrize(
    ("source", "reads", "binds", "changes"),
    [
        ("a = f(b)", {"f", "b"}, {"a"}, set()),
        ("G.add(1, x)", {"G", "x"}, set(), {"G", "x"}),
        ("G.copy()", {"G"}, set(), set()),
        ("a[0] = b", {"a", "b"}, set(), {"a"}),
        ("try:\n    f(1)\nexcept E as error:\n    b = str(error)", {"f", "E", "str"}, {"b"}, set()),
        ("match p:\n    case [a, *b] | K(x=a, y=b): f(a)", {"p", "K", "f", "a"}, {"a", "b"}, {"a"}),
        ("match p:\n    case {'k': v, **rest} if v > m: pass", {"p", "v", "m"}, {"v", "rest"}, set()),
        ("match p:\n    case (1 | 2) as n: pass\n    case _: pass", {"p"}, {"n"}, set()),
        ("n += 1", {"n"}, {"n"}, {"n"}),
        ("[i for i in xs if i > k]", {"xs", "k"}, set(), set()),
        ("def f(a, *, b=c): return a + d", {"c", "d"}, {"f"}, set()),
        ("from x import y as z, w", set(), {"z", "w"}, set()),
        ("for i in xs:\n    out.append(i)", {"xs", "out", "i"}, {"i"}, {"out", "i"}),
        ("a = next(it)", {"next", "it"}, {"a"}, {"it"}),
        ("f = lambda q: q + r", {"r"}, {"f"}, set()),
        ("b = df.query(\"a > @least and x == '@'\")", {"df", "least"}, {"b"}, set()),
    ],
)
def test_flow_of_a_statement(source: str, reads: set[str], binds: set[str], changes: set[str]) -> None:
    """Reads, bindings and changes in place are told apart, inner scopes left out."""
    what = flow(ast.parse(source).body[0])
    assert (what.reads, what.binds, what.changes) == (reads, binds, changes)


def test_slice_keeps_what_a_name_depends_on() -> None:
    """Statements that bind, change or feed the wanted names are kept, in order."""
    body = ast.parse("import m\na = 1\nb = 2\nG = m.g(a)\nG.add(3)\nm.h(b)\nH = 5\n").body
    assert needed(body, {"G"}, fixed={"m"}) == [0, 1, 3, 4]


def test_value_bound_anew_does_not_depend_on_the_one_before() -> None:
    """A plain assignment ends the search for earlier values of its name."""
    assert needed(ast.parse("G = 1\nG.add(2)\nG = 3\n").body, {"G"}) == [2]


def test_unbound_names_are_found_in_order_of_execution() -> None:
    """A name used before it is bound is missing; a function's body may use later names."""
    body = ast.parse("def f(): return later\nx = y\ny = 1\nlater = f()\nprint(z)\n").body
    assert unbound(body) == ["y", "z"]


def test_a_match_binds_what_its_cases_capture() -> None:
    """A name that a case captures is not missing in its block, and one that a later statement reads is bound."""
    body = ast.parse("match p:\n    case [a, *_]:\n        b = a + c\nprint(a, b)\n").body
    assert unbound(body) == ["c", "p"]


def test_nodes_are_those_of_a_walk() -> None:
    """The fast walk visits what `ast.walk` visits, but operators and contexts."""
    tree = ast.parse("def f(a):\n    return [x + 1 for x in a if x not in {1: 2}]\n")
    skipped = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop)
    assert set(map(id, nodes(tree))) == {id(n) for n in ast.walk(tree) if not isinstance(n, skipped)}
