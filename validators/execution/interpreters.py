"""The Python interpreters of this machine: which there are, and the one that a program asks for.

Looked for, in this order: the one that runs driftune, PATH (`python3.8` to `python3.14`), pyenv's folders and uv's.
Each is asked for its version and folders, once a process.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from registry.errors import SandboxError

OLDEST, NEWEST = (3, 8), (3, 14)
"""What the worker runs on."""

VERSION = re.compile(r"3\.\d{1,3}(\.\d{1,3})?")
"""How a version is asked for: `3.11`, or `3.11.7`."""

_ASK_S = 30.0


@dataclass(frozen=True)
class Interpreter:
    """One CPython.

    Attributes:
        path: Its executable, no link and in no virtual environment: the same outside and inside the wall.
        version: As `3.11.7`.
        prefix: Where its standard library lies.
        platform: As `linux-x86_64`: a part of what its wheels are chosen by.
        packages: Folders of what is installed beside it, which no program of ours may see.
        pip: The folder of its pip package, where it has one.
        local: Whether it lies on this machine; else it is an image's.
    """

    path: Path
    version: str
    prefix: Path
    platform: str = ""
    packages: tuple[Path, ...] = ()
    pip: Path | None = None
    local: bool = True

    @property
    def minor(self) -> str:
        """As `3.11`."""
        return ".".join(self.version.split(".")[:2])

    @property
    def site_packages(self) -> str:
        """Where an environment's libraries lie below it."""
        return f"lib/python{self.minor}/site-packages"


def find(python: str | None = None) -> Interpreter:
    """The interpreter of a version: the newest patch of `3.11`, exactly `3.11.7`, or by default the running one.

    Raises:
        SandboxError: There is none; the message says which there are, and what to do.
    """
    running = _running()
    if python is None:
        return running
    if not VERSION.fullmatch(python):
        raise SandboxError(f"No Python {python!r}: a version is written as 3.11 or 3.11.7", python=python)
    if _satisfies(running, python):
        return running
    here = every()
    found = [i for i in here if _satisfies(i, python)]
    if found:
        return max(found, key=_order)
    raise SandboxError(_missing(python, here), python=python)


def every() -> list[Interpreter]:
    """One interpreter of each version that is here and that the worker runs on, oldest first."""
    found: dict[str, Interpreter] = {}
    for path in _candidates():
        interpreter = _ask(str(path), _stamp(path))
        if interpreter is not None and OLDEST <= _order(interpreter)[:2] <= NEWEST:
            found.setdefault(interpreter.version, interpreter)
    return sorted(found.values(), key=_order)


def _missing(python: str, here: list[Interpreter]) -> str:
    oldest, newest = (".".join(map(str, v)) for v in (OLDEST, NEWEST))
    listed = f"found {', '.join(i.version for i in here)}"
    if not OLDEST <= _numbers(python)[:2] <= NEWEST:
        return f"No Python {python} in the sandbox: it runs {oldest} to {newest} ({listed})"
    return f"No Python {python} here: {listed}. Install it with: uv python install {python}"


def _satisfies(interpreter: Interpreter, python: str) -> bool:
    return interpreter.version == python or interpreter.minor == python


def _order(interpreter: Interpreter) -> tuple[int, ...]:
    return _numbers(interpreter.version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


# --------------------------------------------------------------------------------------------------- where they may be


def _candidates() -> Iterator[Path]:
    """Executables that may be interpreters; those found twice are the same file, and are asked once."""
    yield _running().path
    names = [f"python3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]
    seen: set[Path] = set()
    for folder in [*_path_folders(), *_version_folders()]:
        for name in (*names, "python3", "python"):
            path = folder / name
            if path.is_file() and os.access(path, os.X_OK) and path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def _path_folders() -> list[Path]:
    """The folders of PATH; pyenv's shims only choose among its own versions, which are looked at by themselves."""
    folders = [Path(p) for p in os.environ.get("PATH", "").split(os.pathsep)]
    return [f for f in folders if f.is_absolute() and f.name != "shims"]


def _version_folders() -> list[Path]:
    """`bin` of each version that pyenv or uv has installed."""
    variables, home = os.environ, Path.home()
    data = Path(variables.get("XDG_DATA_HOME") or home / ".local" / "share")
    roots = [
        Path(variables.get("PYENV_ROOT") or home / ".pyenv") / "versions",
        Path(variables.get("UV_PYTHON_INSTALL_DIR") or data / "uv" / "python"),
    ]
    return [f for root in roots if root.is_dir() for f in sorted(root.glob("*/bin"))]


# ------------------------------------------------------------------------------------------------- what each one says

QUESTION = """
import importlib.util, json, os, platform, site, sys, sysconfig
found = importlib.util.find_spec("pip")
base = os.path.realpath(sys.base_prefix)
names = [sysconfig.get_path(n, vars={"base": base, "platbase": base}) for n in ("purelib", "platlib")]
print(json.dumps({
    "path": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "version": "%d.%d.%d" % sys.version_info[:3],
    "prefix": base,
    "platform": sysconfig.get_platform(),
    "packages": sorted(set(n for n in [*names, *site.getsitepackages([base])] if n)),
    "pip": os.path.dirname(found.origin) if found and found.origin else None,
    "usable": platform.python_implementation() == "CPython" and not sysconfig.get_config_var("Py_GIL_DISABLED"),
}))
"""
"""Run by an interpreter with -I -c, it says what it is; so do those that are too old: their version leaves them out."""


@cache
def _running() -> Interpreter:
    """The interpreter of this process, with the pip of its virtual environment."""
    found = _ask(sys.executable, _stamp(Path(sys.executable)))
    if found is None:
        said = f"{platform.python_implementation()} {platform.python_version()}"
        raise SandboxError(f"No environment can be made of {sys.executable} ({said}): run driftune with CPython")
    return found


def _stamp(path: Path) -> tuple[int, int]:
    """Changes when another interpreter is installed in its place."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=256)
def _ask(path: str, stamp: tuple[int, int]) -> Interpreter | None:
    """What the interpreter at `path` says of itself; None where it is none, or none that can be used."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", QUESTION], capture_output=True, text=True, timeout=_ASK_S, check=False, cwd="/"
        )
        return answered(done.stdout)
    except (OSError, subprocess.TimeoutExpired):
        return None


def answered(text: str, *, local: bool = True) -> Interpreter | None:
    """The interpreter that answered `QUESTION` with `text`; None where it can't be used, or this is no answer."""
    try:
        said = json.loads(text)
        if not said["usable"]:
            return None
        return Interpreter(
            path=Path(said["path"]),
            version=said["version"],
            prefix=Path(said["prefix"]),
            platform=said["platform"],
            packages=tuple(Path(p) for p in said["packages"]),
            pip=Path(said["pip"]) if said["pip"] and local else None,
            local=local,
        )
    except (ValueError, KeyError, TypeError):
        return None
