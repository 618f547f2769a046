"""The writers by name: the built-in table, and the entry points of other distributions."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points

from registry.errors import GeneratorError
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
    return [*BUILT_IN, *sorted(e.name for e in entry_points(group=GROUP) if e.name not in BUILT_IN)]


def load(name: str) -> Writer:
    """The writer of that name.

    Raises:
        GeneratorError: There is none, or it can't be loaded.
    """
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        made: Writer = getattr(import_module(module), attribute)()
        return made
    found = next((e for e in entry_points(group=GROUP) if e.name == name), None)
    if found is None:
        raise GeneratorError(f"No writer '{name}': there are {', '.join(names())}. Install one that has it", name=name)
    try:
        loaded = found.load()
        writer: Writer = loaded() if isinstance(loaded, type) else loaded
    except Exception as error:
        raise GeneratorError(f"The writer '{name}' of {found.value} can't be loaded: {error}", name=name) from error
    return writer


def part(name: str) -> str:
    """A writer's name and version, as works are remembered by."""
    found = load(name)
    return f"{found.name}@{found.version}"
