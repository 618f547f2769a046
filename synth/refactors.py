"""`edit` rows that keep behaviour: proven programs in another shape, which the instruction asks for and a test needs.

Each new shape has a name that the test uses, so that the test fails before the edit; all that the test asked for
before it asks for still.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from registry.names import SymbolIndex, dotted_name, imported_names
from registry.records import Example, Program
from registry.text import Text, placed_nodes
from synth.dataflow import flow_all
from synth.material import Piece, derived, draw
from synth.source import Source, first_line, indented

GENERATOR, VERSION = "refactors", "2"
MOST_RETURNED = 3
"""Values that a function made of a program returns."""

_RESULT = re.compile(r"result\d*$")
_FLAG = re.compile(r"(raised|warned|caught)\d*$")


@dataclass(frozen=True)
class Refactoring:
    """A program in another shape.

    Attributes:
        code: Its code.
        test: What is asked of it.
        prompt: The instruction.
        scope: Ranges [first, last] of lines of the old code that change, 1-based.
    """

    code: str
    test: str
    prompt: str
    scope: tuple[tuple[int, int], ...]


def mine(piece: Piece, index: SymbolIndex, *, seed: int = 0) -> Iterator[Program | Example]:
    """A refactoring of a proven program: both Programs with the new test, then the Example; none where none fits.

    Args:
        piece: The example with its program.
        index: The release's symbols.
        seed: Seed of the draws.
    """
    for operator in sorted(REFACTORINGS, key=lambda operator: draw(seed, operator, piece.program.id)):
        made = REFACTORINGS[operator](piece, index)
        if made is not None:
            yield from _row(piece, made, operator, seed)
            return


def renamed(piece: Piece, index: SymbolIndex) -> Refactoring | None:
    """A numbered result under the name of what computes it."""
    code, test = Source(piece.program.code), Source(piece.program.test)
    for statement in code.tree.body:
        target = _target(statement)
        if target is None or not _RESULT.match(target) or not isinstance(statement, ast.Assign):
            continue
        new = _named_after(statement.value)
        spans, read = _uses(code, target), _uses(test, target)
        if new in _names(piece.program) or _is_taken(new) or not spans or not read:
            continue
        lines = sorted({code.text.count("\n", 0, start) + 1 for start, _ in spans})
        return Refactoring(
            _put(code.text, spans, new),
            _put(test.text, read, new),
            f"Rename the variable `{target}` to `{new}` wherever it stands, and leave everything else as it is.",
            tuple((line, line) for line in lines),
        )
    return None


def wrapped(piece: Piece, index: SymbolIndex) -> Refactoring | None:
    """All below the imports in a function that returns what the test reads."""
    code = Source(piece.program.code)
    body = code.tree.body
    head = [s for s in body if isinstance(s, (ast.Import, ast.ImportFrom))]
    rest = body[len(head) :]
    if not rest or body[: len(head)] != head or _is_no_body(rest):
        return None
    wanted = sorted(flow_all(rest).binds & flow_all(ast.parse(piece.program.test).body).reads, key=_number_last)
    name = "compute_" + _snake(piece.example.symbols[0].rpartition(".")[2]) if piece.example.symbols else ""
    if any(_FLAG.match(w) for w in wanted) or not 0 < len(wanted) <= MOST_RETURNED:
        return None
    if not name.isidentifier() or name in _names(piece.program):
        return None
    first = first_line(rest[0])
    above, below = "".join(code.lines[: first - 1]).rstrip("\n"), "".join(code.lines[first - 1 :]).rstrip("\n") + "\n"
    if not above or above.splitlines()[-1].lstrip().startswith("#"):
        return None
    returned = ", ".join(wanted)
    named = [f"`{name}`" for name in wanted]
    quoted = " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))
    return Refactoring(
        f"{above}\n\n\ndef {name}():\n{indented(below)}    return {returned}\n",
        f"{returned} = {name}()\n{piece.program.test}",
        f"Put all below the imports into a function `{name}()` that returns {quoted}. What it does stays the same.",
        ((len(above.splitlines()) + 1, len(code.lines)),),
    )


def parametrised(piece: Piece, index: SymbolIndex) -> Refactoring | None:
    """A literal argument bound to a variable with the name of its parameter."""
    code = Source(piece.program.code)
    names = imported_names(code.tree, index.roots)
    for statement in code.tree.body:
        if isinstance(statement, (ast.Assign, ast.Expr)):
            for argument, name in _literals(statement, names, index):
                if name in _names(piece.program) or _is_taken(name):
                    continue
                start, end = code.span(argument)
                at = code.span(statement)[0]
                text = code.text[start:end]
                changed = f"{code.text[:at]}{name} = {text}\n{code.text[at:start]}{name}{code.text[end:]}"
                quoted = code.segment(statement)
                return Refactoring(
                    changed,
                    f"{piece.program.test.rstrip()}\nassert {name} == {text}\n",
                    f"Bind the `{text}` of\n```python\n{quoted}\n```\nto a variable `{name}` on a line before it, use "
                    "that instead, and leave everything else as it is.",
                    ((statement.lineno, statement.end_lineno or statement.lineno),),
                )
    return None


REFACTORINGS: Mapping[str, Callable[[Piece, SymbolIndex], Refactoring | None]] = {
    "rename-variable": renamed,
    "extract-function": wrapped,
    "introduce-variable": parametrised,
}
"""Operator -> what makes it."""


def _literals(statement: ast.stmt, names: Mapping[str, str], index: SymbolIndex) -> Iterator[tuple[ast.expr, str]]:
    """(a literal argument on one line, the name of its parameter) of the library calls in a statement."""
    for node in placed_nodes(statement):
        dotted = dotted_name(node.func) if isinstance(node, ast.Call) else None
        if not isinstance(node, ast.Call) or dotted is None or dotted.partition(".")[0] not in names:
            continue
        head, dot, tail = dotted.partition(".")
        path = index.canonical(names[head] + dot + tail)
        symbol = index.by_path.get(path or "")
        if symbol is None or symbol.kind != "function":
            continue
        positional = [str(p["name"]) for p in symbol.parameters if str(p["kind"]).startswith("positional")]
        for argument, name in [
            *zip(node.args, positional, strict=False),
            *((k.value, k.arg or "") for k in node.keywords),
        ]:
            if _is_plain(argument) and name.isidentifier():
                yield argument, name


def _is_plain(node: ast.expr) -> bool:
    """A number, a text or a list of such, on one line."""
    if node.lineno != node.end_lineno:
        return False
    if isinstance(node, (ast.List, ast.Tuple)):
        return bool(node.elts) and isinstance(node, ast.List) and all(_is_plain(e) for e in node.elts)
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, (int, float, str))
        and not isinstance(node.value, bool)
    )


def _target(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return None


def _named_after(value: ast.expr) -> str:
    """The name of the function that a value comes from, without what the outer `list(…)` or `len(…)` does."""
    while isinstance(value, ast.Call):
        if isinstance(value.func, ast.Attribute):
            return _snake(value.func.attr)
        if not (isinstance(value.func, ast.Name) and hasattr(builtins, value.func.id) and value.args):
            return _snake(value.func.id) if isinstance(value.func, ast.Name) else ""
        value = value.args[0]
    return ""


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")


def _is_taken(name: str) -> bool:
    return not name.isidentifier() or keyword.iskeyword(name) or hasattr(builtins, name)


def _names(program: Program) -> frozenset[str]:
    """What a program's names are, as far as a new one could meet them."""
    nodes = [node for text in (program.code, program.test) for node in ast.walk(ast.parse(text))]
    own = {n.id if isinstance(n, ast.Name) else n.arg for n in nodes if isinstance(n, (ast.Name, ast.arg))}
    both = flow_all([*ast.parse(program.code).body, *ast.parse(program.test).body])
    return frozenset(own | both.reads | both.binds)


def _uses(source: Text, name: str) -> list[tuple[int, int]]:
    """Where a name stands; nowhere where an f-string has it too, in which it can't be found."""
    tree = ast.parse(source.text)
    found = [source.span(n) for n in placed_nodes(tree) if isinstance(n, ast.Name) and n.id == name]
    every = sum(isinstance(n, ast.Name) and n.id == name for n in ast.walk(tree))
    return sorted(found) if len(found) == every else []


def _put(text: str, spans: Sequence[tuple[int, int]], new: str) -> str:
    for start, end in reversed(spans):
        text = text[:start] + new + text[end:]
    return text


def _number_last(name: str) -> tuple[str, int, str]:
    digits = re.search(r"\d+$", name)
    return name.rstrip("0123456789"), int(digits.group()) if digits else 0, name


def _is_no_body(statements: Sequence[ast.stmt]) -> bool:
    """Whether statements can't become a function's body as they are."""
    refused = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Global, ast.Import, ast.ImportFrom)
    return any(isinstance(node, refused) for s in statements for node in ast.walk(s))


def _row(piece: Piece, made: Refactoring, operator: str, seed: int) -> Iterator[Program | Example]:
    before = replace(piece.program, test=made.test)
    after = replace(piece.program, code=made.code, test=made.test)
    parts = {
        "programs": {"before": before.id, "after": after.id},
        "prompt": made.prompt,
        "scope": [list(lines) for lines in made.scope],
    }
    yield before
    yield after
    yield derived(piece.example, "edit", parts, (GENERATOR, VERSION), operator=operator, seed=seed)
