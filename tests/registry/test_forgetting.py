"""`driftune forget`: nothing of it is left in any file, nothing else is lost, and it never comes back."""

from __future__ import annotations

import datetime as dt
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from registry.checks import Finding, findings
from registry.compaction import compact
from registry.errors import ConfigurationError
from registry.forgetting import Order, Trace, forget, orders, trace
from registry.lake import Lake
from registry.records import (
    Adapter,
    Change,
    Environment,
    Example,
    Forgotten,
    Page,
    Program,
    Record,
    Release,
    Removal,
    Run,
    Snapshot,
    SnapshotRow,
    Symbol,
    Verdict,
    Work,
)  # fmt: skip
from tests.registry.dying import DYING

SECRET = "the words of a.py"
A = "pypi://lib/2/lib-2-py3-none-any.whl/lib/a.py"
GPL = "GPL-3.0-only"


class World:
    """Two files at two releases, and all that is made of them; what came from `a.py` holds its words."""

    def __init__(self) -> None:
        self.releases = [Release(library="lib", version=v, artifact_sha256=v) for v in "12"]
        self.environment = Environment(python="3.11.7", requirements=(), settings={})
        self.pages = {
            (name, n): self.page(name, n, SECRET if name == "a" else "other words") for name in "ab" for n in (0, 1)
        }
        self.made: list[Record] = [*self.releases, self.environment, *self.pages.values()]
        self.programs = {name: self.program(name, SECRET if "a" in name.split() else "") for name in
                         ("a old", "a", "a bug", "b", "both", "a tried")}  # fmt: skip
        for (name, n), page in self.pages.items():
            doc = SECRET if name == "a" else ""
            self.made.append(
                Symbol(release=self.releases[n].id, path=f"lib.{name}", kind="function", doc=doc, page=page.id)
            )
        self.symbol = next(r for r in self.made if isinstance(r, Symbol))
        p = self.programs
        self.examples = {
            "a old": self.example("doc", {"answer": p["a old"]}, [self.pages["a", 0].id, self.symbol.id], 0),
            "a": self.example("doc", {"answer": p["a"], "stub": p["both"]}, [self.pages["a", 1].id], text=SECRET),
            "b": self.example("doc", {"answer": p["b"], "stub": p["both"]}, [self.pages["b", 1].id], "b"),
        }
        of = {name: e.id for name, e in self.examples.items()}
        self.examples |= {
            "bug of a": self.example("bug", {"fixed": p["a"], "buggy": p["a bug"]}, [of["a"]], "b"),
            "drift of both": self.example("drift", {"old": p["b"], "new": p["a"]}, [of["b"], of["a"]], "b"),
            "b quoting a": self.example("fim", {"whole": p["b"]}, [of["b"], self.pages["a", 1].id], "b", text=SECRET),
        }
        self.change = Change(
            old=self.releases[0].id, new=self.releases[1].id, symbol="lib.a", kind="signature",
            evidence=[{"source": "changelog", "text": SECRET}],
        )  # fmt: skip
        for name, prompt in (("drift quoting a note", f"Update: {SECRET}"), ("drift that quotes nothing", "Update")):
            self.examples[name] = replace(
                self.example("drift", {"old": p["b"], "new": p["both"]}, [of["b"]], "b", text=name),
                change=self.change.id, parts={"programs": {"old": p["b"].id, "new": p["both"].id}, "prompt": prompt},
            )  # fmt: skip
        self.examples["edit of that"] = self.example(
            "edit", {"after": p["b"]}, [self.examples["bug of a"].id], "b", text=SECRET
        )
        self.snapshots = [Snapshot(domain="d", rows_sha256=mark, filters={}) for mark in ("first", "second")]
        rows = [
            SnapshotRow(snapshot=self.snapshots[n].id, example=self.examples[e].id, split="train")
            for n, e in ((0, "a"), (0, "b"), (0, "bug of a"), (1, "b"))
        ]
        runs = [Run(snapshot=s.id, base="tiny", base_revision="r", recipe={}, seed=0, domain="d") for s in
                self.snapshots]  # fmt: skip
        self.adapters = [
            Adapter(domain="d", version=n + 1, files=(), library_range="lib>=2", base="tiny", base_revision="r",
                    fingerprint="f", snapshot=s.id, run=runs[n].id)
            for n, s in enumerate(self.snapshots)
        ]  # fmt: skip
        removal = Removal(example=self.examples["a old"].id, rule="unproven", curation="c", domain="d", detail=SECRET)
        self.made += [*self.examples.values(), self.change, *self.snapshots, *rows, *runs, *self.adapters, removal]
        self.made += [self.work("scrape", n, release=r.id) for n, r in enumerate(self.releases)]
        self.made += [self.work("scrape", "compare"), self.work("synth", "mine"), self.work("validate", "shard")]
        self.made += [self.work("curate", "c", snapshot=self.snapshots[1].id), self.work("synth", "of e", "e")]

    def page(self, name: str, n: int, text: str) -> Page:
        version = "12"[n]
        url = f"pypi://lib/{version}/lib-{version}-py3-none-any.whl/lib/{name}.py"
        licence = f"MIT AND {GPL}" if name == "a" else "MIT"
        return Page(release=self.releases[n].id, url=url, content_hash=text, kind="source", path=f"lib/{name}.py",
                    markdown=f"{text} {version}", licence=licence)  # fmt: skip

    def program(self, name: str, text: str) -> Program:
        program = Program(code=f"# {name} {text}\n", test="")
        output = SECRET if text else ""
        verdict = Verdict(program=program.id, environment=self.environment.id, harness="1", policy="k=2",
                          outcome="passed", proof="strong", output=output, detail=output)  # fmt: skip
        self.made += [program, verdict]
        return program

    def example(
        self, kind: str, programs: dict[str, Program], parents: list[str], file: Any = "a", text: str = ""
    ) -> Example:
        n, name = (0, "a") if file == 0 else (1, file)
        return Example(
            domain="d", kind=kind, releases=(self.releases[n].id,), file=name, root="r", generator="g",
            parts={"programs": {role: p.id for role, p in programs.items()}, "text": text}, generator_version="1",
            parents=tuple(parents), licence=self.pages[name, n].licence, source_url=self.pages[name, n].url,
        )  # fmt: skip

    def work(self, stage: str, key: Any, domain: str = "d", **result: str) -> Work:
        return Work(key=f"{stage} {key}", stage=stage, domain=domain, part="p@1", outputs=1, result=result)


WORLD = World()
STAY = {"b", "drift that quotes nothing"}


def opened(home: Path, run: str = "first") -> Lake:
    lake = Lake(str(home / "lake"), home, run)
    lake.create()
    return lake


def written(home: Path) -> Lake:
    made = opened(home)
    made.append(WORLD.made[::2])  # several files, some rows twice
    made.append(WORLD.made)
    return made


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return written(tmp_path)


def carried_out(lake: Lake, what: str) -> Trace:
    order = Order(what)
    found = trace(lake, order)
    forget(lake, order, found, by="someone")
    return found


def references(lake: Lake) -> list[Finding]:
    return [f for f in findings(lake) if f.check == "references"]


@dataclass(frozen=True)
class Done:
    """A lake that forgot a source, what that took, and what was wrong with it before."""

    lake: Lake
    found: Trace
    wrong: list[Finding]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    lake = written(tmp_path_factory.mktemp("done"))
    wrong = references(lake)
    assert words_left(lake)
    return Done(lake, carried_out(lake, A), wrong)


def names(lake: Lake) -> set[str]:
    """The examples that are there, by their names in this world."""
    there = {e.id for e in lake.read(Example)}
    return {name for name, e in WORLD.examples.items() if e.id in there}


def words_left(lake: Lake) -> list[str]:
    """Every file below the lake's home in which the words still stand, as it is or as Parquet."""
    found = []
    for path in (p for p in lake.home.rglob("*") if p.is_file()):
        rows = str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else ""
        if SECRET in rows or SECRET.encode() in path.read_bytes():
            found.append(str(path))
    return found


def test_everything_that_came_from_a_source_goes_out_of_every_file(done: Done) -> None:
    """Pages of all versions, symbols, what was made in any number of steps: no file holds its words any more."""
    assert words_left(done.lake) == []
    assert names(done.lake) == STAY
    assert {p.path for p in done.lake.read(Page)} == {"lib/b.py"}
    assert {s.path for s in done.lake.read(Symbol)} == {"lib.b"}


def test_everything_under_a_licence_goes(lake: Lake) -> None:
    """What stands under an expression that names the licence goes in the same way."""
    carried_out(lake, GPL)
    assert words_left(lake) == []
    assert names(lake) == STAY


def test_nothing_else_is_lost(done: Done) -> None:
    """Other rows, their programs (also those shared with forgotten rows) and verdicts are what they were."""
    kept = {WORLD.programs[name].id for name in ("b", "both")}
    assert {p.id for p in done.lake.read(Program)} == kept
    assert {v.program for v in done.lake.read(Verdict)} == kept
    assert len(done.lake.read(Release)) == 2
    assert len(done.lake.read(SnapshotRow)) == 4
    assert done.lake.query("SELECT count(*) AS n FROM examples").to_pylist() == [{"n": 2}]


def test_snapshots_and_adapters_that_hold_some_are_named(done: Done) -> None:
    """The first snapshot holds two of its rows, and the first adapter was trained on it; the second ones are clean."""
    assert [(s.id, n) for s, n in done.found.snapshots] == [(WORLD.snapshots[0].id, 2)]
    assert [a.version for a in done.found.adapters] == [1]
    [written] = done.lake.read(Forgotten)
    assert written.snapshots == (WORLD.snapshots[0].id,)
    assert written.adapters == (WORLD.adapters[0].id,)
    gone = done.lake.query("SELECT DISTINCT what FROM forgotten_rows WHERE \"table\" = 'examples'").to_pylist()
    assert gone == [{"what": "pypi://lib/*/*/lib/a.py"}]


def test_what_was_found_by_reading_all_pages_is_found_anew(done: Done) -> None:
    """Changes, rows that quote them, the memory of comparing and of synthesis go, for its domains; scraping is done."""
    assert WORLD.examples["drift quoting a note"].id not in done.found.rows["examples"]
    assert done.lake.read(Change) == []
    left = {w.key for w in done.lake.read(Work)}
    assert left == {"scrape 0", "scrape 1", "validate shard", "curate c", "synth of e"}


def test_domains_that_share_the_releases_are_made_anew_too(lake: Lake) -> None:
    """A domain that scraped nothing itself: its rows that quote a note go, so its comparison and synthesis go too."""
    quoting = replace(WORLD.examples["drift quoting a note"], domain="other")
    done = [WORLD.work("synth", "of other", "other"), WORLD.work("scrape", "comparison by other", "other")]
    lake.append([quoting, *done])
    found = carried_out(lake, A)
    assert found.domains == ("d", "other")
    assert quoting.id in found.again["examples"]
    assert not {w.id for w in lake.read(Work)} & {w.id for w in done}


def test_a_comparison_is_made_anew_whoever_made_it(lake: Lake) -> None:
    """Also by a domain that scraped none of the releases, and has no rows: the changes that it found are gone."""
    comparison = WORLD.work("scrape", "comparison by third", "third")
    lake.append([comparison])
    assert carried_out(lake, A).domains == ("d",)
    assert comparison.id not in {w.id for w in lake.read(Work)}


def test_what_other_domains_tried_stays(lake: Lake) -> None:
    """A program that no row names stays, with its verdict, where only a domain without the source ran it."""
    environment = Environment(python="3.12.1", requirements=(), settings={})
    program = Program(code="tried elsewhere", test="")
    verdict = Verdict(program=program.id, environment=environment.id, harness="1", policy="k=2", outcome="failed",
                      proof="none")  # fmt: skip
    shard = WORLD.work("validate", "shard of e", "e", environment=environment.id)
    lake.append([environment, program, verdict, shard])
    found = carried_out(lake, A)
    assert program.id not in found.rows["programs"]
    assert program.id in {p.id for p in lake.read(Program)}
    assert verdict.id in {v.id for v in lake.read(Verdict)}


def test_a_lake_that_forgot_is_in_order(done: Done) -> None:
    """`driftune check` does not take ids of forgotten rows for broken references."""
    assert references(done.lake) == done.wrong


def test_a_second_time_there_is_nothing_to_do(done: Done) -> None:
    """The same order again changes nothing, and remembers what it took the first time."""
    before, [first] = done.lake.fingerprint(), done.lake.read(Forgotten)
    assert not carried_out(done.lake, A).rows
    assert done.lake.fingerprint() == before
    assert done.lake.read(Forgotten) == [first]


def test_what_comes_back_goes_again_and_replaced_files_are_cleared(lake: Lake) -> None:
    """Files that a compaction keeps for queries are cleared; rows that come by another way go by the same order."""
    compact(lake)
    lake.append([WORLD.programs["a tried"]])
    carried_out(lake, A)
    assert words_left(lake) == []
    [first] = lake.read(Forgotten)
    lake.append([WORLD.pages["a", 1], WORLD.examples["a"], WORLD.programs["a"]])
    assert set(carried_out(lake, A).rows) == {"pages", "examples", "programs"}
    assert words_left(lake) == []
    assert lake.read(Forgotten)[0].rows == first.rows
    assert names(lake) == STAY


def test_an_order_that_did_not_end_is_found(lake: Lake) -> None:
    """`driftune check` says what an order has yet to take, also after a compaction has copied it on, and what to do."""
    lake.append([Forgotten(what=Order(A).what, rows={}, snapshots=(), adapters=(), by="someone")])  # killed then
    compact(lake)
    [order] = lake.read(Forgotten)
    [found] = [f for f in findings(lake) if f.check == "forgotten"]
    assert found.where == order.what
    assert found.rows == sum(map(len, trace(lake, Order(A)).rows.values()))
    command = shlex.split(found.detail.partition(": driftune ")[2])
    assert command[0] == "forget"
    carried_out(lake, command[1])
    assert [f for f in findings(lake) if f.check == "forgotten"] == []
    assert names(lake) == STAY


def test_a_clock_that_goes_ahead_holds_no_order_off(lake: Lake) -> None:
    """Files that were replaced at a time that is still to come, by another machine's clock, are cleared as well."""
    compact(lake)
    state = lake.files.generations()
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat()
    lake.files.set_generations(replace(state, retired=tuple(replace(r, at=later) for r in state.retired)))
    carried_out(lake, A)
    assert words_left(lake) == []
    assert names(lake) == STAY


@pytest.mark.parametrize(
    ("what", "url", "licence", "takes"),
    [
        ("pypi://lib", A, None, True),
        ("pypi://lib/", A, None, True),
        ("pypi://li", A, None, False),
        ("pypi://lib/2", A, None, True),
        ("pypi://lib/1", A, None, False),
        ("pypi://lib/1/lib-1.tar.gz/lib/a.py", A, None, True),
        ("pypi://lib/1/lib-1.tar.gz/lib", A, None, True),
        ("pypi://lib/*/*/lib/*.py", A, None, True),
        ("pypi://lib/*/*/*.py", A, None, False),
        ("https://docs.x/*/api", "https://docs.x/2.1/api/f.html", None, True),
        ("https://docs.x/*/api", "https://docs.x/2.1/api.html", None, False),
        ("https://docs.x/a.html", "https://docs.x/a.html#f", None, True),
        ("https://docs.x/a.html", "https://docs.x/a_html", None, False),
        (GPL, A, GPL, True),
        ("gpl-3.0-ONLY", A, GPL, True),
        ("GPL-3.0*", A, "MIT AND GPL-3.0-or-later", True),
        (GPL, A, f"MIT OR {GPL}", True),
        ("Classpath-exception-2.0", A, "GPL-2.0-only WITH Classpath-exception-2.0", True),
        (GPL, A, "AGPL-3.0-only", False),
        (GPL, A, "MIT AND", False),
        (GPL, A, None, False),
    ],
)
def test_an_order_takes_what_it_says(what: str, url: str, licence: str | None, takes: bool) -> None:
    """An address takes what is below it, a package's file in every version; a licence what names it in any way."""
    assert Order(what).takes(url, licence) is takes


@pytest.mark.parametrize("what", ["", "networkx", "GPL-9.9", "lib/a.py"])
def test_what_is_neither_is_the_users_error(what: str) -> None:
    """A text that is no address and no SPDX id is refused: a slip of the pen would forget nothing, and say so."""
    with pytest.raises(ConfigurationError, match="no source and no licence"):
        Order(what)


def test_an_order_is_remembered(lake: Lake) -> None:
    """Also one of which the lake holds nothing: it bars what comes."""
    order = Order("https://docs.x")
    forget(lake, order, trace(lake, order), by="someone")
    assert [o.takes("https://docs.x/a.html", None) for o in orders(lake)] == [True]
    assert len(names(lake)) == len(WORLD.examples)


KILLED = (
    DYING
    + """
from registry.forgetting import Order, forget, trace
lake = Lake(str(home / "lake"), home, "forget")
lake.create()
lake.files.fs.rm_file = step(lake.files.fs.rm_file)
order = Order(sys.argv[3])
forget(lake, order, trace(lake, order), by="someone")
"""
)
"""An order carried out in a process that kills itself at its nth change of the disk."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_at_any_moment_the_same_order_goes_on(lake: Lake) -> None:
    """Killed five times, each time at a later change of the disk, it ends as if it had never been killed."""
    for last in (3, 14, 27, 40, 53, 0):
        command = [sys.executable, "-c", KILLED, str(lake.home), str(last), A]
        ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True)
        assert ended.returncode == (-9 if last else 0), ended.stderr
        assert names(lake) >= STAY
    assert words_left(lake) == []
    assert names(lake) == STAY
    [written] = lake.read(Forgotten)
    assert len(written.rows["examples"]) == len(WORLD.examples) - len(STAY)
    assert len(lake.read(Release)) == 2
