"""Supervised fine-tuning: the new calls of call sites, rows of other kinds, and general code; only answers are learned.

How many rows there are of each kind is said by `mix`; in which order they come is drawn, or easy ones first
(Bengio et al., "Curriculum Learning", 2009).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from finetune import completions, workloads
from finetune.completions import Completion, replay
from finetune.corpus import SourceFile
from finetune.recipe import (
    Lookup,
    Row,
    Settings,
    Step,
    StepSettings,
    batched,
    parts_of,
    preference_rows,
    scheduled,
)
from finetune.watching import Progress
from finetune.workloads import Gap, Request
from registry.errors import ConfigurationError
from registry.records import Example

CALLS, GENERAL = Completion.kind, "general"

Task = Completion | Request | Gap


@dataclass(frozen=True)
class Mix(Settings):
    """Shares of rows of each kind, of all rows of the step; what is left of them, beside `replay`, are new calls.

    Attributes:
        doc: Programs of the documentation, completed.
        test: Programs of the library's tests, completed.
        drift: Programs of the old version, brought to the new one.
        edit: Programs changed as an instruction says.
        bug: Programs mended.
        syntax: Programs that don't parse, mended.
        locate: Replaced tokens, found.
        fim: Gaps, filled in.
        task: Programs written after a description of what they do.
        chat: Questions, answered with code.
        repair: Programs mended after they ran, in several turns.
    """

    TABLE: ClassVar[str] = "sft.mix"
    SHARES: ClassVar[frozenset[str]] = frozenset(workloads.KINDS)
    doc: float = 0.0
    test: float = 0.0
    drift: float = 0.0
    edit: float = 0.0
    bug: float = 0.0
    syntax: float = 0.0
    locate: float = 0.0
    fim: float = 0.0
    task: float = 0.0
    chat: float = 0.0
    repair: float = 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Kind -> its share, of those that have one."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {kind: share for kind, share in told.items() if share > 0}

    def as_text(self) -> dict[str, Any]:
        """The shares that there are: a kind that comes later makes no other training."""
        return {kind: str(share) for kind, share in self.shares.items()}


MIX = Mix(
    doc=0.08, test=0.14, drift=0.03, edit=0.07, bug=0.1, syntax=0.03, locate=0.03, task=0.06, chat=0.04, repair=0.02
)
"""The mix where a domain says none: kinds of which a snapshot has no rows, or none short enough, are left out."""


@dataclass(frozen=True)
class SftSettings(StepSettings):
    """Supervised fine-tuning.

    Attributes:
        replay: Share of rows that are general code.
        packed: Put short rows into one sequence: faster, and the same up to rounding.
        mix: Shares of rows of other kinds than new calls.
        docs: Share of rows, general code apart, with the target version's documentation in front of the prompt, as in
            the evaluation's arms with docs; as far as `max_tokens` leaves room for it.
        curriculum: Easy rows first, of each kind: few mistakes, small edits, short answers, short prompts.
    """

    TABLE: ClassVar[str] = "sft"
    SHARES: ClassVar[frozenset[str]] = frozenset({"replay", "docs"})
    steps: int = 250
    max_tokens: int = 256
    replay: float = 0.15
    packed: bool = False
    mix: Mix = MIX
    docs: float = 0.0
    curriculum: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Settings from a mapping; what it leaves out has its default.

        Raises:
            ConfigurationError: A setting is unknown or can't be, or the shares are more than all rows.
        """
        made = super().of(given)
        if made.calls < 0 and made.mix != MIX:
            told = ", ".join(f"{kind} = {share}" for kind, share in made.mix.shares.items())
            raise ConfigurationError(
                f"[train.sft] mix can't be {told}: with replay = {made.replay} that is more than all rows. Lower one"
            )
        return made

    @property
    def calls(self) -> float:
        """The share of new calls: what the others leave."""
        return round(1.0 - self.replay - sum(self.mix.shares.values()), 9)


def rows(
    examples: Iterable[Example],
    files: Iterable[SourceFile],
    settings: SftSettings,
    seed: int,
    lookup: Lookup | None = None,
) -> list[Task]:
    """What SFT sees, in order: new calls, rows of other kinds, and general code as far as there is so much.

    Args:
        examples: Rows of the split `train`.
        files: General code; what is held out of it is left out.
        settings: Settings of the step.
        seed: Seed of the order.
        lookup: Gives the programs of rows of other kinds, and docs.

    Raises:
        NoRowsError: There is no row to train on.
    """
    lookup = lookup or Lookup()
    rng = random.Random(seed)
    pool = list(examples)
    if settings.mix == MIX:
        there = {example.kind for example in pool}
        settings = replace(settings, mix=_of_default(there, 1.0 - settings.replay))
    total, general, counts = settings.batch * settings.steps, *_counts(settings)
    most = max(counts, key=lambda kind: counts[kind])
    picked = {kind: scheduled(_of(kind, pool), count, rng, _row(kind)) for kind, count in counts.items()}
    code = replay(files, general, rng)
    if missing := total - len(code) - sum(map(len, picked.values())):  # there is less general code than that
        picked[most] += scheduled(_of(most, pool), missing, rng, _row(most))
    drawn = [row for rows in picked.values() for row in rows]
    tasks = _behind_docs(_tasks(drawn, lookup), settings.docs, lookup, rng)
    if settings.curriculum:
        return _easy_first(drawn, tasks, code)
    found = [*tasks, *code]
    rng.shuffle(found)
    return found


def _of_default(kinds: Collection[str], room: float) -> Mix:
    """The default mix of the kinds that there are, in proportion where general code leaves too little room for it."""
    shares = {kind: share for kind, share in MIX.shares.items() if kind in kinds}
    scale = min(1.0, room / (sum(shares.values()) or 1.0))
    return Mix(**{kind: round(share * scale, 9) for kind, share in shares.items()})


def _counts(settings: SftSettings) -> tuple[int, dict[str, int]]:
    """Rows of general code, and of each kind. What rounding leaves are calls, or where there are none, of most."""
    total = settings.batch * settings.steps
    counts = {CALLS: 0} if "preference" in _kinds(settings) else {}
    counts |= {kind: int(total * share + 1e-9) for kind, share in settings.mix.shares.items()}
    general = min(round(total * settings.replay), total - sum(counts.values()))
    rest = CALLS if CALLS in counts else max(counts, key=lambda kind: counts[kind])
    counts[rest] += total - general - sum(counts.values())
    return general, counts


def _of(kind: str, examples: Sequence[Example]) -> list[Example]:
    """The rows of a kind; of calls one for each site."""
    if kind == CALLS:
        return list({e.root: e for e in preference_rows(examples)}.values())
    return [e for e in examples if e.kind == kind]


def _row(kind: str) -> str:
    """The kind of rows that a kind of tasks is made of."""
    return "preference" if kind == CALLS else kind


def _tasks(drawn: Sequence[Example], lookup: Lookup) -> list[Task]:
    """What each row asks, and its answer."""
    others = [row for row in drawn if row.kind != "preference"]
    programs = lookup.programs({name for row in others for name in workloads.needed(row)}) if others else {}
    return [_call(row) if row.kind == "preference" else workloads.asked(row, programs) for row in drawn]


def _call(row: Example) -> Completion:
    parts = parts_of(row)
    return Completion(str(parts["prompt"]), str(parts["chosen"]))


def _behind_docs(tasks: list[Task], share: float, lookup: Lookup, rng: random.Random) -> list[Task]:
    """The tasks, a share of them with documentation in front of what is asked."""
    if not share:
        return tasks
    docs, drawn = lookup.docs(), set(rng.sample(range(len(tasks)), round(share * len(tasks))))
    return [replace(task, docs=docs) if place in drawn else task for place, task in enumerate(tasks)]


def _easy_first(drawn: Sequence[Example], tasks: Sequence[Task], code: Sequence[Completion]) -> list[Task]:
    """Rows by difficulty, those of each kind spread over the whole training; general code, which has none, too.

    Difficulty is the number of mistakes, then that of tokens between buggy and fixed code (where a row knows them),
    then the length of what is learned, then of what is shown.
    """
    groups: dict[str, list[tuple[tuple[int, ...], Task]]] = {GENERAL: [((), piece) for piece in code]}
    for row, task in zip(drawn, tasks, strict=True):
        key = (row.bugs or 0, row.edit_distance or 0, *task.difficulty)
        groups.setdefault(task.kind, []).append((key, task))
    placed = []
    for kind, group in groups.items():
        group.sort(key=lambda one: one[0])
        placed += [((place + 0.5) / len(group), kind, task) for place, (_, task) in enumerate(group)]
    return [task for _, _, task in sorted(placed, key=lambda one: one[:2])]


def _encode(
    found: Sequence[Task], tokenizer: Any, settings: SftSettings, seed: int, tell: Progress | None = None
) -> list[Row]:
    made = completions.encoded(found, tokenizer, settings.max_tokens, any_kind=settings.mix == MIX, tell=tell)
    return [made[place] for place in batched([completions.tokens(row) for row in made], settings.batch, seed)]


def _trainer(model: Any, tokenizer: Any, made: Sequence[Row], arguments: dict[str, Any], settings: SftSettings) -> Any:
    return completions.trainer(model, tokenizer, made, arguments, settings.max_tokens, packed=settings.packed)


def _kinds(settings: SftSettings) -> frozenset[str]:
    shares = frozenset(settings.mix.shares)
    return shares if shares and settings.calls <= 0 and settings.mix != MIX else shares | {"preference"}


def _needs(settings: SftSettings) -> frozenset[str]:
    """All kinds of a mix of one's own; of the default one the calls alone, as what there is none of is left out."""
    if settings.mix == MIX:
        return frozenset({"preference"})
    return frozenset(_row(kind) for kind, count in _counts(settings)[1].items() if count)


STEP = Step("sft", SftSettings, rows, _encode, completions.tokens, _trainer, _kinds, _needs)
