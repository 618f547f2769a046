"""Call sites: for one prompt the call as it is now, as it was (`stale`), and as people get it wrong.

A site is a call of a changed function in a program that passes at the new release. Its rows are of kind `preference`
and share `root`: the prompt is the code before the call, chosen and rejected go from the call to the end of its
statement, the suffix is the rest. Nothing here runs: whether the chosen passes and the rejected does not is decided by
verdicts, and so many are proposed that some may turn out equivalent.
"""

from __future__ import annotations

import ast
import itertools
import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Example, Program
from synth.material import Piece, Update, draw, licence_of
from synth.migrated import migrate
from synth.migrated.arguments import code_of, find, parsed_call
from synth.migrated.calls import Call, Receivers, Script
from synth.migrated.codemods import backward
from synth.migrated.mutants import Mutator, Written
from synth.migrated.rules import Rule
from synth.migrated.site import Site
from synth.migrated.slices import Slicer, without_repeats
from synth.migrated.spelling import Speller
from synth.vocabulary import defaults

GENERATOR, VERSION = "sites", "10"


@dataclass(frozen=True)
class Limits:
    """How much is proposed.

    Attributes:
        mutants: Most mutants of a site.
        family: Most sites of a family that have no old form.
        stale: Most sites of a family that have an old form; they are scarce, and alone show old against new.
        file: Most sites of a family in one file.
        example: Most sites of a family in one example.
        prompt: Most characters of a prompt.
        hub: A symbol called by more than this share of the examples is no site.
    """

    mutants: int = 4
    family: int = 10
    stale: int = 24
    file: int = 6
    example: int = 3
    prompt: int = 1500
    hub: float = 0.03


class Sites:
    """Finds call sites and writes their rows.

    Args:
        changes: What changed.
        old: Symbols of the old release.
        new: Symbols of the new release.
        rules: Codemods of the changes.
        families: Families of the changes.
        limits: How much.
        seed: Seed of the mutants.
    """

    def __init__(
        self,
        changes: Sequence[Change],
        old: SymbolIndex,
        new: SymbolIndex,
        rules: Sequence[Rule],
        families: Families,
        limits: Limits | None = None,
        seed: int = 0,
    ) -> None:
        self.old, self.new, self.families, self.seed = old, new, families, seed
        self.limits = limits or Limits()
        self.mutator, self.receivers = Mutator(new, old), Receivers(new)
        self._wrong: dict[str, list[tuple[str, str]]] = {}  # root of a site -> what people write instead
        self.rules: dict[str, list[Rule]] = {}
        for rule in rules:
            self.rules.setdefault(rule.new, []).append(rule)
        self.changes: dict[str, Change] = {}
        for change in sorted(changes, key=lambda c: (c.symbol, c.kind, c.id)):
            for name in (change.symbol, change.replacement):
                path = new.canonical(name) if name else None
                if path is not None:
                    self.changes.setdefault(path, change)

    # ------------------------------------------------------------------------------------------------------ finding

    def find(self, pieces: Sequence[Piece]) -> list[Site]:
        """The call sites of changed functions in programs that pass at the new release, within the limits."""
        speller = Speller(pieces, self.old, self.new)
        hubs = self._hubs(pieces)
        found: list[Site] = []
        for piece in sorted(pieces, key=lambda p: (p.key, p.program.id)):
            found += self._in(piece, speller, hubs)
        return self.limited(found)

    def limited(self, sites: Iterable[Site]) -> list[Site]:
        """At most so many a family, file and example; sites with an old form first, calls that must raise last."""
        unique = {site.root: site for site in sites}
        pool = sorted(unique.values(), key=lambda s: (not s.stale, s.raises, draw(self.seed, s.root)))
        by_family: Counter[str] = Counter()
        by_file: Counter[tuple[str, str]] = Counter()
        by_example: Counter[tuple[str, str]] = Counter()
        kept = []
        for site in pool:
            file, example = (site.family, site.piece.example.file), (site.family, site.piece.key)
            most = self.limits.stale if site.stale else self.limits.family
            if (
                by_family[site.family] < most
                and by_file[file] < self.limits.file
                and by_example[example] < self.limits.example
                and (site.stale or site.says)
                and next(self.rejected(site), None) is not None
            ):
                by_family[site.family] += 1
                by_file[file] += 1
                by_example[example] += 1
                kept.append(site)
        return sorted(kept, key=lambda s: (s.family, s.piece.key, s.root))

    def _hubs(self, pieces: Sequence[Piece]) -> frozenset[str]:
        """Symbols that very many examples call."""
        calls: Counter[str] = Counter()
        for piece in pieces:
            calls.update({*self.new.called(piece.program.code), *piece.called})
        most = max(self.limits.hub * len(pieces), 20)
        return frozenset(path for path, n in calls.items() if n > most)

    def _in(self, piece: Piece, speller: Speller, hubs: frozenset[str]) -> Iterator[Site]:
        wanted = (self.changes.keys() | self.rules.keys()) - hubs
        if not wanted & {*self.new.called(piece.program.code), *piece.called}:
            return
        try:
            program = without_repeats(speller.through_modules(piece.program, wanted))
            script = Script(program.code, self.new.roots, self.receivers.of(piece.called))
            slicer = Slicer(program)
        except (SyntaxError, ValueError, RecursionError):
            return
        for call in script.calls(self.new):
            if call.path in wanted and not self.new.is_private(call.dotted) and "._" not in call.dotted:
                for start, stale in self._forms(script, call, speller):
                    site = self._site(piece, script, slicer, call, start, stale)
                    if site is not None:
                        yield site

    def _forms(self, script: Script, call: Call, speller: Speller) -> Iterator[tuple[int, tuple[tuple[str, str], ...]]]:
        """Where the choice starts, and the old forms from there to the end of the statement."""
        assert call.path is not None
        text, end = script.code[slice(*call.span)], script.code[call.span[1] : call.stop]
        stale = tuple((op, old + end) for op, old in self.stale(call.path, text, script, speller))
        for rule in self.rules.get(call.path, ()):
            around = script.around(call, rule.around) if rule.kind == "wrap" else None
            old = self._old_form(rule, text, script, speller) if around is not None else None
            if around is not None and old is not None:
                yield around[0], ((rule.operator, old + script.code[around[1] : call.stop]),)
                return
        yield call.span[0], stale

    def _site(
        self, piece: Piece, script: Script, slicer: Slicer, call: Call, begin: int, stale: tuple[tuple[str, str], ...]
    ) -> Site | None:
        assert call.path is not None
        family = self.family(call.path)
        part = slicer.around(call.statement)
        if part is None or family is None:
            return None
        start, stop, end = begin + part.shift, call.stop + part.shift, call.span[1] + part.shift
        text = script.code[slice(*call.span)]
        if stop < end or start > self.limits.prompt or part.code[start:end] != script.code[begin : call.span[1]]:
            return None
        change = next((r.change for r in self.rules.get(call.path, ())), None) if stale else None
        if change is None and call.path in self.changes:
            change = self.changes[call.path].id
        parsed = parsed_call(text)
        undecided = parsed is not None and call.path in self.new.by_path and self.mutator.siblings(call.path, parsed)
        return Site(
            piece, call.path, family, change, part.code[:start], part.code[start:stop], part.code[stop:], text,
            part.test, stale, lead=script.code[begin : call.span[0]],
        ).said(self.new.by_path.get(call.path), bool(undecided)).numbered()  # fmt: skip

    def family(self, path: str) -> str | None:
        """The family that a canonical path of the new release belongs to."""
        names = [path, *(rule.old for rule in self.rules.get(path, ()))]
        return next((f for name in names for f in sorted(self.families.calling([name]))), None)

    def stale(self, path: str, text: str, script: Script, speller: Speller) -> Iterator[tuple[str, str]]:
        """(codemod, old form) of a call as it would have been written against the old release."""
        seen = {text}
        for rule in self.rules.get(path, ()):
            written = self._old_form(rule, text, script, speller) if rule.kind != "wrap" else None
            if written is not None and written not in seen and "._" not in written:
                seen.add(written)
                yield rule.operator, written

    def _old_form(self, rule: Rule, text: str, script: Script, speller: Speller) -> str | None:
        parsed = parsed_call(text)
        made = backward(rule, parsed) if parsed is not None else None
        if parsed is None or made is None:
            return None
        if not self._worth_saying(rule, parsed, made, script):
            return None
        function = speller.old(rule, code_of(parsed.func), script)
        return function + code_of(made)[len(code_of(made.func)) :] if function is not None else None

    def _worth_saying(self, rule: Rule, call: cst.Call, old: cst.Call, script: Script) -> bool:
        """Whether anybody wrote an old form: not to say what held anyway, nor by a module behind the public name."""
        symbol = self.old.by_path.get(rule.old)
        default = defaults(symbol).get(rule.parameter) if symbol is not None else None
        if rule.kind == "removed-parameter":
            return default != rule.values[0] and _names_of(rule.values[0]) <= script.names.keys()
        if rule.kind == "move" and rule.old.rpartition(".")[2] == rule.new.rpartition(".")[2]:
            public = script.resolve(ast.parse(f"({code_of(call.func)})", mode="eval").body)
            return public is None or self.old.canonical(public) is None
        at = find(call, rule.parameter)
        return len(old.args) == len(call.args) or at is None or code_of(call.args[at].value) != default

    # ------------------------------------------------------------------------------------------------------ writing

    def rows(
        self,
        sites: Iterable[Site],
        domain: str,
        releases: tuple[str, str],
    ) -> Iterator[Program | Example]:
        """The `preference` rows of sites: each Program before the first Example that names it.

        Args:
            sites: The sites.
            domain: Name of the domain.
            releases: Ids of the old and the new release.
        """
        for site in sites:
            chosen = site.program()
            yield chosen
            for kind, operator, text in self.rejected(site):
                program = site.program(text)
                if program.id == chosen.id:
                    continue
                yield program
                yield self._preference(site, domain, releases, chosen, program, kind, operator, text)

    def rejected(self, site: Site) -> Iterator[tuple[str, str, str]]:
        """(kind, operator, text) of every wrong form of a site, distinct: old forms, and what people write instead."""
        if site.root not in self._wrong:
            self._wrong[site.root] = self._mutants(site)
        wrong = self._wrong[site.root]
        seen = {site.chosen}
        for operator, text in site.stale[:2]:
            if text not in seen:
                seen.add(text)
                yield "stale", operator, text
        fresh = ((kind, kind, text) for kind, text in wrong if text not in seen)
        yield from itertools.islice(fresh, self.limits.mutants)

    def _mutants(self, site: Site) -> list[tuple[str, str]]:
        """(kind, text) of what people write instead, distinct."""
        right = self._written(site)
        if right is None:
            return []
        rng = random.Random(f"{self.seed}:{site.root}")
        found: dict[str, str] = {}
        for wrong in self.mutator.mutants(right, rng):
            found.setdefault(site.text(wrong.text), wrong.kind)
        return [(kind, text) for text, kind in found.items()]

    def _written(self, site: Site) -> Written | None:
        """The site's call with what its program shows around it."""
        parsed = parsed_call(site.call)
        if parsed is None or site.path not in self.new.by_path:
            return None
        try:
            script = Script(site.program().code, self.new.roots)
        except (SyntaxError, ValueError, RecursionError):
            return None
        return Written(
            path=site.path,
            function=code_of(parsed.func),
            call=parsed,
            objects=script.objects(len(site.prompt)),
            module=script.module(self.new.roots),
        )

    def _preference(
        self, site: Site, domain: str, releases: tuple[str, str], chosen: Program, rejected: Program, kind: str,
        operator: str, text: str,
    ) -> Example:  # fmt: skip
        return Example(
            domain=domain,
            kind="preference",
            releases=releases,
            parts={
                "programs": {"chosen": chosen.id, "rejected": rejected.id},
                "prompt": site.prompt,
                "chosen": site.chosen,
                "rejected": text,
                "suffix": site.suffix,
            },
            change=site.change,
            family=site.family,
            symbols=(site.path,),
            file=site.piece.example.file,
            root=site.root,
            generator=GENERATOR,
            generator_version=VERSION,
            seed=self.seed,
            parents=site.parents,
            licence=licence_of(*site.pieces),
            source_url=site.piece.example.source_url,
            bug_kind=kind,
            operator=f"{site.operator}:{operator}",
        )

    def updates(self, sites: Iterable[Site], spared: Collection[tuple[str, str]] = frozenset()) -> Iterator[Update]:
        """The old forms of calls, each with the call as it is now.

        Args:
            sites: The sites.
            spared: (root of a site, codemod) of old forms that get none.
        """
        for site in sites:
            for kind, operator, text in self.rejected(site):
                if kind == "stale" and (site.root, operator) not in spared:
                    yield Update(
                        old=site.program(text),
                        new=site.program(),
                        pieces=site.pieces,
                        root=site.root,
                        maker=(migrate.GENERATOR, migrate.VERSION),
                        operator=f"backward:{operator}",
                        symbols=(site.path,),
                        family=site.family,
                        change=site.change,
                        seed=self.seed,
                    )


def _names_of(expression: str) -> set[str]:
    """The names that an expression reads."""
    return {n.id for n in ast.walk(ast.parse(expression, mode="eval")) if isinstance(n, ast.Name)}
