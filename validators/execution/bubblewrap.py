"""The bubblewrap wall: Linux namespaces, made without an engine and without rights.

What it does not guarantee:

* A hole in the kernel is a hole in the wall; the system call filter only makes the kernel's surface smaller.
* Where driftune runs as root, a process that got out would be root: run it as another user.
* A program can read where on the host the folders bound into the wall lie (`/proc/self/mountinfo`), not what is there.
* Timing, the processor's caches and the number of cores can be observed.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from registry.errors import SandboxError
from validators.execution import interpreters, seccomp, worker
from validators.execution.interpreters import Interpreter
from validators.execution.wall import (
    ALIASES,
    ENV,
    FILES,
    SYSTEM,
    VARIABLES,
    WORKER,
    Bind,
    Limits,
    end_of,
    hidden,
    on_system,
)

_UID = "1000"
_PASSWD = f"sandbox:x:{_UID}:{_UID}:sandbox:/tmp:/bin/sh\n"
_DEVICES = ("null", "zero", "full", "random", "urandom")


class Bubblewrap:
    """Every command in namespaces of its own."""

    name = "bubblewrap"

    def available(self) -> str | None:
        """None where it stands; else why it does not, and what to do about it."""
        if platform.system() != "Linux":
            return f"bubblewrap needs Linux, and this is {platform.system()}"
        program = shutil.which("bwrap")
        if program is None:
            return "bubblewrap is missing. Install it with: apt-get install bubblewrap"
        return _probe(program)

    def settings(self) -> dict[str, Any]:
        """What of it could change a verdict."""
        return {"wall": self.name}

    def interpreter(self, python: str | None) -> Interpreter:
        """The host's interpreter of that version, or the running one."""
        return interpreters.find(python)

    def serve(self, root: Path, interpreter: Interpreter, limits: Limits) -> WalledServer:
        """Start a fork server. bubblewrap ends with the thread that calls this."""
        return WalledServer(root, interpreter)

    def run(
        self,
        command: Sequence[str],
        binds: Sequence[Bind],
        *,
        variables: Mapping[str, str],
        interpreter: Interpreter,
        timeout_s: float,
    ) -> tuple[int, str]:
        """Run a command to its end; its exit status and what it said."""
        process = _start(command, binds, interpreter, variables=variables, output=subprocess.PIPE)
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise SandboxError(f"Nothing came of it within {timeout_s:g} s behind the wall", retryable=True) from error
        return process.returncode, output.decode(errors="replace").strip()


class WalledServer:
    """A fork server behind bubblewrap."""

    def __init__(self, root: Path, interpreter: Interpreter) -> None:
        self.confinement = {"kind": "namespaces"}
        self.control, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
        command = [f"{ENV}/bin/python", "-s", WORKER, str(inner.fileno())]
        binds = [Bind(root, ENV), Bind(Path(worker.__file__), WORKER)]
        with inner:
            self._process = _start(command, binds, interpreter, errors=self._errors.fileno(), server=inner.fileno())

    def kill(self) -> None:
        """End it at once, with everything in it; from any thread."""
        self._process.kill()

    def wait(self) -> int:
        """Its exit status, once nothing of it is left."""
        return self._process.wait()

    def errors(self) -> str:
        """The last that it wrote to its standard error."""
        return end_of(self._errors)

    def close(self) -> None:
        """End it, wait, and let go of what it was watched by."""
        self.control.close()
        self.kill()
        self.wait()
        self._errors.close()


def _start(
    command: Sequence[str],
    binds: Sequence[Bind],
    interpreter: Interpreter,
    *,
    variables: Mapping[str, str] | None = None,
    output: int = subprocess.DEVNULL,
    errors: int = subprocess.STDOUT,
    server: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command behind the wall; a `server` keeps that descriptor, and may confine its children."""
    with _Data() as data:
        shown = {**VARIABLES, **(variables or {})}
        arguments = _arguments(data, binds, interpreter, shown, server=server is not None)
        try:
            return subprocess.Popen(
                [*arguments, "--", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                pass_fds=[*data.fds, *([] if server is None else [server])],
                env={},
                cwd="/",
                umask=0o022,  # what is built is readable by all, as jobs may have another user's id behind another wall
                start_new_session=True,  # Ctrl-C is for the driver, which ends its sandboxes in order
            )
        except OSError as error:
            raise SandboxError(f"bubblewrap can't be started: {error}") from error


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
    data: _Data, binds: Sequence[Bind], interpreter: Interpreter, variables: Mapping[str, str], *, server: bool
) -> list[str]:
    found = [shutil.which("bwrap") or "bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
    found += ["--uid", _UID, "--gid", _UID, "--hostname", "sandbox", "--cap-drop", "ALL"]
    if server:
        found += ["--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_NET_ADMIN"]
    for path in SYSTEM:
        if Path(path).is_dir():
            found += ["--ro-bind", path, path]
    for alias in map(Path, ALIASES):
        if alias.is_symlink():
            found += ["--symlink", str(alias.readlink()), str(alias)]
        elif alias.is_dir():
            found += ["--ro-bind", str(alias), str(alias)]
    found += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    if not on_system(interpreter):
        found += ["--ro-bind", str(interpreter.prefix), str(interpreter.prefix)]
    for folder in hidden(interpreter):
        found += ["--tmpfs", str(folder), "--remount-ro", str(folder)]
    for path, text in {**FILES, "/etc/passwd": _PASSWD}.items():
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


@cache
def _probe(program: str) -> str | None:
    """Whether `program` can make a server's namespaces here: None, or why not."""
    code = "import ctypes; l = ctypes.CDLL(None); raise SystemExit(l.unshare(0x20000000) or l.unshare(0x20000))"
    interpreter = interpreters.find()
    with socket.socket(socket.AF_UNIX) as unused:
        process = _start(
            [str(interpreter.path), "-I", "-S", "-c", code], (), interpreter,
            output=subprocess.PIPE, server=unused.fileno(),
        )  # fmt: skip
        try:
            output, _ = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return "bubblewrap hangs here"
    return None if process.returncode == 0 else _explain(output.decode(errors="replace").strip())


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
