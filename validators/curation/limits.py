"""How much of what gets in: rows that fit a base, not too many about one symbol, kinds in their shares."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from registry.records import Example, Program
from validators.parts import STUB, programs_of, turns
from validators.splits import Row, draw

BYTES_A_TOKEN = 3
"""Bytes of code in a token, about: vocabularies of 4,000 to 150,000 entries make tokens of 2.9 to 4.2 bytes of it."""

WHOLE = ("text", "preference")
"""Kinds that neither cap nor shares touch: pages are context, and the pairs of a call site are measured together."""


def tokens(example: Example, programs: Mapping[str, Program]) -> int:
    """About how many tokens a model must hold to be trained on a row: its prompt and its programs, tests apart."""
    parts: Any = example.parts
    named = programs_of(example)
    if said := turns(example):
        return sum(_tokens(text) for _, text in said)
    codes = {r: programs[name].code for r, name in named.items() if not r.startswith(STUB) and name in programs}
    if example.kind == "preference":  # one of the two at a time
        return _tokens(max(codes.values(), key=len, default=""))
    return sum(map(_tokens, [str(parts.get("prompt", "")), *codes.values()]))


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_A_TOKEN)


def above_cap(rows: Iterable[Row], cap: int, salt: str) -> dict[str, str]:
    """Id of each row that is too many about one symbol -> that symbol: `cap` rows of a kind stay, drawn by salt.

    Args:
        rows: Rows to train on.
        cap: How many rows of one kind may show one symbol first of all; 0 for any number.
        salt: Decides the draw: it depends on the row alone, so new rows move few others.
    """
    about: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.kind not in WHOLE and row.symbols:
            about.setdefault((row.kind, row.symbols[0]), []).append(row.id)
    return {
        name: symbol
        for (_, symbol), found in sorted(about.items())
        for name in _drawn(found, salt)[cap if cap else len(found) :]
    }


def above_share(rows: Iterable[Row], shares: Mapping[str, float], salt: str) -> dict[str, str]:
    """Id of each row that makes its kind too large a part of the whole -> its kind.

    Args:
        rows: Rows to train on.
        shares: Kind -> the share of the rows that stay which it may have at most. Where every kind there is has one
            and they sum to less than 1, they are taken in proportion.
        salt: Decides which rows of a kind go.
    """
    by_kind: dict[str, list[str]] = {}
    for row in rows:
        if row.kind not in WHOLE:
            by_kind.setdefault(row.kind, []).append(row.id)
    counts = _mixed({kind: len(found) for kind, found in by_kind.items()}, shares)
    return {name: kind for kind, found in sorted(by_kind.items()) for name in _drawn(found, salt)[counts[kind] :]}


def _mixed(counts: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, int]:
    """The largest counts of which each is within its share of their sum."""
    bounds = {kind: shares[kind] for kind in counts if kind in shares}
    scale = sum(bounds.values()) if len(bounds) == len(counts) else 1.0
    bounds = {kind: share / min(1.0, scale) for kind, share in bounds.items()}
    whole, before = float(sum(counts.values())), 0.0
    while abs(whole - before) > 1e-6:
        before, whole = whole, sum(min(count, bounds.get(kind, 1.0) * whole) for kind, count in counts.items())
    return {kind: min(count, math.ceil(bounds.get(kind, 1.0) * whole - 1e-3)) for kind, count in counts.items()}


def _drawn(names: Iterable[str], salt: str) -> list[str]:
    """Rows' ids in an order that depends on nothing but the salt and them."""
    return sorted(names, key=lambda name: (draw(salt, "limit", name), name))
