"""What a model writes for held-out rows: greedily, a text for each, in the base's own form (`finetune.workloads`).

| metric | item | value |
|---|---|---|
| `pass@1_doc`, `pass@1_test`, `pass@1_task`, `pass@1_bug` | row of that kind | 1 where it passes the row's test |
| `form` | any but `fim` | 1 where it is what the row's own answer is: one program that parses, fenced where that is |
| `fim_exact` | `fim` row | 1 where the gap is filled with the very text that stood there, but for blanks at its ends |
| `fim_similarity` | `fim` row | how near the two texts are: 1 - Levenshtein distance / length of the longer one |
| `edit_scope` | `edit` row | 1 where something was edited, and nothing outside the instruction's lines |
| `names` | program with names of the library | share of these names that the version has |

Of an answer the first code block is the program, or all of it where it has none, whatever stands around it; one
that doesn't parse names nothing. Where programs can't be run there is no `pass@1`. A row is left out where its question
doesn't fit beside `TOKENS` tokens of an answer (half of the window, if that is less), or where its own answer takes
more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from finetune import row_metrics, workloads
from finetune.generation import Prompt, Sampling, Writer, answered
from finetune.portions import Portion
from finetune.recipe import Judge, parts_of
from finetune.retrieval import Docs
from finetune.row_metrics import Measured
from finetune.scoring import Scorer
from finetune.tasks import PASSED
from registry.names import SymbolIndex
from registry.records import Example, Program, Score
from registry.text import distance
from registry.trees import parsed

ANSWERS: Mapping[str, str] = {"doc": "answer", "test": "answer", "task": "answer", "bug": "fixed"}
"""Kind -> role of the program whose test what is written must pass."""
KINDS = (*ANSWERS, "edit", "fim")
_WHOLE = re.compile(r"```(?:python|py)?\n((?:(?!^```).*\n)*)```", re.MULTILINE)
"""An answer that is one fenced program."""

TOKENS = 256
"""Tokens of an answer at most."""


@dataclass(frozen=True)
class Checks:
    """What tells whether what was written is right; a flow hands it in.

    Attributes:
        judge: Runs programs at the target version, and says of each how it ended; None where nothing can run them.
        scope_fault: Takes the code before, the code after, and the lines that may change; why the edit reaches outside
            them, empty where it doesn't.
        index: The symbols of the target version.
    """

    judge: Judge | None
    scope_fault: Callable[[str, str, Sequence[Sequence[int]]], str]
    index: SymbolIndex


def writer(model: Any, tokenizer: Any, window: int, batch: int = 16) -> Writer:
    """What lays out what is asked, and writes: nothing stops a text but its end.

    A fence stands at the beginning of a program too, where something is said before.

    Args:
        model: A model; what only lays out needs none of its weights.
        tokenizer: Its tokenizer.
        window: Tokens of docs, question and answer together.
        batch: Texts at a time.
    """
    made = Writer(model, tokenizer, Sampling(min(TOKENS, window // 2)), batch=batch)
    made.prompt_tokens = min(made.prompt_tokens, window - made.new_tokens)
    return made


def portions(
    rows: Sequence[Example],
    programs: Mapping[str, Program],
    writer: Writer,
    of: Measured,
    checks: Checks,
    docs: Docs | None = None,
) -> Iterator[Portion]:
    """What models write of rows of one split: as many texts of about one length as are written at a time.

    Args:
        rows: Rows; those of other kinds than `KINDS` are left out, and gaps where the base knows none.
        programs: Id -> program, of those that the rows name.
        writer: Lays out what is asked.
        of: What is measured.
        checks: What tells whether it is right.
        docs: What stands in front of a question is looked up here; nothing does where None.
    """
    gaps = row_metrics.fills_gaps(writer.tokenizer)
    asked = [row for row in rows if row.kind in KINDS and (gaps or row.kind != "fim")]
    tasks = {row.id: workloads.asked(row, programs) for row in asked}
    prompts = {name: ids for name, task in tasks.items() if (ids := _shown(task, writer, docs))}
    plain = {name for name, task in tasks.items() if not task.wanted(writer.tokenizer).startswith("```")}
    finish = partial(_scored, [row for row in asked if row.id in prompts], programs, of, checks, plain)
    ordered, written = sorted(prompts, key=lambda name: len(prompts[name])), dict[str, dict[str, str]]()
    for start in range(0, len(ordered), writer.batch):
        part = ordered[start : start + writer.batch]
        given = Texts([Prompt(ids=tuple(prompts[name])) for name in part], writer.new_tokens)
        scores = partial(_collected, written, part, len(ordered), finish)
        yield Portion("writes", of.split, start + len(part), len(ordered), write, given, scores)


@dataclass(frozen=True)
class Texts:
    """Texts that are written at a time.

    Attributes:
        prompts: What each goes on after.
        tokens: Tokens of each at most.
    """

    prompts: Sequence[Prompt]
    tokens: int


def write(scorer: Scorer, asked: Texts) -> list[str]:
    """The texts that a model writes."""
    writer = Writer(scorer.model, scorer.tokenizer, Sampling(asked.tokens), batch=scorer.texts or len(asked.prompts))
    texts = writer.write(asked.prompts)
    if writer.batch < len(asked.prompts):  # memory was short: longer ones, which follow, begin with as many
        scorer.texts = writer.batch
    return texts


def _collected(
    written: dict[str, dict[str, str]],
    part: Sequence[str],
    total: int,
    finish: Callable[[str, Mapping[str, str]], Iterator[Score]],
    arm: str,
    texts: Sequence[str],
) -> Iterator[Score]:
    """What an arm wrote is judged when all of it is there, so that its programs run side by side."""
    mine = written.setdefault(arm, {})
    mine.update(zip(part, texts, strict=True))
    if len(mine) == total:
        yield from finish(arm, written.pop(arm))


def _shown(task: workloads.Request | workloads.Gap, writer: Writer, docs: Docs | None) -> list[int]:
    """The ids that a model goes on after, with docs where there is room for them; none where the task has no room."""
    said, answer = task.prefix if isinstance(task, workloads.Gap) else task.question, task.wanted(writer.tokenizer)
    ids = task.prompt(writer.tokenizer)
    if len(ids) > writer.prompt_tokens or writer.size(answer) >= writer.new_tokens:
        return []
    if docs is None:
        return ids
    front = docs.front(said, writer.prompt_tokens - len(ids), writer.size).text
    longer = task.prompt(writer.tokenizer, front)
    return longer if len(longer) <= writer.prompt_tokens else ids


def _scored(
    rows: Sequence[Example],
    programs: Mapping[str, Program],
    of: Measured,
    checks: Checks,
    plain: Collection[str],
    arm: str,
    written: Mapping[str, str],
) -> Iterator[Score]:
    codes = {row.id: _code(written[row.id]) for row in rows if row.kind != "fim"}
    tested = [row for row in rows if row.kind in ANSWERS] if checks.judge else []
    own = [replace(_program(row, ANSWERS[row.kind], programs), code=codes[row.id]) for row in tested]
    outcomes = {verdict.program: verdict.outcome for verdict in (checks.judge(own) if checks.judge and own else ())}
    for row, program in zip(tested, own, strict=True):
        yield of.score(arm, row, f"pass@1_{row.kind}", float(outcomes[program.id] == PASSED))
    for row in rows:
        if row.kind == "fim":
            middle, filled = str(parts_of(row)["middle"]).strip(), written[row.id].strip()
            yield of.score(arm, row, "fim_exact", float(middle == filled))
            yield of.score(arm, row, "fim_similarity", similarity(middle, filled))
            continue
        yield of.score(arm, row, "form", float(_keeps_form(written[row.id], fenced=row.id not in plain)))
        if row.kind == "edit":  # what is shown, and what is answered, has no blank lines around it
            before = _program(row, "before", programs).code.strip()
            fault = checks.scope_fault(f"{before}\n", f"{codes[row.id].strip()}\n", parts_of(row)["scope"])
            yield of.score(arm, row, "edit_scope", float(not fault))
        if names := checks.index.named_after(codes[row.id], 0):
            yield of.score(arm, row, "names", sum(names.values()) / len(names))


def _code(text: str) -> str:
    """The program of an answer; bases that aren't tuned to answer close a fence that they never opened."""
    before, _, after = text.partition("\n```")
    closed = after[:1] in ("", "\n") and before.strip() and parsed(before) is not None
    return before if closed else answered("", text)


def _keeps_form(text: str, *, fenced: bool) -> bool:
    found = _WHOLE.fullmatch(text.strip()) if fenced else None
    code = found[1] if found is not None else "" if fenced else text
    return bool(code.strip()) and parsed(code) is not None


def _program(row: Example, role: str, programs: Mapping[str, Program]) -> Program:
    return programs[parts_of(row)["programs"][role]]


def similarity(one: str, other: str) -> float:
    """1 for equal texts, 0 for texts that share nothing.

    Source: edit similarity as in Ding et al., CrossCodeEval, 2023, section 3.
    """
    return 1 - distance(one, other) / max(len(one), len(other), 1)
