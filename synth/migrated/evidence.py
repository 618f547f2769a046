"""What programs and their runs tell about changes beyond the Changes themselves: values, names in errors, hunks."""

from __future__ import annotations

import ast
import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from registry.names import SymbolIndex
from registry.records import Change, Symbol
from synth.folding import is_literal
from synth.migrated.calls import Receivers, Script
from synth.migrated.codemods import shape_of
from synth.migrated.mutants import parameters_of
from synth.migrated.rules import Rule, accepted_by
from synth.migrated.templates import learnt

LITERAL = 20
"""Characters of a text that may be a name of an option; longer ones are data."""


def values_seen(codes: Iterable[str], index: SymbolIndex) -> dict[tuple[str, str], tuple[str, ...]]:
    """Literals and names of the library given by keyword to (canonical path, parameter), most frequent first."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for code in codes:
        try:
            script = Script(code, index.roots)
        except (SyntaxError, ValueError, RecursionError):
            continue
        for call in script.calls(index):
            for keyword in call.node.keywords:
                value = keyword.value
                if call.path and keyword.arg and (is_literal(value) or script.resolve(value) is not None):
                    found.setdefault((call.path, keyword.arg), Counter())[ast.unparse(keyword.value)] += 1
    return {
        key: tuple(text for text, _ in sorted(counts.items(), key=lambda kv: (-kv[1], kv[0])))
        for key, counts in sorted(found.items())
    }


def rules_from_likeness(changes: Sequence[Change], old: SymbolIndex, new: SymbolIndex) -> Iterator[Rule]:
    """Removed functions beside which stands one with the same parameters and the beginning of the name."""
    known = by_symbol(changes)
    for change in sorted(changes, key=lambda c: c.symbol):
        source = old.by_path.get(change.symbol)
        if change.kind != "removed" or change.replacement or source is None or source.kind != "function":
            continue
        owner, _, name = source.path.rpartition(".")
        shorter = (new.by_path.get(f"{owner}.{name[:end]}") for end in range(len(name), 0, -1))
        for target in shorter:
            if target is not None and target.kind == "function" and parameters_of(target) == parameters_of(source):
                yield renamed(source, target.path, known)
                break


def rules_from_pairs(
    pairs: Iterable[Pair], changes: Sequence[Change], old: SymbolIndex, new: SymbolIndex
) -> Iterator[Rule]:
    """What the maintainers' own migrations show: names that were replaced, what was put around calls or in their place.

    Args:
        pairs: The same example at the old and the new release.
        changes: What changed.
        old: Symbols of the old release.
        new: Symbols of the new release.
    """
    receivers = Receivers(old), Receivers(new)
    seen: Counter[Shown] = Counter()
    for pair in pairs:
        seen.update(rewrites(pair, old, new, receivers))
    known = by_symbol(changes)
    for shown in sorted(seen, key=lambda s: (-seen[s], s)):
        before = old.by_path[shown.old]
        rule = renamed(before, shown.new, known)
        gone = new.canonical(shown.old) is None
        if shown.kind == "rename":
            if gone and before.kind == new.by_path[shown.new].kind:
                yield rule
        elif rule.change or gone:
            yield replace(
                rule, kind=shown.kind, around=shown.around, template=shown.template, imports=shown.imports,
                values=shown.values, parameter=shown.parameter, accepted=frozenset(shown.shape) or rule.accepted,
            )  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """The same example at both releases.

    Attributes:
        old: Its code at the old release.
        new: Its code at the new one.
        called: What its runs called, at the old and the new release.
    """

    old: str
    new: str
    called: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


@dataclass(frozen=True, order=True)
class Shown:
    """What one place of a pair shows.

    Attributes:
        kind: rename, wrap, expression or literal.
        old: Canonical path of what was named.
        new: Canonical path of what is named now.
        around: wrap: text before and after the call.
        template: expression: what stands for the call now.
        imports: Names that the template needs.
        values: literal: before and now.
        parameter: literal, default: the keyword it is given by; empty where it has a place.
        shape: default: how the old call passed its arguments.
    """

    kind: str
    old: str
    new: str
    around: tuple[str, str] = ("", "")
    template: str = ""
    imports: tuple[tuple[str, str], ...] = ()
    values: tuple[str, ...] = ()
    parameter: str = ""
    shape: tuple[str, ...] = ()


def rewrites(pair: Pair, old: SymbolIndex, new: SymbolIndex, receivers: tuple[Receivers, Receivers]) -> Iterator[Shown]:
    """What the one-to-one hunks of two codes show."""
    try:
        first = Script(pair.old, old.roots, receivers[0].of(pair.called[0]))
        second = Script(pair.new, new.roots, receivers[1].of(pair.called[1]))
    except (SyntaxError, ValueError, RecursionError):
        return
    matcher = difflib.SequenceMatcher(
        None, [ast.unparse(s) for s in first.body], [ast.unparse(s) for s in second.body], autojunk=False
    )
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "replace":
            for one, other in aligned(first.body[i:j], second.body[k:m]):
                for a, b in differences(one, other):
                    yield from _rewrite(a, b, one, (first, old), (second, new))


def aligned(old: Sequence[ast.stmt], new: Sequence[ast.stmt]) -> Iterator[tuple[ast.stmt, ast.stmt]]:
    """Statements of a hunk that belong together: by place where there are as many, else by what they assign to."""
    if len(old) == len(new):
        yield from zip(old, new, strict=True)
        return
    free = [s for s in new if isinstance(s, ast.Assign)]
    for statement in old:
        if isinstance(statement, ast.Assign):
            targets = [ast.dump(t) for t in statement.targets]
            same = next((s for s in free if [ast.dump(t) for t in s.targets] == targets), None)
            if same is not None:
                free.remove(same)
                yield statement, same


_Side = tuple[Script, SymbolIndex]


def _rewrite(a: ast.AST, b: ast.AST, statement: ast.AST, first: _Side, second: _Side) -> Iterator[Shown]:
    if isinstance(a, (ast.Name, ast.Attribute)) and isinstance(b, (ast.Name, ast.Attribute)):
        source, target = _path(a, *first), _path(b, *second)
        if source and target and source != target:
            yield Shown("rename", source, target)
    elif isinstance(a, ast.Constant) and isinstance(b, ast.Constant):
        yield from _literals(a, b, statement, first)
    elif isinstance(a, ast.Call) and isinstance(b, ast.expr):
        source = _path(a.func, *first)
        if source is not None:
            yield from _replaced(a, b, source, second, method=first[0].resolve(a.func) is None)


def _literals(a: ast.Constant, b: ast.Constant, statement: ast.AST, first: _Side) -> Iterator[Shown]:
    """Text for text as the value of one argument; numbers are a test's own."""
    if not isinstance(a.value, str) or not isinstance(b.value, str) or max(len(a.value), len(b.value)) > LITERAL:
        return
    for call in (n for n in ast.walk(statement) if isinstance(n, ast.Call)):
        named = {k.arg or "": k.value for k in call.keywords}
        source = _path(call.func, *first)
        if source is not None and (a in call.args or a in named.values()):
            parameter = next((name for name, value in named.items() if value is a), "")
            yield Shown("literal", source, source, values=(repr(a.value), repr(b.value)), parameter=parameter)


def _replaced(a: ast.Call, b: ast.expr, source: str, second: _Side, *, method: bool) -> Iterator[Shown]:
    script, index = second
    for inner in ast.walk(b):
        if not isinstance(inner, ast.Call) or inner is b or _arguments(inner) != _arguments(a):
            continue
        target = _path(inner.func, script, index)
        head, hole, tail = ast.unparse(b).partition(ast.unparse(inner))
        if target is not None and hole and len(head) + len(tail) <= 60:
            yield Shown("wrap", source, target, around=(head, tail))
            return
    more = _more_keywords(a, b) if isinstance(b, ast.Call) and _path(b.func, script, index) == source else None
    if more is not None:
        shape = shape_of([None] * len(a.args) + [k.arg for k in a.keywords])
        values = (ast.unparse(more.value), "")
        yield Shown("default", source, source, values=values, parameter=more.arg or "", shape=tuple(sorted(shape)))
        return
    template = learnt(a, b, script.code, method=method)
    if template is not None:
        calls = (_path(n.func, script, index) for n in ast.walk(b) if isinstance(n, ast.Call))
        target = next((path for path in calls if path is not None), source)
        yield Shown("expression", source, target, template=template.text, imports=template.imports)


def _more_keywords(a: ast.Call, b: ast.Call) -> ast.keyword | None:
    """The one keyword that a call has beyond another one's arguments, if it is given a literal."""
    kept = [k for k in b.keywords if k.arg and k.arg not in {mine.arg for mine in a.keywords}]
    rest = ast.Call(a.func, b.args, [k for k in b.keywords if k not in kept])
    return kept[0] if len(kept) == 1 and is_literal(kept[0].value) and _arguments(rest) == _arguments(a) else None


def _path(node: ast.expr, script: Script, index: SymbolIndex) -> str | None:
    meaning = script.resolve(node)
    path = index.canonical(meaning) if meaning else None
    if path is None and meaning is None:
        options = script.options(node)
        path = options[0] if len(options) == 1 else None
    return path if path in index.by_path else None


def _arguments(call: ast.Call) -> str:
    return ast.dump(ast.Tuple([*call.args, *(k.value for k in call.keywords)])) + str([k.arg for k in call.keywords])


def differences(one: ast.AST, other: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """The smallest pairs of subtrees in which two trees of equal outline differ; a dotted name counts as one.

    Calls of different functions with different arguments count as a whole.
    """
    if ast.dump(one) == ast.dump(other):
        return []
    if type(one) is not type(other) or isinstance(one, (ast.Attribute, ast.Name, ast.Constant)):
        return [(one, other)]
    if isinstance(one, ast.Call) and isinstance(other, ast.Call) and ast.dump(one.func) != ast.dump(other.func):
        return [(one.func, other.func)] if _arguments(one) == _arguments(other) else [(one, other)]
    mine, theirs = list(ast.iter_child_nodes(one)), list(ast.iter_child_nodes(other))
    if len(mine) != len(theirs):
        return [(one, other)]
    return [pair for a, b in zip(mine, theirs, strict=True) for pair in differences(a, b)]


def by_symbol(changes: Iterable[Change]) -> dict[str, Change]:
    """The change of each symbol; of several the last by kind and id."""
    return {c.symbol: c for c in sorted(changes, key=lambda c: (c.symbol, c.kind, c.id))}


def renamed(source: Symbol, target: str, known: Mapping[str, Change]) -> Rule:
    """The rule that a symbol has another path now, with the change that it follows from where one is known."""
    change = known.get(source.path) or known.get(target)
    return Rule("rename", source.path, target, change.id if change else "", source.path, accepted=accepted_by(source))
