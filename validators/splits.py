"""Splits: which family, and which call site of a family, is kept out of training.

Families of changes are drawn by a salted hash of their names, so a family keeps its place when others come and go:

* `symbol`, one family in five: none of its examples is trained on.
* `dev`, one in ten: likewise, and the only one that tuning sees.
* The rest is trained on, but for one file in four of each family, drawn by a salted hash of (family, file): the call
  sites there are `context`. Families are scarce, so a family with two files or more always has one on either side: the
  file with the largest hash stays in training, the one with the smallest is held out. Likewise among its files that
  know an old form of the call, where there are two of these. A family with one file trains.

A hub (a family that a large share of examples calls, as `nx.Graph`) is never held out: without it there would be
nothing to train on. Only families with proven call sites are drawn: one that has none can't be evaluated, and holding
it out would cost training rows for nothing.

What would leak is left out of training: rows of any kind that name a family of `symbol` or `dev`; rows that stand in a
held-out file of a family and name the family; rows that share their `root` with a held-out row, or with an example that
a held-out row was cut from (one that names the family: a host that a call is planted in doesn't); rows that copy a
held-out site. Those that ask for something (tests, bugs, gaps and so on: all but call sites and texts) are evaluated on
instead, all of a root in one split: the strictest of those that its rows belong to. Where that can't be, as other rows
of the root stand elsewhere, they are in no split (rule `held-out`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from registry.records import Example
from validators.briefs import Brief

TRAIN, CONTEXT, SYMBOL, DEV = "train", "context", "symbol", "dev"
EVALUATION = (SYMBOL, DEV, CONTEXT)
"""Splits that are evaluated on, the strictest first: what a root's rows are drawn to where their families differ."""

SITES = ("drift", "preference")
"""Kinds whose rows are call sites of a family: these decide what is held out."""

CONTEXT_ONLY = ("text",)
"""Kinds that ask for nothing: what is held out is cut from them, and nothing is evaluated on them."""

MEASURED, STALE = "preference", "stale"
"""The kind that the metrics are computed on, and its `bug_kind` where the rejected form is the old one."""

SYMBOL_SHARE, DEV_SHARE, CONTEXT_SHARE = 5, 10, 4
"""One family in five, one family in ten, one file of a family in four."""

HUB_ROWS = 20
"""A family that fewer examples name is no hub, however few there are."""

_SPACE = 2**64

Row = Example | Brief
"""A row, or what of it decides where it goes."""


def draw(salt: str, *names: str) -> int:
    """A number in [0, 2^64) that depends on nothing but the salt and the names: the start of their SHA-256."""
    text = "\x00".join((salt, *names))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def family_split(salt: str, family: str) -> str:
    """symbol, dev or train, for a family that is no hub; it depends on no other family."""
    drawn = draw(salt, "family", family)
    if drawn < _SPACE // SYMBOL_SHARE:
        return SYMBOL
    return DEV if drawn < _SPACE // SYMBOL_SHARE + _SPACE // DEV_SHARE else TRAIN


def context_files(
    salt: str, family: str, files: Iterable[str], telling: frozenset[str] = frozenset()
) -> frozenset[str]:
    """The files of a trained family whose call sites are held out; never all of them, and one where there are two.

    Args:
        salt: Decides the draw.
        family: The family.
        files: All files with call sites of it.
        telling: Those of them where an old form of the call is known. Where there are two, one of them is held out and
            one trains (new against old can be learnt and measured); where there is one, it trains.
    """
    ordered = sorted(set(files), key=lambda f: (draw(salt, "file", family, f), f))
    low = {f for f in ordered if draw(salt, "file", family, f) < _SPACE // CONTEXT_SHARE}
    first, rest = [f for f in ordered if f in telling], [f for f in ordered if f not in telling]
    held = first[: min(max(len(low & set(first)), 1), len(first) - 1)] if len(first) > 1 else []
    held += rest[: min(len(low & set(rest)), len(rest) - (not first))]
    if not held and len(ordered) > 1:
        held = rest[:1]
    return frozenset(held)


def hubs(naming: Mapping[str, frozenset[str]], share: float) -> frozenset[str]:
    """Families that more than a share of the examples name, and no fewer than `HUB_ROWS` of them.

    Args:
        naming: Example id -> the families it names.
        share: The share above which a family is a hub, in (0, 1].
    """
    counts: dict[str, int] = {}
    for families in naming.values():
        for family in families:
            counts[family] = counts.get(family, 0) + 1
    return frozenset(f for f, n in counts.items() if n > share * len(naming) and n >= HUB_ROWS)


@dataclass(frozen=True)
class Plan:
    """Which families and files are held out.

    Attributes:
        families: Family -> symbol, dev or train, for every family with call sites.
        files: (family, file) pairs of trained families whose call sites are `context`.
        hubs: Families that are never held out.
    """

    families: Mapping[str, str]
    files: frozenset[tuple[str, str]]
    hubs: frozenset[str] = field(default_factory=frozenset)

    @property
    def unseen(self) -> frozenset[str]:
        """Families of which nothing is trained on."""
        return frozenset(f for f, split in self.families.items() if split != TRAIN)

    def of_site(self, example: Row) -> str:
        """The split of a call site (a row of kind drift or preference with a family)."""
        family = example.family or ""
        split = self.families.get(family, TRAIN)
        if split != TRAIN:
            return split
        return CONTEXT if (family, example.file) in self.files else TRAIN


def plan(salt: str, sites: Iterable[Row], hub_families: frozenset[str] = frozenset()) -> Plan:
    """Draws what is held out, for the call sites of a domain.

    Args:
        salt: Decides the draw; the same for the life of a domain.
        sites: Proven rows; those of kind preference with a family count.
        hub_families: Families that are never held out.
    """
    files: dict[str, set[str]] = {}
    telling: dict[str, set[str]] = {}
    for site in sites:
        if site.kind == MEASURED and site.family:
            files.setdefault(site.family, set()).add(site.file)
            if site.bug_kind == STALE:
                telling.setdefault(site.family, set()).add(site.file)
    families = {f: TRAIN if f in hub_families else family_split(salt, f) for f in sorted(files)}
    held = {
        (family, file)
        for family, split in families.items()
        if split == TRAIN and family not in hub_families
        for file in context_files(salt, family, files[family], frozenset(telling.get(family, ())))
    }
    return Plan(families, frozenset(held), hub_families & set(families))


def is_site(example: Row) -> bool:
    """Whether a row is a call site of a family."""
    return example.kind in SITES and bool(example.family)


@dataclass(frozen=True)
class Assignment:
    """Where the rows go.

    Attributes:
        split: Example id -> train, context, symbol, dev.
        left_out: Example id -> why it is in none.
    """

    split: Mapping[str, str]
    left_out: Mapping[str, str]


def is_task(example: Row) -> bool:
    """Whether a row asks for something, and is no call site: held out, it goes where its families, or its root, do."""
    return example.kind not in (*SITES, *CONTEXT_ONLY)


def assign(
    examples: Iterable[Row],
    naming: Mapping[str, frozenset[str]],
    drawn: Plan,
    roots: Mapping[str, str] | None = None,
    copied: Mapping[str, frozenset[str]] | None = None,
) -> Assignment:
    """Puts each row into its split, or into none.

    Args:
        examples: Rows that may be trained on.
        naming: Example id -> the families its programs and symbols name.
        drawn: What is held out.
        roots: Example id -> root, of all examples that rows may have been made from; of the rows themselves where None.
        copied: Example id -> the held-out sites (ids) that its program copies, for rows that are none themselves.
    """
    rows = sorted(examples, key=lambda e: e.id)
    sites = {e.id: drawn.of_site(e) for e in rows if is_site(e)}
    beside = _beside(rows, sites, naming, roots if roots is not None else {e.id: e.root for e in rows})
    copied = copied or {}
    split: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for e in rows:
        own, root = sites.get(e.id, TRAIN), strictest(sites[site] for site in beside.get(e.root, ()))
        if e.id in copied:
            left_out[e.id] = f"It copies {min(copied[e.id])}, a site of {sites[min(copied[e.id])]}"
        elif own != root:
            left_out[e.id] = f"Shares its root with a row of {root}"
        elif own == TRAIN and (held := _held(e, naming.get(e.id, frozenset()), drawn)):
            left_out[e.id] = held[0].why
        else:
            split[e.id] = own
    trained = {e.family for e in rows if e.kind == MEASURED and split.get(e.id) == TRAIN}
    for e in rows:
        if split.get(e.id) == CONTEXT and e.family not in trained:
            del split[e.id]
            left_out[e.id] = f"A site of {e.family}, of which no other is left to train on"
    by_root: dict[str, list[Row]] = {}
    for e in rows:
        by_root.setdefault(e.root, []).append(e)
    for root, members in sorted(by_root.items()):
        tasks = [e for e in members if e.id in left_out and is_task(e)]
        held = [one for e in tasks for one in _held(e, naming.get(e.id, frozenset()), drawn)]
        near = beside.get(root, set()).union(*(copied.get(e.id, ()) for e in tasks))
        where = strictest([*(one.split for one in held), *(sites[site] for site in near)])
        why = _apart({sites[site] for site in near}, where, {split[e.id] for e in members if e.id in split})
        if where == CONTEXT and not (near.isdisjoint(left_out) and all(one.family in trained for one in held)):
            why = "no other site of its family is left to train on"
        for e in tasks:
            if why:
                left_out[e.id] += f"; {why}"
            else:
                del left_out[e.id]
                split[e.id] = where
    return Assignment(split, left_out)


def strictest(splits: Iterable[str]) -> str:
    """The first of `EVALUATION` among splits; train where there is none."""
    return min((split for split in splits if split != TRAIN), key=EVALUATION.index, default=TRAIN)


def _apart(near: set[str], where: str, there: set[str]) -> str:
    """Why rows can't be evaluated on in a split, empty where they can.

    Args:
        near: Splits of the held-out sites that they are like, or were cut from them.
        where: The split.
        there: Splits that other rows of their root stand in.
    """
    if others := sorted(there - {where}):
        return f"other rows of its root stand in {others[0]}"
    if DEV in near | {where} and near - {where}:  # tuning would see what others are evaluated on
        return f"beside what is held out for {where}, it shows what is for {min(near - {where})}"
    return ""


def _beside(
    rows: Iterable[Row], sites: Mapping[str, str], naming: Mapping[str, frozenset[str]], roots: Mapping[str, str]
) -> dict[str, set[str]]:
    """Root -> the held-out sites (ids) that are of it, or were cut from a row of it."""
    beside: dict[str, set[str]] = {}
    for e in rows:
        if sites.get(e.id, TRAIN) != TRAIN:
            cut_from = (p for p in e.parents if p in roots and (p not in naming or e.family in naming[p]))
            for root in (e.root, *(roots[p] for p in cut_from)):
                beside.setdefault(root, set()).add(e.id)
    return beside


@dataclass(frozen=True)
class _Held:
    """A family that a row names and that is held out there: for which split, and in words why it isn't trained on."""

    family: str
    split: str
    why: str


def _held(example: Row, named: frozenset[str], drawn: Plan) -> list[_Held]:
    """What a row would give away of what is held out, if it were trained on."""
    found = []
    for family in sorted(named):
        if family in drawn.unseen:
            of = drawn.families[family]
            found.append(_Held(family, of, f"Names {family}, a family of {of}"))
        elif (family, example.file) in drawn.files:
            why = f"Names {family} in {example.file}, where its call sites are held out for context"
            found.append(_Held(family, CONTEXT, why))
    return found
