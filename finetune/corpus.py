"""General code: the Python standard library, cut into what is trained on and what is held out.

It teaches the tiny base to write Python at all, is replayed during fine-tuning so that general skill stays, and its
held-out files measure what fine-tuning cost elsewhere.
"""

from __future__ import annotations

import hashlib
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
