"""Names that only stand for the library's, written out: `Graph = nx.DiGraph; Graph()` -> `nx.DiGraph()`."""

from __future__ import annotations

import ast
from collections import Counter

from registry.names import dotted_name
from synth.dataflow import flow_all, nodes
from synth.source import Edit, read


def without_aliases(script: str) -> str:
    """`nx.DiGraph()` for `Graph = nx.DiGraph; Graph()`: names that only stand for the library's are written out."""
    source = read(script)
    body = source.tree.body
    imported = flow_all(s for s in body if isinstance(s, (ast.Import, ast.ImportFrom))).binds
    standing = [(s, *found) for s in body if (found := _stands_for(s, imported)) is not None]
    if not standing:
        return script
    stored: Counter[str] = Counter()
    for node in nodes(source.tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            stored[node.id] += 1
        elif isinstance(node, ast.arg):
            stored[node.arg] += 2
    texts = {
        n.id for j in nodes(source.tree) if isinstance(j, ast.JoinedStr) for n in nodes(j) if isinstance(n, ast.Name)
    }
    aliases: dict[str, str] = {}
    edits: list[Edit] = []
    for statement, name, dotted in standing:
        if stored[name] == 1 and name not in texts:
            aliases[name] = dotted
            start = source.offset(statement.lineno, 0)
            edits.append((start, source.offset((statement.end_lineno or 0) + 1, 0), ""))
    if not aliases:
        return script
    kept = [(a, b) for a, b, _ in edits]
    for node in nodes(source.tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in aliases:
            start, end = source.span(node)
            if not any(a <= start < b for a, b in kept):
                edits.append((start, end, aliases[node.id]))
    text = script
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _stands_for(statement: ast.stmt, imported: frozenset[str]) -> tuple[str, str] | None:
    """A name and what of an imported module it is bound to."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            while isinstance(value, ast.Call) and dotted_name(value.func) == "staticmethod" and value.args:
                value = value.args[0]
            dotted = dotted_name(value)
            if isinstance(value, ast.Attribute) and dotted and dotted.partition(".")[0] in imported:
                return name, dotted
    return None
