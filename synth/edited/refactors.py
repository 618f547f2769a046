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
from registry.text import placed_nodes
from synth.claims import has_idle_call, is_result
from synth.dataflow import flow_all
from synth.edited.decided import Whole
from synth.material import Piece, chosen, derived, draw
from synth.source import Edit, Source, applied, first_line, indented

GENERATOR, VERSION = "refactors", "6"
MOST_NAMES = 3
"""Parameters of a function made of a part of a program."""
LONE = 30
"""Of a hundred last lines that could be a function so many become one: nearly every program has such a line."""
MOST_LINES = 12
"""Lines of such a part."""
FEWEST = 3
"""Statements that are worth a comprehension."""
SHORTEST = 4
"""Characters of a name that says something."""
LONGEST = 40
"""Characters of a value that is given a name."""

_HOLDS = ("dict", "frozenset", "list", "set", "sorted", "tuple")
"""What holds the same values as what it is given."""
_CURT = re.compile(r"[a-z]{1,2}$")
_IDIOMS = frozenset({"ax", "df", "fh", "lf", "mi", "ts"})
"""Short names that everybody reads."""
_PLURAL = re.compile(r"[^isu]s$")
_VERBS = re.compile(
    r"(add|remove|generate|read|write|parse|to|from|set|get|convert|find|create|make|draw|relabel|print|dump|load)_"
)


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
    if Whole(piece.program.code, piece.program.test).is_private or has_idle_call(piece.program.code):
        return
    for operator in sorted(REFACTORINGS, key=lambda operator: draw(seed, operator, piece.program.id)):
        made = REFACTORINGS[operator](piece, index)
        if made is not None:
            yield from _row(piece, made, operator, seed)
            return


def extracted(piece: Piece, index: SymbolIndex) -> Refactoring | None:
    """What is done with the subject, from its first call on, in a function of what it is done with."""
    code = Source(piece.program.code)
    body = code.tree.body
    subject = piece.example.symbols[0] if piece.example.symbols else ""
    start = next((at for at, s in enumerate(body) if at and _calls(s, subject.rpartition(".")[2])), None)
    if start is None or _is_no_body(body[start:]) or _is_behind_comment(code, body[start]):
        return None
    if start == len(body) - 1 and not chosen(LONE, "lone", piece.program.id):
        return None
    above, below = flow_all([s for s in body[:start] if not _is_import(s)]), flow_all(body[start:])
    given = [name for name in _in_order(body[start:]) if name in below.reads & above.binds]
    wanted = sorted(below.binds & flow_all(ast.parse(piece.program.test).body).reads)
    first, name = first_line(body[start]), _function_name(body[-1], subject, index)
    if len(wanted) != 1 or not 0 < len(given) <= MOST_NAMES or len(code.lines) - first >= MOST_LINES:
        return None
    if _is_taken(name) or name in _names(piece.program) or any(is_result(n) for n in given):
        return None
    if _target(body[-1]) != wanted[0] or not _says_subject(body[start:], subject.rpartition(".")[2], code, index):
        return None
    head = "".join(code.lines[: first - 1]).rstrip("\n")
    signature = f"{name}({', '.join(given)})"
    said = (
        "Make a function `{}` of the last line: it returns"
        if start == len(body) - 1
        else (f"Move all from line {first} on into a function `{{}}` that returns")
    )
    return Refactoring(
        f"{head}\n\n\ndef {signature}:\n{_body(code, body[start:])}",
        f"{wanted[0]} = {signature}\n{piece.program.test}",
        f"{said.format(signature)} what is bound to `{wanted[0]}` now. Leave everything before it as it is.",
        ((first, len(code.lines)),),
    )


def renamed(piece: Piece, index: SymbolIndex) -> Refactoring | None:
    """A result with a name of a letter or two, under the name of what computes it."""
    code, test = Source(piece.program.code), Source(piece.program.test)
    library = imported_names(code.tree, index.roots)
    for statement in code.tree.body:
        target = _target(statement)
        if target is None or not _CURT.match(target) or target in _IDIOMS or not isinstance(statement, ast.Assign):
            continue
        called = dotted_name(statement.value.func) if isinstance(statement.value, ast.Call) else None
        new = _named_after(statement.value)
        spans, read = _uses(code, target), _uses(test, target)
        if called is None or called.partition(".")[0] not in library or len(new) < SHORTEST or not spans or not read:
            continue
        if (
            _VERBS.match(new)
            or new in _names(piece.program)
            or _is_taken(new)
            or sum(_target(s) == target for s in code.tree.body) > 1
        ):
            continue
        lines = sorted({code.text.count("\n", 0, start) + 1 for start, _ in spans})
        return Refactoring(
            applied(code.text, [(*span, new) for span in spans]),
            applied(test.text, [(*span, new) for span in read]),
            f"`{target}` says little: rename it to `{new}` wherever it stands, and leave everything else as it is.",
            tuple((line, line) for line in lines),
        )
    return None


def collected(piece: Piece, index: SymbolIndex) -> Refactoring | None:
    """Statements in a row that differ in one value, as one comprehension over the values."""
    code, test = Source(piece.program.code), Source(piece.program.test)
    for run in _runs(code.tree.body):
        names = [_target(statement) or "" for statement in run]
        uses = [_uses(test, name) for name in names]
        if len(set(names)) < len(names) or not all(uses) or any(len(_uses(code, name)) != 1 for name in names):
            continue
        values = [v for s in run[1:] for v in (_differing(run[0], s) or ())]
        one, others = values[0], values[1::2]
        plural, item = _plural(_named_after(run[0].value)), _parameter(run[0], one, code, index)
        if len(plural) < SHORTEST or "#" in "".join(code.lines[run[0].lineno - 1 : run[-1].lineno]):
            continue
        if _is_taken(plural) or _is_taken(item) or {plural, item} & _names(piece.program) or plural == item:
            continue
        start, end = code.span(run[0])[0], code.span(run[-1])[1]
        (left, right), (at, until) = code.span(run[0].value), code.span(one)
        listed = ", ".join(code.segment(value) for value in (one, *others))
        loop = f"[{code.text[left:at]}{item}{code.text[until:right]} for {item} in ({listed})]"
        lines = run[0].lineno, run[-1].lineno
        return Refactoring(
            f"{code.text[:start]}{plural} = {loop}{code.text[end:]}",
            applied(test.text, [(*span, f"{plural}[{n}]") for n, spans in enumerate(uses) for span in spans]),
            f"Lines {lines[0]} to {lines[1]} differ in one value alone:\n```python\n{code.text[start:end]}\n```\n"
            f"Replace them by one list comprehension over these values, bound to `{plural}`, in the same order, and "
            "leave everything else as it is.",
            (lines,),
        )
    return None


def named(piece: Piece, index: SymbolIndex) -> Refactoring | None:
    """A value that is given for the same parameter several times, bound once to a variable of that name."""
    code = Source(piece.program.code)
    names = imported_names(code.tree, index.roots)
    uses: dict[tuple[str, str], list[tuple[ast.stmt, ast.expr]]] = {}
    for statement in code.tree.body:
        for argument, name in _literals(statement, names, index):
            uses.setdefault((name, code.segment(argument)), []).append((statement, argument))
    for (name, text), found in uses.items():
        if len(found) < 2 or len(name) < SHORTEST or name in _names(piece.program) or _is_taken(name):
            continue
        if (
            name == "name"
            or _PLURAL.search(name)
            or not all(isinstance(statement, (ast.Assign, ast.Expr)) for statement, _ in found)
        ):
            continue
        if text.strip("'\"") == name:  # `weight = "weight"` tells nobody anything
            continue
        at = code.span(found[0][0])[0]
        lines = sorted({(s.lineno, s.end_lineno or s.lineno) for s, _ in found})
        edits: list[Edit] = [(*code.span(argument), name) for _, argument in found]
        told = " and ".join(filter(None, [", ".join(str(a) for a, _ in lines[:-1]), str(lines[-1][0])]))
        where = f"in lines {told}" if len(lines) > 1 else f"in line {told}"
        return Refactoring(
            applied(code.text, [(at, at, f"{name} = {text}\n"), *edits]),
            f"{piece.program.test.rstrip()}\nassert {name} == {text}\n",
            f"`{text}` is given for the parameter `{name}` {len(found)} times, {where}. Bind it to a variable "
            f"`{name}` on a line before line {lines[0][0]}, use that instead, and leave everything else as it is.",
            tuple(lines),
        )
    return None


REFACTORINGS: Mapping[str, Callable[[Piece, SymbolIndex], Refactoring | None]] = {
    "extract-function": extracted,
    "collect-results": collected,
    "introduce-variable": named,
    "rename-variable": renamed,
}
"""Operator -> what makes it."""


def _calls(statement: ast.stmt, name: str) -> bool:
    called = [dotted_name(n.func) or "" for n in ast.walk(statement) if isinstance(n, ast.Call)]
    return bool(name) and any(dotted.rpartition(".")[2] == name for dotted in called)


def _is_import(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.Import, ast.ImportFrom))


def _is_behind_comment(code: Source, statement: ast.stmt) -> bool:
    above = "".join(code.lines[: first_line(statement) - 1]).rstrip()
    return above.rpartition("\n")[2].lstrip().startswith("#")


def _is_no_body(statements: Sequence[ast.stmt]) -> bool:
    """Whether statements can't become a function's body as they are."""
    refused = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Global, ast.Import, ast.ImportFrom)
    return any(isinstance(node, refused) for s in statements for node in ast.walk(s))


def _in_order(statements: Sequence[ast.stmt]) -> list[str]:
    return list(dict.fromkeys(n.id for s in statements for n in ast.walk(s) if isinstance(n, ast.Name)))


def _says_subject(statements: Sequence[ast.stmt], subject: str, code: Source, index: SymbolIndex) -> bool:
    """Whether what the last statement binds is the subject's: nothing else of the library is called behind it."""
    library = imported_names(code.tree, index.roots)
    later = [dotted_name(n.func) or "" for s in statements[1:] for n in ast.walk(s) if isinstance(n, ast.Call)]
    own = [dotted_name(n.func) or "" for n in ast.walk(statements[0]) if isinstance(n, ast.Call)]
    outer = next((name for name in own if name.partition(".")[0] in library), "")
    return not any(name.partition(".")[0] in library for name in later) and outer.rpartition(".")[2] in (subject, "")


def _body(code: Source, statements: Sequence[ast.stmt]) -> str:
    """The lines of statements as a function's body, which returns what the last one binds."""
    last = statements[-1]
    assert isinstance(last, ast.Assign)
    start, left = code.offset(first_line(statements[0]), 0), code.span(last)[0]
    return indented(f"{code.text[start:left]}return {code.inline(last.value)}\n")


def _function_name(last: ast.stmt, subject: str, index: SymbolIndex) -> str:
    """A name for a function that returns what is bound last: after the subject where that is its value."""
    value = last.value if isinstance(last, ast.Assign) else None
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _HOLDS and value.args:
        value = value.args[0]
    if isinstance(value, ast.Call) and (dotted_name(value.func) or "").rpartition(".")[2] == subject.rpartition(".")[2]:
        return _done_with(subject, index)
    target = _target(last) or ""
    says = len(target) >= SHORTEST and target.islower() and not is_result(target) and not _VERBS.match(target)
    return f"compute_{target}" if says else ""


def _done_with(subject: str, index: SymbolIndex) -> str:
    """A name for a function that calls the subject; empty where that is a class, or already says what it does."""
    symbol = index.by_path.get(subject)
    name = _snake(subject.rpartition(".")[2])
    if symbol is None or symbol.kind not in ("function", "method") or _VERBS.match(name):
        return ""
    for asks in ("is_", "has_"):
        if name.startswith(asks):
            return f"check_{name.removeprefix(asks)}"
    return f"make_{name}" if name.endswith("_graph") else f"compute_{name}"


def _runs(body: Sequence[ast.stmt]) -> Iterator[list[ast.Assign]]:
    """Neighbouring assignments to results, each on a line, that differ from the first in one literal."""
    run: list[ast.Assign] = []
    for statement in [*body, ast.Pass()]:
        fits = isinstance(statement, ast.Assign) and is_result(_target(statement) or "")
        if run and fits and isinstance(statement, ast.Assign) and _differing(run[0], statement) is not None:
            run.append(statement)
            continue
        if len({ast.dump(v) for s in run[1:] for v in _differing(run[0], s) or ()}) == len(run) >= FEWEST:
            yield run
        run = [statement] if fits and isinstance(statement, ast.Assign) and _is_flat(statement) else []


def _is_flat(statement: ast.stmt) -> bool:
    return statement.lineno == statement.end_lineno


def _differing(one: ast.Assign, other: ast.Assign) -> tuple[ast.Constant, ast.Constant] | None:
    """The only literals in which two assignments of calls differ; None where they do in anything else."""
    if not _is_flat(other) or not isinstance(one.value, ast.Call):
        return None
    pairs = list(zip(ast.walk(one.value), ast.walk(other.value), strict=False))
    unlike = [
        (a, b) for a, b in pairs if isinstance(a, ast.Constant) and isinstance(b, ast.Constant) and a.value != b.value
    ]
    if len(unlike) != 1:
        return None
    before, after = (ast.dump(s.value).replace(ast.dump(v), "") for s, v in zip((one, other), unlike[0], strict=True))
    return unlike[0] if before == after else None


def _parameter(statement: ast.stmt, value: ast.expr | None, code: Source, index: SymbolIndex) -> str:
    """The name of the parameter that a literal is given for; `value` where it isn't known."""
    names = imported_names(code.tree, index.roots)
    found = next((name for argument, name in _literals(statement, names, index) if argument is value), "")
    given = [k.arg for n in ast.walk(statement) if isinstance(n, ast.Call) for k in n.keywords if k.value is value]
    return found or next((name for name in given if name), "value")


def _literals(statement: ast.stmt, names: Mapping[str, str], index: SymbolIndex) -> Iterator[tuple[ast.expr, str]]:
    """(a literal argument, the name of its parameter) of the library calls in a statement."""
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
        given = [*zip(node.args, positional, strict=False), *((k.value, k.arg or "") for k in node.keywords)]
        for argument, name in given:
            if _is_plain(argument) and name.isidentifier():
                yield argument, name


def _is_plain(node: ast.expr) -> bool:
    """A number or a text of some length, on one line."""
    if not isinstance(node, ast.Constant) or node.lineno != node.end_lineno or isinstance(node.value, bool):
        return False
    return isinstance(node.value, (int, float, str)) and len(repr(node.value)) <= LONGEST


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


def _plural(name: str) -> str:
    if not name or name.startswith(("is_", "has_")) or _VERBS.match(name):
        return ""
    if name.endswith("s"):
        return f"all_{name}"
    return name[:-1] + "ies" if name.endswith("y") and name[-2:-1] not in "aeiou" else name + "s"


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


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _uses(source: Source, name: str) -> list[tuple[int, int]]:
    """Where a name stands; nowhere where an f-string has it too, in which it can't be found."""
    found = [source.span(n) for n in placed_nodes(source.tree) if _is_name(n, name)]
    every = sum(_is_name(n, name) for n in ast.walk(source.tree))
    return sorted(found) if len(found) == every else []


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
