"""What a row is made of: its programs by role, the prose that it shows, and the runs that its proof needs.

`validators.proofs` lists the parts of each kind, and says what these runs have to come to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from registry.catalogue import RIGHT_ROLES
from registry.records import Example

DUTIES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "doc": (("answer", -1), ("stub", -1)),
    "test": (("answer", -1), ("stub", -1)),
    "drift": (("old", 0), ("old", -1), ("new", -1)),
    "bug": (("buggy", -1), ("fixed", -1)),
    "fim": (("whole", -1),),
    "edit": (("before", -1), ("after", -1)),
    "locate": (("original", -1), ("corrupted", -1)),
    "preference": (("chosen", -1), ("rejected", -1)),
    "syntax": (("fixed", -1),),
    "text": (),
}
"""Kind -> (role, index into the example's releases) of every run its proof needs."""

ALONE = "alone"
"""What roles begin with whose programs have one of a bug's several mistakes: each must fail too."""

EMPTY = "empty"
"""The role of the program whose gap is left empty, of a row where that parses: it must fail."""

_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def programs_of(example: Example) -> dict[str, str]:
    """Role -> program id of an example, roles sorted."""
    parts: Any = example.parts
    return dict(sorted(parts.get("programs", {}).items()))


def measured(example: Example) -> str:
    """Id of the program that a row is about: with a site's new call, what a bug is mended to, a test's answer."""
    named = programs_of(example)
    return next((named[role] for role in RIGHT_ROLES if role in named), "")


def quoted(example: Example) -> str:
    """What a row quotes of the library's files, beside its programs."""
    parts: Any = example.parts
    return "\n".join(str(part.get("text", "")) for part in parts.get("context", ()))


def shown(example: Example) -> str:
    """All prose that a row shows: what it asks, and what it quotes with the files' paths.

    Code in what it asks is of its programs, which are read as code: `G.degree()` in a test is not `lib.degree`.
    """
    parts: Any = example.parts
    asked = "" if example.kind == "preference" else _FENCED.sub("", str(parts.get("prompt", "")))
    paths = "\n".join(str(part.get("path", "")) for part in parts.get("context", ()))
    return f"{asked}\n{paths}\n{quoted(example)}".strip()


def obligations(example: Example) -> list[tuple[str, str]]:
    """The (program id, release id) runs that an example's proof needs; none for kinds without a table entry."""
    programs = programs_of(example)
    duties = duties_of(example)
    return list(dict.fromkeys((programs[role], example.releases[at]) for role, at in duties if role in programs))


def duties_of(example: Example) -> list[tuple[str, int]]:
    """(role, index into the releases) of the runs that this example's proof needs."""
    further = ((role, -1) for role in programs_of(example) if role.startswith(ALONE) or role == EMPTY)
    duties = [*DUTIES.get(example.kind, ()), *further]
    return [*duties, ("before", 0)] if is_migration(example) else duties


def is_migration(example: Example) -> bool:
    """Whether a row is an edit from one release to another: its program has to hold at the old one before."""
    return example.kind == "edit" and len(example.releases) > 1


def scouting(example: Example, new_release: str) -> list[tuple[str, str]]:
    """The runs that find drift: a mined answer of an older release, at the new one."""
    answer = programs_of(example).get("answer")
    if example.kind not in ("doc", "test") or answer is None or example.releases[-1] == new_release:
        return []
    return [(answer, new_release)]


def answers(examples: Iterable[Example], release: str) -> dict[str, str]:
    """Id of a mined answer -> id of its example (the lowest), of one release."""
    rows = sorted((e for e in examples if e.kind in ("doc", "test") and e.releases[-1] == release), key=lambda e: e.id)
    return {programs_of(e).get("answer", ""): e.id for e in reversed(rows)}
