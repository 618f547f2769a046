"""`edit` rows from a changelog: the issue that a user would have opened, and the patch that settles it.

A changelog's entry says what was changed, and a proven example of the new release shows how it is now. The LLM writes
the program as it stood before, and the issue; the patch leads to the example. The program before passes at the old
release and fails at the new one: else it didn't stop with the update, as the issue says.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from registry.records import Change, Program
from synth.material import Piece, draw, joined_licences
from synth.written import rows
from synth.written.answers import Talk, UnwrittenError, divided, ending, english, python, shown, tried
from synth.written.coverage import notes
from synth.written.dialogue import Desk, Dialogue, Ending, Subject
from synth.written.prompts import Excerpt, Words
from synth.written.telling import MOST_LINES, Difference, comments, difference, foreign, gives_away, other_errors

GENERATOR, VERSION = "issue", "1"

ISSUE = Words(
    "issue/issue@1",
    """
You write the issue of a project that uses a Python library, and the code that the issue is about. The library was
updated; you are shown what its changelog says of one change, and a program of today that works with the new version,
with the check that it passes. Think of how that program read before the update.

Answer in exactly this form: first prose, then one code block, ```python.
- The prose is the issue: what the project does at this place, what happens since the update (the error or the wrong
  result), and what the changelog says of it, in your own words. 2 to 6 plain English sentences. It doesn't show the
  right code, but whoever reads it and the code knows what to do.
- The code block is the whole program as it stood before: as today's letter by letter, but for the one place where it
  was written for the old version. With the new version the check fails on it. No version checks, no try, no new
  comments. The check isn't part of it.
""",
    1800,
    temperature="0.7",
)


@dataclass(frozen=True)
class _Entry:
    """A change that a changelog names, and an example of today."""

    change: Change
    text: str
    piece: Piece


class Issue:
    """Writes issues."""

    name, version = GENERATOR, VERSION

    def subjects(self, desk: Desk) -> Iterator[Subject]:
        """Each change that a changelog tells of and a mined example shows, with the shortest such example."""
        showing = _showing(desk.pieces)
        for change in sorted(desk.changes, key=lambda c: (desk.rows[c.symbol], draw(desk.seed, c.id))):
            text = notes(change)
            canonical = desk.indexes[1].canonical(change.replacement or change.symbol) or ""
            piece = showing.get(canonical) if text else None
            if piece is not None:
                inputs = (desk.old.digest, desk.new.digest, change.digest, piece.example.digest)
                yield Subject(f"{change.kind} {change.symbol}", inputs, _Entry(change, text, piece))

    @ending
    def write(self, desk: Desk, subject: Subject, talk: Talk) -> Dialogue:
        """The issue, and the program as it stood before."""
        entry: _Entry = subject.about
        after = entry.piece.program
        old, new = desk.spelled
        text = yield from talk.text(
            ISSUE,
            f"The old version: {old}. The new version: {new}.",
            Excerpt("The changelog says", entry.text),
            Excerpt("The program of today", after.code),
            Excerpt("Its check", after.test),
            "Write the issue and the program as it stood before.",
        )
        issue, blocks = divided(text)
        if len(blocks) != 1 or not 20 <= len(issue) <= 2000:
            raise UnwrittenError("format", f"There are {len(blocks)} code blocks and {len(issue)} characters of prose")
        english(issue)
        python(blocks[0], desk.imports | desk.indexes[0].roots)
        before = replace(after, code=blocks[0])
        changed = _checked(issue, before, after, entry.text)
        yield from _held(desk, issue, before, after)
        return Ending((before, after, _row(desk, entry, talk, issue, before, changed)))


def _showing(pieces: Any) -> Mapping[str, Piece]:
    """Canonical path -> the shortest mined example that is about it."""
    found: dict[str, Piece] = {}
    for piece in sorted(pieces, key=lambda p: (len(p.program.code) + len(p.program.test), p.example.id)):
        for path in piece.example.symbols[:2]:
            found.setdefault(path, piece)
    return found


def _checked(issue: str, before: Program, after: Program, entry: str) -> Difference:
    changed = difference(before.code, after.code)
    if changed is None:
        raise UnwrittenError("format", "The program before is today's")
    if changed.span > MOST_LINES:
        raise UnwrittenError("format", f"The programs differ over {changed.span} lines")
    if new := comments(before.code) - comments(after.code):
        raise UnwrittenError("format", f"A comment was put in: {min(new)}")
    if names := foreign(issue, before.code, after.code, after.test, entry):
        raise UnwrittenError("off-topic", f"The issue names what isn't in the programs: {', '.join(names)}")
    lines = {line.strip() for line in changed.new.splitlines() if len(line.strip()) > 12}
    if told := next((line for line in lines if line in gives_away(issue, changed)), ""):
        raise UnwrittenError("format", f"The issue shows the right code: {told}")
    return changed


def _held(desk: Desk, issue: str, before: Program, after: Program) -> Generator[Any, Any, None]:
    """What the issue says: the program ran before the update, fails since, and today's runs."""
    wrong, right = yield from tried(desk.new.id, before, after)
    if right.outcome != "passed":
        raise UnwrittenError("unproven", f"Today's program ends {shown(right)}")
    if wrong.outcome not in ("failed", "error"):
        raise UnwrittenError("unproven", f"The program before ends {shown(wrong)} at the new release")
    if names := other_errors(issue, wrong):
        raise UnwrittenError("off-topic", f"The issue names {', '.join(names)}, but it ends {shown(wrong)}")
    (once,) = yield from tried(desk.old.id, before)
    if once.outcome != "passed":
        raise UnwrittenError("unproven", f"The program before ends {shown(once)} at the old release too")


def _row(desk: Desk, entry: _Entry, talk: Talk, issue: str, before: Program, changed: Difference) -> Any:
    example = entry.piece.example
    origin = rows.of_piece(entry.piece)
    licence = joined_licences([origin.licence, desk.old.licence, desk.new.licence])  # its entry is of either
    parts = {
        "programs": {"before": before.id, "after": entry.piece.program.id},
        "prompt": f"{issue}\n\nMend this, and leave everything else as it is.",
        "scope": [list(place) for place in changed.places],
    }
    codes, releases = (before.code, entry.piece.program.code), (desk.old.id, desk.new.id)
    named = [path for index in desk.indexes for path in rows.symbols_in(index, codes, (issue,))]
    return rows.row(
        desk, "edit", parts, (GENERATOR, VERSION),
        replace(origin, parents=(*origin.parents, entry.change.id), licence=licence), talk.calls,
        symbols=tuple(dict.fromkeys([*example.symbols, *named])), root=example.root, releases=releases,
        change=entry.change, operator="issue",
    )  # fmt: skip
