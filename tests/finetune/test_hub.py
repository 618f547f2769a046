"""Bases of the Hub and of folders, against a Hub on this machine: fetched once, whole, checked, and nothing else."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finetune import bases, quiet, tuning
from finetune.bases import BaseModel
from registry.errors import ConfigurationError, RegistryError, TrainingError
from registry.fingerprint import fingerprint
from tests.finetune.hub_server import COMMIT, Hub, Repo, serving
from tests.finetune.trained import train

CARD = "---\nlicense: apache-2.0\n---\n# A model\n"
SPARE = {
    "pytorch_model.bin": b"a pickle",
    "modeling_own.py": b"raise SystemExit('somebody else runs code here')",
    "consolidated.safetensors": b"the weights again",
    "onnx/model.safetensors": b"and again",
    "training_args.bin": b"a pickle",
}
"""What repositories hold beside a model, and nobody needs."""


@pytest.fixture
def hub(tiny_base: BaseModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub with a whole model, one behind a gate, one without safetensors, and one that fills in masks."""
    model = {path.name: path.read_bytes() for path in tiny_base.path.iterdir()}
    bert = json.dumps({**json.loads(model["config.json"]), "architectures": ["BertForMaskedLM"]}).encode()
    repos = {
        "some/model": Repo({**model, "README.md": CARD.encode(), **SPARE}, {"license": "apache-2.0"}),
        "some/gated": Repo(model, {"license": "other", "license_name": "llama2"}, gated=True),
        "some/pickled": Repo({"config.json": model["config.json"], "pytorch_model.bin": b"a pickle"}),
        "some/bert": Repo({**model, "config.json": bert}),
    }
    with serving(repos) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def prepare(cache: Path, repo: str = "some/model", **more: Any) -> BaseModel:
    return bases.find("hub").prepare((), {"repo": repo, **more}, cache)


def test_a_model_is_fetched_and_loads(hub: Hub, tiny_base: BaseModel, tmp_path: Path) -> None:
    """It has the name, commit, licence and fingerprint of what was published, and answers as that does."""
    told: list[tuple[str, int, int]] = []
    found = bases.find("hub").prepare((), {"repo": "some/model"}, tmp_path, lambda *step: told.append(step))
    assert (found.name, found.revision, found.licences) == ("some/model", COMMIT, ("Apache-2.0",))
    assert found.fingerprint == tiny_base.fingerprint
    wanted = {path.name for path in tiny_base.path.iterdir()} | {"README.md", "base.json"}
    assert {path.relative_to(found.path).as_posix() for path in found.path.rglob("*")} == wanted
    assert told[0] == ("fetch some/model", 0, 6)
    assert told[-1] == ("fetch some/model", 6, 6)
    model, tokenizer = tuning.load(found)
    assert model.config.hidden_size == 32
    assert tokenizer.eos_token == "<|end|>"


def test_it_is_fetched_once(hub: Hub, tmp_path: Path) -> None:
    """The second time nothing is asked, also of a Hub where the branch has moved, or that is gone."""
    first = prepare(tmp_path)
    del hub.repos["some/model"]
    hub.asked.clear()
    assert prepare(tmp_path) == first
    assert bases.find("hub").licences({"repo": "some/model"}, tmp_path) == ("Apache-2.0",)
    assert hub.asked == []


def test_only_what_is_needed_is_asked_for(hub: Hub, tmp_path: Path) -> None:
    """No pickle, no code, no weights for others, no telemetry: one question about the model, then its files."""
    prepare(tmp_path)
    asked = {line.partition("?")[0] for line in hub.asked}
    assert not [line for line in asked if any(line.endswith(name) for name in SPARE)]
    assert f"GET /some/model/resolve/{COMMIT}/model.safetensors" in asked
    api = {line for line in asked if "/resolve/" not in line}
    assert api == {"GET /api/models/some/model/revision/main"}


def test_a_killed_fetch_goes_on(hub: Hub, tmp_path: Path) -> None:
    """What came whole before is not fetched again, and nothing unfinished is a base."""

    def stop(what: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bases.find("hub").prepare((), {"repo": "some/model"}, tmp_path, stop)
    assert not list(tmp_path.glob("hub--*"))
    before = {line.rpartition("/")[2] for line in hub.asked if line.startswith("GET /some")}
    hub.asked.clear()
    prepare(tmp_path)
    after = {line.rpartition("/")[2] for line in hub.asked if line.startswith("GET /some")}
    assert len(before) == 3
    assert not before & after


def test_a_killed_fetch_never_goes_on_with_another_commit(hub: Hub, tmp_path: Path) -> None:
    """Where the branch has moved, all files are of the commit that is named, and none is the former's."""

    def stop(what: str, done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bases.find("hub").prepare((), {"repo": "some/model"}, tmp_path, stop)
    former = hub.repos["some/model"]
    [part] = tmp_path.glob(".hub--*.part")
    fetched = {path.name for path in part.iterdir()} & set(former.files)
    assert {"README.md", "config.json"} < fetched
    moved = {**former.files, "config.json": former.files["config.json"] + b" "}
    del moved["README.md"]
    hub.repos["some/model"] = Repo(moved, former.card, commit="f" * 40)
    found = prepare(tmp_path)
    assert found.revision == "f" * 40
    assert (found.path / "config.json").read_bytes() == moved["config.json"]
    assert not (found.path / "README.md").exists()


def test_only_a_token_given_for_it_is_sent(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token of a login at another Hub stays here; that of HF_TOKEN goes where HF_ENDPOINT says."""
    from huggingface_hub import constants

    (tmp_path / "login").write_text("of-another-hub")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "login"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    prepare(tmp_path / "one")
    assert not hub.tokens
    monkeypatch.setenv("HF_TOKEN", "for-this-one")
    prepare(tmp_path / "two")
    assert hub.tokens == {"Bearer for-this-one"}


@pytest.mark.parametrize(
    ("announced", "said"), [((5, ""), "model.safetensors of some/model"), (None, "came damaged: run the same command")]
)
def test_what_came_damaged_is_refused(hub: Hub, tmp_path: Path, announced: tuple[int, str] | None, said: str) -> None:
    """A file of another size or hash than announced is no base, and the next try fetches it again."""
    repo = hub.repos["some/model"]
    repo.announced["model.safetensors"] = announced or (len(repo.files["model.safetensors"]), "0" * 64)
    with pytest.raises(TrainingError, match=said):
        prepare(tmp_path)
    repo.announced.clear()
    assert prepare(tmp_path).path.is_dir()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"repo": "some/nothing"}, "No model some/nothing from http.*set repo in .*HF_TOKEN"),
        ({"repo": "some/gated"}, "some/gated from .* is gated: accept its terms"),
        ({"repo": "some/model", "revision": "v9"}, "No revision 'v9' of some/model .*set revision"),
        ({"repo": "some/pickled"}, "has no config.json with safetensors weights"),
        ({"repo": "some/bert"}, "is a BertForMaskedLM, no causal language model"),
        ({"repo": "a/b/c"}, "'a/b/c' can't be a model's name: write repo as owner/name"),
        ({}, "No model for the base 'hub': set repo"),
        ({"repo": "some/model", "version": "1"}, "No setting 'version' of the base 'hub': it takes repo, revision"),
    ],
)
def test_what_cannot_be_a_base_is_the_users_error(hub: Hub, tmp_path: Path, settings: Any, said: str) -> None:
    """One line that names the model and says what to do; nothing large was fetched."""
    with pytest.raises(ConfigurationError, match=said):
        bases.find("hub").prepare((), settings, tmp_path)
    assert not [line for line in hub.asked if line.startswith("GET") and "model.safetensors" in line]


def test_a_hub_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying again can help, and a folder too."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(TrainingError, match=r"Can't fetch some/model from http://127.0.0.1:9: .* run the same") as told:
        prepare(tmp_path)
    assert told.value.retryable


def test_offline_stays_offline_and_no_longer(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where HF_HUB_OFFLINE is set nothing is asked; where only a training had set it, the Hub is asked again."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigurationError, match="HF_HUB_OFFLINE is set"):
        prepare(tmp_path)
    assert hub.asked == []
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # as where it is first imported while something trains
    assert prepare(tmp_path).path.is_dir()
    assert constants.HF_HUB_OFFLINE is True


def test_a_training_asks_and_tells_the_hub_nothing_after_a_fetch(
    hub: Hub, tiny_base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Hub's client, imported to fetch a base, is offline while something trains, and then as before."""
    from huggingface_hub import HfApi, constants, errors

    prepare(tmp_path)
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):  # as where it was imported for that
        monkeypatch.setattr(constants, name, False)
    hub.asked.clear()
    with quiet.single_process():
        assert constants.HF_HUB_DISABLE_TELEMETRY
        with pytest.raises(errors.OfflineModeIsEnabled):
            HfApi(endpoint=hub.url).model_info("some/model")
    assert hub.asked == []
    assert HfApi(endpoint=hub.url).model_info("some/model", revision="main").sha == COMMIT
    assert not constants.HF_HUB_DISABLE_TELEMETRY


def test_licence_is_known_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    """The card says it, in SPDX' spelling; settings say it where the card doesn't, and never say otherwise."""
    hub.repos["some/gated"].gated = False
    licences = bases.find("hub").licences
    assert licences({"repo": "some/model"}, tmp_path) == ("Apache-2.0",)
    assert licences({"repo": "some/gated"}, tmp_path) == ("llama2",)
    assert licences({"repo": "some/bert"}, tmp_path) == ()
    assert licences({"repo": "some/bert", "licences": "MIT"}, tmp_path) == ("MIT",)
    assert licences({"repo": "some/model", "licences": ["apache-2.0"]}, tmp_path) == ("Apache-2.0",)
    with pytest.raises(ConfigurationError, match=r"card of some/gated names llama2, .* MIT: take that setting out"):
        licences({"repo": "some/gated", "licences": ["MIT"]}, tmp_path)
    hub.repos["some/bert"].card = {"license": "other"}
    assert licences({"repo": "some/bert"}, tmp_path) == ()
    assert not [line for line in hub.asked if "/resolve/" in line]
    assert not list(tmp_path.iterdir())


def test_folder_base_names_any_model(tiny_base: BaseModel, tmp_path: Path) -> None:
    """A model that is there already is a base, under the name it is given and the licence of its card."""
    copy = Path(shutil.copytree(tiny_base.path, tmp_path / "copy"))
    (copy / "README.md").write_text(CARD)
    found = bases.find("folder").prepare((), {"path": str(copy), "name": "mine"}, tmp_path)
    assert (found.name, found.fingerprint, found.licences) == ("mine", tiny_base.fingerprint, ("Apache-2.0",))
    assert bases.find("folder").licences({"path": str(tiny_base.path)}, tmp_path) == ()
    for settings, said in (({"path": str(tmp_path / "none")}, "No folder"), ({"dir": "x"}, "No setting 'dir'")):
        with pytest.raises(ConfigurationError, match=said):
            bases.find("folder").prepare((), settings, tmp_path)


@pytest.mark.parametrize(
    ("card", "settings", "said"),
    [
        (b"---\nlicense: [mit\n---\n", {}, "head of .*README.md can't be read: mend its YAML"),
        (b"---\n- mit\n---\n", {}, "head of .*README.md can't be read: mend its YAML"),
        (CARD.encode(), {"licences": ["MIT"]}, "names Apache-2.0, and licences in .* MIT: take that setting out"),
        (CARD.encode(), {"licences": 3}, "licences of the base 'folder' can't be 3: write them as"),
        (CARD.encode(), {"licences": [3]}, "licences of the base 'folder' can't be .3.: write them as"),
    ],
)
def test_a_card_or_setting_that_cannot_be_is_told(card: bytes, settings: Any, said: str, tmp_path: Path) -> None:
    """A licence is never guessed, and a mistake in the card or the table is the user's."""
    (tmp_path / "README.md").write_bytes(card)
    with pytest.raises(ConfigurationError, match=said):
        bases.find("folder").licences({"path": str(tmp_path), **settings}, tmp_path)


def test_a_folder_is_named_and_read_whatever_is_in_it(
    tiny_base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.` has its folder's name, a card in another encoding its licence; a model that fills in masks is refused."""
    copy = Path(shutil.copytree(tiny_base.path, tmp_path / "copy"))
    (copy / "README.md").write_bytes(CARD.encode() + b"caf\xe9")
    monkeypatch.chdir(copy)
    found = bases.find("folder").prepare((), {"path": "."}, tmp_path)
    assert (found.name, found.licences) == ("copy", ("Apache-2.0",))
    for config, said in (
        (b"{", "config.json of copy can't be read"),
        (b'{"architectures": ["BertModel"]}', "BertModel"),
    ):
        (copy / "config.json").write_bytes(config)
        with pytest.raises(ConfigurationError, match=said):
            bases.find("folder").prepare((), {"path": "."}, tmp_path)


def test_code_that_comes_with_a_base_is_not_run(
    tiny_base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is asked whether to trust it: a model that can't do without it is refused, in training and in loading."""
    from registry.client import _loaded

    copy = Path(shutil.copytree(tiny_base.path, tmp_path / "copy"))
    names = {"AutoConfig": "conf.Conf", "AutoModelForCausalLM": "conf.Model", "AutoTokenizer": ["conf.Words", None]}
    for name, more in (("config.json", {"model_type": "own"}), ("tokenizer_config.json", {"tokenizer_class": "Words"})):
        told = json.loads((copy / name).read_text())
        (copy / name).write_text(json.dumps(told | more | {"auto_map": names}))
    (copy / "conf.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 5))
    with pytest.raises(TrainingError, match=r"Can't load the base own from .*copy: "):
        tuning.load(BaseModel("own", "", copy, ""))
    with pytest.raises(ValueError, match="trust_remote_code"):
        _loaded(copy, copy)
    assert not (tmp_path / "ran").exists()


def test_a_base_that_cannot_be_loaded_is_no_matter_of_writing(tiny_base: BaseModel, tmp_path: Path) -> None:
    """Damaged or missing files are told as that, and trying again doesn't help."""
    copy = Path(shutil.copytree(tiny_base.path, tmp_path / "copy"))
    (copy / "model.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"Can't load the base own from .*no file named") as told:
        train(BaseModel("own", "", copy, ""), tmp_path / "work")
    assert not told.value.retryable


def test_a_base_with_an_adapter_beside_it_is_refused(tiny_base: BaseModel, tmp_path: Path) -> None:
    """Both would be loaded, and count as the base: told before the run, where its licence is asked for."""
    copy = Path(shutil.copytree(tiny_base.path, tmp_path / "copy"))
    settings = {"path": str(copy), "licences": ["MIT"]}
    assert bases.find("folder").prepare((), settings, tmp_path).fingerprint == tiny_base.fingerprint
    (copy / "adapter_config.json").write_text("{}")
    base = bases.find("folder")
    for asked in (base.licences, base.loading, lambda *of: base.prepare((), *of)):
        with pytest.raises(ConfigurationError, match=r"The base in .*copy has an adapter beside it"):
            asked(settings, tmp_path)


def test_a_tokenizer_that_begins_and_ends_nothing_is_refused(tiny_base: BaseModel, tmp_path: Path) -> None:
    """Texts begin with its first or its end token where they are trained on and scored: without one they can't."""
    copy = Path(shutil.copytree(tiny_base.path, tmp_path / "copy"))
    file = copy / "tokenizer_config.json"
    told = json.loads(file.read_text())
    del told["pad_token"]
    for missing in ("eos_token", "bos_token"):
        del told[missing]
        file.write_text(json.dumps(told))
        if missing == "eos_token":
            _, tokenizer = tuning.load(BaseModel("own", "", copy, ""))
            assert tokenizer.pad_token == "<|end|>"
    with pytest.raises(TrainingError, match="The tokenizer of own has neither a first token nor an end token"):
        tuning.load(BaseModel("own", "", copy, ""))


def test_spare_weights_make_no_other_base(tiny_base: BaseModel, tmp_path: Path) -> None:
    """A whole copy of a repository is the base that was fetched from it: only what transformers reads counts."""
    copy = Path(shutil.copytree(tiny_base.path, tmp_path / "copy"))
    for name, data in SPARE.items():
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes(data)
    assert fingerprint(copy) == tiny_base.fingerprint
    (copy / "model.safetensors").unlink()
    (copy / "consolidated.safetensors").unlink()
    assert fingerprint(copy) != tiny_base.fingerprint


def test_the_weights_that_are_read_make_the_base(tiny_base: BaseModel, tmp_path: Path) -> None:
    """A pickle counts where there is no model.safetensors; of pieces their index too, and whatever it names."""
    copy = Path(shutil.copytree(tiny_base.path, tmp_path / "copy"))
    pickle, index, odd = (
        copy / name for name in ("pytorch_model.bin", "model.safetensors.index.json", "consolidated.1.safetensors")
    )
    (copy / "model.safetensors").rename(copy / "extra.safetensors")

    def changed(path: Path, data: bytes) -> bool:
        before = fingerprint(copy)
        path.write_bytes(data)
        return fingerprint(copy) != before

    assert changed(pickle, b"one")
    assert changed(pickle, b"another")
    assert changed(index, b'{"weight_map": {"a": "extra.safetensors"}}')
    assert not changed(pickle, b"a third")
    assert not changed(odd, b"for another program")
    assert changed(index, b'{"weight_map": {"a": "extra.safetensors", "b": "consolidated.1.safetensors"}}')
    assert changed(odd, b"other weights")
    index.write_bytes(b"[]")
    with pytest.raises(RegistryError, match=r"index of weights .* can't be read"):
        fingerprint(copy)


def test_large_weights_are_read_once_unless_they_change(tiny_base: BaseModel, tmp_path: Path) -> None:
    """The same file isn't hashed twice in a process; one that was written again is."""
    copy = Path(shutil.copytree(tiny_base.path, tmp_path / "copy"))
    with (copy / "model-2.safetensors").open("wb") as file:
        file.truncate(65 << 20)
    first = fingerprint(copy)
    from registry.fingerprint import _kept_hash

    hits = _kept_hash.cache_info().hits
    assert fingerprint(copy) == first
    assert _kept_hash.cache_info().hits == hits + 1
    with (copy / "model-2.safetensors").open("r+b") as file:
        file.write(b"x")
    assert fingerprint(copy) != first
