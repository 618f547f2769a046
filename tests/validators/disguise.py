"""Programs in other words: what a copyist, a formatter or a careful cheat would make of them. For planted rows."""

from __future__ import annotations

import ast
import builtins
import random
import re

from registry.trees import walk


def disguised(code: str, seed: int, keep: frozenset[str] = frozenset()) -> str:
    """The same program in one of five disguises: layout, names, both, hints and docstrings, names and comments.

    Args:
        code: The program.
        seed: Draws the disguise, and what it looks like.
        keep: Names that stay: what a test beside the program asks for.
    """
    rng = random.Random(seed)
    tree = ast.parse(code)
    how = seed % 5
    if how in (1, 2, 4):
        _Renamer(tree, rng, keep).visit(tree)
    if how == 3:
        tree = _Decorated().visit(tree)
    text = ast.unparse(ast.fix_missing_locations(tree)) if how else code
    return _laid_out(text, rng) if how in (0, 2, 4) else text + "\n"


def _laid_out(code: str, rng: random.Random) -> str:
    """Comments and blank lines between top-level statements, a comment after some, spaces at ends of lines."""
    tree = ast.parse(code)
    starts = {min([n.lineno, *(d.lineno for d in getattr(n, "decorator_list", []))]) for n in tree.body}
    inside = {n for s in walk(tree) if isinstance(s, (ast.Constant, ast.JoinedStr)) for n in _lines(s)}
    made = []
    for number, line in enumerate(code.splitlines(), 1):
        if number in starts:
            made += rng.choice([[], [""], [f"# Step {number}"], ["", f"# What follows is part {number}"]])
        made.append(
            line if number in inside or not line or line.endswith("\\") else line + rng.choice(["", "  ", "  # so"])
        )
    return "\n".join(made) + "\n"


def _lines(node: ast.AST) -> range:
    first, last = getattr(node, "lineno", 1), getattr(node, "end_lineno", 1) or 1
    return range(first, last + 1) if last > first else range(0)


class _Renamer(ast.NodeTransformer):
    """Gives other names to what a program binds at its top or in functions, keywords in its own calls included."""

    def __init__(self, tree: ast.Module, rng: random.Random, keep: frozenset[str]) -> None:
        words = [
            f"{a}_{b}" for a in ("item", "part", "value", "thing", "data") for b in ("one", "two", "of", "x", "to")
        ]
        rng.shuffle(words)
        methods = {f for c in walk(tree) if isinstance(c, ast.ClassDef) for f in c.body}
        kept = {name for n in walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) for name in _bound(n)}
        bound = [n.id for n in walk(tree) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)]
        bound += [n.arg for n in walk(tree) if isinstance(n, ast.arg)]
        bound += [n.name for n in walk(tree) if isinstance(n, ast.FunctionDef) and n not in methods]
        fields = {t for c in walk(tree) if isinstance(c, ast.ClassDef) for n in walk(c) for t in _targets(n)}
        free = [
            n
            for n in dict.fromkeys(bound)
            if n not in kept | fields | keep and not hasattr(builtins, n) and n[:2] != "__"
        ]
        self._names = {name: f"{words[k % len(words)]}{k}" for k, name in enumerate(free)}

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self._names.get(node.id, node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self._names.get(node.arg, node.arg)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name = self._names.get(node.name, node.name)
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        if isinstance(node.func, ast.Name) and node.func.id in self._names:
            for keyword in node.keywords:
                keyword.arg = self._names.get(keyword.arg or "", keyword.arg)
        self.generic_visit(node)
        return node


def _bound(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [a.asname or a.name.partition(".")[0] for a in node.names]


def _targets(node: ast.AST) -> list[str]:
    """Names assigned in the body of a class: they are attributes."""
    return [n.id for n in walk(node) if isinstance(n, ast.Name)] if isinstance(node, ast.Assign) else []


class _Decorated(ast.NodeTransformer):
    """Hints on what a program assigns, messages on its assertions, docstrings in its functions."""

    def visit_Assert(self, node: ast.Assert) -> ast.Assert:
        node.msg = ast.Constant("It should hold")
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            return ast.AnnAssign(target=node.targets[0], annotation=ast.Name("object"), value=node.value, simple=1)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        if not ast.get_docstring(node):
            node.body.insert(0, ast.Expr(ast.Constant(f"Does what {re.sub('_', ' ', node.name)} says.")))
        return node
