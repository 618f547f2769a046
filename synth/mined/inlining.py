"""A test function made stand-alone: set-up, attributes of `self`, module names and parameters inlined."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synth.dataflow import BUILTINS, flow, flow_all, needed, nodes, root_name
from synth.mined.aliases import without_aliases
from synth.mined.fixtures import Fixture, find, statements_of
from synth.mined.parameters import ROWS, tables
from synth.mined.suites import Function, Module, NotAloneError, TestFunction
from synth.mined.tidying import tidied
from synth.mined.unittests import plain_asserts
from synth.source import Edit, Source, first_line, parsed

_SETUPS = ("setup_class", "setUpClass", "setup_method", "setup", "setUp")


def stand_alone(test: TestFunction, rows: int = ROWS) -> Iterator[str]:
    """The test as flat scripts, one a row of its parameters.

    Raises:
        NotAloneError: It needs something that can't be inlined.
    """
    parameters = [a.arg for a in [*test.node.args.posonlyargs, *test.node.args.args, *test.node.args.kwonlyargs]]
    static = any(ast.unparse(d) == "staticmethod" for d in test.node.decorator_list)
    me = parameters[0] if test.owner and parameters and not static else None
    wanted = [p for p in parameters if p != me]
    defaults = len(test.node.args.defaults)
    rows_of = tables(test)
    given = {name for names, _ in rows_of for name in names}
    fixtures = [find(test, p) for p in wanted[: len(wanted) - defaults] if p not in given]
    rows_of += [([f.key], [[row] for row in f.rows]) for top in fixtures for f in top.every() if f.rows]
    for row in itertools.islice(itertools.product(*(values for _, values in rows_of)), rows):
        values = {
            name: value
            for (names, _), cells in zip(rows_of, row, strict=True)
            for name, value in zip(names, cells, strict=True)
        }
        yield _Inliner(test, me, values, fixtures).script()


@dataclass
class _Piece:
    module: Module
    text: str
    tree: Sequence[ast.stmt]


class _Inliner:
    """Makes one flat script of a test function."""

    def __init__(
        self, test: TestFunction, me: str | None, values: dict[str, str], fixtures: Sequence[Fixture] = ()
    ) -> None:
        self.test, self.me = test, me
        self.values = {name: value for name, value in values.items() if name.isidentifier()}
        self.given, self.fixtures = values, list(fixtures)
        self.short = {n for n, v in self.values.items() if _is_short(v)} - _computed_with(test.node.body)
        self.methods = {
            s.name: (m, s)
            for m, c in reversed(test.owner)
            for s in c.body
            if isinstance(s, ast.FunctionDef) and not s.name.startswith("test")
        }
        self.renamed: dict[str, str] = {}
        self.used_methods: dict[str, _Piece] = {}

    def script(self) -> str:
        body = _without_docstring(self.test.node.body)
        self._rename_clashes(body)
        pieces = [self._piece(self.test.module, s, self.me, self.values) for s in body]
        pieces = [p for p in pieces if p.text]
        head = self._fixtures(body)
        head += [p for name, value in self._assigned(body) if (p := self._parameter(name, value))]
        wanted = flow_all(s for p in [*head, *pieces] for s in p.tree)
        setup = self._setup(wanted.reads - wanted.binds | self._attributes(body))
        pieces = [*setup, *head, *pieces]
        definitions = list(self.used_methods.values())
        definitions += self._module_names([*definitions, *pieces])
        text = "\n".join(p.text.rstrip() for p in [*_imports_first(definitions), *pieces]) + "\n"
        made = [s for p in pieces for s in p.tree]
        if self.me and any(isinstance(n, ast.Name) and n.id == self.me for s in made for n in nodes(s)):
            raise NotAloneError("self")
        return tidied(without_aliases(text))

    def _fixtures(self, body: Sequence[ast.stmt]) -> list[_Piece]:
        """What the test's fixtures build."""
        what = flow_all(body)
        taken = what.reads | what.binds | what.changes | self.values.keys()
        found = statements_of(self.fixtures, self.given, taken - {f.name for f in self.fixtures})
        return [_Piece(module, text, parsed(text)) for module, text in found]

    def _attributes(self, body: Sequence[ast.stmt]) -> frozenset[str]:
        return frozenset(self.renamed.get(n, n) for s in body for n in _attributes_of(s, self.me or ""))

    def _assigned(self, body: Sequence[ast.stmt]) -> list[tuple[str, str]]:
        """Parameters that can't be put in place: those that the body binds, changes or computes with, and long ones."""
        return [(n, v) for n, v in self.values.items() if n not in self.short or n in _binds_or_changes(body)]

    def _parameter(self, name: str, value: str) -> _Piece | None:
        text = f"{name} = {value}"
        return _Piece(self.test.module, text, parsed(text)) if name != value else None

    def _rename_clashes(self, body: Sequence[ast.stmt]) -> None:
        """Attributes of `self` that share a name with another local get a name of their own."""
        if self.me is None:
            return
        run = [(s, me) for _, statements, me in self._setup_bodies() for s in statements if me]
        run += [(s, self.me) for s in body]
        self.renamed = {name: f"{name}0" for name in _clashes(run)}
        local = flow_all(body)
        for method_module, method in self.methods.values():
            del method_module
            if method.name in local.binds:
                self.renamed[method.name] = f"{method.name}0"

    # ----------------------------------------------------------------------------------------------- statements

    def _piece(
        self, module: Module, statement: ast.stmt, me: str | None, values: dict[str, str] | None = None
    ) -> _Piece:
        """A statement with attributes of `self` as plain names and parameters in place."""
        edits, plain = plain_asserts(module.source, statement, me) if me else ([], set())
        short = {n: v for n, v in (values or {}).items() if n in self.short}
        own = _binds_or_changes(_without_docstring(self.test.node.body)) if short else frozenset()
        for node in nodes(statement):
            if id(node) in plain:
                continue
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == me and me:
                self._use_method(node.attr)
                edits.append((*module.source.span(node), self.renamed.get(node.attr, node.attr)))
            elif isinstance(node, ast.Name) and node.id in short and node.id not in own:
                edits.append((*module.source.span(node), _bracketed(short[node.id])))
            elif isinstance(node, ast.JoinedStr) and (me or short) and _mentions(node, {*short, me}):
                raise NotAloneError("a parameter or attribute in an f-string")
        text = module.text(statement, edits)
        tree = parsed(text)
        if _is_trivial(tree[0]):
            return _Piece(module, "", [])
        return _Piece(module, text, tree)

    def _use_method(self, name: str) -> None:
        if name not in self.methods or name in self.used_methods or name in _SETUPS:
            return
        module, node = self.methods[name]
        marks = [ast.unparse(d) for d in node.decorator_list]
        if any(m != "staticmethod" and m != "classmethod" for m in marks):
            raise NotAloneError(f"decorated method {name}")
        self.used_methods[name] = _Piece(module, "", [])
        edits = _without_decorators(module.source, node)
        me = None
        if "staticmethod" not in marks:
            if not node.args.args:
                raise NotAloneError(f"method {name} without self")
            me = node.args.args[0].arg
            if flow_all(node.body).binds & frozenset().union(*(_attributes_of(n, me) for n in node.body)):
                raise NotAloneError(f"method {name} with a local of an attribute's name")
            start, end = module.source.span(node.args.args[0])
            rest = module.source.text[end:]
            blanks = len(rest) - len(rest.lstrip(", "))
            edits.append((start, end + blanks, ""))
        for inner in nodes(node):
            if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == me and me:
                if not isinstance(inner.ctx, ast.Load):
                    raise NotAloneError(f"method {name} sets attributes")
                self._use_method(inner.attr)
                edits.append((*module.source.span(inner), self.renamed.get(inner.attr, inner.attr)))
        if name in self.renamed:
            raise NotAloneError(f"method {name} shares its name with a local")
        text = module.source.block([node], edits)
        text = text[text.index("def ") :] if not text.startswith("def ") else text
        del self.used_methods[name]
        self.used_methods[name] = _Piece(module, text, parsed(text))

    # --------------------------------------------------------------------------------------------------- set-up

    def _setup_bodies(self) -> list[tuple[Module, list[ast.stmt], str]]:
        """Class attributes, then the set-up methods, in the order in which they run."""
        bodies: list[tuple[Module, list[ast.stmt], str]] = []
        for module, cls in reversed(self.test.owner):
            plain: list[ast.stmt] = [s for s in cls.body if isinstance(s, (ast.Assign, ast.AnnAssign, ast.AugAssign))]
            if plain:
                bodies.append((module, plain, ""))
        for name in _SETUPS:
            if name in self.methods:
                bodies += self._setup_body(name, 0)
        return bodies

    def _setup_body(self, name: str, level: int) -> list[tuple[Module, list[ast.stmt], str]]:
        """The body of a set-up method of the class at `level` of the bases or above, calls of super's inlined."""
        for at, (module, cls) in enumerate(self.test.owner[level:], start=level):
            for node in cls.body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    others = {a.arg for a in node.args.args[1:]}
                    if not node.args.args or others & flow_all(node.body).reads:
                        raise NotAloneError(f"{name} with arguments")
                    me = node.args.args[0].arg
                    bodies: list[tuple[Module, list[ast.stmt], str]] = []
                    for statement in _without_docstring(node.body):
                        if _is_super_call(statement, name):
                            bodies += self._setup_body(name, at + 1)
                        else:
                            bodies.append((module, [statement], me))
                    return bodies
        return []

    def _setup(self, wanted: frozenset[str]) -> list[_Piece]:
        """The set-up's statements that `wanted` names depend on."""
        pieces: list[_Piece] = []
        if self.me is None:
            return pieces
        for module, statements, me in self._setup_bodies():
            for statement in statements:
                if isinstance(statement, ast.Assert):
                    continue
                piece = self._piece(module, statement, me or None)
                if piece.text:
                    pieces.append(piece)
        for piece in list(self.used_methods.values()):
            wanted |= flow_all(piece.tree).reads
        kept = needed([p.tree[0] for p in pieces], wanted, self.test.module.imported)
        return [pieces[i] for i in kept]

    def _module_names(self, pieces: Sequence[_Piece]) -> list[_Piece]:
        """Imports, helpers and constants of the modules that the pieces need, in source order."""
        queue = [(p.module, name) for p in pieces for name in _outer_reads(p)]
        local = frozenset().union(*(flow_all(p.tree).binds for p in pieces))
        inlined = {one.name for fixture in self.fixtures for one in fixture.every()}
        chosen: dict[tuple[str, int], _Piece] = {}
        while queue:
            module, name = queue.pop()
            if name not in module.bound or name in inlined:
                continue
            if name in local and not _is_definition(module, name):
                continue
            for i in module.bound[name]:
                if (module.name, i) in chosen:
                    continue
                statement = module.statements[i]
                if isinstance(statement, (ast.Try, ast.If, ast.ClassDef)) and not isinstance(statement, ast.ClassDef):
                    raise NotAloneError(f"{name} is bound conditionally")
                piece = self._definition(module, statement)
                chosen[module.name, i] = piece
                queue += [(module, n) for n in _outer_reads(piece)]
        return [chosen[k] for k in sorted(chosen)]

    def _definition(self, module: Module, statement: ast.stmt) -> _Piece:
        if isinstance(statement, ast.FunctionDef) and statement.decorator_list:
            raise NotAloneError(f"decorated function {statement.name}")
        if isinstance(statement, ast.ClassDef) and statement.name.startswith("Test"):
            raise NotAloneError("a test class")
        text = module.text(statement)
        return _Piece(module, text, parsed(text))


def _imports_first(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Imports, then the other definitions in order; each text once."""
    unique = list({p.text: p for p in pieces}.values())
    return sorted(unique, key=lambda p: not isinstance(p.tree[0], (ast.Import, ast.ImportFrom)))


def _outer_reads(piece: _Piece) -> list[str]:
    return sorted(flow_all(piece.tree).reads - BUILTINS)


def _is_definition(module: Module, name: str) -> bool:
    """Whether a module's name is an import or function (those are found even where a local has the name)."""
    kinds = (ast.FunctionDef, ast.Import, ast.ImportFrom)
    return all(isinstance(module.statements[i], kinds) for i in module.bound[name])


def _without_docstring(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        return list(body[1:])
    return list(body)


def _binds_or_changes(body: Sequence[ast.stmt]) -> frozenset[str]:
    what = flow_all(body)
    inner = {n.arg for s in body for n in nodes(s) if isinstance(n, ast.arg)}
    stored = {n.id for s in body for n in nodes(s) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    return what.binds | what.changes | inner | stored


def _is_short(value: str) -> bool:
    tree = ast.parse(value, mode="eval").body
    if isinstance(tree, ast.UnaryOp):
        tree = tree.operand
    return len(value) <= 40 and isinstance(tree, (ast.Constant, ast.Name, ast.Attribute))


def _computed_with(body: Sequence[ast.stmt]) -> frozenset[str]:
    """Names that stand in arithmetic or in texts: `n + 1` says more than `3 + 1`."""
    found: set[str] = set()
    for node in (n for s in body for n in nodes(s)):
        if isinstance(node, ast.BinOp):
            found |= {side.id for side in (node.left, node.right) if isinstance(side, ast.Name)}
        elif isinstance(node, ast.JoinedStr):
            found |= flow(node).reads
    return frozenset(found)


def _bracketed(value: str) -> str:
    return f"({value})" if value.startswith("-") else value


def _mentions(node: ast.AST, names: set[str | None]) -> bool:
    return any(isinstance(n, ast.Name) and n.id in names for n in nodes(node))


def _is_trivial(statement: ast.stmt) -> bool:
    """`G = G`, what is left of `G = self.G`."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=a)], value=ast.Name(id=b)):
            return a == b
    return False


def _clashes(run: Sequence[tuple[ast.stmt, str]]) -> list[str]:
    """Attributes whose name a local also has when they are used, other than by `x = self.x`.

    Args:
        run: Statements in the order in which they run, each with its name for `self`.
    """
    used = [_attributes_of(statement, me) for statement, me in run]
    attributes = frozenset().union(*used)
    clashing: set[str] = set()
    local: set[str] = set()
    for (statement, me), names in zip(run, used, strict=True):
        if isinstance(statement, ast.Assign) and _same_name(statement, me):
            if isinstance(statement.targets[0], ast.Name):
                clashing |= names & local  # the attribute is another object than the local that is replaced
            local -= names
            continue
        clashing |= names & local
        local |= flow(statement).binds & attributes
    return sorted(clashing)


def _attributes_of(statement: ast.stmt, me: str) -> frozenset[str]:
    """Attributes of `me` that a statement mentions."""
    return frozenset(
        node.attr
        for node in nodes(statement)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == me
    )


def _same_name(statement: ast.Assign, me: str) -> bool:
    """`G = self.G` or `self.G = G`."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=a)], value=ast.Attribute(value=ast.Name(id=x), attr=b)):
            return a == b and x == me
        case ast.Assign(targets=[ast.Attribute(value=ast.Name(id=x), attr=b)], value=ast.Name(id=a)):
            return a == b and x == me
    return False


def _is_super_call(statement: ast.stmt, name: str) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr, value=owner))) if attr == name:
            return isinstance(owner, (ast.Call, ast.Name)) and root_name(owner) not in ("self", "cls")
    return False


def _without_decorators(source: Source, node: Function) -> list[Edit]:
    if not node.decorator_list:
        return []
    start = source.offset(first_line(node), 0)
    return [(source.text.index("@", start), source.offset(node.lineno, 0), "")]
