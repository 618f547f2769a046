"""What a second machine must not make another way: it takes what the first has put beside the lake."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from finetune.bases import BaseModel, TinyBase
from flows.agreed import _taken, same_base, same_packages, shared
from registry.errors import RegistryError
from registry.fingerprint import fingerprint
from registry.identity import sha256_of
from registry.objects import FolderObjects
from registry.records import Environment
from registry.settings import Settings
from tests.finetune.test_bases import FEW, GENERAL, OLD
from validators.execution.cache import Lease
from validators.execution.environments import BuiltEnvironment
from validators.execution.interpreters import find
from validators.execution.wall import Limits


@pytest.mark.slow
def test_a_base_is_made_once_for_all_machines(tmp_path: Path) -> None:
    """One whose general code differs, as another Python's does, gets the first's bytes; damaged ones are refused."""
    objects = shared(Settings(home=tmp_path / "one", lake=str(tmp_path / "lake")))
    assert objects is not None

    def on(machine: str, general: Sequence[str]) -> BaseModel:
        cache = tmp_path / machine
        return same_base(objects, OLD, dict(FEW), cache, lambda: TinyBase(general).prepare(OLD, FEW, cache))

    first, again, second = on("one", GENERAL), on("one", GENERAL), on("two", GENERAL[1:])
    assert first == again
    assert (second.name, second.fingerprint) == (first.name, first.fingerprint)
    assert fingerprint(second.path) == first.fingerprint
    weights = next(path for path in (tmp_path / "lake" / "_shared" / "files").iterdir() if path.stat().st_size > 10**5)
    weights.chmod(0o644)
    weights.write_bytes(b"other weights")
    with pytest.raises(RegistryError, match="what was put there"):
        on("three", GENERAL)


@pytest.mark.parametrize(
    "said",
    [
        {"name": "tiny-1a", "files": {"pytorch_model.bin": "0"}},
        {"name": "tiny-1a", "files": {"modeling.py": "0"}},
        {"name": "tiny-1a", "files": {"../config.json": "0"}},
        {"name": "../elsewhere", "files": {}},
    ],
)
def test_a_base_is_weights_settings_and_words(said: dict[str, object], tmp_path: Path) -> None:
    """Nothing that could be run, or lie elsewhere, is taken of what somebody puts beside a lake as a base."""
    objects = FolderObjects(tmp_path / "lake")
    with pytest.raises(RegistryError, match="no part of a base"):
        _taken(objects, {"fingerprint": "f", **said}, {}, tmp_path / "bases")
    assert not (tmp_path / "bases").exists()


def test_packages_are_those_of_the_first_machine(tmp_path: Path) -> None:
    """Whoever asks later, or was a moment slower, builds of the same; a lake of the home's own shares nothing."""
    assert shared(Settings(home=tmp_path)) is None
    objects = shared(Settings(home=tmp_path, lake=str(tmp_path / "lake")))
    assert objects is not None
    lease = Lease.of(tmp_path)
    assert lease is not None
    built: list[list[str]] = []

    def index_gives(version: str, meanwhile: str = "") -> BuiltEnvironment:
        def build(pinned: Sequence[str]) -> BuiltEnvironment:
            if meanwhile and not pinned:
                index_gives(meanwhile)
            found = tuple(pinned) or (f"lib=={version} --hash=sha256:{sha256_of(version)}",)
            built.append(list(pinned))
            environment = Environment(python="3.11.7", requirements=found, settings={}, label="lib")
            return BuiltEnvironment(environment, tmp_path, Limits(), find(), "", lease)

        return same_packages(objects, ["lib", "1"], build)

    slower = index_gives("1.1", meanwhile="1.0")
    later = index_gives("1.2")
    assert slower.record.requirements == later.record.requirements
    assert later.record.requirements == (f"lib==1.0 --hash=sha256:{sha256_of('1.0')}",)
    assert built[-1] == list(later.record.requirements)


@pytest.mark.parametrize("named", ["lib @ file:///tmp/lib-1.tar.gz", "--no-binary=:all:", "lib==1.0", "lib==1.0\n-r x"])
def test_what_a_lake_names_runs_no_code_here(named: str, tmp_path: Path) -> None:
    """Who may write to a lake's place can have packages taken by version and hash, and nothing else."""
    objects = shared(Settings(home=tmp_path, lake=str(tmp_path / "lake")))
    lease = Lease.of(tmp_path)
    assert objects is not None and lease is not None
    found = Environment(python="3.11.7", requirements=(), settings={}, label="lib")
    built = BuiltEnvironment(found, tmp_path, Limits(), find(), "", lease)
    same_packages(objects, ["lib", "1"], lambda _: built)
    [place] = objects.names("_shared/packages")
    objects.put(f"_shared/packages/{place}", json.dumps({"requirements": [named]}).encode())
    with pytest.raises(RegistryError, match="no package by version and hash: remove it"):
        same_packages(objects, ["lib", "1"], lambda _: built)
