"""Which wheels satisfy some requirements for an interpreter: asked of the package index once, then known by hash.

Only wheels are taken, so that no package's code is run on the host. What was found is kept as a lock: the same question
gets the same answer without a network, and a wheel that has left the cache is fetched again by its hash.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from packaging.utils import canonicalize_name, parse_wheel_filename

from registry.errors import SandboxError
from registry.identity import sha256_of, sha256_of_file
from validators.execution import interpreters
from validators.execution.cache import Lease, scratch, write
from validators.execution.interpreters import Interpreter

RESOLVE_S = 900.0

_PINNED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+_-]+ --hash=sha256:([0-9a-f]{64})", re.ASCII)


class Relay(Protocol):
    """Where pip is sent in place of the index that it is configured for."""

    @property
    def mark(self) -> str:
        """Tells what was resolved here from what was resolved elsewhere."""

    def served(self) -> AbstractContextManager[str]:
        """The address of an index that wants no login, on this machine, until the block ends."""


_NEEDED = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH")
"""Variables that pip gets of ours where a relay stands before the index: those that hold logins are not among them."""

_PIP = "\n".join(
    [
        "import ctypes, runpy",
        "ctypes.CDLL(None).prctl(1, 9)",
        "runpy.run_module('pip', run_name='__main__', alter_sys=True)",
    ]
)
"""pip that ends with us: PR_SET_PDEATHSIG (1) has the kernel kill it (9) when the thread that waits for it is gone."""


@dataclass(frozen=True)
class Wheel:
    """A wheel, with the hash that it is verified by."""

    name: str
    sha256: str

    @property
    def requirement(self) -> str:
        """As `name==version --hash=sha256:…`."""
        name, version, _, _ = parse_wheel_filename(self.name)
        return f"{canonicalize_name(name)}=={version} --hash=sha256:{self.sha256}"

    def path(self, cache: Path) -> Path:
        """Where it lies in the cache, if it is there."""
        return cache / "wheels" / self.sha256[:16] / self.name


def resolve(
    requirements: Sequence[str],
    cache: Path,
    interpreter: Interpreter,
    *,
    wheels: Iterable[Path] = (),
    relay: Relay | None = None,
) -> list[Wheel]:
    """The wheels that satisfy `requirements`: those of the lock, where it was asked before.

    Args:
        requirements: As `networkx==2.8.8`, `pytest`; or all of them as `Wheel.requirement`: these wheels and no others.
        cache: Folder of wheels and locks.
        interpreter: What they are for: its version and platform choose the files, and decide markers.
        wheels: Files of already verified wheels; a requirement that one satisfies by name is taken from it.
        relay: Where the others come from, if not from the index that pip is configured for.

    Raises:
        SandboxError: No set of wheels satisfies them.
    """
    given: dict[str, Path] = {parse_wheel_filename(p.name)[0]: p for p in wheels}
    wanted = sorted(requirements)
    asked = [interpreter.version, interpreter.platform, wanted, sorted(sha256_of_file(p) for p in given.values())]
    asked += [relay.mark] if relay is not None else []
    lock = cache / "resolutions" / f"{sha256_of(asked)[:32]}.json"
    known = read_lock(lock)
    if known is not None:
        os.utime(lock)
        return known
    if wanted and all(map(is_pinned, wanted)):
        found = _pinned(wanted, cache, interpreter, given.values(), relay)
    else:
        arguments = [str(given.get(_name_of(r), r)) for r in wanted]
        found = _download(arguments, wanted, cache, interpreter, relay) if wanted else []
    rows = [{"name": w.name, "sha256": w.sha256} for w in found]
    write(lock, json.dumps({"environment": environment_name(interpreter, found), "wheels": rows}, indent=1))
    return found


def is_pinned(requirement: str) -> bool:
    """Whether it names one wheel as `Wheel.requirement` does, and nothing else: no option of pip's, no address."""
    return _PINNED.fullmatch(requirement) is not None


def _pinned(
    wanted: Sequence[str], cache: Path, interpreter: Interpreter, given: Iterable[Path], relay: Relay | None
) -> list[Wheel]:
    """The wheels of these hashes: those that are here already, and the others fetched."""
    ours = {sha256_of_file(path): path.name for path in given}
    found, missing = [], []
    for requirement in wanted:
        sha256 = requirement[-64:]
        kept = (path.name for path in sorted((cache / "wheels" / sha256[:16]).glob("*.whl")))
        wheels = [Wheel(name, sha256) for name in (*([ours[sha256]] if sha256 in ours else []), *kept)]
        here = next((wheel for wheel in wheels if wheel.requirement == requirement), None)
        (found.append(here) if here else missing.append(requirement))
    return found + (_fetch(missing, cache, interpreter, relay) if missing else [])


def environment_name(interpreter: Interpreter, wheels: Iterable[Wheel]) -> str:
    """Name of the folder of an environment: the same content has the same name."""
    return sha256_of([interpreter.version, interpreter.platform, sorted(w.requirement for w in wheels)])[:32]


def read_lock(lock: Path) -> list[Wheel] | None:
    """The wheels of a lock; None where it isn't there, or can't be read."""
    try:
        rows = json.loads(lock.read_text(encoding="utf-8"))["wheels"]
        return [Wheel(row["name"], row["sha256"]) for row in rows]
    except (OSError, ValueError, TypeError, KeyError):
        return None


@contextmanager
def held(
    wanted: Sequence[Wheel],
    cache: Path,
    interpreter: Interpreter,
    *,
    wheels: Iterable[Path] = (),
    relay: Relay | None = None,
) -> Iterator[list[Path]]:
    """The files of these wheels, which nobody removes meanwhile; those that aren't there are fetched by their hashes.

    Raises:
        SandboxError: One is no longer to be had.
    """
    with ExitStack() as leases:
        missing = [w for w in wanted if not _hold(w, cache, leases)]
        for path in wheels if missing else ():
            _keep(path, cache, copy=True)
        missing = [w for w in missing if not _hold(w, cache, leases)]
        if missing:
            _fetch([wheel.requirement for wheel in missing], cache, interpreter, relay)
        if any(not _hold(w, cache, leases) for w in missing):
            raise SandboxError(f"The wheels in {cache} were removed while they were used", retryable=True)
        yield [w.path(cache) for w in wanted]


def _hold(wheel: Wheel, cache: Path, leases: ExitStack) -> bool:
    lease = Lease.of(wheel.path(cache))
    if lease is None:
        return False
    leases.callback(lease.end)
    os.utime(wheel.path(cache))
    return True


def _fetch(wanted: Sequence[str], cache: Path, interpreter: Interpreter, relay: Relay | None) -> list[Wheel]:
    """Wheels by their versions and hashes."""
    with scratch(cache) as folder:
        lock = folder / "lock.txt"
        lock.write_text("\n".join(wanted), encoding="utf-8")
        arguments = ["--no-deps", "--require-hashes", "--requirement", str(lock)]
        return _download(arguments, [each.split()[0] for each in wanted], cache, interpreter, relay)


def _download(
    arguments: Sequence[str], wanted: Sequence[str], cache: Path, interpreter: Interpreter, relay: Relay | None
) -> list[Wheel]:
    with scratch(cache) as folder, _variables(relay) as variables:
        command = [*_pip(interpreter), "--only-binary=:all:", "--no-input", "--quiet"]
        command += ["--disable-pip-version-check", "--dest", str(folder), *arguments]
        named = ", ".join(wanted)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=RESOLVE_S, check=False, env=variables, errors="replace"
            )
        except subprocess.TimeoutExpired as error:
            late = f"The package index gave no wheels for {named} within {RESOLVE_S:g} s"
            raise SandboxError(late, retryable=True) from error
        if done.returncode:
            raise SandboxError(
                f"No wheels for {named} on Python {interpreter.version}: {last_lines(done.stderr)}",
                retryable="No matching distribution" not in done.stderr,
            )
        return [_keep(path, cache) for path in sorted(folder.glob("*.whl"))]


@contextmanager
def _variables(relay: Relay | None) -> Iterator[dict[str, str]]:
    """Pip's environment: ours, not the target's; with a relay it knows of no index, login or proxy but that."""
    if relay is None:
        yield {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        return
    ours = {k: os.environ[k] for k in _NEEDED if k in os.environ}
    with relay.served() as address:
        only = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": address, "PIP_NO_CACHE_DIR": "1", "NETRC": os.devnull}
        yield ours | only


def _pip(interpreter: Interpreter) -> list[str]:
    """`pip download` as that interpreter sees the index: run by itself, so that markers are right."""
    ours = [sys.executable, "-c", _PIP]
    if not interpreter.local:
        try:
            interpreter = interpreters.find(interpreter.minor)
        except SandboxError:  # an image's, of which this machine has no like: markers are decided by ours
            return [*ours, "download", "--python-version", interpreter.minor]
    if interpreter == interpreters.find():
        return [*ours, "download"]
    if interpreter.pip is not None:
        return [str(interpreter.path), "-c", _PIP, "download"]
    return [*ours, "--python", str(interpreter.path), "download"]


def _keep(path: Path, cache: Path, *, copy: bool = False) -> Wheel:
    wheel = Wheel(path.name, sha256_of_file(path))
    kept = wheel.path(cache)
    if copy:
        with scratch(cache) as folder:
            twin = folder / path.name
            twin.write_bytes(path.read_bytes())
            return _keep(twin, cache)
    for _ in range(3):
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.replace(kept)
        except FileNotFoundError:  # the empty folder was just removed
            continue
        return wheel
    raise SandboxError(f"No wheel can be kept in {kept.parent}: it is removed again and again", retryable=True)


def _name_of(requirement: str) -> str:
    name = requirement.split(";")[0].split("[")[0]
    for sign in "=<>!~ ":
        name = name.split(sign)[0]
    return canonicalize_name(name)


def last_lines(log: str, lines: int = 5) -> str:
    """The last lines of a log that are more than warnings, as one."""
    said = [line.strip() for line in log.splitlines() if line.strip()]
    return " | ".join([s for s in said if not s.startswith("WARNING: ")][-lines:] or said[-lines:])
