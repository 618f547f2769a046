"""What a second machine must not make another way lies beside a lake that several use, in its folder `_shared`.

A base that is made on the spot comes out with other bytes on another processor, and an adapter fits one base alone; the
packages that requirements are resolved to change as new ones are released, and verdicts are of one environment. So who
makes one first puts it there, created only if absent, and all others take that one.
"""

from __future__ import annotations

import contextlib
import json
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from finetune.bases import VERSION, BaseModel, TinyBase
from registry.errors import RegistryError
from registry.identity import sha256_of, sha256_of_bytes, sha256_of_file
from registry.objects import Objects, objects_of
from registry.settings import Settings
from registry.storage import storage
from validators.execution.environments import BuiltEnvironment
from validators.execution.resolution import is_pinned

_BASES, _FILES, _PACKAGES = "_shared/bases", "_shared/files", "_shared/packages"
_PIECE = 1 << 20
_FOLDER = re.compile(r"tiny-[0-9a-f]+")
_FILE = re.compile(r"\w[\w.-]*\.(?:json|safetensors|txt)")
"""Weights, settings and words: nothing that could hold code, as a pickle or a module."""
_OWN = ("threads", "save_every")
"""Settings that say how a base is made, and not which."""
_AGREED: dict[tuple[str, str], tuple[str, ...]] = {}
"""(lake, path) -> packages, as they were read: they never change."""


def shared(settings: Settings) -> Objects | None:
    """Where a lake is that has been named, so that others may use it; None where it is the home's own."""
    return objects_of(settings.lake_url) if settings.lake else None


def same_base(
    objects: Objects, texts: Iterable[str], settings: dict[str, Any], cache: Path, make: Callable[[], BaseModel]
) -> BaseModel:
    """The base that the first machine made of these texts and settings, which may be this one.

    Args:
        objects: Of the lake's place.
        texts: What it is made of beside general code, which may differ from machine to machine.
        settings: Of the base.
        cache: Folder that keeps bases.
        make: Makes it here.

    Raises:
        RegistryError: What lies in the lake's place isn't what was put there.
    """
    kept = {name: value for name, value in settings.items() if name not in _OWN}
    hashes = sorted({sha256_of_bytes(text.encode()) for text in texts})
    place = f"{_BASES}/{sha256_of([VERSION, {n: str(v) for n, v in kept.items()}, hashes])[:32]}.json"
    said = _read(objects, place)
    if said is None:
        made = make()
        files = {path.name: sha256_of_file(path) for path in sorted(made.path.iterdir()) if path.is_file()}
        for name, sha256 in files.items():
            objects.put(f"{_FILES}/{sha256}", made.path / name)
        mine = {"name": made.path.name, "fingerprint": made.fingerprint, "files": files}
        objects.create(place, json.dumps(mine).encode())
        said = _read(objects, place) or mine
    return _taken(objects, said, settings, cache)


def _taken(objects: Objects, said: dict[str, Any], settings: dict[str, Any], cache: Path) -> BaseModel:
    """The base that was put there: found here where it was made here, or fetched before."""
    _check_files(objects, said)
    base, folder = TinyBase(), cache / said["name"]
    if (folder / "config.json").exists():
        found = base.at(folder, settings, cache)
        if found.fingerprint == said["fingerprint"]:
            return found
        folder.rename(folder.with_name(f"{folder.name}-{found.fingerprint[:8]}"))  # adapters may have been made for it
    part = cache / f".{folder.name}.fetched"
    with storage("the base", part):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for name, sha256 in said["files"].items():
            file = part / name
            with objects.open(f"{_FILES}/{sha256}") as source, file.open("wb") as target:
                shutil.copyfileobj(source, target, _PIECE)
            if sha256_of_file(file) != sha256:
                raise RegistryError(f"{_FILES}/{sha256} in {objects.url} isn't what was put there: remove it")
        part.rename(folder)
    return base.at(folder, settings, cache)


def _check_files(objects: Objects, said: dict[str, Any]) -> None:
    """Takes what a base is made of, and nothing that could be run, or lie elsewhere."""
    wrong = [name for name in said["files"] if not _FILE.fullmatch(name)]
    wrong += [] if _FOLDER.fullmatch(str(said["name"])) else [str(said["name"])]
    if wrong:
        raise RegistryError(f"{_BASES} in {objects.url} names {wrong[0]!r}, no part of a base: remove what does")


def same_packages(
    objects: Objects, asked: Sequence[object], build: Callable[[Sequence[str]], BuiltEnvironment]
) -> BuiltEnvironment:
    """The environment of the packages that the first machine came to, which may be this one.

    Args:
        objects: Of the lake's place.
        asked: What decides which packages they are, and nothing that differs between machines of one kind.
        build: Builds it of these packages, each with version and hash; of those that the index gives now where none.

    Raises:
        RegistryError: What lies in the lake's place names anything but packages by version and hash.
    """
    kind = [f"{sys.version_info.major}.{sys.version_info.minor}", platform.system(), platform.machine()]
    place = f"{_PACKAGES}/{sha256_of([*kind, *asked])[:32]}.json"
    known = (objects.url, place)
    if known not in _AGREED and (said := _read(objects, place)) is not None:
        _AGREED[known] = _packages(objects, place, said)
    if known in _AGREED:
        return build(_AGREED[known])
    made = build(())
    mine = {"requirements": list(made.record.requirements)}
    if objects.create(place, json.dumps(mine).encode()):
        return made
    theirs = _packages(objects, place, _read(objects, place) or mine)
    return made if theirs == made.record.requirements else build(theirs)


def _packages(objects: Objects, place: str, said: dict[str, Any]) -> tuple[str, ...]:
    """What is said to be installed: pip would run code of an address, or of a package's source, outside of any wall."""
    named = tuple(map(str, said["requirements"]))
    if wrong := next((each for each in named if not is_pinned(each)), None):
        raise RegistryError(f"{place} in {objects.url} names {wrong!r}, no package by version and hash: remove it")
    return named


def _read(objects: Objects, place: str) -> dict[str, Any] | None:
    with contextlib.suppress(FileNotFoundError):
        said: dict[str, Any] = json.loads(objects.read(place))
        return said
    return None
