"""Adapters of a domain's workloads: trained on its snapshot, each with its own settings, gate and name."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest

from flows.adapters import promote_adapter
from flows.batches import perform
from flows.evaluation import EVALUATE_PART, evaluate_key
from flows.experiments import run_experiments
from flows.house import House, open_house
from flows.merging import merge_adapters
from flows.preflight import check
from flows.run import show_plan
from flows.stages import STAGES, complete, finish, workload_decisions
from flows.training import train_key, trained
from registry.domain import Domain
from registry.domain_files import load_domain, with_table, workloads
from registry.errors import ConfigurationError
from registry.records import Snapshot, SnapshotRow, Work
from registry.settings import Settings
from registry.store import Store
from tests.finetune.lib_drift import sites
from tests.flows.test_training import TABLE, made, scrape

__all__ = ["made"]

WORKLOADS = """
[workload.same.gate]
alpha = 0.05
[workload.other.train]
base_settings = {{ path = "{other}", licences = ["MIT"], dtype = "bfloat16" }}
[workload.other.train.sft]
steps = 1
"""


@pytest.fixture
def house(made: Path, tmp_path: Path) -> Iterator[House]:
    """A curated domain with two workloads: one with another gate alone, one on another base."""
    bases = [shutil.copytree(made, tmp_path / name) for name in ("base", "other")]
    config = bases[1] / "tokenizer_config.json"
    config.write_text(config.read_text() + "\n")
    (tmp_path / "lib.toml").write_text(TABLE.format(path=bases[0]) + WORKLOADS.format(other=bases[1]))
    with closing(open_house(str(tmp_path / "lib.toml"), settings=Settings(home=tmp_path / "home"))) as opened:
        rows = sites(2, 1)
        snapshot = Snapshot(domain="lib", rows_sha256="0", filters={})
        work = Work(key="k", stage="curate", domain="lib", part="curate@1", outputs=1, result={"snapshot": snapshot.id})
        opened.append([*rows, *(SnapshotRow(snapshot=snapshot.id, example=r.id, split="train") for r in rows)])
        opened.append([snapshot, work])
        scrape(opened)
        yield opened


def let_through(house: House, *names: str) -> None:
    """The gate's decisions, as if it had been asked: publish for these."""
    for each in house.adapters:
        said = {"decision": "publish" if each.domain.name in names else "rejected", "reason": "So it is"}
        each.finish("evaluate", EVALUATE_PART, [evaluate_key(each)], [], time.monotonic(), said)


def test_each_workload_is_an_adapter_of_its_own(house: House) -> None:
    """One snapshot; a training, a decision and a name for each, also where a workload differs by its gate alone."""
    check(house, ["train", "publish"])
    assert perform(STAGES["train"], house) == 3
    assert perform(STAGES["train"], house) == 0
    names = [each.domain.name for each in house.adapters]
    assert names == ["lib", "lib-other", "lib-same"]
    runs = [trained(each) for each in house.adapters]
    assert len({run.id for run in runs}) == len({train_key(each) for each in house.adapters}) == 3
    assert len({run.snapshot for run in runs}) == 1
    assert [run.recipe.get("workload") for run in runs] == [None, "lib-other", "lib-same"]
    assert [run.recipe["sft"]["steps"] for run in runs] == ["2", "1", "2"]
    assert runs[0].base_revision == runs[2].base_revision != runs[1].base_revision
    let_through(house, "lib", "lib-same")
    assert perform(STAGES["publish"], house) == 2, "what the gate refuses isn't published beside what it lets through"
    store = Store(house.settings.registry_url)
    published = {name: store.versions(name) for name in names}
    assert [len(found) for found in published.values()] == [1, 0, 1]
    assert [published[name][0].run for name in ("lib", "lib-same")] == [runs[0].id, runs[2].id]
    assert finish(house) == complete(house) == "publish"
    assert workload_decisions(house) == {"lib-other": "rejected", "lib-same": "publish"}
    shutil.rmtree(Path(house.settings.registry_url, published["lib-same"][0].location))
    assert complete(house) is None, "a published folder that went is missed"


def test_workloads_open_nothing_of_their_own(house: House) -> None:
    """One lake and one sandbox for all adapters of a domain, whoever asks first: servers take memory and time."""
    own, first, second = house.adapters
    assert second.pool is own.pool is first.pool
    assert second.lake is own.lake is first.lake


def test_the_plan_tells_of_each_base(house: House, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """How each adapter's base would be loaded."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(house.settings.root))
    show_plan(house.reference, as_json=False)
    said = capsys.readouterr().out.replace("\n", " ")
    assert "The base of lib: " in said
    assert "The base of lib-other: " in said
    assert "other, bfloat16 on the CPU" in said


def test_the_built_in_base_is_not_asked_to_fill_gaps(house: House) -> None:
    """Its vocabulary is known to have no control tokens: that is said before anything is made."""
    train = {**house.domain.train.model_dump(), "base": "tiny", "base_settings": {}, "sft": {"mix": {"fim": 0.1}}}
    asked = dataclasses.replace(
        house, domain=with_table(house.domain.model_copy(update={"workload": {}}), "train", train)
    )
    with pytest.raises(ConfigurationError, match=r"The base tiny has no control tokens .* leave fim out of"):
        check(asked, ["train"])


def test_a_workload_is_not_called_as_a_domain(house: House) -> None:
    """Both would publish under one name."""
    Path(house.reference).with_name("lib-same.toml").touch()
    with pytest.raises(ConfigurationError, match=r"would be called lib-same, as that of .*lib-same\.toml is"):
        check(house, ["train"])


LIBRARY = '[[library]]\nname = "x"\nversions = ["1", "2"]\n'


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (f'name = "lib-same"\n{LIBRARY}', r"would be called lib-same, as that of .*zz\.toml is"),
        (f'name = "lib-o"\n{LIBRARY}[workload.ther]\n', None),
        (f'name = "li"\n{LIBRARY}[workload.b-same]\n', None),
        (f'name = "lib"\n{LIBRARY}[workload.same]\n', None),
        ("[[library]\n", None),
    ],
)
def test_names_are_held_against_what_other_files_say(house: House, other: str, said: str | None) -> None:
    """A file's name says little where it gives the domain another; one that can't be read is no hindrance."""
    Path(house.reference).with_name("zz.toml").write_text(other)
    if said is None:
        check(house, [])
    else:
        with pytest.raises(ConfigurationError, match=said):
            check(house, [])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ('name = "x"\n{}[workload.a-same]\n', r"would be called x-a-same, as that of .*two\.toml is"),
        ('name = "x"\n{}[workload.a]\n', r"of a workload in .*two\.toml would be called x-a"),
        ('name = "x"\n{}[workload.b]\n', None),
    ],
)
def test_adapters_of_two_domains_workloads_are_not_called_alike(other: str, said: str | None, tmp_path: Path) -> None:
    """`x-a` with `same` is `x` with `a-same`; nor is a domain called as another one's workload."""
    (tmp_path / "one.toml").write_text(f'name = "x-a"\n{LIBRARY}[workload.same]\n')
    (tmp_path / "two.toml").write_text(other.format(LIBRARY))
    opened = open_house(str(tmp_path / "one.toml"), settings=Settings(home=tmp_path / "home"))
    with pytest.raises(ConfigurationError, match=said) if said else nullcontext():
        check(opened, [])


def test_the_domain_of_a_workload_s_adapter_is_found(house: House, tmp_path: Path, monkeypatch: Any) -> None:
    """By the adapter's name, whatever else lies in `domains/`, and by the path of the domain's file; only it merges."""
    assert perform(STAGES["train"], house) == 3
    let_through(house, "lib", "lib-same")
    perform(STAGES["publish"], house)
    monkeypatch.setenv("DRIFTUNE_HOME", str(house.settings.root))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "domains").mkdir()
    shutil.copy(house.reference, "domains/lib.toml")
    Path("domains/a.toml").write_text("[[library]\n")
    Path("teams").mkdir()
    shutil.move("lib.toml", "teams/mine.toml")
    Path("teams/mine.toml").write_text('name = "lib"\n' + Path("teams/mine.toml").read_text())
    for reference in ("lib-same@v1", "teams/mine.toml:same@v1"):
        assert promote_adapter(reference, "stable", None, as_json=True) == 0
    with pytest.raises(ConfigurationError, match="lib-same: it is the adapter of a workload of lib"):
        merge_adapters(["lib-same@v1", "teams/mine.toml@v1"], "both", "cat", 0, [], as_json=True)


def test_an_experiment_asks_nothing_of_workloads(house: House, monkeypatch: Any) -> None:
    """It is of the domain's own adapter: what a workload lacks is no hindrance."""
    path = Path(house.reference)
    path.write_text(path.read_text().replace("steps = 1\n", "mix = 3\n"))
    monkeypatch.setenv("DRIFTUNE_HOME", str(house.settings.root))
    with pytest.raises(ConfigurationError, match="own run: give another"):
        run_experiments(house.reference, [], [], as_json=True)


def test_a_recipe_of_a_workload_that_can_not_be_is_told_with_its_name(house: House) -> None:
    """Else it would be looked for in the domain's own settings."""
    path = Path(house.reference)
    path.write_text(
        path.read_text().replace("[workload.other.train.sft]\nsteps = 1", "[workload.other.train.sft]\nmix = 3")
    )
    with pytest.raises(ConfigurationError, match=r"^Adapter lib-other: \[train.sft\] mix can't be 3"):
        check(open_house(house.reference, settings=house.settings), ["train"])


DOMAIN = {
    "name": "lib",
    "library": [{"name": "lib", "versions": ["1", "2"]}],
    "train": {"base": "folder", "base_settings": {"path": "/a"}, "sft": {"steps": 3, "mix": {"bug": 0.1}}},
}


def domain(**workload: Any) -> Domain:
    """A domain with one workload."""
    return Domain.model_validate({**DOMAIN, "workload": {"w": workload}})


def test_a_workload_says_what_differs() -> None:
    """Also within tables; another base has settings of its own; a domain without workloads has none."""
    [same] = workloads(domain(train={"sft": {"batch": 2}}, gate={"alpha": 0.01}))
    assert (same.name, same.train.base, same.gate.alpha) == ("lib-w", "folder", 0.01)
    assert dict(same.train.sft) == {"steps": 3, "mix": {"bug": 0.1}, "batch": 2}
    assert dict(same.train.base_settings) == {"path": "/a"}
    [other] = workloads(domain(train={"base": "tiny"}))
    assert dict(other.train.base_settings) == {}
    assert workloads(Domain.model_validate(DOMAIN)) == ()
    assert workloads(same) == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[workload.w.train]\nbatch = 3\n", "Workload w of lib: .*batch"),
        ("[workload.w.gate]\nalpha = 3\n", "Workload w of lib: .*alpha"),
        ("[workload.W]\n", "Workload W of lib: .*name"),
        ('[workload.""]\n', r"^/.*lib\.toml: Workload \"\" of lib: .*name"),
        ("[workload.-v1]\n", "Workload -v1 of lib: .*name"),
        ("[workload.w--v2]\n", "Workload w--v2 of lib: .*name"),
        ("[workload.w.sft]\nsteps = 3\n", "workload.w.* gate, train"),
        ("[workload.w.train]\nshuffle = true\n", "train.shuffle is no setting of a domain"),
    ],
)
def test_a_workload_that_can_not_be_is_told_when_the_domain_is_read(text: str, said: str, tmp_path: Path) -> None:
    """Before anything is done, with the workload's name."""
    path = tmp_path / "lib.toml"
    path.write_text('[[library]]\nname = "lib"\nversions = ["1", "2"]\n' + text)
    with pytest.raises(ConfigurationError, match=said):
        load_domain(str(path), {})
