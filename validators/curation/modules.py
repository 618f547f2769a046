"""What is left of a module of which some definitions must go: nothing in it speaks of them any more, nor uses them.

A definition goes with its overloads and whatever uses it, and out of `__all__` and the imports; what only its
documentation gives away loses that paragraph. Helpers and imports that only what went has used go as well. A class
that would lose one of Python's own methods goes, and a module that would lose another statement of its top level.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from registry.imports import bound_by, names_read, narrowed
from registry.text import lines_of
from registry.trees import parsed
from validators.curation import prose

GivesAway = Callable[[str], bool]
"""Whether a text, or a piece of code, tells what must not be told."""

_Definition = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_Block = (ast.If, ast.Try, ast.With)
_NOTE = re.compile(r"^(# \S+(?:, continued; elsewhere it| goes on, and) defines )(.+)$", re.MULTILINE)
"""What a portion says of the others (`synth.mined.portions`)."""
_QUOTED = re.compile(r"([rRuU]?)(\"\"\"|''')(.*?)\2", re.DOTALL)


@dataclass
class _Part:
    """A statement with the lines above it that belong to no other.

    Attributes:
        node: The statement.
        head: Its lines; of a class those up to its first statement.
        members: The statements of a class.
    """

    node: ast.stmt
    head: str
    members: list[_Part] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.head + "".join(member.text for member in self.members)


def without(text: str, names: Iterable[str], gives_away: GivesAway) -> str | None:
    """A module without what gives something away; empty where too little is left of it, None where it is no Python.

    Args:
        text: The module.
        names: Names whose definitions go.
        gives_away: Says of a text whether it may stand there.
    """
    tree = parsed(text)
    if tree is None or not any(isinstance(n, (ast.Import, ast.ImportFrom, *_Definition)) for n in tree.body):
        return None
    text = _noted(text, frozenset(names))
    lines = lines_of(text)
    parts, end = _parts(tree.body, lines, 0)
    module = _Module(parts, frozenset(names), gives_away)
    module.cut()
    rest = (module.text + "".join(lines[end:])).lstrip("\n")
    return (
        rest
        if module.is_whole and module.is_readable(tree) and parsed(rest) is not None and not gives_away(rest)
        else ""
    )


def _noted(text: str, names: frozenset[str]) -> str:
    """A portion whose note on the others leaves names out; where it would list none it lists nothing."""

    def told(match: re.Match[str]) -> str:
        kept = [name for name in match[2].split(", ") if name not in names]
        return match[1] + ", ".join(kept) if kept else re.sub(r"(?:; elsewhere it|, and) defines $", "", match[1])

    return _NOTE.sub(told, text)


def _parts(body: Sequence[ast.stmt], lines: list[str], start: int) -> tuple[list[_Part], int]:
    """The statements of a block, with their lines from `start` on, and the line where they end."""
    parts: list[_Part] = []
    for node in body:
        end = node.end_lineno or node.lineno
        if end <= start:  # another one on the same line
            parts.append(_Part(node, ""))
        elif isinstance(node, ast.ClassDef) and _begins(node.body[0]) > node.lineno:
            first = _begins(node.body[0]) - 1
            members, end = _parts(node.body, lines, first)
            parts.append(_Part(node, "".join(lines[start:first]), members))
        else:
            parts.append(_Part(node, "".join(lines[start:end])))
        start = max(start, end)
    return parts, start


def _begins(node: ast.stmt) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])


class _Module:
    """Parts that become fewer, until none of them uses one that went."""

    def __init__(self, parts: list[_Part], names: frozenset[str], gives_away: GivesAway) -> None:
        self.parts = parts
        self.names = names
        self.gone: set[str] = set()
        self.used: set[str] = set()
        self.is_whole = True
        """Whether nothing went but what binds names: not a call, nor a loop."""
        self._gives_away = gives_away

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)

    def cut(self) -> None:
        """Takes out what gives away, then what used it, then what nothing uses any more."""
        self.parts = [kept for part in self.parts if (kept := self._told(part))]
        while self._drop_users() or self._drop_unused():
            pass
        self.parts = [kept for part in self.parts if (kept := self._listed(part))]

    def is_readable(self, tree: ast.Module) -> bool:
        """Whether at least half of what is public stands yet, and anything at all."""
        before, after = _public(tree.body), _public(part.node for part in self.parts)
        return bool(after) and 2 * len(after) >= len(before)

    def _told(self, part: _Part) -> _Part | None:
        """A part without what gives away in it; None where it goes as a whole."""
        node = part.node
        if not self._gives_away(part.text) and not (isinstance(node, _Definition) and node.name in self.names):
            return part
        if _imports(node):
            return self._imported(part)
        if _is_all(node):
            return part
        if not isinstance(node, ast.ClassDef) and (less := self._undocumented(part)) is not None:
            return less
        if isinstance(node, ast.ClassDef) and part.members and (less := self._class(part)) is not None:
            return less
        self._leaves(node)
        return None

    def _imported(self, part: _Part) -> _Part | None:
        """Imports, or a block with some, without what gives away."""
        told: set[str] = set()
        for node in ast.walk(part.node):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for alias in node.names:
                    alone = copy.copy(node)
                    alone.names = [alias]
                    if alias.name in self.names or self._gives_away(ast.unparse(alone)):
                        told |= bound_by(alone)
        self.gone |= told
        less = self._less(part, told)
        if less is not None and self._gives_away(less.text):
            self._leaves(part.node)
            return None
        return less

    def _less(self, part: _Part, unwanted: set[str]) -> _Part | None:
        """Imports without names; None where nothing else is bound."""
        if not unwanted & _bound(part.node):
            return part
        rest = narrowed(part.head, lambda name: name not in unwanted)
        if rest == part.head:
            return part
        if not rest:
            self.used |= names_read(part.node)
        return _Part(ast.parse(rest).body[0], rest) if rest else None

    def _undocumented(self, part: _Part) -> _Part | None:
        """A definition whose documentation alone gives away, or the module's own, without that paragraph."""
        node = part.node
        own = node.name in self.names if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else False
        doc = node if isinstance(node, ast.Expr) else (node.body[0] if isinstance(node, _Definition) else None)
        if own or not isinstance(doc, ast.Expr) or not isinstance(doc.value, ast.Constant):
            return None
        quoted = _QUOTED.search(part.head)
        if quoted is None or not isinstance(doc.value.value, str) or not quoted[3].strip():
            return None
        rest = _documentation(quoted[3], self._gives_away)
        less = part.head[: quoted.start(3)] + rest + part.head[quoted.end(3) :]
        if not rest.strip() or self._gives_away(less):
            return None
        return _Part(node, less)

    def _class(self, part: _Part) -> _Part | None:
        """A class without the methods that give away and those that use them; None where it goes."""
        node = part.node
        assert isinstance(node, ast.ClassDef)
        if node.name in self.names or self._gives_away(part.head):
            return None
        members: list[_Part] = []
        lost: set[str] = set()
        for member in part.members:
            less = self._undocumented(member) if self._gives_away(member.text) else member
            if less is None:
                lost |= _bound(member.node)
            else:
                members.append(less)
        before = len(_public(m.node for m in part.members))
        while any(_goes_with(m.node, lost) for m in members):
            lost |= {name for m in members if _goes_with(m.node, lost) for name in _bound(m.node)}
            members = [m for m in members if not _goes_with(m.node, lost)]
        if members and members[0] is not part.members[0]:
            members[0] = _Part(members[0].node, members[0].head.lstrip("\n"), members[0].members)
        less = _Part(node, part.head, members)
        public = len(_public(m.node for m in members))
        if not public or any(map(_is_own, lost)) or 2 * public < before or self._gives_away(less.text):
            return None
        self.used |= names_read(node)
        return less

    def _drop_users(self) -> bool:
        """Takes out what reads a name that went; whether anything did."""
        kept: list[_Part] = []
        for part in self.parts:
            if not _is_all(part.node) and (_read(part) | _defined(part.node)) & self.gone:
                self._leaves(part.node)
            else:
                kept.append(part)
        fewer = len(kept) < len(self.parts)
        self.parts = kept
        return fewer

    def _drop_unused(self) -> bool:
        """Takes out private definitions and imports that only what went has used; whether there were any."""
        read = {name for part in self.parts for name in _read(part)} | {
            str(c.value) for part in self.parts if _is_all(part.node) for c in _constants(part.node)
        }
        idle = self.used - read
        kept: list[_Part] = []
        for part in self.parts:
            node = part.node
            if _imports(node):
                less = self._less(part, idle)
                kept += [less] if less is not None else []
            elif isinstance(node, _Definition) and node.name.startswith("_") and node.name in idle:
                self._leaves(node)
            else:
                kept.append(part)
        fewer = kept != self.parts
        self.parts = kept
        return fewer

    def _listed(self, part: _Part) -> _Part | None:
        """`__all__` without what went."""
        node = part.node
        if not _is_all(node) or not (self._misses(node) or self._gives_away(part.text)):
            return part
        assert isinstance(node, (ast.Assign, ast.AugAssign))
        above = "".join(lines_of(part.head)[: -_height(node)])
        listed = " + ".join(self._operands(node.value, wrapped=_height(node) > 1))
        sign = "+=" if isinstance(node, ast.AugAssign) else "="
        return _Part(node, f"{above}__all__ {sign} {listed}\n") if listed else None

    def _operands(self, value: ast.expr, *, wrapped: bool) -> list[str]:
        """What a list of names is the sum of, without what went: names, and what stands for others (`x.__all__`)."""
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            return [o for side in (value.left, value.right) for o in self._operands(side, wrapped=wrapped)]
        if not isinstance(value, (ast.List, ast.Tuple)) and not self._misses(value):
            return [ast.unparse(value)]
        elements = value.elts if isinstance(value, (ast.List, ast.Tuple)) else _constants(value)
        kept = [
            f'"{e.value!s}"' if isinstance(e, ast.Constant) else ast.unparse(e) for e in elements if not self._misses(e)
        ]
        inner = "\n" + "".join(f"    {k},\n" for k in kept) if wrapped else ", ".join(kept)
        return [f"[{inner}]"] if kept else []

    def _misses(self, value: ast.AST) -> bool:
        """Whether what went is named in an expression, or quoted."""
        found = {n.id for n in ast.walk(value) if isinstance(n, ast.Name)} | {c.value for c in _constants(value)}
        return bool(found & (self.gone | self.names))

    def _leaves(self, node: ast.stmt) -> None:
        self.gone |= _bound(node)
        self.used |= names_read(node)
        self.is_whole &= isinstance(node, (*_Definition, ast.Assign, ast.AnnAssign)) or _imports(node) or _is_text(node)


def _documentation(text: str, gives_away: GivesAway) -> str:
    """The text of a docstring without the paragraphs that give away, with its indentation; empty without its first."""
    lead = text[: len(text) - len(text.lstrip())]
    said = text[len(lead) :]
    behind = said[len(said.rstrip()) :]
    first, newline, rest = said.rstrip().partition("\n")
    width = min((len(line) - len(line.lstrip()) for line in rest.splitlines() if line.strip()), default=0)
    lines = [line[width:] if line.strip() else "\n" for line in rest.splitlines(keepends=True)]
    whole = first + newline + "".join(lines)
    kept = prose.without(whole, gives_away)
    if not kept.startswith(prose.pieces(whole)[0].rstrip("\n")):
        return ""
    moved = [" " * width + line if line.strip() else "\n" for line in kept.rstrip().splitlines(keepends=True)]
    return lead + "".join(moved)[width:] + behind


def _height(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _is_all(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
    return any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets)


def _constants(node: ast.AST) -> list[ast.Constant]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def _imports(node: ast.stmt) -> bool:
    """Whether a statement imports, or is a block that does."""
    inner = ast.walk(node) if isinstance(node, _Block) else [node]
    return any(isinstance(n, (ast.Import, ast.ImportFrom)) for n in inner)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement binds in its own scope."""
    if isinstance(node, _Definition):
        return {node.name}
    inner = list(ast.walk(node))
    imported = {name for n in inner if isinstance(n, (ast.Import, ast.ImportFrom)) for name in bound_by(n)}
    return imported | {n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _defined(node: ast.stmt) -> set[str]:
    """The name of a definition: of a function that went its overloads go too."""
    return {node.name} if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else set()


def _read(part: _Part) -> set[str]:
    """The names that a part reads; of a class what its own statements do."""
    if not part.members:
        return names_read(part.node)
    inner = {name for m in part.members for name in names_read(m.node)}
    heads = (*part.node.bases, *part.node.decorator_list) if isinstance(part.node, ast.ClassDef) else ()
    return inner.union(*map(names_read, heads))


def _goes_with(node: ast.stmt, lost: set[str]) -> bool:
    """Whether a member of a class goes with others: it uses them, or is an overload or a setter of one."""
    return _uses_own(node, lost) or bool(_defined(node) & lost)


def _is_own(name: str) -> bool:
    """Whether a method is one that Python itself calls."""
    return name.startswith("__") and name.endswith("__")


def _uses_own(node: ast.stmt, names: set[str]) -> bool:
    """Whether a member of a class uses others of these names, on `self` or in the class's body."""
    return any(
        (isinstance(n, ast.Attribute) and n.attr in names and isinstance(n.value, ast.Name) and n.value.id in _OWN)
        or (isinstance(n, ast.Name) and n.id in names and not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
        for n in ast.walk(node)
    )


_OWN = ("self", "cls")


def _public(body: Iterable[ast.stmt]) -> set[str]:
    """The names of functions and classes that aren't private."""
    return {n.name for n in body if isinstance(n, _Definition) and not n.name.startswith("_")}
