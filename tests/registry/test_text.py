"""Lines and segments are the parser's, whatever characters the source holds."""

from __future__ import annotations

import ast

import pytest

from registry.text import Text

SOURCES = {
    "form feed": "x = 1\n\x0cdef f():\n\x0c    return (2,\x0c\n3)\ny = '\x0c'; z = [4]\n",
    "other separators in strings": "x = 'a\u2028b\x0b\x1c\x85\u2029'; y = [1,\n  2]\nz = '''\u2028\n\x1d''' + x\n",
    "CRLF": "def f(a):\r\n    return g(a,\r\n        '''b\r\nc''')\r\n\r\nx = 1\r\n",
    "a lone CR": "x = [1,\r  2]\ry = 3",
    "letters of several bytes": "é = 'ü𝄞' + f(1,\n 'ß',  g(2)) ; x = é\n",
    "no last line end": "# é\nx = (1 +\n  2)",
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_segments_are_those_of_ast(source: str) -> None:
    """Every node's segment is what `ast.get_source_segment` says, and parses to the same node."""
    text = Text(source)
    assert "".join(text.lines) == source
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.stmt, ast.expr)):
            assert text.segment(node) == ast.get_source_segment(source, node)
        if isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
            assert ast.dump(ast.parse(f"({text.segment(node)})", mode="eval").body) == ast.dump(node)


def test_the_line_after_the_last_begins_at_the_end() -> None:
    """What is cut up to the line after the last statement is cut to the end, also behind letters of several bytes."""
    assert Text("é = 1\n").offset(2, 0) == Text("e = 1").offset(2, 0) + 1 == 6
