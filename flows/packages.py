"""The source of permissive packages as general code for a base: those installed here, and those in the home's caches.

What a base mustn't know stays out: the library of the domain in any release, whoever ships it; code that names it, as
that is written for some release; and copies of the general code that is held out. Each package, and each file of it, is
under a licence of the domain's list, found as that of a release is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import PurePosixPath
from typing import Any, cast

from packaging.utils import canonicalize_name

from finetune import corpus
from finetune.corpus import SourceFile
from flows.house import House
from flows.progress import Tell
from flows.scraping import releases, scraped
from registry.errors import ConfigurationError
from scrapers.licences import Licence, file_licence, is_licence_file, recognised, release_licence
from scrapers.texts import decoded
from validators.curation.licences import LicenceGate

LARGEST = 200_000
"""Bytes of a file; larger ones are tables, or generated."""
LONG = 30
"""Characters of a line that says something: shorter ones stand in any file."""
COPIED = 0.3
"""A file with this share of its long lines from another, and ten at least, is a copy."""
_NOT_ITS_OWN = re.compile(r"(?i)vendor|bundled|third|extern")
"""What folders of others' packages are called."""


@dataclass(frozen=True)
class Package:
    """A package, and what of it is general code.

    Attributes:
        name: As it is installed.
        version: Its version.
        licence: SPDX expression; empty where none is known.
        files: How many files of it are taken.
        size: Their bytes.
        why: Why nothing of it is taken; empty where some is.
    """

    name: str
    version: str
    licence: str
    files: int = 0
    size: int = 0
    why: str = ""


class Barred:
    """What a base mustn't know.

    Args:
        imports: Import names of the library.
        library: Source of the library.
        held_out: General code that is held out.
    """

    def __init__(self, imports: Iterable[str], library: Iterable[str], held_out: Iterable[str]) -> None:
        self._imports = {name.partition(".")[0] for name in imports}
        self._named = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, self._imports)))})\b")
        self._library, self._held_out = _lines(library), _lines(held_out)

    def is_library(self, path: PurePosixPath, text: str) -> bool:
        """Whether a file is one of the library's: by its place, shipped in a folder of others' packages, or copied."""
        inside = self._imports & {*path.parts[:-1], path.stem}
        place = path.parts[0].removesuffix(".py") in self._imports or _NOT_ITS_OWN.search(path.as_posix())
        return bool(inside and place) or _copies(text, self._library)

    def takes(self, text: str) -> bool:
        """Whether a file names the library, or is held-out general code."""
        return bool(self._named.search(text)) or _copies(text, self._held_out)


def _lines(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(line for text in texts for line in _long(text))


def _long(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if len(line) >= LONG]


def _copies(text: str, known: frozenset[str]) -> bool:
    lines = _long(text)
    same = sum(line in known for line in lines)
    return same >= 10 and same >= COPIED * len(lines)


def gathered(house: House, only: Iterable[str] = ()) -> str:
    """Writes the corpus of what is here, where it isn't written yet; its name.

    Args:
        house: The domain: its licences, its library, its caches.
        only: Names of packages, where not all are to be taken.

    Raises:
        ConfigurationError: One of these isn't here, or nothing may be taken.
    """
    _, new = releases(house)
    source = (page.markdown for page in scraped(house, new).pages if page.kind in ("source", "test"))
    held_out = (file.text for file in corpus.standard_library() if file.held_out)
    barred = Barred(house.library.imports, source, held_out)
    wanted = {canonicalize_name(name) for name in only}
    found = {name: one for name, one in here(house).items() if not wanted or name in wanted}
    if missing := sorted(wanted - set(found)):
        raise ConfigurationError(f"No package {missing[0]} is installed here, nor in {house.settings.root}: install it")
    files, packages = collected(list(found.values()), barred, LicenceGate(house.domain.licences), house.tell)
    if not files:
        why = next((p.why for p in packages), "none is installed")
        raise ConfigurationError(f"No package's source may be trained on ({why}): install some under a listed licence")
    told = [vars(p) for p in packages]
    about = {
        "licences": sorted({p.licence for p in packages if not p.why}),
        "packages": [p for p in told if not p["why"]],
        "left_out": [p for p in told if p["why"]],
    }
    return corpus.write_corpus(house.folder("bases"), files, about)


def here(house: House) -> dict[str, Distribution]:
    """The packages that are installed, and those of wheels in the home's caches: normal name -> the first there is."""
    wheels = sorted(str(path) for name in ("sandbox", "packages") for path in house.folder(name).rglob("*.whl"))
    found: dict[str, Distribution] = {}
    for one in [*distributions(), *distributions(path=wheels)]:
        if one.metadata and one.metadata["Name"]:
            found.setdefault(canonicalize_name(one.metadata["Name"]), one)
    return dict(sorted(found.items()))


def collected(
    found: Sequence[Distribution], barred: Barred, gate: LicenceGate, tell: Tell
) -> tuple[list[SourceFile], list[Package]]:
    """The files of packages that a base may see, each once, and what became of each package.

    Args:
        found: The packages.
        barred: What must not be among them.
        gate: Licences that may be trained on.
        tell: Told of each package.
    """
    kept: dict[str, SourceFile] = {}
    packages = []
    for done, one in enumerate(found, start=1):
        package, files = _of(one, barred, gate)
        fresh = [file for file in files if file.text not in kept]
        kept |= {file.text: file for file in reversed(fresh)}
        packages.append(package)
        tell("Read the source of packages", done, len(found))
    return sorted(kept.values(), key=lambda file: file.path), packages


def _of(one: Distribution, barred: Barred, gate: LicenceGate) -> tuple[Package, list[SourceFile]]:
    name, version = str(one.metadata["Name"]), str(one.version)
    licence = _licence(one)
    package = Package(name, version, licence.expression or "", why=gate.refuses(licence.expression))
    if package.why:
        return package, []
    vendored = _vendored(one)
    files = []
    for path, text in _sources(one):
        if barred.is_library(path, text):
            return Package(name, version, package.licence, why="It holds a copy of the library"), []
        folder = next((vendored[p] for p in path.parents if p in vendored), None)
        refused = gate.refuses(file_licence(text, licence.expression, folder))
        if text.strip() and not refused and not barred.takes(text):
            files.append(SourceFile(f"{canonicalize_name(name)}/{path.as_posix()}", text))
    why = "" if files else "It has no Python source that may be taken"
    return Package(name, version, package.licence, len(files), sum(len(f.text.encode()) for f in files), why), files


def _sources(one: Distribution) -> Iterator[tuple[PurePosixPath, str]]:
    for path, place in _files(one):
        if path.suffix == ".py" and not path.parts[0].endswith((".dist-info", ".data")):
            data = place.read_bytes()
            if len(data) <= LARGEST:
                yield path, decoded(data, python=True)


def _files(one: Distribution) -> Iterator[tuple[PurePosixPath, Any]]:
    """The files of a package that are there, below the folder it is installed in, or within its wheel."""
    for file in one.files or ():
        path, place = PurePosixPath(file.as_posix()), cast(Any, one.locate_file(file))
        if ".." not in path.parts and not path.is_absolute() and place.is_file():
            yield path, place


def _licence(one: Distribution) -> Licence:
    fields: Mapping[str, Sequence[str]] = {
        name.lower(): [str(value) for value in one.metadata.get_all(name) or ()] for name in set(one.metadata)
    }
    texts = {
        path.as_posix(): decoded(place.read_bytes())
        for path, place in _files(one)
        if path.parts[0].endswith(".dist-info") and is_licence_file(path.name)
        and not _NOT_ITS_OWN.search(path.as_posix())
    }  # fmt: skip
    return release_licence(fields, texts)


def _vendored(one: Distribution) -> dict[PurePosixPath, Licence]:
    """Folders below a package that have a licence file of their own, with what it says."""
    found = {}
    for path, place in _files(one):
        if len(path.parts) > 2 and is_licence_file(path.name) and not path.parts[0].endswith(".dist-info"):
            found[path.parent] = Licence(" AND ".join(sorted(recognised(decoded(place.read_bytes())))) or None)
    return found
