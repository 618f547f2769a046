"""Mutation operators: small mistakes that people and models make, as replacements of one libcst node by another.

An operator looks at one node and lists what it might have been written as by mistake. Names of bug kinds follow
DebugBench's classes where it has one (condition, operation and variable errors, faulty indexing, undefined names).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import libcst as cst

Replacement = cst.CSTNode | cst.RemovalSentinel


@dataclass(frozen=True)
class Mutation:
    """One mistake: `node` written as `replacement`."""

    operator: str
    node: cst.CSTNode
    replacement: Replacement


@dataclass
class Scope:
    """What an operator may know about the program around a node.

    Attributes:
        siblings: Of a dotted name as written (`nx.ancestors`): names of the same module that could be meant instead.
        invented: Of a dotted name as written: a name that exists nowhere.
        stale: Of a dotted name as written: what it was called before.
        methods: Of a method's name: other methods of its class.
        library: Local names that mean the library or something of it.
        variables: Names that the program has bound so far, in order.
        rng: The only source of choice.
    """

    siblings: Callable[[str], Sequence[str]]
    invented: Callable[[str, random.Random], str | None]
    stale: Callable[[str], str | None]
    methods: Callable[[str], Sequence[str]]
    library: frozenset[str]
    variables: tuple[str, ...]
    rng: random.Random


Operator = Callable[[cst.CSTNode, Scope], Iterator[Replacement]]


def dotted(node: cst.BaseExpression) -> str | None:
    """`a.b.c` of names and attributes; None for anything else."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    return ".".join([node.value, *reversed(parts)]) if isinstance(node, cst.Name) else None


def _root(node: cst.BaseExpression) -> str | None:
    name = dotted(node)
    return None if name is None else name.partition(".")[0]


def _of_library(call: cst.Call, scope: Scope) -> bool:
    """A call of the library's, or of a method of some object."""
    return _root(call.func) in scope.library or isinstance(call.func, cst.Attribute)


def comparison_swap(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """`<` for `<=`, `==` for `!=`, `in` for `not in`."""
    if isinstance(node, cst.ComparisonTarget):
        other = _COMPARISONS.get(type(node.operator))
        if other is not None:
            yield node.with_changes(operator=other())


_COMPARISONS: Mapping[type[cst.BaseCompOp], Callable[[], cst.BaseCompOp]] = {
    cst.LessThan: cst.LessThanEqual, cst.LessThanEqual: cst.LessThan, cst.GreaterThan: cst.GreaterThanEqual,
    cst.GreaterThanEqual: cst.GreaterThan, cst.Equal: cst.NotEqual, cst.NotEqual: cst.Equal, cst.In: cst.NotIn,
    cst.NotIn: cst.In, cst.Is: cst.IsNot, cst.IsNot: cst.Is,
}  # fmt: skip


def off_by_one(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """A number in a call's arguments one too large or too small."""
    if isinstance(node, cst.Arg) and isinstance(node.value, cst.Integer):
        value = int(node.value.value, 0)
        step = 1 if value < 1 or scope.rng.random() < 0.5 else -1
        yield node.with_changes(value=cst.Integer(str(value + step)))


def wrong_index(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """`x[1]` for `x[0]`, `x["weights"]` for `x["weight"]`, a slice that ends one off."""
    if not isinstance(node, cst.SubscriptElement):
        return
    if isinstance(node.slice, cst.Index):
        value = node.slice.value
        if isinstance(value, cst.Integer):
            number = int(value.value, 0)
            yield node.with_changes(slice=cst.Index(cst.Integer(str(number + 1 if number < 1 else number - 1))))
        elif isinstance(value, cst.SimpleString) and value.raw_value.isidentifier():
            yield node.with_changes(slice=cst.Index(value.with_changes(value=_misspelt_string(value))))
    elif isinstance(node.slice, cst.Slice):
        for name in ("lower", "upper"):
            bound = getattr(node.slice, name)
            if isinstance(bound, cst.Integer):
                number = int(bound.value, 0) + 1
                yield node.with_changes(slice=node.slice.with_changes(**{name: cst.Integer(str(number))}))


def _misspelt_string(node: cst.SimpleString) -> str:
    text = node.raw_value
    other = text[:-1] if text.endswith("s") and len(text) > 3 else text + "s"
    return f"{node.prefix}{node.quote}{other}{node.quote}"


def wrong_operator(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """`-` for `+`, `//` for `/`, `or` for `and`, `-=` for `+=`."""
    if isinstance(node, (cst.BinaryOperation, cst.BooleanOperation, cst.AugAssign)):
        other = _OPERATORS.get(type(node.operator))
        if other is not None:
            yield node.with_changes(operator=other())


_OPERATORS: Mapping[type[cst.CSTNode], Callable[[], cst.CSTNode]] = {
    cst.Add: cst.Subtract, cst.Subtract: cst.Add, cst.Multiply: cst.Add, cst.Divide: cst.FloorDivide,
    cst.FloorDivide: cst.Divide, cst.Modulo: cst.FloorDivide, cst.BitOr: cst.BitAnd, cst.BitAnd: cst.BitOr,
    cst.And: cst.Or, cst.Or: cst.And, cst.AddAssign: cst.SubtractAssign, cst.SubtractAssign: cst.AddAssign,
}  # fmt: skip


def misspelt_keyword(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """A keyword that the function doesn't have: `weights=` for `weight=`, `createusing=` for `create_using=`."""
    if not isinstance(node, cst.Call) or not _of_library(node, scope):
        return
    for i, arg in enumerate(node.args):
        if arg.keyword is None or len(arg.keyword.value) < 2:
            continue
        name = arg.keyword.value
        choices = [name[:-1] if name.endswith("s") else name + "s"]
        if "_" in name:
            choices += [name.replace("_", "", 1), name.partition("_")[0], name.rpartition("_")[2]]
        if len(name) > 5:
            choices.append(name[:3])
        present = {a.keyword.value for a in node.args if a.keyword is not None}
        usable = [c for c in choices if c.isidentifier() and c not in present and c not in ("is", "in", "as")]
        if usable:
            changed = arg.with_changes(keyword=cst.Name(scope.rng.choice(usable)))
            yield node.with_changes(args=[*node.args[:i], changed, *node.args[i + 1 :]])


def swapped_arguments(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """Two positional arguments in each other's place."""
    if not isinstance(node, cst.Call) or not _of_library(node, scope):
        return
    plain = [i for i, a in enumerate(node.args) if a.keyword is None and not a.star]
    for i, j in pairwise(plain):
        first, second = node.args[i], node.args[j]
        if not first.value.deep_equals(second.value):
            args = list(node.args)
            args[i], args[j] = first.with_changes(value=second.value), second.with_changes(value=first.value)
            yield node.with_changes(args=args)


def missing_argument(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """A call without one of its arguments."""
    if not isinstance(node, cst.Call) or not _of_library(node, scope):
        return
    for i in range(len(node.args) - 1, -1, -1):
        args = [*node.args[:i], *node.args[i + 1 :]]
        if args:
            args[-1] = args[-1].with_changes(comma=node.args[-1].comma)
        yield node.with_changes(args=args)


def wrong_function(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """Another function of the module, or another method of the class."""
    if not isinstance(node, cst.Call):
        return
    name = dotted(node.func)
    if name is not None and name.partition(".")[0] in scope.library:
        if isinstance(node.func, cst.Attribute):
            for other in scope.siblings(name):
                yield node.with_changes(func=node.func.with_changes(attr=cst.Name(other)))
    elif isinstance(node.func, cst.Attribute):
        for other in scope.methods(node.func.attr.value):
            yield node.with_changes(func=node.func.with_changes(attr=cst.Name(other)))


def invented_name(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """A plausible function that the library doesn't have."""
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
        name = dotted(node.func)
        if name is not None and name.partition(".")[0] in scope.library:
            other = scope.invented(name, scope.rng)
            if other is not None:
                yield node.with_changes(func=node.func.with_changes(attr=cst.Name(other)))


def stale_name(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """What the function was called before."""
    if isinstance(node, cst.Call):
        name = dotted(node.func)
        other = scope.stale(name) if name is not None and name.partition(".")[0] in scope.library else None
        if other is not None:
            yield node.with_changes(func=cst.parse_expression(other))


def negated_condition(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """`if not x` for `if x`, also in comprehensions; a `not` too few."""
    if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
        yield node.expression
    elif isinstance(node, (cst.If, cst.While, cst.CompIf)):
        test = node.test
        if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
            yield node.with_changes(test=test.expression)
        elif isinstance(test, (cst.Name, cst.Attribute, cst.Call, cst.Subscript)):
            yield node.with_changes(test=cst.UnaryOperation(cst.Not(), test))
        elif isinstance(test, cst.Comparison):
            bracketed = test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
            yield node.with_changes(test=cst.UnaryOperation(cst.Not(), bracketed))


def missing_call(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """`G.is_directed` for `G.is_directed()`: a function where its value was meant."""
    if isinstance(node, cst.Call) and not node.args and isinstance(node.func, cst.Attribute):
        yield node.func


def needless_call(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """`x.name()` for `x.name`: an attribute taken for a method (in an assignment's value)."""
    if not isinstance(node, cst.Assign) or not isinstance(node.value, cst.Attribute):
        return
    if _root(node.value) not in scope.library:
        yield node.with_changes(value=cst.Call(node.value))


def wrong_variable(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """Another of the program's variables as an argument."""
    if isinstance(node, cst.Arg) and isinstance(node.value, cst.Name) and not node.star:
        name = node.value.value
        if name in scope.variables:
            before = [v for v in dict.fromkeys(scope.variables) if v != name]
            for other in scope.rng.sample(before, min(2, len(before))):
                yield node.with_changes(value=cst.Name(other))


def missing_statement(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """A call whose effect is needed left out."""
    if isinstance(node, cst.SimpleStatementLine) and len(node.body) == 1:
        expression = node.body[0]
        if isinstance(expression, cst.Expr) and isinstance(expression.value, cst.Call):
            yield cst.RemoveFromParent()


def wrong_constant(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """`True` for `False`, `None` for a keyword's text."""
    if isinstance(node, cst.Arg) and isinstance(node.value, cst.Name) and node.value.value in ("True", "False"):
        yield node.with_changes(value=cst.Name("False" if node.value.value == "True" else "True"))
    elif isinstance(node, cst.Arg) and node.keyword is not None:
        if isinstance(node.value, cst.Name) and node.value.value == "None":
            yield node.with_changes(value=cst.Name("True"))
        elif isinstance(node.value, (cst.SimpleString, cst.Float)):
            yield node.with_changes(value=cst.Name("None"))


def wrong_literal(node: cst.CSTNode, scope: Scope) -> Iterator[Replacement]:
    """A list or set of values without its last one."""
    if isinstance(node, cst.Arg) and isinstance(node.value, (cst.List, cst.Set)) and len(node.value.elements) > 1:
        elements = [*node.value.elements[:-1]]
        elements[-1] = elements[-1].with_changes(comma=node.value.elements[-1].comma)
        yield node.with_changes(value=node.value.with_changes(elements=elements))


OPERATORS: Mapping[str, tuple[Operator, str, int]] = {
    "comparison_swap": (comparison_swap, "condition error", 3),
    "negated_condition": (negated_condition, "condition error", 4),
    "wrong_operator": (wrong_operator, "operation error", 4),
    "off_by_one": (off_by_one, "off by one", 2),
    "wrong_index": (wrong_index, "faulty indexing", 3),
    "misspelt_keyword": (misspelt_keyword, "illegal keyword", 3),
    "swapped_arguments": (swapped_arguments, "argument order", 2),
    "missing_argument": (missing_argument, "missing argument", 2),
    "wrong_function": (wrong_function, "wrong function", 3),
    "invented_name": (invented_name, "undefined function", 2),
    "stale_name": (stale_name, "stale name", 9),
    "missing_call": (missing_call, "missing call", 3),
    "needless_call": (needless_call, "needless call", 3),
    "wrong_variable": (wrong_variable, "variable error", 2),
    "missing_statement": (missing_statement, "missing statement", 2),
    "wrong_constant": (wrong_constant, "wrong constant", 3),
    "wrong_literal": (wrong_literal, "incomplete data", 1),
}
"""Operator -> the function, its `bug_kind`, and how readily it is drawn (rare and telling ones more)."""
