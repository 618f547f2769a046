"""A person's judgement on a row: it comes before every rule, and finds what says the same."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from registry.records import Annotation, Example, Removal
from tests.validators.test_curation import NEW, OLD, SEEN, Bench
from validators.curation.curate import curate
from validators.curation.rejected import REJECTED, UNDONE, rejections

CODE = f"import lib\nvalues = [lib.{SEEN}(n) for n in range(3)]\ntotal = sum(values)\nr = total\n"
WHY = "It shows nothing"


def rules(bench: Bench, *rejected: Example) -> dict[str, str]:
    """Id -> rule of what a curation removes when these rows were rejected."""
    lot = replace(bench.lot(), rejections={row.id: WHY for row in rejected})
    removals = [r for r in curate(lot, "c") if isinstance(r, Removal)]
    assert all(r.detail.endswith(WHY) for r in removals if r.rule == REJECTED)
    return {r.example: r.rule for r in removals}


def test_a_rejected_row_is_out_and_nothing_else_is() -> None:
    """The row goes with the person's reason; a bug of the same code and another test stay."""
    bench = Bench()
    row = bench.test(CODE)
    bench.bug(CODE)
    bench.test(f"import lib\nr = lib.{SEEN}(7)\n")
    assert rules(bench) == {}
    assert rules(bench, row) == {row.id: REJECTED}


def test_a_judgement_comes_before_every_other_rule() -> None:
    """A row that is outdated, unproven or unlicensed as well is `rejected`: that is what a person said."""
    bench = Bench()
    broken = {"answer": bench.run(CODE, "failed"), "stub": bench.run("pass\n", "failed")}
    rows = [bench.add("test", broken, licence=None), bench.text("Of old.", releases=(OLD,))]
    assert set(rules(bench).values()) == {"unproven", "outdated"}
    assert rules(bench, *rows) == {row.id: REJECTED for row in rows}


def test_the_same_row_of_another_release_is_rejected_too() -> None:
    """A refresh gives a row another id (its release, page and root are others) and another layout: it stays out."""
    bench = Bench()
    row = bench.test(CODE, releases=(OLD,))
    bench.verdicts |= {(p, r): v for (p, _), v in bench.verdicts.items() for r in (OLD, NEW)}
    again = bench.test(CODE.replace("\n", "\n\n"), parents=("another page",), source_url="pypi://lib/2/x/a.py")
    assert again.id != row.id
    assert rules(bench, row) == {row.id: REJECTED, again.id: REJECTED}


def test_a_row_of_a_release_that_is_worked_on_no_more_is_still_rejected() -> None:
    """Two releases later the row that a person looked at is no candidate: what says the same, or near it, stays out."""
    bench, before = Bench(), Bench()
    looked_at = before.test(CODE, releases=("a release long ago",))
    again = bench.test(CODE.replace("\n", "\n\n"))
    near = bench.test(CODE.replace("values", "found").replace("total", "whole"))
    lot = replace(
        bench.lot(), programs=bench.programs | before.programs, rejections={looked_at.id: WHY}, looked_at=[looked_at]
    )
    removals = {r.example: r.rule for r in curate(lot, "c") if isinstance(r, Removal)}
    assert removals == {again.id: REJECTED, near.id: REJECTED}


def test_what_says_it_in_other_words_does_not_take_its_place() -> None:
    """Rows that were removed as near-duplicates of the rejected one, or it of them, don't come in for it."""
    bench = Bench()
    words = [CODE, CODE.replace("values", "found").replace("total", "whole")]
    rows = [bench.test(code) for code in words]
    assert sorted(rules(bench).values()) == ["near-duplicate"]
    for row in rows:
        assert rules(bench, row) == {other.id: REJECTED for other in rows}


def test_a_rejected_pair_takes_its_call_site_along() -> None:
    """All pairs of a site go with the rejected one, as a choice among fewer would be easier; other sites stay."""
    bench = Bench()
    pairs = [bench.site(SEEN, "lib/tests/a.py", 1, wrong) for wrong in ("old", "bad", "worse")]
    for wrong in ("old", "bad"):
        bench.site(SEEN, "lib/tests/a.py", 2, wrong)
    assert rules(bench, pairs[1]) == {pair.id: REJECTED for pair in pairs}


def test_what_was_taken_back_is_no_rejection() -> None:
    """Only judgements that stand count."""
    said = [
        Annotation(example=name, domain="d", verdict=verdict, why=name, at=dt.datetime.now(dt.UTC))
        for name, verdict in (("a", REJECTED), ("b", UNDONE))
    ]
    assert rejections(said) == {"a": "a"}
