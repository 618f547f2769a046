"""Mutation operators for the use of an API: calls, their arguments, and what is made of their results."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from keyword import iskeyword

from registry.names import dotted_name
from registry.records import Symbol
from synth.dataflow import flow
from synth.mutated.operators import Edits, Scope, arguments, root_of
from synth.vocabulary import confusable, defaults, fits

_CONSUMERS = ("list", "set", "sorted", "tuple", "dict", "frozenset", "sum", "max", "min", "len", "any", "all", "map",
              "zip", "enumerate", "filter", "iter", "next", "join", "Counter")  # fmt: skip
"""What takes any iterable: it doesn't matter to them whether it is a list."""

_KINDS = ("list", "set", "dict", "tuple")
"""What makes a list or the like of any iterable; not `sorted`: whether the order matters can't always be seen."""


def misspelt_keyword(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A parameter by a keyword that the function doesn't have: `weights=` for `weight=`, `createusing=`."""
    if not isinstance(node, ast.Call) or not scope.of_library(node):
        return
    own = {name for symbol in scope.words.called(node) for name in defaults(symbol)}
    taken = {*own, *(k.arg for k in node.keywords)}
    for keyword in node.keywords:
        name = keyword.arg
        if name is not None and len(name) > 1 and name in own:
            usable = [c for c in _misspellings(name, scope) if c.isidentifier() and not iskeyword(c) and c not in taken]
            if usable:
                yield _keyword(keyword, scope.rng.choice(usable), scope)


def _misspellings(name: str, scope: Scope) -> list[str]:
    """A keyword for one thing or many, run together, its last word where that is one too, a slip of the keys."""
    several = "_" in name
    made = [] if several or name.endswith(("is", "us", "ss", "x")) else [name[:-1] if name[-1] == "s" else name + "s"]
    if several:
        last = name.rpartition("_")[2]
        made += [name.replace("_", "", 1), *({last} & scope.words.library.keywords)]
    if len(name) > 4:
        made.append(name[:2] + name[3] + name[2] + name[4:])
    return made


def _keyword(keyword: ast.keyword, name: str, scope: Scope) -> Edits:
    start, _ = scope.source.span(keyword)
    return ((start, start + len(keyword.arg or ""), name),)


def wrong_keyword(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """Another parameter's name that it is mixed up with: `target=` for `source=`."""
    if not isinstance(node, ast.Call):
        return
    name = dotted_name(node.func) or ""
    given = {k.arg for k in node.keywords}
    others = [p for p in list(scope.words.parameters(name))[len(node.args) :] if p not in given]
    for keyword in node.keywords:
        near = [o for o in others if _opposite(keyword.arg or "", o) or confusable(keyword.arg or "", o)]
        if near:
            yield _keyword(keyword, scope.rng.choice(near), scope)


_OPPOSITES = ("source target", "start end", "start stop", "left right", "first last", "rows columns", "min max")


def _opposite(one: str, other: str) -> bool:
    return any({one, other} == set(pair.split()) for pair in _OPPOSITES)


def swapped_arguments(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """Two positional arguments in each other's place; not two numbers, which no name tells apart, nor any of a row."""
    if not isinstance(node, ast.Call) or not scope.of_library(node) or not arguments(node, scope):
        return
    if any(p["kind"] == "variadic positional" for s in scope.words.called(node) for p in _rows(s)):
        return
    for first, second in zip(node.args, node.args[1:], strict=False):
        one, two = scope.text(first), scope.text(second)
        starred = isinstance(first, ast.Starred) or isinstance(second, ast.Starred)
        literal = isinstance(first, ast.Constant) and isinstance(second, ast.Constant)
        if one != two and not starred and not (literal and type(first.value) is type(second.value)):  # type: ignore[attr-defined]  # are constants
            yield (*scope.put(first, two), *scope.put(second, one))


def _rows(symbol: Symbol) -> list[Mapping[str, object]]:
    return [p for p in symbol.parameters if isinstance(p, Mapping)]


def missing_argument(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A call without one of its arguments, where that can be told: a name, a switch, a text that stands elsewhere."""
    if not isinstance(node, ast.Call) or not scope.of_library(node):
        return
    found = arguments(node, scope)
    spans = [scope.source.span(a) for a in found]
    for i, (start, end) in enumerate(spans):
        if not _can_be_told(found[i], scope):
            continue
        if i + 1 < len(spans):
            yield ((start, spans[i + 1][0], ""),)
        elif i:
            yield ((spans[i - 1][1], end, ""),)
        else:
            yield ((start, scope.source.span(node)[1] - 1, ""),)


def _can_be_told(argument: ast.expr | ast.keyword, scope: Scope) -> bool:
    """Whether an argument that is gone is a variable, a class, `True` … or by keyword a text that stands elsewhere."""
    named = isinstance(argument, ast.keyword)
    value = argument.value if isinstance(argument, ast.keyword) else argument
    if isinstance(value, ast.Constant):
        return named and (value.value is None or isinstance(value.value, bool) or scope.known(value))
    if isinstance(value, ast.Call) and not value.args and not value.keywords:
        value = value.func  # create_using=nx.DiGraph()
    last = (dotted_name(value) or "").rpartition(".")[2]
    if named and last[:1].isupper():  # the plainest that isn't the default: `DiGraph`, not `MultiDiGraph`
        plainer = [name for name in scope.words.library.classes if last.endswith(name) and name != last]
        return len(plainer) < 2 or scope.source.text.count(last) > 1
    return isinstance(value, ast.Name) and value.id in scope.variables


def wrong_default(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A default of a function of the program's own changed: the other switch, None for a text."""
    if isinstance(node, ast.arguments):
        for value in [*node.defaults, *(d for d in node.kw_defaults if d is not None)]:
            if isinstance(value, ast.Constant) and isinstance(value.value, bool):
                yield scope.put(value, str(not value.value))
            elif scope.known(value):
                yield scope.put(value, "None")


def wrong_function(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A function of the module that it is mixed up with, where the test tells which one it was."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and scope.decided:
        name = dotted_name(node.func)
        if name is not None and not name.rpartition(".")[2][:1].isupper():
            for other in scope.words.siblings(name):
                yield scope.rename(node.func, other)


def wrong_class(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """Another class with nearly the same name, that can stand there too: `Graph` for `DiGraph`."""
    name = dotted_name(node) if isinstance(node, ast.Attribute) else None
    if isinstance(node, ast.Attribute) and name is not None and node.attr[:1].isupper():
        owner = name.rpartition(".")[0]
        for other in scope.words.siblings(name):
            if _can_stand_there(name, f"{owner}.{other}", node, scope):
                yield scope.rename(node, other)


def _can_stand_there(name: str, other: str, node: ast.Attribute, scope: Scope) -> bool:
    """Whether another class takes the arguments that one is called with, or has what is looked for in it."""
    member, call, symbol = node.__dict__.get("member"), node.__dict__.get("called"), scope.words.symbol(other)
    if member is not None and scope.words.has(f"{name}.{member}") and not scope.words.has(f"{other}.{member}"):
        return False
    if not isinstance(call, ast.Call) or symbol is None or not symbol.parameters:
        return True
    return fits(symbol, len(call.args), [k.arg for k in call.keywords if k.arg is not None])


def wrong_method(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """Another method of the same class, or of Python's own, that it is mixed up with."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and root_of(node.func) not in scope.words.imported
    ):
        others = scope.words.library.beside(node.func.attr, "method") if scope.decided else []
        for other in [*others, *_PYTHONS.get(node.func.attr, ())]:
            yield scope.rename(node.func, other)


_PYTHONS: Mapping[str, tuple[str, ...]] = {
    "append": ("add", "extend"), "extend": ("append",), "add": ("append",), "items": ("keys", "values"),
    "values": ("keys", "items"), "keys": ("values",), "remove": ("discard",), "discard": ("delete",),
    "startswith": ("endswith",), "endswith": ("startswith",), "lstrip": ("rstrip",), "rstrip": ("lstrip",),
}  # fmt: skip
"""Python's own methods that are mixed up."""


def invented_name(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A plausible function that the library doesn't have."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name = dotted_name(node.func)
        if name is not None and name.partition(".")[0] in scope.words.imported:
            other = scope.words.invented(name, scope.rng)
            if other is not None:
                yield scope.rename(node.func, other)


def undefined_method(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A plausible method that no object has."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and root_of(node.func) not in scope.words.imported
    ):
        other = scope.words.unknown(node.func.attr, scope.rng)
        if other is not None:
            yield scope.rename(node.func, other)


def stale_name(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """What the function was called before."""
    if isinstance(node, ast.Call):
        name = dotted_name(node.func)
        other = scope.words.stale(name) if name is not None else None
        if other is not None:
            yield scope.put(node.func, other)


def missing_call(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`G.is_directed` for `G.is_directed()`: a function where its value was meant."""
    if isinstance(node, ast.Call) and not node.args and not node.keywords and isinstance(node.func, ast.Attribute):
        yield scope.put(node, scope.text(node.func))


def needless_call(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`x.name()` for `x.name`: an attribute taken for a method (in an assignment's value)."""
    if (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Attribute)
        and root_of(node.value) not in scope.words.imported
    ):
        yield scope.put(node.value, f"{scope.text(node.value)}()")


def none_kept(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`G = G.add_edge(1, 2)`: a method that changes its object and returns None, taken for one that returns it."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        owner = node.value.func.value
        if isinstance(owner, ast.Name) and owner.id in scope.variables:
            start, _ = scope.source.span(node)
            yield ((start, start, f"{owner.id} = "),)


def lost_result(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`nx.relabel_nodes(G, names)` for `G = nx.relabel_nodes(G, names)`: as if it changed its argument."""
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and len(node.targets) == 1:
        target = node.targets[0]
        again = isinstance(target, ast.Name) and target.id in scope.variables
        if again and target.id in flow(node.value).reads and (node.value.args or node.value.keywords):  # type: ignore[attr-defined]  # is a name
            yield ((scope.source.span(node)[0], scope.source.span(node.value)[0], ""),)


def lazy_result(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """An iterator or view used as if it were a list: `nx.bfs_edges(G, 0)` for `list(nx.bfs_edges(G, 0))`."""
    if not isinstance(node, ast.Call) or len(node.args) != 1 or node.keywords:
        return
    if dotted_name(node.func) in _KINDS and node.__dict__.get("parent") not in _CONSUMERS:
        argument = node.args[0]
        if isinstance(argument, (ast.Call, ast.Attribute)):
            yield scope.put(node, scope.text(argument))


def swapped_results(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`H, cost = f(G)` for `cost, H = f(G)`."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and len(node.targets[0].elts) == 2:
        first, second = node.targets[0].elts
        if isinstance(first, ast.Name) and isinstance(second, ast.Name):
            yield (*scope.put(first, second.id), *scope.put(second, first.id))


def missing_copy(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`H = G` for `H = G.copy()`, where one is changed later and the other read; `f(G)` for `f(G.copy())`."""
    call = node.value if isinstance(node, ast.Assign) else node
    original = _copied(call)
    if not isinstance(original, ast.Name) or original.id not in scope.variables:
        return
    if isinstance(node, ast.Assign):
        other = node.targets[0].id if isinstance(node.targets[0], ast.Name) else original.id
        pairs = ((original.id, other), (other, original.id))
        if other != original.id and any(one in scope.changed and two in scope.read for one, two in pairs):
            yield scope.put(call, original.id)
    elif "parent" in node.__dict__ and original.id in scope.read:
        yield scope.put(call, original.id)


def sorted_in_place(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`r = rows.sort()` for `r = sorted(rows)`: the method gives None."""
    call = node.value if isinstance(node, ast.Assign) else None
    if isinstance(call, ast.Call) and dotted_name(call.func) == "sorted" and len(call.args) == 1:
        given, what = call.args[0], scope.made.get(scope.text(call.args[0]), "")
        if isinstance(given, ast.Name) and what in ("list", "List", "ListComp", "sorted"):
            options = "".join(scope.text(k) for k in call.keywords)
            yield scope.put(call, f"{given.id}.sort({options})")


def _copied(call: ast.AST) -> ast.expr | None:
    """What a call gives a copy of."""
    if not isinstance(call, ast.Call):
        return None
    if isinstance(call.func, ast.Attribute) and call.func.attr == "copy" and not call.args:
        return call.func.value
    name = (dotted_name(call.func) or "").rpartition(".")[2]
    return call.args[0] if name in ("copy", "deepcopy") and len(call.args) == 1 else None


def changed_while_read(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A loop over what its body changes: `for n in G.nodes` for `for n in list(G.nodes)`."""
    if isinstance(node, ast.For) and isinstance(node.iter, ast.Call) and isinstance(node.iter.func, ast.Name):
        changes = {name for statement in node.body for name in flow(statement).changes}
        if node.iter.func.id in ("list", "tuple", "set") and len(node.iter.args) == 1:
            argument = node.iter.args[0]
            if {n.id for n in ast.walk(argument) if isinstance(n, ast.Name)} & changes:
                yield scope.put(node.iter, scope.text(argument))


def missing_await(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A coroutine that nobody waits for."""
    if isinstance(node, ast.Await):
        yield scope.put(node, scope.text(node.value))


def wrong_attribute(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """Another attribute of the same class: `G.edges` for `G.nodes`."""
    if isinstance(node, ast.Attribute) and root_of(node) not in scope.words.imported:
        for other in scope.words.library.beside(node.attr, "attribute"):
            yield scope.rename(node, other)
