"""Splits: drawn by families, stable, never starving, and without leaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from registry.records import Example
from validators.splits import (
    CONTEXT,
    DEV,
    EVALUATION,
    SYMBOL,
    TRAIN,
    assign,
    context_files,
    draw,
    family_split,
    hubs,
    plan,
)  # fmt: skip

NAMES = st.text("abcdefgh_.", min_size=1, max_size=12)
SITES = st.lists(st.tuples(NAMES, NAMES, st.integers(0, 3), st.sets(NAMES, max_size=3)), min_size=1, max_size=60)


def row(kind: str, family: str | None, file: str, root: str, number: int = 0) -> Example:
    return Example(
        domain="d", kind=kind, releases=("n",), parts={"programs": {}, "n": number}, family=family, file=file,
        root=root, generator="g", generator_version="1",
    )  # fmt: skip


def site(family: str, file: str, root: str = "", number: int = 0) -> Example:
    return row("preference", family, file, root or f"{family}:{file}:{number}", number)


def split_of(salt: str, sites: Iterable[Example]) -> dict[str, str]:
    rows = list(sites)
    naming = {e.id: frozenset({e.family or ""}) for e in rows}
    return dict(assign(rows, naming, plan(salt, rows)).split)


def test_the_draw_is_pinned() -> None:
    """The draw never changes between versions: another one would train on what was held out."""
    assert draw("driftune", "family", "networkx.shortest_path") == 13702889319123740380
    assert [family_split("driftune", f"lib.f{i}") for i in range(12)] == PINNED


PINNED = [TRAIN, TRAIN, TRAIN, TRAIN, TRAIN, TRAIN, TRAIN, TRAIN, TRAIN, DEV, TRAIN, TRAIN]


def test_shares_are_one_in_five_ten_and_four() -> None:
    """Of many families a fifth is symbol and a tenth dev; of many files a quarter is context."""
    drawn = [family_split("salt", f"f{i}") for i in range(20_000)]
    assert abs(drawn.count(SYMBOL) / 20_000 - 0.2) < 0.01
    assert abs(drawn.count(DEV) / 20_000 - 0.1) < 0.01
    assert abs(len(context_files("salt", "f", map(str, range(20_000)))) / 20_000 - 0.25) < 0.01


@given(SITES, st.data())
def test_family_keeps_its_split_when_others_come_and_go(
    rows: list[tuple[str, str, int, set[str]]], data: st.DataObject
) -> None:
    """Whatever other families there are, a family and its files are drawn the same."""
    sites = [site(family, file, number=n) for family, file, n, _ in rows]
    chosen = data.draw(st.sampled_from(sites)).family
    alone = [s for s in sites if s.family == chosen]
    whole, part = plan("salt", sites), plan("salt", alone)
    assert whole.families[chosen or ""] == part.families[chosen or ""] == family_split("salt", chosen or "")
    assert {pair for pair in whole.files if pair[0] == chosen} == set(part.files)


@given(NAMES, st.sets(NAMES, min_size=1, max_size=12), NAMES)
def test_no_family_is_starved_of_either_side(family: str, files: set[str], more: str) -> None:
    """A trained family keeps a file for training, and gives one to context where it has two; a new file moves few."""
    held = context_files("salt", family, files)
    assert held < files
    assert bool(held) == (len(files) > 1)
    moved = (context_files("salt", family, files | {more}) ^ held) - {more}
    assert len(moved) <= 1


@given(NAMES, st.sets(NAMES, min_size=1, max_size=12), st.sets(NAMES, max_size=12))
def test_old_forms_stand_on_either_side(family: str, files: set[str], known: set[str]) -> None:
    """Where two files know an old form of the call, one trains and one is held out; where one does, it trains."""
    telling = frozenset(known & files)
    held = context_files("salt", family, files, telling)
    assert held < files
    assert bool(held) == (len(files) > 1)
    assert bool(held & telling) == (len(telling) > 1)
    assert not telling or not telling <= held


@given(SITES, st.sets(NAMES, max_size=2))
@settings(max_examples=300)
def test_assignment_leaks_nothing(rows: list[tuple[str, str, int, set[str]]], hub: set[str]) -> None:
    """No training row names an unseen family or a context file's family, no root stands in two splits, none is lost."""
    examples = {}
    naming = {}
    for family, file, number, named in rows:
        own = site(family, file, root=f"root{number}{file}", number=number)
        other = row("test", None, file, f"root{number}{file}" if number else own.id, number)
        for e, families in ((own, {family, *named}), (other, named)):
            examples[e.id] = e
            naming[e.id] = frozenset(families)
    drawn = plan("salt", examples.values(), frozenset(hub))
    assigned = assign(examples.values(), naming, drawn)
    assert set(assigned.split) | set(assigned.left_out) == set(examples)
    assert not set(assigned.split) & set(assigned.left_out)
    held = {(examples[i].family, examples[i].file) for i, s in assigned.split.items() if s == CONTEXT}
    unseen = {examples[i].family for i, s in assigned.split.items() if s in (SYMBOL, DEV)}
    assert {f for f, _ in held} <= {examples[i].family for i, s in assigned.split.items() if s == TRAIN}
    roots: dict[str, set[str]] = {}
    for i, s in assigned.split.items():
        roots.setdefault(examples[i].root, set()).add(s)
        if s == TRAIN:
            assert not naming[i] & unseen
            assert not {(f, examples[i].file) for f in naming[i]} & held
        else:
            assert examples[i].kind == "preference"
            assert examples[i].family not in hub
    assert all(len(s) == 1 for s in roots.values())


def test_only_call_sites_are_evaluated_on() -> None:
    """Rows of other kinds that name an unseen family are left out, not put into its split."""
    family = next(f"f{i}" for i in range(99) if family_split("salt", f"f{i}") == SYMBOL)
    rows = [site(family, "a.py"), row("test", None, "b.py", "r1"), row("drift", family, "c.py", "r2")]
    naming = {e.id: frozenset({family}) for e in rows}
    assigned = assign(rows, naming, plan("salt", rows))
    assert assigned.split == {rows[0].id: SYMBOL, rows[2].id: SYMBOL}
    assert family in assigned.left_out[rows[1].id]


def test_rows_of_one_root_go_to_the_strictest_split() -> None:
    """Where the families of a root's rows differ, the strictest split keeps its rows and the others are left out."""
    of = {s: next(f"f{i}" for i in range(99) if family_split("salt", f"f{i}") == s) for s in (SYMBOL, DEV, TRAIN)}
    rows = [site(of[s], "a.py", root="one", number=n) for n, s in enumerate((TRAIN, DEV, SYMBOL))]
    split = split_of("salt", rows)
    assert split == {rows[2].id: SYMBOL}
    assert EVALUATION[0] == SYMBOL


def test_hubs_are_never_held_out() -> None:
    """A family that more than the share of rows names is trained on in every file, whatever its draw."""
    hub = next(f"f{i}" for i in range(99) if family_split("salt", f"f{i}") == SYMBOL)
    naming = {str(n): frozenset({hub} if n < 21 else {"g"} if n < 41 else ()) for n in range(200)}
    assert hubs(naming, 0.10) == {hub}
    assert hubs(naming, 0.11) == frozenset()
    assert hubs({str(n): frozenset({hub}) for n in range(19)}, 0.10) == frozenset()
    drawn = plan("salt", [site(hub, "a.py"), site(hub, "b.py")], hubs(naming, 0.10))
    assert (drawn.families[hub], drawn.files, drawn.hubs) == (TRAIN, frozenset(), {hub})


def test_family_without_call_sites_is_not_held_out() -> None:
    """A family that can't be evaluated costs no training row."""
    family = next(f"f{i}" for i in range(99) if family_split("salt", f"f{i}") == SYMBOL)
    test = row("test", None, "a.py", "r")
    assigned = assign([test], {test.id: frozenset({family})}, plan("salt", [test]))
    assert assigned.split == {test.id: TRAIN}


def test_what_can_not_be_measured_is_not_held_out() -> None:
    """Files with nothing but drift rows of a family stay in training, and leave its call sites to choose from."""
    family = next(f"f{i}" for i in range(99) if family_split("salt", f"f{i}") == TRAIN)
    drift = [row("drift", family, f"{n}.py", f"d{n}") for n in range(8)]
    sites = [site(family, f"{n}.py") for n in (0, 1)]
    drawn = plan("salt", [*drift, *sites])
    assert len(drawn.files) == 1
    assert drawn.files < {(family, "0.py"), (family, "1.py")}
    held = [e for e in drift if drawn.of_site(e) == CONTEXT]
    assert [(family, e.file) for e in held] == list(drawn.files)


def test_example_that_a_held_out_row_was_cut_from_is_left_out() -> None:
    """A site is cut out of a test that names its family: that test, and all of its root, does not train then."""
    family = next(f"f{i}" for i in range(99) if family_split("salt", f"f{i}") == SYMBOL)
    test, mutant, host = (
        row("test", None, "a.py", "test"),
        row("bug", None, "a.py", "test"),
        row("test", None, "a.py", "h", 1),
    )
    cut, planted = (
        replace(site(family, "a.py"), parents=(test.id,)),
        replace(site(family, "b.py", number=1), parents=(host.id,)),
    )
    naming: dict[str, frozenset[str]] = {test.id: frozenset({family}), mutant.id: frozenset(), host.id: frozenset()}
    assigned = assign([test, mutant, host, cut, planted], naming, plan("salt", [cut, planted]))
    assert assigned.split == {cut.id: SYMBOL, planted.id: SYMBOL, host.id: TRAIN}
    assert assign([mutant, cut], {}, plan("salt", [cut]), {test.id: "test"}).split == {cut.id: SYMBOL}
