"""The Docker wall: each fork server in a container of its own, each job under a user id of its own.

No image has to be pulled: the container's own files are none, and the host's system folders, the interpreter and the
environment are bound into it read-only, as bubblewrap binds them. With `image = "…"` it is that image's system and
interpreter instead. The container has no network, no capability but SETUID, SETGID and KILL (the server's; a job has
none), a read-only root, an empty /sys, private IPC, limits on memory and processes, the engine's own system call filter
and ours. Under `runtime` it can have a kernel of its own (gVisor's runsc, Kata).

What it does not guarantee:

* A hole in the kernel is a hole in the wall, unless `runtime` brings another kernel.
* Who may use the engine is as good as root on the host: that holds for driftune, not for the programs it runs.
* A program sees in /proc that the server and the other half of its own job are there (not their memory, files or
  variables), and where on the host the folders bound into the container lie (not what is there).
* The two halves of one job share /tmp and /dev/shm: what a test writes there under a fixed name, its candidate may see
  or have put there (its working directory is its own).
* Timing, the processor's caches and the number of cores can be observed.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from registry.errors import SandboxError
from validators.execution import interpreters, worker
from validators.execution.engine import (
    CALL_S,
    LABEL,
    connect,
    container,
    empty_image,
    finish,
    owner,
    remove,
    state,
    translated,
)
from validators.execution.interpreters import Interpreter, answered
from validators.execution.wall import (
    ALIASES,
    ENV,
    SYSTEM,
    VARIABLES,
    WORKER,
    Bind,
    Limits,
    end_of,
    hidden,
    on_system,
)

START_S = 60.0
"""So long an engine may be gone, or a container may take to start."""

_CONTROL = "/driftune/control"
_PASSWD, _GROUP = "/etc/passwd", "/etc/group"
_IDS = 64
"""User ids of one server: one for itself, the others by turns for its jobs."""

_HIGH, _LOW = 1 << 28, 10000
"""Ids start here: above all that hosts give away; or within what a user namespace of the engine's maps."""

_MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/kmsg",
    "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/sysrq-trigger", "/proc/timer_list",
    "/proc/timer_stats", "/sys", "/dev/mqueue", "/dev/pts",
)  # fmt: skip
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys")
_SYSCTLS = {
    "net.ipv4.tcp_max_tw_buckets": "0",  # a port is free again at once: for the next job, and for the next attempt
    "net.ipv4.ip_unprivileged_port_start": "1024",
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.lo.disable_ipv6": "0",
}
_probed: set[tuple[str, str, str]] = set()


class Docker:
    """Containers of the engine at DOCKER_HOST, or at one of the usual places.

    Args:
        image: Name of an image with a Python, whose system and interpreter are shown instead of the host's.
        runtime: Name of an OCI runtime that the engine knows.
    """

    name = "docker"

    def __init__(self, *, image: str = "", runtime: str = "") -> None:
        self.image = image
        self.runtime = runtime
        self._stood = False
        self._found: dict[str | None, Interpreter] = {}

    def available(self) -> str | None:
        """None where it stands, or has stood (`serve` waits for an engine that is gone); else why not, and the way."""
        if self._stood:
            return None
        if platform.system() != "Linux":
            return f"the Docker wall needs Linux, and this is {platform.system()}"
        try:
            with translated():
                client = connect()
                known = (os.environ.get("DOCKER_HOST", ""), self.image, self.runtime)
                if known not in _probed or not client.ping():
                    self._probe(client)
                    _probed.add(known)
        except SandboxError as error:
            return str(error)
        self._stood = True
        return None

    def settings(self) -> dict[str, Any]:
        """What of it could change a verdict."""
        found = {"wall": self.name}
        if self.image:
            with translated():
                found["image"] = self._image_id(connect())
        return {**found, "runtime": self.runtime} if self.runtime else found

    def interpreter(self, python: str | None) -> Interpreter:
        """The host's interpreter of that version, or the image's."""
        if not self.image:
            return interpreters.find(python)
        if python not in self._found:
            self._found[python] = self._ask(python)
        return self._found[python]

    def serve(self, root: Path, interpreter: Interpreter, limits: Limits) -> WalledContainer:
        """Start a fork server, where need be once the engine is there again.

        Raises:
            SandboxError: No engine answered for a minute, or it can't start this.
        """
        deadline = time.monotonic() + START_S
        pause = 0.2
        while True:
            try:
                with translated():
                    client = connect()
                    return WalledContainer(client, self._server_config(client, root, interpreter, limits))
            except SandboxError as error:
                if not error.retryable or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

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
        with translated():
            client = connect()
            config = self._config(client, command, binds, interpreter, variables)
            config["User"] = "0:0" if "rootless" in self._engine(client) else f"{os.getuid()}:{os.getgid()}"
            config["HostConfig"] |= {"Tmpfs": {"/tmp": "rw,exec,mode=1777"}}  # noqa: S108 - the container's
            if "userns" in self._engine(client):
                config["HostConfig"]["UsernsMode"] = "host"  # what it writes is to be ours
            with container(client, config) as made:
                client.start(made)
                return finish(client, made, timeout_s)

    # ------------------------------------------------------------------------------------------------- the engine

    def _engine(self, client: Any) -> str:
        """The engine's own words on what it does for security."""
        return " ".join(client.info().get("SecurityOptions") or ())

    def _probe(self, client: Any) -> None:
        if self.runtime and self.runtime not in client.info()["Runtimes"]:
            known = ", ".join(sorted(client.info()["Runtimes"]))
            raise SandboxError(f"the Docker engine has no runtime {self.runtime!r}: it knows {known}")
        inside = self.interpreter(None)
        status, said = self.run(
            [str(inside.path), "-I", "-S", "-c", ""], (), variables={}, interpreter=inside, timeout_s=60
        )
        if status:
            raise SandboxError(f"a container can't run {inside.path} ({said or status})")

    def _ask(self, python: str | None) -> Interpreter:
        """Which interpreter the image has."""
        self._image_id(connect())
        names = [f"python{python}", "python3", "python"] if python and python.count(".") == 1 else ["python3", "python"]
        anything = Interpreter(Path("/"), "", Path("/"), local=False)
        found: list[str] = []
        for name in names:
            with suppress(SandboxError):
                command = [name, "-I", "-c", interpreters.QUESTION]
                _, said = self.run(command, (), variables={}, interpreter=anything, timeout_s=60)
                answer = answered(said, local=False)
                if answer is None:
                    continue
                if python in (None, answer.version, answer.minor):
                    return answer
                found.append(answer.version)
        wanted = f"Python {python}" if python else "Python"
        raise SandboxError(f"No {wanted} in the image {self.image}: found {', '.join(found) or 'none'}", python=python)

    def _image_id(self, client: Any) -> str:
        from docker.errors import ImageNotFound

        if not self.image:
            return empty_image(client)
        try:
            found = client.inspect_image(self.image)
        except ImageNotFound as error:
            raise SandboxError(f"No image {self.image!r} here. Get it with: docker pull {self.image}") from error
        if found["Config"].get("Volumes"):
            volumes = ", ".join(found["Config"]["Volumes"])
            raise SandboxError(f"The image {self.image!r} has volumes ({volumes}), in which jobs could leave something")
        return str(found["Id"])

    # ---------------------------------------------------------------------------------------------- the container

    def _server_config(self, client: Any, root: Path, interpreter: Interpreter, limits: Limits) -> dict[str, Any]:
        command = [f"{ENV}/bin/python", "-s", WORKER, f"{_CONTROL}/socket"]
        config = self._config(client, command, [Bind(root, ENV)], interpreter, {})
        config["User"] = "0:0"
        size = f"rw,exec,nosuid,nodev,mode=1777,nr_inodes=20000,size={limits.disk_mb}m"
        config["HostConfig"] |= {
            "AutoRemove": True,
            "CapAdd": ["SETUID", "SETGID", "KILL"],
            # Above what the worker's own polls allow: they say which limit it was. Both folders count as memory too.
            "Memory": (limits.memory_mb + 2 * limits.disk_mb + 1024) << 20,
            "MemorySwap": (limits.memory_mb + 2 * limits.disk_mb + 1024) << 20,
            "PidsLimit": 4 * limits.processes + 64,
            "Tmpfs": {"/tmp": size, "/dev/shm": size},  # noqa: S108 - the container's
        }
        engine = self._engine(client)
        base = _LOW if "userns" in engine or "rootless" in engine else _HIGH
        slots = 640 if base == _LOW else 1 << 22
        config["first"] = base + _IDS * secrets.randbelow(slots)
        return config

    def _config(
        self,
        client: Any,
        command: Sequence[str],
        binds: Sequence[Bind],
        interpreter: Interpreter,
        variables: Mapping[str, str],
    ) -> dict[str, Any]:
        """What every container of ours has."""
        masked = [*_MASKED, *map(str, interpreter.packages if self.image else hidden(interpreter))]
        if not self.image:
            binds = [*_host(interpreter), *binds]
        return {
            "Image": self._image_id(client),
            "Entrypoint": list(command),
            "Cmd": None,
            "Env": [f"{name}={value}" for name, value in sorted({**VARIABLES, **variables}.items())],
            "WorkingDir": "/",
            "Hostname": "sandbox",
            "Labels": {LABEL: owner()},
            "HostConfig": {
                "Mounts": [
                    {"Type": "bind", "Source": str(b.source), "Target": b.target, "ReadOnly": not b.writable}
                    for b in binds
                ],
                "NetworkMode": "none",
                "ReadonlyRootfs": True,
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
                "IpcMode": "none",
                "MaskedPaths": masked,
                "ReadonlyPaths": list(_READ_ONLY),
                "Sysctls": _SYSCTLS,
                "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
                **({"Runtime": self.runtime} if self.runtime else {}),
            },
        }


class WalledContainer:
    """A fork server in a container. It ends by itself when `control` closes, also where we were killed."""

    def __init__(self, client: Any, config: dict[str, Any]) -> None:
        first = config.pop("first")
        self.confinement = {"kind": "uids", "first": first, "count": _IDS}
        self._client = client
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server
        self._id = ""
        folder = Path(tempfile.mkdtemp(prefix="driftune-"))  # for us alone; what is bound out of it, for all inside
        try:
            self.control = self._start(folder, config, first)
        except BaseException:
            self._remove()
            self._errors.close()
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def kill(self) -> None:
        """End it at once, with everything in it; from any thread."""
        with suppress(OSError):
            self.control.shutdown(socket.SHUT_RDWR)  # the server ends at that, with or without an engine
        self._remove()

    def wait(self) -> int:
        """Its exit status (137 where the engine can't tell), once nothing of it is left."""
        with suppress(SandboxError), translated():
            return int(self._client.wait(self._id, timeout=CALL_S, condition="removed")["StatusCode"])
        return 137  # removed already, or the engine is gone: it removes it when it comes back

    def errors(self) -> str:
        """The last that it wrote to its standard error."""
        return end_of(self._errors)

    def close(self) -> None:
        """End it, wait, and let go of what it was watched by."""
        self.kill()
        self.wait()
        self.control.close()
        self._errors.close()

    def _start(self, folder: Path, config: dict[str, Any], first: int) -> socket.socket:
        control = folder / "control"
        control.mkdir(mode=0o755)
        control.chmod(0o755)
        ids = range(first, first + _IDS)
        binds = [Bind(control, _CONTROL)]
        for target, text in (
            (WORKER, Path(worker.__file__).read_text(encoding="utf-8")),  # ours may be for us alone
            (_PASSWD, "".join(f"sandbox:x:{i}:{i}:sandbox:/tmp:/bin/sh\n" for i in ids)),
            (_GROUP, "".join(f"sandbox:x:{i}:\n" for i in ids)),
        ):
            source = folder / Path(target).name
            source.write_text(text, encoding="utf-8")
            source.chmod(0o644)
            binds.append(Bind(source, target))
        config["HostConfig"]["Mounts"] += [
            {"Type": "bind", "Source": str(b.source), "Target": b.target, "ReadOnly": True} for b in binds
        ]
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(control / "socket"))
            (control / "socket").chmod(0o666)  # only who gets through `folder`, or is inside, can reach it
            listener.listen(1)
            self._id = self._client.create_container_from_config(config)["Id"]
            self._client.start(self._id)
            found = self._accept(listener)
        socket.send_fds(found, [b"{}"], [self._errors.fileno()])
        return found

    def _accept(self, listener: socket.socket) -> socket.socket:
        """The server's call, the only one: nobody inside finds a listener again."""
        deadline = time.monotonic() + START_S
        listener.settimeout(0.5)
        while True:
            try:
                found, _ = listener.accept()
            except TimeoutError:
                now = state(self._client, self._id)
                if not now.get("Running"):
                    raise SandboxError(f"The container ended before its server spoke ({now})") from None
                if time.monotonic() > deadline:
                    late = f"The server in the container said nothing for {START_S:g} s"
                    raise SandboxError(late, retryable=True) from None
                continue
            found.setblocking(True)
            return found

    def _remove(self) -> None:
        if self._id:
            remove(self._client, self._id)


def _host(interpreter: Interpreter) -> list[Bind]:
    """What of the host is shown."""
    shown = [p for p in SYSTEM if Path(p).is_dir()]
    shown += [a for a in ALIASES if Path(a).is_dir() and not Path(a).is_symlink()]
    if Path("/etc/ld.so.cache").is_file():
        shown.append("/etc/ld.so.cache")
    if not on_system(interpreter):
        shown.append(str(interpreter.prefix))
    return [Bind(Path(p), p) for p in shown]
