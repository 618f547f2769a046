"""What a row is made of: its programs by role, the prose that it shows, and the runs that its proof needs.

`validators.proofs` lists the parts of each kind, and says what these runs have to come to.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from registry.catalogue import RIGHT_ROLES
from registry.records import Example

DUTIES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "doc": (("answer", -1), ("stub", -1)),
    "test": (("answer", -1), ("stub", -1)),
    "task": (("answer", -1), ("stub", -1)),
    "repair": (("attempt1", -1), ("answer", -1), ("stub", -1)),
    "chat": (("block1", -1),),
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

STUB, ATTEMPT, BLOCK = "stub", "attempt", "block"
"""What roles begin with of which a row has several: the answer without its work, what was tried before it, and the
blocks of code of a conversation, in order."""

EMPTY = "empty"
"""The role of the program whose gap is left empty, of a row where that parses: it must fail."""

ANSWERING = "assistant"
"""The role of a conversation's turns that are learnt; the others ask."""

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})(.*)")
_BARE = re.compile(r"(?:\A|\n[ \t]*\n)(?: {4}|\t)[ \t]*\S|<(?:pre|code)\b", re.IGNORECASE)
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def programs_of(example: Example) -> dict[str, str]:
    """Role -> program id of an example, roles sorted."""
    parts: Any = example.parts
    return dict(sorted(parts.get("programs", {}).items()))


def measured(example: Example) -> str:
    """Id of the program that a row is about: with a site's new call, what a bug is mended to, a test's answer."""
    named = programs_of(example)
    return next((named[role] for role in RIGHT_ROLES if role in named), "")


def right(example: Example) -> list[str]:
    """Ids of all programs that a row teaches."""
    return [p for role, p in programs_of(example).items() if role in RIGHT_ROLES or role.startswith(BLOCK)]


def numbered(example: Example, start: str) -> list[str]:
    """The roles that begin so, in the order of their numbers: `stub`, `stub2`, `stub3`."""
    found = [role for role in programs_of(example) if re.fullmatch(rf"{start}[0-9]{{0,3}}", role)]
    return sorted(found, key=lambda role: int(role.removeprefix(start) or 1))


def turns(example: Example) -> list[tuple[str, str]]:
    """(role, content) of each turn of a conversation; none where a row is no conversation."""
    parts: Any = example.parts
    return [(str(turn.get("role", "")), str(turn.get("content", ""))) for turn in parts.get("turns", ())]


def blocks_of(text: str) -> list[str]:
    """The blocks of code in an answer, whatever language they say they are in: all of them have to run.

    Fences are those of CommonMark, indented ones too: of three or more backticks or tildes, closed by as many or more,
    or by the end.
    """
    blocks: list[str] = []
    fence, lines = "", list[str]()
    for line in [*text.splitlines(), None]:
        found = _FENCE.match(line) if line is not None else None
        if fence and (line is None or (found and found[1].startswith(fence) and not found[2].strip())):
            blocks.append(textwrap.dedent("\n".join(lines)).strip())
            fence, lines = "", []
        elif fence:
            lines.append(line or "")
        elif found and not (found[1][0] == "`" and "`" in found[2]):  # else it is code within a line
            fence = found[1]
    return blocks


def has_bare_code(text: str) -> bool:
    """Whether an answer shows code that no fence holds, as Markdown or HTML has it: by its indent, or its tag."""
    return _BARE.search(_FENCED.sub("", text)) is not None


def quoted(example: Example) -> str:
    """What a row quotes of the library's files, beside its programs."""
    parts: Any = example.parts
    return "\n".join(str(part.get("text", "")) for part in parts.get("context", ()))


def shown(example: Example) -> str:
    """All prose that a row shows: what it asks, and what it quotes with the files' paths.

    Code in what it asks, and in answers of a conversation, is of its programs, which are read as code: `G.degree()` in
    a test is not `lib.degree`.
    """
    parts: Any = example.parts
    asked = "" if example.kind == "preference" else _FENCED.sub("", str(parts.get("prompt", "")))
    said = (_FENCED.sub("", text) if role == ANSWERING else text for role, text in turns(example))
    asked = "\n".join([asked, str(parts.get("explanation", "")), *said]).strip()
    paths = "\n".join(str(part.get("path", "")) for part in parts.get("context", ()))
    return f"{asked}\n{paths}\n{quoted(example)}".strip()


def obligations(example: Example) -> list[tuple[str, str]]:
    """The (program id, release id) runs that an example's proof needs; none for kinds without a table entry."""
    programs = programs_of(example)
    duties = duties_of(example)
    return list(dict.fromkeys((programs[role], example.releases[at]) for role, at in duties if role in programs))


def duties_of(example: Example) -> list[tuple[str, int]]:
    """(role, index into the releases) of the runs that this example's proof needs."""
    duties = list(DUTIES.get(example.kind, ()))
    listed = {role for role, _ in duties}
    duties += [(role, -1) for role in programs_of(example) if role not in listed and _is_further(role)]
    return [*duties, ("before", 0)] if is_migration(example) else duties


def _is_further(role: str) -> bool:
    return role == EMPTY or role.startswith((ALONE, STUB, ATTEMPT, BLOCK))


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
    found: dict[str, str] = {}
    for e in examples:
        if e.kind in ("doc", "test") and e.releases[-1] == release:
            answer = programs_of(e).get("answer", "")
            found[answer] = min(e.id, found.get(answer, e.id))
    return found
