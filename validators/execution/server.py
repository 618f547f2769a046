"""The supervisor's side of one fork server: starting it, giving it jobs, hearing how each process ended."""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.errors import SandboxError
from validators.execution import seccomp
from validators.execution.interpreters import Interpreter
from validators.execution.wall import Limits, Wall

START_S = 120.0
PATIENCE = 4
"""So many times its own time a patient job may take where it had no processor."""

OUTPUT_BYTES = 2048
"""So much is kept of the beginning and of the end of what a program prints."""

FRAME_BYTES = 4 << 20
"""A frame of a program's may have this size, all of them together four times that."""


_SIZE = struct.Struct(">I")


class ServerDiedError(SandboxError):
    """The fork server is gone: its job has to be run again on another."""

    retryable = True


@dataclass(frozen=True)
class Ended:
    """How a job's process ended; `reason` where the server killed it: told, memory or processes."""

    exit: int
    reason: str | None
    rss_kb: int
    cpu_s: float


class Server:
    """One fork server behind the wall. Not for two threads at once; ends with the thread that made it.

    The process of the next job is forked and walled in while a program's test runs, or while the old process is ended.
    The programs of two jobs never run at the same time, unless the caller starts a second one before it has finished
    the first.
    """

    def __init__(
        self,
        wall: Wall,
        root: Path,
        interpreter: Interpreter,
        *,
        preload: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits = limits or Limits()
        self._spare: Job | None = None
        self._number = 0
        self._ended: dict[int, Ended] = {}
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
            self._tell(config)
            self.ready: dict[str, Any] = self._hear()
        except ServerDiedError:
            self.close()
            raise

    @property
    def dead(self) -> bool:
        """Whether it has ended while nobody used it."""
        try:
            return self._comes_within(0) and not self._control.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def start(self, frame: dict[str, Any], timeout_s: float, *, patient: bool = False) -> Job:
        """Give a job to a process of its own; the caller speaks with it over the job's socket, and then finishes it.

        Args:
            frame: The first message to the process.
            timeout_s: Its time, once it is ready.
            patient: The time that it was ready to run but had no processor is added, up to three times its own.
        """
        job = self._spare or self._job()
        self._spare = None
        try:
            job.begin(START_S)
            with suppress(Closed):  # what it said before it closed the socket is still to be read
                job.send(frame)
            self._tell({"go": job.number})
            self._expect_ready(job)
        except BaseException:
            job.discard()
            raise
        job.begin(timeout_s, (lambda: self._delay(job)) if patient else None)
        return job

    def prepare(self) -> None:
        """Have the next job's process made ready, where it isn't yet."""
        if self._spare is None:
            self._spare = self._job()

    def finish(self, job: Job, grace_s: float = 0.0) -> Ended:
        """Wait until a job's process and all that it started are gone; after `grace_s` they are ended."""
        job.close()
        if not grace_s:
            self._tell({"kill": job.number})  # before anything that could be slow beside it
        self.prepare()
        if grace_s and job.number not in self._ended and not self._comes_within(grace_s):
            self._tell({"kill": job.number})
        while job.number not in self._ended:
            self._note(self._hear())
        return self._ended.pop(job.number)

    def kill(self) -> None:
        """End the server from another thread: the one that uses it finds it dead."""
        self.walled.kill()

    def close(self) -> None:
        """End the server and everything in it."""
        if self._spare is not None:
            self._spare.discard()
        self.walled.close()

    def _job(self) -> Job:
        """Have a process forked."""
        self._number += 1
        job = Job(self._number)
        try:
            with job.theirs:
                self._tell({"start": job.number}, [job.theirs.fileno(), job.output])
        except ServerDiedError:
            job.discard()
            raise
        return job

    def _expect_ready(self, job: Job) -> None:
        """A process that can't be walled in says why; one that is gone or silent has the server replaced."""
        try:
            ready = job.receive()
        except (Closed, Late, Garbled) as error:
            raise ServerDiedError(f"The sandbox's process ended before its program began: {error!r}") from error
        if ready["k"] != "ready":
            raise SandboxError(f"The sandbox's worker failed: {str(ready.get('error'))[-500:]}", retryable=True)

    def _delay(self, job: Job) -> float:
        self._tell({"delay": job.number})
        while True:
            message = self._hear()
            if "delay_s" in message:
                return float(message["delay_s"])
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        self._ended[message["job"]] = Ended(**message["ended"])

    def _comes_within(self, seconds: float) -> bool:
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        return bool(poller.poll(seconds * 1000))

    def _tell(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        try:
            socket.send_fds(self._control, [json.dumps(message).encode()], fds)
        except OSError as error:
            raise self._died() from error

    def _hear(self) -> dict[str, Any]:
        try:
            data = self._control.recv(1 << 16)
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

    def __init__(self, number: int) -> None:
        self.number = number
        self.output = os.memfd_create("output", os.MFD_CLOEXEC)
        self._socket, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._buffer = bytearray()
        self._allowance = 4 * FRAME_BYTES
        self._clock = _Clock(START_S, None)

    def begin(self, timeout_s: float, delay: Callable[[], float] | None = None) -> None:
        """Let the program's time run from now on; it is longer by what `delay` says, up to four times as long."""
        self._clock = _Clock(timeout_s, delay)

    def send(self, message: dict[str, Any]) -> None:
        """Send a frame.

        Raises:
            Closed: The program is gone.
            Late: It didn't read in time.
        """
        data = json.dumps(message).encode()
        view = memoryview(_SIZE.pack(len(data)) + data)
        while view:
            view = view[self._in_time(self._socket.send, view) :]

    def receive(self) -> dict[str, Any]:
        """The next frame: an object with the string `k`.

        Raises:
            Closed: The program is gone.
            Late: Nothing came in time.
            Garbled: It is no frame, or too much.
        """
        (size,) = _SIZE.unpack(self._exactly(4))
        if size > FRAME_BYTES:
            raise Garbled(f"a frame of {size} bytes")
        try:
            message = json.loads(self._exactly(size).decode())
        except (ValueError, RecursionError) as error:
            raise Garbled(f"a frame that is no JSON: {type(error).__name__}") from error
        if not isinstance(message, dict) or not isinstance(message.get("k"), str):
            raise Garbled("a frame that is no object")
        return message

    def printed(self) -> str:
        """What the process and those it started printed: its beginning and its end."""
        size = os.fstat(self.output).st_size
        head = os.pread(self.output, min(size, 2 * OUTPUT_BYTES), 0)
        if size <= 2 * OUTPUT_BYTES:
            return _text(head)
        tail = os.pread(self.output, OUTPUT_BYTES, size - OUTPUT_BYTES)
        return f"{_text(head[:OUTPUT_BYTES])}\n… {size - 2 * OUTPUT_BYTES} bytes …\n{_text(tail)}"

    def close(self) -> None:
        """Close our end."""
        self._socket.close()

    def discard(self) -> None:
        """Close everything."""
        self._socket.close()
        if self.output >= 0:
            os.close(self.output)
        self.output = -1

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            part = self._in_time(self._socket.recv, 1 << 16)
            if not part:
                raise Closed
            self._allowance -= len(part)
            if self._allowance < 0:
                raise Garbled("more than it may send")
            self._buffer += part
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _in_time(self, call: Callable[[Any], Any], argument: Any) -> Any:
        while True:
            self._socket.settimeout(self._clock.left())
            try:
                return call(argument)
            except TimeoutError:
                continue
            except OSError as error:
                raise Closed from error


class _Clock:
    """The time that a program has."""

    def __init__(self, timeout_s: float, delay: Callable[[], float] | None) -> None:
        self._began = time.monotonic()
        self._timeout_s = self._granted = timeout_s
        self._delay = delay

    def left(self) -> float:
        """Seconds; never 0.

        Raises:
            Late: There is none left.
        """
        passed = time.monotonic() - self._began
        if passed >= self._granted and self._delay is not None:
            self._granted = min(self._timeout_s + self._delay(), PATIENCE * self._timeout_s)
        if passed >= self._granted:
            raise Late
        return self._granted - passed


def _text(data: bytes) -> str:
    """A program's output that any file can hold."""
    return data.decode(errors="replace").replace("\0", "\\0")
