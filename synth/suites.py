"""A library's test functions made stand-alone: set-up, attributes of `self`, module names and parameters inlined."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from registry.records import Page
from synth.dataflow import BUILTINS, flow, flow_all, needed, nodes, root_name
from synth.folding import NotConstantError, fold, literal
from synth.source import Edit, Source, first_line, parsed

ROWS = 3
"""Most rows taken of a parametrised test."""

_SETUPS = ("setup_class", "setUpClass", "setup_method", "setup", "setUp")
_MARKS = ("parametrize", "filterwarnings")
Function = ast.FunctionDef


class NotAloneError(Exception):
    """A test function can't stand alone; the message says why (a fixture, a mark, `self` itself …)."""


class Module:
    """A module of a test suite.

    Args:
        page: Its page.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.source = Source(page.markdown)
        parts = page.path.removesuffix(".py").split("/")
        self.package = parts[:-1]
        self.name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def statements(self) -> list[ast.stmt]:
        """Statements of the top level; those under `try` and `if` are not looked into."""
        return self.source.tree.body

    @cached_property
    def bound(self) -> dict[str, list[int]]:
        """Name of the top level -> positions of the statements that bind or change it."""
        found: dict[str, list[int]] = {}
        for i, statement in enumerate(self.statements):
            what = flow(statement)
            for name in sorted(what.binds | what.changes - self.imported):
                found.setdefault(name, []).append(i)
        return found

    @cached_property
    def imported(self) -> frozenset[str]:
        """Names of the top level that imports bind."""
        return flow_all(s for s in self.statements if isinstance(s, (ast.Import, ast.ImportFrom))).binds

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """Its classes."""
        return {n.name: n for n in self.statements if isinstance(n, ast.ClassDef)}

    def text(self, statement: ast.stmt, edits: Iterable[Edit] = ()) -> str:
        """A statement's text, relative imports made absolute."""
        if isinstance(statement, ast.ImportFrom) and statement.level:
            base = self.package[: len(self.package) - statement.level + 1]
            module = ".".join([*base, *([statement.module] if statement.module else [])])
            return ast.unparse(ast.ImportFrom(module=module, names=statement.names, level=0))
        return self.source.block([statement], edits)


@dataclass
class TestFunction:
    """A test function or method, before it is made stand-alone.

    Attributes:
        module: Where its text stands.
        node: Its definition.
        owner: The classes that its `self` is of: the test class first, then its bases.
    """

    __test__ = False  # no test of pytest's

    module: Module
    node: Function
    owner: list[tuple[Module, ast.ClassDef]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """`test_x`, or `TestClass.test_x`."""
        return f"{self.owner[0][1].name}.{self.node.name}" if self.owner else self.node.name


def test_functions(pages: Iterable[Page]) -> Iterator[TestFunction]:
    """The test functions of a suite's pages, in the order of files and lines; inherited ones with each class."""
    modules = {}
    for page in sorted((p for p in pages if p.kind == "test"), key=lambda p: p.path):
        module = Module(page)
        try:
            module.source.tree  # noqa: B018 - parses
        except SyntaxError:
            continue
        modules[module.name] = module
    for module in modules.values():
        for node in module.statements:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                yield TestFunction(module, node)
            elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
                yield from _methods(module, node, modules)


test_functions.__test__ = False  # type: ignore[attr-defined]


def _methods(module: Module, node: ast.ClassDef, modules: dict[str, Module]) -> Iterator[TestFunction]:
    owner = _bases(module, node, modules)
    seen: set[str] = set()
    for origin, cls in owner:
        inherited = cls is not node
        for statement in cls.body:
            if not isinstance(statement, ast.FunctionDef) or statement.name in seen:
                continue
            if statement.name.startswith("test"):
                seen.add(statement.name)
                if not (inherited and cls.name.startswith("Test") and len(owner[0][1].body) == 1):
                    yield TestFunction(origin, statement, owner)


def _bases(module: Module, node: ast.ClassDef, modules: dict[str, Module]) -> list[tuple[Module, ast.ClassDef]]:
    """A class and its bases, as far as they stand in the suite; depth first."""
    found = [(module, node)]
    for base in node.bases:
        name = base.id if isinstance(base, ast.Name) else None
        if name is None:
            continue
        if name in module.classes:
            found += [pair for pair in _bases(module, module.classes[name], modules) if pair not in found]
            continue
        for i in module.bound.get(name, ()):
            statement = module.statements[i]
            if isinstance(statement, ast.ImportFrom):
                other = modules.get(_module_of(parsed(module.text(statement))[0]))
                original = next((a.name for a in statement.names if (a.asname or a.name) == name), None)
                if other is not None and original in other.classes:
                    found += _bases(other, other.classes[original], modules)
    return found


def _module_of(statement: ast.stmt) -> str:
    return (statement.module or "") if isinstance(statement, ast.ImportFrom) else ""


# ------------------------------------------------------------------------------------------------- stand-alone


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
    tables = _tables(test)
    given = {name for names, _ in tables for name in names}
    fixtures = [p for p in wanted[: len(wanted) - defaults] if p not in given]
    if fixtures:
        raise NotAloneError(f"fixture {fixtures[0]}")
    for row in itertools.islice(itertools.product(*(values for _, values in tables)), rows):
        values = {
            name: value
            for (names, _), cells in zip(tables, row, strict=True)
            for name, value in zip(names, cells, strict=True)
        }
        yield _Inliner(test, me, values).script()


def _tables(test: TestFunction) -> list[tuple[list[str], list[list[str]]]]:
    """Parameter names and rows (as source) of each `parametrize`.

    Raises:
        NotAloneError: A decorator other than parametrize, or rows that aren't written out.
    """
    tables = []
    classes = [(m, d) for m, c in test.owner[:1] for d in c.decorator_list]
    for module, decorator in [*((test.module, d) for d in test.node.decorator_list), *classes]:
        text = ast.unparse(decorator)
        if text in ("staticmethod", "classmethod"):
            continue
        if not isinstance(decorator, ast.Call) or not text.startswith("pytest.mark."):
            raise NotAloneError(f"decorator {text.split('(')[0]}")
        mark = text.removeprefix("pytest.mark.").split("(")[0]
        if mark not in _MARKS:
            raise NotAloneError(f"mark {mark}")
        if mark == "parametrize":
            tables.append(_table(module, decorator))
    return tables


def _table(module: Module, call: ast.Call) -> tuple[list[str], list[list[str]]]:
    if len(call.args) != 2 or any(k.arg == "indirect" for k in call.keywords):
        raise NotAloneError("parametrize with options")
    names = fold(call.args[0])
    listed = [n.strip() for n in names.split(",")] if isinstance(names, str) else list(names)
    rows = _rows(module, call.args[1])
    if len(listed) == 1 and not (isinstance(names, str) and names.rstrip().endswith(",")):
        return listed, [[row] for row in rows[:ROWS]]
    cells = []
    for row in rows[:ROWS]:
        tree = ast.parse(row, mode="eval")
        if not isinstance(tree.body, (ast.Tuple, ast.List)) or len(tree.body.elts) != len(listed):
            raise NotAloneError("parametrize rows of another shape")
        source = Source(row)
        cells.append([source.inline(e) for e in tree.body.elts])
    return listed, cells


def _rows(module: Module, node: ast.expr) -> list[str]:
    if isinstance(node, ast.Name):
        places = module.bound.get(node.id, [])
        statement = module.statements[places[0]] if len(places) == 1 else None
        if isinstance(statement, ast.Assign):
            node = statement.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_row(module, e) for e in node.elts]
    try:
        return [literal(v) for v in list(fold(node))]
    except (NotConstantError, TypeError) as error:
        raise NotAloneError("parametrize rows that aren't written out") from error


def _row(module: Module, node: ast.expr) -> str:
    if isinstance(node, ast.Starred):
        raise NotAloneError("parametrize rows that aren't written out")
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.param":
        if any(k.arg == "marks" for k in node.keywords):
            raise NotAloneError("parametrize rows with marks")
        inner = [module.source.inline(a) for a in node.args]
        return inner[0] if len(inner) == 1 else f"({', '.join(inner)})"
    return module.source.inline(node)


@dataclass
class _Piece:
    module: Module
    text: str
    tree: Sequence[ast.stmt]


class _Inliner:
    """Makes one flat script of a test function."""

    def __init__(self, test: TestFunction, me: str | None, values: dict[str, str]) -> None:
        self.test, self.me, self.values = test, me, values
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
        head = [p for name, value in self._assigned(body) if (p := self._parameter(name, value))]
        wanted = flow_all(s for p in [*head, *pieces] for s in p.tree)
        setup = self._setup(wanted.reads - wanted.binds | self._attributes(body))
        pieces = [*setup, *head, *pieces]
        definitions = list(self.used_methods.values())
        definitions += self._module_names([*definitions, *pieces])
        text = "\n".join(p.text.rstrip() for p in [*_imports_first(definitions), *pieces]) + "\n"
        made = [s for p in pieces for s in p.tree]
        if self.me and any(isinstance(n, ast.Name) and n.id == self.me for s in made for n in nodes(s)):
            raise NotAloneError("self")
        return text

    def _attributes(self, body: Sequence[ast.stmt]) -> frozenset[str]:
        return frozenset(
            self.renamed.get(n.attr, n.attr)
            for s in body
            for n in nodes(s)
            if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == self.me
        )

    def _assigned(self, body: Sequence[ast.stmt]) -> list[tuple[str, str]]:
        """Parameters that can't be put in place: those that the body binds or changes, or that are long."""
        return [(n, v) for n, v in self.values.items() if not _is_short(v) or n in _binds_or_changes(body)]

    def _parameter(self, name: str, value: str) -> _Piece | None:
        text = f"{name} = {value}"
        return _Piece(self.test.module, text, parsed(text)) if name != value else None

    def _rename_clashes(self, body: Sequence[ast.stmt]) -> None:
        """Attributes of `self` that share a name with another local get a name of their own."""
        if self.me is None:
            return
        for module, statements, me in [*self._setup_bodies(), (self.test.module, list(body), self.me)]:
            for name in _clashes(statements, me):
                self.renamed[name] = f"{name}0"
            del module
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
        edits: list[Edit] = []
        short = {n: v for n, v in (values or {}).items() if _is_short(v)}
        own = _binds_or_changes(_without_docstring(self.test.node.body)) if short else frozenset()
        for node in nodes(statement):
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
            plain = [s for s in cls.body if isinstance(s, (ast.Assign, ast.AnnAssign, ast.AugAssign))]
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
                    if len(node.args.args) != 1:
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
        chosen: dict[tuple[str, int], _Piece] = {}
        while queue:
            module, name = queue.pop()
            if name not in module.bound or (name in local and not _is_definition(module, name)):
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


def _clashes(statements: Sequence[ast.stmt], me: str) -> list[str]:
    """Attributes of `me` whose name a local of the same statements also has, other than by `x = self.x`."""
    attributes: set[str] = set()
    for statement in statements:
        for node in nodes(statement):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == me and me:
                attributes.add(node.attr)
    clashing: set[str] = set()
    seen_local: set[str] = set()
    for statement in statements:
        used = {
            n.attr
            for n in nodes(statement)
            if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == me and me
        }
        if not (isinstance(statement, ast.Assign) and _same_name(statement, me)):
            clashing |= used & seen_local
        seen_local |= flow(statement).binds & attributes
        if isinstance(statement, ast.Assign) and _same_name(statement, me):
            seen_local -= used
    return sorted(clashing)


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
