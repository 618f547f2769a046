"""griffe's trees of a release and what its modules bind, kept in a folder: loading anew costs some six to twelve times.

A file is named by the texts that were read, and by what read them: nothing is ever out of date. Only what this program
wrote to its own home is unpickled; a file that isn't whole is as none.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from registry.identity import sha256_of, sha256_of_bytes

KEPT = 12
"""Releases of which the trees are kept, those used last: networkx' take 7 MB, pandas' 18."""
_DEPTH = 20_000
"""How deep objects may hold one another: aliases lead from module to module."""

T = TypeVar("T")


def kept_trees(
    texts: Mapping[str, str], load: Callable[[Mapping[str, str]], T], folder: Path, kind: str = "pickle"
) -> T:
    """What `load` gives for the texts, {path: text}: from the folder where it was given before.

    Args:
        texts: What is read.
        load: What reads it.
        folder: Where it is kept.
        kind: Suffix of what one such function gives.
    """
    file = folder / f"{_key(texts)}.{kind}"
    with contextlib.suppress(
        OSError, EOFError, ValueError, LookupError, ImportError, AttributeError, pickle.PickleError
    ):
        found: T = pickle.loads(file.read_bytes())  # noqa: S301 (this program's own, in its own home)
        file.touch()
        return found
    found = load(texts)
    with contextlib.suppress(OSError, RecursionError, pickle.PickleError):  # a cache that can't be written costs time
        _write(file, found)
        _trim(folder, kind)
    return found


def _key(texts: Mapping[str, str]) -> str:
    digests = [[path, sha256_of_bytes(text.encode())] for path, text in sorted(texts.items())]
    return sha256_of([digests, version("griffe"), list(sys.version_info[:3]), _readers()])[:32]


@cache
def _readers() -> list[str]:
    """The digests of the modules that decide what is loaded."""
    names = ("namespaces.py", "stubs.py", "symbols.py")
    return [sha256_of_bytes(Path(__file__).with_name(name).read_bytes()) for name in names]


def _write(file: Path, found: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with _deep():
        content = pickle.dumps(found, protocol=pickle.HIGHEST_PROTOCOL)
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
        part.write(content)
    Path(part.name).replace(file)


@contextlib.contextmanager
def _deep() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEPTH))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _trim(folder: Path, kind: str) -> None:
    files = sorted(folder.glob(f"*.{kind}"), key=lambda f: f.stat().st_mtime_ns, reverse=True)
    for file in files[KEPT:]:
        file.unlink(missing_ok=True)
