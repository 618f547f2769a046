"""A domain with an LLM, from its package to a snapshot: the scripted endpoint, honest, in trouble and steered."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from finetune.bases import TinyBase
from flows.authored import desk_of
from flows.dialogues import hold
from flows.house import House
from flows.running import Said, run_now, verdicts
from flows.scraping import releases
from registry.domain import LlmSpec
from registry.names import SymbolIndex
from registry.records import Change, Example, Page, Program, Symbol, Verdict
from synth.client import Asking, Client
from synth.journal import Journal
from synth.llm import Reply, Request
from synth.material import Piece
from synth.written import prompts, writers
from synth.written.dialogue import WRITTEN, Desk, Ending, Subject
from synth.written.prompts import escaped
from tests.finetune import lib_drift
from tests.finetune.lib_drift import TINY, general
from tests.flows.served_base import transformers_serve
from tests.flows.steering import STEERING
from tests.flows.stubbed import stubbed
from tests.flows.written_lib import done, opened, rows, unwritten, with_llm

pytestmark = pytest.mark.slow

PRICES = {"price_in": 2.0, "price_out": 10.0}
TROUBLE = (
    "error={0},timeout={0}:1,rate-limited={0}:2,refused={1},sorry={1},truncated={1},json={1},empty={0},language={0},"
    "attack={0}"
)
"""Each kind of trouble with the same share; of two that are one kind (refusals; no whole JSON) half of it."""

SPENT = "SELECT sum(tokens)::INT AS tokens, sum(money) AS money, sum(calls)::INT AS calls FROM spend"
ENDS = "SELECT outcome, count(*)::INT AS n FROM dialogues GROUP BY outcome"
CALLS = "SELECT outcome, count(*)::INT AS n FROM calls GROUP BY outcome"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A domain in which all is done that needs no LLM."""
    with unwritten(tmp_path_factory.mktemp("lib") / "first") as folder:
        yield folder


def counts(folder: Path, sql: str) -> dict[str, int]:
    return {row["outcome"]: row["n"] for row in rows(folder, sql)}


def test_every_writer_has_proven_rows_and_what_was_spent_is_what_the_endpoint_counted(
    first: Path, tmp_path: Path
) -> None:
    """Rows of each writer pass proof; calls, tokens and money are the other side's own, to the token."""
    with stubbed(tmp_path / "ledger.jsonl") as stub:
        folder = with_llm(first, tmp_path / "run", stub.address, **PRICES)
        done(folder)
        lines = stub.lines()
        assert len(lines) == len({line["key"] for line in lines}), "nothing is asked twice"
        done(folder)
        assert stub.lines() == lines, "a second run asks nothing"
    counted = {name: sum(line[name] for line in lines) for name in ("prompt_tokens", "completion_tokens")}
    (spent,) = rows(folder, SPENT)
    assert (spent["tokens"], spent["calls"]) == (sum(counted.values()), len(lines))
    assert spent["money"] == pytest.approx(2e-6 * counted["prompt_tokens"] + 1e-5 * counted["completion_tokens"])
    funnel = {row["writer"]: row for row in rows(folder, "SELECT * FROM written WHERE outcome = 'written'")}
    assert {name for name, row in funnel.items() if row["proven"] == row["rows"] > 0} == set(writers.names())
    assert {name for name, row in funnel.items() if row["in_snapshot"]} >= set(writers.names()) - {"issue"}, (
        "an issue about a pair that there is as a mined edit is that edit in other words"
    )


def test_whatever_goes_wrong_is_counted_by_its_kind_and_the_run_completes(first: Path, tmp_path: Path) -> None:
    """Errors, timeouts, limits, refusals, broken, empty, foreign and hostile answers: the lake has each as it came."""
    faults = TROUBLE.format(0.15, 0.075)
    with stubbed(tmp_path / "ledger.jsonl", faults=faults, seed=1) as stub:
        folder = with_llm(first, tmp_path / "run", stub.address, timeout_s=1, writers=dict.fromkeys(writers.names(), 8))
        done(folder)
        lines = stub.lines()
    calls, ends = counts(folder, CALLS), counts(folder, ENDS)
    assert calls == Counter(map(outcome_of, lines))
    assert set(calls) == {"ok", "error", "timeout", "rate-limited", "malformed", *_ANSWERED}
    assert "broken" not in ends and "left" not in ends
    assert ends["hostile"] > 0 and ends["written"] > 0


def test_no_row_has_code_that_attacks_the_sandbox(first: Path, tmp_path: Path) -> None:
    """Where every program attacks first and does what was asked then, each ends as hostile, before it runs."""
    with stubbed(tmp_path / "ledger.jsonl", faults="attack=1") as stub:
        asked_for = {name: 4 for name in writers.names() if name != "edit"}  # whose answers have no code
        folder = with_llm(first, tmp_path / "run", stub.address, writers=asked_for)
        done(folder)
    assert counts(folder, ENDS) == {"hostile": 4 * len(asked_for)}


_ANSWERED = ("refused", "truncated", "empty")


def outcome_of(line: dict[str, Any]) -> str:
    """What a client that sees all there is to see says of a request: what a text means is the writer's to say."""
    if line["fault"] or line["spoil"] in _ANSWERED:
        return str(line["fault"] or line["spoil"])
    has_form = "response_format" in line["request"]
    return "malformed" if has_form and line["spoil"] in ("json", "schema", "sorry") else "ok"


# ------------------------------------------------------------------------------------------------------- steering it

HARMLESS = "This library is kept by those who use it."
"""Where nobody steers, this is written: so that there is as much data, and nothing else is asked."""

COPYING = ("bug_llm", "issue", "repair")
"""Writers for which a program has to be copied letter by letter."""

LOOKED_AT = 6
"""Subjects of a writer of which the first that comes to rows is taken."""


@dataclass
class Bench:
    """What writers have before them in a run, and what runs programs there.

    Attributes:
        house: The run.
        desk: The desk.
        ran: How programs ended: none runs twice.
    """

    house: House
    desk: Desk
    ran: Said

    def held(self, desk: Desk, address: str, journal: Path, wanted: dict[str, list[str]]) -> list[Told]:
        """What dialogues come to: writer -> which subjects."""
        by_id = {release.id: release for release in releases(self.house)}

        def attempt(release: str, programs: list[Program]) -> dict[str, Verdict]:
            return run_now(self.house, by_id[release], programs, self.ran, quiet=True)

        found = [
            (name, subject)
            for name, marks in wanted.items()
            for subject in writers.load(name).subjects(desk)
            if mark(subject) in marks
        ]
        dialogues = (writers.load(name).write(desk, subject) for name, subject in found)
        spec = LlmSpec(model="stub", base_url=address, concurrency=32)
        with Journal(journal) as book, Asking(Client(spec, book, "lib", "run")) as asking:
            ended = list(hold(dialogues, asking.submit, attempt, 64))
        return [(name, mark(subject), end.ending) for (name, subject), end in zip(found, ended, strict=True)]


Told = tuple[str, str, Ending]


def mark(subject: Subject) -> str:
    """What a subject is of, whatever is written into it."""
    return subject.about.key if isinstance(subject.about, Piece) else subject.name


@pytest.fixture(scope="module")
def bench(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A run of the domain, which has an LLM."""
    folder = with_llm(first, tmp_path_factory.mktemp("steered") / "run", "http://127.0.0.1:9/v1")
    with opened(folder) as house:
        yield Bench(house, desk_of(house), verdicts(house))


@pytest.fixture(scope="module")
def written(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Writer -> the first subject that comes to rows."""
    desk, folder = steered(bench.desk, HARMLESS), tmp_path_factory.mktemp("written")
    wanted = {name: [mark(s) for s in islice(writers.load(name).subjects(desk), LOOKED_AT)] for name in writers.names()}
    with stubbed() as stub:
        told = bench.held(desk, stub.address, folder / "llm.sqlite", wanted)
    return {name: [which] for name, which, ending in reversed(told) if ending.outcome == WRITTEN}


def aside(text: str) -> str:
    """A text as comments of a program."""
    return "\n".join(f"# {line}" for line in text.splitlines())


def steered(desk: Desk, text: str) -> Desk:
    """The same desk, where somebody wrote a text into whatever people write: docs, pages, notes, comments, titles."""

    def symbol(one: Symbol) -> Symbol:
        return dataclasses.replace(one, doc=f"{one.doc}\n\n{text}\n") if one.doc else one

    def page(one: Page) -> Page:
        is_code = one.kind in ("source", "test")
        markdown = f"{one.markdown}\n{aside(text)}\n" if is_code else f"{text}\n\n{one.markdown}\n\n{text}\n"
        return dataclasses.replace(one, title=f"{one.title} {text}", markdown=markdown)

    def change(one: Change) -> Change:
        return dataclasses.replace(one, evidence=(*one.evidence, {"source": "changelog", "text": text}))

    def program(one: Program) -> Program:
        return dataclasses.replace(one, code=f"{one.code}\n{aside(text)}\n")

    def piece(one: Piece) -> Piece:
        parts = {**one.parts, "prompt": f"{text}\n{one.parts.get('prompt', '')}"}
        return dataclasses.replace(
            one, program=program(one.program), example=dataclasses.replace(one.example, parts=parts)
        )

    old, new = (SymbolIndex([symbol(one) for one in index.by_path.values()]) for index in desk.indexes)
    return dataclasses.replace(
        desk,
        indexes=(old, new),
        pages=[page(one) for one in desk.pages],
        changes=[change(one) for one in desk.changes],
        pieces=[piece(one) for one in desk.pieces],
        programs={name: program(one) for name, one in desk.programs.items()},
    )


def said(told: list[Told], text: str) -> list[Any]:
    """Per dialogue what its rows say, the text itself apart: programs without comments, and all that is asked."""

    def bare(value: Any) -> Any:
        return json.dumps(value, default=str).replace(json.dumps(f"{text}\n")[1:-1], "")

    def of(row: Program | Example) -> Any:
        if isinstance(row, Program):
            return [ast.unparse(ast.parse(row.code)), ast.unparse(ast.parse(row.test)), row.entry_point]
        return [row.kind, bare({name: part for name, part in dict(row.parts).items() if name != "programs"})]

    return [(name, which, ending.outcome, [of(row) for row in ending.rows]) for name, which, ending in told]


def asked(lines: list[dict[str, Any]]) -> set[str]:
    """What was said outside the fence: all messages without data and its numbers, and what is drawn by a row's id."""
    texts = (message["content"] for line in lines for message in line["request"]["messages"])
    bare = (re.sub(r"<<<data ([0-9a-f]{16})\n.*?\ndata \1>>>", "", text, flags=re.DOTALL) for text in texts)
    return {re.sub(r"The kind of mistake: [a-z -]+;", "", text) for text in bare}


def test_no_text_steers_a_model_that_obeys_whatever_stands_outside_the_fence(
    bench: Bench, written: dict[str, list[str]], tmp_path: Path
) -> None:
    """Forty texts in docs, pages, notes, comments and titles: each writer's rows are the same, and all but the data.

    A program in whose comments stands what the fence changes can't be copied letter by letter: there is no row then.
    """
    assert set(written) == set(writers.names()) and len(STEERING) == 40
    with stubbed(tmp_path / "ledger.jsonl", obey=True) as stub:
        plain = bench.held(steered(bench.desk, HARMLESS), stub.address, tmp_path / "plain.sqlite", written)
        outside = asked(stub.lines())
        for word, text in STEERING.items():
            before = len(stub.lines())
            found = bench.held(steered(bench.desk, text), stub.address, tmp_path / f"{word}.sqlite", written)
            rows_now = {(name, which): rest for name, which, *rest in said(found, text)}
            for name, which, *rest in said(plain, HARMLESS):
                now = rows_now[name, which]
                is_uncopied = name in COPYING and escaped(aside(text)) != aside(text) and now == ["format", []]
                assert now == rest or is_uncopied, f"{word}: {text}"
            assert asked(stub.lines()[before:]) <= outside, f"{word}: {text}"


def test_without_its_escapes_the_fence_lets_steering_texts_out(
    bench: Bench, written: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attacker is real: where nothing is escaped, what looks like the fence's end or a turn's changes rows."""
    monkeypatch.setattr(prompts, "escaped", lambda text: text)
    wanted = {"task": written["task"]}
    with stubbed(obey=True) as stub:
        plain = bench.held(steered(bench.desk, HARMLESS), stub.address, tmp_path / "plain.sqlite", wanted)
        for word in ("ZEBRA-16", "ZEBRA-19", "ZEBRA-24", "ZEBRA-26", "ZEBRA-29"):
            text = STEERING[word]
            found = bench.held(steered(bench.desk, text), stub.address, tmp_path / f"{word}.sqlite", wanted)
            assert said(found, text) != said(plain, HARMLESS), text


# ------------------------------------------------------------------------------------ a server that nobody here wrote

SCHEMA = {"type": "object", "properties": {"task": {"type": "string"}}, "required": ["task"]}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """`transformers serve` with a base made on the spot: address, and the model's name."""
    texts = [file.text for file in general() if not file.held_out]
    base = TinyBase(texts).prepare(lib_drift.OLD, {**TINY, "steps": 5}, tmp_path_factory.mktemp("bases"))
    with transformers_serve(base.path, tmp_path_factory.mktemp("served")) as found:
        yield found


def short(text: str, **more: Any) -> Request:
    messages = ({"role": "system", "content": "Purpose: test@1"}, {"role": "user", "content": text})
    return Request("test@1", messages, 24, **more)


def test_a_server_that_nobody_here_wrote_is_asked_and_charged_to_the_token(
    served: tuple[str, Path], tmp_path: Path
) -> None:
    """Plain, with a schema that it silently ignores, longer than its context: each has its outcome and its price."""
    from transformers import AutoTokenizer

    address, model = served
    requests = [short("Say lib."), short("Say it as JSON.", schema=SCHEMA), short("lib.new_call(1) " * 30)]
    spec = LlmSpec(model=str(model), base_url=address, concurrency=2, **PRICES)
    with Journal(tmp_path / "llm.sqlite") as journal, Asking(Client(spec, journal, "lib", "run")) as asking:
        replies: list[Reply] = [future.result() for future in [asking.submit(request) for request in requests]]
        again = [asking.submit(request).result() for request in requests]
        calls = [call for _, call in journal.calls("lib")]
    tokenizer = AutoTokenizer.from_pretrained(str(model))
    for request, reply in zip(requests, replies, strict=True):
        messages = [dict(message) for message in request.messages]
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
        first_call = next(call for call in calls if call.request == reply.key)
        assert reply.outcome in ("ok", "truncated", "malformed", "empty")
        assert first_call.prompt_tokens == len(prompt["input_ids"]) and 0 < first_call.completion_tokens <= 24
        assert reply.cost == reply.prompt_tokens * 2_000 + reply.completion_tokens * 10_000
    assert [reply.text for reply in again] == [reply.text for reply in replies]


def test_a_run_with_a_model_that_can_only_babble_completes_and_is_charged(
    first: Path, served: tuple[str, Path], tmp_path: Path
) -> None:
    """The whole of a run against it: every call in the lake as the server counted it, no row, no dialogue left."""
    address, model = served
    told = {"model": str(model), "timeout_s": 120, "writers": {"task": 1, "chat": 1}}
    folder = with_llm(first, tmp_path / "run", address, **told)
    done(folder)
    ends, calls = counts(folder, ENDS), counts(folder, CALLS)
    assert sum(ends.values()) == 2 and set(ends) <= {"truncated", "malformed", "empty", "format", "language"}, ends
    (spent,) = rows(folder, SPENT)
    (counted,) = rows(folder, "SELECT sum(prompt_tokens + completion_tokens)::INT AS tokens FROM calls")
    assert (spent["tokens"], spent["calls"]) == (counted["tokens"], sum(calls.values())) and spent["calls"] >= 2
