"""Codemods: what each kind of rule does to a call, forward (old form to new) and backward (new form to old).

They work on one call as a libcst node, so that the author's formatting stays. They propose; runs at both releases
decide what a proposal is worth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import libcst as cst

from synth.migrated.arguments import (
    code_of,
    expression_of,
    find,
    is_plain,
    keyword_of,
    keyworded,
    literal_of,
    with_arguments,
)
from synth.migrated.arguments import without_receiver as _without
from synth.migrated.rules import HOLE, Rule

_OPTIONS = ("None", "True", "False")
"""Values of what an old form may lack; with others the new call does something that the old one did not."""


def _renamed(rule: Rule, call: cst.Call) -> cst.Call | None:
    return call


def _renamed_back(rule: Rule, call: cst.Call) -> cst.Call | None:
    if not rule.accepted:
        return call
    kept = [a for a in call.args if keyword_of(a) is None or keyword_of(a) in rule.accepted]
    if not all(code_of(a.value) in _OPTIONS for a in call.args if a not in kept):
        return None
    return call if len(kept) == len(call.args) else with_arguments(call, kept)


def _keyword_forward(rule: Rule, call: cst.Call) -> cst.Call | None:
    return _rekeyed(call, rule.parameter, rule.to)


def _keyword_backward(rule: Rule, call: cst.Call) -> cst.Call | None:
    return _rekeyed(call, rule.to, rule.parameter)


def _rekeyed(call: cst.Call, name: str, to: str) -> cst.Call | None:
    at = find(call, name)
    if at is None or find(call, to) is not None:
        return None
    changed = [keyworded(to, a.value) if i == at else a for i, a in enumerate(call.args)]
    return with_arguments(call, changed)


def _position(rule: Rule) -> int | None:
    order = _without(rule.order)
    return order.index(rule.parameter) if rule.parameter in order else None


def _parameter_dropped(rule: Rule, call: cst.Call) -> cst.Call | None:
    at = find(call, rule.parameter)
    if at is None and is_plain(call):
        position = _position(rule)
        if position is not None and position < len(call.args) and keyword_of(call.args[position]) is None:
            at = position
    if at is None or (isinstance(call.args[at].value, cst.Name) and code_of(call.args[at].value) not in _OPTIONS):
        return None  # what was prepared for it has to go somewhere else
    return with_arguments(call, [a for i, a in enumerate(call.args) if i != at])


def _parameter_put_back(rule: Rule, call: cst.Call) -> cst.Call | None:
    """The parameter with the value that people gave it; without one there is no old form."""
    value = expression_of(rule.values[0]) if rule.values and find(call, rule.parameter) is None else None
    return with_arguments(call, [*call.args, keyworded(rule.parameter, value)]) if value is not None else None


def _keyed(rule: Rule, call: cst.Call) -> cst.Call | None:
    position = _position(rule)
    if position is None or not is_plain(call) or position >= len(call.args):
        return None
    if keyword_of(call.args[position]) is not None:
        return None
    order = _without(rule.order)
    changed = [
        keyworded(order[i], a.value) if i >= position and keyword_of(a) is None and i < len(order) else a
        for i, a in enumerate(call.args)
    ]
    return with_arguments(call, changed)


def _unkeyed(rule: Rule, call: cst.Call) -> cst.Call | None:
    """Every argument up to the parameter by position, as the old signature had them, one default filled in at most.

    Nobody counts out several, nor passes `None` only to get past a parameter.
    """
    position, at = _position(rule), find(call, rule.parameter)
    if position is None or at is None or not is_plain(call):
        return None
    order = _without(rule.order)
    given = {keyword_of(a) or order[i]: a.value for i, a in enumerate(call.args) if keyword_of(a) or i < len(order)}
    made, filled = [], 0
    for name in order[: position + 1]:
        value = given.pop(name, None)
        if value is None:
            value, filled = literal_of(rule.defaults.get(name, "")), filled + 1
        if value is None or filled > 1 or (filled and code_of(value) == "None"):
            return None
        made.append(cst.Arg(value))
    return with_arguments(call, [*made, *(keyworded(name, value) for name, value in given.items())])


def _ordered(order: Mapping[str, int], rule: Rule, call: cst.Call) -> cst.Call | None:
    """The call with its arguments by position put where another signature has them."""
    given = [a for a in call.args if keyword_of(a) is None]
    if not is_plain(call) or len(given) != len(_without(rule.order)):
        return None
    made: list[cst.Arg] = list(given)
    for name, value in zip(_without(rule.order), given, strict=True):
        made[order[name]] = value
    return with_arguments(call, [*made, *call.args[len(given) :]]) if made != given else None


def _reordered(rule: Rule, call: cst.Call) -> cst.Call | None:
    return _ordered({name: i for i, name in enumerate(_without(rule.values))}, rule, call)


def _order_restored(rule: Rule, call: cst.Call) -> cst.Call | None:
    order, new = _without(rule.order), _without(rule.values)
    return _ordered({order[i]: order.index(name) for i, name in enumerate(new)}, rule, call)


def _default_written(rule: Rule, call: cst.Call) -> cst.Call | None:
    """The old default, where the call left it to the function."""
    position, value = _position(rule), expression_of(rule.values[0])
    given = len([a for a in call.args if keyword_of(a) is None])
    if value is None or not is_plain(call) or find(call, rule.parameter) is not None:
        return None
    if rule.accepted and rule.accepted != shape_of([keyword_of(a) for a in call.args]):
        return None
    if position is not None and position < given:
        return None
    return with_arguments(call, [*call.args, keyworded(rule.parameter, value)])


def shape_of(keywords: Sequence[str | None]) -> frozenset[str]:
    """How a call passes its arguments: their keywords, and how many stand by position."""
    return frozenset({*(k for k in keywords if k), str(keywords.count(None))})


def _default_left_out(rule: Rule, call: cst.Call) -> cst.Call | None:
    at = find(call, rule.parameter)
    if at is None or code_of(call.args[at].value) != rule.values[0]:
        return None
    return with_arguments(call, [a for i, a in enumerate(call.args) if i != at])


def _literal_swapped(rule: Rule, call: cst.Call) -> cst.Call | None:
    return _swapped(rule, call, *rule.values)


def _literal_restored(rule: Rule, call: cst.Call) -> cst.Call | None:
    return _swapped(rule, call, *reversed(rule.values))


def _swapped(rule: Rule, call: cst.Call, old: str, new: str) -> cst.Call | None:
    """The call with one text for another as the value of a parameter, or of any where the rule names none."""
    made, changed = [], False
    for argument in call.args:
        text = None
        if not argument.star and (not rule.parameter or keyword_of(argument) == rule.parameter):
            text = _otherwise(code_of(argument.value), old, new)
        value = expression_of(text) if text is not None else None
        made.append(argument.with_changes(value=value) if value is not None else argument)
        changed = changed or value is not None
    return call.with_changes(args=made) if changed else None


def _otherwise(text: str, old: str, new: str) -> str | None:
    """A string with `new` in the place of `old`, quoted as before; a number in front of it stays (`2T`)."""
    found = re.fullmatch(rf"([\"'])(\d*){re.escape(old[1:-1])}\1", text)
    return f"{found.group(1)}{found.group(2)}{new[1:-1]}{found.group(1)}" if found else None


def _wrapped(rule: Rule, call: cst.Call) -> cst.BaseExpression | None:
    return expression_of(rule.around[0] + code_of(call) + rule.around[1])


def _instead(rule: Rule, call: cst.Call) -> cst.Call | None:
    """Another method of the same object, where a parameter is given that this one no longer takes."""
    if find(call, rule.parameter) is None or not isinstance(call.func, cst.Attribute):
        return None
    return call.with_changes(func=call.func.with_changes(attr=cst.Name(rule.to)))


def _called_no_more(rule: Rule, call: cst.Call) -> cst.BaseExpression | None:
    return None if call.args else call.func


def _expressed(rule: Rule, call: cst.Call) -> cst.BaseExpression | None:
    """The template with the call's receiver and arguments in its holes; None where they are others."""
    if not is_plain(call):
        return None
    holes: dict[str, cst.BaseExpression] = {}
    for i, argument in enumerate(call.args):
        holes[keyword_of(argument) or str(i)] = argument.value
    if isinstance(call.func, cst.Attribute):
        holes["self"] = call.func.value
        if isinstance(call.func.value, cst.Attribute):
            holes["owner"] = call.func.value.value
    wanted = set(HOLE.findall(rule.template))
    if not wanted <= holes.keys() or (holes.keys() - {"self", "owner"}) - wanted:
        return None
    return expression_of(HOLE.sub(lambda m: _hole(rule.template, m, holes[m.group(1)]), rule.template))


_ATOMS = (
    cst.Name, cst.Attribute, cst.Call, cst.Subscript, cst.SimpleString, cst.List, cst.Dict, cst.Set, cst.ListComp,
    cst.DictComp, cst.SetComp,
)  # fmt: skip


def _hole(template: str, match: re.Match[str], value: cst.BaseExpression) -> str:
    """The text for a hole, in parentheses where what stands around it would tear it apart."""
    text = code_of(value)
    alone = template[: match.start()].rstrip()[-1:] in ("", "(", "[", ",", "=", ":") and template[
        match.end() :
    ].lstrip()[:1] in ("", ")", "]", ",", "}")
    return text if alone or value.lpar or isinstance(value, _ATOMS) else f"({text})"


_Edit = Callable[[Rule, cst.Call], cst.BaseExpression | None]

_FORWARD: Mapping[str, _Edit] = {
    "rename": _renamed,
    "move": _renamed,
    "keyword": _keyword_forward,
    "removed-parameter": _parameter_dropped,
    "keyword-only": _keyed,
    "position": _keyed,
    "order": _reordered,
    "default": _default_written,
    "literal": _literal_swapped,
    "wrap": _wrapped,
    "expression": _expressed,
    "call-to-attribute": _called_no_more,
    "instead": _instead,
}
_BACKWARD: Mapping[str, Callable[[Rule, cst.Call], cst.Call | None]] = {
    "rename": _renamed_back,
    "move": _renamed_back,
    "keyword": _keyword_backward,
    "removed-parameter": _parameter_put_back,
    "keyword-only": _unkeyed,
    "position": _unkeyed,
    "order": _order_restored,
    "default": _default_left_out,
    "literal": _literal_restored,
    "wrap": _renamed_back,
}


def forward(rule: Rule, call: cst.Call) -> str | None:
    """What stands for the call at new (under the function's old name), or None where it is not of the old form."""
    edit = _FORWARD.get(rule.kind)
    made = edit(rule, call) if edit is not None else None
    return code_of(made) if made is not None else None


def backward(rule: Rule, call: cst.Call) -> cst.Call | None:
    """The call as it was written at old (without the function's name), or None where there is no other form."""
    edit = _BACKWARD.get(rule.kind)
    return edit(rule, call) if edit is not None else None
