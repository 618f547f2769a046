"""What a second machine must not make another way: it takes what the first has put beside the lake."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from finetune.bases import BaseModel, TinyBase
from flows.agreed import same_base, same_packages, shared
from registry.errors import RegistryError
from registry.fingerprint import fingerprint
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
            found = tuple(pinned) or (f"lib=={version} --hash=sha256:{version}",)
            built.append(list(pinned))
            environment = Environment(python="3.11.7", requirements=found, settings={}, label="lib")
            return BuiltEnvironment(environment, tmp_path, Limits(), find(), "", lease)

        return same_packages(objects, ["lib", "1"], build)

    slower = index_gives("1.1", meanwhile="1.0")
    later = index_gives("1.2")
    assert slower.record.requirements == later.record.requirements == ("lib==1.0 --hash=sha256:1.0",)
    assert built[-1] == list(later.record.requirements)
