"""The arguments of a call as libcst nodes: read, renamed, put elsewhere, with the author's commas and layout kept."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import lru_cache

import libcst as cst


def without_receiver(order: Sequence[str]) -> tuple[str, ...]:
    """Positional parameters without `self`."""
    return tuple(order[1:] if order[:1] in (("self",), ("cls",)) else order)


@lru_cache(maxsize=1 << 14)
def parsed_call(text: str) -> cst.Call | None:
    """The call that `text` is, also where it stands on several lines by the brackets around it.

    Kept, as one call is looked at for each rule and each way to rewrite what is around it: nodes are immutable.
    """
    node = expression_of(text)
    return node if isinstance(node, cst.Call) else None


def expression_of(text: str) -> cst.BaseExpression | None:
    """The expression that `text` is, also where it stands on several lines by the brackets around it."""
    several = "\n" in text
    try:
        node = cst.parse_expression(f"({text})" if several else text)
    except (cst.ParserSyntaxError, RecursionError):
        return None
    return node.with_changes(lpar=node.lpar[1:], rpar=node.rpar[:-1]) if several else node


def code_of(node: cst.CSTNode) -> str:
    """The text of a node."""
    return cst.Module([]).code_for_node(node)


def is_plain(call: cst.Call) -> bool:
    """Whether no argument is starred."""
    return all(not a.star for a in call.args)


def keyword_of(argument: cst.Arg) -> str | None:
    """The keyword of an argument."""
    return argument.keyword.value if argument.keyword else None


def keyworded(name: str, value: cst.BaseExpression) -> cst.Arg:
    """`name=value`."""
    equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    return cst.Arg(value, keyword=cst.Name(name), equal=equal)


def with_arguments(call: cst.Call, arguments: Sequence[cst.Arg]) -> cst.Call:
    """The call with other arguments; commas as its own where there are some."""
    old = {id(a.value): a for a in call.args}
    several = next((a.comma for a in call.args[:-1] if isinstance(a.comma, cst.Comma)), None)
    comma = several or cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    last = call.args[-1] if call.args else None
    made = []
    for i, argument in enumerate(arguments):
        original = old.get(id(argument.value))
        if i < len(arguments) - 1:
            mark = original.comma if original is not None and original is not last else comma
            argument = argument.with_changes(comma=mark if isinstance(mark, cst.Comma) else comma)
            if original is last:  # the break before the closing bracket goes to the new last one
                argument = argument.with_changes(whitespace_after_arg=cst.SimpleWhitespace(""))
            made.append(argument)
        else:
            end = last.whitespace_after_arg if last else argument.whitespace_after_arg
            ending = last.comma if last else cst.MaybeSentinel.DEFAULT
            made.append(argument.with_changes(comma=ending, whitespace_after_arg=end))
    if not made:  # a break behind the opening bracket stood before an argument
        return call.with_changes(args=made, whitespace_before_args=cst.SimpleWhitespace(""))
    return call.with_changes(args=made)


def find(call: cst.Call, name: str) -> int | None:
    """Where the argument of that keyword stands."""
    return next((i for i, a in enumerate(call.args) if keyword_of(a) == name), None)


def literal_of(text: str) -> cst.BaseExpression | None:
    """The expression that `text` is, if it is a literal."""
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    return expression_of(text)
