"""`driftune prove`: what it refuses before anything is done, and the one command on a small real library."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer

from finetune import sizes
from finetune.bases import TinySettings
from finetune.row_metrics import WRITTEN
from flows.cli import app
from flows.house import open_house
from flows.prove import FEWEST, Request, affordable, check_memory, judging_apart, prove, trial_table
from flows.snapshots import HELD_OUT
from registry.errors import ConfigurationError
from registry.records import ARMS
from registry.settings import Settings
from tests.flows.runs import ROOT, driftune, query

HOW_TO = ROOT / "docs" / "how-to" / "prove.md"


def test_what_memory_does_not_hold_is_refused() -> None:
    """One line that names size, what it takes and what there is; where nobody knows what there is, it is tried."""
    check_memory("50m", "cpu", 2 << 30, 2 << 30)
    check_memory("50m", "cpu", 2 << 30, 0)
    with pytest.raises(ConfigurationError, match=r"size 150m takes about 3\.0 GiB, and the cuda has 2\.0: choose"):
        check_memory("150m", "cuda", 3 << 30, 2 << 30)


def test_minutes_are_steps_at_the_speed_that_was_measured() -> None:
    """So many steps as fit; fewer than a base can learn from are refused with the minutes that it takes."""
    base = TinySettings.of(sizes.SIZES["50m"])
    step = base.batch * base.context
    assert affordable("50m", 1, 10 * step, base) == 600
    with pytest.raises(ConfigurationError, match=rf"takes 10\.0 s a step here, and {FEWEST} .* set --minutes 3\.4"):
        affordable("50m", 3, step / 10, base)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": "7b"}, "No size '7b' of a base: set --base to one of tiny, 50m, 100m, 150m"),
        ({"phase": "learn"}, "No phase 'learn': set --phase to one of all, train, judge"),
    ],
)
def test_the_users_errors(options: dict[str, Any], said: str) -> None:
    """An unknown size or phase is told before the domain is opened."""
    with pytest.raises(ConfigurationError) as error:
        prove(dataclasses.replace(Request("nowhere"), **options), as_json=True)
    assert str(error.value) == said


def test_the_evaluation_of_a_proof_runs_no_program(tmp_path: Path) -> None:
    """Whatever the domain asks models to write: the machine that trains may have no sandbox. All else is asked."""
    path = tmp_path / "lib.toml"
    path.write_text('[[library]]\nname = "lib"\nversions = ["1", "2"]\n[gate]\nrows = 7\nwritten = 4\n')
    with closing(open_house(str(path), settings=Settings(home=tmp_path / "home"))) as house:
        asked = judging_apart(house).domain
        assert asked.gate.model_dump() == house.domain.gate.model_dump() | {"written": 0}
        assert asked.model_dump(exclude={"gate"}) == house.domain.model_dump(exclude={"gate"})


def test_a_trial_is_of_its_own_recipe_and_base(tmp_path: Path) -> None:
    """What is checked before anything is done is what will be trained, not what the domain's file says of its own."""
    path = tmp_path / "lib.toml"
    path.write_text('[[library]]\nname = "lib"\nversions = ["1", "2"]\n[train]\nbase = "hub"\nrecipe = ["sft", "rl"]\n')
    with closing(open_house(str(path), settings=Settings(home=tmp_path / "home"))) as house:
        asked = trial_table(house, Request("lib", "50m", settings=('recipe=["sft"]', "base_settings.steps=9")))
        assert (asked["base"], asked["recipe"]) == ("tiny", ["sft"])
        assert asked["base_settings"]["layers"] == sizes.SIZES["50m"]["layers"]
        assert asked["base_settings"]["steps"] == 9
        with pytest.raises(ConfigurationError, match=r"Both --minutes and --set base_settings\.steps say how long"):
            trial_table(house, Request("lib", "50m", 2.0, settings=("base_settings.steps=9",)))


def test_the_how_to_names_every_option_and_size() -> None:
    """Each option of the command, each size and each file stands in the how-to."""
    text = HOW_TO.read_text(encoding="utf-8")
    commands: Any = typer.main.get_command(app)
    options = [o for p in commands.commands["prove"].params if p.param_type_name == "option" for o in p.opts]
    assert {"--base", "--minutes", "--phase", "--package"} <= set(options)
    assert [option for option in options if not re.search(rf"{option}(?![\w-])", text)] == []
    assert [name for name in sizes.SIZES if f"`{name}`" not in text] == []


RUNS = "select count(*) filter (experiment) as trials, count(*) as runs from runs"


def files(home: Path) -> dict[str, tuple[int, str]]:
    """Name -> when it was written, and its text, of the files of the proof."""
    folder = home / "prove" / "more-itertools-tiny"
    return {path.name: (path.stat().st_mtime_ns, path.read_text()) for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_one_command_gives_the_table_and_does_nothing_twice(small_run: tuple[Path, Path], tmp_path: Path) -> None:
    """A table of four arms on three splits with pass@1 of real runs; judged apart it is the same, and again quick."""
    small, made = small_run
    domain = tmp_path / small.name
    domain.write_text(f"{small.read_text()}\n[gate]\nwritten = 1\n")
    home = Path(shutil.copytree(made, tmp_path / "home", symlinks=True))
    command = ("prove", str(domain), "--base", "tiny", "--package", "pluggy", "--package", "packaging")
    [ran] = query(home, RUNS)
    trained = driftune(home, *command, "--phase", "train")
    assert trained.returncode == 0, trained.stderr
    assert "not judged" in trained.stdout
    done = driftune(home, *command, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    shown = {(row["split"], row["metric"], row["arm"]) for row in found["measured"]}
    assert {(split, metric, arm) for split in HELD_OUT for metric in ("choice@1", "pass@1") for arm in ARMS} <= shown
    assert not {metric for _, metric, _ in shown} & {*WRITTEN}, "no program is run by the evaluation"
    assert {row["outcome"] for row in found["programs"]} <= {"passed", "failed", "error", "timeout"}
    assert found["decision"] in ("rejected", "undecided")
    packages = found["base"]["corpus"]["packages"]
    assert {p["name"] for p in packages} == {"packaging", "pluggy"}
    assert all(p["licence"] and p["size"] > 0 for p in packages)
    assert found["base"]["steps"] == 20
    assert found["base"]["tokens_per_second"] > 0
    [counted] = query(home, RUNS)
    assert counted == {name: count + 1 for name, count in ran.items()}

    before, table = files(home), files(home)["results.md"][1]
    again = driftune(home, *command)
    assert again.returncode == 0, again.stderr
    assert again.stdout.strip() == table.strip()
    after = files(home)
    assert {name: text for name, (_, text) in after.items()} == {name: text for name, (_, text) in before.items()}
    assert [after[name] for name in ("plan.json", "programs.jsonl", "verdicts.jsonl")] == [
        before[name] for name in ("plan.json", "programs.jsonl", "verdicts.jsonl")
    ]

    programs = home / "prove" / "more-itertools-tiny" / "programs.jsonl"
    programs.write_text(re.sub(r'"by": "\w+"', '"by": "another run"', before["programs.jsonl"][1]))
    assert driftune(home, *command).returncode == 0
    assert files(home)["programs.jsonl"][1] == before["programs.jsonl"][1], "those of another adapter aren't taken"
    other = driftune(home, *command[:4], "--package", "pluggy")
    assert other.returncode == 2
    assert "was begun with packages = ['pluggy', 'packaging'], and ['pluggy'] is asked for" in other.stderr
