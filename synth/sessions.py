"""Doctest sessions: a docstring's or guide's prompts as straight scripts with checks, sliced by names."""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from registry.text import Text
from synth.dataflow import ACTING, flow, flow_all, nodes, unbound
from synth.folding import is_literal
from synth.source import indented

LONGEST = 40
"""Statements beyond which a session is no example."""

TALLEST = 40
"""Lines of a shown value beyond which it makes a poor check."""


@dataclass(frozen=True)
class Session:
    """A session as a script.

    Attributes:
        imports: Its own imports, one a line.
        body: Its other statements.
        test: Its checks.
        unbound: Names that it uses and doesn't bind, sorted.
    """

    imports: str
    body: str
    test: str
    unbound: tuple[str, ...]


@dataclass(frozen=True)
class _Step:
    """A prompt: its statement, what the docs say it shows, and the paragraph it stands in."""

    source: str
    tree: ast.stmt
    want: str
    raises: bool
    block: int


def sessions(text: str, echoes: bool = True) -> Iterator[Session]:
    """The independent sessions of a text: one for each run of prompts between prose that states an output.

    A run brings the statements of earlier runs that its names depend on. Where the output has an ellipsis the statement
    is kept and its check dropped; skipped statements are left out.

    Args:
        text: The text.
        echoes: Whether a run may show nothing but an object as it was constructed (the docs of a class do).
    """
    steps = _without_echoes(_steps(text), echoes)
    for block in dict.fromkeys(s.block for s in steps):
        end = max(i for i, s in enumerate(steps) if s.block == block) + 1
        chosen = _slice(steps[:end], block)
        if 0 < len(chosen) <= LONGEST:
            made = _Script(block).session(chosen)
            if made is not None:
                yield made


def _slice(steps: list[_Step], block: int) -> list[_Step]:
    """The steps with a stated output in `block`, and what their names depend on.

    Calls for their effect in the same run of prompts stay (what they change may have another name too). An expression
    with an output only shows something, unless its name says otherwise.
    """
    fixed = _module_like(steps)
    wanted: set[str] = set()
    chosen: list[_Step] = []
    for step in reversed(steps):
        what = flow(step.tree)
        checked = step.block == block and bool(step.want)
        changes = frozenset() if _shows(step) else what.changes - fixed
        acts = step.block == block and bool(changes) and isinstance(step.tree, ast.Expr)
        if not checked and not acts and not (what.binds | changes) & wanted:
            continue
        chosen.append(step)
        if isinstance(step.tree, (ast.Assign, ast.AnnAssign, ast.Import, ast.ImportFrom, ast.FunctionDef)):
            wanted -= what.binds - what.reads
        wanted |= what.reads
    return chosen[::-1]


def _without_echoes(steps: list[_Step], alone: bool) -> list[_Step]:
    """The steps; one that shows an object as it was just constructed (`>>> df`) checks nothing where others do.

    Args:
        steps: The steps.
        alone: Whether it checks something where no others do.
    """
    constructed: set[str] = set()
    echoes: set[int] = set()
    for i, step in enumerate(steps):
        match step.tree:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=function)):
                if ast.unparse(function).rpartition(".")[2][:1].isupper():
                    constructed.add(name)
                    continue
            case ast.Expr(value=ast.Name(id=name)) if name in constructed:
                echoes.add(i)
                continue
        what = flow(step.tree)
        constructed -= what.binds | (frozenset() if _shows(step) else what.changes)
    checked = {s.block for i, s in enumerate(steps) if s.want and i not in echoes}
    return [
        replace(s, want="") if i in echoes and (s.block in checked or not alone) else s for i, s in enumerate(steps)
    ]


def _shows(step: _Step) -> bool:
    """Whether a step's output is what it is for: `G.degree(1)`, but not `G.add_edge(1, 2)`, which returns a key."""
    if not isinstance(step.tree, ast.Expr) or not step.want:
        return False
    call = step.tree.value
    return not (
        isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr.startswith(ACTING)
    )


def _module_like(steps: list[_Step]) -> set[str]:
    """Names of modules, which calls don't change: imported ones, and those that a session uses and never binds."""
    imports = [s.tree for s in steps if isinstance(s.tree, (ast.Import, ast.ImportFrom))]
    return set(unbound([s.tree for s in steps])) | flow_all(imports).binds


_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*doctest:(.*)")
_UNCHECKED = "  # output unchecked"


def _known(directive: re.Match[str]) -> str:
    """A directive that doctest knows; a project's own (`+IGNORE_RESULT`) says that the output isn't looked at."""
    options = re.findall(r"[+-](\w+)", directive.group(1))
    return directive.group() if all(o in doctest.OPTIONFLAGS_BY_NAME for o in options) else _UNCHECKED


def _steps(text: str) -> list[_Step]:
    try:
        parts = doctest.DocTestParser().parse(_DIRECTIVE.sub(_known, text))
    except ValueError:
        return []
    steps: list[_Step] = []
    block = 0
    for part in parts:
        if isinstance(part, str):
            block += bool(part.strip())
            continue
        if part.options.get(doctest.SKIP):
            continue
        source = _DIRECTIVE.sub("", part.source).replace(_UNCHECKED, "").rstrip()
        want = "" if _UNCHECKED in part.source else part.want
        try:
            body = ast.parse(source).body
        except SyntaxError:
            continue
        for i, tree in enumerate(body):
            last = i == len(body) - 1
            code = source if len(body) == 1 else ast.unparse(tree)
            steps.append(_Step(code, tree, want if last else "", last and part.exc_msg is not None, block))
    return steps


class _Script:
    """Writes a session's steps as code and test."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.imports: list[str] = []
        self.body: list[str] = []
        self.test: list[str] = []
        self.extra: set[str] = set()
        self.counts: dict[str, int] = {}
        self.steps: list[_Step] = []

    def session(self, steps: list[_Step]) -> Session | None:
        self.steps = steps
        for step in steps:
            checked = step.block == self.block and bool(step.want)
            if isinstance(step.tree, (ast.Import, ast.ImportFrom)):
                self.imports.append(step.source)
            elif step.raises:
                self.raising(step, checked)
            elif isinstance(step.tree, ast.Expr) and not _is_print(step.tree.value):
                self.expression(step, checked)
            elif _prints(step.tree):
                if checked:
                    self.printing(step)
            else:
                self.body.append(step.source)
        if not self.test:
            return None
        body, test = "\n".join(self.body) + "\n", "\n".join(self.test) + "\n"
        script = "\n".join([*self.imports, body, test])
        try:
            names = unbound(ast.parse(script).body)
        except SyntaxError:
            return None
        imports = [f"import {m}" for m in sorted(self.extra)] + list(dict.fromkeys(self.imports))
        return Session("\n".join(imports), body, test, tuple(n for n in names if n not in self.extra))

    def fresh(self, stem: str) -> str:
        self.counts[stem] = self.counts.get(stem, 0) + 1
        return f"{stem}{self.counts[stem]}"

    def expression(self, step: _Step, checked: bool) -> None:
        """`>>> expr` with its output: bound to a name and compared; without, kept for what it does."""
        want = step.want.strip("\n")
        if not checked or not _is_exact(want):
            if not _is_plain(step.tree):
                self.body.append(step.source)
            return
        literal = _literal(want)
        lines = want.replace("<BLANKLINE>", "").split("\n")
        if literal is None and len(lines) > 1:
            self.drawn(step, lines)
            return
        name = self.fresh("result")
        self.body.append(_bound(name, step.source))
        if literal in ("True", "False"):
            self.test.append(f"assert {name} is {literal}")
        elif literal is not None:
            self.test.append(f"assert {name} == {literal}")
        else:
            self.test.append(f"assert repr({name}) == {want!r}")

    def drawn(self, step: _Step, lines: list[str]) -> None:
        """A value whose text has several lines, as a table's: the lines are compared, any blanks being as good as one.

        Where later steps change what is shown, its text is taken at once.
        """
        if len(lines) > TALLEST:
            self.body.append(step.source)
            return
        if flow(step.tree).reads & self.changed_after(step) and _is_plain(step.tree):
            name = self.fresh("printed")
            self.body.append(f"{name} = repr({step.source})")
            shown = name
        else:
            name = self.fresh("result")
            self.body.append(_bound(name, step.source))
            shown = f"repr({name})"
        self.test.append(_same_lines(shown, lines))

    def changed_after(self, step: _Step) -> frozenset[str]:
        """Names whose objects steps after this one change."""
        after = self.steps[self.steps.index(step) + 1 :]
        return frozenset().union(*(flow(s.tree).changes for s in after if not _shows(s)))

    def raising(self, step: _Step, checked: bool) -> None:
        """A statement whose output is a traceback: the exception's name is what is checked."""
        name = self.fresh("raised")
        exception = next(
            (m for line in step.want.splitlines() if (m := re.match(r"([A-Za-z_][\w.]*)(:|$)", line))), None
        )
        if exception is None or not checked:
            return
        self.body.append(
            f"try:\n{indented(step.source)}\nexcept Exception as error:\n    {name} = type(error).__name__\n"
            f"else:\n    {name} = None"
        )
        self.test.append(f'assert {name} == "{exception.group(1).rpartition(".")[2]}"')

    def printing(self, step: _Step) -> None:
        """`print(x)`, bare or in a loop: the text is kept under a name."""
        if not _is_exact(step.want) or "<BLANKLINE>" in step.want:
            return
        want = step.want.removesuffix("\n")
        match step.tree:
            case ast.Expr(value=ast.Call(func=function, args=[argument])) if _literal(want) and _is_pretty(function):
                name = self.fresh("result")
                text = Text(step.source).segment(argument)
                self.body.append(_bound(name, text))
                self.test.append(f"assert {name} == {_literal(want)}")
                return
        name = self.fresh("printed")
        match step.tree:
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=[argument], keywords=[])) if not isinstance(
                argument, ast.Starred
            ):
                text = _text_of(argument, step.source)
                self.body.append(f"{name} = {text}")
                lines = want.split("\n")
                self.test.append(f"assert {name} == {want!r}" if len(lines) == 1 else _same_lines(name, lines))
            case _:
                self.extra |= {"contextlib", "io"}
                self.body.append(f"with contextlib.redirect_stdout(io.StringIO()) as {name}:\n{indented(step.source)}")
                self.test.append(f"assert {name}.getvalue() == {step.want!r}")


def _same_lines(text: str, lines: list[str]) -> str:
    """A check of a text's lines; projects state outputs up to white space (tabs, blanks at the end of lines)."""
    rows = "".join(f"    {' '.join(line.split())!r},\n" for line in lines)
    return f'assert [" ".join(line.split()) for line in {text}.splitlines()] == [\n{rows}]'


def _text_of(argument: ast.expr, source: str) -> str:
    text = Text(source).segment(argument)
    if isinstance(argument, ast.JoinedStr) or (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
        return text
    return f"str({text})"


def _bound(name: str, source: str) -> str:
    """`name = source`, in parentheses where the expression spans lines without brackets."""
    code = f"{name} = {source}"
    try:
        if len(ast.parse(code).body) == 1:
            return code
    except SyntaxError:
        pass
    return f"{name} = ({source})"


def _is_exact(want: str) -> bool:
    """Whether the stated output is all of the output."""
    return "..." not in want and "0x" not in want


def _literal(want: str) -> str | None:
    """The output as a literal, in the docs' own words; None where it is no literal."""
    try:
        node = ast.parse(want.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError):
        return None
    if not is_literal(node):
        return None
    if "\n" in want and not re.search(r"['\"]", want):
        return " ".join(want.split())
    return "\n    ".join(line.strip() for line in want.strip().splitlines())


def _is_plain(tree: ast.stmt) -> bool:
    """An expression that only shows a value: a name, an attribute, a literal."""
    return isinstance(tree, ast.Expr) and not any(isinstance(n, ast.Call) for n in nodes(tree))


def _is_print(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "pprint", "pprint.pprint", "pp")


def _is_pretty(function: ast.expr) -> bool:
    """Whether a function prints a value as source, over several lines."""
    return ast.unparse(function).rpartition(".")[2] in ("pprint", "pp")


def _prints(tree: ast.stmt) -> bool:
    return not isinstance(tree, (ast.FunctionDef, ast.ClassDef)) and any(
        isinstance(n, ast.expr) and _is_print(n) for n in nodes(tree)
    )
