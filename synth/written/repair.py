"""`repair` rows: a program that failed, what it ran into, and the one that passes, as a conversation.

A proven example of the library's docs or tests is asked for anew; what fails is told to who wrote it, with the error,
up to `rounds` programs in all. A trace that comes to nothing is no row: its calls stay, in order, with the ending.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from registry.records import Program, Symbol, Verdict
from synth.material import Piece, draw
from synth.mined.stubs import stub
from synth.written import rows
from synth.written.answers import Talk, UnwrittenError, ending, python, shown, tried
from synth.written.coverage import excerpts, is_there
from synth.written.dialogue import Desk, Dialogue, Ending, Subject
from synth.written.prompts import Excerpt, Words

GENERATOR, VERSION = "repair", "1"

_RULES = """
1. Answer with exactly one code block, ```python, and nothing else. It holds the whole program, from its imports on, as
   it is to run; not the statements that the task says must hold afterwards, which are run after it.
2. Keep all that the task shows of the program as it stands, names too: the check reads them.
3. Import nothing but the library, what the task shows, and Python's standard library. No printing, files or network.
"""

ATTEMPT = Words(
    "repair/attempt@1",
    f"""
You complete a Python program that uses a library, for the version that you are told. You are shown the task, with the
statements that must hold afterwards, and documentation of that version; where you remember something else, the
documentation is right.

Rules:
{_RULES.strip()}
""",
    1500,
    temperature="0.7",
)

AGAIN = Words(
    "repair/again@1",
    f"""
You complete a Python program that uses a library, for the version that you are told. You have tried before: you are
shown the task, what you wrote, and what happened when it ran. Find out why, and write the whole program again.

Rules:
{_RULES.strip()}
4. Mend the cause. Don't catch the error, don't leave out what fails, and don't write values down that are to be
   computed.
""",
    1500,
    temperature="0.7",
)

Attempt = tuple[Program, Verdict]


class Repair:
    """Has programs written, and mended where they fail."""

    name, version = GENERATOR, VERSION

    def subjects(self, desk: Desk) -> Iterator[Subject]:
        """Each mined example that has a task, those of what the fewest rows show first."""
        asked = [piece for piece in desk.pieces if piece.parts.get("prompt") and piece.example.symbols]

        def rank(piece: Piece) -> tuple[int, str]:
            return min(desk.rows[path] for path in piece.example.symbols), draw(desk.seed, piece.example.id)

        for piece in sorted(asked, key=rank):
            symbols = _documented(desk, piece)
            inputs = (piece.example.digest, *rows.of_symbols(desk, symbols).inputs) if symbols else ()
            if inputs:
                yield Subject(piece.example.id, (*inputs, str(desk.rounds)), piece)

    @ending
    def write(self, desk: Desk, subject: Subject, talk: Talk) -> Dialogue:
        """Programs until one passes, or there were `rounds`."""
        piece: Piece = subject.about
        attempts: list[Attempt] = []
        for number in range(desk.rounds):
            program, verdict = yield from _attempt(desk, piece, talk, attempts, number)
            if verdict.outcome != "passed":
                attempts.append((program, verdict))
            elif not attempts:
                return Ending(outcome="solved", detail="The first program passed: there was nothing to repair")
            else:
                return (yield from _row(desk, piece, talk, attempts, (program, verdict)))
        return Ending(outcome="unproven", detail=f"None of {len(attempts)} programs: {shown(attempts[-1][1])}")


def _documented(desk: Desk, piece: Piece) -> list[Symbol]:
    """The symbols whose docs are shown: those that an example is about first, under a licence that is allowed."""
    found = [desk.indexes[1].by_path[path] for path in piece.example.symbols[:2] if path in desk.indexes[1].by_path]
    return [symbol for symbol in found if is_there(desk, symbol)]


def _attempt(
    desk: Desk, piece: Piece, talk: Talk, before: Sequence[Attempt], number: int
) -> Generator[Any, Any, Attempt]:
    tried_before = [
        part
        for program, verdict in before
        for part in (Excerpt("You wrote", program.code), Excerpt("What happened", shown(verdict)))
    ]
    code = yield from talk.code(
        AGAIN if before else ATTEMPT,
        f"The library: {desk.spelled[1]}.",
        Excerpt("The task", str(piece.parts["prompt"])),
        *tried_before,
        *excerpts(desk, _documented(desk, piece)),
        "Write the program.",
        sample=number,
    )
    python(code, desk.imports)
    if any(code == program.code for program, _ in before):
        raise UnwrittenError("unproven", "The same program again")
    program = replace(piece.program, code=code)
    (verdict,) = yield from tried(desk.new.id, program)
    if verdict.outcome not in ("passed", "failed", "error"):
        raise UnwrittenError("unproven", f"It ends {shown(verdict)}")
    return program, verdict


def conversation(prompt: str, attempts: Sequence[Attempt], answer: Program) -> Mapping[str, Any]:
    """The parts of a `repair` row that say who said what, and how each attempt ended."""
    turns = [{"role": "user", "content": prompt}]
    for program, verdict in attempts:
        turns.append({"role": "assistant", "content": f"```python\n{program.code.strip()}\n```"})
        turns.append({"role": "user", "content": f"That isn't right yet:\n{shown(verdict)}\n\nPlease mend it."})
    turns.append({"role": "assistant", "content": f"```python\n{answer.code.strip()}\n```"})
    return {"turns": turns, "shown": [{"outcome": v.outcome, "detail": v.detail} for _, v in attempts]}


def _row(
    desk: Desk, piece: Piece, talk: Talk, attempts: Sequence[Attempt], answer: Attempt
) -> Generator[Any, Any, Ending]:
    index, (program, verdict) = desk.indexes[1], answer
    used = [path for path in piece.example.symbols if rows.uses(verdict, index, program.code, path)]
    if not used:
        raise UnwrittenError("off-topic", f"It passes, but calls nothing of {', '.join(piece.example.symbols)}")
    without = stub(program, used[0], index)
    (ran,) = yield from tried(desk.new.id, without)
    if ran.outcome == "passed":
        raise UnwrittenError("vacuous-test", f"It passes where {used[0]} does nothing")
    codes = [program.code, *(tried_before.code for tried_before, _ in attempts)]
    named = {f"attempt{n}": one.id for n, (one, _) in enumerate(attempts, 1)}
    prompt = str(piece.parts["prompt"])
    parts = {
        "programs": {**named, "answer": program.id, "stub": without.id},
        **conversation(prompt, attempts, program),
    }
    ran_all = (verdict, *(v for _, v in attempts))
    row = rows.row(
        desk, "repair", parts, (GENERATOR, VERSION),
        rows.joined(rows.of_piece(piece), rows.of_symbols(desk, _documented(desk, piece))), talk.calls,
        symbols=tuple(dict.fromkeys([*rows.symbols_in(index, codes, (), ran_all, used[0]), *piece.example.symbols])),
        root=piece.example.root, family=piece.example.family, operator=f"{len(attempts)} failed",
    )  # fmt: skip
    return Ending((*(one for one, _ in attempts), program, without, row))
