"""Which base a domain may stand on: its licence is held against the domain's list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.bases import check_licence, replayed
from flows.house import House, open_house
from flows.making import base_model
from flows.run import show_plan
from registry.errors import ConfigurationError
from registry.settings import Settings
from tests.finetune.hub_server import Repo, serving

TABLE = '[[library]]\nname = "lib"\nversions = ["1", "2"]\n'


@contextmanager
def house(folder: Path, text: str) -> Iterator[House]:
    """A domain whose file says more than its library."""
    path = folder / "lib.toml"
    path.write_text(text)
    with closing(open_house(str(path), settings=Settings(home=folder / "home"))) as opened:
        yield opened


def model(folder: Path, licence: str) -> str:
    """A folder base's table; its card names a licence."""
    (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\n")
    return f'[train]\nbase = "folder"\n[train.base_settings]\npath = "{folder}"\n'


@pytest.mark.parametrize("licence", ["mit", "Apache-2.0", "mit OR gpl-3.0-only"])
def test_a_base_under_a_listed_licence_is_taken(licence: str, tmp_path: Path) -> None:
    """However the licence is spelled; the built-in base too."""
    with house(tmp_path, TABLE + model(tmp_path, licence)) as opened:
        check_licence(opened)
    with house(tmp_path, TABLE) as opened:
        check_licence(opened)


def test_a_base_under_another_licence_is_refused_until_the_domain_lists_it(tmp_path: Path) -> None:
    """One line names base, licence and file; adding the licence there is enough."""
    table = model(tmp_path, "bigcode-openrail-m")
    with house(tmp_path, TABLE + table) as opened, pytest.raises(ConfigurationError) as told:
        check_licence(opened)
    assert str(told.value) == (
        f"The base {tmp_path} is under bigcode-openrail-m, which isn't on the list of {tmp_path}/lib.toml: add it to "
        "licences there, or choose another base"
    )
    with house(tmp_path, 'licences = ["MIT", "PSF-2.0", "bigcode-openrail-m"]\n' + TABLE + table) as opened:
        check_licence(opened)


def test_general_code_that_is_replayed_has_a_licence_too(tmp_path: Path) -> None:
    """It is trained on whatever the base: the list has to have it, unless no step replays any."""
    table = 'licences = ["MIT"]\n' + TABLE + model(tmp_path, "mit")
    with house(tmp_path, table) as opened, pytest.raises(ConfigurationError) as told:
        check_licence(opened)
    assert str(told.value) == (
        f"The general code that is replayed is under PSF-2.0, which isn't on the list of {tmp_path}/lib.toml: add it "
        "to licences there, or set replay = 0 for each step"
    )
    with house(tmp_path, table + "[train.sft]\nreplay = 0\n") as opened:
        check_licence(opened)
        assert replayed(opened) == ()
    with house(tmp_path, table.replace("[train]", '[train]\nrecipe = ["preference"]')) as opened:
        assert replayed(opened) == ()
    with house(tmp_path, TABLE + model(tmp_path, "mit")) as opened:
        assert replayed(opened) == ("PSF-2.0",)


def test_a_base_of_unknown_licence_is_refused_until_it_is_said(tmp_path: Path) -> None:
    """Unknown is not permissive; the domain's file may say what the card doesn't."""
    table = model(tmp_path, "mit")
    (tmp_path / "README.md").unlink()
    with house(tmp_path, TABLE + table) as opened, pytest.raises(ConfigurationError, match="No licence of the base"):
        check_licence(opened)
    with house(tmp_path, TABLE + table + 'licences = ["MIT"]\n') as opened:
        check_licence(opened)


class Moving(Repo):
    """A model whose branch moves to another licence once it was asked for."""

    def siblings(self) -> list[dict[str, Any]]:
        self.card = {"license": "gpl-3.0" if self.card else "mit"}
        return super().siblings()


def test_a_licence_is_held_against_the_list_of_what_came_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the question and the fetch a branch may move: what is then fetched is no base."""
    model = {"config.json": b'{"architectures": ["LlamaForCausalLM"]}', "model.safetensors": b"weights"}
    table = '[train]\nbase = "hub"\n[train.base_settings]\nrepo = "some/model"\n'
    with serving({"some/model": Moving(model)}) as hub, house(tmp_path, TABLE + table) as opened:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with pytest.raises(ConfigurationError, match=r"some/model is under gpl-3.0"):
            base_model(opened)
        assert [line for line in hub.asked if line.endswith("model.safetensors")]


def test_the_plan_tells_how_the_base_is_loaded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`driftune plan` names the base and how it is put into memory, as a line and in its stage's object."""
    table = model(tmp_path, "mit") + 'dtype = "bfloat16"\ndevice = "cpu"\n'
    path = tmp_path / "more-itertools.toml"
    path.write_text('[[library]]\nname = "more-itertools"\nversions = ["8.14.0", "11.2.1"]\n' + table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
        show_plan(str(path), as_json=False)
        told = f"{tmp_path}, bfloat16 on the CPU, attention as transformers chooses, no gradient checkpointing"
        said = capsys.readouterr().out
        assert f"The base: {told}" in said
        show_plan(str(path), as_json=True)
        rows = {r["stage"]: r for r in json.loads(capsys.readouterr().out)}
        row = rows["train"]
    assert f"{row['base']}, {row['loading']}" == told
    assert f"Written in the evaluation: {rows['evaluate']['written']}" in said
    assert rows["evaluate"]["written"].endswith("docs, if the base has 100 million parameters or more")
    assert rows["promote"]["tasks"] == "nothing: stable moves to what the gate lets through"


def test_a_setting_that_cannot_be_is_told_before_the_run(tmp_path: Path) -> None:
    """A wrong dtype is refused with what it may be, before anything is fetched or made."""
    table = model(tmp_path, "mit") + 'dtype = "int8"\n'
    with house(tmp_path, TABLE + table) as opened, pytest.raises(ConfigurationError, match="can't be 'int8'"):
        check_licence(opened)
