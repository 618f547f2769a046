"""One program rewritten by rules, edit by edit: calls first, from the innermost out, then the names that are left."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from registry.names import SymbolIndex, dotted_name
from synth.migrated.arguments import parsed_call
from synth.migrated.calls import Call, Methods, Script
from synth.migrated.codemods import forward
from synth.migrated.rules import ANY, NAMING, Rule
from synth.migrated.spelling import Speller
from synth.source import applied

MOST_EDITS = 40

_WHOLE = ("wrap", "expression")
"""Kinds of rules whose result may hold the old call again: it is not to be rewritten a second time."""


class Rewriting:
    """Rewrites the texts of one program.

    Args:
        rules: Canonical path at old -> the rules of its calls.
        spare: Rules that are not to be used.
        speller: How programs name functions.
        old: Symbols of the old release.
        new: Symbols of the new release.
        methods: What names of methods mean in the program.
    """

    def __init__(
        self,
        rules: Mapping[str, Sequence[Rule]],
        spare: Collection[Rule],
        speller: Speller,
        old: SymbolIndex,
        new: SymbolIndex,
        methods: Methods,
    ) -> None:
        self.rules, self.spare, self.speller = rules, spare, speller
        self.old, self.new, self.methods = old, new, methods
        self.used: dict[Rule, None] = {}
        self.missing: set[tuple[str, str]] = set()
        self.held: set[tuple[int, str]] = set()

    def text(self, text: str, above: str) -> str:
        """A text rewritten; `above` is the code before it, whose imports count."""
        self.held = set()
        try:
            given = Script(above, self.old.roots).names if above else {}
        except (SyntaxError, ValueError, RecursionError):
            return text
        for _ in range(MOST_EDITS):
            step = self._step(text, given)
            if step is None:
                break
            text, rule = step
            self.used.setdefault(rule)
            self.missing |= set(rule.imports)
        return text

    def _step(self, text: str, given: Mapping[str, str]) -> tuple[str, Rule] | None:
        """One edit: the innermost call first, so that edits never overlap."""
        try:
            script = Script(text, self.old.roots, self.methods)
        except (SyntaxError, ValueError, RecursionError):
            return None
        script.names = {**given, **script.names}
        return self._call_step(script) or self._name_step(script)

    def _of(self, paths: Sequence[str], *, naming: bool) -> Iterator[Rule]:
        for path in paths:
            for rule in self.rules.get(path, ()):
                if (rule.kind in NAMING) is naming and rule not in self.spare:
                    yield rule

    def _call_step(self, script: Script) -> tuple[str, Rule] | None:
        calls = sorted(script.calls(self.old), key=lambda c: (c.span[1] - c.span[0], c.span))
        for call in calls:
            text = script.code[slice(*call.span)]
            for rule in self._of((*call.options, ANY), naming=False):
                made = _forward(rule, text)
                if made is not None and made != text and not (rule.kind in _WHOLE and self._held(script, call, made)):
                    return applied(script.code, [(*call.span, made)]), _of_call(rule, call)
        return None

    def _held(self, script: Script, call: Call, made: str) -> bool:
        """Whether a call that its rewritten form may hold was rewritten before, by whichever rule, or by the author."""
        place = call.statement, script.code[slice(*call.span)]
        if place in self.held or _stands(script, call, made):
            return True
        self.held.add(place)
        return False

    def _name_step(self, script: Script) -> tuple[str, Rule] | None:
        called = {id(n.func) for n in ast.walk(script.source.tree) if isinstance(n, ast.Call)}
        for node in ast.walk(script.source.tree):
            if isinstance(node, ast.Attribute):
                step = self._renamed(script, node) or self._member(script, node, called=id(node) in called)
                if step is not None:
                    return step
        return None

    def _renamed(self, script: Script, node: ast.Attribute) -> tuple[str, Rule] | None:
        """A name that the imports explain, as it is now."""
        meaning = script.resolve(node)
        path = (self.old.canonical(meaning) or meaning) if meaning else None
        if path is None or meaning is None or self._stays(path, meaning):
            return None
        span = script.source.span(node)
        for rule in self._of([path], naming=True):
            text = self.speller.current(rule.new, script.code[slice(*span)], script)
            if text is not None and text != script.code[slice(*span)]:
                return applied(script.code, [(*span, text)]), rule
        return None

    def _member(self, script: Script, node: ast.Attribute, *, called: bool) -> tuple[str, Rule] | None:
        """A method or attribute of an object, as it is named or read now."""
        options = script.options(node)
        start, end = script.source.span(node)
        for rule in self._of(options, naming=True):
            name = rule.new.rpartition(".")[2]
            target = self.new.by_path.get(rule.new)
            ours = target is not None and target.kind in ("method", "attribute") and not self._stays(rule.old, rule.old)
            if ours and name != node.attr:
                return applied(script.code, [(end - len(node.attr), end, name)]), rule
        for rule in self._of(options, naming=False):
            if rule.kind == "attribute-to-call" and not called:
                return applied(script.code, [(start, end, script.code[start:end] + "()")]), rule
        return None

    def _stays(self, path: str, meaning: str) -> bool:
        """Whether a name still works at the new release, and is not merely announced to go."""
        symbol = self.new.by_path.get(path)
        return self.new.canonical(meaning) is not None and symbol is not None and not symbol.deprecated


def _of_call(rule: Rule, call: Call) -> Rule:
    """A rule of any call, said of this one."""
    path = call.options[0] if rule.old == ANY and call.options else rule.old
    return replace(rule, old=path, new=path, symbol=path) if rule.old == ANY else rule


@lru_cache(maxsize=1 << 16)
def _forward(rule: Rule, text: str) -> str | None:
    """What a rule makes of the text of a call; kept, as each way to rewrite a program asks for the same calls."""
    parsed = parsed_call(text)
    return forward(rule, parsed) if parsed is not None else None


def _stands(script: Script, call: Call, made: str) -> bool:
    """Whether the call already stands in what would be made of it."""
    head, wanted = _read(made)
    for node in ast.walk(script.body[call.statement]):
        if _head(node) == head:
            start, end = script.source.span(node)
            if start <= call.span[0] and call.span[1] <= end and _is_same(node, wanted):
                return True
    return False


@lru_cache(maxsize=1 << 12)
def _read(text: str) -> tuple[tuple[str, str | None], ast.expr]:
    """What begins an expression, and its tree."""
    node = ast.parse(f"({text})", mode="eval").body
    return _head(node), node


def _is_same(one: object, other: object) -> bool:
    """Whether two trees, or lists of such or plain values in them, are the same, however they are laid out.

    As comparing what `ast.dump` gives, but it ends where they differ.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, ast.AST):
        return all(_is_same(getattr(one, name, None), getattr(other, name, None)) for name in one._fields)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return repr(one) == repr(other)


def _head(node: ast.AST) -> tuple[str, str | None]:
    """What is quickly compared: the type of a node, and what it calls or reads."""
    inner = node.func if isinstance(node, ast.Call) else node
    return type(node).__name__, inner.attr if isinstance(inner, ast.Attribute) else dotted_name(inner)
