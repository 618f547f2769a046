"""Calls that models write themselves at held-out call sites, in all four arms, and how many of the programs pass.

To write is apart from to judge: a machine that trains may have no sandbox. What was written is a file that `driftune
judge` takes, on any machine that has one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune import evaluation, forms, intervals, tuning
from finetune.generation import BATCH, Prompt, Sampling, Writer, opened
from finetune.intervals import Estimate
from finetune.report import DIFFERENCES
from finetune.retrieval import Docs
from finetune.tasks import PASSED, UNAVAILABLE
from flows.docs import held_out, library_docs
from flows.evaluation import evaluate_key
from flows.house import House
from flows.scraping import releases
from flows.snapshots import HELD_OUT
from flows.training import tuned_adapter
from registry.errors import TrainingError
from registry.identity import sha256_of
from registry.records import ARMS, Example, Program, Score
from registry.storage import write_file
from registry.trees import parsed

PART = "calls@1"
"""Goes up when the same models would write other programs for the same sites."""
METRIC = "pass@1"
TOKENS = 64
"""Tokens of a call: the longest in networkx take 50."""

Row = Mapping[str, Any]


def write_calls(house: House, path: Path) -> None:
    """Writes programs for the held-out sites in all arms, as rows of `driftune judge`, where these haven't yet.

    Args:
        house: The domain, with what is trained.
        path: The file; all or nothing of it is written.

    Raises:
        TrainingError: A model failed.
    """
    by = sha256_of([PART, evaluate_key(house)])[:16]
    if path.is_file() and all(row["by"] == by for row in read_rows(path)):
        return
    base, folder = tuned_adapter(house)
    every = held_out(house)
    asked = {split: sites(rows) for split, rows in every.items()}
    docs = library_docs(house, every)
    programs = house.programs(_program(row) for rows in asked.values() for row in rows)
    lines: list[Row] = []
    for arm in ("base", "adapter"):
        model, tokenizer = tuning.load(base) if arm == "base" else tuning.load_with(base, folder)
        writer = Writer(model, tokenizer, Sampling(TOKENS), batch=BATCH[base.loading.device])
        writer.prompt_tokens = evaluation.tokens_at_once(base, house.domain.gate.window) - writer.new_tokens
        for name, shown in ((arm, None), (f"{arm}+docs", docs)):
            for split, rows in asked.items():
                found = _rows(house, writer, name, split, rows, shown, programs)
                lines += [{**row, "by": by} for row in found]
        del model, writer  # the next model takes as much memory
    write_file(path, "".join(f"{json.dumps(line)}\n" for line in lines).encode(), "the programs")


def sites(rows: Iterable[Example]) -> list[Example]:
    """One row of each call site, by its root: all of them have the same prompt, answer and test."""
    found = {row.root: row for row in sorted(rows, key=lambda row: row.id, reverse=True) if row.kind == "preference"}
    return [found[root] for root in sorted(found)]


def _program(row: Example) -> str:
    parts: Any = row.parts
    return str(parts["programs"]["chosen"])


def _rows(
    house: House,
    writer: Writer,
    arm: str,
    split: str,
    rows: Sequence[Example],
    docs: Docs | None,
    programs: Mapping[str, Program],
) -> Iterator[Row]:
    """What one arm writes at the sites of one split, with what `driftune judge` needs to run it."""
    _, new = releases(house)
    needs = [f"{house.library.name}=={new.version}", *house.library.beside(new.version)]
    told: list[Any] = [row.parts for row in rows]
    prompts = [Prompt(_shown(str(parts["prompt"]), docs, writer)) for parts in told]
    texts = writer.write(
        prompts, lambda _title, done, total, _note="": house.tell(f"Write calls: {arm}, {split}", done, total)
    )
    for row, parts, text in zip(rows, told, texts, strict=True):
        program = programs[_program(row)]
        code = completed(str(parts["prompt"]), text, str(parts["suffix"]))
        yield {
            "id": f"{arm} {split} {row.root} {sha256_of([code, program.test, program.entry_point, needs])[:12]}",
            "code": code,
            "test": program.test,
            "entry_point": program.entry_point,
            "requirements": needs,
            "timeout_s": house.domain.sandbox.timeout_s,
            "arm": arm,
            "split": split,
            "site": row.root,
            "family": row.family or row.root,
        }


def _shown(prompt: str, docs: Docs | None, writer: Writer) -> str:
    """A prompt, with docs in front of it where they fit; one that is too long loses its beginning later."""

    def size(text: str) -> int:
        return len(forms.start(writer.tokenizer, text))

    room = max(0, writer.prompt_tokens - size(prompt) - 1)
    return ("" if docs is None else docs.front(prompt, room, size).text) + opened(prompt)


def completed(prompt: str, text: str, suffix: str) -> str:
    """The program: the prompt, of what was written as few lines as make it parse, and what follows the site's line.

    Args:
        prompt: What stands before the call, up to the middle of its line.
        text: What was written after the prompt without the blanks at its end.
        suffix: What stands after the call.
    """
    _, end, after = suffix.partition("\n")
    lines = text.split("\n")
    programs = [f"{opened(prompt)}{chr(10).join(lines[:n])}{end or chr(10)}{after}" for n in range(1, len(lines) + 1)]
    return next((program for program in programs if parsed(program) is not None), programs[0])


def scored(written: Iterable[Row], outcomes: Mapping[str, str]) -> list[Score]:
    """1 for each site whose program passed, 0 where it didn't; those that could not be run count nowhere.

    Args:
        written: The rows.
        outcomes: Id of a row -> the sandbox's outcome.
    """
    ran = [(row, outcomes[row["id"]]) for row in written if outcomes.get(row["id"], UNAVAILABLE) != UNAVAILABLE]
    return [
        Score(
            run="", arm=row["arm"], split=row["split"], metric=METRIC, item=row["site"], family=row["family"],
            value=float(outcome == PASSED),
        )
        for row, outcome in ran
    ]  # fmt: skip


def told(scores: Sequence[Score]) -> Iterator[dict[str, Any]]:
    """pass@1 of each arm and split, and the paired differences of arms, by family, as a report has other metrics."""
    for split in HELD_OUT:
        for arm in ARMS:
            yield from _line(split, arm, intervals.arm(scores, arm=arm, split=split, metric=METRIC))
        for better, than in DIFFERENCES:
            found = intervals.difference(scores, split=split, metric=METRIC, better=better, than=than)
            yield from _line(split, f"{better}-{than}", found)


def _line(split: str, arm: str, found: Estimate | None) -> Iterator[dict[str, Any]]:
    if found is not None:
        ends = {"ci_low": found.low, "ci_high": found.high, "p": found.p}
        about = {"split": split, "metric": METRIC, "arm": arm, "value": found.value}
        yield {**about, **ends, "n": found.n, "families": found.clusters}


def read_rows(path: Path) -> list[Row]:
    """The rows that were written.

    Raises:
        TrainingError: There are none yet.
    """
    if not path.is_file():
        raise TrainingError(f"No programs in {path}: run driftune prove without --phase first, or copy what it wrote")
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
