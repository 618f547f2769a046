"""What a Change means for a call: rules that rewrite calls forward (old form to new) and backward (new form to old).

A rule works on one call, as a libcst node, so that the author's formatting stays. It proposes; runs at both versions
decide what it is worth.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

from registry.names import SymbolIndex
from registry.records import Change, Symbol

POSITIONAL = ("positional-only", "positional or keyword")


@dataclass(frozen=True)
class Rule:
    """A way in which calls of one symbol changed.

    Attributes:
        kind: rename, move, keyword, removed-parameter, keyword-only, position, wrap.
        old: Canonical path at the old release.
        new: Canonical path at the new release.
        change: Id of the Change it follows from.
        symbol: The Change's symbol.
        parameter: What parameter it is about; empty where it is the name.
        to: The parameter's name at new (keyword).
        order: Names of the positional parameters at old (keyword-only, position, removed-parameter).
        defaults: Source of the old defaults, by name.
        accepted: Parameters that the old function takes; empty where it takes any.
        values: The value of a removed parameter most seen in old code, where it is not the default.
        around: Text before and after the call at new (wrap): what the old call gave is now `dict(call)` or `call[0]`.
    """

    kind: str
    old: str
    new: str
    change: str
    symbol: str
    parameter: str = ""
    to: str = ""
    order: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict, hash=False)
    accepted: frozenset[str] = frozenset()
    values: tuple[str, ...] = ()
    around: tuple[str, str] = ("", "")

    @property
    def operator(self) -> str:
        """Name of the codemod."""
        return self.kind

    def forward(self, call: cst.Call) -> cst.Call | None:
        """The call as it is written at new (without the function's name), or None where it is not of the old form."""
        return _FORWARD[self.kind](self, call)

    def backward(self, call: cst.Call) -> cst.Call | None:
        """The call as it was written at old (without the function's name), or None where there is no other form."""
        return _BACKWARD[self.kind](self, call)


def rules_of(
    changes: Iterable[Change], old: SymbolIndex, new: SymbolIndex, seen: Mapping[tuple[str, str], Sequence[str]]
) -> list[Rule]:
    """The rules that follow from Changes.

    Args:
        changes: The changes between two releases.
        old: Symbols of the old one.
        new: Symbols of the new one.
        seen: Values given to (canonical path, parameter) in old code, most frequent first.
    """
    rules: list[Rule] = []
    for change in sorted(changes, key=lambda c: (c.symbol, c.kind, c.id)):
        detail = change.detail if isinstance(change.detail, Mapping) else {}
        before = old.by_path.get(change.symbol)
        if change.kind in ("renamed", "moved", "removed", "deprecated") and before is not None:
            rules += _renames(change, before, new)
            detail = detail.get("signature", {})
        if change.kind in ("signature", "renamed", "moved") and before is not None:
            target = new.canonical(change.replacement or "") or change.symbol
            rules += _signature_rules(change, before, target, detail, seen)
    return rules


def _renames(change: Change, before: Symbol, new: SymbolIndex) -> Iterator[Rule]:
    target = new.canonical(change.replacement) if change.replacement else None
    if target is None:
        return
    kind = "move" if change.kind == "moved" else "rename"
    yield Rule(kind, before.path, target, change.id, change.symbol, accepted=accepted_by(before))


def _signature_rules(
    change: Change,
    before: Symbol,
    target: str,
    detail: Mapping[str, Any],
    seen: Mapping[tuple[str, str], Sequence[str]],
) -> Iterator[Rule]:
    parameters = [p for p in before.parameters if isinstance(p, Mapping)]
    order = tuple(str(p["name"]) for p in parameters if p["kind"] in POSITIONAL)
    defaults = {str(p["name"]): str(p["default"]) for p in parameters if p.get("default") is not None}

    def rule(kind: str, parameter: str, to: str = "", values: Sequence[str] = ()) -> Rule:
        return Rule(
            kind, before.path, target, change.id, change.symbol, parameter, to, order, defaults, values=tuple(values)
        )

    for name in detail.get("removed", ()):
        yield rule("removed-parameter", name)
        for value in [v for v in seen.get((before.path, name), ()) if v != defaults.get(name)][:1]:
            yield rule("removed-parameter", name, values=[value])
    for name, to in sorted(dict(detail.get("renamed", {})).items()):
        yield rule("keyword", name, to)
    for name, (_, kind) in sorted(dict(detail.get("kinds", {})).items()):
        if kind == "keyword-only" and name in order:
            yield rule("keyword-only", name)
    removed = set(detail.get("removed", ()))
    for name, (at_old, _) in sorted(dict(detail.get("positions", {})).items()):
        if name in order and not removed & set(order[:at_old]):
            yield rule("position", name)


def accepted_by(symbol: Symbol) -> frozenset[str]:
    """The parameters that a function takes; empty where it takes any keyword."""
    parameters = [p for p in symbol.parameters if isinstance(p, Mapping)]
    if any(str(p["kind"]) == "variadic keyword" for p in parameters):
        return frozenset()
    return frozenset(str(p["name"]) for p in parameters)


def without_receiver(order: Sequence[str]) -> tuple[str, ...]:
    """Positional parameters without `self`."""
    return tuple(order[1:] if order[:1] in (("self",), ("cls",)) else order)


# ------------------------------------------------------------------------------------------------ edits of arguments


def parsed_call(text: str) -> cst.Call | None:
    """The call that `text` is."""
    try:
        node = cst.parse_expression(text)
    except (cst.ParserSyntaxError, RecursionError):
        return None
    return node if isinstance(node, cst.Call) else None


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
            made.append(argument.with_changes(comma=mark if isinstance(mark, cst.Comma) else comma))
        else:
            made.append(argument.with_changes(comma=last.comma if last else cst.MaybeSentinel.DEFAULT))
    return call.with_changes(args=made)


def _find(call: cst.Call, name: str) -> int | None:
    return next((i for i, a in enumerate(call.args) if keyword_of(a) == name), None)


def _expression(text: str) -> cst.BaseExpression | None:
    try:
        return cst.parse_expression(text)
    except cst.ParserSyntaxError:
        return None


def _literal(text: str) -> cst.BaseExpression | None:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    return _expression(text)


def _renamed(rule: Rule, call: cst.Call) -> cst.Call | None:
    return call


def _renamed_back(rule: Rule, call: cst.Call) -> cst.Call | None:
    if not rule.accepted:
        return call
    kept = [a for a in call.args if keyword_of(a) is None or keyword_of(a) in rule.accepted]
    return call if len(kept) == len(call.args) else with_arguments(call, kept)


def _keyword_forward(rule: Rule, call: cst.Call) -> cst.Call | None:
    return _rekeyed(call, rule.parameter, rule.to)


def _keyword_backward(rule: Rule, call: cst.Call) -> cst.Call | None:
    return _rekeyed(call, rule.to, rule.parameter)


def _rekeyed(call: cst.Call, name: str, to: str) -> cst.Call | None:
    at = _find(call, name)
    if at is None or _find(call, to) is not None:
        return None
    changed = [keyworded(to, a.value) if i == at else a for i, a in enumerate(call.args)]
    return with_arguments(call, changed)


def _position(rule: Rule) -> int | None:
    order = without_receiver(rule.order)
    return order.index(rule.parameter) if rule.parameter in order else None


def _parameter_dropped(rule: Rule, call: cst.Call) -> cst.Call | None:
    at = _find(call, rule.parameter)
    if at is None and is_plain(call):
        position = _position(rule)
        if position is not None and position < len(call.args) and keyword_of(call.args[position]) is None:
            at = position
    if at is None:
        return None
    return with_arguments(call, [a for i, a in enumerate(call.args) if i != at])


def _parameter_put_back(rule: Rule, call: cst.Call) -> cst.Call | None:
    if _find(call, rule.parameter) is not None:
        return None
    text = rule.values[0] if rule.values else rule.defaults.get(rule.parameter, "")
    value = _literal(text)
    return with_arguments(call, [*call.args, keyworded(rule.parameter, value)]) if value is not None else None


def _keyed(rule: Rule, call: cst.Call) -> cst.Call | None:
    position = _position(rule)
    if position is None or not is_plain(call) or position >= len(call.args):
        return None
    if keyword_of(call.args[position]) is not None:
        return None
    order = without_receiver(rule.order)
    changed = [
        keyworded(order[i], a.value) if i >= position and keyword_of(a) is None and i < len(order) else a
        for i, a in enumerate(call.args)
    ]
    return with_arguments(call, changed)


def _unkeyed(rule: Rule, call: cst.Call) -> cst.Call | None:
    """Every argument up to the parameter by position, as the old signature had them; literal defaults filled in."""
    position, at = _position(rule), _find(call, rule.parameter)
    if position is None or at is None or not is_plain(call):
        return None
    order = without_receiver(rule.order)
    given = {keyword_of(a) or order[i]: a.value for i, a in enumerate(call.args) if keyword_of(a) or i < len(order)}
    made = []
    for name in order[: position + 1]:
        value = given.pop(name, None) or _literal(rule.defaults.get(name, ""))
        if value is None:
            return None
        made.append(cst.Arg(value))
    return with_arguments(call, [*made, *(keyworded(name, value) for name, value in given.items())])


_FORWARD = {
    "rename": _renamed,
    "move": _renamed,
    "keyword": _keyword_forward,
    "removed-parameter": _parameter_dropped,
    "keyword-only": _keyed,
    "position": _keyed,
    "wrap": _renamed,
}
_BACKWARD = {
    "rename": _renamed_back,
    "move": _renamed_back,
    "keyword": _keyword_backward,
    "removed-parameter": _parameter_put_back,
    "keyword-only": _unkeyed,
    "position": _unkeyed,
    "wrap": _renamed_back,
}

_USE = re.compile(
    r"(?i)`*([A-Za-z_][\w.]*)`*\s+(?:was|is|has been)\s+(?:removed|deprecated|renamed)[^`]*?\buse\s+`+([A-Za-z_][\w.]*)"
)


def renames_in(messages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(old name, new name) pairs that run-time errors and warnings state: `x was removed …. Use `y` instead`."""
    for message in messages:
        for found in _USE.finditer(message):
            yield found.group(1), found.group(2)
