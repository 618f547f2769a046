from __future__ import annotations

from typing import Any

import pytest

from scrapers.entries import parameters_in
from scrapers.signatures import signature_detail


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("(a, b=1)", "(a, b=1)", {}),
        ("(a, b=1e-6)", "(a, b=1e-06)", {}),
        ("(a, b='x')", '(a, b="x")', {}),
        ("(a)", "(a, b=1)", {"added": ["b"], "breaking": False}),
        ("(a)", "(a, **kw)", {"added": ["kw"], "breaking": False}),
        ("(a)", "(a, b)", {"added": ["b"], "breaking": True}),
        ("(a, b=1)", "(a)", {"removed": ["b"], "breaking": True}),
        ("(a, b=1)", "(a, c=1)", {"renamed": {"b": "c"}, "breaking": True}),
        ("(a, b=1)", "(a, b=2)", {"defaults": {"b": ["1", "2"]}, "breaking": True}),
        ("(a, b=1)", "(a, b)", {"required": ["b"], "breaking": True}),
        ("(a, b=1)", "(a, *, b=1)", {"kinds": {"b": ["positional or keyword", "keyword-only"]}, "breaking": True}),
        ("(a, *, b=1)", "(a, b=1)", {"kinds": {"b": ["keyword-only", "positional or keyword"]}, "breaking": False}),
        ("(cls, a)", "(self, a)", {}),
        ("(a=lib.no_default)", "(a=NO_DEFAULT)", {}),
        ("(a=None)", "(a=NONE)", {"defaults": {"a": ["None", "NONE"]}, "breaking": True}),
        (
            "(w, min_periods=None)",
            "(w, *, min_samples=None)",
            {
                "renamed": {"min_periods": "min_samples"},
                "kinds": {"min_samples": ["positional or keyword", "keyword-only"]},
                "breaking": True,
            },
        ),
        ("(a, x=0, b=1)", "(a, b=1)", {"removed": ["x"], "positions": {"b": [2, 1]}, "breaking": True}),
        (
            "(*, key='key', link='links')",
            "(*, key='key', edges='edges', nodes='nodes')",
            {
                "added": ["nodes"], "renamed": {"link": "edges"}, "defaults": {"edges": ["'links'", "'edges'"]},
                "breaking": True,
            },
        ),
    ],
)  # fmt: skip
def test_difference_of_two_signatures(old: str, new: str, expected: dict[str, Any]) -> None:
    """Every way in which parameters can differ is told apart, and whether an old call can break by it."""
    detail = signature_detail(parameters_in(old), parameters_in(new))
    if "added" in detail:
        detail["added"] = [p["name"] for p in detail["added"]]
    assert detail == expected


def test_keywords_of_decorators_count() -> None:
    """A keyword that only a decorator knew is renamed or removed; one that is still taken is no change."""
    old, new = parameters_in("(a, group_by=None)"), parameters_in("(a, group_by=None)")
    assert signature_detail(old, new, {"by": "group_by"}) == {"renamed": {"by": "group_by"}, "breaking": True}
    assert signature_detail(old, new, {"errors": None}) == {"removed": ["errors"], "breaking": True}
    assert signature_detail(old, new, {"a": None}) == {}
    moved = signature_detail(parameters_in("(x, y=1)"), parameters_in("(z, x)"), {"y": "z"})
    assert moved["renamed"] == {"y": "z"}
    assert "removed" not in moved
    assert "added" not in moved
