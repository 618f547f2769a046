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
        elif examples[i].kind == "preference":
            assert examples[i].family not in hub
        elif s == CONTEXT:
            assert not naming[i] & drawn.unseen
    assert all(len(s) == 1 for s in roots.values())


def test_rows_of_every_kind_are_evaluated_on() -> None:
    """A row goes to the split of the strictest family that it names; a text, and a pair of another family, to none."""
    of = {s: next(f"f{i}" for i in range(99) if family_split("salt", f"f{i}") == s) for s in (SYMBOL, DEV, TRAIN)}
    places = enumerate((family, file) for family in of.values() for file in ("a.py", "b.py"))
    sites = [site(family, file, number=n) for n, (family, file) in places]
    drawn = plan("salt", sites)
    [(_, file)] = drawn.files
    other = ({"a.py", "b.py"} - {file}).pop()
    cases = [
        (row("test", None, file, "r1"), SYMBOL, {of[SYMBOL], of[DEV], of[TRAIN]}),
        (row("bug", None, file, "r2"), DEV, {of[DEV], of[TRAIN]}),
        (row("fim", None, file, "r3"), CONTEXT, {of[TRAIN]}),
        (row("fim", None, other, "r4", 1), TRAIN, {of[TRAIN]}),
        (row("text", None, file, "r5"), "", {of[SYMBOL]}),
        (row("preference", of[TRAIN], other, "r6", 9), "", {of[TRAIN], of[SYMBOL]}),
    ]
    naming = {e.id: frozenset(families) for e, _, families in cases}
    naming |= {e.id: frozenset({e.family or ""}) for e in sites}
    assigned = assign([*sites, *(e for e, _, _ in cases)], naming, drawn)
    assert [assigned.split.get(e.id, "") for e, _, _ in cases] == [where for _, where, _ in cases]
    assert [e.id in assigned.left_out for e, _, _ in cases] == [not where for _, where, _ in cases]


def test_one_root_is_evaluated_on_in_one_split() -> None:
    """Rows of a root go to its strictest split together, and to none where others of the root train."""
    of = {s: next(f"f{i}" for i in range(99) if family_split("salt", f"f{i}") == s) for s in (SYMBOL, DEV)}
    sites = [site(family, "a.py", number=n) for n, family in enumerate(of.values())]
    whole = [row("test", None, "c.py", "one"), row("bug", None, "c.py", "one")]
    part = [row("test", None, "c.py", "two", 1), row("fim", None, "c.py", "two", 1)]
    naming = {e.id: frozenset({of[s]}) for e, s in zip([*sites, *whole], (SYMBOL, DEV, SYMBOL, DEV), strict=True)}
    naming |= {part[0].id: frozenset(), part[1].id: frozenset({of[SYMBOL]})}
    assigned = assign([*sites, *whole, *part], naming, plan("salt", sites))
    assert [assigned.split[e.id] for e in whole] == [SYMBOL, SYMBOL]
    assert assigned.split[part[0].id] == TRAIN
    assert assigned.left_out[part[1].id].endswith("other rows of its root stand in train")


def test_tuning_sees_nothing_of_what_others_are_evaluated_on() -> None:
    """A row that holds a site of `dev` is evaluated on in `dev`, and in no split where it holds one of `symbol` too."""
    of = {s: next(f"f{i}" for i in range(99) if family_split("salt", f"f{i}") == s) for s in (SYMBOL, DEV)}
    sites = {s: site(family, "a.py", number=n) for n, (s, family) in enumerate(of.items())}
    copies = [row("test", None, "c.py", f"r{n}", n) for n in range(2)]
    naming = {e.id: frozenset({e.family}) if e.family else frozenset[str]() for e in [*sites.values(), *copies]}
    copied = {copies[0].id: frozenset({sites[DEV].id}), copies[1].id: frozenset(e.id for e in sites.values())}
    assigned = assign([*sites.values(), *copies], naming, plan("salt", sites.values()), copied=copied)
    assert assigned.split[copies[0].id] == DEV
    assert copies[1].id in assigned.left_out


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


def test_example_that_a_held_out_row_was_cut_from_goes_with_it() -> None:
    """A site is cut out of a test that names its family: that test, and all of its root, is held out with it then."""
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
    told = dict.fromkeys((cut.id, planted.id, test.id, mutant.id), SYMBOL)
    assert assigned.split == told | {host.id: TRAIN}
    alone = assign([mutant, cut], {}, plan("salt", [cut]), {test.id: "test"})
    assert alone.split == {cut.id: SYMBOL, mutant.id: SYMBOL}
