"""The wall around a fork server, and around the building of environments: what every kind of it has in common.

What a program inside gets: no network but a loopback of its own; a read-only system (the interpreter, shared libraries,
/usr/bin) and its environment; none of the host's other files, processes or variables. `worker.py` lists what each
single program gets on top of that, `bubblewrap.py` and `docker.py` what their kind of wall does not guarantee.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from registry.errors import ConfigurationError, SandboxError
from validators.execution.interpreters import Interpreter

ENV = "/env"
"""Where an environment lies inside the wall."""

WORKER = "/driftune/worker.py"
SYSTEM = ("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/share/zoneinfo")
"""Folders of the host's that are shown, and may hold the interpreter's shared libraries."""

ALIASES = ("/bin", "/lib", "/lib32", "/lib64", "/libx32")
"""Links into these on most systems, folders on others."""

FILES = {
    "/etc/group": "sandbox:x:1000:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
}
VARIABLES = {
    "PATH": f"{ENV}/bin:/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108 - a tmpfs of the program's own
    "USER": "sandbox",
    "LOGNAME": "sandbox",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "MPLBACKEND": "Agg",
}
"""Every variable that a program finds; none of the host's gets in."""


@dataclass(frozen=True)
class Limits:
    """What one program may use, all its processes together (files and address space: each)."""

    memory_mb: int = 1024
    disk_mb: int = 64
    processes: int = 64
    files: int = 256
    address_space_mb: int = 16384

    def settings(self) -> dict[str, Any]:
        """As part of an environment's identity."""
        return asdict(self)


@dataclass(frozen=True)
class Bind:
    """A host path shown inside the wall."""

    source: Path
    target: str
    writable: bool = False


class Walled(Protocol):
    """A fork server behind the wall.

    Attributes:
        control: Our end of the socket (SOCK_SEQPACKET) that the server takes its orders from. It ends when this closes.
        confinement: What the server is told about how to shut in its children (`worker.py`, "a child's walls").
    """

    control: socket.socket
    confinement: dict[str, Any]

    def kill(self) -> None:
        """End it at once, with everything in it; from any thread."""

    def wait(self) -> int:
        """Its exit status, once nothing of it is left."""

    def errors(self) -> str:
        """The last that it wrote to its standard error."""

    def close(self) -> None:
        """End it, wait, and let go of what it was watched by."""


class Wall(Protocol):
    """A kind of wall.

    Attributes:
        name: As in `WALLS`.
    """

    name: str

    def available(self) -> str | None:
        """None where it stands; else why it does not, and what to do about it."""

    def settings(self) -> dict[str, Any]:
        """What of it could change a verdict: part of an environment's identity."""

    def interpreter(self, python: str | None) -> Interpreter:
        """The interpreter of that version which it shows to programs.

        Raises:
            SandboxError: There is none.
        """

    def serve(self, root: Path, interpreter: Interpreter, limits: Limits) -> Walled:
        """Start `worker.py` with the interpreter of the environment that lies in `root`.

        Raises:
            SandboxError: It can't be started.
        """

    def run(
        self,
        command: Sequence[str],
        binds: Sequence[Bind],
        *,
        variables: Mapping[str, str],
        interpreter: Interpreter,
        timeout_s: float,
    ) -> tuple[int, str]:
        """Run a command to its end; its exit status and what it said.

        Raises:
            SandboxError: It took longer than `timeout_s`; it has been killed.
        """


WALLS = {
    "bubblewrap": "validators.execution.bubblewrap:Bubblewrap",
    "docker": "validators.execution.docker:Docker",
}
"""Kinds of wall, in the order in which they are tried."""

AUTO = "auto"


def choose(name: str = AUTO, *, image: str = "", runtime: str = "") -> Wall:
    """A wall by its name; `auto` is the first that stands here.

    Args:
        name: A name in `WALLS`, or `auto`.
        image: Only with Docker: the image whose system and interpreter are shown.
        runtime: Only with Docker: the OCI runtime.

    Raises:
        ConfigurationError: There is none of that name, or it takes no image or runtime.
    """
    options = {k: v for k, v in {"image": image, "runtime": runtime}.items() if v}
    if options:
        if name not in (AUTO, "docker"):
            taken = " or ".join(options)
            raise ConfigurationError(f"The wall {name!r} takes no {taken}: set [sandbox] wall to 'docker'", name=name)
        name = "docker"
    if name != AUTO:
        return _load(name, options)
    reasons = []
    for each in WALLS:
        wall = _load(each, {})
        reason = wall.available()
        if reason is None:
            return wall
        reasons.append(reason)
    return NoWall("; or ".join(reasons))


def _load(name: str, options: Mapping[str, str]) -> Wall:
    if name not in WALLS:
        raise ConfigurationError(f"No wall {name!r}: there are {', '.join((AUTO, *WALLS))}", name=name)
    module, _, attribute = WALLS[name].partition(":")
    loaded: Wall = getattr(import_module(module), attribute)(**options)
    return loaded


class NoWall:
    """Stands where no wall does: nothing runs behind it."""

    name = "none"

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def available(self) -> str | None:
        """Why no wall stands, and what to do about it."""
        return self.reason

    def settings(self) -> dict[str, Any]:
        """Nothing ran."""
        return {"wall": self.name}

    def interpreter(self, python: str | None) -> Interpreter:
        """None is shown."""
        raise SandboxError(f"No sandbox: {self.reason}")

    def serve(self, root: Path, interpreter: Interpreter, limits: Limits) -> Walled:
        """Nothing is started."""
        raise SandboxError(f"No sandbox: {self.reason}")

    def run(
        self,
        command: Sequence[str],
        binds: Sequence[Bind],
        *,
        variables: Mapping[str, str],
        interpreter: Interpreter,
        timeout_s: float,
    ) -> tuple[int, str]:
        """Nothing is run."""
        raise SandboxError(f"No sandbox: {self.reason}")


def hidden(interpreter: Interpreter) -> list[Path]:
    """Folders of what is installed on the host beside the interpreter, where they would be seen inside."""
    shown = [Path(p) for p in SYSTEM]
    if not on_system(interpreter):
        shown.append(interpreter.prefix)
    folders = {*interpreter.packages, Path("/usr/lib/python3/dist-packages")}
    return sorted(f for f in folders if f.is_dir() and any(f.is_relative_to(s) for s in shown))


def end_of(file: BinaryIO) -> str:
    """The last 2,000 bytes of a file, as text."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2000))
    return file.read().decode(errors="replace").strip()


def on_system(interpreter: Interpreter) -> bool:
    """Whether the system's folders hold the interpreter."""
    return interpreter.prefix == Path("/usr")
