"""Docs in front of tasks: those of the domain's target version, for the tasks that are about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from packaging.utils import canonicalize_name, canonicalize_version

from finetune.retrieval import Docs
from finetune.tasks import Task
from flows.docs import held_out, library_docs
from flows.held import calls
from flows.house import House
from flows.scraping import indexed, releases
from registry.errors import ConfigurationError


@dataclass(frozen=True)
class TaskDocs:
    """What the arms with docs see.

    Attributes:
        told: Which tasks have docs and which have none, or why there are no such arms, in one line.
        tasks: Names of the tasks that have.
        docs: The documentation; None where no task has any.
    """

    told: str = ""
    tasks: frozenset[str] = frozenset()
    docs: Docs | None = None


NO_DOCS = TaskDocs()


def task_docs(house: House | None, tasks: Sequence[Task]) -> TaskDocs:
    """The docs of a domain's target version, for those of the tasks that are about this version of its library.

    Cut out are the calls that the domain's held-out rows ask for, as for the gate, and those of the tasks' solutions.
    """
    if house is None:
        return NO_DOCS
    library, version = house.library.name, house.library.versions[1]
    about = [task for task in tasks if _is_about(task, library, version)]
    others = len(tasks) - len(about)
    if not about:
        return TaskDocs(f"No arms with docs: no task is about {library} {version}")
    try:
        _, new = releases(house)
        names = {path.rpartition(".")[2] for path in indexed(house, new).by_path}
        docs = library_docs(house, held_out(house), own_calls(about, names))
    except ConfigurationError as error:
        return TaskDocs(f"No arms with docs: {error}")
    told = f"Docs of {library} {version} stand in front of {len(about):,} tasks in the arms with docs"
    left = f"; {others:,} about something else are left out there" if others else ""
    return TaskDocs(told + left, frozenset(task.id for task in about), docs)


def _is_about(task: Task, library: str, version: str) -> bool:
    same = canonicalize_name(task.library or "") == canonicalize_name(library)
    return same and canonicalize_version(task.pinned) == canonicalize_version(version)


def own_calls(tasks: Iterable[Task], names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The calls of the library in the tasks' own solutions: each one's code, with the name of what it calls.

    Args:
        tasks: The tasks; one whose solution doesn't parse after its prompt has none.
        names: Last names of the library's symbols: `shortest_path`, `add_edge`.
    """
    known = frozenset(names)
    for task in tasks:
        if task.canonical_solution:
            found = calls(task.prompt + task.canonical_solution, task.prompt.count("\n") + 1)
            yield from ((code, name) for code, name in found if name in known)
