"""Drift that the maintainers migrated themselves: the same test or doc example at two versions.

Where the old program passes at the old release and not at the new one, and its successor passes at the new one, the
two are an old and a new form of the same thing. The old program with those statements of the new one that name what
changed is proposed (`synth.migrated.focus`), with the old test, whole and cut to single checks; runs sort out which
of these prove a change.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Program
from synth.material import Messages, Outcomes, Piece, Update, key_of
from synth.migrated.calls import Receivers
from synth.migrated.focus import Focus, Focused
from synth.migrated.slices import cut_to_checks

GENERATOR, VERSION = "pairs", "8"

LIKE = 0.6
"""A test of another name is the successor from this likeness of the code on."""

CHECKS = 4
"""Most single checks that are proposed of a pair."""


@dataclass(frozen=True)
class Match:
    """An old example and its successor.

    Attributes:
        old: At the old release.
        new: At the new release.
        how: `same` (file and name), `moved` (another file), `like` (another name).
    """

    old: Piece
    new: Piece
    how: str


def broken(old: Sequence[Piece], outcomes: Outcomes, releases: tuple[str, str], messages: Messages) -> list[Piece]:
    """Old examples that pass at the old release and fail, or newly warn, at the new one."""
    found = []
    for piece in old:
        before, after = (piece.program.id, releases[0]), (piece.program.id, releases[1])
        if outcomes.get(before) != "passed" or outcomes.get(after) in (None, "unavailable"):
            continue
        if outcomes[after] != "passed" or (messages.get(after) and not messages.get(before)):
            found.append(piece)
    return found


def matched(
    old: Sequence[Piece], new: Sequence[Piece], new_passes: frozenset[str], *, like: bool = True
) -> Iterator[Match]:
    """The successors of old examples among those that pass at the new release.

    Args:
        old: Old examples.
        new: All examples of the new release.
        new_passes: Ids of the programs that pass there.
        like: Whether likeness is asked where names don't tell: each with each of a file, so it takes long.
    """
    by_key: dict[str, list[Piece]] = {}
    by_name: dict[str, list[Piece]] = {}
    by_file: dict[str, list[Piece]] = {}
    for piece in sorted(new, key=lambda p: (p.key, p.program.id)):
        if piece.program.id in new_passes:
            by_key.setdefault(_whole(piece.key), []).append(piece)
            by_name.setdefault(_whole(piece.name), []).append(piece)
            by_file.setdefault(piece.example.file, []).append(piece)
    taken = {_whole(p.key) for p in old}
    for piece in sorted(old, key=lambda p: (p.key, p.program.id)):
        same = _same(piece, by_key.get(_whole(piece.key), ()))
        if same is not None:
            yield Match(piece, same, "same")
            continue
        options = [p for p in by_name.get(_whole(piece.name), ()) if p.example.file != piece.example.file]
        found = _likest(piece, options, 0.5)
        if found is not None:
            yield Match(piece, found, "moved")
        if found is not None or not like:
            continue
        found = _likest(piece, [p for p in by_file.get(piece.example.file, ()) if _whole(p.key) not in taken], LIKE)
        if found is not None:
            yield Match(piece, found, "like")


def _whole(key: str) -> str:
    """A key or name without the number of the part: that of the test."""
    return re.sub(r"#\d+(?=(\[\d+\])?$)", "", key)


def _same(piece: Piece, parts: Sequence[Piece]) -> Piece | None:
    """The part of the same test that an old part became: the only one, else the one that is most like it."""
    if len(parts) < 2:
        return parts[0] if parts else None
    alike = [p for p in parts if p.key == piece.key]
    equal = next((p for p in parts if p.program.id == piece.program.id), None)
    return equal or _likest(piece, parts, LIKE) or (alike[0] if alike else None)


def _likest(piece: Piece, options: Sequence[Piece], least: float) -> Piece | None:
    text = piece.program.code + piece.program.test
    best, found = least, None
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(text)
    for option in options:
        matcher.set_seq1(option.program.code + option.program.test)
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and (ratio := matcher.ratio()) > best:
            best, found = ratio, option
    return found


class Pairs:
    """Finds what the maintainers migrated themselves.

    Args:
        changes: What changed.
        old: Symbols of the old release.
        new: Symbols of the new release.
        families: Families of the changes.
    """

    def __init__(self, changes: Sequence[Change], old: SymbolIndex, new: SymbolIndex, families: Families) -> None:
        self.old, self.new, self.families = old, new, families
        self.receivers = Receivers(old), Receivers(new)
        self.focus = Focus(old, new, changes)
        self.changes: dict[str, list[Change]] = {}
        for change in sorted(changes, key=lambda c: (c.symbol, c.kind)):
            self.changes.setdefault(families.by_change.get(change.id, ""), []).append(change)

    def updates(
        self, hurt: Sequence[Piece], new: Sequence[Piece], messages: Messages, releases: tuple[str, str]
    ) -> Iterator[Update]:
        """What became of old examples that broke: their statements that name what changed, as they are now.

        Args:
            hurt: Old examples that broke.
            new: Examples that pass at the new release.
            messages: (program, release) -> its message, where it said anything.
            releases: Ids of the old and the new release.
        """
        for match in matched(hurt, new, frozenset(p.program.id for p in new)):
            if match.old.example.kind == "doc" and not _checks_the_same(match.old.program, match.new.program):
                continue  # the page has another example there
            if only_listens(match.old.program, match.new.program):
                continue
            failing = line_of(messages.get((match.old.program.id, releases[1]), ""))
            yield from self._of(match, failing)

    def _of(self, match: Match, failing: int | None) -> Iterator[Update]:
        """The update of a match as a whole, and cut to each of its checks; the smallest difference first."""
        methods = self.receivers[0].of(match.old.called), self.receivers[1].of(match.new.called)
        before, after, same = match.old.program, match.new.program, match.how != "like"
        ways = (self.focus.focused(before, after, failing, methods, same=same, fed=fed) for fed in (False, True))
        for whole in {way.program.id: way for way in ways if way is not None}.values():
            yield self._update(match, before, whole, "whole")
            for old, new in _checks(before, whole.program)[:CHECKS]:
                yield self._update(match, old, Focused(new, whole.symbols), "check")

    def _update(self, match: Match, before: Program, after: Focused, form: str) -> Update:
        symbols = after.symbols
        changed = [p for p in symbols if p in self.focus.changed or p not in self.new.by_path]
        family = next((f for path in changed for f in sorted(self.families.calling([path]))), None)
        return Update(
            old=before,
            new=after.program,
            pieces=(match.new, match.old),
            root="pair:" + key_of(match.old.key),
            maker=(GENERATOR, VERSION),
            operator=f"{match.how}:{form}",
            symbols=symbols,
            family=family,
            change=self._change(family, symbols) if family is not None else None,
        )

    def _change(self, family: str, symbols: Sequence[str]) -> str | None:
        """The change of a family that a pair shows: one of the first symbol that has any, else the family's first."""
        members = self.changes.get(family, [])
        for path in symbols:
            names = {path, self.old.public(path), self.new.public(path)}
            for change in members:
                if change.symbol in names or change.replacement in names:
                    return change.id
        return members[0].id if members else None


def differ(before: Program, after: Program) -> bool:
    """Whether the code of two programs differs in more than layout and names."""
    return shape(before.code) != shape(after.code)


def only_listens(before: Program, after: Program) -> bool:
    """Whether the successor catches warnings that the old program did not: no new form is shown."""
    return "catch_warnings" in after.code and "catch_warnings" not in before.code


def shape(code: str) -> str:
    """Code without layout; SyntaxError can't happen to what a miner wrote, else the text itself."""
    try:
        return ast.unparse(ast.parse(code))
    except (SyntaxError, ValueError, RecursionError):
        return code


def asserted(program: Program) -> frozenset[str]:
    """The texts of a program's comparisons: two tests that share one check the same."""
    return frozenset(
        ast.unparse(s.test)
        for s in ast.parse(program.test).body
        if isinstance(s, ast.Assert) and "==" in ast.unparse(s)
    )


def _checks(before: Program, after: Program) -> list[tuple[Program, Program]]:
    """Both programs, which have one test, cut to each of its checks where they differ in what it needs."""
    known = dict(cut_to_checks(after))
    made = [(program, known[text]) for text, program in cut_to_checks(before) if text in known]
    return [pair for pair in made if differ(*pair)]


def line_of(message: str) -> int | None:
    """The line of the code that raised, as a verdict's detail tells it; None where the test did."""
    found = re.search(r"\(code, line (\d+)\)", message)
    return int(found.group(1)) if found else None


def _checks_the_same(before: Program, after: Program) -> bool:
    return before.test == after.test or bool(asserted(before) & asserted(after))
