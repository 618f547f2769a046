"""What is seen of programs that models wrote: which names of the library are real, which training rows they copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from packaging.utils import canonicalize_name, canonicalize_version

from finetune.copies import copied
from finetune.generation import opened
from finetune.tasks import Drawn, Task
from flows.attribute import row_texts, training_rows
from flows.bench import CONTROL, SOLUTION, Sample
from flows.house import House
from flows.scraping import indexed, releases
from flows.snapshots import latest_curation
from registry.names import SymbolIndex
from registry.text import lines_of
from registry.trees import parsed


@dataclass(frozen=True)
class Copy:
    """A sample that copies a training row at length.

    Attributes:
        arm: Its arm.
        task: Its task.
        sample: Which sample.
        turn: 0, or which correction of it.
        tokens: Tokens of the longest run that both have.
        row: Id of the row.
        page: Where the row's text comes from.
        licence: Under which licence.
    """

    arm: str
    task: str
    sample: int
    turn: int
    tokens: int
    row: str
    page: str
    licence: str


def counted(samples: Iterable[Sample], tasks: Mapping[str, Task], house: House | None) -> list[Drawn]:
    """The samples with how many of the library's names were written in each, and how many of these exist.

    A program that was cut off counts up to the last line with which it parses.
    """
    index_of = _indexes(house)
    drawn = []
    for one in samples:
        task = tasks[one.task]
        index = index_of(task)
        names = index.named_after(_readable(one.code), _begun(one, task)) if index is not None else {}
        drawn.append(Drawn(one.arm, one.task, one.sample, one.turn, one.outcome, len(names), sum(names.values())))
    return drawn


def copies(samples: Iterable[Sample], tasks: Mapping[str, Task], house: House | None) -> list[Copy]:
    """The samples that copy a row of the domain's latest snapshot at length (`finetune.copies`); none without one."""
    if house is None or latest_curation(house.lake, house.domain.name) is None:
        return []
    rows = training_rows(house.lake, house.domain.name)
    written = [one for one in samples if one.arm not in (SOLUTION, CONTROL)]
    texts = [one.code[_begun(one, tasks[one.task]) :] for one in written]
    found = []
    for one, match in zip(written, copied(texts, row_texts(house.lake, rows.values())), strict=True):
        if match is not None:
            row = rows[match.row]
            about = (row.id, row.source_url, row.licence or "unknown")
            found.append(Copy(one.arm, one.task, one.sample, one.turn, match.tokens, *about))
    return found


def _indexes(house: House | None) -> Callable[[Task], SymbolIndex | None]:
    """The symbols of the release that a task is about, where the domain has scraped it."""
    if house is None:
        return lambda task: None
    library = canonicalize_name(house.library.name)
    known = {canonicalize_version(release.version): release for release in releases(house)}

    def of(task: Task) -> SymbolIndex | None:
        release = known.get(canonicalize_version(task.pinned))
        return indexed(house, release) if release and canonicalize_name(task.library or "") == library else None

    return of


def _begun(sample: Sample, task: Task) -> int:
    """How much of a program is the task's prompt; nothing where an answer says it in other words."""
    prompt = opened(task.prompt)
    return len(prompt) if sample.code.startswith(prompt) else 0


def _readable(code: str) -> str:
    """The longest beginning of whole lines that parses; nothing where none does."""
    lines = lines_of(code)
    ends = range(len(lines), 0, -1)
    return next((text for end in ends if parsed(text := "".join(lines[:end])) is not None), "")
