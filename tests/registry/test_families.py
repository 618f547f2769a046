"""Families: what splits are made by must hold together, and must not move when others come and go."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Symbol

FUNCTIONS = "abcdefgh"


def index(release: str) -> SymbolIndex:
    made = [Symbol(release=release, path="lib", kind="module")]
    made += [
        Symbol(release=release, path=f"lib.core.{n}", kind="function", aliases=(f"lib.{n}", f"lib.core.api.{n}"))
        for n in FUNCTIONS
    ]
    made.append(Symbol(release=release, path="lib.core.Tree", kind="class", aliases=("lib.Tree",)))
    made += [Symbol(release=release, path=f"lib.core.Tree.{m}", kind="method") for m in ("cut", "grow")]
    return SymbolIndex(made)


OLD, NEW = index("old"), index("new")


def change(symbol: str, kind: str = "signature", replacement: str | None = None) -> Change:
    return Change(old="old", new="new", symbol=symbol, kind=kind, replacement=replacement)


def test_old_and_new_name_are_one_family() -> None:
    """A renamed function's call sites, under either name and any alias, belong to one family with a public name."""
    families = Families([change("lib.core.b", "renamed", "lib.a"), change("lib.core.a")], OLD, NEW)
    assert list(families.by_name) == ["lib.a"]
    family = families.by_name["lib.a"]
    assert family.paths == {f"lib.{p}{n}" for n in "ab" for p in ("", "core.", "core.api.")}
    assert len(family.changes) == 2
    for path in family.paths:
        assert families.calling([path]) == {"lib.a"}
    assert families.calling(["lib.c", "lib.core", "lib"]) == frozenset()


def test_methods_belong_to_their_class() -> None:
    """Changes of a class and of its methods are one family, that calls of any method belong to."""
    families = Families([change("lib.core.Tree.cut"), change("lib.core.Tree", "deprecated")], OLD, NEW)
    assert list(families.by_name) == ["lib.Tree"]
    assert families.calling(["lib.core.Tree.grow"]) == {"lib.Tree"}


def test_classes_behind_one_accessor_are_one_family() -> None:
    """What `Series.dt` and `Expr.dt` lead to is one family, as `x.dt.hour()` tells of neither; copies are not."""

    def shown(kind: str, path: str, signature: str | None = None) -> Symbol:
        return Symbol(release="new", path=path, kind=kind, signature=signature)

    rows = [shown("module", "lib")]
    for owner in ("Series", "Expr"):
        for name in ("dt", "cat") if owner == "Expr" else ("dt",):
            rows += [
                shown("method", f"lib.{owner}.{name}", f"(self) -> {owner}_{name}"),
                shown("class", f"lib.spaces.{owner}_{name}", f"(of: {owner})"),
                shown("method", f"lib.spaces.{owner}_{name}.hour", f"(self) -> {owner}"),
            ]
        rows.append(shown("class", f"lib.{owner}", "(values: list)"))
        rows.append(shown("method", f"lib.{owner}.copy", f"(self) -> {owner}"))
    new = SymbolIndex(rows)
    changes = [change(f"lib.spaces.{n}.hour") for n in ("Series_dt", "Expr_dt", "Expr_cat")]
    families = Families([*changes, change("lib.Series.copy"), change("lib.Expr.copy")], SymbolIndex([]), new)
    assert sorted(families.by_name) == ["lib.Expr", "lib.Series", "lib.spaces.Expr_cat", "lib.spaces.Expr_dt"]
    assert families.calling(["lib.spaces.Series_dt.hour"]) == {"lib.spaces.Expr_dt"}
    only_one = Families([changes[0]], SymbolIndex([]), new)
    assert only_one.calling(["lib.spaces.Expr_dt.hour"]) == frozenset(only_one.by_name)


def test_chain_of_renames_is_one_family() -> None:
    """Changes that share a name, one after the other, are joined into one."""
    rows = [change("lib.core.c", "renamed", "lib.b"), change("lib.core.b", "deprecated", "lib.a"), change("lib.core.d")]
    families = Families(rows, OLD, NEW)
    assert sorted(families.by_name) == ["lib.a", "lib.d"]
    assert {families.by_change[r.id] for r in rows[:2]} == {"lib.a"}


def test_symbol_that_is_gone_is_still_a_family() -> None:
    """A symbol that neither release's index knows is a family under its own path."""
    families = Families([change("lib.private.x", "removed", "an expression, not a path")], OLD, NEW)
    assert families.calling(["lib.private.x"]) == {"lib.private.x"}


ROWS = st.lists(
    st.builds(
        lambda a, b, kind: change(f"lib.core.{a}", kind, f"lib.{b}" if b else None),
        st.sampled_from([*FUNCTIONS, "Tree.cut", "Tree"]),
        st.none() | st.sampled_from(FUNCTIONS),
        st.sampled_from(["renamed", "signature", "deprecated"]),
    ),
    max_size=12,
)


@given(ROWS, st.randoms(use_true_random=False))
def test_families_are_a_partition_that_order_does_not_move(rows: list[Change], random: Random) -> None:
    """Each change is in one family, no path in two, the name is one of its paths, in whatever order changes come."""
    families = Families(rows, OLD, NEW)
    assert set(families.by_change) == {r.id for r in rows}
    every = [p for f in families.by_name.values() for p in f.paths]
    assert len(every) == len(set(every))
    assert all(f.name in f.paths and f.name == name for name, f in families.by_name.items())
    mixed = list(rows)
    random.shuffle(mixed)
    assert Families(mixed, OLD, NEW).by_name == families.by_name


@given(ROWS, st.sampled_from(FUNCTIONS))
def test_family_does_not_move_when_unrelated_ones_come_and_go(rows: list[Change], name: str) -> None:
    """Without the changes of the others, a family has the same name, paths and changes."""
    families = Families([*rows, change(f"lib.core.{name}")], OLD, NEW)
    (mine,) = families.calling([f"lib.{name}"])
    family = families.by_name[mine]
    alone = Families([r for r in [*rows, change(f"lib.core.{name}")] if r.id in family.changes], OLD, NEW)
    assert alone.by_name == {mine: family}
