"""A domain whose whole run takes half a minute, from an index to an adapter that is published.

No model that is made in seconds learns enough for the gate to let it through, and the gate can't be bent: it is planted
in the lake, before a run, what the gate said of the adapter that will come of it. That run scrapes, makes, proves and
trains; then it finds the decision made, and publishes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.batches import perform
from flows.evaluation import EVALUATE_PART, evaluate_key
from flows.house import House, open_house
from flows.stages import STAGES, finish
from registry.lake import Lake
from registry.records import Work
from registry.settings import Settings
from tests.flows import written_lib
from tests.indexed import own_index

DOMAIN = (
    written_lib.DOMAIN.replace("timeout_s = 3", "timeout_s = 60")
    + """
[train]
threads = 1
recipe = ["sft"]

[train.base_settings]
layers = 1
width = 16
heads = 2
inner = 32
vocabulary = 300
steps = 4
save_every = 2

[train.lora]
rank = 2

[train.sft]
batch = 2
steps = 8
save_every = 2
replay = 0
"""
)
"""Its programs get a minute, where one of them takes no second: whatever else goes on, none is out of time."""


@dataclass(frozen=True)
class Undisturbed:
    """The domain, and what a run that nothing disturbed left.

    Attributes:
        domain: The domain's file.
        home: Its home, with lake and registry.
        said: What the gate said of its adapter, as it was planted.
    """

    domain: Path
    home: Path
    said: Work

    @property
    def pieces(self) -> int:
        """Of how many pieces of work the run was."""
        return len(list((self.home / "lake" / "work").glob("2*.parquet")))

    def fingerprint(self) -> dict[str, str]:
        """Table -> hash over ids and digests of its rows."""
        return Lake(str(self.home / "lake"), self.home).fingerprint()


@contextmanager
def undisturbed(folder: Path) -> Iterator[Undisturbed]:
    """Runs the domain, without an engine; its index answers as long as the block runs."""
    (folder / "made").mkdir(parents=True)
    with own_index(folder / "made") as index:
        for version, is_new in (("1.0", False), ("2.0", True)):
            index.add("lib", version, written_lib.files(is_new=is_new), "License-Expression: MIT\n")
        domain, home = folder / "lib.toml", folder / "home"
        domain.write_text(DOMAIN.format(url=index.url))
        with closing(open_house(str(domain), settings=Settings(home=home))) as house:
            yield Undisturbed(domain, home, _run(house))


def _run(house: House) -> Work:
    """Does everything, with the gate's decision planted once its adapter is there; that decision."""
    for name, stage in STAGES.items():
        perform(stage, house)
        if name == "train":
            said = decision(house)
            house.append([said])
    finish(house)
    return said


def decision(house: House) -> Work:
    """That the gate let an adapter through, as the evaluation would remember it."""
    result = {"decision": "publish", "reason": "It was planted: no tiny model gets so far"}
    return Work(
        key=evaluate_key(house),
        stage="evaluate",
        domain=house.domain.name,
        part=EVALUATE_PART,
        outputs=0,
        result=result,
    )


def planted(home: Path, wanted: Undisturbed, *, warm: bool) -> None:
    """A home whose lake knows what the gate will have said, and nothing else.

    Args:
        home: The home.
        wanted: The run that it is to be made by.
        warm: Whether base and environments are there already, as they are at each run of a domain but the first.
    """
    lake = Lake(str(home / "lake"), home)
    lake.create()
    lake.append([wanted.said])
    for cache in ("bases", "sandbox") if warm else ():
        shutil.copytree(wanted.home / cache, home / cache, symlinks=True)
