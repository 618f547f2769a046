"""Environments: an interpreter with a library's wheels, built offline inside the wall, named by content.

Resolving uses the package index (`pip download`, wheels only: no package's code is run); what it found is kept, so a
second build of the same requirements doesn't touch the network.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from registry.errors import SandboxError
from registry.identity import sha256_of
from registry.records import Environment
from validators.execution import wall
from validators.execution.wall import ENV, Bind, Limits, Walled

BUILD_S = 900.0
_STALE_S = 86400.0
_DONE = "driftune-environment.json"


@dataclass(frozen=True)
class BuiltEnvironment:
    """An environment that can be run in.

    Attributes:
        record: Its row.
        root: The folder that stands at `/env` inside the wall.
        limits: What its programs may use.
    """

    record: Environment
    root: Path
    limits: Limits

    @property
    def prefix(self) -> str:
        """Where its libraries lie inside the wall."""
        return f"{ENV}/{_site_packages()}"


@dataclass(frozen=True)
class Wheel:
    """A wheel in the cache, with the hash it was verified by."""

    path: Path
    sha256: str

    @property
    def requirement(self) -> str:
        """As `name==version --hash=sha256:…`."""
        name, version, _, _ = parse_wheel_filename(self.path.name)
        return f"{canonicalize_name(name)}=={version} --hash=sha256:{self.sha256}"


def build(
    requirements: Sequence[str],
    cache: Path,
    *,
    wheels: Iterable[Path] = (),
    limits: Limits | None = None,
    label: str = "",
) -> BuiltEnvironment:
    """An environment of this interpreter with `requirements`, from the cache where it has been built before.

    Args:
        requirements: As `networkx==2.8.8`, `pytest`.
        cache: Folder for wheels, resolutions and environments; may be shared by processes.
        wheels: Files of already verified wheels; a requirement that one satisfies by name is taken from it.
        limits: What programs may use in it; part of its identity.
        label: A name for people; by default the requirements.

    Raises:
        SandboxError: No wall, nothing that satisfies the requirements as wheels, or an installation that failed.
    """
    limits = limits or Limits()
    with _written_to(cache):
        found = resolve(requirements, cache, wheels=wheels)
    record = Environment(
        python=platform.python_version(),
        requirements=tuple(sorted(w.requirement for w in found)),
        settings=limits.settings(),
        label=label or f"{', '.join(requirements) or 'no packages'} (Python {platform.python_version()})",
    )
    name = sha256_of([record.python, _platform(), list(record.requirements)])[:32]
    root = cache / "environments" / name
    if not (root / _DONE).is_file():
        with _written_to(cache):
            _install(found, root, record)
    return BuiltEnvironment(record, root, limits)


def resolve(requirements: Sequence[str], cache: Path, *, wheels: Iterable[Path] = ()) -> list[Wheel]:
    """The wheels that satisfy `requirements`, downloaded where they aren't in the cache.

    Raises:
        SandboxError: No set of wheels satisfies them.
    """
    given: dict[str, Path] = {parse_wheel_filename(p.name)[0]: p for p in wheels}
    wanted = sorted(requirements)
    asked = [platform.python_version(), _platform(), wanted, sorted(_sha256(p) for p in given.values())]
    note = cache / "resolutions" / f"{sha256_of(asked)[:32]}.json"
    known = _read_resolution(note, cache)
    if known is not None:
        return known
    found = _download(wanted, given, cache) if wanted else []
    _write(note, json.dumps([{"name": w.path.name, "sha256": w.sha256} for w in found], indent=1))
    return found


def _read_resolution(note: Path, cache: Path) -> list[Wheel] | None:
    try:
        rows = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found = [Wheel(_wheel_path(cache, row["sha256"], row["name"]), row["sha256"]) for row in rows]
    return found if all(w.path.is_file() for w in found) else None


def _wheel_path(cache: Path, sha256: str, name: str) -> Path:
    return cache / "wheels" / sha256[:16] / name


def _download(requirements: Sequence[str], given: dict[str, Path], cache: Path) -> list[Wheel]:
    arguments = [str(given.get(_name_of(r), r)) for r in requirements]
    with _scratch(cache) as folder:
        command = [sys.executable, "-m", "pip", "download", "--only-binary=:all:", "--no-input", "--quiet"]
        command += ["--disable-pip-version-check", "--dest", str(folder), *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_S, check=False)
        except subprocess.TimeoutExpired as error:
            late = f"The package index gave no wheels for {', '.join(requirements)} within {BUILD_S:g} s"
            raise SandboxError(late, retryable=True) from error
        if done.returncode:
            raise SandboxError(
                f"No wheels for {', '.join(requirements)} on Python {platform.python_version()}: {_last(done.stderr)}",
                retryable="No matching distribution" not in done.stderr,
                requirements=list(requirements),
            )
        return [_keep(path, cache) for path in sorted(folder.glob("*.whl"))]


def _keep(path: Path, cache: Path) -> Wheel:
    sha256 = _sha256(path)
    kept = _wheel_path(cache, sha256, path.name)
    kept.parent.mkdir(parents=True, exist_ok=True)
    path.replace(kept)
    return Wheel(kept, sha256)


def _name_of(requirement: str) -> str:
    name = requirement.split(";")[0].split("[")[0]
    for sign in "=<>!~ ":
        name = name.split(sign)[0]
    return canonicalize_name(name)


def _install(wheels: Sequence[Wheel], root: Path, record: Environment) -> None:
    """Make the environment under a temporary name, inside the wall, and rename it."""
    why = wall.available()
    if why is not None:
        raise SandboxError(f"No sandbox: {why}")
    with _scratch(root.parent) as folder:
        _skeleton(folder)
        if wheels:
            _pip_install(wheels, folder)
        _write(folder / _DONE, json.dumps({"python": record.python, "requirements": record.requirements}, indent=1))
        try:
            folder.rename(root)
        except OSError:
            if not (root / _DONE).is_file():  # not another process's, finished meanwhile
                raise


def _skeleton(folder: Path) -> None:
    """A virtual environment's frame: `python` in it is the interpreter, with these packages and no others."""
    folder.chmod(0o755)
    (folder / _site_packages()).mkdir(parents=True)
    (folder / "bin").mkdir()
    python = wall.interpreter()
    for name in ("python", "python3", python.name):
        link = folder / "bin" / name
        if not link.is_symlink():
            link.symlink_to(python)
    text = f"home = {python.parent}\ninclude-system-site-packages = false\nversion = {platform.python_version()}\n"
    (folder / "pyvenv.cfg").write_text(text, encoding="utf-8")


def _pip_install(wheels: Sequence[Wheel], folder: Path) -> None:
    pip = find_spec("pip")
    if pip is None or pip.origin is None:
        raise SandboxError(f"No pip for {sys.executable}: environments can't be built. Run it as: python -m ensurepip")
    binds = [Bind(folder, ENV, writable=True), Bind(Path(pip.origin).parent, "/pip/pip")]
    binds += [Bind(w.path, f"/wheels/{w.path.name}") for w in wheels]
    command = [f"{ENV}/bin/python", "-m", "pip", "install", "--no-index", "--no-deps", "--no-input", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-warn-script-location", *(f"/wheels/{w.path.name}" for w in wheels)]
    variables = {"PYTHONPATH": "/pip", "PYTHONDONTWRITEBYTECODE": ""}
    walled = Walled(command, binds, variables=variables, stderr=subprocess.STDOUT)
    status, output = walled.finish(BUILD_S)
    if status:
        names = ", ".join(w.path.name for w in wheels)
        raise SandboxError(f"Installing {names} failed: {_last(output)}")


def _site_packages() -> str:
    return f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def _platform() -> str:
    return sysconfig.get_platform()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _last(log: str, lines: int = 5) -> str:
    """The last lines of a log, as one."""
    return " | ".join(line.strip() for line in log.strip().splitlines()[-lines:] if line.strip())


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


@contextmanager
def _written_to(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SandboxError(f"No environment can be written to {cache}: {error.strerror or error}") from error


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(".making-*"):  # by a builder that was killed
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _STALE_S:
                shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=".making-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
