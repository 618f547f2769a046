"""What errors and warnings at run time say of the new API: names, keywords and texts to use instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry.names import SymbolIndex
from registry.records import Change, Symbol
from synth.migrated.calls import Receivers
from synth.migrated.evidence import by_symbol, renamed
from synth.migrated.rules import ANY, Rule, accepted_by, positional

_NAME = r"`*([A-Za-z_][\w.]*)(?:\(\))?`*"
_USE = re.compile(
    rf"(?i){_NAME}\s+(?:function\s+|method\s+)?(?:was|is|has been)\s+(?:removed|deprecated|renamed)"
    rf"(?:[^`]*?\buse\s+`+([A-Za-z_][\w.]*)|[^`]*?[.;,]\s*(?:please\s+)?use\s+{_NAME}\s+instead"
    rf"|[^`]{{0,40}}?\b(?:to|by|in favou?r of)\s+`+([A-Za-z_][\w.]*))"
)
_SAY = re.compile(
    r"'(\w{1,20})' is (?:deprecated|no longer supported)[^']*?\b(?:use|mean) '(\w{1,20})'"
    r"|[Ii]nvalid frequency: \d*(\w{1,20}?)\b(?:(?!Invalid frequency).)*?[Dd]id you mean '?(\w{1,20})"
)

_INSTEAD = re.compile(r"`(\w+)` instead of `(\w+)`")
_ARGUMENT = re.compile(
    r"(?i)the (?:argument|parameter|keyword)(?: argument)? [`'](\w+)[`'] "
    r"(?:for|of|to|in) [`'](?:\w+\.)*(\w+)(?:\(\))?[`'] "
    r"[^`']*?(?:renamed to|replaced by|[Uu]se) [`'](\w+)[`']"
)

_MOVED = re.compile(
    r"accessing `(\w+)` from the top-level `(\w+)` module [^`]*[Ii]mport it directly from the `([\w.]+)` module"
)


def renames_in(messages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(old name, new name) pairs that run-time errors and warnings state: `x was removed …. Use `y` instead`."""
    for message in messages:
        for found in _USE.finditer(message):
            before, *after = found.groups()
            yield before, next(name for name in after if name).rstrip(".")


def literals_in(messages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(old text, new text) pairs that messages state: `'T' is deprecated …, please use 'min' instead`."""
    for message in messages:
        for found in _SAY.finditer(message):
            before, after = (text for text in found.groups() if text)
            yield before, after


@dataclass(frozen=True)
class Said:
    """A message of a program's run.

    Attributes:
        text: It.
        called: What the program's run at the old release called.
    """

    text: str
    called: tuple[str, ...] = ()


def rules_from_messages(
    said: Iterable[Said], changes: Sequence[Change], old: SymbolIndex, new: SymbolIndex
) -> list[Rule]:
    """Codemods that errors and warnings state: `x was removed. Use `y` instead`, `'T' is deprecated, use 'min'`.

    Args:
        said: The messages of programs of the old release, at both.
        changes: What changed.
        old: Symbols of the old release.
        new: Symbols of the new one.
    """
    receivers, known = Receivers(old), by_symbol(changes)
    found: dict[Rule, None] = {}
    for message in sorted(set(said), key=lambda s: (s.text, s.called)):
        for rule in _rules(message, known, old, new, receivers):
            found.setdefault(rule)
    return list(found)


def _rules(
    said: Said, known: Mapping[str, Change], old: SymbolIndex, new: SymbolIndex, receivers: Receivers
) -> Iterator[Rule]:
    for before, after in renames_in([said.text]):
        for source in _sources(before, said, old, receivers):
            target = _target(after, source, new)
            if target is None or target.path == source.path or target.kind != source.kind:
                continue
            rule = renamed(source, target.path, known)
            yield rule
            for mine, theirs in _INSTEAD.findall(said.text):
                yield _keyword(rule, source, theirs, mine)
    for parameter, function, to in _ARGUMENT.findall(said.text):
        for source in _sources(function, said, old, receivers):
            yield from _parameter(renamed(source, source.path, known), source, parameter, to, new)
    for name, root, module in _MOVED.findall(said.text):
        path = f"{module}.{name}"
        yield Rule("move", f"{root}.{name}", path, known[path].id if path in known else "", path)
    for before, after in literals_in([said.text]):
        yield Rule("literal", ANY, ANY, "", "", values=(repr(before), repr(after)))


def _parameter(rule: Rule, source: Symbol, parameter: str, to: str, new: SymbolIndex) -> Iterator[Rule]:
    """What a message says to use instead of a parameter: another one, or another method where it was given."""
    symbol = new.by_path.get(source.path)
    accepted = accepted_by(symbol) if symbol is not None else frozenset()
    other = new.by_path.get(f"{source.path.rpartition('.')[0]}.{to}")
    if not accepted or to in accepted:
        yield _keyword(rule, source, parameter, to)
    elif other is not None and other.kind == source.kind:
        yield Rule("instead", rule.old, other.path, rule.change, rule.symbol, parameter, to)


def _keyword(rule: Rule, source: Symbol, parameter: str, to: str) -> Rule:
    return Rule("keyword", rule.old, rule.new, rule.change, rule.symbol, parameter, to, positional(source))


def _sources(name: str, said: Said, old: SymbolIndex, receivers: Receivers) -> list[Symbol]:
    """What a message means by a name: of the library's modules, else a method that the program called."""
    symbol = _meant(name, old)
    if symbol is not None:
        return [symbol] if symbol.kind in ("function", "class", "method") else []
    owner, _, last = name.rpartition(".")
    options = [p for p in receivers.of(said.called)(last) if p in said.called]
    if owner:
        options = [p for p in options if p.rpartition(".")[0].endswith(owner)] or options
    return [old.by_path[p] for p in options]


def _target(name: str, source: Symbol, new: SymbolIndex) -> Symbol | None:
    """What a message says to use: a name of the library's modules, or a method of the same class."""
    if source.kind != "method":
        return _meant(name, new)
    owner = source.path.rpartition(".")[0]
    return new.by_path.get(f"{owner}.{name.rpartition('.')[2]}") or _meant(name, new)


def _meant(name: str, index: SymbolIndex) -> Symbol | None:
    """The symbol that a message names: by a public path, by `nx.x` with any alias, or by its last part."""
    last = name.rpartition(".")[2]
    for root in sorted(index.roots):
        path = (
            index.canonical(name)
            or index.canonical(f"{root}.{name.partition('.')[2]}")
            or index.canonical(f"{root}.{last}")
        )
        if path is not None and path in index.by_path:
            return index.by_path[path]
    return None
