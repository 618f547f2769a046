from __future__ import annotations

import pytest

from scrapers.examples import MAX_CHARACTERS, differing

OLD = "Sums.\n\n>>> a = [1, 2]\n>>> f(a)\n[1, 2]\n"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (OLD, OLD.replace("[1, 2]\n", "(1, 2, 3)\n", 2).replace("a = (1, 2, 3)", "a = [1, 2]"), True),
        (OLD, OLD, False),
        (OLD, OLD.replace("a = [1, 2]", "a = [1, 3]").replace("\n[1, 2]", "\n[1, 3]"), False),
        (">>> f()\n0.70710678118\n", ">>> f()\n0.70710678119\n", False),
        (">>> f()\n1.5\n", ">>> f()\nnp.float64(1.5)\n", False),
        (">>> f()\nTrue\n", ">>> f()\nnp.True_\n", False),
        (">>> f()\n| a |\n| 1 |\n", ">>> f()\n+---+\n| a | 1\n", False),
        (">>> f()  # doctest: +SKIP\n1\n", ">>> f()  # doctest: +SKIP\n2\n", False),
        (">>> g()\n1\n", ">>> g()\n2\n", False),
        (">>> f().schema\n1\n", ">>> f().schema\n2\n", False),
        (">>> f()\n", ">>> f()\n2\n", False),
        (">>> f(\n1\n", ">>> f(\n2\n", False),
        (">>>f()\n1\n", ">>>f()\n2\n", False),
        (">>> f()\n1\n" + "x" * MAX_CHARACTERS, ">>> f()\n2\n", False),
    ],
)
def test_example_with_another_output_is_found(old: str, new: str, found: bool) -> None:
    """The same statements with another value are a change; other statements and other ways of printing are none."""
    assert (differing(old, new, "f") is not None) is found


def test_difference_says_what_it_was_and_is() -> None:
    """The evidence holds the statement with both outputs."""
    told = str(differing(">>> f(1)\n'a'\n", ">>> f(1)\n'b'\n", "f"))
    assert told == ">>> f(1)\ngave 'a'\ngives 'b'"
