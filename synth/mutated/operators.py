"""What mutation operators are made of, and those that work on expressions anybody writes.

An operator looks at one node of a program and lists the edits of its text that a slip of the mind could have made.
Nothing is printed anew: what the edit doesn't touch stays as its author wrote it.
"""

from __future__ import annotations

import ast
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from keyword import iskeyword

from registry.names import dotted_name
from synth.source import Edit, Source
from synth.vocabulary import Words, defaults

Edits = tuple[Edit, ...]
"""One mistake: replacements that don't overlap."""


@dataclass
class Scope:
    """What an operator may know about the program around a node.

    Attributes:
        source: The program.
        words: The library's names, as the program can write them.
        rng: The only source of choice.
        variables: Names that the program has bound before the node's statement, in order.
        changed: Names whose objects the statements after the node's change.
        read: Names that those statements read, or the test.
        said: How often each text and number stands in the program and its test.
        tested: How often it stands in the test.
        made: Name -> the call that it was bound to, or the sort of literal.
        decided: Whether its test tells more than yes from no.
    """

    source: Source
    words: Words
    rng: random.Random
    variables: tuple[str, ...] = ()
    changed: frozenset[str] = frozenset()
    read: frozenset[str] = frozenset()
    said: Counter[object] = field(default_factory=Counter)
    tested: Counter[object] = field(default_factory=Counter)
    made: Mapping[str, str] = field(default_factory=dict)
    decided: bool = True

    def text(self, node: ast.AST) -> str:
        """The node as it stands in the program."""
        return self.source.segment(node)

    def put(self, node: ast.AST, text: str) -> Edits:
        """The edit that writes `text` for the node."""
        return ((*self.source.span(node), text),)

    def rename(self, node: ast.expr, name: str) -> Edits:
        """The edit that writes another last name in `a.b.c` or `c`."""
        end = self.source.span(node)[1]
        own = node.attr if isinstance(node, ast.Attribute) else self.text(node)
        return ((end - len(own), end, name),)

    def known(self, node: ast.AST) -> bool:
        """Whether it is a text that stands elsewhere too, in the program or its test: it can be told if it is gone."""
        return isinstance(node, ast.Constant) and isinstance(node.value, str) and self.said[node.value] > 1

    def is_made_by_library(self, name: str) -> bool:
        """Whether a variable is bound to what a call of the library's gives."""
        return self.made.get(name, "").partition(".")[0] in self.words.imported

    def of_library(self, call: ast.Call) -> bool:
        """Whether it is a call of the library's, or of a method of some object."""
        return root_of(call.func) in self.words.imported or isinstance(call.func, ast.Attribute)


Operator = Callable[[ast.AST, Scope], Iterator[Edits]]


def root_of(node: ast.AST) -> str | None:
    """`a` of `a.b.c`."""
    name = dotted_name(node)
    return None if name is None else name.partition(".")[0]


def arguments(call: ast.Call, scope: Scope) -> list[ast.expr | ast.keyword]:
    """A call's arguments in order; none where more than commas stand between them (brackets, a bare generator)."""
    given: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
    found = sorted(given, key=lambda a: (a.lineno, a.col_offset))
    end = scope.source.span(call)[1]
    edges = [scope.source.span(a) for a in found]
    gaps = [scope.source.text[a[1] : b[0]].strip() for a, b in pairwise(edges)]
    last = "".join(scope.source.text[edges[-1][1] : end].split()) if edges else ")"
    return found if all(gap == "," for gap in gaps) and last in (")", ",)") else []


def values(node: ast.AST) -> list[ast.expr]:
    """What a call is given; nothing where the node is none."""
    return [*node.args, *(k.value for k in node.keywords)] if isinstance(node, ast.Call) else []


def _between(scope: Scope, left: ast.AST, right: ast.AST, old: str, new: str) -> Iterator[Edits]:
    """The edit of an operator's sign that stands between two nodes."""
    start, end = scope.source.span(left)[1], scope.source.span(right)[0]
    found = re.search(old, scope.source.text[start:end])
    if found is not None:
        yield ((start + found.start(), start + found.end(), new),)


def comparison_swap(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`<` for `<=`, `==` for `!=`, `in` for `not in`, where something is decided by it."""
    if isinstance(node, ast.Compare) and "decides" in node.__dict__:
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            yield from _between(scope, left, right, *_COMPARISONS[type(operator)])


_COMPARISONS: Mapping[type[ast.cmpop], tuple[str, str]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.In: ("in", "not in"), ast.NotIn: (r"not\s+in", "in"), ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
}  # fmt: skip


def wrong_operator(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`n + 1` for `n - 1`, `//` for `/`, `or` for `and`, `&` for `|`, `=` for `+=`."""
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        near = _is_one(node.right) if isinstance(node.op, (ast.Add, ast.Sub)) else not _is_text(node.right)
        if near:
            yield from _between(scope, node.left, node.right, *_OPERATORS[type(node.op)])
    elif isinstance(node, ast.BoolOp) and len(node.values) == 2 and "decides" in node.__dict__:
        yield from _between(scope, node.values[0], node.values[1], *_OPERATORS[type(node.op)])
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        yield from _between(scope, node.target, node.value, r"\+=", "=")


_OPERATORS: Mapping[type[ast.AST], tuple[str, str]] = {
    ast.Add: (r"\+", "-"), ast.Sub: ("-", "+"), ast.Div: ("/", "//"), ast.FloorDiv: ("//", "/"),
    ast.BitOr: (r"\|", "&"), ast.BitAnd: ("&", "|"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, (ast.JoinedStr, ast.Constant)) and isinstance(getattr(node, "value", ""), str)


def _is_one(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == 1


def negated_condition(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`if not x` for `if x`, also in comprehensions; a `not` too few."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not) and "decides" in node.__dict__:
        yield scope.put(node, scope.text(node.operand))
    elif isinstance(node, (ast.If, ast.While, ast.IfExp, ast.comprehension)):
        for test in node.ifs if isinstance(node, ast.comprehension) else [node.test]:
            if isinstance(test, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)):
                yield scope.put(test, f"not {scope.text(test)}")


def off_by_one(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A bound of a `range` one too large or too small, where the test or another place shows what it was."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "range":
        return
    for value in node.args:
        if isinstance(value, ast.Constant) and type(value.value) is int and value.value > 2:
            step = 1 if scope.rng.random() < 0.5 else -1
            if scope.tested[value.value] or scope.tested[value.value - 1] or scope.said[value.value] > 1:
                yield scope.put(value, str(value.value + step))
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "len":
            yield scope.put(value, f"{scope.text(value)} - 1")


def wrong_index(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`x[1]` for `x[0]`, `x[0]` for `x[-1]`, `x["weights"]` for `x["weight"]`, a slice that ends one off."""
    if not isinstance(node, ast.Subscript):
        return
    index = node.slice
    if isinstance(index, ast.Constant) and type(index.value) is int:
        if index.value < 2 and isinstance(node.value, (ast.Name, ast.Call)) and isinstance(node.ctx, ast.Load):
            yield scope.put(index, str(1 - index.value))
    elif isinstance(index, ast.Constant) and scope.known(index) and str(index.value).isidentifier():
        yield scope.put(index, _misspelt(scope.text(index)))
    elif isinstance(index, ast.UnaryOp) and isinstance(index.operand, ast.Constant) and index.operand.value == 1:
        yield scope.put(index, "0")
    elif isinstance(index, ast.Slice):
        for bound in (index.lower, index.upper):
            if isinstance(bound, ast.Constant) and type(bound.value) is int:
                yield scope.put(bound, str(bound.value + 1))


def _misspelt(literal: str) -> str:
    """A string's literal with an `s` more at its end, or the one it has less."""
    body = literal.rstrip("\"'")
    quote = literal[len(body) :]
    return (body[:-1] if body.endswith("s") and len(body) > 4 else body + "s") + quote


def wrong_string(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """An option or an attribute's name misspelt: `"weights"` for `"weight"`."""
    for value in values(node):
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and scope.known(value):
            text = scope.text(value)
            if len(value.value) > 2 and value.value.isidentifier() and text[1:-1] == value.value:
                yield scope.put(value, _misspelt(text))


def wrong_variable(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """Another of the program's variables as an argument: one of the same sort, that isn't given already."""
    given = {n.id for value in values(node) for n in ast.walk(value) if isinstance(n, ast.Name)}
    for value in values(node):
        if isinstance(value, ast.Name) and value.id in scope.variables:
            before = [v for v in dict.fromkeys(scope.variables) if v not in given and _alike(v, value.id, scope)]
            for other in scope.rng.sample(before, min(2, len(before))):
                yield scope.put(value, other)


def _alike(one: str, other: str, scope: Scope) -> bool:
    """Whether two variables are numbered alike (`G1`, `G2`), or hold the same sort of thing."""
    numbered = one.rstrip("0123456789") == other.rstrip("0123456789")
    both = scope.is_made_by_library(one) and scope.is_made_by_library(other) and one.isupper() == other.isupper()
    return numbered or (one in scope.made and scope.made[one] == scope.made.get(other)) or (both and len(one) < 3)


def undefined_object(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A variable misremembered: `g` for `G`, `edges` for `edge`; the name is bound nowhere."""
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load) or node.id not in scope.variables:
        return
    name = node.id
    choices = [name[:-1] if name.endswith("s") and len(name) > 2 else name + "s", f"{name}1", f"new_{name}"]
    if len(name) == 1:
        choices = [name.swapcase(), f"{name}1"]
    elif name[-1].isdigit():
        choices = [name[:-1], f"{name[:-1]}{int(name[-1]) + 1}"]
    elif len(name) > 4:
        choices.append(name[:2] + name[3] + name[2] + name[4:])
    usable = [c for c in choices if not iskeyword(c) and not re.search(rf"\b{c}\b", scope.source.text)]
    if usable:
        yield scope.put(node, scope.rng.choice(usable))


def missing_statement(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A call whose effect is needed left out, where names and the test tell all that stood in it."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and "only" not in node.__dict__:
        found = [n.value for value in values(node.value) for n in ast.walk(value) if isinstance(n, ast.Constant)]
        shown = all(scope.tested[value] for value in found) and scope.decided and len(found) < 5
        if node.lineno == node.end_lineno and shown:
            yield without_line(node, scope)


def without_line(node: ast.stmt, scope: Scope) -> Edits:
    """The edit that takes a statement's lines out; `pass` stays where it was alone, or shares its line."""
    start, end = scope.source.span(node)
    text = scope.source.text
    line = text.rfind("\n", 0, start) + 1
    stop = (text.find("\n", end) + 1) or len(text)
    if text[line:start].strip() or text[end:stop].strip() or node.__dict__.get("only"):
        return ((start, end, "pass"),)
    if not line:  # nothing begins with a blank line
        stop += len(text[stop:]) - len(text[stop:].lstrip("\n"))
    return ((line, stop, ""),)


def wrong_constant(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`True` for `False`, `None` for a keyword's text that stands elsewhere too, where a text is the default."""
    for value in values(node):
        if isinstance(value, ast.Constant) and isinstance(value.value, bool):
            yield scope.put(value, str(not value.value))
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            texts = (defaults(symbol).get(keyword.arg or "") or "" for symbol in scope.words.called(node))
            if scope.known(keyword.value) and any(text[:1] in ("'", '"') for text in texts):
                yield scope.put(keyword.value, "None")


def wrong_jump(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`break` for `continue`, and the other way round."""
    if isinstance(node, (ast.Break, ast.Continue)):
        yield scope.put(node, "continue" if isinstance(node, ast.Break) else "break")


def missing_return(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A function that computes its result and forgets to hand it back."""
    if isinstance(node, ast.Return) and node.value is not None and not isinstance(node.value, (ast.Constant, ast.Name)):
        yield scope.put(node, scope.text(node.value))
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Name) and not node.__dict__.get("only"):
        yield without_line(node, scope)


def missing_import(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """A name that is used and never imported, or imported without the name it is used by (`import networkx`)."""
    if isinstance(node, (ast.Import, ast.ImportFrom)) and len(node.names) == 1:
        name = node.names[0]
        if isinstance(node, ast.ImportFrom) or name.asname is None or scope.rng.random() < 0.3:
            yield without_line(node, scope)
        else:
            yield scope.put(node, f"import {name.name}")
    elif isinstance(node, ast.ImportFrom) and "(" not in scope.text(node):
        gone = scope.rng.choice(node.names)
        written = ", ".join(ast.unparse(a) for a in node.names if a is not gone)
        yield scope.put(node, f"from {'.' * node.level}{node.module or ''} import {written}")


def foreign_word(node: ast.AST, scope: Scope) -> Iterator[Edits]:
    """`true`, `false` and `null`, as other languages have them."""
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool)):
        yield scope.put(node, "null" if node.value is None else str(node.value).lower())
