"""`chat` rows: questions about the API as people ask them, and answers whose code runs.

Who asks and who answers are calls of their own: the first sees docs and what was said so far, and asks; the second sees
the same and answers. Each block of code of an answer is a program that runs on its own, with asserts that show what it
gives; one that fails is told to its author once.
"""

from __future__ import annotations

import ast
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from registry.records import Program, Verdict
from registry.trees import walk
from synth.material import draw, key_of
from synth.written import rows
from synth.written.answers import Talk, UnwrittenError, divided, ending, english, python, shown, tried, unfenced
from synth.written.coverage import Topic, excerpts, topics
from synth.written.dialogue import Desk, Dialogue, Ending, Subject
from synth.written.prompts import Excerpt, Words, named, words_of
from synth.written.task_words import PERSONAS

GENERATOR, VERSION = "chat", "1"

QUESTION = Words(
    "chat/question@1",
    """
You ask questions about a Python library, as the person that you are told about. You have a concrete problem and know
some Python; you don't know which part of the library solves it.

Rules:
1. One question that can be answered with a few lines of code, about what the documentation that you are shown covers.
   Say what your data looks like, with small example values, and what you want to get.
2. Where you are shown what was said so far, go on from there: something about the answer that isn't clear yet, a case
   that it doesn't cover, or the next thing that you need. Don't ask for the same again.
3. Plain English, first person, 1 to 5 sentences, no greeting. Don't quote the documentation. No code but values.

Answer with one JSON object of one text: question.
""",
    500,
    words_of(question=1200),
    "0.9",
)

ANSWER = Words(
    "chat/answer@1",
    """
You answer a question about a Python library, for the version that you are told. The documentation that you are shown is
of that version; where you remember something else, the documentation is right.

Rules:
1. Say in plain English how it is done and why, in 2 to 8 sentences. No headings, no lists of alternatives.
2. Show it in one or two code blocks, ```python. Each is a whole program that runs on its own: it has its imports, makes
   its small data, and ends with `assert` statements that show what comes out. One block for each thing that you show.
3. Use what the question is about, as the documentation has it. Import nothing but the library and Python's standard
   library. No printing, files, network or randomness.
4. Where you are shown what was said so far, don't repeat it.
""",
    1800,
    temperature="0.4",
)

MENDED = Words(
    "chat/mended@1",
    """
You answer a question about a Python library, for the version that you are told. Code of your first answer failed: you
are shown the answer, and what happened. Write the whole answer again, with code that runs; say nothing of the mistake.

Rules:
1. Say in plain English how it is done and why, in 2 to 8 sentences. No headings, no lists of alternatives.
2. Show it in one or two code blocks, ```python. Each is a whole program that runs on its own: it has its imports, makes
   its small data, and ends with `assert` statements that show what comes out. One block for each thing that you show.
3. Use what the question is about, as the documentation has it. Import nothing but the library and Python's standard
   library. No printing, files, network or randomness. Don't catch the error, and don't leave out what fails.
""",
    1800,
    temperature="0.4",
)

TURNS = (2, 3)
"""Questions of a conversation: one of these numbers, by lot."""

MOST_BLOCKS = 3
"""Of an answer."""


@dataclass
class _Said:
    """A conversation so far.

    Attributes:
        turns: Who said what.
        programs: Its code, with how it ran.
    """

    turns: list[dict[str, str]] = field(default_factory=list)
    programs: list[tuple[Program, Verdict]] = field(default_factory=list)

    def told(self) -> list[Excerpt]:
        """It, for who goes on with it."""
        lines = [f"{'Question' if turn['role'] == 'user' else 'Answer'}. {turn['content']}" for turn in self.turns]
        return [Excerpt("What was said so far", "\n\n".join(lines))] if lines else []


class Chat:
    """Writes conversations."""

    name, version = GENERATOR, VERSION

    def subjects(self, desk: Desk) -> Iterator[Subject]:
        """Each public symbol, those with the fewest rows first."""
        for topic in topics(desk):
            yield Subject(topic.symbol.path, rows.of_symbols(desk, topic.symbols).inputs, topic)

    @ending
    def write(self, desk: Desk, subject: Subject, talk: Talk) -> Dialogue:
        """Questions and answers in turn."""
        topic: Topic = subject.about
        said = _Said()
        lot = int(draw(desk.seed, "turns", topic.symbol.path)[:8], 16)
        for _ in range(TURNS[lot % len(TURNS)]):
            question = yield from _question(desk, topic, talk, said)
            text, ran = yield from _answer(desk, topic, talk, said, question)
            said.turns += [{"role": "user", "content": question}, {"role": "assistant", "content": text}]
            said.programs += ran
        return Ending((*(program for program, _ in said.programs), _row(desk, topic, talk, said)))


def _question(desk: Desk, topic: Topic, talk: Talk, said: _Said) -> Generator[Any, Any, str]:
    persona = PERSONAS[int(draw(desk.seed, "asks", topic.symbol.path)[:8], 16) % len(PERSONAS)]
    told = yield from talk.words(
        QUESTION,
        f"The library: {desk.spelled[1]}. You are {persona}.",
        *said.told(),
        *excerpts(desk, topic.symbols),
        "Ask.",
    )
    english(told["question"])
    unfenced(told["question"])
    return told["question"]


def _answer(
    desk: Desk, topic: Topic, talk: Talk, said: _Said, question: str
) -> Generator[Any, Any, tuple[str, list[tuple[Program, Verdict]]]]:
    """An answer and its programs; asked for once more where one of these fails."""
    public = named(desk.indexes[1].public(topic.symbol.path))
    about: list[str | Excerpt] = [
        f"The library: {desk.spelled[1]}. The answer needs {public}.",
        *said.told(),
        Excerpt("Question", question),
    ]
    docs = excerpts(desk, topic.symbols)
    text = yield from talk.text(ANSWER, *about, *docs, "Answer the question.")
    ran = yield from _run(desk, text)
    if fault := _fault(ran):
        failed = (Excerpt("Your first answer", text), Excerpt("What happened", fault))
        text = yield from talk.text(MENDED, *about, *failed, *docs, "Answer the question again.")
        ran = yield from _run(desk, text)
        if fault := _fault(ran):
            raise UnwrittenError("unproven", f"Neither of two answers: {fault}")
    return text, ran


def _run(desk: Desk, text: str) -> Generator[Any, Any, list[tuple[Program, Verdict]]]:
    """The programs of an answer and how they ran; its form is checked before."""
    prose, blocks = divided(text)
    if not 1 <= len(blocks) <= MOST_BLOCKS or not prose:
        raise UnwrittenError("format", f"The answer has {len(blocks)} code blocks, and {len(prose)} characters beside")
    english(prose)
    for code in blocks:
        tree = python(code, desk.imports)
        if not any(isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant) for node in walk(tree)):
            raise UnwrittenError("format", "A code block asserts nothing")
        if any(isinstance(node, ast.ExceptHandler) and _says_nothing(node.body) for node in walk(tree)):
            raise UnwrittenError("format", "A code block passes over an error")
    programs = [Program(code=code, test="") for code in blocks]
    verdicts = yield from tried(desk.new.id, *programs)
    return list(zip(programs, verdicts, strict=True))


def _says_nothing(body: list[ast.stmt]) -> bool:
    return all(isinstance(node, ast.Pass | ast.Continue) for node in body)


def _fault(ran: list[tuple[Program, Verdict]]) -> str:
    return next((shown(verdict) for _, verdict in ran if verdict.outcome != "passed"), "")


def _row(desk: Desk, topic: Topic, talk: Talk, said: _Said) -> Any:
    index, path = desk.indexes[1], topic.symbol.path
    if not any(rows.uses(verdict, index, program.code, path) for program, verdict in said.programs):
        raise UnwrittenError("off-topic", f"No block of code calls {index.public(path)}")
    prose = [divided(turn["content"])[0] for turn in said.turns]
    rows.existing(prose, [program.code for program, _ in said.programs], index)
    parts = {
        "programs": {f"block{n}": program.id for n, (program, _) in enumerate(said.programs, 1)},
        "turns": said.turns,
    }
    return rows.row(
        desk, "chat", parts, (GENERATOR, VERSION), rows.of_symbols(desk, topic.symbols), talk.calls,
        symbols=rows.symbols_in(
            index, [program.code for program, _ in said.programs], prose, [v for _, v in said.programs], path
        ),
        root=key_of(GENERATOR, desk.domain, path, said.turns[0]["content"]), operator=f"{len(said.turns) // 2} turns",
    )  # fmt: skip
