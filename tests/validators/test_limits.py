"""Limits: rows that fit, caps of symbols, shares of kinds; what goes is drawn, not taken from one end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from registry.records import Example, Program
from validators.curation.limits import above_cap, above_share, tokens


def rows(kind: str, count: int, symbol: str = "lib.f") -> list[Example]:
    """So many rows of a kind about one symbol."""
    return [
        Example(
            domain="d", kind=kind, releases=("r",), parts={"n": f"{n} {symbol}"}, symbols=(symbol, "lib.hub"),
            file="a.py", root=f"{n}", generator="g", generator_version="1",
        )
        for n in range(count)
    ]  # fmt: skip


def test_a_cap_leaves_as_many_rows_of_a_symbol_and_kind() -> None:
    """Of each kind and main symbol so many rows stay; 0 is no cap; pages and call sites are not touched."""
    given = [*rows("test", 9), *rows("doc", 3), *rows("test", 4, "lib.g"), *rows("preference", 9), *rows("text", 9)]
    gone = above_cap(given, 4, "salt")
    left = Counter((r.kind, r.symbols[0]) for r in given if r.id not in gone)
    assert left == {
        ("test", "lib.f"): 4,
        ("doc", "lib.f"): 3,
        ("test", "lib.g"): 4,
        ("preference", "lib.f"): 9,
        ("text", "lib.f"): 9,
    }
    assert set(gone.values()) == {"lib.f"}
    assert above_cap(given, 0, "salt") == {}


def test_new_rows_move_few_others() -> None:
    """What a cap keeps is drawn by salt and id: order doesn't matter, and one more row pushes out one at most."""
    given = rows("test", 20)
    gone = above_cap(given, 5, "salt")
    assert gone == above_cap(reversed(given), 5, "salt")
    assert gone != above_cap(given, 5, "other")
    more = above_cap([*given, replace(given[0], parts={"n": "new"})], 5, "salt")
    assert len(gone.keys() - more.keys()) == 0
    assert len(more.keys() - gone.keys()) == 1


@pytest.mark.parametrize(
    ("shares", "left"),
    [
        ({}, {"doc": 10, "test": 60, "bug": 30}),
        ({"test": 0.5}, {"doc": 10, "test": 40, "bug": 30}),
        ({"test": 0.5, "bug": 0.2}, {"doc": 10, "test": 17, "bug": 7}),
        ({"test": 0.34, "bug": 0.33, "doc": 0.33}, {"doc": 10, "test": 10, "bug": 10}),
        ({"test": 0.1, "bug": 0.1, "doc": 0.05}, {"doc": 10, "test": 20, "bug": 20}),
        ({"chat": 0.1}, {"doc": 10, "test": 60, "bug": 30}),
    ],
)
def test_no_kind_has_more_than_its_share(shares: dict[str, float], left: dict[str, int]) -> None:
    """Shares are of what stays, to within a row; where all kinds have one they are taken in proportion."""
    given = [*rows("doc", 10), *rows("test", 60), *rows("bug", 30), *rows("text", 50), *rows("preference", 50)]
    gone = above_share(given, shares, "salt")
    counts = Counter(r.kind for r in given if r.id not in gone)
    assert counts.pop("text") == counts.pop("preference") == 50
    assert all(abs(counts[kind] - wanted) <= 1 for kind, wanted in left.items()), counts


def test_a_rows_tokens_are_those_a_model_reads() -> None:
    """Prompt and programs count, the stub doesn't, and of a pair of calls one program at a time does."""
    programs = {p.id: p for p in (Program(code="a" * 300, test="t" * 999), Program(code="b" * 600, test=""))}
    short, long = programs
    row = replace(rows("test", 1)[0], parts={"prompt": "p" * 30, "programs": {"answer": short, "stub": long}})
    assert tokens(row, programs) == 110
    assert tokens(replace(row, kind="bug", parts={"programs": {"buggy": short, "fixed": long}}), programs) == 300
    pair = replace(row, kind="preference", parts={"prompt": "p" * 99, "programs": {"chosen": short, "rejected": long}})
    assert tokens(pair, programs) == 200
