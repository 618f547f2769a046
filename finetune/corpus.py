"""General code: the Python standard library, cut into what is trained on and what is held out.

It teaches the tiny base to write Python at all, is replayed during fine-tuning so that general skill stays, and its
held-out files measure what fine-tuning cost elsewhere.

A larger base needs more: a corpus is the source of packages, in one file under `DRIFTUNE_HOME/bases/corpora`, whose
first line says which packages, under which licences.
"""

from __future__ import annotations

import hashlib
import json
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.errors import ConfigurationError
from registry.identity import sha256_of, sha256_of_bytes
from registry.storage import write_file

LICENCE = "PSF-2.0"
HELD_OUT = 20
"""One file in this many is held out, by the hash of its path."""

_LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "ensurepip", "__pycache__"}
)


@dataclass(frozen=True)
class SourceFile:
    """One module of general code."""

    path: str
    text: str

    @property
    def held_out(self) -> bool:
        """Whether it is kept for evaluation; the same on every machine."""
        return int(hashlib.sha256(self.path.encode()).hexdigest(), 16) % HELD_OUT == 0


def standard_library(root: Path | None = None) -> Iterator[SourceFile]:
    """The modules of this Python's standard library, without its tests, sorted by path.

    Args:
        root: Another folder of Python files to read instead.
    """
    folder = root or Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(folder.rglob("*.py")):
        relative = path.relative_to(folder)
        if _LEFT_OUT.isdisjoint(relative.parts):
            text = _read(path)
            if text:
                yield SourceFile(relative.as_posix(), text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def write_corpus(cache: Path, files: Iterable[SourceFile], about: Mapping[str, Any]) -> str:
    """Writes a corpus of packages, once; its name, which is another where anything in it is.

    Args:
        cache: Folder that keeps bases.
        files: The modules.
        about: What it is made of, as JSON without floats: `licences`, its SPDX expressions, and what else to say.
    """
    held = list(files)
    marks = [[file.path, sha256_of_bytes(file.text.encode())] for file in held]
    name = f"packages-{sha256_of([dict(about), marks])[:16]}"
    lines = [json.dumps(dict(about)), *(json.dumps({"path": file.path, "text": file.text}) for file in held)]
    write_file(_place(cache, name), "\n".join([*lines, ""]).encode(), "a corpus")
    return name


def about(cache: Path, name: str) -> dict[str, Any]:
    """What a corpus is made of.

    Raises:
        ConfigurationError: There is none of the name.
    """
    return next(_lines(cache, name))


def packages(cache: Path, name: str) -> Iterator[SourceFile]:
    """The modules of a corpus, in its order; none is held out.

    Raises:
        ConfigurationError: There is none of the name.
    """
    lines = _lines(cache, name)
    next(lines)
    yield from (SourceFile(line["path"], line["text"]) for line in lines)


def _lines(cache: Path, name: str) -> Iterator[dict[str, Any]]:
    try:
        with _place(cache, name).open(encoding="utf-8") as file:
            yield from map(json.loads, file)
    except FileNotFoundError as error:
        raise ConfigurationError(f"No corpus {name} in {cache / 'corpora'}: driftune prove makes one") from error


def _place(cache: Path, name: str) -> Path:
    return cache / "corpora" / f"{name}.jsonl"


def windows(text: str, size: int) -> Iterator[str]:
    """`text` in pieces of at most `size` characters, cut at line ends; a longer line stands alone."""
    piece: list[str] = []
    held = 0
    for line in text.splitlines(keepends=True):
        if piece and held + len(line) > size:
            yield "".join(piece)
            piece, held = [], 0
        piece.append(line)
        held += len(line)
    if piece:
        yield "".join(piece)
