"""The reference of a domain's file, written from the classes that read it: `docs/reference/domain.md`.

`python -m flows.reference > docs/reference/domain.md` writes it; a test holds the file to it.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from finetune.chain import STEPS
from finetune.recipe import LoraSettings, Settings
from registry import domain

_HEAD = """\
# The file of a domain

This page is written from the classes that read a domain's TOML (`python -m flows.reference`). `driftune init LIBRARY`
writes a file with the settings that are changed most, commented. Whatever is left out is at its default; a key that
there isn't is refused.

An environment variable outranks the file: `DRIFTUNE_GATE__MARGIN=0.1` for `margin` in `[gate]`. What they mean
together: [how an adapter is trained](../how-to/train.md) and [on which base](../how-to/base.md),
[what the gate asks](../explanation/gate.md).
"""

_TABLES: dict[str, type[BaseModel]] = {
    "At the top": domain.Domain,
    "`[[library]]`": domain.LibrarySpec,
    "`[[library.source]]`": domain.SourceSpec,
    "`[synth]`": domain.SynthSpec,
    "`[sandbox]`": domain.SandboxSpec,
    "`[splits]`": domain.SplitSpec,
    "`[curation]`": domain.CurationSpec,
    "`[guard]`": domain.GuardSpec,
    "`[priority]`": domain.PrioritySpec,
    "`[llm]`": domain.LlmSpec,
    "`[gate]`": domain.GateSpec,
    "`[workload.NAME]`": domain.WorkloadSpec,
    "`[train]`": domain.TrainSpec,
}
"""Heading -> what is read there; its docstring says what each key is for."""


def markdown() -> str:
    """The page, as Markdown."""
    parts = [_HEAD, *(_section(title, kind, _of_file(kind)) for title, kind in _TABLES.items())]
    below_train: list[type[Settings]] = [LoraSettings, *(step.settings for step in STEPS.values())]
    return "\n".join([*parts, *(part for kind in below_train for part in _of_train(kind))])


def _of_train(kind: type[Settings]) -> Iterator[str]:
    """The section of a table below `[train]`, and of those within it."""
    defaults = {f.name: f.default for f in dataclasses.fields(kind)}
    inner = {name: default for name, default in defaults.items() if isinstance(default, Settings)}
    yield _section(
        f"`[train.{kind.TABLE}]`", kind, defaults | {n: dataclasses.asdict(given) for n, given in inner.items()}
    )
    for default in inner.values():
        yield from _of_train(type(default))


def _of_file(kind: type[BaseModel]) -> dict[str, Any]:
    """Key -> its default, None where there is none, of a table's own keys: tables in it have sections of their own."""
    found = {name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()}
    own = {name: default for name, default in found.items() if not isinstance(default, domain.Section)}
    return {name: None if kind.model_fields[name].is_required() else default for name, default in own.items()}


def _section(title: str, kind: type, defaults: dict[str, Any]) -> str:
    said = _attributes(kind)
    lines = [f"## {title}\n", "| key | default | says |", "|---|---|---|"]
    lines += [f"| `{name}` | {_cell(_toml(default))} | {_cell(said[name])} |" for name, default in defaults.items()]
    return "\n".join(lines) + "\n"


def _attributes(kind: type) -> dict[str, str]:
    """Attribute -> what the docstrings of a class and its bases say of it."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        _, _, listed = (base.__doc__ or "").partition("Attributes:\n")
        for name, text in re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", listed, re.MULTILINE):
            found[name] = " ".join(text.split())
    return found


def _toml(value: Any) -> str:
    """A default as TOML writes it; nothing where there is none."""
    listed = isinstance(value, tuple)
    if value is None or (listed and any(isinstance(one, domain.Section) for one in value)):
        return ""
    if isinstance(value, dict) and value:
        return f"`{{ {', '.join(f'{name} = {json.dumps(one)}' for name, one in value.items() if one)} }}`"
    return f"`{json.dumps(list(value) if listed else value)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    sys.stdout.write(markdown())
