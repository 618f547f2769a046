"""Codemods: old programs that broke, rewritten to the new API by the rules of the changes (libcst on each call).

Forward only: real old code becomes new code. What goes backward, new code with the old form of a call synthesised,
stands in `synth.migrated.sites`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Program
from synth.material import Piece, Update, key_of
from synth.migrated.calls import Receivers, bound_by_imports
from synth.migrated.pairs import differ
from synth.migrated.rewriting import Rewriting
from synth.migrated.rules import NAMING, Rule
from synth.migrated.spelling import Speller, without_imports

GENERATOR, VERSION = "migrate", "8"

GUESSES = ("default", "literal", "order")
"""Kinds of rules that apply to calls which may well be right as they are: guesses, all of them."""

VARIANTS = 7
"""Most ways that are tried to rewrite one example."""

_ORDER = {"keyword": 0, "instead": 0, "removed-parameter": 2, **dict.fromkeys(GUESSES, 3)}
"""Of rules about one call the more telling first: a parameter that has another name now is not merely removed."""


def is_guess(rule: Rule) -> bool:
    """Whether a rule alone speaks for nothing."""
    return rule.guess or rule.kind in GUESSES


@dataclass(frozen=True)
class Migrated:
    """An old example that broke, rewritten.

    Attributes:
        piece: The example.
        program: Its program as it is written now.
        rules: The rules that were used.
    """

    piece: Piece
    program: Program
    rules: tuple[Rule, ...]


class Migration:
    """Rewrites old programs.

    Args:
        rules: The codemods; of those that exclude each other, the likelier first.
        speller: How programs name functions.
        old: Symbols of the old release.
        new: Symbols of the new release.
    """

    def __init__(self, rules: Sequence[Rule], speller: Speller, old: SymbolIndex, new: SymbolIndex) -> None:
        self.speller, self.old, self.new = speller, old, new
        self.receivers = Receivers(old)
        self.rules: dict[str, list[Rule]] = {}
        for rule in sorted(rules, key=lambda r: 4 if r.guess else _ORDER.get(r.kind, 1)):
            self.rules.setdefault(rule.old, []).append(rule)

    def migrated(self, piece: Piece, spare: Collection[Rule] = frozenset()) -> Migrated | None:
        """The example with all that a rule is about in its new form; None where no rule is, or nothing differs.

        Args:
            piece: An example of the old release.
            spare: Rules that are not to be used.
        """
        program = piece.program
        naming = {path for path, rules in self.rules.items() if any(r.kind in NAMING for r in rules)}
        wanted = naming & {*self.old.called(program.code), *self.old.called(program.code + "\n" + program.test)}
        current = self.speller.through_modules(program, wanted, 0) if wanted else program
        methods = self.receivers.of(piece.called)
        rewriting = Rewriting(self.rules, spare, self.speller, self.old, self.new, methods)
        code = rewriting.text(current.code, "")
        test = rewriting.text(current.test, current.code)
        if not rewriting.used:
            return None
        code = without_imports(with_imports(code, rewriting.missing), wanted, self.old)
        made = Program(code=code, test=test, files=program.files)
        return Migrated(piece, made, tuple(rewriting.used)) if differ(program, made) or program.test != test else None

    def variants(self, piece: Piece) -> list[Migrated]:
        """Ways to rewrite an example, distinct: with what is sure, with a guess each, with all of them, with less."""
        found: dict[str, Migrated] = {}
        every = self.migrated(piece)
        if every is None:
            return []
        guesses = {r for rules in self.rules.values() for r in rules if is_guess(r)}
        used = [r for r in every.rules if is_guess(r)]
        spares: list[set[Rule]] = [guesses, *(guesses - {rule} for rule in used[:3]), set()]
        spares += [{rule} for rule in every.rules]
        for spare in spares[:VARIANTS]:
            made = self.migrated(piece, spare)
            if made is not None:
                found.setdefault(made.program.id, made)
        return list(found.values())

    def updates(self, found: Iterable[Migrated], families: Families) -> Iterator[Update]:
        """The old examples that broke, each with what rules made of it; none where the test alone names what changed.

        Args:
            found: The examples, rewritten.
            families: Families of the changes.
        """
        for made in found:
            piece, rules = made.piece, made.rules
            if differ(piece.program, made.program):
                yield Update(
                    old=piece.program,
                    new=made.program,
                    pieces=(piece,),
                    root="pair:" + key_of(piece.key),
                    maker=(GENERATOR, VERSION),
                    operator="forward:" + "+".join(sorted({r.operator for r in rules})),
                    symbols=tuple(dict.fromkeys((*(r.old for r in rules), *(r.new for r in rules)))),
                    family=next((f for r in rules for f in sorted(families.calling([r.new, r.old]))), None),
                    change=next((r.change for r in rules if r.change), None),
                )


def with_imports(code: str, wanted: Collection[tuple[str, str]]) -> str:
    """The code with imports of (name, dotted path) above it that it lacks."""
    bound = bound_by_imports(code)
    for name, path in sorted(wanted, reverse=True):
        if name not in bound:
            owner, _, last = path.rpartition(".")
            text = f"from {owner} import {last}" if owner and name == last else f"import {path}"
            code = f"{text}{f' as {name}' if name not in (path, last) else ''}\n{code}"
    return code


def as_new(found: Iterable[Migrated], release: str, called: Mapping[str, tuple[str, ...]] | None = None) -> list[Piece]:
    """Rewritten programs as pieces of the new release, to look for call sites in.

    Args:
        found: The rewritten examples.
        release: Id of the new release.
        called: Id of a program -> what its run called.
    """
    pieces = []
    for made in found:
        parts = {**made.piece.parts, "programs": {"answer": made.program.id}}
        example = dataclasses.replace(made.piece.example, releases=(release,), parts=parts)
        pieces.append(Piece(example, made.program, (called or {}).get(made.program.id, ())))
    return pieces
