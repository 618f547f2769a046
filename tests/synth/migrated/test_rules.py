"""Rules rewrite one call: forward to the new form, backward to the old one."""

from __future__ import annotations

import pytest

from registry.names import SymbolIndex
from registry.records import Change, Symbol
from synth.migrated.arguments import code_of, parsed_call
from synth.migrated.codemods import backward, forward
from synth.migrated.messages import renames_in
from synth.migrated.rules import Rule, removed_parameters, rules_of

ORDER = ("items", "scale", "seed")
DEFAULTS = {"scale": "1", "seed": "None"}


def rule(kind: str, parameter: str = "", to: str = "", **more: object) -> Rule:
    return Rule(kind, "lib.f", "lib.f", "c", "lib.f", parameter, to, ORDER, DEFAULTS, **more)  # type: ignore[arg-type]


CASES = [
    (rule("keyword", "link", "edges"), "f(g, link='x')", "f(g, edges='x')"),
    (rule("keyword-only", "seed"), "f(g, 2, 5)", "f(g, 2, seed=5)"),
    (rule("keyword-only", "scale"), "f(g, 2)", "f(g, scale=2)"),
    (rule("position", "seed"), "f(g, 2, 5)", "f(g, 2, seed=5)"),
    (rule("removed-parameter", "scale", values=("2",)), "f(g, scale=2)", "f(g)"),
    (rule("removed-parameter", "seed", values=("lib.SEED",)), "f(g, seed=lib.SEED)", "f(g)"),
    (rule("order", values=("items", "seed", "scale")), "f(g, 2, 5)", "f(g, 5, 2)"),
    (rule("order", values=("seed", "items", "scale")), "f(g, 2, 5)", "f(5, g, 2)"),
    (rule("default", "scale", values=("1", "2")), "f(g)", "f(g, scale=1)"),
    (rule("default", "seed", values=("1", "")), "f(\n    g\n)", "f(\n    g, seed=1\n)"),
    (rule("literal", "seed", values=("'T'", "'min'")), 'f(g, seed="2T")', 'f(g, seed="2min")'),
]


@pytest.mark.parametrize(
    ("made", "new"),
    [
        (rule("removed-parameter", "seed"), "f(g)"),
        (Rule("position", "lib.f", "lib.f", "c", "lib.f", "b", "", ("x", "a", "b"), {"a": "None"}), "f(g, b=2)"),
        (Rule("position", "lib.f", "lib.f", "c", "lib.f", "c", "", ("x", "a", "b", "c"), {"a": "1", "b": "1"}),
         "f(g, c=2)"),
    ],
)  # fmt: skip
def test_what_nobody_writes_is_no_old_form(made: Rule, new: str) -> None:
    """A parameter that no value is known of isn't put back, and no `None` or row of defaults is counted out."""
    call = parsed_call(new)
    assert call is not None and backward(made, call) is None


@pytest.mark.parametrize(("made", "old", "new"), CASES)
def test_a_call_goes_forward_and_back(made: Rule, old: str, new: str) -> None:
    """Each rule turns the old form into the new one, and the new one back into the old one."""
    before, after = parsed_call(old), parsed_call(new)
    assert before is not None and after is not None
    was = backward(made, after)
    assert forward(made, before) == new
    assert was is not None and code_of(was) == old


@pytest.mark.parametrize(
    ("made", "call"),
    [
        (rule("keyword", "link", "edges"), "f(g)"),
        (rule("keyword-only", "seed"), "f(g, 2, seed=5)"),
        (rule("keyword-only", "seed"), "f(*g, 5)"),
        (rule("removed-parameter", "seed"), "f(g, 2)"),
        (rule("position", "seed"), "f(g)"),
    ],
)
def test_a_call_of_another_form_is_left_alone(made: Rule, call: str) -> None:
    """A rule says None where the call is not of the old form."""
    parsed = parsed_call(call)
    assert parsed is not None
    assert forward(made, parsed) is None


def test_defaults_that_are_no_literals_are_not_written_out() -> None:
    """Positions can't be filled with a default that is a name of the library's own module."""
    made = Rule("position", "lib.f", "lib.f", "c", "lib.f", "b", "", ("a", "x", "b"), {"x": "no_filter"})
    parsed = parsed_call("f(g, b=1)")
    assert parsed is not None
    assert backward(made, parsed) is None


def test_a_removed_parameter_comes_back_with_the_value_seen() -> None:
    """Where old code gave a parameter a value, the old form has that one, not the default."""
    parsed = parsed_call("f(g)")
    assert parsed is not None
    made = backward(rule("removed-parameter", "scale", values=("7",)), parsed)
    assert made is not None and code_of(made) == "f(g, scale=7)"


def test_a_call_on_several_lines_is_read() -> None:
    """A chain that stands in brackets of its own is rewritten line by line."""
    parsed = parsed_call("g\n    .f(link=1)")
    assert parsed is not None
    assert forward(rule("keyword", "link", "edges"), parsed) == "g\n    .f(edges=1)"


def test_formatting_stays() -> None:
    """A call over several lines keeps its lines and its comma at the end."""
    parsed = parsed_call("f(\n    g,\n    2,\n    link='x',\n)")
    assert parsed is not None
    made = forward(rule("keyword", "link", "edges"), parsed)
    assert made == "f(\n    g,\n    2,\n    edges='x',\n)"


def test_names_in_messages() -> None:
    """Errors and warnings that name a replacement give a pair of names."""
    texts = ["nx.random_tree was removed in version 3.4. Use `nx.random_labeled_tree` instead.", "x is deprecated"]
    assert list(renames_in(texts)) == [("nx.random_tree", "nx.random_labeled_tree")]


def test_what_was_prepared_is_not_dropped() -> None:
    """A removed parameter that a variable was given goes somewhere else now: leaving it out would lose that."""
    for value, made in (("None", "f(g)"), ("lib.SEED", "f(g)"), ("seeds", None)):
        call = parsed_call(f"f(g, seed={value})")
        assert call is not None
        assert forward(rule("removed-parameter", "seed"), call) == made


def test_removed_parameters_are_told_of_renamed_functions_too() -> None:
    """A change of the signature tells them, and a rename the signature's part of it."""
    detail = {"removed": ["a"]}
    changes = [
        Change(old="o", new="n", symbol="lib.f", kind="signature", detail=detail),
        Change(old="o", new="n", symbol="lib.g", kind="renamed", detail={"signature": detail}),
        Change(old="o", new="n", symbol="lib.h", kind="removed"),
    ]
    assert list(removed_parameters(changes)) == [("lib.f", "a"), ("lib.g", "a")]


def test_a_parameter_that_another_stands_for_is_not_left_out() -> None:
    """Where notes name another parameter for one that went, a call without it would mean something else."""
    before, after = (
        SymbolIndex([Symbol(release=r, path="lib.f", kind="function", parameters=tuple(_listed(*names)))])
        for r, names in (("o", ("x", "limit", "seed")), ("n", ("x", "most")))
    )
    detail = {"removed": ["limit", "seed"], "replacements": {"limit": "most", "seed": "lib.seeded"}}
    made = rules_of([Change(old="o", new="n", symbol="lib.f", kind="signature", detail=detail)], before, after, {})
    assert {r.parameter for r in made if r.kind == "removed-parameter"} == {"seed"}


def _listed(*names: str) -> list[dict[str, str | None]]:
    return [{"name": name, "kind": "positional or keyword", "default": "None"} for name in names]
