"""Which names a package's modules bind, from their syntax alone: where an object is defined, and its public paths.

Import statements are followed in the order in which they would run, star imports and submodules that they bind
included; nothing is imported. (griffe can't hold a function and a submodule of one name, such as `networkx.bridges`.)
What a module's source doesn't bind, as it comes from compiled code, its stub does (`.pyi`). Non-guarantees: names that
are made at run time (`__getattr__`, `globals()`, lazy loaders) are not seen.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from registry.trees import parse


@dataclass(frozen=True)
class Target:
    """What a name stands for: a module (`name` empty), or an object defined in one."""

    module: str
    name: str = ""

    @property
    def path(self) -> str:
        """The dotted path."""
        return f"{self.module}.{self.name}" if self.name else self.module


@dataclass
class Module:
    """A module's syntax and what running it binds."""

    name: str
    is_package: bool
    tree: ast.Module
    names: dict[str, Target | None] = field(default_factory=dict)
    exports: list[str] | None = None
    done: bool = False
    lists: dict[str, list[str]] = field(default_factory=dict)
    """Lists of strings by name, as `__all__` may be put together from them."""
    stub: bool = False
    extenders: set[str] = field(default_factory=set)
    """Functions of its own that put names into `__all__`: called with a module, those of that one's."""

    def exported(self) -> list[str]:
        """The names that `from module import *` binds."""
        if self.exports is not None:
            return self.exports
        return [n for n in self.names if not n.startswith("_")]


def parsed(texts: Mapping[str, str], suffix: str = ".py") -> dict[str, Module]:
    """The modules, or stubs, of {path within the package: text}, by dotted name; what is no Python is left out."""
    modules: dict[str, Module] = {}
    for path, text in sorted(texts.items()):
        if not path.endswith(suffix):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # invalid escapes in somebody else's strings
                tree = parse(text)
        except SyntaxError:
            continue
        name, is_package = module_name(path)
        modules[name] = Module(name, is_package, tree, stub=suffix == ".pyi")
    return modules


def module_name(path: str) -> tuple[str, bool]:
    """`a/b/c.py` -> (`a.b.c`, False); `a/b/__init__.py` -> (`a.b`, True)."""
    parts = path.rpartition(".")[0].split("/")
    if parts[-1] == "__init__":
        return ".".join(parts[:-1]), True
    return ".".join(parts), False


class Namespaces:
    """What each module of a package binds.

    Args:
        modules: By dotted name, as `parsed` gives them; filled in place, also with those that have a stub only.
        stubs: Stubs by the name of their module.
    """

    def __init__(self, modules: dict[str, Module], stubs: Mapping[str, Module] = MappingProxyType({})) -> None:
        self.modules = modules
        self._stubs = stubs
        for name, stub in stubs.items():
            modules.setdefault(name, Module(name, stub.is_package, ast.Module(body=[], type_ignores=[]), stub=True))
        for name in sorted(modules):
            self._run(name)

    def resolve(self, path: str) -> str | None:
        """The canonical path of a dotted path, following imports; None where its module binds no such name."""
        module, rest = self._longest(path)
        if module is None:
            return None
        for position, part in enumerate(rest):
            target = self.modules[module].names.get(part) if module in self.modules else None
            if target is None:
                sub = f"{module}.{part}"
                if sub not in self.modules:
                    return None
                target = Target(sub)
            if target.name:
                return ".".join([target.path, *rest[position + 1 :]])
            module = target.module
        return module

    def public_paths(self, root: str) -> dict[str, list[str]]:
        """Canonical path -> its public dotted paths under `root`, shortest first.

        Public is what every name on the way is: without a leading underscore, in `__all__` where there is one, and
        defined where it stands or imported by a package's `__init__`.
        """
        found: dict[str, set[str]] = {}
        queue: list[tuple[str, str, tuple[str, ...]]] = [(root, root, ())]
        seen = {root}
        while queue:
            path, module, chain = queue.pop(0)
            found.setdefault(module, set()).add(path)
            for name, target in self._exposed(module):
                public = f"{path}.{name}"
                if target.name:
                    found.setdefault(target.path, set()).add(public)
                elif target.module not in chain and public not in seen and len(chain) < 6:
                    seen.add(public)
                    queue.append((public, target.module, (*chain, module)))
        return {c: sorted(paths, key=lambda p: (p.count("."), len(p), p)) for c, paths in sorted(found.items())}

    def _exposed(self, name: str) -> Iterator[tuple[str, Target]]:
        """The public names of a module, its submodules included."""
        module = self.modules.get(name)
        if module is None:
            return
        bound: dict[str, Target] = {}
        for sub in self._submodules(name):
            bound[sub] = Target(f"{name}.{sub}")
        for n, target in module.names.items():
            if target is None or not target.module.startswith(name.split(".")[0]):
                continue
            listed = module.exports is not None and n in module.exports
            own = target.name and target.module == name
            submodule = not target.name and target.module == f"{name}.{n}"
            allowed = listed or submodule or (module.exports is None and (own or module.is_package))
            if allowed:
                bound[n] = target
            elif n in bound:
                del bound[n]  # a private object hides the submodule of that name
        for n, target in sorted(bound.items()):
            if not n.startswith("_") and not is_test_module(target.module):
                yield n, target

    def _submodules(self, name: str) -> list[str]:
        prefix = f"{name}."
        return [m[len(prefix) :] for m in self.modules if m.startswith(prefix) and "." not in m[len(prefix) :]]

    def _longest(self, path: str) -> tuple[str | None, list[str]]:
        root, *rest = path.split(".")
        return (root, rest) if root in self.modules else (None, [])

    def _run(self, name: str) -> None:
        module = self.modules.get(name)
        if module is None or module.done:
            return
        module.done = True  # before its statements: a circular import sees what is bound so far
        for statement in module.tree.body:
            self._statement(module, statement)
        if (stub := self._stubs.get(name)) is not None:
            self._fill(module, stub)

    def _fill(self, module: Module, stub: Module) -> None:
        """Binds what the module's stub has and its source doesn't: definitions, and what is imported to be passed on.

        A stub passes on what it imports by `*`, by `import a as a`, and what stands in its `__all__`.
        """
        for statement in stub.tree.body:
            self._statement(stub, statement)
        imports = [n for n in stub.tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        own_use = {a.name.split(".")[0] for n in imports for a in n.names if a.asname is None}
        told = []
        for name, target in stub.names.items():
            passed_on = name not in own_use or name in (stub.exports or ())
            if passed_on and target is not None:
                module.names[name] = module.names.get(name) or target
                told.append(name)
        if module.stub:
            module.exports = stub.exports
        elif module.exports is not None:  # what its source puts together may be more than syntax shows
            module.exports = list(dict.fromkeys([*module.exports, *(told if stub.exports is None else stub.exports)]))

    def _statement(self, module: Module, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef(name="__getattr__"):
                self._lazy(module, node)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                module.names[name] = Target(module.name, name)
                if isinstance(node, ast.FunctionDef) and "id='__all__'" in ast.dump(node):
                    module.extenders.add(name)
            case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=[ast.Name() as arg])) if name in module.extenders:
                passed = ast.Attribute(value=arg, attr="__all__")
                module.exports = [*(module.exports or []), *self._strings(module, passed)]
            case ast.Import():
                self._import(module, node)
            case ast.ImportFrom():
                self._import_from(module, node)
            case ast.Assign(value=ast.Call(func=func, args=args, keywords=keywords)) if _is_attach(func):
                self._attach(module, [*args[1:], *(k.value for k in keywords)])
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    self._assign(module, target, value)
            case ast.AnnAssign(target=target, value=optional) if optional is not None:
                self._assign(module, target, optional)
            case ast.AnnAssign(target=ast.Name(id=name)) if module.stub:
                module.names[name] = Target(module.name, name)
            case ast.AugAssign(target=ast.Name(id="__all__"), value=value):
                module.exports = [*(module.exports or []), *self._strings(module, value)]
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id="__all__"), attr=attr), args=[arg])):
                added = self._strings(module, arg) if attr == "extend" else self._strings(module, ast.List(elts=[arg]))
                module.exports = [*(module.exports or []), *added]
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                self._block(module, node)

    def _attach(self, module: Module, given: list[ast.expr]) -> None:
        """Names that `lazy_loader.attach(__name__, ["sub"], {"mod": ["f"]})` gives a package when asked for."""
        for value in given:
            if isinstance(value, ast.Dict):
                for key, names in zip(value.keys, value.values, strict=True):
                    listed = [ast.alias(name=n) for n in self._strings(module, names)]
                    if isinstance(key, ast.Constant) and isinstance(key.value, str) and listed:
                        self._import_from(module, ast.ImportFrom(module=key.value, names=listed, level=1))
            elif listed := [ast.alias(name=n) for n in self._strings(module, value)]:
                self._import_from(module, ast.ImportFrom(module=None, names=listed, level=1))

    def _lazy(self, module: Module, function: ast.FunctionDef) -> None:
        """Names that a module's `__getattr__` imports when they are asked for: `if name == "f": from .m import f`."""
        for node in ast.walk(function):
            if isinstance(node, ast.If) and isinstance(node.test, ast.Compare):
                asked = {n.value for n in ast.walk(node.test) if isinstance(n, ast.Constant)}
                for inner in node.body:
                    if isinstance(inner, ast.ImportFrom) and asked.intersection(
                        a.asname or a.name for a in inner.names
                    ):
                        self._import_from(module, inner)

    def _block(self, module: Module, node: ast.If | ast.Try | ast.With | ast.For | ast.While) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            inner = node.orelse
        else:
            inner = [
                s for attribute in ("handlers", "orelse", "body", "finalbody") for s in _statements(node, attribute)
            ]
        for statement in inner:
            self._statement(module, statement)

    def _assign(self, module: Module, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                self._assign(module, element, ast.Constant(value=None))
        elif isinstance(target, ast.Name):
            if target.id == "__all__":
                known = self._strings(module, value)
                module.exports = known if known or _is_empty(value) else None  # of what isn't understood all is public
            elif strings := self._strings(module, value):
                module.lists[target.id] = strings
            module.names[target.id] = self._known(module, value) or Target(module.name, target.id)

    def _known(self, module: Module, value: ast.expr) -> Target | None:
        """What `a = b` or `a = mod.b` makes an alias of, where b is an object of this package."""
        parts: list[str] = []
        while isinstance(value, ast.Attribute):
            parts.insert(0, value.attr)
            value = value.value
        if not isinstance(value, ast.Name):
            return None
        target = module.names.get(value.id)
        for part in parts:
            if target is None or target.name or target.module not in self.modules:
                return None
            target = self.modules[target.module].names.get(part)
        return target

    def _strings(self, module: Module, node: ast.expr) -> list[str]:
        match node:
            case ast.List(elts=elts) | ast.Tuple(elts=elts) | ast.Set(elts=elts):
                texts = [
                    s for e in elts for s in (self._strings(module, e.value) if isinstance(e, ast.Starred) else [])
                ]
                return texts + [e.value for e in elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
            case ast.BinOp(left=left, op=ast.Add() | ast.BitOr(), right=right):
                return self._strings(module, left) + self._strings(module, right)
            case ast.Name(id="__all__"):
                return list(module.exports or [])
            case ast.Name(id=name):
                return list(module.lists.get(name, []))
            case ast.Attribute(value=ast.Name(id=name), attr="__all__"):
                target = module.names.get(name)
                return (
                    list(self.modules[target.module].exports or []) if target and target.module in self.modules else []
                )
            case ast.Call(func=ast.Name(), args=[arg]):
                return self._strings(module, arg)
            case ast.Call(func=ast.Attribute(value=value, attr="copy"), args=[]):
                return self._strings(module, value)
        return []

    def _import(self, module: Module, node: ast.Import) -> None:
        for alias in node.names:
            self._load(alias.name)
            bound = alias.name if alias.asname else alias.name.split(".")[0]
            name = alias.asname or bound
            module.names[name] = Target(bound) if bound in self.modules else None

    def _import_from(self, module: Module, node: ast.ImportFrom) -> None:
        source = self._source(module, node)
        self._load(source)
        self._bind_child(module, source)
        for alias in node.names:
            if alias.name == "*":
                self._star(module, source)
            else:
                self._bind(module, source, alias.name, alias.asname or alias.name)

    def _star(self, module: Module, source: str) -> None:
        if source not in self.modules:
            return
        for name in self.modules[source].exported():
            self._bind(module, source, name, name)

    def _bind(self, module: Module, source: str, name: str, bound: str) -> None:
        target = self.modules[source].names.get(name) if source in self.modules else None
        sub = f"{source}.{name}"
        if target is None and sub in self.modules:
            self._load(sub)
            target = Target(sub)
        module.names[bound] = target
        if target and not target.name:
            self._bind_child(module, target.module)

    def _bind_child(self, module: Module, source: str) -> None:
        """An import of `a.b.c` binds `b` in `a` and `c` in `a.b`, unless a statement has bound the name already."""
        parts = source.split(".")
        for i in range(1, len(parts)):
            parent, child = ".".join(parts[:i]), ".".join(parts[: i + 1])
            if parent in self.modules and child in self.modules:
                self.modules[parent].names.setdefault(parts[i], Target(child))

    def _load(self, name: str) -> None:
        parts = name.split(".")
        for i in range(1, len(parts) + 1):
            self._run(".".join(parts[:i]))
        self._bind_child(self.modules.get(parts[0], _NOWHERE), name)

    def _source(self, module: Module, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        base = module.name.split(".")
        base = base[: len(base) - node.level + (1 if module.is_package else 0)]
        return ".".join([*base, *([node.module] if node.module else [])])


_NOWHERE = Module("", False, ast.Module(body=[], type_ignores=[]))


def _is_attach(func: ast.expr) -> bool:
    """Whether a call is that of the package `lazy_loader`, or of a copy of it."""
    name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
    return name == "attach"


def _is_empty(value: ast.expr) -> bool:
    """Whether an expression is a list or tuple without anything in it."""
    return isinstance(value, ast.List | ast.Tuple | ast.Set) and not value.elts


def is_test_module(name: str) -> bool:
    """Whether a dotted module name is part of a test suite."""
    parts = name.split(".")
    last = parts[-1]
    return (
        any(p in {"tests", "test"} for p in parts[1:])
        or last.startswith("test_")
        or last.endswith("_test")
        or last == "conftest"
    )


def _statements(node: ast.AST, attribute: str) -> list[ast.stmt]:
    children = getattr(node, attribute, [])
    return [s for c in children for s in (c.body if isinstance(c, ast.ExceptHandler) else [c])]
