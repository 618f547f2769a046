"""Templates: what stands for an old call now, with holes for its receiver and arguments (`pd.concat([a, b])`)."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from registry.names import SymbolIndex
from registry.records import Change, Symbol
from synth.migrated.arguments import without_receiver
from synth.migrated.calls import bound_by_imports
from synth.migrated.rules import HOLE, Rule, positional

LONGEST = 120
"""Characters of a template: longer ones tell of one test, not of the library."""


@dataclass(frozen=True)
class Template:
    """An expression with holes.

    Attributes:
        text: The expression; `synth.migrated.rules.HOLE` says what a hole looks like.
        imports: Names it needs: (name, dotted path).
    """

    text: str
    imports: tuple[tuple[str, str], ...] = ()


def learnt(old: ast.Call, new: ast.expr, new_code: str, *, method: bool) -> Template | None:
    """What a maintainer put in a call's place, as a template; None where it holds something of that test alone.

    Args:
        old: The call.
        new: What stands there now.
        new_code: The program around it, for its imports.
        method: Whether an object's method is called: the object goes along.
    """
    holes: dict[str, str] = {}
    for name, node in _parts(old, method=method):
        holes.setdefault(ast.dump(node), name)
    hollow = _Hollow(holes)
    made = hollow.visit(ast.parse(ast.unparse(new), mode="eval").body)
    if set(holes.values()) - hollow.used:
        return None
    imports = bound_by_imports(new_code)
    names = {n.id for n in ast.walk(made) if isinstance(n, ast.Name) and not HOLE.fullmatch(n.id)}
    free = (
        names - set(dir(builtins)) - {a.arg for n in ast.walk(made) if isinstance(n, ast.Lambda) for a in n.args.args}
    )
    text = ast.unparse(made)
    if free - imports.keys() or len(text) > LONGEST or HOLE.fullmatch(text):
        return None
    return Template(text, tuple((name, imports[name]) for name in sorted(free)))


def _parts(call: ast.Call, *, method: bool) -> Iterator[tuple[str, ast.expr]]:
    """What the holes of a call are filled with."""
    if method and isinstance(call.func, ast.Attribute):
        yield "self", call.func.value
    for i, argument in enumerate(call.args):
        yield str(i), argument
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value


class _Hollow(ast.NodeTransformer):
    """Puts holes where parts of the old call stand."""

    def __init__(self, holes: Mapping[str, str]) -> None:
        self.holes, self.used = holes, set[str]()

    def visit(self, node: ast.AST) -> ast.AST:
        name = self.holes.get(ast.dump(node)) if isinstance(node, ast.expr) else None
        if name is None:
            return self.generic_visit(node)
        self.used.add(name)
        return ast.copy_location(ast.Name(f"_hole_{name}", ast.Load()), node)


def guessed(
    change: Change, before: Symbol, old: SymbolIndex, new: SymbolIndex, aliases: Mapping[str, str]
) -> list[Rule]:
    """Rules for a symbol that went where a note names something of another sort: a function, an expression.

    Args:
        change: The change.
        before: The symbol at old.
        old: Symbols of the old release.
        new: Symbols of the new one.
        aliases: How programs import the library's packages.
    """
    if change.kind not in ("removed", "deprecated", "renamed") or not change.replacement:
        return []
    target = new.by_path.get(new.canonical(change.replacement) or "")
    if target is not None:
        found = list(_other_sort(before, target, new, aliases))
    else:
        found = list(_noted(change.replacement, before, old, aliases))
    path = target.path if target is not None else before.path
    return [
        Rule("expression", before.path, path, change.id, change.symbol, template=t.text, imports=t.imports)
        for t in found
    ]


def _other_sort(before: Symbol, target: Symbol, new: SymbolIndex, aliases: Mapping[str, str]) -> Iterator[Template]:
    """A method whose place a function takes, or the other way round; all the ways to pass what it was called with."""
    arguments = [*without_receiver(positional(before))]
    if before.kind == "method" and target.kind == "function":
        root, _, rest = new.public(target.path).partition(".")
        name, imports = f"{aliases.get(root, root)}.{rest}", ((aliases.get(root, root), root),)
        for many in range(min(3, len(arguments) + 1)):
            holes = ["_hole_self", *(f"_hole_{i}" for i in range(many))]
            yield Template(f"{name}({', '.join(holes)})", imports)
            yield Template(f"{name}([{', '.join(holes)}])", imports)
    elif before.kind == "function" and target.kind == "method":
        name = target.path.rpartition(".")[2]
        for many in range(1, min(4, len(arguments) + 1)):
            yield Template(f"_hole_0.{name}({', '.join(f'_hole_{i}' for i in range(1, many))})")


def _noted(text: str, before: Symbol, old: SymbolIndex, aliases: Mapping[str, str]) -> Iterator[Template]:
    """The expression that a note gives, for the calls that it can stand for as it is."""
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        return
    if any(isinstance(n, ast.Constant) and n.value is Ellipsis for n in ast.walk(tree)) or not isinstance(
        tree, ast.Call
    ):
        return
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    known = {alias: root for root, alias in aliases.items()} | {root: root for root in aliases}
    given = [n for n in without_receiver(positional(before)) if n in names]
    body = text
    for i, name in enumerate(given):
        body = _replaced(body, name, f"_hole_{i}")
    head = next(n.id for n in ast.walk(_innermost(tree)) if isinstance(n, ast.Name))
    imports = tuple((n, known[n]) for n in sorted(names & known.keys()))
    if head in known:
        yield Template(body, imports)
    elif before.kind in ("method", "attribute"):
        owner = before.path.rpartition(".")[0]
        if f"{owner}.{head}" in old.by_path:
            yield Template(f"_hole_self.{body}", imports)
        else:
            yield Template(f"_hole_owner.{body}", imports)
            yield Template(f"_hole_self.{body}", imports)


def _innermost(node: ast.expr) -> ast.expr:
    """What a chain of calls and attributes begins with."""
    while isinstance(node, (ast.Call, ast.Attribute, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node if isinstance(node, ast.Name) else ast.Name("")


def _replaced(text: str, name: str, hole: str) -> str:
    tree = ast.parse(text, mode="eval")
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name:
            node.id = hole
    return ast.unparse(tree)
