"""The stage `evaluate`: the scores of four arms on what was held out, and the gate's decision.

Base and adapter, each without and with the target version's docs in front of the prompt.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from finetune import corpus, evaluation, gate, report, retrieval, row_metrics, row_writing, tuning, workloads
from finetune.bases import BaseModel
from finetune.generation import BATCH, Writer
from finetune.portions import Portion
from finetune.row_metrics import Measured
from finetune.row_writing import Checks
from finetune.scoring import Window
from flows.answering import answered_by
from flows.batches import Batch
from flows.decisions import DECIDES, decisions_before
from flows.docs import docs_digest, docs_said, held_out, library_docs
from flows.events import happened
from flows.held import held_calls, named_families
from flows.house import House
from flows.rehearsal import gone_on_from, unseen
from flows.running import environment, is_said, run_programs
from flows.scraping import indexed, releases
from flows.training import trained, tuned_adapter, untrained
from registry.errors import ConfigurationError, SandboxError
from registry.identity import sha256_of, work_key
from registry.records import Example, Program, Report, Run, Score, Verdict
from validators.parts import measured
from validators.scope import scope_fault
from validators.splits import SITES

EVALUATE_PART = "gate@10"
WRITES, WRITTEN = 100_000_000, 16
"""Parameters of a base that is asked to write at `auto`, and for how many rows of a kind in each split that decides."""
GENERAL_WINDOWS = 160
"""Windows of held-out general code that each arm is scored on."""


def evaluate_key(house: House) -> str:
    """The work key of the evaluation."""
    return judgement_key(house, trained(house), EVALUATE_PART)


def judgement_key(house: House, run: Run, part: str) -> str:
    """The work key of the gate's decision on the very adapter that a run left, and on what its settings ask of it.

    What was decided stays decided with another Python or another search for docs: an update asks nothing anew.

    Args:
        house: The domain.
        run: The run; its id doesn't tell two adapters apart that other threads or another loading made of it.
        part: What asks, with its version.
    """
    return work_key([run.id, run.adapter_sha256, docs_digest(house)], part, _settings(house))


def _settings(house: House) -> dict[str, str]:
    """The settings of the gate that aren't at their defaults; those of promotion ask nothing about what is held out."""
    asked = house.domain.gate.model_dump(exclude_defaults=True, exclude={"tasks", "tasks_margin"})
    return {name: str(value) for name, value in asked.items()}


def question(house: House, window: int) -> str:
    """Names what a domain asks of an adapter, however that is spelled: told apart by it, decisions are counted.

    An update that lays docs out otherwise in prompts asks nothing else.

    Args:
        house: The domain.
        window: Tokens of docs, prompt and call together, as they come to with the base.
    """
    settings = _settings(house) | {"window": str(window)}
    settings.pop("written", None)  # what models write is shown: no decision rests on it
    return sha256_of({"gate": settings, "docs": docs_said(house), "most": house.domain.gate.docs})


def evaluate_stage(house: House) -> list[Batch]:
    """One batch: all arms scored on all splits and on general code, and the gate's decision; none of no adapter."""
    if untrained(house):
        return []
    key = evaluate_key(house)
    if house.result(key) is not None:
        return []

    def run() -> int:
        since = time.monotonic()
        result, rows = judged(house, *tuned_adapter(house), trained(house), can_publish=not house.experiment)
        done = house.finish("evaluate", EVALUATE_PART, [key], rows, since, result)
        if result["decision"] != gate.PUBLISH and not house.experiment:
            happened(house, "driftune.gate.refused", decision=result["decision"], reason=result["reason"])
        return done

    return [Batch("Evaluate base and adapter, without and with docs, on what was held out", 1, run)]


def judged(
    house: House, base: BaseModel, folder: Path, run: Run, *, can_publish: bool
) -> tuple[dict[str, str], list[Score | Report]]:
    """The gate's decision on an adapter, and what it rests on: its scores on what is held out, and its report.

    Args:
        house: The domain.
        base: The base that the adapter is for.
        folder: The adapter.
        run: Its run.
        can_publish: Whether a yes would publish it: then other decisions on the same held-out set count.

    Returns:
        `decision` and `reason`; the goal's `split` and `metric`; for decisions to come the `run`, the `adapter`, the
        `question` and the target `version`; `not_run`, where no program that was written could be run: why not.

    Raises:
        SandboxError: A program that was written couldn't be run, though there is a sandbox: another try may do.
    """
    asked = question(house, evaluation.tokens_at_once(base, house.domain.gate.window))
    scores, settings = list(_scores(house, base, folder, run)), house.domain.gate
    made = {"run": run.id, "adapter": run.adapter_sha256, "question": asked, "version": releases(house)[1].version}
    made |= {"split": settings.split, "metric": settings.metric}
    families = {s.family for s in scores if s.arm == "base" and s.metric == "choice@1" and s.split in DECIDES}
    before = 0
    if can_publish:
        before = decisions_before(house.lake, made["adapter"], asked, families, made["version"], run.snapshot)
    decision = gate.decide(scores, settings, previous_decisions=before)
    rows = report.rows(scores, decision, run=run.id, domain=house.domain.name)
    if any(score.metric in row_metrics.WRITTEN for score in scores) and (why := house.pool.available()):
        made["not_run"] = why
    return {**made, "decision": decision.outcome, "reason": decision.reason}, [*scores, *rows]


def _scores(house: House, base: BaseModel, folder: Path, run: Run) -> Iterator[Score]:
    """The scores of all arms."""
    every = held_out(house)
    rows = {split: unseen(house, gone_on_from(run), split, given) for split, given in every.items()}
    window = Window(tuning.load_tokenizer(base), evaluation.tokens_at_once(base, house.domain.gate.window))
    writing, others = _writing(house, base, window), _others(house, rows)
    portions = _portions(house, rows, others, writing, library_docs(house, every), window, run.id)
    return answered_by(house, base, {"adapter": folder}, window.max_tokens, _asked(portions))


def _asked(portions: Iterable[tuple[str, Portion]]) -> Iterator[tuple[str, str, Portion]]:
    """Model, arm and portion of all that is asked: first the base, then base and adapter, are asked the same."""
    again = []
    for shown, portion in portions:
        again.append((shown, portion))
        yield "base", f"base{shown}", portion
    for shown, portion in again:
        yield "adapter", f"adapter{shown}", portion


@dataclass(frozen=True)
class Writing:
    """What models write answers to, and what tells whether these are right.

    Attributes:
        rows: For how many rows of each kind, in each split that decides: on `dev` nothing hangs.
        writer: What lays out what they go on after.
        checks: What tells whether they are right.
    """

    rows: int
    writer: Writer
    checks: Checks


def _writing(house: House, base: BaseModel, window: Window) -> Writing | None:
    """What models write; None where they aren't asked to, so that nothing of a sandbox is looked for."""
    asked = house.domain.gate.written
    if asked == 0:
        return None
    model = tuning.outlined(base)
    if asked == "auto" and model.num_parameters() < WRITES:
        return None
    rows = WRITTEN if asked == "auto" else asked
    writer = row_writing.writer(model, window.tokenizer, window.max_tokens, BATCH[base.loading.device])
    return Writing(rows, writer, _checks(house))


def told_written(house: House, *, counted: bool) -> str:
    """What an evaluation has models write, for a person.

    Args:
        house: The domain.
        counted: Whether the latest snapshot is the one that is evaluated on: then the texts are counted.
    """
    asked = house.domain.gate.written
    if not asked:
        return "nothing ([gate] written = 0)"
    rows = WRITTEN if asked == "auto" else asked
    told = f"for up to {rows} rows of each kind in {' and '.join(DECIDES)}, by both models, without and with docs"
    if counted:
        held = held_out(house)
        drawn = [row for split in DECIDES for row in row_metrics.drawn(held[split], rows)]
        told += f": {4 * sum(row.kind in row_writing.KINDS for row in drawn):,} texts at most"
    return told if asked != "auto" else f"{told}, if the base has {WRITES // 10**6} million parameters or more"


def _checks(house: House) -> Checks:
    """What tells whether an answer is right; programs run at the target version, where there is a sandbox.

    Raises:
        SandboxError: There is one, and it can't hold the library: told before hours go into scores.
    """
    _, new = releases(house)
    why = house.pool.available()
    if why is not None:
        house.tell(f"Run no program that a model writes: no sandbox: {why}", 0, 1)
        return Checks(None, scope_fault, indexed(house, new))
    built = environment(house, new)

    def judge(programs: Sequence[Program]) -> list[Verdict]:
        made = list(run_programs(house, built, programs))
        if lost := next((verdict for verdict in made if not is_said(verdict)), None):
            raise SandboxError(f"Program {lost.program} couldn't be run: {lost.detail}", program=lost.program)
        return made

    return Checks(judge, scope_fault, indexed(house, new))


@dataclass(frozen=True)
class Others:
    """What is scored of held-out rows of other kinds than call sites.

    Attributes:
        rows: Split -> rows.
        programs: Id -> program, of those that they name.
        families: Id of a row -> the family that it counts for.
    """

    rows: Mapping[str, list[Example]]
    programs: Mapping[str, Program]
    families: Mapping[str, str]


def _others(house: House, held_out: Mapping[str, list[Example]]) -> Others:
    """Up to `[gate] rows` rows of each kind and split."""
    drawn = {split: row_metrics.drawn(rows, house.domain.gate.rows) for split, rows in held_out.items()}
    of_all = [row for rows in drawn.values() for row in rows]
    named = house.programs({name for row in of_all for name in (*workloads.needed(row), measured(row))})
    sites = {split: [row for row in rows if row.kind in SITES] for split, rows in held_out.items()}
    called = held_calls({split: [*sites[split], *rows] for split, rows in drawn.items()}, named)
    return Others(drawn, named, named_families(of_all, called))


def _portions(
    house: House,
    held_out: Mapping[str, list[Example]],
    others: Others,
    writing: Writing | None,
    docs: retrieval.Docs,
    window: Window,
    run: str,
) -> Iterator[tuple[str, Portion]]:
    """What a model is asked in its two arms, without and with docs, and of general code; with what names the arm."""
    for name, shown in (("", None), ("+docs", docs)):
        for split, rows in held_out.items():
            of, mine, programs = Measured(run, split, others.families), others.rows[split], others.programs
            found = [evaluation.site_portions(rows, window, run=run, split=split, docs=shown)]
            found += [row_metrics.portions(mine, programs, window, of, shown)]
            if writing is not None and split in DECIDES:
                asked = row_metrics.drawn(mine, writing.rows)
                found += [row_writing.portions(asked, programs, writing.writer, of, writing.checks, shown)]
            yield from ((name, portion) for portion in chain.from_iterable(found))
    files = corpus.standard_library()
    general = evaluation.general_portions(files, run=run, limit=GENERAL_WINDOWS)
    yield from (("", portion) for portion in general)


def decision_of(house: House) -> dict[str, str]:
    """What the gate said of the latest run: `decision` and `reason`; undecided where there was nothing to train on.

    Raises:
        ConfigurationError: Nothing is evaluated yet.
    """
    if why := untrained(house):
        return {"decision": gate.UNDECIDED, "reason": why}
    result = house.result(evaluate_key(house))
    if result is None:
        raise ConfigurationError(f"Nothing is evaluated yet: run driftune evaluate {house.owner} first")
    return {name: str(result[name]) for name in ("decision", "reason")}
