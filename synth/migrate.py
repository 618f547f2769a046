"""Codemods: old programs that broke, rewritten to the new API by the rules of the changes (libcst on each call).

Forward only: real old code becomes new code. What goes backward, new code with the old form of a call synthesised,
stands in `synth.sites`.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Example, Program
from synth.calls import Script
from synth.material import Messages, Outcomes, Piece, key_of
from synth.pairs import broken, differ, effect_of
from synth.rules import Rule, code_of, parsed_call
from synth.spelling import Speller, applied, without_imports

GENERATOR, VERSION = "migrate", "1"
MOST_EDITS = 40


class Migration:
    """Rewrites old programs.

    Args:
        rules: The codemods.
        speller: How programs name functions.
        old: Symbols of the old release.
        new: Symbols of the new release.
    """

    def __init__(self, rules: Sequence[Rule], speller: Speller, old: SymbolIndex, new: SymbolIndex) -> None:
        self.speller, self.old, self.new = speller, old, new
        self.rules: dict[str, list[Rule]] = {}
        for rule in rules:
            self.rules.setdefault(rule.old, []).append(rule)

    def migrated(self, program: Program) -> tuple[Program, tuple[Rule, ...]] | None:
        """The program with all that a rule is about in its new form, and the rules; None where no rule is."""
        renamed = {p for p, rules in self.rules.items() if any(r.kind in ("rename", "move") for r in rules)}
        wanted = renamed & {*self.old.called(program.code), *self.old.called(program.code + "\n" + program.test)}
        current = self.speller.through_modules(program, wanted, 0) if wanted else program
        used: dict[Rule, None] = {}
        code = self._rewritten(current.code, "", used)
        test = self._rewritten(current.test, current.code, used)
        if not used:
            return None
        code = without_imports(code, wanted, self.old)
        return Program(code=code, test=test, files=program.files), tuple(used)

    def _rewritten(self, text: str, above: str, used: dict[Rule, None]) -> str:
        for _ in range(MOST_EDITS):
            step = self._step(text, above)
            if step is None:
                break
            text, rule = step
            used.setdefault(rule)
        return text

    def _step(self, text: str, above: str) -> tuple[str, Rule] | None:
        """One edit: the innermost call first, so that edits never overlap."""
        try:
            script = Script(text, self.old.roots)
            if above:
                script.names = {**Script(above, self.old.roots).names, **script.names}
        except (SyntaxError, ValueError, RecursionError):
            return None
        return self._parameter_step(script) or self._name_step(script)

    def _parameter_step(self, script: Script) -> tuple[str, Rule] | None:
        calls = sorted(script.calls(self.old), key=lambda c: (c.span[1] - c.span[0], c.span))
        for call in calls:
            for rule in self.rules.get(call.path or "", ()):
                if rule.kind in ("rename", "move"):
                    continue
                parsed = parsed_call(script.code[slice(*call.span)])
                made = rule.forward(parsed) if parsed is not None else None
                if made is not None:
                    return applied(script.code, [(*call.span, code_of(made))]), rule
        return None

    def _name_step(self, script: Script) -> tuple[str, Rule] | None:
        for node in ast.walk(script.source.tree):
            if not isinstance(node, ast.Attribute):
                continue
            meaning = script.resolve(node)
            path = self.old.canonical(meaning) if meaning else None
            if path is None or meaning is None or self._stays(path, meaning):
                continue
            for rule in self.rules.get(path, ()):
                if rule.kind not in ("rename", "move"):
                    continue
                span = script.source.span(node)
                text = self.speller.current(rule.new, script.code[slice(*span)], script)
                if text is not None and text != script.code[slice(*span)]:
                    return applied(script.code, [(*span, text)]), rule
        return None

    def _stays(self, path: str, meaning: str) -> bool:
        """Whether a name still works at the new release, and is not merely announced to go."""
        symbol = self.new.by_path.get(path)
        return self.new.canonical(meaning) is not None and symbol is not None and not symbol.deprecated

    def rows(
        self,
        old: Sequence[Piece],
        outcomes: Outcomes,
        releases: tuple[str, str],
        domain: str,
        families: Families,
        messages: Messages | None = None,
    ) -> Iterator[Program | Example]:
        """A `drift` row for each old example that broke and that rules rewrite."""
        for piece, program, rules in self.pieces(old, outcomes, releases, messages or {}):
            yield piece.program
            yield program
            yield self._row(piece, program, rules, outcomes, releases, domain, families)

    def pieces(
        self, old: Sequence[Piece], outcomes: Outcomes, releases: tuple[str, str], messages: Messages
    ) -> Iterator[tuple[Piece, Program, tuple[Rule, ...]]]:
        """Old examples that broke, each with its rewritten program and the rules."""
        for piece in sorted(broken(old, outcomes, releases, messages), key=lambda p: (p.key, p.program.id)):
            made = self.migrated(piece.program)
            if made is not None and (differ(piece.program, made[0]) or piece.program.test != made[0].test):
                yield piece, *made

    def _row(
        self, piece: Piece, program: Program, rules: Sequence[Rule], outcomes: Outcomes, releases: tuple[str, str],
        domain: str, families: Families,
    ) -> Example:  # fmt: skip
        family = next((f for r in rules for f in sorted(families.calling([r.new, r.old]))), None)
        return Example(
            domain=domain,
            kind="drift",
            releases=releases,
            parts={
                "programs": {"old": piece.program.id, "new": program.id},
                "prompt": f"Update this code: {self.old.public(rules[0].old)} has changed.",
            },
            change=rules[0].change or None,
            family=family,
            symbols=tuple(dict.fromkeys((*(r.new for r in rules), *(r.old for r in rules)))),
            file=piece.example.file,
            root="pair:" + key_of(piece.key),
            generator=GENERATOR,
            generator_version=VERSION,
            parents=(piece.example.id, *piece.example.parents),
            licence=piece.example.licence,
            source_url=piece.example.source_url,
            operator="forward:" + "+".join(sorted({r.operator for r in rules})),
            old_effect=effect_of(piece, outcomes, releases[1]),
        )


def as_new(found: Iterable[tuple[Piece, Program, tuple[Rule, ...]]], release: str) -> list[Piece]:
    """Rewritten programs as pieces of the new release, to look for call sites in."""
    made = []
    for piece, program, _ in found:
        parts = {**piece.parts, "programs": {"answer": program.id}}
        made.append(Piece(dataclasses.replace(piece.example, releases=(release,), parts=parts), program))
    return made
