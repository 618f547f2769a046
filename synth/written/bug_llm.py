"""`bug` rows: a mistake that a person would make, put into a proven program, with what its user would report.

The kind of mistake is drawn from the taxonomy that mutation has too; here it is made as somebody would have made it,
and the issue tells what was seen, not what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from registry.records import Program
from synth.claims import is_endless, tells_values
from synth.material import Piece, draw
from synth.mutated.taxonomy import MISTAKES
from synth.written import rows
from synth.written.answers import Talk, UnwrittenError, divided, ending, english, python, shown, tried
from synth.written.dialogue import Desk, Dialogue, Ending, Subject
from synth.written.prompts import Excerpt, Words
from synth.written.telling import MOST_LINES, Difference, comments, difference, foreign, gives_away, other_errors

GENERATOR, VERSION = "bug_llm", "2"

BUG = Words(
    "bug_llm/bug@1",
    """
You put one realistic mistake into a Python program that works, so that others can practise finding it. You are told
the kind of mistake, and shown the program and the check that it passes.

Answer in exactly this form: first prose, then one code block, ```python.
- The prose is the report of somebody who uses the program and doesn't know its code: what they did, what they expected,
  what they got instead. 2 to 5 plain English sentences. It doesn't say where the mistake is, what kind it is, or how
  the right code reads.
- The code block is the whole program with the mistake, otherwise letter by letter as it is. Change one place of one to
  five lines; what you write looks as if its author thought it right. It still parses, and the check fails on it. No
  comment tells of the mistake. The check isn't part of it.
""",
    1800,
    temperature="0.9",
)

KINDS = tuple(sorted({mistake.kind for mistake in MISTAKES.values()}))
"""The kinds of mistakes that are asked for."""

UNTOLD = "other"
"""The kind that a row has: what was made may be another one than was asked for, and nothing tells which."""


class BugLlm:
    """Writes bugs."""

    name, version = GENERATOR, VERSION

    def subjects(self, desk: Desk) -> Iterator[Subject]:
        """Each mined example whose test tells values, those of what the fewest bugs show first."""
        bugs = [path for example in desk.examples if example.kind == "bug" for path in example.symbols[:1]]
        counts = {path: bugs.count(path) for path in dict.fromkeys(bugs)}

        def rank(piece: Piece) -> tuple[int, str]:
            return counts.get((*piece.example.symbols, "")[0], 0), draw(desk.seed, "bug", piece.example.id)

        for piece in sorted(filter(_is_telling, desk.pieces), key=rank):
            yield Subject(piece.example.id, (piece.example.digest,), piece)

    @ending
    def write(self, desk: Desk, subject: Subject, talk: Talk) -> Dialogue:
        """The report and the program with the mistake."""
        piece: Piece = subject.about
        kind = KINDS[int(draw(desk.seed, "kind", piece.example.id)[:8], 16) % len(KINDS)]
        right = piece.program
        text = yield from talk.text(
            BUG,
            f"The library: {desk.spelled[1]}. The kind of mistake: {kind}; where the program has no room for that,"
            " another one that a person would make there.",
            Excerpt("The program", right.code),
            Excerpt("The check", right.test),
            "Write the report and the program.",
        )
        issue, code = _form(desk, text)
        changed = _fault(issue, code, right.code, right.test)
        wrong = replace(right, code=code)
        (verdict,) = yield from tried(desk.new.id, wrong)
        if verdict.outcome not in ("failed", "error"):
            raise UnwrittenError("unproven", f"With the mistake it ends {shown(verdict)}")
        raised: Any = verdict.exception
        if verdict.outcome == "error" and raised.get("in") != "code":
            raise UnwrittenError("unproven", f"The error isn't the program's own: {shown(verdict)}")
        if names := other_errors(issue, verdict):
            raise UnwrittenError("off-topic", f"The report names {', '.join(names)}, but it ends {shown(verdict)}")
        return Ending((right, wrong, _row(desk, piece, talk, issue, wrong, changed)))


def _is_telling(piece: Piece) -> bool:
    """Whether a test tells right values from wrong ones, and ends."""
    return tells_values(piece.program.test) and not is_endless(piece.program.test)


def _form(desk: Desk, text: str) -> tuple[str, str]:
    issue, blocks = divided(text)
    if len(blocks) != 1 or not 20 <= len(issue) <= 1500:
        raise UnwrittenError("format", f"There are {len(blocks)} code blocks and {len(issue)} characters of prose")
    english(issue)
    python(blocks[0], desk.imports)
    return issue, blocks[0]


def _fault(issue: str, code: str, right: str, test: str) -> Difference:
    """What was changed, where it is one small place that neither report nor comments give away."""
    changed = difference(code, right)
    if changed is None:
        raise UnwrittenError("format", "The program has no mistake in it")
    if changed.span > MOST_LINES:
        raise UnwrittenError("format", f"The mistake spans {changed.span} lines")
    if new := comments(code) - comments(right):
        raise UnwrittenError("format", f"A comment was put in: {min(new)}")
    if told := gives_away(issue, changed):
        raise UnwrittenError("format", f"The report gives the fix away: {told}")
    if names := foreign(issue, code, test):
        raise UnwrittenError("off-topic", f"The report names what isn't in the program: {', '.join(names)}")
    return changed


def _row(desk: Desk, piece: Piece, talk: Talk, issue: str, wrong: Program, changed: Difference) -> Any:
    right = piece.program
    prompt = f"{issue}\n\nFix the bug, so that this holds afterwards:\n```python\n{right.test.strip()}\n```"
    example = piece.example
    named = rows.symbols_in(desk.indexes[1], (right.code, wrong.code), (issue,))
    made = rows.row(
        desk, "bug", {"programs": {"buggy": wrong.id, "fixed": right.id}, "prompt": prompt}, (GENERATOR, VERSION),
        rows.of_piece(piece), talk.calls,
        symbols=tuple(dict.fromkeys([*example.symbols, *named])),
        root=example.root, family=example.family, operator="llm", bug_kind=UNTOLD,
    )  # fmt: skip
    return replace(made, edit_distance=max(1, changed.tokens))
