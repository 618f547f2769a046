"""What Changes mean for calls: the rules by which `synth.migrated.codemods` rewrites them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.names import SymbolIndex
from registry.records import Change, Symbol
from synth.migrated.arguments import without_receiver
from synth.vocabulary import POSITIONAL

HOLE = re.compile(r"\b_hole_(\w+)\b")
"""A hole of a template: `_hole_self` the receiver, `_hole_owner` what the receiver is an attribute of, `_hole_0` the
first argument, `_hole_name` the one given by that keyword."""

ANY = "*"
"""In a rule's place of a path: any call."""

NAMING = ("rename", "move")
"""Kinds of rules that change what is named, wherever it is named."""


@dataclass(frozen=True)
class Rule:
    """A way in which calls of one symbol changed.

    Attributes:
        kind: rename, move, keyword, removed-parameter, keyword-only, position, order, default, literal, wrap,
            expression, attribute-to-call, call-to-attribute, instead.
        old: Canonical path at the old release.
        new: Canonical path at the new release.
        change: Id of the Change it follows from.
        symbol: The Change's symbol.
        parameter: What parameter it is about; empty where it is the name.
        to: The parameter's name at new (keyword), or that of the method to use where it is given (instead).
        order: Names of the positional parameters at old (keyword-only, position, removed-parameter).
        defaults: Source of the old defaults, by name.
        accepted: Parameters that the old function takes; empty where it takes any.
        values: removed-parameter: the value it is put back with: its default where that is the name of an option, else
            the one most seen in old code. order: names of the positional parameters at new. default, literal: the old
            and the new value.
        around: Text before and after the call at new (wrap): what the old call gave is now `dict(call)` or `call[0]`.
        template: What stands for the call at new, with holes (expression).
        imports: Names that the template needs: (name, dotted path).
        guess: Whether it may well be about something else: what it rewrites counts where a run proves it.
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
    template: str = ""
    imports: tuple[tuple[str, str], ...] = ()
    guess: bool = False

    @property
    def operator(self) -> str:
        """Name of the codemod."""
        return self.kind


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
            rules += _successor_keywords(change, before, new)
        if change.kind in ("signature", "renamed", "moved") and before is not None:
            target = new.canonical(change.replacement or "") or change.symbol
            rules += _signature_rules(change, before, new.by_path.get(target), target, detail, seen)
        if before is not None and change.symbol in new.by_path:
            rules += _kind_rules(change, before, new.by_path[change.symbol])
    return list(dict.fromkeys(rules))


def removed_parameters(changes: Iterable[Change]) -> Iterator[tuple[str, str]]:
    """(symbol, parameter) of what functions no longer take."""
    for change in changes:
        detail = change.detail if isinstance(change.detail, Mapping) else {}
        for part in (detail, detail.get("signature", {})):
            yield from ((change.symbol, str(name)) for name in part.get("removed", ()))


def _successor_keywords(change: Change, before: Symbol, new: SymbolIndex) -> Iterator[Rule]:
    """Keywords of a function that another takes the place of: by their position, for it does not know them."""
    target = new.by_path.get(new.canonical(change.replacement or "") or "")
    if target is None or change.kind not in ("removed", "deprecated") or not before.parameters or not target.parameters:
        return
    old, new_names = positional(before), positional(target)
    taken = accepted_by(target)
    for name, to in zip(without_receiver(old), without_receiver(new_names), strict=False):
        if taken and name not in taken and to not in accepted_by(before):
            yield Rule("keyword", before.path, target.path, change.id, change.symbol, name, to, old)


def _kind_rules(change: Change, before: Symbol, after: Symbol) -> Iterator[Rule]:
    """What was read is called now, or the other way round."""
    kinds = (before.kind, after.kind)
    if kinds == ("attribute", "method"):
        yield Rule("attribute-to-call", before.path, after.path, change.id, change.symbol)
    elif kinds == ("method", "attribute"):
        yield Rule("call-to-attribute", before.path, after.path, change.id, change.symbol)


def _renames(change: Change, before: Symbol, new: SymbolIndex) -> Iterator[Rule]:
    target = new.canonical(change.replacement) if change.replacement else None
    if target is None:
        return
    kind = "move" if change.kind == "moved" else "rename"
    yield Rule(kind, before.path, target, change.id, change.symbol, accepted=accepted_by(before))


def _signature_rules(
    change: Change,
    before: Symbol,
    after: Symbol | None,
    target: str,
    detail: Mapping[str, Any],
    seen: Mapping[tuple[str, str], Sequence[str]],
) -> Iterator[Rule]:
    parameters = [p for p in before.parameters if isinstance(p, Mapping)]
    order = positional(before)
    defaults = {str(p["name"]): str(p["default"]) for p in parameters if p.get("default") is not None}

    def rule(kind: str, parameter: str, to: str = "", values: Sequence[str] = ()) -> Rule:
        return Rule(
            kind, before.path, target, change.id, change.symbol, parameter, to, order, defaults, values=tuple(values)
        )

    instead = {n: str(to).partition("=")[0] for n, to in dict(detail.get("replacements", {})).items()}
    taken = accepted_by(after) if after is not None else frozenset()
    for name in detail.get("removed", ()):
        if instead.get(name) in taken:
            continue  # another parameter stands for it: left out, the call would mean something else
        yield rule("removed-parameter", name)
        given = [v for v in seen.get((before.path, name), ()) if v != "None"]
        option = [d for d in [defaults.get(name, "")] if d[:1] in "'\"" and len(d) > 2]
        for value in (option + given)[:1]:
            yield rule("removed-parameter", name, values=[value])
    for name, to in sorted(dict(detail.get("renamed", {})).items()):
        yield rule("keyword", name, to)
    for name, (_, kind) in sorted(dict(detail.get("kinds", {})).items()):
        if kind == "keyword-only" and name in order:
            yield rule("keyword-only", name)
    for name, (was, now) in sorted(dict(detail.get("defaults", {})).items()):
        yield rule("default", name, values=(str(was), str(now)))
    for name in sorted(set(detail.get("required", ())) & defaults.keys()):
        yield rule("default", name, values=(defaults[name], ""))
    removed = set(detail.get("removed", ()))
    now_at = positional(after) if after is not None else ()
    if order != now_at and sorted(order) == sorted(now_at):
        yield rule("order", "", values=now_at)
    for name, (at_old, _) in sorted(dict(detail.get("positions", {})).items()):
        if name in order and not removed & set(order[:at_old]):
            yield rule("position", name)


def positional(symbol: Symbol) -> tuple[str, ...]:
    """Names of the parameters that a function takes by position, in order."""
    return tuple(str(p["name"]) for p in symbol.parameters if isinstance(p, Mapping) and p["kind"] in POSITIONAL)


def accepted_by(symbol: Symbol) -> frozenset[str]:
    """The parameters that a function takes; empty where it takes any keyword."""
    parameters = [p for p in symbol.parameters if isinstance(p, Mapping)]
    if any(str(p["kind"]) == "variadic keyword" for p in parameters):
        return frozenset()
    return frozenset(str(p["name"]) for p in parameters)
