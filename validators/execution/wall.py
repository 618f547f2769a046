"""The wall: a bubblewrap sandbox around the fork server, and around the building of environments.

What a program inside it gets: no network but a loopback of its own; a read-only system (the interpreter, shared
libraries, /usr/bin) and its environment; none of the host's other files, processes or variables. `worker.py` lists
what each single program gets on top of that, and what is not guaranteed. Not guaranteed here:

* A hole in the kernel is a hole in the wall; the system call filter only makes the kernel's surface smaller.
* Where driftune runs as root, a process that got out would be root: run it as another user.
* A program can read where on the host the folders bound into the wall lie (`/proc/self/mountinfo`), not what is there.
* Timing, the processor's caches and the number of cores can be observed.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from registry.errors import SandboxError
from validators.execution import interpreters, seccomp
from validators.execution.interpreters import Interpreter

ENV = "/env"
"""Where an environment lies inside the wall."""

WORKER = "/driftune/worker.py"
_UID = "1000"
_SYSTEM = ("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/share/zoneinfo")
_ALIASES = ("/bin", "/lib", "/lib32", "/lib64", "/libx32")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_FILES = {
    "/etc/passwd": f"sandbox:x:{_UID}:{_UID}:sandbox:/tmp:/bin/sh\n",
    "/etc/group": f"sandbox:x:{_UID}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
}
_VARIABLES = {
    "PATH": f"{ENV}/bin:/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108 - a tmpfs of the program's own
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
        return {"wall": "bubblewrap", **asdict(self)}


@dataclass(frozen=True)
class Bind:
    """A host path shown inside the wall."""

    source: Path
    target: str
    writable: bool = False


class Wall(Protocol):
    """What environments are built behind."""

    def available(self) -> str | None:
        """None where it stands; else why not, and what to do."""

    def interpreter(self, python: str | None) -> Interpreter:
        """The interpreter of a version, as `interpreters.find`."""

    def run(
        self,
        command: Sequence[str],
        binds: Sequence[Bind],
        *,
        variables: Mapping[str, str],
        interpreter: Interpreter,
        timeout_s: float,
    ) -> tuple[int, str]:
        """Run a command to its end: its exit status, and what it said."""


class Bubblewrap:
    """The wall that bubblewrap makes."""

    def available(self) -> str | None:
        """None where bubblewrap works here; else why not, and what to do."""
        return available()

    def interpreter(self, python: str | None) -> Interpreter:
        """One of this machine's."""
        return interpreters.find(python)

    def run(
        self,
        command: Sequence[str],
        binds: Sequence[Bind],
        *,
        variables: Mapping[str, str],
        interpreter: Interpreter,
        timeout_s: float,
    ) -> tuple[int, str]:
        """Run a command to its end behind the wall.

        Raises:
            SandboxError: It can't be started, or took longer than `timeout_s`.
        """
        walled = Walled(command, binds, variables=variables, interpreter=interpreter, stderr=subprocess.STDOUT)
        return walled.finish(timeout_s)


class Walled:
    """A process behind the wall, and the descriptors that bubblewrap reads its files from."""

    def __init__(
        self,
        command: Sequence[str],
        binds: Sequence[Bind],
        *,
        pass_fds: Sequence[int] = (),
        variables: Mapping[str, str] | None = None,
        interpreter: Interpreter | None = None,
        server: bool = False,
        stderr: int = subprocess.PIPE,
    ) -> None:
        inside = interpreter or interpreters.find()
        with _Data() as data:
            arguments = _arguments(data, binds, {**_VARIABLES, **(variables or {})}, inside, server=server)
            try:
                self.process = subprocess.Popen(
                    [*arguments, "--", *command],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL if server else subprocess.PIPE,
                    stderr=stderr,
                    pass_fds=[*data.fds, *pass_fds],
                    env={},
                    cwd="/",
                    start_new_session=True,  # Ctrl-C is for the driver, which ends its sandboxes in order
                )
            except OSError as error:
                raise SandboxError(f"bubblewrap can't be started: {error}") from error

    def finish(self, timeout_s: float) -> tuple[int, str]:
        """Wait for the end; its exit status and what it said.

        Raises:
            SandboxError: It took longer than `timeout_s`; it has been killed.
        """
        try:
            output, errors = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            self.process.communicate()
            raise SandboxError(f"Nothing came of it within {timeout_s:g} s behind the wall", retryable=True) from error
        return self.process.returncode, ((output or b"") + (errors or b"")).decode(errors="replace").strip()


class _Data:
    """Texts handed to bubblewrap over pipes; closed here once it has been started."""

    def __init__(self) -> None:
        self.fds: list[int] = []

    def add(self, content: bytes) -> str:
        read, write = os.pipe()
        self.fds.append(read)
        with os.fdopen(write, "wb") as file:
            file.write(content)  # all are far below a pipe's 64 KiB
        return str(read)

    def __enter__(self) -> _Data:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.fds:
            os.close(fd)


def _arguments(
    data: _Data, binds: Sequence[Bind], variables: Mapping[str, str], interpreter: Interpreter, *, server: bool
) -> list[str]:
    found = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
    found += ["--uid", _UID, "--gid", _UID, "--hostname", "sandbox", "--cap-drop", "ALL"]
    if server:
        found += ["--cap-add", "CAP_SYS_ADMIN"]
    for path in _SYSTEM:
        if Path(path).is_dir():
            found += ["--ro-bind", path, path]
    for alias in map(Path, _ALIASES):
        if alias.is_symlink():
            found += ["--symlink", str(alias.readlink()), str(alias)]
        elif alias.is_dir():
            found += ["--ro-bind", str(alias), str(alias)]
    found += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    found += _interpreter(interpreter)
    for path, text in _FILES.items():
        found += ["--ro-bind-data", data.add(text.encode()), path]
    # A full --dev makes bubblewrap nest a second user namespace, in which the server could mount nothing.
    found += ["--proc", "/proc", "--tmpfs", "/dev"]
    for device in _DEVICES:
        found += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1")):
        found += ["--symlink", target, f"/dev/{name}"]
    found += ["--dir", "/dev/shm", "--remount-ro", "/dev", "--tmpfs" if not server else "--dir", "/tmp"]  # noqa: S108
    for bind in binds:
        found += ["--bind" if bind.writable else "--ro-bind", str(bind.source), bind.target]
    found += ["--remount-ro", "/", "--clearenv"]
    for name, value in sorted(variables.items()):
        found += ["--setenv", name, value]
    call_filter = seccomp.server_filter() if server else seccomp.program_filter()
    return [*found, "--seccomp", data.add(call_filter), "--chdir", "/"]


def _interpreter(interpreter: Interpreter) -> list[str]:
    """The interpreter's own folders, without what else is installed there."""
    found: list[str] = []
    visible = [Path(p) for p in _SYSTEM]
    if interpreter.prefix != Path("/usr"):
        found += ["--ro-bind", str(interpreter.prefix), str(interpreter.prefix)]
        visible.append(interpreter.prefix)
    for other in sorted({*interpreter.packages, Path("/usr/lib/python3/dist-packages")}):
        if other.is_dir() and any(other.is_relative_to(v) for v in visible):
            found += ["--tmpfs", str(other), "--remount-ro", str(other)]
    return found


@cache
def available() -> str | None:
    """None where the wall stands; else why it does not, and what to do about it."""
    if platform.system() != "Linux":
        return f"bubblewrap needs Linux, and this is {platform.system()}"
    if shutil.which("bwrap") is None:
        return "bubblewrap is missing. Install it with: apt-get install bubblewrap"
    probe = "import ctypes; l = ctypes.CDLL(None); raise SystemExit(l.unshare(0x20000000) or l.unshare(0x20000))"
    walled = Walled([str(interpreters.find().path), "-I", "-S", "-c", probe], (), server=True)
    status, errors = walled.finish(60)
    return None if status == 0 else _explain(errors)


def _explain(errors: str) -> str:
    """Which kernel setting forbids it, as far as can be told."""
    settings = (
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "0",
            "AppArmor keeps user namespaces from bubblewrap",
        ),
        ("/proc/sys/kernel/unprivileged_userns_clone", "0", "1", "user namespaces are switched off"),
        ("/proc/sys/user/max_user_namespaces", "0", "10000", "no user namespace is allowed"),
    )
    for path, bad, good, why in settings:
        try:
            value = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if value == bad:
            name = path.removeprefix("/proc/sys/").replace("/", ".")
            return f"{why}. As root: sysctl -w {name}={good}"
    last = errors.splitlines()[-1] if errors else "it says nothing"
    return f"bubblewrap can't make namespaces here ({last}). A container has to be started with them allowed"
