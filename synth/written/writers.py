"""The writers by name: the built-in table, and the entry points of other distributions."""

from __future__ import annotations

from collections.abc import Mapping

from synth.generators import loaded, offered
from synth.written.dialogue import Writer

GROUP = "driftune.writers"
"""The entry-point group: name -> a Writer, or a callable that makes one."""

BUILT_IN: Mapping[str, str] = {
    "task": "synth.written.task:Task",
    "repair": "synth.written.repair:Repair",
    "chat": "synth.written.chat:Chat",
    "migrate": "synth.written.migrate:Migrate",
    "bug_llm": "synth.written.bug_llm:BugLlm",
    "edit": "synth.written.edit:Edit",
    "issue": "synth.written.issue:Issue",
}
"""Name -> where the writer is."""


def names() -> list[str]:
    """The names of all writers, built-in ones first."""
    return offered(BUILT_IN, GROUP)


def load(name: str) -> Writer:
    """The writer of that name.

    Raises:
        GeneratorError: There is none, or it can't be loaded.
    """
    writer: Writer = loaded(name, BUILT_IN, GROUP, "writer")
    return writer


def part(name: str) -> str:
    """A writer's name and version, as works are remembered by."""
    found = load(name)
    return f"{found.name}@{found.version}"
