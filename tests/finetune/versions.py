"""A library at three versions: of sixteen families some change their call from N to N+1, others from N+1 to N+2."""

from __future__ import annotations

from collections.abc import Iterable

from registry.records import Example
from tests.finetune.lib_drift import ENDS, HEADS, pairs

FIRST, SECOND = range(1, 16, 3), range(2, 16, 3)
"""Families that change from N to N+1, and from N+1 to N+2; the others never do."""
NEVER = range(0, 16, 3)


def call(family: int, version: int) -> str:
    """What a family's call is named at N (0), N+1 (1) and N+2 (2)."""
    turned = (family in FIRST and version > 0) or (family in SECOND and version > 1)
    return HEADS[family] + ENDS[(family + turned) % 4]


def source(version: int) -> list[str]:
    """What is written at a version, call by call."""
    return [f"import lib\nx = lib.{call(family, version)}({n})\n" for n in range(8) for family in range(16)]


def modules(version: int) -> list[Example]:
    """`text` rows: a module of each family, the same at two versions where its call is."""
    return [
        Example(
            domain="lib", kind="text", releases=(str(version),), file=f"{head}.py", root=f"{head}.py",
            generator="test", generator_version="1",
            parts={"programs": {}, "text": "".join(source(version)[place : 6 * 16 : 16]), "depth": 0, "page": "source"},
        )
        for place, head in enumerate(HEADS)
    ]  # fmt: skip


def changed(families: Iterable[int], version: int, numbers: Iterable[int]) -> list[Example]:
    """Call sites of families at a version: their call against the one before it, or against other endings."""
    rows: list[Example] = []
    for number in numbers:
        for family in families:
            new, old = call(family, version), call(family, version - 1)
            others = [HEADS[family] + end for end in ENDS if HEADS[family] + end not in (new, old)]
            wrong = [old, *others] if old != new else others
            kinds = {
                kind: f"{form}({number})\n" for kind, form in zip(("stale", "swap", "invented"), wrong, strict=False)
            }
            rows += pairs("import lib\nx = lib.", f"{new}({number})\n", kinds, number, f"lib.{HEADS[family]}", None)
    return rows
