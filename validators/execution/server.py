"""The supervisor's side of one fork server: starting it, giving it jobs, hearing how each process ended."""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from registry.errors import SandboxError
from validators.execution import seccomp
from validators.execution.interpreters import Interpreter
from validators.execution.wall import Limits, Wall

START_S = 120.0
FRAME_BYTES = 4 << 20
"""A frame of a program's may have this size, all of them together four times that."""


class ServerDiedError(SandboxError):
    """The fork server is gone: its job has to be run again on another."""

    retryable = True


class Server:
    """One fork server behind the wall. Not for two threads at once; ends with the thread that made it."""

    def __init__(
        self,
        wall: Wall,
        root: Path,
        interpreter: Interpreter,
        *,
        preload: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        limits = limits or Limits()
        self.walled = wall.serve(root, interpreter, limits)
        self._control = self.walled.control
        config = {
            "preload": list(preload),
            "limits": limits.settings(),
            "confinement": self.walled.confinement,
            "filter": seccomp.program_filter().hex(),
        }
        try:
            self._control.settimeout(START_S)
            self._tell(json.dumps(config).encode())
            self.ready: dict[str, Any] = self._hear()
        except ServerDiedError:
            self.close()
            raise

    def start(self, timeout_s: float) -> Job:
        """Fork a child for a job; the caller speaks with it over the job's socket."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            try:
                socket.send_fds(self._control, [json.dumps({"timeout_s": timeout_s}).encode()], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise self._died() from error
        return Job(ours, time.monotonic() + timeout_s)

    def finish(self) -> dict[str, Any]:
        """End the job's process and all that it started, and wait until they are gone; says how it ended."""
        self._tell(b"kill")
        self._control.settimeout(START_S)
        return self._hear()

    def kill(self) -> None:
        """End the server from another thread: the one that uses it finds it dead."""
        self.walled.kill()

    def close(self) -> None:
        """End the server and everything in it."""
        self.walled.close()

    def _tell(self, message: bytes) -> None:
        try:
            self._control.send(message)
        except OSError as error:
            raise self._died() from error

    def _hear(self) -> dict[str, Any]:
        try:
            data = self._control.recv(1 << 20)
        except OSError as error:
            raise self._died() from error
        if not data:
            raise self._died()
        message: dict[str, Any] = json.loads(data)
        return message

    def _died(self) -> ServerDiedError:
        self.walled.kill()
        status = self.walled.wait()
        last = self.walled.errors().splitlines()
        detail = last[-1] if last else "no message"
        return ServerDiedError(f"The sandbox's server ended ({status}): {detail}", status=status)


class Closed(Exception):  # noqa: N818 - the end of a stream, no failure of ours
    """The program's end of the socket is closed: it ended, or closed it."""


class Late(Exception):  # noqa: N818
    """The program had no time left."""


class Garbled(Exception):  # noqa: N818
    """What the program sent is no frame."""


class Job:
    """The socket of one child. Everything that comes out of it is a claim of the program's."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._socket = sock
        self._deadline = deadline
        self._buffer = bytearray()
        self._allowance = 4 * FRAME_BYTES
        self._socket.setblocking(False)

    def send(self, message: dict[str, Any]) -> None:
        """Send a frame.

        Raises:
            Closed: The program is gone.
            Late: It didn't read in time.
        """
        data = json.dumps(message).encode()
        view = memoryview(struct.pack(">I", len(data)) + data)
        while view:
            self._wait(select.POLLOUT)
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise Closed from error

    def receive(self) -> dict[str, Any]:
        """The next frame: an object with the string `k`.

        Raises:
            Closed: The program is gone.
            Late: Nothing came in time.
            Garbled: It is no frame, or too much.
        """
        (size,) = struct.unpack(">I", self._exactly(4))
        if size > FRAME_BYTES:
            raise Garbled(f"a frame of {size} bytes")
        try:
            message = json.loads(self._exactly(size).decode())
        except (ValueError, RecursionError) as error:
            raise Garbled(f"a frame that is no JSON: {type(error).__name__}") from error
        if not isinstance(message, dict) or not isinstance(message.get("k"), str):
            raise Garbled("a frame that is no object")
        return message

    def close(self) -> None:
        """Close our end."""
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._wait(select.POLLIN)
            try:
                part = self._socket.recv(1 << 18)
            except BlockingIOError:
                continue
            except OSError as error:
                raise Closed from error
            if not part:
                raise Closed
            self._allowance -= len(part)
            if self._allowance < 0:
                raise Garbled("more than it may send")
            self._buffer += part
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _wait(self, event: int) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Late
        poller = select.poll()
        poller.register(self._socket, event)
        if not poller.poll(left * 1000 + 1):
            raise Late
