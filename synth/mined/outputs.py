"""What docs state as output, as code and checks: a session's steps become a script and its test."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from registry.text import Text
from registry.trees import parse, parse_expression
from synth.dataflow import ACTING, flow, flow_all, nodes, unbound
from synth.folding import is_literal, reads_as_literal
from synth.source import applied, indented

TALLEST = 40
"""Lines of a shown value beyond which it makes a poor check."""

_COMMENTS = re.compile(r"(?:[ \t]*(?:#.*)?\n)+")
"""Lines above a statement."""

Errors = Callable[[str], str | None]
"""The name by which a program catches an error, by its class's name; None where it has none."""


def builtin_error(name: str) -> str | None:
    """The name of a built-in error."""
    known = getattr(builtins, name, None)
    return name if isinstance(known, type) and issubclass(known, Exception) else None


@dataclass(frozen=True)
class Session:
    """A session as a script.

    Attributes:
        imports: Its own imports, one a line.
        body: Its other statements.
        test: Its checks.
        unbound: Names that it uses and doesn't bind, sorted.
        prose: The paragraph above it.
    """

    imports: str
    body: str
    test: str
    unbound: tuple[str, ...]
    prose: str = ""


@dataclass(frozen=True)
class Step:
    """A prompt: its statement, what the docs say it shows, and the paragraph it stands in."""

    source: str
    tree: ast.stmt
    want: str
    raises: bool
    block: int
    checked: bool = True


def shows(step: Step) -> bool:
    """Whether a step's output is what it is for: `G.degree(1)`, but not `G.add_edge(1, 2)`, which returns a key.

    One that shows a whole object (`df.set_index("year")`) has made that; but `pop` gives what it takes away.
    """
    if not isinstance(step.tree, ast.Expr) or not step.want:
        return False
    call = step.tree.value
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr.startswith(ACTING)):
        return True
    return not (call.func.attr.startswith("pop") or reads_as_literal(step.want.strip()))


class Script:
    """Writes a session's steps as code and test.

    Args:
        steps: The steps; those that are `checked` have an output to compare with.
        errors: What a program calls an error.
    """

    def __init__(self, steps: list[Step], errors: Errors = builtin_error) -> None:
        self.steps, self.errors = steps, errors
        self.imports: list[str] = []
        self.body: list[str] = []
        self.test: list[str] = []
        self.counts: dict[str, int] = {}

    def session(self) -> Session | None:
        """The script; None where nothing is left to check."""
        for at, step in enumerate(self.steps):
            if isinstance(step.tree, (ast.Import, ast.ImportFrom)):
                self.imports.append(step.source)
            elif step.raises:
                if step.checked:
                    self.raising(step)
            elif isinstance(step.tree, ast.Expr) and not is_print(step.tree.value):
                self.expression(step, self.steps[at + 1 :])
            elif _prints(step.tree):
                if step.checked:
                    self.printing(step, self.steps[at + 1 :])
            else:
                self.body.append(step.source)
        if not self.test:
            return None
        body, test = _spaced(self.body), "\n".join(self.test) + "\n"
        try:
            script = parse(f"{body}\n{test}").body
            read = flow_all(script).reads
            imports = [line for line in dict.fromkeys(self.imports) if _is_read(line, read)]
            names = unbound([*ast.parse("\n".join(imports)).body, *script])
        except SyntaxError:
            return None
        return Session("\n".join(imports), body, test, tuple(names))

    def fresh(self, stem: str) -> str:
        """A name of its own for what has none."""
        self.counts[stem] = self.counts.get(stem, 0) + 1
        return f"{stem}{self.counts[stem]}"

    def expression(self, step: Step, after: list[Step]) -> None:
        """`>>> expr` with its output: bound to a name and compared; without, kept for what it does."""
        want = step.want.strip("\n")
        if not step.checked or not _is_exact(want):
            if not _is_plain(step.tree):
                self.body.append(step.source)
            return
        assert isinstance(step.tree, ast.Expr)
        lines = want.replace("<BLANKLINE>", "").split("\n")
        literal = _literal(want)
        if literal is None and len(lines) > TALLEST:
            self.body.append(step.source)
            return
        name = self.named(step.tree.value, step.source, after)
        if literal is not None:
            self.test.append(_equal(name, literal))
        elif len(lines) > 1:
            self.test.append(_same_lines(f"repr({name})", lines))
        else:
            self.test.append(f"assert repr({name}) == {want!r}")

    def named(self, value: ast.expr, source: str, after: list[Step]) -> str:
        """The name that a value has at the end: its own one, or a new one that it is bound to."""
        if isinstance(value, ast.Name) and not any(value.id in flow(s.tree).binds for s in after):
            return value.id
        name = self.fresh("result")
        self.body.append(_bound(name, source))
        return name

    def raising(self, step: Step) -> None:
        """A statement whose output is a traceback: the error is caught, and its message is what is checked."""
        lines = step.want.splitlines()
        found = next((m for line in lines if (m := re.match(r"([A-Za-z_][\w.]*)(?:: (.*))?$", line.rstrip()))), None)
        caught = self.errors(found.group(1).rpartition(".")[2]) if found is not None else None
        if found is None or caught is None:
            return
        message, name = found.group(2), self.fresh("raised")
        if not message or "..." in message or lines[-1] != found.group():
            self.body.append(
                f"try:\n{indented(step.source)}\nexcept {caught}:\n    {name} = True\nelse:\n    {name} = False"
            )
            self.test.append(f"assert {name} is True")
            return
        self.body.append(
            f"try:\n{indented(step.source)}\nexcept {caught} as error:\n    {name} = str(error)\n"
            f"else:\n    {name} = None"
        )
        self.test.append(f"assert {name} == {message!r}")

    def printing(self, step: Step, after: list[Step]) -> None:
        """`print(x)`, also at the end of a block or in a loop: what is printed is bound to a name and compared."""
        if not _is_exact(step.want) or "<BLANKLINE>" in step.want:
            return
        want = step.want.removesuffix("\n")
        text = Text(step.source)
        match step.tree:
            case ast.Expr(value=ast.Call(args=[argument], keywords=[])) if not isinstance(argument, ast.Starred):
                self.compared(self.named(argument, text.segment(argument), after), argument, want)
            case ast.With(body=[*_, ast.Expr(value=ast.Call(args=[argument], keywords=[]) as call)]) if is_print(
                call
            ) and not any(map(_prints, step.tree.body[:-1])):
                name = self.fresh("result")
                self.body.append(applied(step.source, [(*text.span(call), f"{name} = {text.segment(argument)}")]))
                self.compared(name, argument, want)
            case ast.For(body=[ast.Expr(value=ast.Call(args=[argument], keywords=[]) as call)], orelse=[]) if is_print(
                call
            ) and not isinstance(argument, ast.Starred):
                self.listed(step.tree, argument, text, want.split("\n"))

    def compared(self, name: str, argument: ast.expr, want: str) -> None:
        """A check of what was printed of a value."""
        literal, lines = _literal(want), want.split("\n")
        is_text = _is_text(argument)
        if literal is not None and not is_text:
            self.test.append(_equal(name, literal))
        elif len(lines) > 1:
            self.test.append(_same_lines(name if is_text else f"str({name})", lines))
        else:
            self.test.append(f"assert {name if is_text else f'str({name})'} == {want!r}")

    def listed(self, loop: ast.For, argument: ast.expr, text: Text, lines: list[str]) -> None:
        """A loop that prints a line an item, as the list of the items."""
        target, items, item = (text.segment(n) for n in (loop.target, loop.iter, argument))
        name = self.fresh("result")
        made = f"list({items})" if item == target else f"[{item} for {target.strip('()')} in {items}]"
        literals = [_literal(line) for line in lines]
        if _is_text(argument):
            shown, expected = name, [repr(line) for line in lines]
        elif all(literals):
            shown, expected = name, [str(literal) for literal in literals]
        else:
            shown, expected = f"[str(item) for item in {name}]", [repr(line) for line in lines]
        self.body.append(f"{name} = {made}")
        self.test.append(f"assert {shown} == [{', '.join(expected)}]")


def _spaced(parts: list[str]) -> str:
    """Statements as a script, with two blank lines around definitions."""
    text = ""
    for before, part in zip(["", *parts], parts, strict=False):
        is_apart = before and any(p.startswith(("def ", "class ", "@")) for p in (before, part))
        text += ("\n\n" if is_apart else "") + part + "\n"
    return text


def _is_read(line: str, names: AbstractSet[str]) -> bool:
    """Whether an import binds a name that is read: without a `print`, that of `pprint` isn't."""
    bound = flow_all(ast.parse(line).body).binds
    return bool(bound & names) or "*" in bound


def _equal(name: str, literal: str) -> str:
    return f"assert {name} {'is' if literal in ('True', 'False', 'None') else '=='} {literal}"


def _same_lines(text: str, lines: list[str]) -> str:
    """A check of a text's lines; projects state outputs up to white space (tabs, blanks at the end of lines)."""
    rows = "".join(f"    {' '.join(line.split())!r},\n" for line in lines)
    return f'assert [" ".join(line.split()) for line in {text}.splitlines()] == [\n{rows}]'


def _is_text(argument: ast.expr) -> bool:
    """Whether a value is a string for certain."""
    match argument:
        case ast.JoinedStr() | ast.Constant(value=str()):
            return True
        case ast.Call(func=ast.Attribute(attr="join" | "format", value=ast.Constant(value=str()))):
            return True
    return False


def _bound(name: str, source: str) -> str:
    """`name = source` below its comments, in parentheses where the expression spans lines without brackets."""
    comments = _COMMENTS.match(source)
    above, source = (comments.group(), source[comments.end() :]) if comments else ("", source)
    code = f"{above}{name} = {source}"
    try:
        if len(ast.parse(code).body) == 1:
            return code
    except SyntaxError:
        pass
    return f"{above}{name} = ({source})"


def _is_exact(want: str) -> bool:
    """Whether the stated output is all of the output, and more than the name of a class."""
    return "..." not in want and "0x" not in want and not want.startswith("<class ")


def _literal(want: str) -> str | None:
    """The output as a literal, in the docs' own words; None where it is no literal."""
    try:
        node = parse_expression(want.strip())
    except SyntaxError:
        return None
    if not is_literal(node):
        return None
    if "\n" in want and not re.search(r"['\"]", want):
        return " ".join(want.split())
    return "\n    ".join(line.strip() for line in want.strip().splitlines())


def _is_plain(tree: ast.stmt) -> bool:
    """An expression that only shows a value: a name, an attribute, a literal."""
    return isinstance(tree, ast.Expr) and not any(isinstance(n, ast.Call) for n in nodes(tree))


def is_print(node: ast.expr) -> bool:
    """Whether an expression is a call that prints its arguments."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "pprint", "pprint.pprint", "pp")


def _prints(tree: ast.stmt) -> bool:
    return not isinstance(tree, (ast.FunctionDef, ast.ClassDef)) and any(
        isinstance(n, ast.expr) and is_print(n) for n in nodes(tree)
    )
