"""`edit` rows in people's words: the programs of a proven edit, asked for as a colleague would ask.

Nothing is run: the programs are those of the row that it is made of. The words are held to the pair: they name nothing
that isn't in it, and something of what changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from registry.records import Example, Program
from synth.material import draw
from synth.written import rows
from synth.written.answers import Talk, UnwrittenError, ending, english, unfenced
from synth.written.dialogue import Desk, Dialogue, Ending, Subject
from synth.written.prompts import Excerpt, Words, words_of
from synth.written.telling import difference, foreign, is_about, listed

GENERATOR, VERSION = "edit", "1"

ASKED = Words(
    "edit/words@1",
    """
You say in words what an edit of a program does, as somebody would who wants a colleague to make it. You are shown the
program before and after the edit, and a dry description of it.

Rules:
1. Say what is to be done so that a competent colleague who sees only the program before it comes to the program after
   it: name the place, and what it is to become or to do. Don't describe the whole program.
2. Say nothing that the two programs don't show: no reasons that you make up, no names that stand in neither.
3. Plain English. Names of code may stand in backticks; no code blocks.

Answer with one JSON object of three texts, each of which asks for the same edit:
- request: 1 to 3 sentences, as in the comments of a code review.
- hurried: one short sentence, as typed in a chat.
- goal: 1 to 3 sentences that begin with what is wrong or wanted, and end with what is to be done about it.
""",
    900,
    words_of(request=900, hurried=400, goal=900),
    "0.8",
)

PHRASINGS = ("request", "hurried", "goal")


@dataclass(frozen=True)
class _Pair:
    """An edit with its programs."""

    example: Example
    before: Program
    after: Program


class Edit:
    """Writes instructions."""

    name, version = GENERATOR, VERSION

    def subjects(self, desk: Desk) -> Iterator[Subject]:
        """Each proven edit whose programs are there, those of what the fewest rows show first."""
        edits = (e for e in desk.examples if e.kind == "edit" and not e.written)

        def rank(example: Example) -> tuple[int, str]:
            return min((desk.rows[path] for path in example.symbols), default=0), draw(desk.seed, "edit", example.id)

        for example in sorted(edits, key=rank):
            named = dict(example.parts["programs"])
            before, after = (desk.programs.get(named.get(role, "")) for role in ("before", "after"))
            if before is not None and after is not None:
                yield Subject(example.id, (example.digest,), _Pair(example, before, after))

    @ending
    def write(self, desk: Desk, subject: Subject, talk: Talk) -> Dialogue:
        """The same edit in three ways."""
        pair: _Pair = subject.about
        told = yield from talk.words(
            ASKED,
            Excerpt("The program before", pair.before.code),
            Excerpt("The program after", pair.after.code),
            Excerpt("The description", str(pair.example.parts.get("prompt", ""))),
            "Ask for this edit.",
        )
        _check(pair, told)
        return Ending((pair.before, pair.after, *_rows(desk, pair, talk, told)))


def _check(pair: _Pair, told: dict[str, str]) -> None:
    english(*told.values())
    changed = difference(pair.before.code, pair.after.code)
    unfenced(*told.values())
    for name, text in told.items():
        if names := foreign(text, pair.before.code, pair.after.code, pair.after.test):
            raise UnwrittenError("off-topic", f"The text {name!r} names what is in neither program: {listed(names)}")
        if changed is None or not is_about(text, changed):
            raise UnwrittenError("off-topic", f"The text {name!r} names nothing of what changes")


def _rows(desk: Desk, pair: _Pair, talk: Talk, told: dict[str, str]) -> Iterator[Example]:
    source = pair.example
    for phrasing in PHRASINGS:
        parts = {**source.parts, "prompt": told[phrasing], "phrasing": phrasing}
        named = rows.symbols_in(desk.indexes[1], (pair.before.code, pair.after.code), (told[phrasing],))
        made = rows.row(
            desk, "edit", parts, (GENERATOR, VERSION), rows.of_example(source), talk.calls,
            symbols=tuple(dict.fromkeys([*source.symbols, *named])), root=source.root, releases=source.releases,
            family=source.family, operator=source.operator,
        )  # fmt: skip
        yield replace(made, change=source.change)
