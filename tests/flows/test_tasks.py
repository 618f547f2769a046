"""`driftune evaluate --tasks`: models write, the sandbox judges, and nothing is done twice."""

from __future__ import annotations

import dataclasses
import doctest
import json
import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer

from finetune.bases import BaseModel, TinyBase
from finetune.chain import Chain
from finetune.tasks import GENERAL, Task
from flows import models
from flows.bench import Bench
from flows.cli import app
from flows.judge import Options
from flows.tasks import Request, drawn_of, evaluate, evaluate_tasks, tasks_of
from registry.errors import ConfigurationError, WrongBaseError
from registry.store import Publication, Store
from tests.finetune.writing import BODIES, RIGHT, SETTINGS, learned, prompt, task, taught, write_tasks, writing_base
from tests.flows.runs import ROOT, driftune
from tests.flows.test_bench import no_tell
from validators.execution.pool import Pool


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder that keeps environments."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTUNE_HOME", str(home))


def evaluated(capsys: pytest.CaptureFixture[str], file: Path, **options: Any) -> tuple[int, dict[str, Any]]:
    """Exit code and printed object of an evaluation."""
    code = evaluate_tasks(Request(file, max_tokens=24, **options), file, as_json=True)
    return code, json.loads(capsys.readouterr().out)


def metric(said: dict[str, Any], name: str, arm: str = "base") -> dict[str, Any]:
    return next(row for row in said["metrics"] if (row["metric"], row["arm"]) == (name, arm))


def test_pass_at_1_of_what_a_model_really_writes(
    writing: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that knows six functions of seven by heart passes these six, judged in the sandbox."""
    broken = task("triple", canonical_solution="    return None\n")
    file = write_tasks(tmp_path / "tasks.jsonl", [*map(task, BODIES), broken])
    code, said = evaluated(capsys, file, base=writing.path, out=tmp_path / "out.jsonl")
    assert code == 0
    assert metric(said, "pass@1")["value"] == pytest.approx(6 / 7)
    assert said["outcomes"] == {
        "solution": {"failed": 1, "passed": 6}, "control": {"failed": 7}, "base": {"failed": 1, "passed": 6},
    }  # fmt: skip
    assert list(said["own_solution_fails"]) == ["own/triple"]
    assert said["passed_by_proof"] == {"solution": {"strong": 6}, "base": {"strong": 6}}
    assert [key for key in said if f"`{key}`" not in HOW_TO.read_text(encoding="utf-8") and key != "out"] == []
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    written = {line["task"]: line for line in lines if line["arm"] == "base"}
    assert written["own/square"]["code"].strip() == prompt("square") + "    return x * x"
    assert (written["own/square"]["outcome"], written["own/square"]["proof"]) == ("passed", "strong")


def test_pass_at_k_of_several_samples(writing: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Warm samples differ; pass@4 is above pass@1, and both are what the results' lines come to."""
    file, out = write_tasks(tmp_path / "tasks.jsonl", map(task, BODIES)), tmp_path / "out.jsonl"
    warm = {"samples": 4, "ks": (1, 4), "temperature": 2.2}
    _, said = evaluated(capsys, file, base=writing.path, out=out, **warm)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    passed = [line["task"] for line in lines if line["arm"] == "base" and line["outcome"] == "passed"]
    assert metric(said, "pass@1")["value"] == pytest.approx(len(passed) / 24)
    assert metric(said, "pass@4")["value"] == pytest.approx(len(set(passed)) / 6)
    assert 0 < len(passed) < 24


def test_what_is_done_is_not_done_again(
    writing: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped half-way with a torn line, it goes on to the same lines; finished, no model is loaded any more."""
    file, out = write_tasks(tmp_path / "tasks.jsonl", map(task, BODIES)), tmp_path / "out.jsonl"
    warm = {"samples": 2, "temperature": 1.0, "base": writing.path, "out": out}
    first = evaluated(capsys, file, **warm)
    whole = out.read_text()
    lines = whole.splitlines(keepends=True)
    out.write_text("".join(lines[:11]) + lines[11][:30])
    assert evaluated(capsys, file, **warm) == first
    assert told(out.read_text()) == told(whole)

    def refuse(self: object) -> None:
        raise AssertionError("loaded a model")

    monkeypatch.setattr(models.Model, "load", refuse)
    before = out.read_bytes()
    assert evaluated(capsys, file, **warm) == first
    assert out.read_bytes() == before
    with pytest.raises(AssertionError, match="loaded a model"):
        evaluated(capsys, file, **{**warm, "seed": 1})


def told(text: str) -> set[tuple[str, str, str]]:
    """What lines say that does not change from run to run."""
    return {(said["id"], said["code"], said["outcome"]) for said in map(json.loads, text.splitlines())}


@pytest.mark.slow
def test_each_task_runs_in_its_own_environment(
    writing: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A library stands there at the task's version and nowhere else; one that can't be had is not counted."""
    see = "import importlib.metadata\nassert importlib.metadata.version('more-itertools') == '10.8.0'\n"
    pinned = {"library": "more-itertools", "version": "10.8.0"}
    asked = [
        task("double", **pinned, test=see + "assert double(7) == 14\n"),
        task("square", test="import importlib.util\nassert importlib.util.find_spec('more_itertools') is None\n"),
        task("halve", library="driftune-there-is-no-such-thing", version="1.0"),
    ]
    code, said = evaluated(capsys, write_tasks(tmp_path / "tasks.jsonl", asked), base=writing.path)
    assert code == 3
    shares = {"passed": 2, "unavailable": 1}
    assert said["outcomes"] == {"solution": shares, "control": {**shares, "failed": 1, "passed": 1}, "base": shares}
    assert said["passed_by_nothing"] == ["own/square"]
    assert (metric(said, "pass@1")["value"], metric(said, "pass@1")["tasks"]) == (1.0, 2)


def test_feedback_repairs_what_a_model_first_gets_wrong(
    writing: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that has learned to correct itself passes in its second turn, and repair@2 says so."""
    file, out = write_tasks(tmp_path / "tasks.jsonl", map(task, ("triple", "double"))), tmp_path / "out.jsonl"
    _, said = evaluated(capsys, file, base=writing.path, rounds=2, out=out)
    assert metric(said, "pass@1")["value"] == 0.5
    assert metric(said, "repair@2")["value"] == 1.0
    turns = [json.loads(line) for line in out.read_text().splitlines() if '"turn": 1' in line]
    assert [turn["code"].strip() for turn in turns] == [prompt("triple") + f"    {RIGHT}"]
    assert evaluated(capsys, file, base=writing.path, rounds=2, out=out)[1] == said


def test_a_tuned_model_is_asked_in_its_template(
    writing: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --chat what the template makes of the question is shown; without a template it is one clear line."""
    file = write_tasks(tmp_path / "tasks.jsonl", map(task, BODIES))
    with pytest.raises(ConfigurationError, match="The base has no chat template"):
        evaluated(capsys, file, base=writing.path, chat=True)
    tuned = tmp_path / "tuned"
    shutil.copytree(writing.path, tuned)
    code = "messages[0].content.split('```python\n')[1].split('\n```')[0]"
    # this model's words are control tokens, which a message's text is kept from being (`finetune.forms`): put back
    shown = "{{ bos_token }}{{ " + code + ".replace('\U0010fffd', '') }}"
    (tuned / "chat_template.jinja").write_text(shown)
    _, said = evaluated(capsys, file, base=tuned, chat=True, out=tmp_path / "out.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    written = {line["task"]: line["code"] for line in lines if line["arm"] == "base"}
    assert written["own/square"].startswith(prompt("square") + "    return x * x\n")
    assert said["outcomes"]["base"].get("unavailable", 0) == 0


def test_a_table_for_people(writing: BaseModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --json: the metrics with their intervals, how many ran, and which own solutions fail."""
    broken = task("triple", canonical_solution="    return None\n")
    file = write_tasks(tmp_path / "tasks.jsonl", [*map(task, BODIES), broken])
    assert evaluate_tasks(Request(file, base=writing.path, max_tokens=24), file, as_json=False) == 0
    said = capsys.readouterr().out
    assert re.search(r"pass@1 +0\.857 \[0\.421, 0\.996\]", said)
    assert "7 tasks, 1 samples of each" in said
    assert "The own solution of own/triple does not pass" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ks": (5,), "samples": 2}, "pass@5 needs as many samples of a task: set --samples 5"),
        ({"samples": 3, "temperature": 0.0}, "All 3 samples of a task are the same at --temperature 0"),
        ({}, "No model is named: name a domain, an adapter with --adapter, or a folder with --base"),
        ({"base": Path("nowhere")}, "No model in nowhere: name the folder of one, with its config.json"),
        ({"adapter": "nobody@stable"}, "nobody"),
    ],
)
def test_the_users_errors(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    """What options ask for that can't be is one line, before anything is written."""
    file = write_tasks(tmp_path / "tasks.jsonl", [task("double")])
    with pytest.raises(ConfigurationError) as error:
        evaluate_tasks(Request(file, **options), file, as_json=True)
    assert said in str(error.value)


def test_a_bad_task_is_one_line_and_exit_2(home: Path, tmp_path: Path) -> None:
    """On the command line: the line of the file, what is wrong, no traceback; what only the sandbox knows too."""
    file = write_tasks(tmp_path / "tasks.jsonl", [task("double"), {"task_id": 1, "prompt": "x"}])
    done = driftune(home, "evaluate", "--tasks", str(file), "--base", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == f"driftune: Line 2 of {file} is no valid task: test must be a string, and is missing\n"
    write_tasks(file, [task("double", requirements=["-r x"])])
    with pytest.raises(ConfigurationError, match="is no valid task: requirements must be names"):
        tasks_of(file)


def test_a_test_that_checks_nothing_is_refused(tmp_path: Path) -> None:
    """Where `check` is defined and nothing calls it, every program would pass; named as entry point it is called."""
    asked = task("double")
    write_tasks(tmp_path / "good.jsonl", [asked, {**asked, "task_id": 2, "entry_point": None, "test": CALLED}])
    assert len(tasks_of(tmp_path / "good.jsonl")) == 2
    two = asked["test"].replace("(candidate)", "(candidate, more)")
    for wrong in ({**asked, "entry_point": None}, {**asked, "test": two}):
        with pytest.raises(ConfigurationError, match="its test defines check and never calls it"):
            tasks_of(write_tasks(tmp_path / "bad.jsonl", [wrong]))


CALLED = "def check(candidate):\n    assert candidate(7) == 14\n\ncheck(double)\n"


def test_without_tasks_a_domain_is_meant() -> None:
    """Options about tasks are refused without tasks, and something must be named."""
    for request in (Request(domain="networkx", ks=(3,)), Request(domain="networkx", adapter="a@stable")):
        with pytest.raises(ConfigurationError, match="Without --tasks FILE only a domain can be named"):
            evaluate(request, as_json=False)
    with pytest.raises(ConfigurationError, match="Nothing to evaluate: name a domain"):
        evaluate(Request(), as_json=False)


HOW_TO = ROOT / "docs" / "how-to" / "tasks.md"

CHAMELEON = {
    "example_id": "9",
    "python_version": "3.11",
    "library": "more-itertools",
    "version": "10.8.0",
    "additional_dependencies": "-",
    "problem": "Give back twice\nwhat is given.",
    "starting_code": "def double(x):\n   return ",
    "solution": "x + x",
    "test": "assert double(7) == 14",
}


def test_the_recipe_for_gitchameleon(tmp_path: Path) -> None:
    """The how-to's recipe makes tasks of rows in that form: library, version, Python, problem and solution arrive."""
    (tmp_path / "dataset.jsonl").write_text(json.dumps(CHAMELEON) + "\n")
    (recipe,) = re.findall(r"^```python\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.M | re.S)
    subprocess.run([sys.executable, "-c", recipe], cwd=tmp_path, check=True)
    (found,) = tasks_of(tmp_path / "gitchameleon.jsonl")
    assert (found.id, found.python, found.needs) == ("9", "3.11", ("more-itertools==10.8.0",))
    assert found.prompt.endswith("def double(x):\n   return ")
    assert "# Give back twice\n# what is given.\n" in found.prompt
    assert f"{found.prompt}{found.canonical_solution}".endswith("def double(x):\n   return x + x")


def test_the_how_to_lists_every_field_and_option() -> None:
    """Every field of a task, every metric and every option stands in the how-to."""
    text = HOW_TO.read_text(encoding="utf-8")
    table = set(re.findall(r"`([^`]+)`", "".join(re.findall(r"^\|([^|]+)\|", text, re.M))))
    fields = {"task_id" if one.name == "id" else one.name for one in dataclasses.fields(Task)}
    assert fields | {"pass@k", "repair@n", "names"} <= table
    commands: Any = typer.main.get_command(app)
    params = commands.commands["evaluate"].params
    options = [option for one in params if one.param_type_name == "option" for option in one.opts]
    assert "--tasks" in options
    assert [option for option in options if not re.search(rf"{option}(?![\w-])", text)] == []


@pytest.mark.slow
def test_an_adapter_from_the_registry_is_held_against_its_base(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An adapter that was taught one more function gains on it; its base is found by fingerprint, another refused."""
    base = writing_base(home / "bases")
    names = [*BODIES, "triple"]
    table = {"learning_rate": 1e-2, "batch": 8, "steps": 35, "max_tokens": 64, "replay": 0.0}
    recipe = Chain.of({"recipe": ["sft"], "lora": {"rank": 8, "alpha": 16}, "sft": table})
    rows = [taught(name, BODIES.get(name, RIGHT)) for name in names]
    folder = recipe.train(base, rows, [], tmp_path / "work", threads=1)["sft"].folder
    about = Publication(
        domain="own", library_range="own>=1", base=base.name, base_revision=base.revision,
        fingerprint=base.fingerprint, snapshot="s", run="r",
    )  # fmt: skip
    Store(home / "registry").publish(folder, about)
    file = write_tasks(tmp_path / "tasks.jsonl", map(task, names))
    code, said = evaluated(capsys, file, adapter="own@stable")
    assert code == 0
    known = metric(said, "pass@1")["value"]
    assert 0.5 < known < 0.9, "most of what it learned, which differs by a function from one kind of CPU to another"
    assert metric(said, "pass@1", "adapter")["value"] == 1.0
    gained = metric(said, "pass@1", "adapter-base")
    assert gained["value"] == pytest.approx(1 - known)
    assert gained["p"] > 0.025, "one or two tasks of seven are no proof"
    other = TinyBase(learned()).prepare(learned(), {**SETTINGS, "steps": 2}, tmp_path / "bases")
    with pytest.raises(WrongBaseError, match=base.fingerprint):
        evaluate_tasks(Request(file, adapter="own@stable", base=other.path), file, as_json=True)


def test_the_tasks_that_driftune_brings_can_be_passed_and_failed(tmp_path: Path) -> None:
    """Each own solution passes in the sandbox by strong proof, the shown examples hold, and doing nothing fails."""
    tasks = tasks_of(Path(GENERAL))
    assert len({one.id for one in tasks}) == len(tasks) == 40
    with Pool() as pool, closing(Bench(tmp_path / "out", pool, Options(), no_tell)) as bench:
        found = list(drawn_of(bench, tasks, [], Request()))
    by = {(one.arm, one.task): (one.outcome, one.proof) for one in found}
    assert [one.id for one in tasks if by["solution", one.id] != ("passed", "strong")] == []
    assert [one.id for one in tasks if by["control", one.id][0] != "failed"] == []
    for one in tasks:
        names: dict[str, Any] = {}
        exec(f"{one.prompt}{one.canonical_solution}", names)
        (shown,) = doctest.DocTestFinder().find(names[str(one.entry_point)], one.id, False, globs=names)
        assert shown.examples
        for example in shown.examples:
            assert eval(example.source, names) == eval(example.want, names)
