"""Syntax trees of what somebody else wrote."""

from __future__ import annotations

import ast

import pytest

from registry.trees import DEEPEST, parse, parse_expression, parsed, walk


@pytest.mark.parametrize(
    "text",
    ["1 +", "a\0b", "1" + " + 1" * 900, "f" + ".a()" * 5000, "-" * 100_000 + "1", "[" * 5000 + "]" * 5000],
    ids=["cut off", "a null byte", "900 sums", "5,000 calls", "100,000 signs", "5,000 lists"],
)
def test_what_cannot_be_visited_is_no_python(text: str) -> None:
    """Whatever is wrong with a text, or if it is nested too deeply to be visited, it is refused in one way."""
    for parser in (parse, parse_expression):
        with pytest.raises(SyntaxError):
            parser(text)
    assert parsed(text) is None


def test_what_people_write_is_parsed() -> None:
    """Nesting as deep as is allowed is visited by what calls itself, under a caller's hundreds of frames."""
    text = "not " * (DEEPEST - 3) + "x"
    tree = parse(text)
    assert ast.dump(tree) == ast.dump(ast.parse(text))
    assert sum(isinstance(node, ast.Not) for node in walk(tree)) == DEEPEST - 3

    def below(frames: int) -> str:
        return below(frames - 1) if frames else ast.unparse(tree)

    assert below(300) == text
    assert parse_expression(text)
    assert parsed(f"not {text}") is None
