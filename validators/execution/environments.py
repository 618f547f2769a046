"""Environments: an interpreter with a library's wheels, built offline inside the wall, named by content.

What the requirements come to is resolved once (`resolution.py`), and what was built is used again until it is removed
to make room (`cache.py`): neither touches the network a second time.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from registry.errors import SandboxError
from registry.records import Environment
from validators.execution import interpreters
from validators.execution.cache import DONE, Lease, scratch, size_of, used, write
from validators.execution.interpreters import Interpreter
from validators.execution.resolution import Relay, Wheel, environment_name, held, last_lines, resolve
from validators.execution.wall import ENV, Bind, Limits, Wall
from validators.execution.worker import FONTS

BUILD_S = 900.0


@dataclass(frozen=True)
class BuiltEnvironment:
    """An environment that can be run in.

    Attributes:
        record: Its row.
        root: The folder that stands at `/env` inside the wall.
        limits: What its programs may use.
        interpreter: What runs them.
        made: Differs from that of one which was made in the same place, after this one was removed from there.
        lease: Keeps it in the cache as long as this object lives.
    """

    record: Environment
    root: Path
    limits: Limits
    interpreter: Interpreter
    made: str
    lease: Lease = field(compare=False, repr=False)

    @property
    def prefix(self) -> str:
        """Where its libraries lie inside the wall."""
        return f"{ENV}/{self.interpreter.site_packages}"


def build(
    requirements: Sequence[str],
    cache: Path,
    *,
    wall: Wall,
    python: str | None = None,
    wheels: Iterable[Path] = (),
    relay: Relay | None = None,
    limits: Limits | None = None,
    label: str = "",
) -> BuiltEnvironment:
    """An environment with `requirements`, from the cache where it has been built before.

    Args:
        requirements: As `networkx==2.8.8`, `pytest`.
        cache: Folder for wheels, locks and environments; may be shared by processes.
        wall: What it is built behind.
        python: Version of its interpreter, `3.11` or `3.11.7`; by default the running one.
        wheels: Files of already verified wheels; a requirement that one satisfies by name is taken from it.
        relay: Where the others come from, if not from the index that pip is configured for.
        limits: What programs may use in it; part of its identity.
        label: A name for people; by default the requirements.

    Raises:
        SandboxError: No wall, no such interpreter, no wheels that satisfy the requirements, or a failed installation.
    """
    limits, given = limits or Limits(), list(wheels)
    interpreter = wall.interpreter(python)
    cache = cache.absolute()  # walls are started elsewhere
    with _written_to(cache):
        found = resolve(requirements, cache, interpreter, wheels=given, relay=relay)
    record = Environment(
        python=interpreter.version,
        requirements=tuple(sorted(w.requirement for w in found)),
        settings={**wall.settings(), **limits.settings()},
        label=label or f"{', '.join(requirements) or 'no packages'} (Python {interpreter.version})",
    )
    root = cache / "environments" / environment_name(interpreter, found)
    leased = _lease(root)
    for _ in range(3):
        if leased is not None:
            return BuiltEnvironment(record, root, limits, interpreter, *leased)
        with _written_to(cache), held(found, cache, interpreter, wheels=given, relay=relay) as files:
            _install(found, files, root, wall, interpreter)
        leased = _lease(root)
    raise SandboxError(f"The environment {root} is removed again and again: is its cache full?", retryable=True)


def _lease(root: Path) -> tuple[str, Lease] | None:
    """A lease of an environment that is complete, and when that was made."""
    lease = Lease.of(root)
    if lease is None:
        return None
    try:
        made = str(json.loads((root / DONE).read_text(encoding="utf-8")).get("made"))
    except (OSError, ValueError):
        return None
    used(root)
    return made, lease


def _install(wheels: Sequence[Wheel], files: Sequence[Path], root: Path, wall: Wall, interpreter: Interpreter) -> None:
    """Make the environment under a temporary name, inside the wall, and rename it."""
    why = wall.available()
    if why is not None:
        raise SandboxError(f"No sandbox: {why}")
    with scratch(root.parent) as folder:
        _skeleton(folder, interpreter)
        if wheels:
            _pip_install(files, folder, wall, interpreter)
            _list_fonts(folder, wall, interpreter)
        said = {"python": interpreter.version, "requirements": sorted(w.requirement for w in wheels)}
        write(folder / DONE, json.dumps({**said, "bytes": size_of(folder), "made": uuid.uuid4().hex}, indent=1))
        try:
            folder.rename(root)
        except OSError:
            if not (root / DONE).is_file():  # not another process's, finished meanwhile
                raise


def _skeleton(folder: Path, interpreter: Interpreter) -> None:
    """A virtual environment's frame: `python` in it is the interpreter, with these packages and no others."""
    folder.chmod(0o755)
    (folder / interpreter.site_packages).mkdir(parents=True)
    (folder / "bin").mkdir()
    for name in sorted({"python", "python3", interpreter.path.name}):
        (folder / "bin" / name).symlink_to(interpreter.path)
    home = f"home = {interpreter.path.parent}\n"
    text = f"{home}include-system-site-packages = false\nversion = {interpreter.version}\n"
    (folder / "pyvenv.cfg").write_text(text, encoding="utf-8")
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)  # behind Docker a job is another user


def _pip_install(wheels: Sequence[Path], folder: Path, wall: Wall, interpreter: Interpreter) -> None:
    """The target's own pip installs and compiles; ours, where it has none."""
    pip = interpreter.pip or interpreters.find().pip
    if pip is None:
        path = interpreters.find().path
        raise SandboxError(f"No pip for {path}: environments can't be built. Run: {path} -m ensurepip")
    targets = [f"/wheels/{w.name}" for w in wheels]
    binds = [Bind(folder, ENV, writable=True), Bind(pip, "/pip/pip")]
    binds += [Bind(w, target) for w, target in zip(wheels, targets, strict=True)]
    command = [f"{ENV}/bin/python", "-m", "pip", "install", "--no-index", "--no-deps", "--no-input", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "--no-warn-script-location", *targets]
    variables = {"PYTHONPATH": "/pip", "PYTHONDONTWRITEBYTECODE": ""}
    status, output = wall.run(command, binds, variables=variables, interpreter=interpreter, timeout_s=BUILD_S)
    if status:
        names = ", ".join(w.name for w in wheels)
        ended = f"it was killed (exit status {status})" if _is_killed(status) else last_lines(output)
        raise SandboxError(
            f"Installing {names} on Python {interpreter.version} failed: {ended}", retryable=_is_killed(status)
        )


def _is_killed(status: int) -> bool:
    """Whether an exit status is that of a process that a signal ended, or of a wall around one."""
    return status < 0 or status > 128


def _list_fonts(folder: Path, wall: Wall, interpreter: Interpreter) -> None:
    """Have matplotlib look for fonts once, where it is installed: otherwise each program that imports it would."""
    if (folder / interpreter.site_packages / "matplotlib").is_dir():
        command = [f"{ENV}/bin/python", "-c", "import matplotlib.font_manager"]
        variables = {"MPLCONFIGDIR": f"{ENV}/{FONTS}"}
        binds = [Bind(folder, ENV, writable=True)]
        wall.run(command, binds, variables=variables, interpreter=interpreter, timeout_s=BUILD_S)


@contextmanager
def _written_to(cache: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SandboxError(f"No environment can be written to {cache}: {error.strerror or error}") from error
