"""What a person rejected stays out: the row, what says the same, and what says it in other words.

A refresh gives a row another id (a release's bytes are part of it), so a rejection is of what the row says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from registry.records import Annotation, Example, Program
from validators.curation.duplicates import Texts

REJECTED = "rejected"
"""The verdict, and the rule of the removal."""

UNDONE = "undone"
"""The verdict of a rejection that was taken back."""


def rejections(annotations: Iterable[Annotation]) -> dict[str, str]:
    """Id of the row that a person looked at -> why it was rejected; what was taken back is left out."""
    return {a.example: a.why for a in annotations if a.verdict == REJECTED}


def rejected_rows(
    examples: Collection[Example], programs: Mapping[str, Program], reasons: Mapping[str, str]
) -> dict[str, str]:
    """Id of every row that says what a person rejected -> why.

    Args:
        examples: The rows, of any kinds, with those that were looked at among them.
        programs: Program id -> program.
        reasons: Id of a row that was looked at -> why it was rejected.
    """
    if not reasons:
        return {}
    texts = Texts(programs)
    looked_at = {e.id: texts.content(e) for e in examples if e.id in reasons}
    why = {looked_at[name]: reasons[name] for name in sorted(reasons, reverse=True) if name in looked_at}
    return {e.id: why[content] for e in examples if (content := texts.content(e)) in why}


def alike(rejected: Mapping[str, str], likeness: Mapping[str, str]) -> dict[str, str]:
    """Id of every row that says what was rejected in other words -> why.

    Args:
        rejected: Id of a rejected row -> why.
        likeness: Id of a row -> the row that stays in its place, of all rows with the rejected ones among them.
    """
    reasons = {likeness.get(name, name): why for name, why in sorted(rejected.items(), reverse=True)}
    found = {name: reasons[kept] for name, kept in likeness.items() if kept in reasons}
    return {name: why for name, why in {**reasons, **found}.items() if name not in rejected}
