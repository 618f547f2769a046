"""Docs in front of tasks: of the domain's target version, for the tasks about it, without what answers them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import flows.backends
from finetune.bases import BaseModel
from finetune.generation import ENDS_OF_A_BODY, Prompt, Writer, opened
from finetune.tasks import Drawn, Task, scores
from flows.bench import Asked, Bench
from flows.house import House, open_house
from flows.judge import Options
from flows.models import Model
from flows.scraping import scrape_key
from flows.task_docs import own_calls, task_docs
from flows.task_table import Summary, show
from flows.tasks import Request, evaluate_tasks
from flows.writing import writing
from registry.records import Page, Release, Snapshot, Symbol
from registry.settings import Settings
from tests.finetune.writing import prompt, task, write_tasks
from tests.flows.test_bench import no_tell
from validators.execution.pool import Pool

SAID = "Pairs of neighbours, for `double`.\n\n>>> list(m.pairwise([1, 2]))\n\n>>> m.pairwise('abc')\n"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A domain of more-itertools whose releases are scraped: a symbol and a guide that show two calls."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    (tmp_path / "more.toml").write_text(
        '[[library]]\nname = "more-itertools"\nversions = ["8.14.0", "10.8.0"]\n[gate]\npages = true\n'
    )
    with closing(open_house(str(tmp_path / "more.toml"), settings=Settings())) as house:
        for version in house.library.versions:
            release = Release(library="more-itertools", version=version, artifact_sha256=version, licence="MIT")
            page = Page(release=release.id, url="u", content_hash=version, kind="guide", path="g.md", markdown=SAID)
            symbol = Symbol(release=release.id, path="m.pairwise", kind="function", signature="(x)", doc=SAID)
            key = scrape_key(house, house.library.source[0], version)
            house.finish("scrape", "pypi@1", [key], [release, page, symbol], time.monotonic())
        yield house


def curated(house: House) -> House:
    """The same with a snapshot, of no rows."""
    snapshot = Snapshot(domain="more", rows_sha256="", filters={})
    house.finish("curate", "curate@1", ["k"], [snapshot], time.monotonic(), {"snapshot": snapshot.id})
    return house


def about(name: str, version: str | None = "10.8.0", **more: Any) -> Task:
    library = None if version is None else "More_Itertools"
    return Task(name, "def double(x):\n", "assert double(7) == 14", library=library, version=version, **more)


OWN = "    return m.pairwise([1, 2]) or len(x)\n"


def test_only_tasks_of_the_target_version_have_docs(house: House) -> None:
    """Other versions and no library: left out, and told; likewise why there are no such arms at all."""
    tasks = [about("new"), about("written", "==10.8"), about("old", "8.14.0"), about("none", None)]
    assert task_docs(None, tasks).told == ""
    assert task_docs(house, tasks).told.startswith("No arms with docs: No snapshot yet: run driftune curate more")
    found = task_docs(curated(house), tasks)
    assert found.tasks == {"new", "written"}
    assert found.told == (
        "Docs of more-itertools 10.8.0 stand in front of 2 tasks in the arms with docs; 2 about something else are "
        "left out there"
    )
    none = task_docs(house, tasks[2:])
    assert (none.docs, none.told) == (None, "No arms with docs: no task is about more-itertools 10.8.0")


def test_what_a_task_is_solved_by_is_cut(house: House) -> None:
    """Code that holds the own solution's call of the library goes, other code stays; so is nothing for other tasks'."""
    for solution, shown in ((OWN, False), ("    return 2 * x\n", True), ("    return (\n", True)):
        docs = task_docs(curated(house), [about("new", canonical_solution=solution)]).docs
        assert docs is not None
        front = docs.front("double pairwise neighbours", 10_000, len).text
        assert "Pairs of neighbours" in front and "m.pairwise('abc')" in front
        assert ("m.pairwise([1, 2])" in front) == shown
    other = task_docs(house, [about("new"), about("old", "8.14.0", canonical_solution=OWN)]).docs
    assert other is not None
    assert "m.pairwise([1, 2])" in other.front("double pairwise", 10_000, len).text


def test_calls_of_the_prompt_are_no_answer() -> None:
    """Of a solution only the library's calls are taken; those above it, in the prompt, stay in the docs."""
    asked = Task("t", "g = m.ring(3)\nreturned = ", "", canonical_solution="m.pairwise(m.ring(4), len(g))\n")
    assert set(own_calls([asked], ["pairwise", "ring"])) == {
        ("m.pairwise(m.ring(4), len(g))", "pairwise"), ("m.ring(4)", "ring"),
    }  # fmt: skip


def test_docs_reach_the_model_in_their_arm_alone(
    house: House, writing_model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same prompt, without and with docs in front; what is written begins with the prompt in both."""
    seen: list[str] = []

    class Watched(Writer):
        def write(self, prompts: Any, progress: Any = None) -> list[str]:
            seen.extend(one.text if isinstance(one, Prompt) else "" for one in prompts)
            return super().write(prompts, progress)

    monkeypatch.setattr(flows.backends, "Writer", Watched)
    docs = task_docs(curated(house), [about("new")]).docs
    begun = opened(prompt("double"))
    asked = [Asked(about("new"), arm, {}, begun, begun, stop=ENDS_OF_A_BODY) for arm in ("base", "base+docs")]
    with Pool(1) as pool, closing(Bench(tmp_path / "out", pool, Options(), no_tell)) as bench:
        made = writing(writing_model, Request(max_tokens=24).sampling, bench, docs=docs)(asked)
    assert seen[0] == begun
    assert seen[1].endswith(begun) and "Pairs of neighbours" in seen[1]
    assert made == [prompt("double") + "    return x + x\n\n"] * 2


@pytest.fixture
def writing_model(writing: BaseModel) -> Model:
    """A model that can write."""
    return Model("base", writing)


def test_pairs_of_arms_are_compared_over_the_tasks_both_have(capsys: pytest.CaptureFixture[str]) -> None:
    """Six tasks without docs, five with: the difference is over five, and the table says where tasks are left out."""
    drawn = [Drawn("base", str(n), 0, 0, "passed" if n == 5 else "failed") for n in range(6)]
    drawn += [Drawn("base+docs", str(n), 0, 0, "passed" if n else "failed") for n in range(5)]
    report = Summary(6, 1, (), tuple(scores(drawn, [1])), (), None, docs="Docs are told of")
    show(report, as_json=True)
    said = json.loads(capsys.readouterr().out)
    rows = {row["arm"]: (row["value"], row["n"], row["tasks"]) for row in said["metrics"]}
    assert rows == {"base": (1 / 6, 6, 6), "base+docs": (0.8, 5, 5), "base+docs-base": (0.8, 5, 5)}
    assert said["docs"] == "Docs are told of"
    show(report, as_json=False)
    table = capsys.readouterr().out
    assert "(5 tasks)" in table and "base+docs - base" in table and "Docs are told of" in table


@pytest.mark.slow
def test_arms_with_docs_end_to_end(
    house: House, writing: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Base and base+docs write for a task of the target version, base alone for another; nothing is done twice."""
    pinned = {"library": "more-itertools", "version": "10.8.0"}
    file = write_tasks(tmp_path / "tasks.jsonl", [task("double", **pinned), task("square")])
    curated(house)
    asked = Request(file, str(tmp_path / "more.toml"), writing.path, max_tokens=24, out=tmp_path / "out.jsonl")
    assert evaluate_tasks(asked, file, as_json=True) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["outcomes"] | {"control": None} == {
        "solution": {"passed": 2}, "control": None, "base": {"passed": 2}, "base+docs": {"passed": 1},
    }  # fmt: skip
    assert "stand in front of 1 tasks" in said["docs"]
    before = (tmp_path / "out.jsonl").read_bytes()
    assert evaluate_tasks(asked, file, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == said
    assert (tmp_path / "out.jsonl").read_bytes() == before
