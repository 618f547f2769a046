"""The stage `write`: an LLM writes rows, in dialogues that end with what was proven, or with why there is nothing.

A dialogue that ended is remembered by its key; one that ran out of budget, or that the endpoint failed, isn't, so that
the next run goes on. Killed anywhere, a run is repeated from the client's journal, at no cost: dialogues are remembered
in the order in which they were chosen, so that the same rows come out, whichever answer came first.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flows.authored import CHOICE, Chosen, choice_key, chosen, desk_of, done, left, subjects, wanted, written
from flows.batches import Batch
from flows.derivation import public
from flows.dialogues import Ended, hold
from flows.events import happened
from flows.house import House
from flows.nightly import capped
from flows.running import run_now, verdicts
from flows.scraping import releases
from flows.synthesis import is_derived, unwritten
from flows.validation import all_tried
from registry.forgetting import outlasting
from registry.identity import sha256_of
from registry.records import Call, Example, Forgotten, Program, Verdict, Work
from synth.budget import BILLION
from synth.journal import Journal
from synth.written import writers
from synth.written.dialogue import PASSING, Desk, Subject
from validators.parts import programs_of

OPEN = 4
"""So many dialogues are open for each request at a time: while some wait for the LLM, others wait for the sandbox."""

OPEN_IN_BATCHES = 1024
"""How many are open where an endpoint's batches are used, which take hours."""

TOGETHER = 16
"""So many ended dialogues are written together, or what has ended within `EVERY_S`."""

EVERY_S = 5.0


def write_stage(house: House) -> list[Batch]:
    """One batch: the dialogues that are left, once it is known how all other rows ran."""
    batches = [Batch("Note what an LLM was asked", 1, lambda: _note_calls(house))] if _is_to_be_noted(house) else []
    if not wanted(house) or not is_derived(house) or not all_tried(house):
        return batches
    known, model = chosen(house), house.domain.llm.model
    if known is None or left(house):
        desk = desk_of(house)
        found = list(subjects(house, desk))
        size = len(_open(house, found))
        priced = house.domain.llm.price_in > 0 or house.domain.llm.price_out > 0
        batches.append(Batch(f"Write with {model}", size, lambda: _write(house, desk, found), costs=priced))
    elif not _is_latest(house):
        batches.append(Batch(f"Take up what {model} wrote", 1, lambda: _remember(house, known)))
    return batches


def _open(house: House, found: Iterable[tuple[Chosen, Subject]]) -> list[tuple[Chosen, Subject]]:
    """Those that haven't ended for good: some may have under another choice."""
    known = done(house)
    return [pair for pair in found if pair[0].key not in known]


def _is_to_be_noted(house: House) -> bool:
    """Whether there are calls that the lake lacks, as those of a run that was killed, or orders to forget."""
    if not house.settings.journal.exists():
        return False
    with Journal(house.settings.journal) as journal:
        return bool(_unheeded(house, journal) or journal.calls(house.owner))


def _note_calls(house: House) -> int:
    with Journal(house.settings.journal) as journal:
        _heed(house, journal)
        return _told(house, journal, [])


def _unheeded(house: House, journal: Journal) -> list[str]:
    return journal.unheeded(house.owner, [order.digest for order in house.lake.read(Forgotten)])


def _heed(house: House, journal: Journal) -> None:
    """Takes out of the journal what was forgotten, maybe on another machine, which has only its own journal."""
    if orders := _unheeded(house, journal):
        journal.forget(house.owner, outlasting(house.lake, house.owner), orders)


def _told(house: House, journal: Journal, rows: Sequence[Call | Program | Example | Work]) -> int:
    """Writes rows, and before them the calls that have ended meanwhile; how many rows that were."""
    calls = journal.calls(house.owner)
    written = house.append([*(call for _, call in calls), *rows]) if calls or rows else 0
    journal.tell([number for number, _ in calls])
    return written


def _is_latest(house: House) -> bool:
    """Whether today's choice is the one that views take for the domain's: settings may have been changed back."""
    of = {"d": house.owner, "p": CHOICE}
    works = house.lake.read(Work, "stage = 'synth' AND part = $p AND domain = $d", of, latest=1)
    return bool(works) and works[0].key == choice_key(house)


def _remember(house: House, found: Iterable[Chosen]) -> int:
    listed = [dataclasses.asdict(each) for each in found]
    result = {"model": house.domain.llm.model, "dialogues": listed}
    return house.finish("synth", CHOICE, [choice_key(house)], [], time.monotonic(), result)


def _write(house: House, desk: Desk, found: Sequence[tuple[Chosen, Subject]]) -> int:
    """Holds the dialogues that are left; the number of rows written."""
    from synth.client import Asking, Client  # imports openai, which takes as long as all else that a command imports

    _remember(house, [each for each, _ in found])
    open_ones = _open(house, found)
    spec, by_id, ran = capped(house), {r.id: r for r in releases(house)}, verdicts(house)

    def attempt(release: str, programs: list[Program]) -> Mapping[str, Verdict]:
        return run_now(house, by_id[release], programs, ran, quiet=True)

    writing = {name: writers.load(name) for name in wanted(house)}
    dialogues = (writing[each.writer].write(desk, subject) for each, subject in open_ones)
    width = OPEN_IN_BATCHES if spec.batch else OPEN * spec.concurrency
    with Journal(house.settings.journal) as journal:
        _heed(house, journal)
        known = {*unwritten(house), *(row.id for row in written(house))}
        memory = _Memory(house, journal, desk, [each for each, _ in open_ones], known)
        with Asking(Client(spec, journal, house.owner, house.run)) as asking:
            for ended in hold(dialogues, asking.submit, attempt, width):
                memory.take(ended)
        memory.flush()
    if memory.unpaid:
        happened(
            house,
            "driftune.budget.reached",
            model=house.domain.llm.model,
            left=len(memory.unpaid),
            why=memory.unpaid[-1],
        )
    return memory.rows


@dataclass
class _Memory:
    """Writes down how dialogues ended, some at a time.

    Attributes:
        house: The run.
        journal: Of the client.
        desk: What the dialogues are about.
        chosen: The dialogues, in order.
        known: Ids of rows that there are: what says the same again is no row.
        rows: How many rows were written.
        unpaid: Why each dialogue was left that a budget had nothing for.
    """

    house: House
    journal: Journal
    desk: Desk
    chosen: Sequence[Chosen]
    known: set[str]
    rows: int = 0
    unpaid: list[str] = field(default_factory=list)
    _ended: int = 0
    _since: float = field(default_factory=time.monotonic)
    _outcomes: Counter[str] = field(default_factory=Counter)
    _waiting: list[Program | Example] = field(default_factory=list)
    _works: list[Work] = field(default_factory=list)

    def take(self, ended: Ended) -> None:
        """Takes a dialogue that has ended."""
        rows, outcome, detail = self._kept(ended)
        self._waiting += rows
        self._works.append(self._work(ended, [r.id for r in rows if isinstance(r, Example)], outcome, detail))
        self._ended += 1
        self._outcomes[outcome] += 1
        if outcome == "budget":
            self.unpaid.append(detail)
        note = ", ".join(f"{count} {name}" for name, count in self._outcomes.most_common(4))
        self.house.tell(f"Write with {self.desk.model}", self._ended, len(self.chosen), note)
        if len(self._works) >= TOGETHER or time.monotonic() - self._since > EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Writes what was taken: each dialogue's rows with the memory of it."""
        now = time.monotonic()
        seconds = (now - self._since) / max(1, len(self._works))
        works = [dataclasses.replace(work, seconds=seconds) for work in self._works]
        self.rows += _told(self.house, self.journal, [*self._waiting, *works])
        self._since, self._waiting, self._works = now, [], []

    def _kept(self, ended: Ended) -> tuple[list[Program | Example], str, str]:
        """The rows of a dialogue that are new and name nothing private; outcome and detail, where none is left too."""
        said = {"model": self.desk.model, "trainable": self.desk.trainable, "calls": list(ended.calls)}
        ending = ended.ending
        given = [
            r if isinstance(r, Program) or r.written else dataclasses.replace(r, written=said) for r in ending.rows
        ]
        allowed = list(public(given, self.desk.indexes[1]))
        examples = [r for r in allowed if isinstance(r, Example) and r.id not in self.known]
        self.known |= {r.id for r in examples}
        named = {name for row in examples for name in programs_of(row).values()}
        rows = [r for r in allowed if isinstance(r, Program) and r.id in named]
        if ending.rows and not examples:
            private = len(allowed) < len(ending.rows)
            why = (
                ("private", "It names what the library keeps to itself")
                if private
                else ("doubled", "There is such a row")
            )
            return [], *why
        return [*rows, *examples], ending.outcome, ending.detail

    def _work(self, ended: Ended, rows: list[str], outcome: str, detail: str) -> Work:
        """The memory of a dialogue; of one that is left under another key, so that it is held again."""
        each = self.chosen[ended.number]
        result: dict[str, Any] = {"dialogue": each.key, "writer": each.writer, "subject": each.subject}
        result |= {"model": self.desk.model, "outcome": outcome, "detail": detail}
        result |= {"rows": rows, "calls": list(ended.calls)}
        return Work(
            key=sha256_of([each.key, "left"]) if outcome in PASSING else each.key,
            stage="synth",
            domain=self.house.domain.name,
            part=writers.part(each.writer),
            outputs=len(rows),
            result=result,
            tokens=ended.tokens,
            money=ended.cost / BILLION,
        )
