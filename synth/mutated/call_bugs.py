"""Mutation operators for the form of a call: who is asked, how arguments are put, what is unpacked, what is awaited."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator, Mapping
from keyword import iskeyword

from registry.names import dotted_name
from synth.mutated.operators import Edits, Scope, arguments, root_of, values
from synth.vocabulary import required

MOST_UNPACKED = 5
"""Elements of a list beyond which nobody forgets its brackets."""


def function_as_method(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`G.shortest_path(0, 3)` for `nx.shortest_path(G, 0, 3)`: a function taken for a method of its first argument."""
    name = dotted_name(node.func) if isinstance(node, ast.Call) else None
    if not isinstance(node, ast.Call) or name is None or root_of(node.func) not in scope.words.imported:
        return
    symbol, found, last = scope.words.symbol(name), arguments(node, scope), name.rpartition(".")[2]
    if symbol is None or symbol.kind != "function" or not node.args or last in scope.words.library.of_objects:
        return
    first = node.args[0]
    if isinstance(first, ast.Name) and scope.is_made_by_library(first.id) and found:
        end = scope.source.span(found[1])[0] if len(found) > 1 else scope.source.span(first)[1]
        yield (*scope.put(node.func, f"{first.id}.{last}"), (scope.source.span(first)[0], end, ""))


def method_as_function(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`nx.add_edge(G, 1, 2)` for `G.add_edge(1, 2)`: a method taken for a function of the library."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    owner, module = node.func.value, scope.words.module()
    if module is None or not isinstance(owner, ast.Name) or not scope.is_made_by_library(owner.id):
        return
    other = f"{module}.{node.func.attr}"
    if node.func.attr in scope.words.library.methods and not scope.words.has(other):
        found = arguments(node, scope)
        if found or not (node.args or node.keywords):
            at = scope.source.span(found[0])[0] if found else scope.source.span(node)[1] - 1
            yield (*scope.put(node.func, other), (at, at, f"{owner.id}, " if found else owner.id))


def missing_module(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`nx.sets(G)` for `nx.bipartite.sets(G)`: a function of a module looked for in the package."""
    name = dotted_name(node.func) if isinstance(node, ast.Call) else None
    if isinstance(node, ast.Call) and name is not None and name.count(".") > 1:
        short = f"{name.partition('.')[0]}.{name.rpartition('.')[2]}"
        if scope.words.symbol(name) is not None and not scope.words.has(short):
            yield scope.put(node.func, short)


def packed_arguments(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`G.add_edge((1, 2))` for `G.add_edge(1, 2)`: two arguments given as a pair."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or len(node.args) != 2:
        return
    methods = scope.words.library.methods.get(node.func.attr, ())
    simple = not any(isinstance(a, ast.Starred) for a in node.args) and arguments(node, scope)
    if methods and all(len(required(m)) > 1 for m in methods) and simple:
        start, end = scope.source.span(node.args[0])[0], scope.source.span(node.args[1])[1]
        yield ((start, end, f"({scope.source.text[start:end]})"),)


def unpacked_argument(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`G.add_nodes_from(1, 2)` for `G.add_nodes_from([1, 2])`: a list given as so many arguments."""
    given = node.args[-1] if isinstance(node, ast.Call) and node.args else None
    if not isinstance(node, ast.Call) or not isinstance(given, (ast.List, ast.Tuple, ast.Set)):
        return
    inner = scope.text(given)
    most = _most_positional(node, scope)
    if "\n" in inner or not 1 < len(given.elts) <= MOST_UNPACKED or inner[0] not in "[({":
        return
    if most is not None and most < len(node.args) - 1 + len(given.elts):
        yield scope.put(given, inner[1:-1].rstrip(", "))


def _most_positional(call: ast.Call, scope: Scope) -> int | None:
    """How many arguments a function or any method of that name takes by position; None where that isn't known."""
    symbol = scope.words.symbol(dotted_name(call.func) or "")
    last = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    symbols = [symbol] if symbol is not None else scope.words.library.methods.get(last, [])
    counts = []
    for each in symbols:
        rows = [p for p in each.parameters if isinstance(p, Mapping) and p["name"] not in ("self", "cls")]
        kinds = [str(p["kind"]) for p in rows]
        counts.append(99 if "variadic positional" in kinds else sum("positional" in kind for kind in kinds))
    return max(counts, default=None)


def missing_unpacking(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`for k, v in d:` for `for k, v in d.items():`; `for i, x in xs:` for `for i, x in enumerate(xs):`."""
    if not isinstance(node, (ast.For, ast.comprehension)) or not isinstance(node.target, ast.Tuple):
        return
    call = node.iter
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "items":
        yield scope.put(call, scope.text(call.func.value))
    elif isinstance(call, ast.Call) and dotted_name(call.func) == "enumerate" and len(call.args) == 1:
        yield scope.put(call, scope.text(call.args[0]))


def wrong_brackets(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`G.nodes(1)["color"]` for `G.nodes[1]["color"]`: what is looked up is called."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Attribute):
        start, end = scope.source.span(node.value)[1], scope.source.span(node)[1]
        inner = scope.source.text[start:end].strip()
        if not isinstance(node.slice, ast.Slice) and inner[0] == "[" and root_of(node.value) in scope.variables:
            yield ((start, end, f"({inner[1:-1]})"),)


def unquoted_string(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`get_node_attributes(G, color)` for `get_node_attributes(G, "color")`: a text without its quotes."""
    places = [node.slice] if isinstance(node, ast.Subscript) else values(node)
    for value in places:
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.isidentifier():
            name = value.value
            if not iskeyword(name) and not hasattr(builtins, name) and not _is_bound(name, scope):
                yield scope.put(value, name)


def _is_bound(name: str, scope: Scope) -> bool:
    return any(isinstance(n, (ast.Name, ast.arg, ast.alias, ast.FunctionDef, ast.ClassDef)) and name in _names_of(n)
               for n in ast.walk(scope.source.tree))  # fmt: skip


def _names_of(node: ast.AST) -> set[str]:
    """What a node calls itself, or is called by."""
    found = (getattr(node, field, None) for field in ("id", "arg", "name", "asname"))
    return {str(f).partition(".")[0] for f in found if f}


def wrong_exception(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`except ValueError` for `except nx.NetworkXError`: the caller waits for another exception than is raised."""
    name = dotted_name(node.type) if isinstance(node, ast.ExceptHandler) and node.type is not None else None
    if name is None or not isinstance(node, ast.ExceptHandler) or node.type is None:
        return
    if name.partition(".")[0] in scope.words.imported:
        found = "library's, not made" if name.endswith("NotImplemented") else "library's"
    else:
        found = name
    for other in _EXCEPTIONS.get(found, ()):
        yield scope.put(node.type, other)


_EXCEPTIONS: Mapping[str, tuple[str, ...]] = {
    "KeyError": ("IndexError", "ValueError"), "IndexError": ("KeyError", "ValueError"),
    "ValueError": ("TypeError", "KeyError"), "TypeError": ("ValueError", "AttributeError"),
    "AttributeError": ("KeyError", "TypeError"), "ZeroDivisionError": ("ValueError",), "StopIteration": ("IndexError",),
    "NotImplementedError": ("TypeError", "ValueError"), "ImportError": ("AttributeError",),
    "RuntimeError": ("ValueError", "TypeError"), "AssertionError": ("ValueError",),
    "library's": ("ValueError", "KeyError", "TypeError"), "library's, not made": ("NotImplementedError",),
}  # fmt: skip
"""Exception -> Python's own ones that it is taken for, none of them a base of it."""
