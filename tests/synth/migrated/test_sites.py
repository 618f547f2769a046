"""Call sites: one prompt, the call as it is, as it was, and as people get it wrong, sorted by real runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from flows.derivation import STEPS
from registry.names import SymbolIndex
from registry.records import Example, Program, Symbol
from synth.material import Piece
from synth.migrated.calls import Script
from synth.migrated.site import Site
from synth.migrated.sites import Limits
from synth.migrated.slices import Slicer, without_repeats
from synth.migrated.spelling import Speller
from synth.migrated.trials import runnable
from tests.synth.conftest import parted
from tests.synth.migrated.drift_world import World, made

Rows = tuple[list[Example], dict[str, Program]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return made(tmp_path_factory.mktemp("lib"))


@pytest.fixture(scope="module")
def rows(world: World) -> Rows:
    return parted(world.drift().site_rows())


def program(rows: Rows, example: Example, role: str) -> Program:
    return rows[1][dict(example.parts["programs"])[role]]  # type: ignore[call-overload]


def test_the_chosen_program_is_its_parts(rows: Rows) -> None:
    """Prompt, chosen and suffix are the chosen program's code; with rejected in its place they are the other's."""
    preferences = [e for e in rows[0] if e.kind == "preference"]
    assert preferences
    for e in preferences:
        parts = dict(e.parts)  # type: ignore[arg-type]
        assert program(rows, e, "chosen").code == parts["prompt"] + parts["chosen"] + parts["suffix"]
        assert program(rows, e, "rejected").code == parts["prompt"] + parts["rejected"] + parts["suffix"]
        assert program(rows, e, "chosen").test == program(rows, e, "rejected").test


def test_the_chosen_pass_at_the_new_release(world: World, rows: Rows) -> None:
    """What a site takes from a program that passes is still a program that passes."""
    chosen = [program(rows, e, "chosen") for e in rows[0] if e.kind == "preference"]
    assert {v.outcome for v in world.run(chosen, world.releases[1])} == {"passed"}


def test_old_forms_pass_at_old_and_fail_at_new(world: World, rows: Rows) -> None:
    """Each kind of codemod gives an old form that runs prove, and a drift row with the same root."""
    stale = [e for e in rows[0] if e.bug_kind == "stale"]
    rejected = [program(rows, e, "rejected") for e in stale]
    old = [v.outcome for v in world.run(rejected, world.releases[0])]
    new = [v.outcome for v in world.run(rejected, world.releases[1])]
    proven = {e.operator for e, a, b in zip(stale, old, new, strict=True) if a == "passed" and b != "passed"}
    kinds = ("keyword-only", "position", "removed-parameter", "rename", "wrap")
    assert {o for o in proven if (o or "").startswith("mined:")} == {f"mined:{kind}" for kind in kinds}
    updated = {e.root for e in rows[0] if e.kind == "drift"}
    assert updated and updated <= {e.root for e in stale}


def test_texts_of_old_forms(rows: Rows) -> None:
    """Old forms read as they would have been written then."""
    texts = {dict(e.parts)["rejected"] for e in rows[0] if e.bug_kind == "stale"}  # type: ignore[arg-type]
    assert {
        "lib.set_apart(items, [7])",
        "lib.filtered(items, 3, 5)",
        "lib.merged([1], lib.ring(2), label='x')",
        "lib.spread(items, 2, 5)",
        "lib.corners(items)",
    } <= texts


def test_wrong_calls_fail(world: World, rows: Rows) -> None:
    """Most of what is written instead fails at the new release; what exists nowhere always does."""
    wrong = [e for e in rows[0] if e.kind == "preference" and e.bug_kind != "stale"]
    outcomes = [v.outcome for v in world.run([program(rows, e, "rejected") for e in wrong], world.releases[1])]
    nowhere = ("invented", "wrong-receiver", "wrong-module", "wrong-keyword")
    assert {o for e, o in zip(wrong, outcomes, strict=True) if e.bug_kind in nowhere} == {"error"}
    assert sum(o != "passed" for o in outcomes) >= 0.8 * len(outcomes)


def test_a_site_has_distinct_candidates_and_one_root(rows: Rows) -> None:
    """No candidate of a site is proposed twice; kinds of mutants differ."""
    by_root: dict[str, list[Example]] = {}
    for e in rows[0]:
        if e.kind == "preference":
            by_root.setdefault(e.root, []).append(e)
    for members in by_root.values():
        texts = [dict(e.parts)["rejected"] for e in members]  # type: ignore[arg-type]
        assert len(set(texts)) == len(texts)
        kinds = Counter(e.bug_kind for e in members if e.bug_kind != "stale")
        assert set(kinds.values()) <= {1}
        assert len({e.family for e in members}) == len({e.file for e in members}) == 1


def test_rows_carry_source_licence_and_change(world: World, rows: Rows) -> None:
    """Every row names its family, licence, source and what it was made from."""
    known = {c.id for c in world.changes}
    for e in rows[0]:
        assert e.family and e.licence == "MIT" and e.source_url and e.parents
        assert e.change in known


def test_rows_name_the_version_that_deriving_is_known_by(world: World, rows: Rows) -> None:
    """The maker of each row of the drift part, with its version, stands in the step's part: a new one derives anew."""
    made = [*rows[0], *parted(world.drift().rows())[0]]
    (part,) = (name for name, step in STEPS.items() if step.__name__ == "_drift")
    assert {f"{e.generator}@{e.generator_version}" for e in made} <= set(part.split("+"))
    assert {e.generator for e in rows[0]} == {"sites", "migrate"}


def test_the_same_seed_gives_the_same_rows(world: World, rows: Rows) -> None:
    """Order of the input does not matter, nor does the process."""
    world.new_pieces.reverse()
    again = parted(world.drift().site_rows())
    assert [e.digest for e in again[0]] == [e.digest for e in rows[0]]


def test_limits_keep_old_forms_first(world: World) -> None:
    """Within a family's limit sites with an old form come first."""
    drift = world.drift()
    sites = [s for s in drift.found if s.family == "lib.is_set_apart"]
    bare = [replace(s, stale=(), prompt="# other\n" + s.prompt) for s in sites]
    drift.sites.limits = Limits(family=1, stale=2)
    kept = drift.sites.limited([*bare, *sites])
    assert [bool(s.stale) for s in kept] == [True, True]


@pytest.mark.parametrize(
    ("module", "private", "seen"),
    [("lib", (), True), ("lib.tools", (), True), ("lib.tools", ("lib.tools",), False), ("lib", ("lib.tools",), True)],
)
def test_only_what_the_library_keeps_to_itself_is_no_call(
    world: World, module: str, private: tuple[str, ...], seen: bool
) -> None:
    """A call that is written through a module is a site unless the domain says that the module is private."""
    piece = next(p for p in world.new_pieces if "is_set_apart" in p.program.code)
    written = Program(code=f"import {module}\n\nx = {module}.is_set_apart([1], [7])\n", test="assert x is True\n")
    drift = world.drift()
    sites = drift.sites
    sites.new = SymbolIndex(world.new.symbols, private)
    found = sites.find([replace(piece, program=written)])
    assert [s.chosen for s in found] == ([f"{module}.is_set_apart([1], [7])"] if seen else [])


def test_calls_by_any_import_are_seen(world: World) -> None:
    """Names imported, modules renamed and aliases assigned lead to the same symbol."""
    code = (
        "import lib as l\nfrom lib import ring\nfrom lib.tools import halved as h\nf = l.doubled\nx = f(h(ring(4)))\n"
    )
    calls = [c.path for c in Script(code, ["lib"]).calls(world.indexes[1])]
    assert calls == ["lib.tools.doubled", "lib.tools.halved", "lib.tools.ring"]


def test_the_statement_ends_where_its_header_does(world: World) -> None:
    """A call in the header of a block is followed by the rest of the header, not by the body."""
    code = "import lib\nfor i in lib.ring(3):\n    print(i)\n"
    (ring,) = [c for c in Script(code, ["lib"]).calls(world.indexes[1]) if c.path]
    assert code[ring.span[0] : ring.stop] == "lib.ring(3):"


def test_imports_by_name_go_through_the_module(world: World) -> None:
    """What was imported by name is written through the module, and the import goes."""
    speller = Speller(world.new_pieces, *world.indexes)
    before = Program(code="from lib import halved, ring\n\nx = halved(ring(4))\n", test="assert halved(x) == [0]\n")
    after = speller.through_modules(before, {"lib.tools.halved"})
    assert after.code == "import lib as lib\nfrom lib import ring\n\nx = lib.halved(ring(4))\n"
    assert after.test == "assert lib.halved(x) == [0]\n"


def test_a_slice_keeps_what_the_statement_and_its_checks_need() -> None:
    """Other statements and other checks are left out."""
    whole = Program(
        code="import lib\n\na = [1]\nb = [2]\nc = lib.f(a)\nd = lib.f(b)\n", test="assert c == 1\nassert d == 2\n"
    )
    part = Slicer(whole).around(3)
    assert part is not None
    assert part.code == "import lib\n\na = [1]\nc = lib.f(a)\n"
    assert part.test == "assert c == 1\n"
    assert Slicer(Program(code="a = 1\nb = 2\n", test="assert a == 1\n")).around(1) is None


def test_blocks_that_only_look_are_left_out() -> None:
    """What is tried with an object before, to see whether it raises, sets nothing up; what is assigned there does."""
    look = "try:\n    lib.f(a)\nexcept ValueError:\n    raised1 = True\nelse:\n    raised1 = False\n"
    for block, kept in ((look, ""), (look.replace("lib.f(a)", "a = lib.f(a)"), None)):
        code = f"import lib\n\na = [1]\n{block}c = lib.f(a)\n"
        part = Slicer(Program(code=code, test="assert c == 1\n")).around(3)
        assert part is not None
        assert part.code == (code if kept is None else "import lib\n\na = [1]\nc = lib.f(a)\n")


def test_what_cannot_change_ties_nothing_together() -> None:
    """Numbers and texts that two calls are given make neither of them a set-up of the other."""
    first = "G = lib.Graph()\nlib.put(G, name, 5)\n"
    second = "G = lib.Graph()\nlib.put(G, name, 6)\nx = lib.get(G, name)\n"
    part = Slicer(Program(code=f"import lib\n\nname = 'a'\n{first}{second}", test="assert x == 6\n")).around(6)
    assert part is not None
    assert part.code == f"import lib\n\nname = 'a'\n{second}"


def test_old_forms_that_did_not_run_are_none(world: World) -> None:
    """An old form that raises at the old release is no call that people wrote: its site keeps its other candidates."""
    drift = world.drift()
    site = next(s for s in drift.found if s.stale)
    wrong = replace(site, stale=(*site.stale, ("rename", "lib.never()")))
    assert runnable([wrong], world.bench, world.releases[0]) == [site]


@pytest.mark.parametrize(
    ("code", "after"),
    [
        ("import lib\n\ns = lib.f()\ns.shift(1)\nr = s.shift(2)\n", "import lib\n\ns = lib.f()\nr = s.shift(2)\n"),
        ("import lib\n\nG = lib.G()\nG.add_edge(1)\nk = G.add_edge(2)\n", None),
        ("import lib\n\ns = lib.f()\ns.dt.add(1)\nr = s.dt.add(2)\n", "import lib\n\ns = lib.f()\nr = s.dt.add(2)\n"),
        ("import lib\n\nG = lib.G()\nG.clear()\nr = G.size()\n", None),
        ("import lib\n\nG = lib.G()\nlib.relabel(G)\nH = lib.relabel(G)\n", None),
    ],
)
def test_values_thrown_away_are_no_set_up(code: str, after: str | None) -> None:
    """A method's value that is only shown goes; what may change its object stays."""
    assert without_repeats(Program(code=code, test="assert r")).code == (code if after is None else after)


@pytest.mark.parametrize(
    ("prompt", "always", "after"),
    [
        ("import lib\n\nr = ", False, "import lib\n\n# Make a ring.\nr = "),
        ("import lib\n\na = [1]\nr = ", False, None),
        ("import lib\n\na = [1]\nr = ", True, "import lib\n\na = [1]\n# Make a ring.\nr = "),
        ("import lib\n\n# What rings.\nr = ", True, None),
        ("import lib\n\nr = [\n    1,\n    ", True, None),
        ("import lib\n\nfor i in a:\n    r = ", True, None),
    ],
)
def test_a_comment_decides_where_another_function_could_stand(prompt: str, always: bool, after: str | None) -> None:
    """Its first sentence says which function is meant, at a statement of the top level; never twice."""
    site = Site(
        Piece(Example(domain="d", kind="doc", releases=("r",), parts={}, file="f", root="r", generator="g",
                      generator_version="1"), Program(code="", test="")),
        "lib.ring", "f", None, prompt, "lib.ring(2)", "\n", "lib.ring(2)", "assert r",
    )  # fmt: skip
    ring = Symbol(release="r" * 64, path="lib.ring", kind="class", doc="A :class:`ring`.\n\nMore.")
    assert site.said(ring, always).prompt == (prompt if after is None else after)
