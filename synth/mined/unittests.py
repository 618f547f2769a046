"""Assertions of `unittest.TestCase` as plain asserts: `self.assertEqual(a, b)` -> `assert a == b`."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from synth.dataflow import nodes
from synth.source import Edit, Source

_BINARY: Mapping[str, str] = {
    "assertEqual": "==", "assertEquals": "==", "assertSequenceEqual": "==", "assertListEqual": "==",
    "assertTupleEqual": "==", "assertDictEqual": "==", "assertSetEqual": "==", "assertMultiLineEqual": "==",
    "assertNotEqual": "!=", "assertIs": "is", "assertIsNot": "is not", "assertIn": "in", "assertNotIn": "not in",
    "assertGreater": ">", "assertGreaterEqual": ">=", "assertLess": "<", "assertLessEqual": "<=",
}  # fmt: skip
_UNARY: Mapping[str, tuple[str, str]] = {
    "assertTrue": ("", ""), "assertFalse": ("not ", ""), "assertIsNone": ("", " is None"),
    "assertIsNotNone": ("", " is not None"),
}  # fmt: skip
_CONTEXTS: Mapping[str, str] = {
    "assertRaises": "raises", "assertRaisesRegex": "raises", "assertWarns": "warns", "assertWarnsRegex": "warns",
}  # fmt: skip
_LOOSE = (ast.Compare, ast.BoolOp, ast.IfExp, ast.Lambda, ast.NamedExpr, ast.UnaryOp)


def is_case(node: ast.ClassDef) -> bool:
    """Whether a class derives from `TestCase` by name."""
    return any(ast.unparse(base).endswith("TestCase") for base in node.bases)


def plain_asserts(source: Source, statement: ast.stmt, me: str) -> tuple[list[Edit], set[int]]:
    """The edits that make plain asserts of a statement's, and the ids of the `self.assert…` nodes they replace.

    Args:
        source: The source in which the statement stands.
        statement: A statement of a test method.
        me: What the method calls its `self`.
    """
    edits: list[Edit] = []
    done: set[int] = set()
    for node in nodes(statement):
        calls = [node.value] if isinstance(node, ast.Expr) else []
        calls += [item.context_expr for item in node.items] if isinstance(node, ast.With) else []
        for call in calls:
            match call:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name) as function) if owner == me:
                    made = _edits(source, call, name)
                    if made:
                        edits += made
                        done.add(id(function))
    return edits, done


def _edits(source: Source, call: ast.Call, name: str) -> list[Edit]:
    start, end = source.span(call)
    arguments = [source.span(a) for a in call.args]
    function_end = source.span(call.func)[1]
    if name in _CONTEXTS and arguments:
        edits: list[Edit] = [(start, function_end, f"pytest.{_CONTEXTS[name]}")]
        if name.endswith("Regex") and len(arguments) > 1:
            edits.append((arguments[0][1], arguments[1][1], ""))
        return edits
    if name in _BINARY and len(arguments) >= 2:
        (a, b), (c, d) = arguments[:2]
        left, right = _brackets(call.args[0]), _brackets(call.args[1])
        return [
            (start, a, f"assert {left[0]}"),
            (b, c, f"{left[1]} {_BINARY[name]} {right[0]}"),
            (d, end, right[1]),
        ]
    if name in _UNARY and arguments:
        before, after = _UNARY[name]
        opened, closed = _brackets(call.args[0]) if before or after else _over_lines(call.args[0])
        return [(start, arguments[0][0], f"assert {before}{opened}"), (arguments[0][1], end, f"{closed}{after}")]
    if name == "assertIsInstance" and len(arguments) >= 2:
        return [(start, function_end, "assert isinstance"), (arguments[1][1], end, ")")]
    if name == "assertAlmostEqual" and len(arguments) == 2 and not call.keywords:
        (_, b), (c, d) = arguments
        return [
            (start, arguments[0][0], "assert "),
            (b, c, " == pytest.approx("),
            (d, end, ", abs=1e-07)"),
        ]
    return []


def _brackets(node: ast.expr) -> tuple[str, str]:
    """Brackets that an operand of a comparison needs."""
    return ("(", ")") if isinstance(node, _LOOSE) else _over_lines(node)


def _over_lines(node: ast.expr) -> tuple[str, str]:
    return ("(", ")") if node.end_lineno != node.lineno else ("", "")
