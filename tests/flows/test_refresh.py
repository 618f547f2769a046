"""A whole run over a small real library: killed, repeated, doubled, and read while it writes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from flows.candidates import candidates
from flows.house import House, open_house
from flows.scraping import releases, scrape_key, scraped
from flows.stages import STAGES
from registry.identity import sha256_of_bytes
from registry.lake import Lake
from registry.records import Verdict
from tests.flows.runs import driftune, kill_when, query, start
from validators.parts import programs_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FOUR = {"DRIFTUNE_SANDBOX__WORKERS": "4"}
"""Processes that generate and validate."""

COUNTS = "select (select count(*) from examples) e, (select count(*) from verdicts) v, (select count(*) from runs) r"


@pytest.fixture(scope="module")
def finished(small_run: tuple[Path, Path]) -> tuple[Path, Path]:
    """The domain file and home of an undisturbed run by one process."""
    return small_run


def files(home: Path, table: str) -> int:
    """Files with rows that a table of the lake has."""
    return len(list((home / "lake" / table).glob("2*.parquet")))


def test_a_run_that_is_complete_changes_nothing_and_is_quick(finished: tuple[Path, Path]) -> None:
    """Run again, no row of examples, verdicts or runs is added, and it takes under 30 s."""
    domain, home = finished
    before = query(home, COUNTS)
    since = time.monotonic()
    done = driftune(home, "run", str(domain))
    assert time.monotonic() - since < 30
    assert done.returncode == 4
    assert "Nothing to do" in done.stdout
    assert query(home, COUNTS) == before


KILLS: dict[str, Callable[[Path], bool]] = {
    "scrape": lambda home: files(home, "releases") >= 1,
    "mine": lambda home: files(home, "examples") >= 1,
    "validate": lambda home: files(home, "verdicts") >= 2,
    "train": lambda home: any((home / "training").glob("*/sft/**/*.pt")) or any((home / "training").glob("*/*/*")),
}


READER = """
import duckdb, sys, time
views = ("lineage", "proofs", "funnel", "drift", "spend", "removals", "examples")
end = time.monotonic() + float(sys.argv[2])
reads = 0
while time.monotonic() < end:
    with duckdb.connect(sys.argv[1], read_only=True) as lake:
        for view in views:
            lake.sql(f"select count(*) from {view}").fetchall()
            reads += 1
print(reads)
"""


@dataclass(frozen=True)
class Killed:
    """A run that was killed in every stage and then came to its end while another process read.

    Attributes:
        home: Its home.
        exit_code: What the last command exited with.
        errors: What it wrote on standard error.
        reader: How the reading process ended.
    """

    home: Path
    exit_code: int
    errors: str
    reader: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def killed(finished: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """`kill -9` of four processes during scrape, mining, validation and training, each followed by the same command."""
    domain, _ = finished
    folder = tmp_path_factory.mktemp("killed")
    home = folder / "home"
    reader = None
    for ready in KILLS.values():
        run = start(home, "run", str(domain), **FOUR)
        if reader is None and (home / "driftune.duckdb").exists():
            command = [sys.executable, "-c", READER, str(home / "driftune.duckdb"), "60"]
            reader = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        kill_when(run, lambda ready=ready: ready(home))
    done = driftune(home, "run", str(domain), **FOUR)
    assert reader is not None
    out, err = reader.communicate(timeout=120)
    return Killed(home, done.returncode, done.stderr, subprocess.CompletedProcess("", reader.returncode, out, err))


def test_killed_in_any_stage_the_same_command_gives_the_same_lake(finished: tuple[Path, Path], killed: Killed) -> None:
    """Killed in any stage, the same command goes on: four processes come to the ids and digests of one undisturbed."""
    assert killed.exit_code == 4, killed.errors
    _, undisturbed = finished
    wanted = Lake(str(undisturbed / "lake"), undisturbed).fingerprint()
    found = Lake(str(killed.home / "lake"), killed.home).fingerprint()
    assert {t for t in wanted if wanted[t] != found[t]} == set()


def test_readers_are_never_locked_out_while_a_run_writes(killed: Killed) -> None:
    """From another process and folder a read-only connection answers every view while runs write and are killed."""
    assert killed.reader.returncode == 0, killed.reader.stderr
    assert int(killed.reader.stdout) >= 7


def test_a_second_run_of_a_domain_says_who_holds_it(finished: tuple[Path, Path], tmp_path: Path) -> None:
    """Two runs of one domain at once: the second ends at once, with exit code 2 and the holder's process id."""
    domain, _ = finished
    home = tmp_path / "home"
    first = start(home, "run", str(domain))
    try:
        lock = home / "locks" / "more-itertools.lock"
        end = time.monotonic() + 300
        while not (lock.exists() and f'"pid": {first.pid}' in lock.read_text()):
            assert time.monotonic() < end
            time.sleep(0.05)
        second = driftune(home, "run", str(domain))
    finally:
        first.kill()
        first.communicate()
    assert second.returncode == 2
    assert f"process {first.pid}" in second.stderr
    assert "wait for it to end" in second.stderr


def test_an_experiment_is_reported_and_changes_nothing_else(finished: tuple[Path, Path], tmp_path: Path) -> None:
    """Another seed has a run, scores and a report of its own; the domain's own run is still complete, and shown."""
    domain, home = finished
    shutil.copytree(home, tmp_path / "home")
    home = tmp_path / "home"
    before = driftune(home, "status", "--json")
    done = driftune(home, "experiment", str(domain), "--seed", "1", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["seed"] == 1
    assert found["decision"] == "undecided"
    runs = query(home, "select id, seed, experiment, seconds, cost from runs order by seed")
    assert [(r["seed"], r["experiment"]) for r in runs] == [(0, False), (1, True)]
    assert all(r["cost"] == pytest.approx(r["seconds"] * 36 / 3600) for r in runs)
    assert runs[1]["id"] == found["run"]
    assert query(home, f"select count(*) n from scores where run = '{found['run']}'")[0]["n"] > 0
    assert json.loads(driftune(home, "status", "--json").stdout)[0]["reason"] == json.loads(before.stdout)[0]["reason"]
    assert "Nothing to do" in driftune(home, "run", str(domain)).stdout
    page = tmp_path / "report.html"
    own = driftune(home, "report", str(domain), "--out", str(page))
    trial = driftune(home, "report", str(domain), "--out", str(page), "--run", found["run"])
    assert (own.returncode, trial.returncode) == (0, 0), own.stderr + trial.stderr
    assert "never published" in page.read_text()
    said = json.loads(driftune(home, "report", str(domain), "--json").stdout)
    assert (said["seed"], said["decision"], said["experiment"]) == (0, "undecided", False)
    assert "0 runs of" in driftune(home, "report", str(domain), "--run", "zz").stderr
    adopted = {"DRIFTUNE_TRAIN__SEED": "1"}
    assert driftune(home, "run", str(domain), **adopted).returncode == 4
    runs = query(home, "select seed, experiment from runs order by all")
    assert [(r["seed"], r["experiment"]) for r in runs] == [(0, False), (1, False), (1, True)]
    shuffled = driftune(home, "experiment", str(domain), "--set", "shuffle=true", "--seed", "1", "--json")
    assert shuffled.returncode == 0, shuffled.stderr
    [noise] = query(home, f"select * from runs where id = '{json.loads(shuffled.stdout)['run']}'")
    others = {r["adapter_sha256"] for r in query(home, f"select adapter_sha256 from runs where id <> '{noise['id']}'")}
    assert noise["experiment"] and noise["adapter_sha256"] not in others
    for wrong in (("--seed", "0"), ("--set", "sft.stepps=3")):
        refused = driftune(home, "experiment", str(domain), *wrong)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr


def other_docs(house: House, path: str, before: str, after: str) -> None:
    """The new release is scraped again, and one symbol's docstring says something else."""
    found = scraped(house, releases(house)[1])
    [symbol] = [s for s in found.symbols if s.path == path]
    assert before in symbol.doc
    release = replace(found.release, artifact_sha256="0" * 64)
    pages = {p.id: replace(p, release=release.id) for p in found.pages}
    text = pages[symbol.page or ""].markdown.replace(before, after)
    changed = replace(pages[symbol.page or ""], markdown=text, content_hash=sha256_of_bytes(text.encode()))
    pages[symbol.page or ""] = changed
    symbols = [replace(s, release=release.id, page=pages[s.page].id if s.page else None) for s in found.symbols]
    symbols = [replace(s, doc=s.doc.replace(before, after)) if s.path == path else s for s in symbols]
    key = scrape_key(house, house.library.source[0], house.library.versions[1])
    rows = [release, *pages.values(), *symbols]
    house.finish("scrape", "pypi", [key], rows, time.monotonic(), {"release": release.id})


def test_a_change_in_one_docstring_runs_only_what_hangs_on_it(
    finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another release file with one docstring changed: of all programs a few run, all made of its example."""
    domain, home = finished
    shutil.copytree(home, tmp_path / "home")
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    path, before = "more_itertools.more.chunked", "chunked([1, 2, 3, 4, 5, 6], 3)"
    with closing(open_house(str(domain))) as house:
        ran = {(v.program, v.environment) for v in house.lake.read(Verdict)}
        other_docs(house, path, before, before.replace("3)", "n=3)"))
        for stage in ("compare", "mine", "validate mined", "derive", "validate derived"):
            for batch in STAGES[stage](house):
                batch.run()
        again = {v.program for v in house.lake.read(Verdict) if (v.program, v.environment) not in ran}
        made = list(candidates(house).values())
    assert len(ran) > 1000
    assert 3 <= len(again) <= 40
    shown = {e.id for e in made if e.kind == "doc" and f":{path}#" in e.root}
    hanging = {e.id for e in made if shown & {e.id, *e.parents}}
    assert shown
    rest = [e for e in made if again & set(programs_of(e).values()) and e.id not in hanging]
    assert {str(e.operator).partition(":")[0] for e in rest} <= {"planted"}  # a call goes where the example took it in
    assert len({e.root for e in rest}) <= 2
