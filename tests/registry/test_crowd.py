"""Many at once, and killed anywhere: no version is lost, none is there twice, and nobody ever sees half of one."""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from registry.census import DAMAGE, Census
from registry.collecting import collect
from registry.copying import copy
from registry.manifests import read_manifest, verify_folder
from registry.objects import objects_of
from registry.store import Store
from tests.registry import crowd
from tests.registry.crowd import CROWD, counted, killed


def broken(place: str) -> list[str]:
    """What is damaged in a registry."""
    return [found.what for found in Census(objects_of(place)).findings() if found.kind == DAMAGE]


def publish_at_once(place: str, tmp_path: Path, processes: int, each: int, beside: Callable[[], None]) -> None:
    """Every version that a publisher was told of is there, whole, once, and nothing else is.

    Args:
        place: The registry.
        tmp_path: Where adapters lie.
        processes: How many publish.
        each: How many versions each publishes.
        beside: What is done meanwhile, again and again.
    """
    told: Any = CROWD.SimpleQueue()
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    jobs = [
        CROWD.Process(target=crowd.publish_many, args=(place, tmp_path / f"a{n}", f"team-{n}", each, told, aws))
        for n in range(processes)
    ]
    for job in jobs:
        job.start()
    said = {}
    while len(said) < processes * each and (any(job.is_alive() for job in jobs) or not told.empty()):
        if told.empty():
            beside()
        else:
            run, version = told.get()
            said[run] = version
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0] * processes
    store = Store(place)
    versions = store.versions("networkx")
    assert {adapter.run: adapter.version for adapter in versions} == said
    assert [adapter.version for adapter in versions] == list(range(1, processes * each + 1))
    for channel in ("stable", "3.6.x", "3.x"):
        moves = store.history("networkx", channel)
        assert [move.number for move in moves] == list(range(1, len(moves) + 1))
        assert Counter(move.version for move in moves) == Counter(said.values())
    assert broken(place) == []


@pytest.mark.slow
def test_eight_publish_two_hundred_versions_at_once(tmp_path: Path) -> None:
    """And whoever reads meanwhile sees whole versions alone, in the registry and in a copy made beside them."""
    place, seen = str(tmp_path / "registry"), []
    reader = Store(place)

    def look() -> None:
        for domain in reader.domains():
            versions = [adapter.version for adapter in reader.versions(domain)]
            assert versions == list(range(1, len(versions) + 1))
            assert reader.verify(f"{domain}@v{random.choice(versions)}")
            if reader.channels(domain).get("stable"):
                reader.resolve(domain)
            seen.append(len(versions))
            if len(seen) % 10 == 0:
                list(copy(objects_of(place), tmp_path / "copy"))
                assert broken(str(tmp_path / "copy")) == []

    publish_at_once(place, tmp_path, 8, 25, look)
    assert any(0 < count < 200 for count in seen), "somebody looked meanwhile"
    list(collect(reader.objects, grace_s=0))
    assert list(Census(reader.objects).findings()) == []


@pytest.mark.slow
def test_four_publish_at_once_on_s3(bucket: str, tmp_path: Path) -> None:
    """The service decides who made an object, and the loser takes the next number."""
    publish_at_once(f"{bucket}/{tmp_path.name}", tmp_path, 4, 2, partial(time.sleep, 0.05))


@dataclass
class Place:
    """A registry with three versions, which keeps four, and what is done to it."""

    folder: Path
    acts: dict[str, Callable[[int], tuple[Any, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        url, adapters = str(self.folder / "registry"), self.folder / "adapters"
        for n in range(3):
            crowd.publish(url, adapters, f"first-{n}")
        Store(url).objects.put("registry.json", json.dumps({"retention": {"keep": 4, "days": 0}}).encode())
        self.acts = {
            "publish": lambda n: (crowd.publish, url, adapters, f"run-{n}"),
            "promote": lambda n: (crowd.promote, url, f"canary-{n}"),
            "pull": lambda n: (crowd.pull, url, self.folder / "into"),
            "tidy": lambda _: (crowd.tidy, url),
        }

    @property
    def url(self) -> str:
        return str(self.folder / "registry")

    def ready(self, name: str, run: str) -> None:
        """Publishes something, so that there is something to pull, or to remove."""
        if name in ("pull", "tidy"):
            crowd.publish(self.url, self.folder / "before", f"before-{run}")

    def whole(self) -> None:
        """Everything that anybody can name is there with every byte, also what was pulled."""
        assert broken(self.url) == []
        store, into = Store(self.url), self.folder / "into"
        assert store.resolve("networkx").version in {adapter.version for adapter in store.versions("networkx")}
        if into.exists():
            verify_folder(into, read_manifest(into))


def drawn(random_: random.Random, changes: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Points to be killed at: before each change of the disk, at some moments (0), and then wherever."""
    points = [(name, change) for name, count in changes.items() for change in [*range(1, count + 1), 0, 0, 0]]
    random_.shuffle(points)
    yield from points
    while True:
        name = random_.choice(list(changes))
        yield name, random_.randint(1, changes[name])


@pytest.mark.slow
def test_killed_at_a_hundred_points_nothing_is_ever_half_there(tmp_path: Path) -> None:
    """After each kill of a publish, promote, pull or gc all is whole, and the same again does the rest."""
    seed = random.SystemRandom().randrange(1 << 32)
    sys.stdout.write(f"seed {seed}\n")
    random_ = random.Random(seed)
    place, changes, kills = Place(tmp_path / "0"), {}, Counter[str]()
    for name, act in place.acts.items():
        place.ready(name, "counted")
        changes[name] = counted(*act(0))
    for n, (name, change) in enumerate(drawn(random_, changes), 1):
        if n > sum(changes.values()) and kills.total() >= 100:
            break
        if n % 15 == 0:  # a small one is read in no time
            place = Place(tmp_path / f"{n}")
        place.ready(name, f"{n}")
        what, *arguments = place.acts[name](n)
        kills[name] += killed(change, random_.random() * 0.05, what, *arguments)
        place.whole()
        what(*arguments)
        if name == "pull":
            place.whole()
        if name == "publish":
            assert sum(adapter.run == f"run-{n}" for adapter in Store(place.url).versions("networkx")) == 1
        if n % 15 == 14:
            crowd.tidy(place.url)
            assert list(Census(objects_of(place.url)).findings()) == []
    sys.stdout.write(f"{changes} changes, {kills}\n")
    assert min(kills[name] for name in changes) >= 5
