"""Segments, edits and dedenting keep the author's formatting."""

from __future__ import annotations

import ast

from synth.source import Source, indented


def statement(text: str, at: int = 0) -> tuple[Source, ast.stmt]:
    source = Source(text)
    function = source.tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    return source, function.body[at]


def test_block_is_dedented_but_for_strings() -> None:
    """Lines that begin within a string keep their blanks; the others lose the block's indentation."""
    source, first = statement('def f():\n    x = g(\n        """a\n    b""",\n        1,\n    )\n')
    assert source.block([first]) == 'x = g(\n    """a\n    b""",\n    1,\n)'


def test_edits_are_made_at_nodes() -> None:
    """Edits given by offsets survive the dedenting, also behind letters of several bytes."""
    source, first = statement('def f(self):\n    x = "é" + self.a + self.b\n')
    edits = [(*source.span(n), n.attr) for n in ast.walk(first) if isinstance(n, ast.Attribute)]
    assert source.block([first], edits) == 'x = "é" + a + b'


def test_expression_over_lines_gets_brackets() -> None:
    """An expression that spans lines without brackets of its own can stand alone."""
    source = Source("assert (\n    a\n    + b\n)\n")
    check = source.tree.body[0]
    assert isinstance(check, ast.Assert)
    made = source.inline(check.test)
    assert ast.unparse(ast.parse(f"x = {made}")) == "x = a + b"


def test_indented_leaves_strings_alone() -> None:
    """A text moved right still means the same."""
    text = 'x = """a\nb"""\ny = 1\n'
    moved = f"if True:\n{indented(text)}"
    assert ast.dump(ast.Module(ast.parse(moved).body[0].body, [])) == ast.dump(ast.parse(text))  # type: ignore[attr-defined]


def test_lines_are_counted_as_by_the_parser() -> None:
    """Form feeds, and separators within strings, end no line: what comes after them is still found."""
    source = Source("x = '\u2028\x1c'\n\x0c\nclass A:\n    y = '''\x0b\n    z'''\n    z = [\x0c1]\n")
    owner = source.tree.body[1]
    assert isinstance(owner, ast.ClassDef)
    assert source.block(owner.body[:1]) == "y = '''\x0b\n    z'''"
    assert source.block(owner.body[1:]) == "z = [\x0c1]"
    assert indented("a = '\u2028'\nb = 1\n") == "    a = '\u2028'\n    b = 1\n"
