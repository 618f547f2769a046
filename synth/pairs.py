"""Drift that the maintainers migrated themselves: the same test or doc example at two versions.

Where the old program passes at the old release and not at the new one, and its successor passes at the new one, the
two are an old and a new form of the same thing. Each pair is proposed whole, cut to single checks, and hunk by hunk
(the old program with one hunk of the new one); runs sort out which of these prove a change.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Example, Program
from synth.dataflow import unbound
from synth.material import Messages, Outcomes, Piece, key_of, licence_of
from synth.slices import cut_to_checks, scripted
from synth.source import Source
from synth.wording import Wording

GENERATOR, VERSION = "pairs", "6"

LIKE = 0.6
"""A test of another name is the successor from this likeness of the code on."""

_IMPORTS = (ast.Import, ast.ImportFrom)

SAME = 0.7
"""Checks of other texts are taken for forms of one check from this likeness of the code on."""

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
    by_key: dict[str, Piece] = {}
    by_name: dict[str, list[Piece]] = {}
    by_file: dict[str, list[Piece]] = {}
    for piece in sorted(new, key=lambda p: (p.key, p.program.id)):
        if piece.program.id in new_passes:
            by_key.setdefault(piece.key, piece)
            by_name.setdefault(piece.name, []).append(piece)
            by_file.setdefault(piece.example.file, []).append(piece)
    taken = {p.key for p in old}
    for piece in sorted(old, key=lambda p: (p.key, p.program.id)):
        same = by_key.get(piece.key)
        if same is not None:
            yield Match(piece, same, "same")
            continue
        options = [p for p in by_name.get(piece.name, ()) if p.example.file != piece.example.file]
        found = _likest(piece, options, 0.5)
        if found is not None:
            yield Match(piece, found, "moved")
        if found is not None or not like:
            continue
        found = _likest(piece, [p for p in by_file.get(piece.example.file, ()) if p.key not in taken], LIKE)
        if found is not None:
            yield Match(piece, found, "like")


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


def effect_of(piece: Piece, outcomes: Outcomes, release: str) -> str:
    """What a release does to a program that broke there: `fails`, `differs` (a check fails) or `warns`."""
    return {"passed": "warns", "failed": "differs"}.get(outcomes.get((piece.program.id, release), "failed"), "fails")


class Pairs:
    """Writes the rows of matched examples.

    Args:
        changes: What changed.
        old: Symbols of the old release.
        new: Symbols of the new release.
        families: Families of the changes.
    """

    def __init__(self, changes: Sequence[Change], old: SymbolIndex, new: SymbolIndex, families: Families) -> None:
        self.old, self.new, self.families = old, new, families
        self.wording = Wording(changes, old, new)
        self.changes: dict[str, list[Change]] = {}
        for change in sorted(changes, key=lambda c: (c.symbol, c.kind)):
            self.changes.setdefault(families.by_change.get(change.id, ""), []).append(change)

    def rows(
        self,
        old: Sequence[Piece],
        new: Sequence[Piece],
        outcomes: Outcomes,
        releases: tuple[str, str],
        domain: str,
        warned: Messages,
        messages: Messages,
    ) -> Iterator[Program | Example]:
        """The `drift` rows of old examples that broke; each Program before the first Example that names it.

        Args:
            old: Mined examples of the old release.
            new: Mined examples of the new release.
            outcomes: (program, release) -> outcome.
            releases: Ids of the old and the new release.
            domain: Name of the domain.
            warned: (program, release) -> its message, where it warned of a deprecation.
            messages: (program, release) -> its message, where it said anything.
        """
        found = broken(old, outcomes, releases, warned)
        passes = frozenset(p.program.id for p in new if outcomes.get((p.program.id, releases[1])) == "passed")
        for match in matched(found, new, passes):
            if match.how != "same" and not self._related(match):
                continue
            if match.old.example.kind == "doc" and not _checks_the_same(match.old.program, match.new.program):
                continue  # the page has another example there
            seen: set[tuple[str, str]] = set()
            failing = line_of(messages.get((match.old.program.id, releases[1]), ""))
            for operator, before, after in self._forms(match, failing):
                if (before.id, after.id) in seen or not differ(before, after) or only_listens(before, after):
                    continue
                seen.add((before.id, after.id))
                yield before
                yield after
                row = self._row(match, before, after, operator, releases, domain)
                yield dataclasses.replace(row, old_effect=effect_of(match.old, outcomes, releases[1]))

    def _related(self, match: Match) -> bool:
        """Whether two tests of other names check the same of one symbol, or call old and new names of one family."""
        before, after = match.old.program, match.new.program
        old, new = self.old.called(before.code), self.new.called(after.code)
        names = {self.old.public(p) for p in old} & {self.new.public(p) for p in new}
        if names and asserted(before) & asserted(after):
            return True
        gone = self.families.calling(p for p in old if self.old.public(p) not in names)
        return bool(gone & self.families.calling(p for p in new if self.new.public(p) not in names))

    def _forms(self, match: Match, failing: int | None) -> Iterator[tuple[str, Program, Program]]:
        before, after = match.old.program, match.new.program
        yield f"{match.how}:whole", before, after
        for old, new in _checks(before, after)[:CHECKS]:
            yield f"{match.how}:check", old, new
        for i, new in enumerate(hunks(before, after, failing)):
            if i < CHECKS:
                yield f"{match.how}:hunk", before, new

    def _row(
        self, match: Match, before: Program, after: Program, operator: str, releases: tuple[str, str], domain: str
    ) -> Example:
        family, symbols = self.shown(before, after)
        public = self.new.public(symbols[0]) if symbols else "the library"
        change = self._change(family, symbols)
        return Example(
            domain=domain,
            kind="drift",
            releases=releases,
            parts={
                "programs": {"old": before.id, "new": after.id},
                "prompt": self.wording.prompt(public, change, symbols),
            },
            change=change,
            family=family,
            symbols=symbols,
            file=match.old.example.file,
            root="pair:" + key_of(match.old.key),
            generator=GENERATOR,
            generator_version=VERSION,
            parents=(match.old.example.id, match.new.example.id),
            licence=licence_of(match.old, match.new),
            source_url=match.new.example.source_url,
            operator=operator,
        )

    def _change(self, family: str | None, symbols: Sequence[str]) -> str | None:
        """The change of a family that a pair shows: one of the first symbol that has any, else the family's first."""
        members = self.changes.get(family or "", [])
        for path in symbols:
            names = {path, self.old.public(path), self.new.public(path)}
            for change in members:
                if change.symbol in names or change.replacement in names:
                    return change.id
        return members[0].id if members else None

    def shown(self, before: Program, after: Program) -> tuple[str | None, tuple[str, ...]]:
        """The family that a pair shows, and its symbols: of what only one of the two calls, else of what both call."""
        old = self.old.called(before.code + "\n" + before.test)
        new = self.new.called(after.code + "\n" + after.test)
        names_old, names_new = {self.old.public(p) for p in old}, {self.new.public(p) for p in new}
        apart = [p for p in old if self.old.public(p) not in names_new]
        apart += [p for p in new if self.new.public(p) not in names_old]
        both = [p for p in old if self.old.public(p) in names_new]
        for group in (apart, both):
            for path in group:
                family = sorted(self.families.calling([path]))
                if family:
                    return family[0], (path, *(p for p in (*old, *new) if p != path))
        return None, tuple(dict.fromkeys((*apart, *both)))


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
    """Both programs cut to one check each, paired by the check's text, else by order where as many are left."""
    old, new = cut_to_checks(before), cut_to_checks(after)
    texts: Mapping[str, Program] = dict(new)
    made = [(program, texts[text]) for text, program in old if text in texts]
    rest_old = [p for text, p in old if text not in texts]
    known = Counter(text for text, _ in old)
    rest_new = [p for text, p in new if text not in known]
    if len(rest_old) == len(rest_new):
        made += [pair for pair in zip(rest_old, rest_new, strict=True) if _alike(*pair)]
    return [pair for pair in made if differ(*pair)]


def line_of(message: str) -> int | None:
    """The line of the code that raised, as a verdict's detail tells it; None where the test did."""
    found = re.search(r"\(code, line (\d+)\)", message)
    return int(found.group(1)) if found else None


def _checks_the_same(before: Program, after: Program) -> bool:
    return before.test == after.test or bool(asserted(before) & asserted(after))


def _alike(before: Program, after: Program) -> bool:
    """Whether two programs are forms of one thing, as far as their texts tell."""
    return difflib.SequenceMatcher(None, before.code, after.code, autojunk=False).ratio() > SAME


def hunks(before: Program, after: Program, failing: int | None) -> Iterator[Program]:
    """The old program with one hunk of the new one each; none where there is only one hunk and equal checks.

    Args:
        before: The old program.
        after: The new one.
        failing: Line of the old code that fails at the new release: only the hunk around it may mend that.
    """
    try:
        old, new = Source(before.code), Source(after.code)
        old_keys = [ast.unparse(s) for s in old.tree.body]
        new_keys = [ast.unparse(s) for s in new.tree.body]
    except (SyntaxError, RecursionError):
        return
    matcher = difflib.SequenceMatcher(None, old_keys, new_keys, autojunk=False)
    codes = [op for op in matcher.get_opcodes() if op[0] != "equal"]
    if len(codes) < 2 and before.test == after.test:
        return
    for _, i, j, k, m in codes:
        if all(isinstance(s, _IMPORTS) for s in (*old.tree.body[i:j], *new.tree.body[k:m])):
            continue
        if failing is None or not any(s.lineno <= failing <= (s.end_lineno or s.lineno) for s in old.tree.body[i:j]):
            continue
        kept = [(old, s) for s in old.tree.body[:i]] + [(new, s) for s in new.tree.body[k:m]]
        kept += [(old, s) for s in old.tree.body[j:]]
        code = scripted(kept)[0]
        if not unbound([*ast.parse(code).body, *ast.parse(before.test).body]):
            yield Program(code=code, test=before.test, files=before.files)
