"""Stubs (`.pyi`), which say what compiled modules have: their texts, as griffe reads functions from them."""

from __future__ import annotations

import ast
import warnings
from collections import defaultdict
from collections.abc import Iterator

from registry.trees import parse


def with_overloads(text: str) -> str:
    """A stub's text in which a function that has overloads only also has a definition: the one with most parameters.

    griffe takes overloads for what goes before a definition, and stubs have none. Lines stay where they are.
    """
    if "overload" not in text:
        return text
    tree = _parsed(text)
    if tree is None:
        return text
    lines = text.split("\n")
    for decorator in _in_place_of_definitions(tree):
        if decorator.lineno == decorator.end_lineno:
            line = lines[decorator.lineno - 1]
            lines[decorator.lineno - 1] = line[: len(line) - len(line.lstrip())] + "# " + line.strip()
    return "\n".join(lines)


def without_aliases(text: str, source: str) -> str:
    """A stub's text without assignments to names that the module's source defines: it says what they are.

    `quantile = percentile` tells type checkers that both have one signature; griffe would take it for an attribute.
    Lines stay where they are.
    """
    tree, own = _parsed(text), _parsed(source)
    if tree is None or own is None:
        return text
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    defined = {node.name for node in own.body if isinstance(node, kinds)}
    lines = text.split("\n")
    for node in tree.body:
        names = {t.id for t in node.targets if isinstance(t, ast.Name)} if isinstance(node, ast.Assign) else set()
        if names & defined and node.lineno == node.end_lineno:
            lines[node.lineno - 1] = f"# {lines[node.lineno - 1]}"
    return "\n".join(lines)


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return parse(text)
    except SyntaxError:
        return None


def _in_place_of_definitions(tree: ast.Module) -> Iterator[ast.expr]:
    """The `@overload` of one overload of each function that has nothing else."""
    scopes: list[ast.Module | ast.ClassDef] = [tree]
    while scopes:
        scope = scopes.pop()
        functions: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = defaultdict(list)
        for node in scope.body:
            if isinstance(node, ast.ClassDef):
                scopes.append(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions[node.name].append(node)
        for overloads in functions.values():
            marks = [next((d for d in node.decorator_list if _is_overload(d)), None) for node in overloads]
            if None not in marks:
                sizes = [_count(node.args) for node in overloads]
                at = max(i for i, size in enumerate(sizes) if size == max(sizes))
                if (mark := marks[at]) is not None:
                    yield mark


def _is_overload(decorator: ast.expr) -> bool:
    name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
    return name == "overload"


def _count(a: ast.arguments) -> int:
    return len(a.posonlyargs) + len(a.args) + len(a.kwonlyargs)
