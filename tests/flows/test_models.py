"""Which base a command that asks models to write finds, and how it is put into memory; nothing is loaded here."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from finetune.bases import BaseModel, TinyBase
from finetune.hub import HubSettings, _place
from finetune.loading import PLAIN, Machine
from flows.models import likeliest_first, models, published_model
from registry.errors import ConfigurationError
from registry.settings import Settings
from registry.store import Publication, Store
from tests.adapters import adapter_folder
from tests.finetune.lib_drift import OLD, TINY


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseModel:
    """A base among those of the home, as little trained as can be."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    return TinyBase(OLD).prepare(OLD, {**TINY, "steps": 1}, tmp_path / "home" / "bases")


def test_the_built_in_base_is_loaded_as_it_was_trained(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is a GPU too: in float32 on the CPU. A model of somebody's own goes where it is fastest."""
    monkeypatch.setattr(Machine, "this", classmethod(lambda _: Machine(cuda=True, bfloat16=True, memory=1 << 34)))
    own = Path(shutil.copytree(base.path, tmp_path / "tiny-own"))
    for folder, device, dtype in ((base.path, "cpu", "float32"), (own, "cuda", "bfloat16")):
        [found] = models(None, folder, "")
        assert (found.base.loading.device, found.base.loading.dtype) == (device, dtype)
    assert base.loading == PLAIN


def test_a_damaged_base_hides_no_other(base: BaseModel, tmp_path: Path) -> None:
    """The one that an adapter was made for is found, whatever lies beside it."""
    adapter = adapter_folder(tmp_path / "adapter")
    damaged = base.path.with_name("a-damaged-one")
    damaged.mkdir()
    (damaged / "config.json").write_text("{}")
    (damaged / "model.safetensors.index.json").write_text("[]")
    about = Publication(
        domain="lib", library_range="lib>=2,<3", base="other/name", base_revision="r", fingerprint=base.fingerprint,
        snapshot="s", run="r",
    )  # fmt: skip
    Store(Settings().registry_url).publish(adapter, about)
    _, found = models(None, None, "lib")
    assert found.base.path == base.path


def test_what_is_said_of_a_base_that_is_missing_can_be_done(base: BaseModel, tmp_path: Path) -> None:
    """What stable holds may be for another one, and neither `run` nor `registry promote` takes a folder of it."""
    adapter = adapter_folder(tmp_path / "adapter")
    about = Publication(
        domain="lib", library_range="lib>=2,<3", base="other/name", base_revision="r", fingerprint="another",
        snapshot="s", run="r",
    )  # fmt: skip
    record = Store(Settings().registry_url).publish(adapter, about)
    bases = base.path.parent
    with pytest.raises(ConfigurationError, match="base isn't here") as found:
        published_model(adapter, record, base)
    assert "--base" not in str(found.value)
    assert f"put its folder into {bases}, or promote by hand with --force" in str(found.value)
    with pytest.raises(ConfigurationError, match="--base"):
        models(None, None, "lib")


@pytest.mark.parametrize("name", ["org/coder-1.3b", "tiny-0123456789abcdef"])
def test_the_base_of_that_name_is_looked_at_first(name: str, tmp_path: Path) -> None:
    """A fetched base lies in a folder with its repository and revision in the name; hashing others takes minutes."""
    hub = (HubSettings(repo=repo, revision="main") for repo in ("a/coder-1.3b", "org/coder-1.3b", "z/other"))
    for folder in (*(_place(tmp_path, chosen) for chosen in hub), tmp_path / "tiny-0123456789abcdef"):
        folder.mkdir()
        (folder / "config.json").write_text("{}")
    first, *rest = likeliest_first(tmp_path, name)
    assert first.name.endswith(name if "/" not in name else f"--{name.replace('/', '--')}--main")
    assert len(rest) == 3
