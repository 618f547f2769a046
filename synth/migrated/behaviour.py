"""Behaviour drift: calls that are written as ever and give something else at the new release.

It is looked for where old checks fail at the new release, and where the literals of programs that pass at both releases
are varied (typed: a number for a number, a letter for a letter). What is found is a Change of its own where none is
known, a row that states the new result, and a program that codemods may mend (a default made explicit).
"""

from __future__ import annotations

import ast
import dataclasses
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Page, Program, Verdict
from registry.text import Text
from registry.trees import parse
from synth.material import Outcomes, Piece, Update, draw, key_of
from synth.migrated.calls import Receivers, Script
from synth.migrated.literals import changes_of
from synth.migrated.recording import checks_of, probing, recorded, values_of
from synth.migrated.stated import stated, told
from synth.migrated.trials import Bench
from synth.mined.text import module_of
from synth.source import Edit, Source, applied

GENERATOR, VERSION = "behaviour", "6"

FOUND = "runs at both releases"
"""Source of the evidence for a change that no note tells of."""

VARIED = 300
"""Most programs with other literals that are run."""

EACH = 3
"""Most variants of one program."""

_CONVERSION = re.compile(r"\.(to_\w+|tolist|rows|row|item|collect|as_\w+)$")
"""Names of what only hands on what another call made."""


@dataclass(frozen=True)
class Difference:
    """A call that gives something else.

    Attributes:
        piece: The old example, its program as it passes at the old release.
        symbol: Canonical path of what is called.
        expression: What differs.
        old: Program that states the old result.
        new: Program that states the new one.
        operator: `checked` where an old check fails, `varied` where a literal was changed.
    """

    piece: Piece
    symbol: str
    expression: str
    old: Program
    new: Program
    operator: str


class Behaviour:
    """Looks for behaviour drift.

    Args:
        old: Mined examples of the old release.
        outcomes: (program, release) -> outcome.
        index: Symbols of the old release.
        suspects: Canonical paths of what may act differently: programs that call them are varied.
        bench: Runs programs.
        releases: Ids of the old and the new release.
        seed: Seed of the variants.
    """

    def __init__(
        self,
        old: Sequence[Piece],
        outcomes: Outcomes,
        index: SymbolIndex,
        suspects: frozenset[str],
        bench: Bench,
        releases: tuple[str, str],
        seed: int = 0,
    ) -> None:
        self.old = sorted(old, key=lambda p: (p.key, p.program.id))
        self.outcomes, self.index, self.suspects = outcomes, index, suspects
        self.bench, self.releases, self.seed = bench, releases, seed
        self.receivers = Receivers(index)

    @cached_property
    def differences(self) -> list[Difference]:
        """All that is found: failing checks first, then varied literals."""
        hurt = [p for p in self.old if self._ended(p) == ("passed", "failed")]
        verdicts = self.bench.run(self.releases[1], [p.program for p in hurt])
        found = [d for p in hurt for d in self._of(p, verdicts[p.program.id], "checked")]
        found += [d for p, verdict in self._differing for d in self._of(p, verdict, "varied")]
        return list({(d.old.id, d.new.id): d for d in found}.values())

    def _options(self, piece: Piece, code: str) -> Iterator[tuple[str, ...]]:
        """What the calls of a program may mean, methods of objects too."""
        for call in Script(code, self.index.roots, self.receivers.of(piece.called)).calls(self.index):
            yield call.options

    @property
    def mendable(self) -> list[Piece]:
        """Programs with other literals that give something else: codemods may restore what they gave."""
        return [piece for piece, _ in self._differing]

    @cached_property
    def _differing(self) -> list[tuple[Piece, Verdict]]:
        varied = self._varied()
        verdicts = self.bench.run(self.releases[1], [p.program for p in varied])
        return [(p, verdicts[p.program.id]) for p in varied if verdicts[p.program.id].outcome == "failed"]

    def _ended(self, piece: Piece) -> tuple[str | None, ...]:
        return tuple(self.outcomes.get((piece.program.id, release)) for release in self.releases)

    def _of(self, piece: Piece, verdict: Verdict, operator: str) -> Iterator[Difference]:
        actual = told(piece.program, verdict, self.bench.same) if verdict.outcome == "failed" else {}
        for expression, old, new in stated(piece.program, actual):
            symbol = self._subject(piece, old.code, expression)
            if symbol is not None:
                yield Difference(piece, symbol, expression, old, new, operator)

    def _subject(self, piece: Piece, code: str, expression: str) -> str | None:
        """What a result is of: the only function that is called for it, else the only suspect of these.

        None where that isn't known: of a chain of calls any link may be the one that acts differently.
        """
        script = Script(f"{code}{expression}\n", self.index.roots, self.receivers.of(piece.called))
        calls = list(script.calls(self.index))
        if any(not c.options and not c.dotted.startswith(".") for c in calls):
            return None  # the library's, by a name that nothing tells of
        called = dict.fromkeys(p for c in calls if (p := _meant(c.options, piece)) and _acts(p, self.index))
        telling = [p for p in called if not _CONVERSION.search(p)] or list(called)
        if len(telling) > 1:
            telling = [p for p in telling if p in self.suspects]
        return telling[0] if len(telling) == 1 else None

    def _varied(self) -> list[Piece]:
        """Programs that pass at both releases with other literals, and with what they give at the old release."""
        both = [p for p in self.old if self._ended(p) == ("passed", "passed") and self._is_suspect(p)]
        probes: list[tuple[Piece, Program]] = []
        for piece in sorted(both, key=lambda p: draw(self.seed, p.key)):
            if len(probes) >= VARIED:
                break
            probes += [(piece, program) for program in self._variants(piece)]
        verdicts = self.bench.run(self.releases[0], [program for _, program in probes])
        found = []
        for piece, program in probes:
            checks = checks_of(program)
            test = recorded(checks, values_of(verdicts[program.id])) if checks else None
            if test is not None:
                found.append(dataclasses.replace(piece, program=Program(code=program.code, test=test)))
        return found

    def _is_suspect(self, piece: Piece) -> bool:
        return bool(self.suspects & {*self.index.called(piece.program.code), *piece.called})

    def _variants(self, piece: Piece) -> Iterator[Program]:
        checks = checks_of(piece.program)
        if not checks:
            return
        rng = random.Random(f"{self.seed}:{piece.key}")
        code = piece.program.code
        options = [*changes_of(code, rng), *changes_of(code, rng), *_far(code)]
        rng.shuffle(options)
        for text in list(dict.fromkeys(applied(code, edits) for edits in options))[:EACH]:
            yield Program(code=text, test=probing(checks[:3]))


def _meant(options: Sequence[str], piece: Piece) -> str | None:
    """Which of the methods of one name an example calls: the only one, what it is about, else one of its own file."""
    module = piece.example.file.removesuffix(".py").replace("/", ".") + "."
    own = [p for p in options if p in piece.example.symbols] or [p for p in options if p.startswith(module)]
    return (own or [*options])[0] if len(options) == 1 or own else None


def _acts(path: str, index: SymbolIndex) -> bool:
    return path in index.by_path and index.by_path[path].kind in ("function", "method")


def _far(code: str) -> Iterator[list[Edit]]:
    """Edits of one literal each: numbers of arguments more than doubled."""
    source = Source(code)
    for call in (n for n in ast.walk(source.tree) if isinstance(n, ast.Call)):
        for node in (*call.args, *(k.value for k in call.keywords)):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                yield [(*source.span(node), repr(2 * value + 1))]


def suspects(
    changes: Iterable[Change], pages: tuple[Iterable[Page], Iterable[Page]], index: SymbolIndex
) -> frozenset[str]:
    """Public functions that may act differently: changes say so, or their own source is another.

    Args:
        changes: What changed.
        pages: Pages of the old and of the new release; those of kind `source` are read.
        index: Symbols of the old release.
    """
    named = {c.symbol for c in changes if c.kind in ("behaviour", "signature", "deprecated")}
    old, new = ({page.path: page for page in side} for side in pages)
    equal = {path for path, page in old.items() if path in new and page.markdown == new[path].markdown}
    before, after = (dict(_functions(p for p in side.values() if p.path not in equal)) for side in (old, new))
    other = {path for path, function in before.items() if path in after and _differ(function, after[path])}
    return frozenset(p for p in named | other if _acts(p, index))


_Function = tuple[Text, ast.FunctionDef | ast.AsyncFunctionDef]
"""A module, and a function or method in it."""


def _functions(pages: Iterable[Page]) -> Iterator[tuple[str, _Function]]:
    """(dotted path, where it stands) of functions and methods."""
    for page in sorted((p for p in pages if p.kind == "source"), key=lambda p: p.path):
        module = module_of(page)
        try:
            tree = parse(page.markdown)
        except SyntaxError:
            continue
        text = Text(page.markdown)
        for node in tree.body:
            members = node.body if isinstance(node, ast.ClassDef) else [node]
            owner = f"{module}.{node.name}" if isinstance(node, ast.ClassDef) else module
            for member in members:
                if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield f"{owner}.{member.name}", (text, member)


def _differ(one: _Function, other: _Function) -> bool:
    """Whether two functions have other bodies, docstrings and layout left out; most are written alike."""
    return one[0].segment(one[1]) != other[0].segment(other[1]) and _body(one) != _body(other)


def _body(function: _Function) -> list[str]:
    _, node = function
    documented = ast.get_docstring(node, clean=False) is not None
    return [ast.dump(s) for s in (node.body[1:] if documented else node.body)]


def with_behaviour(changes: Sequence[Change], found: Iterable[Difference], releases: tuple[str, str]) -> list[Change]:
    """The changes, and one for each symbol that acts differently and has none."""
    known = {c.symbol for c in changes if c.kind != "added"}
    evidence: dict[str, list[dict[str, str]]] = {}
    for difference in found:
        if difference.symbol not in known and len(evidence.setdefault(difference.symbol, [])) < 2:
            text = f"{difference.expression} gives something else: programs {difference.old.id}, {difference.new.id}"
            evidence[difference.symbol].append({"source": FOUND, "text": text[:600]})
    made = [
        Change(old=releases[0], new=releases[1], symbol=symbol, kind="behaviour", evidence=rows)
        for symbol, rows in sorted(evidence.items())
    ]
    return [*changes, *made]


def updates(found: Iterable[Difference], changes: Sequence[Change], families: Families) -> Iterator[Update]:
    """An update for each difference: the code says what the call gave, and what it gives now."""
    by_symbol: Mapping[str, Change] = {
        c.symbol: c for c in sorted(changes, key=lambda c: (c.kind == "behaviour", c.kind, c.id)) if c.kind != "added"
    }
    for difference in found:
        change = by_symbol.get(difference.symbol)
        yield Update(
            old=difference.old,
            new=difference.new,
            pieces=(difference.piece,),
            root="pair:" + key_of(difference.piece.key),
            maker=(GENERATOR, VERSION),
            operator=f"behaviour:{difference.operator}",
            symbols=(difference.symbol,),
            family=next(iter(sorted(families.calling([difference.symbol]))), None),
            change=change.id if change is not None else None,
            restates=True,
        )
