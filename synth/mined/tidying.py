"""What is left behind where set-up, parameters and fixtures were put in place, written as a person would write it."""

from __future__ import annotations

import ast
import inspect
import re
from collections import Counter
from collections.abc import Callable, Sequence

from registry.names import dotted_name
from synth.dataflow import flow, flow_all, nodes
from synth.source import Edit, Source, applied, read

_ROUNDS = 8
"""Most times that a script is gone through: one left-over put away may show the next."""

_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*(?:type:|noqa|pragma|fmt:|pylint|nosec).*$", re.MULTILINE)


def tidied(script: str) -> str:
    """A flat script without left-overs.

    Args:
        script: It.

    Raises:
        SyntaxError: It is no Python.
    """
    source = read(script)
    for mend in _MENDS:
        for _ in range(_ROUNDS):
            edits = mend(source)
            if not edits:
                break
            source = read(applied(source.text, edits))
    return source.text


def _directives(source: Source) -> list[Edit]:
    """Comments to tools."""
    if "#" not in source.text:
        return []
    strings = [source.span(n) for n in nodes(source.tree) if isinstance(n, (ast.Constant, ast.JoinedStr))]
    return [
        (*found.span(), "")
        for found in _DIRECTIVE.finditer(source.text)
        if not any(a < found.end() and found.start() < b for a, b in strings)
    ]


def _messages(source: Source) -> list[Edit]:
    """`assert x, message`: whether `x` holds says enough."""
    found = [n for n in nodes(source.tree) if isinstance(n, ast.Assert) and n.msg is not None]
    return [(_end(source, n.test), source.span(n)[1], "") for n in found]


def _end(source: Source, node: ast.expr) -> int:
    """Where an expression ends, parentheses around it included."""
    end = source.span(node)[1]
    rest = re.match(r"[\s)]*", source.text[end:])
    assert rest is not None
    return end + len(rest.group().rstrip())


def _unpackings(source: Source) -> list[Edit]:
    """`f(*(1, 2))` -> `f(1, 2)`."""
    for node in nodes(source.tree):
        match node:
            case ast.Starred(value=ast.Tuple(elts=items) | ast.List(elts=items)):
                return [(*source.span(node), ", ".join(source.inline(item) for item in items))] if items else []
    return []


def _to_themselves(source: Source) -> list[Edit]:
    """`n, k = n, k`, what is left of `n, k = self.n, self.k`."""
    found = []
    for body in _bodies(source.tree):
        for statement in body:
            match statement:
                case ast.Assign(targets=[target], value=value) if isinstance(target, (ast.Name, ast.Tuple)):
                    if len(body) > 1 and type(value) is type(target) and ast.unparse(target) == ast.unparse(value):
                        found.append(_cut(source, statement))
    return found


def _unread(source: Source) -> list[Edit]:
    """Assignments of plain values to names that nothing reads."""
    read = {n.id for n in nodes(source.tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    read |= flow_all(source.tree.body).reads  # and what texts name, as queries do
    edits: list[Edit] = []
    for body in _bodies(source.tree):
        gone = [s for s in body if _binds_only(s, read)]
        if len(gone) < len(body):
            edits += [_cut(source, s) for s in gone]
    return edits


def _bodies(tree: ast.AST) -> list[list[ast.stmt]]:
    """The blocks of a script, those of classes apart: what these bind is read as attributes."""
    found = []
    for node in nodes(tree):
        if not isinstance(node, (ast.expr, ast.ClassDef)):
            found += [b for name in ("body", "orelse", "finalbody") if isinstance(b := getattr(node, name, None), list)]
    return found


def _binds_only(statement: ast.stmt, read: set[str]) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in read:
            return all(not isinstance(n, ast.Call) or _formats(n) for n in nodes(value))
    return False


def _formats(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "format"


def _cut(source: Source, statement: ast.stmt) -> Edit:
    """The edit that takes a statement out with its line."""
    start, end = source.span(statement)
    line, after = source.offset(statement.lineno, 0), source.offset((statement.end_lineno or 0) + 1, 0)
    whole = not source.text[line:start].strip() and not source.text[end:after].strip().strip("\\").startswith(";")
    return (line, after, "") if whole else (start, end, "pass")


def _second_names(source: Source) -> list[Edit]:
    """Names that only stand for another: `algo = algorithm`, `G = nx.Graph; G = G()`, `Graph = MyGraph`."""
    body = source.tree.body
    modules = flow_all(s for s in body if isinstance(s, (ast.Import, ast.ImportFrom))).binds
    named = modules | {s.name for s in body if isinstance(s, (ast.ClassDef, ast.FunctionDef))}
    for position, statement in enumerate(body):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name() | ast.Attribute() as value):
                dotted = dotted_name(value)
                root = (dotted or "").partition(".")[0]
                if not dotted or (isinstance(value, ast.Attribute) and root not in modules):
                    continue
                if any(isinstance(n, ast.Attribute) and _is_set(n, dotted) for n in nodes(source.tree)):
                    continue  # `old = lib.f`, to put it back
                if root not in named and root not in flow_all(body[:position]).binds:
                    continue
                if any(name in flow(s).reads for s in body[:position] if isinstance(s, ast.FunctionDef)):
                    continue
                places = _places(source, body[position + 1 :], name, root)
                if places is not None:
                    return [_cut(source, statement), *((a, b, dotted) for a, b in places)]
    return []


def _is_set(node: ast.Attribute, dotted: str) -> bool:
    return not isinstance(node.ctx, ast.Load) and dotted_name(node) == dotted


def _places(source: Source, after: Sequence[ast.stmt], name: str, root: str) -> list[tuple[int, int]] | None:
    """Where a name is read until it is bound anew; None where it can't be told, or what it stands for changes."""
    places: list[tuple[int, int]] = []
    for statement in after:
        inside = [n for n in nodes(statement) if isinstance(n, ast.Name) and n.id == name]
        reads = [n for n in inside if isinstance(n.ctx, ast.Load)]
        bound = name in flow(statement).binds
        if any(isinstance(n, ast.JoinedStr) and name in flow(n).reads for n in nodes(statement)):
            return None
        if any(isinstance(n, ast.arg) and n.arg == name for n in nodes(statement)):
            return None
        if len(inside) > len(reads) and not (bound and isinstance(statement, ast.Assign)):
            return None
        places += map(source.span, reads)
        if bound:
            return places if isinstance(statement, ast.Assign) else None
        if root in flow(statement).binds:
            return places if not _read_later(after[after.index(statement) + 1 :], name) else None
    return places


def _read_later(after: Sequence[ast.stmt], name: str) -> bool:
    return any(name in flow(s).reads for s in after)


def _docstrings(source: Source) -> list[Edit]:
    """Docstrings of helpers, indented as the helper is."""
    edits: list[Edit] = []
    for node in nodes(source.tree):
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            continue
        match node.body[0]:
            case ast.Expr(value=ast.Constant(value=str() as text) as constant) if "\n" in text:
                lines = inspect.cleandoc(text).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
                quoted = f'"""{lines}\n"""' if "\n" in lines else f'"""{lines}"""'
                blanks = constant.col_offset
                new = "\n".join((" " * blanks + line if line else line) for line in quoted.split("\n"))[blanks:]
                if new != source.segment(constant):
                    edits.append((*source.span(constant), new))
    return edits


def _once(source: Source) -> list[Edit]:
    """Short values with a name of set-up that are read once, as the value of an option of that name."""
    counts = Counter(n.id for n in nodes(source.tree) if isinstance(n, ast.Name))
    for statement in source.tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant() as value) if counts[name] == 2:
                for node in nodes(source.tree):
                    match node:
                        case ast.keyword(value=ast.Name(id=used) as place) if used == name:
                            return [_cut(source, statement), (*source.span(place), source.segment(value))]
    return []


_MENDS: tuple[Callable[[Source], list[Edit]], ...] = (
    _directives, _messages, _unpackings, _to_themselves, _second_names, _once, _unread, _docstrings,
)  # fmt: skip
