"""What can be one adapter: no domain's gate may judge what another source was trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from flows.house import House, open_house
from flows.mergeable import Source, check_held_out, check_libraries
from registry.errors import ConfigurationError
from registry.identity import sha256_of
from registry.records import Adapter, Example, Program, Snapshot, SnapshotRow, Work
from registry.settings import Settings
from tests.finetune.lib_drift import site

LIBRARIES = {"graphs": "networkx", "science": "NetworkX", "frames": "polars"}
"""Domain -> its library."""


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[dict[str, House]]:
    """Domains in one home, two of them of one library."""
    with ExitStack() as opened:
        found = {}
        for domain, library in LIBRARIES.items():
            file = tmp_path / f"{domain}.toml"
            file.write_text(f'[[library]]\nname = "{library}"\nversions = ["1", "2"]\n')
            house = open_house(str(file), settings=Settings(home=tmp_path / "home"))
            found[domain] = opened.enter_context(closing(house))
        yield found


def curated(house: House, kept: dict[str, list[Example]]) -> Source:
    """A domain whose latest snapshot has these rows, and an adapter of it."""
    name = house.domain.name
    snapshot = Snapshot(domain=name, rows_sha256=sha256_of(name), filters={})
    work = Work(key=name, stage="curate", domain=name, part="curate@1", outputs=1, result={"snapshot": snapshot.id})
    listed = [SnapshotRow(snapshot=snapshot.id, example=e.id, split=split) for split, es in kept.items() for e in es]
    house.append([e for es in kept.values() for e in es])
    house.append([snapshot, *listed, work])
    adapter = Adapter(
        domain=name, version=1, files=(), library_range=f"{name}>=2", base="b", base_revision="r", fingerprint="f",
        snapshot=snapshot.id, run="r",
    )  # fmt: skip
    return Source(adapter, Path(), house)


def test_two_domains_of_one_library_are_not_merged(houses: dict[str, House]) -> None:
    """However its name is written: each was trained on what the other one holds out."""
    check_libraries([houses["graphs"], houses["frames"]])
    with pytest.raises(ConfigurationError, match="Can't merge graphs and science: both are of NetworkX"):
        check_libraries([houses["graphs"], houses["frames"], houses["science"]])


@pytest.mark.parametrize("shared", ["root", "site"])
def test_what_another_source_was_trained_on_is_not_judged(houses: dict[str, House], shared: str) -> None:
    """A row of the same root, or of the same family in the same file, is one that the adapter may know by heart."""
    held_out, other = site(1, "graphs.new"), site(5, "frames.new")
    if shared == "root":
        known = [dataclasses.replace(row, root=held_out[0].root) for row in other]
    else:
        known = [dataclasses.replace(row, family=held_out[0].family, file=held_out[0].file) for row in other]
    graphs = curated(houses["graphs"], {"train": site(3, "graphs.old"), "symbol": held_out})
    check_held_out(
        [graphs, curated(houses["science"], {"train": site(2, "science.old"), "context": site(4, "science.new")})]
    )
    frames = curated(houses["frames"], {"train": known})
    with pytest.raises(ConfigurationError, match=r"Can't merge frames with graphs: the first was trained on 3 rows"):
        check_held_out([graphs, frames])


@pytest.mark.parametrize("where", ["site", "program"])
def test_a_call_of_another_librarys_held_out_function_is_seen(houses: dict[str, House], where: str) -> None:
    """Libraries call each other: the held-out call stands in a file, family and test of the caller's own."""
    held_out = site(1, "lib.new_call")
    mine = {"domain": "frames", "family": "frames.routing", "root": "frames", "file": "routing.py"}
    own = [dataclasses.replace(row, **mine) for row in held_out]
    if where == "program":
        program = Program(code="import lib\n\nlib.new_call(1,\n    other=2,\n)\n", test="")
        houses["frames"].append([program])
        parts = {"programs": {"answer": program.id}}
        own = [dataclasses.replace(own[0], kind="test", parts=parts)]
    graphs = curated(houses["graphs"], {"train": site(3, "lib.new_call"), "context": site(4, "lib.other")})
    frames = curated(houses["frames"], {"train": own})
    check_held_out([graphs, frames])
    listed = [SnapshotRow(snapshot=graphs.adapter.snapshot, example=row.id, split="symbol") for row in held_out]
    houses["graphs"].append([*held_out, *listed])
    with pytest.raises(ConfigurationError, match=r"Can't merge frames with graphs: .* as in routing\.py"):
        check_held_out([graphs, frames])
