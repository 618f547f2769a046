"""Curation: every row gets in or is a Removal with its rule, and what gets in leaks nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from registry.catalogue import PROOF_RULES, SPLIT_RULES
from registry.domain import PERMISSIVE, Domain
from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Example, Program, Record, Removal, Snapshot, SnapshotRow, Symbol, Verdict
from validators.curation.curate import CUT, Lot, curate
from validators.curation.cutting import Cutter
from validators.curation.duplicates import duplicates
from validators.curation.leaks import leaks
from validators.curation.licences import LicenceGate
from validators.references import Reader
from validators.splits import CONTEXT, DEV, SYMBOL, TRAIN, family_split

OLD, NEW = "old-release", "new-release"
DOMAIN = Domain.model_validate({"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}})


def family_of(split: str, start: int = 0) -> str:
    """The short name of a function of lib whose family is drawn to this split."""
    salt = DOMAIN.splits.salt
    return next(f"fun_{i}" for i in range(start, 999) if family_split(salt, f"lib.fun_{i}") == split)


UNSEEN, TUNING, SEEN = family_of(SYMBOL), family_of(DEV), family_of(TRAIN)
OTHER = family_of(TRAIN, int(SEEN.removeprefix("fun_")) + 1)
FUNCTIONS = sorted({UNSEEN, TUNING, SEEN, OTHER})


def symbols(release: str) -> list[Symbol]:
    made = [Symbol(release=release, path="lib", kind="module"), Symbol(release=release, path="lib.core", kind="module")]
    made += [Symbol(release=release, path=f"lib.core.{f}", kind="function", aliases=(f"lib.{f}",)) for f in FUNCTIONS]
    for name in ("Tree", "Heap"):
        made.append(Symbol(release=release, path=f"lib.core.{name}", kind="class", aliases=(f"lib.{name}",)))
        methods = ("prune", "push") if name == "Tree" else ("push", "append")
        made += [Symbol(release=release, path=f"lib.core.{name}.{m}", kind="method") for m in methods]
    return made


INDEXES = {r: SymbolIndex(symbols(r)) for r in (OLD, NEW)}
CHANGES = [Change(old=OLD, new=NEW, symbol=f"lib.core.{f}", kind="signature") for f in (*FUNCTIONS, "Tree")]
FAMILIES = Families(CHANGES, INDEXES[OLD], INDEXES[NEW])
READER = Reader(FAMILIES, (INDEXES[OLD], INDEXES[NEW]))


class Bench:
    """Examples whose proofs all hold, and the lot they make."""

    def __init__(self) -> None:
        self.programs: dict[str, Program] = {}
        self.examples: dict[str, Example] = {}
        self.verdicts: dict[tuple[str, str], Verdict] = {}

    def run(self, code: str, outcome: str, release: str = NEW, test: str = "assert r == 1", **more: Any) -> str:
        program = Program(code=code, test=test)
        self.programs[program.id] = program
        self.verdicts[program.id, release] = Verdict(
            program=program.id, environment=release, harness="1", policy="k=2", outcome=outcome, proof="strong",
            symbols_called=("lib.core.other", *(f"lib.core.{f}" for f in FUNCTIONS if f in code)), **more,
        )  # fmt: skip
        return program.id

    def add(self, kind: str, programs: dict[str, str], **more: Any) -> Example:
        fields: dict[str, Any] = {
            "domain": "d", "kind": kind, "releases": (OLD, NEW) if kind in ("drift", "preference") else (NEW,),
            "file": "lib/tests/a.py", "generator": "g", "generator_version": "1", "licence": "MIT",
        }  # fmt: skip
        texts = more.pop("texts", {})
        fields |= {"parts": {"programs": programs, **texts}, "root": f"root {len(self.examples)}"} | more
        example = Example(**fields)
        self.examples[example.id] = example
        return example

    def test(self, code: str, **more: Any) -> Example:
        answer, stub = self.run(code, "passed"), self.run("# stub\n" + code + "stub = 1\n", "failed")
        return self.add("test", {"answer": answer, "stub": stub}, **more)

    def bug(self, code: str, **more: Any) -> Example:
        return self.add(
            "bug", {"fixed": self.run(code, "passed"), "buggy": self.run(code + "r = 2\n", "failed")}, **more
        )

    def site(
        self, family: str, file: str, argument: int = 0, wrong: str = "bad", before: str = "", **more: Any
    ) -> Example:
        prompt, chosen, rejected = (
            f"import lib\n{before}r = ",
            f"lib.{family}({argument})",
            f"lib.{family}({wrong}={argument})",
        )
        programs = {"chosen": self.run(prompt + chosen, "passed"), "rejected": self.run(prompt + rejected, "error")}
        texts = {"prompt": prompt, "chosen": chosen, "rejected": rejected, "suffix": ""}
        root = f"site {family} {file} {argument}"
        return self.add(
            "preference", programs, texts=texts, file=file, family=f"lib.{family}", **({"root": root} | more)
        )

    def text(self, text: str, **more: Any) -> Example:
        return self.add("text", {}, texts={"text": text}, **more)

    def lot(self) -> Lot:
        return Lot(DOMAIN, self.examples, self.programs, self.verdicts, FAMILIES, INDEXES, NEW)

    def curate(self) -> tuple[dict[str, Removal], dict[str, str], list[Record]]:
        rows = list(curate(self.lot(), "curation"))
        removed = {r.example: r for r in rows if isinstance(r, Removal)}
        return removed, {r.example: r.split for r in rows if isinstance(r, SnapshotRow)}, list(rows)


def full() -> Bench:
    """Sites of all families in several files, and rows of other kinds beside them."""
    bench = Bench()
    for family in FUNCTIONS:
        for n in range(4):
            parent = bench.test(f"import lib\nr = lib.{family}({n})\nx = {n}\n", file=f"lib/tests/{n}.py")
            bench.bug(f"from lib.core import {family} as f\nr = f({n})\n", file=f"lib/tests/{n}.py", root=parent.root)
            for wrong in ("old", "bad"):
                bench.site(family, f"lib/tests/{n}.py", n, wrong, parents=(parent.id,))
    for n in range(200):
        bench.test(f"import lib\nr = lib.other({n})\n", file=f"lib/tests/{n % 5}.py")
    return bench


# --------------------------------------------------------------------------------------------------------- the whole


def test_what_an_llm_wrote_is_trained_on_where_its_terms_and_the_domain_allow_it() -> None:
    """Rows of a model whose terms aren't known to allow it, or that the domain forbids, stay out, and it is said."""
    bench = Bench()
    rows = {
        model: bench.text(f"{model} wrote a page about trees and heaps, and how both of them grow.", written=written)
        for model, written in (
            ("free", {"model": "free-1", "trainable": True}),
            ("closed", {"model": "closed-1", "trainable": False}),
            ("barred", {"model": "GPT-9", "trainable": True}),
            ("nobody", {}),
        )
    }
    domain = DOMAIN.model_copy(update={"llm": DOMAIN.llm.model_copy(update={"forbidden": ("gpt-*",)})})
    removed = {
        row.example: (row.rule, row.detail)
        for row in curate(replace(bench.lot(), domain=domain), "curation")
        if isinstance(row, Removal)
    }
    assert removed[rows["closed"].id][0] == "terms" and "closed-1" in removed[rows["closed"].id][1]
    assert removed[rows["barred"].id] == ("forbidden-model", "The domain forbids GPT-9 (gpt-*)")
    others = {rule for name in ("free", "nobody") for rule, _ in (removed.get(rows[name].id, ("", "")),)}
    assert others <= {"", "near-duplicate"}


def test_every_row_is_in_or_has_its_removal() -> None:
    """No row is lost, none is in twice, and each Removal names rule, curation and domain."""
    bench = full()
    removed, split, rows = bench.curate()
    assert set(removed) | set(split) == set(bench.examples)
    assert not set(removed) & set(split)
    assert all(r.curation == "curation" and r.domain == "d" and r.rule and r.detail for r in removed.values())
    assert sum(isinstance(r, Snapshot) for r in rows) == 1


def test_curation_does_not_depend_on_the_order_of_rows() -> None:
    """The same rows in another order give the same removals, snapshot and rows, in the same order."""
    bench = full()
    lot = bench.lot()
    back = replace(
        lot, examples=dict(reversed(list(lot.examples.items()))), programs=dict(reversed(list(lot.programs.items())))
    )
    assert [r.digest for r in curate(lot, "c")] == [r.digest for r in curate(back, "c")]


def test_snapshot_holds_each_family_where_it_was_drawn() -> None:
    """Families of symbol and dev have no training row at all; a trained one has sites in training and in context."""
    bench = full()
    _, split, _ = bench.curate()
    by_family: dict[str, Counter[str]] = {}
    for name, where in split.items():
        if bench.examples[name].family:
            by_family.setdefault(bench.examples[name].family or "", Counter())[where] += 1
    assert set(by_family[f"lib.{UNSEEN}"]) == {SYMBOL}
    assert set(by_family[f"lib.{TUNING}"]) == {DEV}
    assert set(by_family[f"lib.{SEEN}"]) == {TRAIN, CONTEXT}
    others = [bench.examples[n] for n, where in split.items() if where == TRAIN and not bench.examples[n].family]
    assert {e.kind for e in others} == {"test", "bug"}


def test_nothing_held_out_is_trained_on() -> None:
    """An independent check, by tokens instead of syntax trees, finds no leak in what curation makes."""
    bench = full()
    _, split, rows = bench.curate()
    examples = bench.examples | {r.id: r for r in rows if isinstance(r, Example)}
    assert list(leaks(split, examples, bench.programs, FAMILIES)) == []


@pytest.mark.parametrize(
    "plant",
    [
        lambda b: b.test(f"from lib import {UNSEEN}\nr = {UNSEEN}(1)\n"),
        lambda b: b.test(f"import lib.core as c\nr = c.{UNSEEN}(1)\n"),
        lambda b: b.test(f"import lib\nr = [\n    lib\n    .{TUNING}\n]\n"),
        lambda b: b.bug(f"from lib.core import (\n    {TUNING} as t,\n)\nr = t\n"),
        lambda b: b.text(f"Use `lib.{UNSEEN}`.\n"),
        lambda b: b.test("import lib\nr = lib.other(0)\n", texts={"prompt": f"As `{UNSEEN}` does."}),
        lambda b: b.site(UNSEEN, "lib/tests/9.py"),
    ],
)
def test_the_check_finds_planted_leaks(plant: Callable[[Bench], Example]) -> None:
    """A row that names an unseen family in any spelling, planted into training, is found."""
    bench = full()
    _, split, rows = bench.curate()
    planted = plant(bench)
    examples = bench.examples | {r.id: r for r in rows if isinstance(r, Example)}
    found = list(leaks(split | {planted.id: TRAIN}, examples, bench.programs, FAMILIES))
    assert found
    assert all(planted.id in line or planted.root in line for line in found)


def test_the_check_finds_a_shared_file_and_a_shared_root() -> None:
    """A training row in a context file of a family that it names is found, and so is a root in two splits."""
    bench = full()
    _, split, _ = bench.curate()
    held = next(bench.examples[n] for n, where in split.items() if where == CONTEXT)
    planted = bench.test(f"import lib\nr = lib.{(held.family or '').removeprefix('lib.')}(77)\n", file=held.file)
    twin = bench.test("r = 1\n", root=held.root)
    found = list(leaks(split | {planted.id: TRAIN, twin.id: TRAIN}, bench.examples, bench.programs, FAMILIES))
    assert sum(planted.id in line for line in found) == 1
    assert sum(held.root in line for line in found) == 1


def test_what_is_asked_names_no_held_out_function() -> None:
    """A prompt that names an unseen family as code holds its row out; plain words that are names too don't."""
    changes = [Change(old=OLD, new=NEW, symbol="lib.all", kind="signature")]
    families = Families(
        changes, *(SymbolIndex([*symbols(r), Symbol(release=r, path="lib.all", kind="function")]) for r in (OLD, NEW))
    )
    cutter = Cutter(families, READER)
    assert cutter.named("Take all of them, and other words") == frozenset()
    assert cutter.named("Deprecated, use `all`.") == cutter.named("See lib.all") == {"lib.all"}
    fenced = f"Fix it, so that this holds:\n```python\nassert r.{UNSEEN}() == 1\n```"
    bench = full()
    asking = {
        text: bench.test(f"import lib\nr = lib.other({1000 + len(text)})\n", texts={"prompt": text}).id
        for text in (f"As in the docs of `lib.{UNSEEN}`.", "As in the docs of others.", fenced)
    }
    _, split, _ = bench.curate()
    # in code, a method of that name: what it means is read in the row's programs
    assert [split[name] for name in asking.values()] == [SYMBOL, TRAIN, TRAIN]
    assert not list(leaks(split, bench.examples, bench.programs, FAMILIES))


# --------------------------------------------------------------------------------------------------------- the rules


def test_rules_come_in_order_and_only_the_first_is_named() -> None:
    """Of several reasons a row is removed for the first: outdated, proof, licence, duplicate."""
    bench = Bench()
    bench.site(UNSEEN, "lib/tests/b.py")
    code = f"import lib\nr = lib.{UNSEEN}(5)\n"
    broken = {"answer": bench.run("# 1\n" + code, "failed"), "stub": bench.run("pass\n", "failed")}
    rows = {
        "outdated": bench.test("# 3\n" + code, licence=None, releases=(OLD,)),
        "unproven": bench.add("test", broken, licence=None),
        "licence": bench.test("# 2\n" + code, licence="GPL-3.0-only"),
    }
    same = sorted(bench.test(f"# {n}\n{code}").id for n in (4, 5))
    bench.verdicts |= {(p, OLD): v for (p, _), v in bench.verdicts.items()}
    scouted = (_parts(rows["outdated"])["programs"]["answer"], NEW)
    bench.verdicts[scouted] = replace(bench.verdicts[scouted], outcome="error")
    removed, split, _ = bench.curate()
    found = {rule: removed[row.id].rule for rule, row in rows.items()}
    assert found == {rule: rule for rule in rows}
    assert (split[same[0]], removed[same[1]].rule) == (SYMBOL, "duplicate")


def test_old_rows_do_not_enter_where_they_still_hold_either() -> None:
    """A row of the old release asks how it was done: its answer may pass at the new one, and it trains nobody."""
    bench = Bench()
    for n, outcome in enumerate(("passed", "failed", None)):
        code = f"import lib\nr = lib.{SEEN}({n})\n"
        programs = {"answer": bench.run(code, "passed", OLD), "stub": bench.run(f"s = {n}\n", "failed", OLD)}
        if outcome is not None:
            bench.run(code, outcome, NEW)
        bench.add("test", programs, releases=(OLD,))
    removed, split, _ = bench.curate()
    assert [r.rule for r in removed.values()] == ["outdated"] * 3
    assert not split


def test_old_texts_and_bugs_do_not_enter() -> None:
    """What speaks only of the old release, and was not run at the new one, is outdated."""
    bench = Bench()
    bench.text("Of old.", releases=(OLD,))
    bench.verdicts |= {(p, OLD): v for (p, _), v in bench.verdicts.items()}
    removed, split, _ = bench.curate()
    assert [r.rule for r in removed.values()] == ["outdated"]
    assert not split


@pytest.mark.parametrize(
    ("expression", "enters"),
    [
        ("MIT", True),
        ("mit", True),
        ("BSD-3-Clause AND PSF-2.0", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND (Apache-2.0 OR LGPL-2.1-only)", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR BSD-3-Clause) AND CC-BY-NC-4.0", False),
        ("LicenseRef-vendor", False),
        ("BSD License", False),
        ("MIT AND", False),
        ("", False),
        (None, False),
    ],
)
def test_only_allowed_licences_enter(expression: str | None, enters: bool) -> None:
    """Of AND all must be on the list, of OR one; unknown is not permissive, and what is no expression is unknown."""
    why = LicenceGate(PERMISSIVE).refuses(expression)
    assert (why == "") is enters
    bench = Bench()
    row = bench.test("import lib\nr = 1\n", licence=expression, symbols=())
    bench.verdicts = {k: replace(v, symbols_called=("lib.core.x",)) for k, v in bench.verdicts.items()}
    removed, split, _ = bench.curate()
    assert (row.id in split) is enters
    assert enters or removed[row.id].rule == "licence"


def test_duplicates_leave_the_lowest_id() -> None:
    """Rows of one kind that differ in layout and comments only are one row; the removal names the one that stays."""
    bench = Bench()
    codes = (f"import lib\nr = lib.{SEEN}(1)\n", f"import lib\n\n# why\nr = lib.{SEEN}(1)   \n")
    rows = sorted(bench.test(code).id for code in codes)
    bug = bench.bug(codes[0])
    other = bench.test(f"import lib\nr = lib.{SEEN}(2)\n")
    removed, split, _ = bench.curate()
    assert {name: (r.rule, r.kept_instead) for name, r in removed.items()} == {rows[1]: ("duplicate", rows[0])}
    assert set(split) == {rows[0], bug.id, other.id}


def test_equal_call_sites_stay_together() -> None:
    """Of two equal call sites one stays with all its pairs, so that choice@1 has all its candidates."""
    bench = Bench()
    rows = []
    for root in "ab":
        for wrong in ("old", "bad", "worse"):
            row = bench.site(SEEN, f"lib/tests/{root}.py", 1, wrong)
            rows.append(replace(row, parts={**_parts(row), "note": root}, root=root))
    gone = duplicates(rows, bench.programs)
    by_id = {e.id: e for e in rows}
    assert {by_id[name].root for name in gone} == {"b"}
    assert len(gone) == 3
    assert all(_parts(by_id[name])["rejected"] == _parts(by_id[kept])["rejected"] for name, kept in gone.items())


def _parts(example: Example) -> dict[str, Any]:
    parts: Any = example.parts
    return dict(parts)


def test_rules_are_known_to_the_catalogue() -> None:
    """The catalogue tells proofs that don't hold from good rows that are held out by the names of these rules."""
    assert {"unproven", "vacuous-test", "equivalent-mutant", "flaky", "unavailable"} == set(PROOF_RULES)
    assert SPLIT_RULES == ("held-out",)


# ---------------------------------------------------------------------------------------------------- names and text


@pytest.mark.parametrize(
    ("code", "named"),
    [
        (f"import lib\nlib.{SEEN}(1)", {SEEN}),
        (f"import lib as l\nx = l.core.{SEEN}", {SEEN}),
        (f"from lib import core\ncore.{SEEN}()", {SEEN}),
        (f"def f():\n    from lib.core import {SEEN} as s\n    return s()", {SEEN}),
        (f"import lib\nlib.{SEEN}(lib.{OTHER}(1)).x", {SEEN, OTHER}),
        ("import lib\nlib.Tree.push", {"Tree"}),
        ("def f(t):\n    t.prune()", {"Tree"}),
        ("def f(t):\n    t.push(1)\n    t.append(2)", set()),
        (f"import other as lib\nlib.{SEEN}(1)", set()),
        (f"{SEEN} = 1\nx = {SEEN}", set()),
        (f"import lib\nlib.{SEEN}(", set()),
    ],
)
def test_families_are_found_through_imports_and_telling_methods(code: str, named: set[str]) -> None:
    """A family is named by any import spelling, or by a method that only its class has."""
    assert READER.families_of(code) == {f"lib.{name}" for name in named}


MODULE = f'''"""A module."""
import lib


def {UNSEEN}(x):
    """Do it."""
    return x


def near(x):
    """See `{UNSEEN}`."""
    return x


class Box:
    """A box."""

    def used(self):
        return {UNSEEN}(self)

    def free(self):
        return 1


def far(x):
    return x
'''

PROSE = f"""Title
=====

Keep this paragraph.

Call it so:

    >>> import lib
    >>> lib.{UNSEEN}(3)

    4

Keep that one too.

```python
from lib import {UNSEEN}

{UNSEEN}(1)
```

The end.
"""


def test_text_loses_what_is_held_out_and_nothing_else() -> None:
    """Definitions, methods, code blocks and paragraphs that name a held-out symbol are cut, their neighbours stay."""
    cutter, held = Cutter(FAMILIES, READER), frozenset({f"lib.{UNSEEN}"})
    module, prose = cutter.cut(MODULE, held), cutter.cut(PROSE, held)
    assert UNSEEN not in module + prose
    for kept in ("def far(x)", "def free(self)", "class Box", '"""A module."""'):
        assert kept in module
    for kept in ("Keep this paragraph.", "Keep that one too.", "The end."):
        assert kept in prose
    assert cutter.cut(MODULE, frozenset({f"lib.{OTHER}"})) == MODULE
    assert cutter.cut(PROSE, frozenset({f"lib.{OTHER}"})) == PROSE
    paged, cut = (text.replace("import lib\n", "import lib\x0c\n", 1) for text in (MODULE, module))
    assert cutter.cut(paged, held) == cut  # a form feed ends no line


def test_cut_text_is_a_row_of_its_own() -> None:
    """A text that names an unseen family gives way to the rest of it; the next curation starts from the original."""
    bench = Bench()
    bench.site(UNSEEN, "lib/tests/b.py")
    whole, only = bench.text(PROSE), bench.text(f"Call `lib.{UNSEEN}`.\n")
    untouched = bench.text("Nothing here.\n")
    removed, split, rows = bench.curate()
    made = [r for r in rows if isinstance(r, Example)]
    assert [(e.operator, e.root, e.licence, split[e.id]) for e in made] == [(CUT, whole.root, "MIT", TRAIN)]
    assert whole.id in made[0].parents
    assert (removed[whole.id].rule, removed[whole.id].kept_instead) == ("held-out", made[0].id)
    assert (removed[only.id].rule, removed[only.id].kept_instead) == ("held-out", None)
    assert split[untouched.id] == TRAIN
    bench.examples[made[0].id] = made[0]
    assert [r.digest for r in bench.curate()[2]] == [r.digest for r in rows]


def test_text_loses_examples_that_call_a_held_out_method() -> None:
    """A method that only one class has gives it away where code calls it, also where nothing names the class."""
    bench = Bench()
    bench.site("Tree", "lib/tests/b.py")
    says = "Prune it: that is what trees are for, and it has been so for a long time.\n\n" * 4
    called = bench.text(f"{says}So:\n\n    >>> tree.prune(1)\n\nThe end.\n")
    other = bench.text(f"Push it.\n\n>>> tree.push(1)\n{says}")
    removed, split, rows = bench.curate()
    made = [r for r in rows if isinstance(r, Example)]
    assert [e.parts["text"] for e in made] == [f"{says}The end.\n"]  # type: ignore[call-overload]
    assert (removed[called.id].rule, split[other.id]) == ("held-out", TRAIN)
