"""Adapters that an earlier driftune published are published again under their numbers, wherever that is killed."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from registry.errors import RegistryError
from registry.former import FORMER, former_domains, republish
from registry.identity import sha256_of_file
from registry.manifests import CANARY, MANIFEST, hashes
from registry.records import Adapter
from registry.store import Store
from tests.registry.crowd import about, adapter, counted, killed

MOVES = [(1, "promote"), (2, "promote"), (1, "rollback")]
"""Version and action of each move that `stable` was made."""


def former(root: Path, versions: tuple[int, ...] = (1, 2)) -> dict[int, Adapter]:
    """A registry as driftune kept it before: a folder for each version, the second trained on from the first."""
    made: dict[int, Adapter] = {}
    for number in versions:
        folder = adapter(root / "networkx" / f"v{number}", f"run-{number}")
        (folder / "optimizer.pt").unlink()
        (folder / CANARY).write_text("[]")
        (folder / "notices-LICENSE").write_text("MIT …")
        files = [{"path": p.name, "sha256": sha256_of_file(p), "size": p.stat().st_size} for p in folder.iterdir()]
        draft = dataclasses.replace(about(f"run-{number}"), started_from=made[1].id if made else None).draft(number)
        report = {"decision": "publish", "reason": "Better", "rows": []}
        made[number] = dataclasses.replace(draft, files=tuple(files), location=f"networkx/v{number}", report=report)
        said = {f.name: getattr(made[number], f.name) for f in dataclasses.fields(Adapter) if f.name != "written"}
        (folder / MANIFEST).write_text(json.dumps({"id": made[number].id, "adapter": said}))
    log = root / "networkx" / "channels" / "stable"
    log.mkdir(parents=True)
    for number, (version, action) in enumerate(MOVES, 1):
        entry = {"action": action, "at": f"2026-11-0{number}", "channel": "stable", "number": number}
        (log / f"{number:08d}.json").write_text(json.dumps({**entry, "version": version}))
    return made


def whole(root: Path, before: dict[int, Adapter]) -> None:
    """Every version is there once with its weights and what was said of it, and `stable` moved as it had."""
    store = Store(root)
    versions = store.versions("networkx")
    assert [a.version for a in versions] == [1, 2]
    for a in versions:
        old = before[a.version]
        assert hashes(a).items() >= {n: h for n, h in hashes(old).items() if n.startswith("adapter")}.items()
        assert (a.run, a.report, a.licences, a.library_range) == (old.run, old.report, old.licences, old.library_range)
        assert store.verify(f"networkx@v{a.version}") == a
    assert [a.started_from for a in versions] == [None, versions[0].id]
    moves = store.history("networkx", "stable")
    assert [move.version for move in moves] == [version for version, _ in MOVES]
    assert moves[0].reason == "moved at 2026-11-01, before driftune migrate"
    assert former_domains(str(root)) == {}
    assert (root / FORMER / "networkx" / "v2" / "adapter_model.safetensors").is_file()


def test_versions_are_published_again_under_their_numbers(tmp_path: Path) -> None:
    """What an earlier driftune published can be used as before: versions, what is said of them, channels, licences."""
    before = former(tmp_path)
    assert former_domains(str(tmp_path)) == {"networkx": 2}
    assert [a.version for a in republish(str(tmp_path), "networkx")] == [1, 2]
    whole(tmp_path, before)
    shutil.copytree(tmp_path / FORMER / "networkx" / "v2", tmp_path / "networkx" / "v1")
    with pytest.raises(RegistryError, match="has published networkx again"):  # else it is told as to be done for ever
        republish(str(tmp_path), "networkx")


def test_killed_anywhere_the_same_again_does_the_rest(tmp_path: Path) -> None:
    """Killed before every sixth change of the disk that it makes, and called again, all is as if it hadn't been."""
    before = former(tmp_path / "0")
    shutil.copytree(tmp_path / "0", tmp_path / "counted")
    changes = counted(republish, str(tmp_path / "counted"), "networkx")
    assert changes > 30
    for number in range(1, changes + 1, 6):
        place = tmp_path / str(number)
        shutil.copytree(tmp_path / "0", place)
        assert killed(number, 0, republish, str(place), "networkx")
        assert former_domains(str(place)) == {"networkx": 2}
        republish(str(place), "networkx")
        whole(place, before)


def test_a_version_that_cannot_keep_its_number_is_said(tmp_path: Path) -> None:
    """Where a version before it is gone, nothing is given another's number in silence."""
    former(tmp_path, (1, 3))
    with pytest.raises(RegistryError, match="networkx v3 of an earlier driftune would be v2: a version before it"):
        republish(str(tmp_path), "networkx")


def test_what_was_published_since_is_not_put_aside(tmp_path: Path) -> None:
    """Where today's driftune has published under the same numbers, all stays as it is, and that is said."""
    former(tmp_path)
    (tmp_path / "networkx" / "versions" / "00000001").mkdir(parents=True)
    with pytest.raises(RegistryError, match="today's driftune has published lie beside former ones"):
        republish(str(tmp_path), "networkx")
    assert (tmp_path / "networkx" / "versions" / "00000001").is_dir()
