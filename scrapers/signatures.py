"""What two parameter lists differ in, and how alike two symbols are."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from registry.records import Symbol
from registry.trees import parse_expression

_POSITIONAL = {"positional-only", "positional or keyword"}
ALIKE = 0.5
"""Likeness of names from which a parameter that became keyword-only at its place is taken for the old one, renamed."""
Parameters = Iterable[Any]
"""`[{name, kind, default}]`, as a Symbol has them."""


NOTHING: Mapping[str, str | None] = MappingProxyType({})


def signature_detail(
    old: Parameters, new: Parameters, keywords: Mapping[str, str | None] = NOTHING, leaving: Collection[str] = ()
) -> dict[str, Any]:
    """What changed from one parameter list to another; empty where nothing did.

    Args:
        old: Parameters before.
        new: Parameters now.
        keywords: What decorators say of keywords that were taken before and aren't listed now: the parameter that
            stands for it, None where none does.
        leaving: Parameters that were to go: what stands at the place of one now isn't it under another name.

    Returns:
        Of `added [{name, kind, default}]`, `removed [name]`, `renamed {old: new}`, `defaults {name: [old, new]}`,
        `kinds {name: [old, new]}`, `required [name]` (now without default), `positions {name: [old, new]}`, those that
        hold something, and `breaking`: whether a call that was right can now be wrong or mean something else.
    """
    old, new = _as_called(old), _as_called(new)
    before, after = {p["name"]: p for p in old}, {p["name"]: p for p in new}
    told = {a: b for a, b in keywords.items() if b in after and a not in after}
    same = {a: b for a, b in told.items() if b and a in before and b not in before}
    renamed = _renamed(old, new, same, leaving)
    removed = [n for n in before if n not in after and n not in renamed]
    added = [dict(p) for p in new if p["name"] not in before and p["name"] not in renamed.values()]
    kept = [(before[n], after[renamed.get(n, n)]) for n in before if renamed.get(n, n) in after]
    detail: dict[str, Any] = {
        "added": added,
        "removed": removed,
        "renamed": renamed,
        "defaults": {b["name"]: [a["default"], b["default"]] for a, b in kept if _default_changed(a, b)},
        "kinds": {b["name"]: [a["kind"], b["kind"]] for a, b in kept if a["kind"] != b["kind"]},
        "required": [b["name"] for a, b in kept if a["default"] is not None and _required(b)],
        "positions": _positions(old, new, renamed),
    }
    by_place = {a for a in renamed if before[a]["kind"] == after[renamed[a]]["kind"] == "positional-only"}
    detail["renamed"] = {a: b for a, b in (renamed | {a: b for a, b in told.items() if b}).items() if a not in by_place}
    without = [a for a, b in keywords.items() if a not in after and b not in after]
    detail["removed"] = [a for a in dict.fromkeys([*removed, *without]) if a not in {*detail["renamed"], *by_place}]
    detail = {k: v for k, v in detail.items() if v}
    if detail:
        detail["breaking"] = _breaking(detail)
    return detail


def beyond_typing(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Of what two stubs differ in, what is more than a stub's correction: names that came, and that went."""
    keywords = [p for p in detail.get("added", ()) if not str(p["kind"]).startswith(("variadic", "positional-only"))]
    kept = {"added": keywords, "removed": [n for n in detail.get("removed", ()) if n not in {"args", "kwargs"}]}
    found: dict[str, Any] = {key: listed for key, listed in kept.items() if listed}
    return found | {"breaking": _breaking(found)} if found else {}


def _as_called(parameters: Parameters) -> list[Any]:
    """The parameters, with one name and kind for what a call on an instance or a class fills in."""
    listed = list(parameters)
    bound = bool(listed) and listed[0]["name"] in {"self", "cls"}
    return [{**listed[0], "name": "self", "kind": "positional or keyword"}, *listed[1:]] if bound else listed


def _breaking(detail: Mapping[str, Any]) -> bool:
    kinds = detail.get("kinds", {}).values()
    narrowed = any(new not in {"positional or keyword"} and not new.startswith("variadic") for _, new in kinds)
    wanting = any(_required(p) for p in detail.get("added", ()))
    return wanting or narrowed or any(k in detail for k in ("removed", "renamed", "required", "positions", "defaults"))


def _required(parameter: Mapping[str, Any]) -> bool:
    return parameter["default"] is None and not str(parameter["kind"]).startswith("variadic")


def _default_changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if old["default"] is None or new["default"] is None:
        return False
    one, other = (str(p["default"]) for p in (old, new))
    if "..." in (one, other):
        return False  # a stub says that there is one, and not which
    return _value(one) != _value(other) and not _same_sentinel(one, other)


def _same_sentinel(one: str, other: str) -> bool:
    """Whether two defaults are one named object, spelled in another way: `lib.no_default`, `NO_DEFAULT`."""
    last = [text.rpartition(".")[2] for text in (one, other)]
    if not all(name.isidentifier() for name in last) or {"None", "True", "False"}.intersection(last):
        return False
    return len({name.replace("_", "").lower() for name in last}) == 1


def _value(text: str) -> str:
    try:
        return ast.dump(parse_expression(text))
    except SyntaxError:
        return text


def _renamed(old: list[Any], new: list[Any], told: Mapping[str, str], leaving: Collection[str]) -> dict[str, str]:
    """Parameters that are said to have, or stand at the same place with the same default under, another name."""
    before, after = {p["name"] for p in old}, {p["name"] for p in new}
    found = dict(told)
    gone = [(i, p) for i, p in enumerate(old) if p["name"] not in {*after, *told, *leaving}]
    come = [(i, p) for i, p in enumerate(new) if p["name"] not in before]
    for i, p in gone:
        for j, q in come:
            place = i == j and p["default"] == q["default"]
            if p["kind"] == q["kind"] == "keyword-only":  # these have no place, but neighbours
                place = i > 0 and j > 0 and old[i - 1]["name"] == new[j - 1]["name"] and _alike(p, q)
            alike = p["kind"] == q["kind"] or _ratio(p["name"], q["name"]) >= ALIKE
            if place and alike and q["name"] not in found.values():
                found[p["name"]] = q["name"]
                break
    return found


def _alike(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two defaults are constants of one type."""
    try:
        one, other = (ast.literal_eval(p["default"] or "") for p in (old, new))
    except (SyntaxError, ValueError):
        return bool(old["default"] == new["default"])
    return type(one) is type(other)


def _positions(old: list[Any], new: list[Any], renamed: Mapping[str, str]) -> dict[str, list[int]]:
    """Positional parameters that a positional call now reaches at another place."""
    at = {p["name"]: i for i, p in enumerate(new) if p["kind"] in _POSITIONAL}
    moved = {}
    for i, p in enumerate(old):
        name = renamed.get(p["name"], p["name"])
        if p["kind"] in _POSITIONAL and name in at and at[name] != i:
            moved[name] = [i, at[name]]
    return moved


def likeness(old: Symbol, new: Symbol) -> float:
    """How alike two symbols are, 0 to 1: docstring 0.5, parameters 0.3, name 0.2."""
    doc = _ratio(old.doc[:2000], new.doc[:2000]) if old.doc and new.doc else float(old.doc == new.doc) / 2
    listed: list[list[Any]] = [list(s.parameters) for s in (old, new)]
    one, other = ([p["name"] for p in parameters] for parameters in listed)
    shared = difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() if one or other else 1.0
    return 0.5 * doc + 0.3 * shared + 0.2 * name_likeness(old, new)


def name_likeness(old: Symbol, new: Symbol) -> float:
    """How alike the last parts of two paths are, 0 to 1."""
    return _ratio(old.path.rpartition(".")[2], new.path.rpartition(".")[2])


def _ratio(one: str, other: str) -> float:
    if one == other:
        return 1.0
    words, others = (one.split(), other.split()) if len(one) > 80 else (list(one), list(other))
    matcher = difflib.SequenceMatcher(None, words, others, autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() > 0.4 and matcher.quick_ratio() > 0.4 else 0.0
