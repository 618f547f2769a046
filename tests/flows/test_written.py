"""What is seen of programs that models wrote, beside a lake with a library's symbols and training rows."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from finetune.tasks import Task
from flows.bench import SOLUTION, Sample
from flows.house import House, open_house
from flows.scraping import scrape_key
from flows.written import copies, counted
from registry.records import Example, Program, Release, Snapshot, SnapshotRow, Symbol

PROMPT = "import lib\n\n\ndef f(x):\n    "
BODY = "\n    box = lib.Box(x)\n" + "".join(f"    box.put({n}, at={n * 2})\n" for n in range(9)) + "    return box\n"
TASKS = {
    "new": Task("new", PROMPT, "", library="Lib", version="==2.0"),
    "old": Task("old", PROMPT, "", library="lib", version="1.0"),
    "other": Task("other", PROMPT, "", library="lib", version="3.0"),
    "none": Task("none", PROMPT, ""),
}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A domain of which both releases are scraped: `Box` came with the second; nothing is curated."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path))
    (tmp_path / "lib.toml").write_text('[[library]]\nname = "lib"\nversions = ["1.0", "2.0"]\n')
    house = open_house(str(tmp_path / "lib.toml"))
    for version, names in (("1.0", ["lib", "lib.Bin"]), ("2.0", ["lib", "lib.Box"])):
        release = Release(library="lib", version=version, artifact_sha256=version)
        kinds = {"lib": "module"}
        symbols = [Symbol(release=release.id, path=name, kind=kinds.get(name, "class")) for name in names]
        key = scrape_key(house, house.library.source[0], version)
        house.finish("scrape", "pypi@1", [key], [release, *symbols], time.monotonic())
    return house


def sample(task: str, written: str, arm: str = "adapter") -> Sample:
    return Sample(f"{task} {arm}", "failed", arm=arm, task=task, code=PROMPT.rstrip() + written)


def test_names_are_those_of_the_tasks_version(house: House) -> None:
    """The same program names what is there at one version and not at the other; elsewhere nothing is said."""
    found = counted([sample(task, BODY) for task in TASKS], TASKS, house)
    assert {one.task: (one.named, one.known) for one in found} == {
        "new": (1, 1), "old": (1, 0), "other": (0, 0), "none": (0, 0),
    }  # fmt: skip
    assert all((one.named, one.known) == (0, 0) for one in counted([sample("new", BODY)], TASKS, None))


def test_a_program_that_was_cut_off_counts_as_far_as_it_parses(house: House) -> None:
    """The names above the broken line count, those in it don't."""
    cut = "\n    y = lib.Box(x)\n    z = lib.nowhere()\n    return lib.other(y, ["
    (found,) = counted([sample("new", cut)], TASKS, house)
    assert (found.named, found.known) == (2, 1)


def test_copies_of_training_rows_are_named(house: House) -> None:
    """A program that says a row's code under another name is listed with page and licence; the tasks' own isn't."""
    rows = [sample("new", BODY.replace("box", "crate")), sample("new", "\n    return lib.Box(x)\n")]
    assert copies(rows, TASKS, house) == []
    program = Program(code=PROMPT.rstrip() + BODY, test="")
    row = Example(
        domain="lib", kind="test", releases=("r",), parts={"programs": {"answer": program.id}}, file="f", root="a",
        generator="g", generator_version="1", licence="MIT", source_url="pypi://lib/2.0/lib.whl/test_box.py",
    )  # fmt: skip
    snapshot = Snapshot(domain="lib", rows_sha256="1", filters={})
    kept = [program, row, snapshot, SnapshotRow(snapshot=snapshot.id, example=row.id, split="train")]
    house.finish("curate", "curate@1", ["key"], kept, time.monotonic(), {"snapshot": snapshot.id})
    (found,) = copies([*rows, sample("new", BODY, SOLUTION)], TASKS, house)
    assert (found.arm, found.task, found.row) == ("adapter", "new", row.id)
    assert (found.page, found.licence) == (row.source_url, "MIT")
    assert found.tokens >= 50
