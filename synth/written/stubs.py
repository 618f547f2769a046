"""Stubs of a task: its answer with the function's body replaced by one that does nothing of what was asked.

A test that passes on any of them says nothing about the answer: it is vacuous. Each stub makes another kind of empty
test visible:

* `raise NotImplementedError`: the function is never called, or whatever it raises is swallowed;
* `return None`: what it returns isn't looked at (`f(x) == f(x)`, `isinstance(f(x), object)`, `print(f(x))`);
* one of its arguments: only relations to it are checked (`len(f(x)) == len(x)`, `set(f(x)) <= set(x)`), or calls
  that give it back;
* an empty value of the kind that it is annotated with, or tested for: only the kind is (`isinstance(f(x), list)`);
* constants of that kind: only that something is there (`f(x)`, `len(f(x)) > 0`, `f(x) is not None`, `f(x) >= 0`);
* the value that several calls are all compared with: no call gives anything else.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace

from registry.names import dotted_name
from registry.records import Program
from registry.text import lines_of
from registry.trees import parsed, walk

_EMPTY = {
    "bool": "False", "int": "0", "float": "0.0", "complex": "0j", "str": "''", "bytes": "b''", "list": "[]",
    "tuple": "()", "dict": "{}", "set": "set()", "frozenset": "frozenset()",
}  # fmt: skip
"""Built-in type -> its empty value."""

_PLAIN = {
    "bool": ("True",), "int": ("1", "1000003"), "float": ("0.5", "1000003.0"), "complex": ("1j",), "str": ("'a'",),
    "bytes": ("b'a'",),
}  # fmt: skip
"""Built-in type -> constants of it: a small one, and of numbers a large one."""

_SPELLED = {"List": "list", "Dict": "dict", "Tuple": "tuple", "Set": "set", "FrozenSet": "frozenset"} | {
    "Sequence": "list", "Iterable": "list", "Collection": "list", "Mapping": "dict", "AbstractSet": "set",
}  # fmt: skip
"""Other names of built-in types in annotations."""

_MOST_ARGUMENTS = 6
"""Arguments that are given back, each by a stub of its own."""

_UNKNOWN = ("int", "str", "list", "dict")
"""Kinds of a result of which neither annotation nor test tells."""


def stubs(answer: Program, entry: str) -> tuple[Program, ...]:
    """The stubs of an answer, each once; none where it doesn't define the function, which no test can check then.

    Args:
        answer: The program.
        entry: Name of the function, defined at its top level.
    """
    found = definition(answer.code, entry)
    if found is None:
        return ()
    bodies = ["raise NotImplementedError", "return None"]
    bodies += [f"return {value}" for value in (*_arguments(found), *_values(found, answer.test))]
    bodies += [f"return {value}" for value in _only_value(answer.test, entry)]
    made = [replace(answer, code=_with_body(answer.code, found, body)) for body in dict.fromkeys(bodies)]
    return tuple({program.id: program for program in made if program.code != answer.code}.values())


def definition(code: str, entry: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The last definition of a function at a program's top level; None where there is none."""
    tree = parsed(code)
    nodes = reversed(tree.body) if tree is not None else ()
    return next((n for n in nodes if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)) and n.name == entry), None)


def _with_body(code: str, found: ast.FunctionDef | ast.AsyncFunctionDef, body: str) -> str:
    """The program with another body there; what describes the function stays."""
    doc = ast.get_docstring(found, clean=False) is not None
    stripped = [ast.parse(body).body[0]]
    made = type(found)(**dict(ast.iter_fields(found)))
    made.body = [*found.body[:1], *stripped] if doc else list(stripped)
    lines = lines_of(code)
    first = min([found.lineno, *(d.lineno for d in found.decorator_list)])
    text = ast.unparse(ast.fix_missing_locations(made))
    return "".join([*lines[: first - 1], text + "\n", *lines[found.end_lineno :]])


def _arguments(found: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    given = found.args
    every = [*given.posonlyargs, *given.args, *([given.vararg] if given.vararg else []), *given.kwonlyargs]
    return [argument.arg for argument in every[:_MOST_ARGUMENTS]]


def _only_value(test: str, entry: str) -> list[str]:
    """The literal that two calls or more are compared with, where it is the same one for all."""
    tree = parsed(test)
    compared = [n for n in walk(tree) if isinstance(n, ast.Compare) and len(n.ops) == 1] if tree is not None else []
    wanted = [n.comparators[0] for n in compared if isinstance(n.ops[0], ast.Eq | ast.Is) and _calls(n.left, entry)]
    values = {ast.unparse(value) for value in wanted if not any(isinstance(n, ast.Name) for n in walk(value))}
    return [*values] if len(values) == 1 and len(wanted) > 1 else []


def _calls(node: ast.expr, entry: str) -> bool:
    return isinstance(node, ast.Call) and _last(node.func) == entry


def _values(found: ast.FunctionDef | ast.AsyncFunctionDef, test: str) -> Iterator[str]:
    """Empty values and constants of the kinds that the function may return."""
    annotated = list(_kinds(found.returns))
    tested = _tested(test)
    for kind in annotated or [ast.Name(name) for name in tested or _UNKNOWN]:
        name = _name(kind)
        if name in _EMPTY:
            yield _EMPTY[name]
        yield from _constants(kind)


def _kinds(annotation: ast.expr | None, depth: int = 0) -> Iterator[ast.expr]:
    """The types that an annotation names, those of a union one by one; a text is read as what it says."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str) and depth < 3:
        tree = parsed(annotation.value)
        read = tree.body[0] if tree is not None and tree.body else None
        yield from _kinds(read.value, depth + 1) if isinstance(read, ast.Expr) else ()
    elif isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        yield from _kinds(annotation.left, depth)
        yield from _kinds(annotation.right, depth)
    elif isinstance(annotation, ast.Subscript) and _last(annotation.value) in ("Optional", "Union"):
        for part in _parts(annotation):
            yield from _kinds(part, depth)
    elif annotation is not None and _name(annotation) in _EMPTY:
        yield annotation


def _constants(kind: ast.expr, depth: int = 0) -> Iterator[str]:
    """Values of a type that aren't empty."""
    name = _name(kind)
    parts = _parts(kind) if isinstance(kind, ast.Subscript) else []
    inner = [next(_constants(p, depth + 1), "1") if depth < 4 else "1" for p in parts if not _is_dots(p)] or ["1"]
    if name in _PLAIN:
        yield from _PLAIN[name]
    elif name == "list":
        yield f"[{inner[0]}]"
    elif name == "tuple":
        yield f"({', '.join(inner)},)"
    elif name == "dict":
        yield f"{{{inner[0]}: {inner[-1]}}}"
    elif name in ("set", "frozenset"):
        yield f"{name}({{{inner[0]}}})" if name == "frozenset" else f"{{{inner[0]}}}"


def _tested(test: str) -> list[str]:
    """The built-in types that a test names, or compares results with."""
    tree = parsed(test)
    found: dict[str, None] = {}
    for node in walk(tree) if tree is not None else ():
        if isinstance(node, ast.Compare):
            values = [node.left, *node.comparators]
            last = values[-1]
            if isinstance(node.ops[-1], ast.In | ast.NotIn) and isinstance(last, ast.Tuple | ast.List | ast.Set):
                values[-1:] = last.elts  # it is compared with these, one by one
            for value in values:
                name = type(value.value).__name__ if isinstance(value, ast.Constant) else type(value).__name__.lower()
                found.setdefault(name)
        elif isinstance(node, ast.Call) and _last(node.func) == "isinstance":
            found.update(dict.fromkeys(n.id for arg in node.args[1:] for n in walk(arg) if isinstance(n, ast.Name)))
    return [name for name in found if name in _EMPTY]


def _parts(kind: ast.Subscript) -> list[ast.expr]:
    return list(kind.slice.elts) if isinstance(kind.slice, ast.Tuple) else [kind.slice]


def _is_dots(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _name(kind: ast.expr) -> str:
    """The built-in type that an annotation is, without what it is made of."""
    name = _last(kind.value if isinstance(kind, ast.Subscript) else kind)
    return _SPELLED.get(name, name)


def _last(node: ast.expr) -> str:
    return (dotted_name(node) or "").rpartition(".")[2]
