"""One attempt at one program: the conversation with its process, judged from outside."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from registry.records import Program
from validators.execution.rewrite import CATCHER, SENDER, Check, Rewritten, Undecided
from validators.execution.server import PATIENCE, Closed, Ended, Garbled, Job, Late, Server
from validators.execution.values import decode, render

GRACE_S = 0.1
"""A program that is done ends by itself; after this time it is ended."""


@dataclass(frozen=True)
class Attempt:
    """What one attempt came to; `unsent` says why a strong one has to be made again with weak proof."""

    outcome: str
    detail: str = ""
    exception: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[dict[str, Any], ...] = ()
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    symbols: tuple[str, ...] = ()
    duration_s: float = 0.0
    cpu_s: float = 0.0
    output: str = ""
    unsent: str | None = None


@dataclass(frozen=True)
class Setting:
    """How programs are run: what is the same for all of a batch."""

    timeout_s: float
    prefix: str
    trace: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    attempts: int = 1
    strong: bool = True

    @property
    def policy(self) -> str:
        """As a verdict's `policy`."""
        parts = [f"k={self.attempts}", f"timeout={self.timeout_s:g}"]
        parts += [] if self.strong else ["weak"]
        return ",".join([*parts, f"watch={'+'.join(self.watch)}"] if self.watch else parts)


def attempt(
    server: Server,
    program: Program,
    rewritten: Rewritten | None,
    setting: Setting,
    seed: int,
    *,
    patient: bool = False,
) -> Attempt:
    """Run a program once: with strong proof where its test was rewritten, else with a token.

    Args:
        server: Where to run it.
        program: What to run.
        rewritten: Its test, where its asserts can be compared outside.
        setting: What is the same for all.
        seed: Number of the attempt.
        patient: Give it more time where it had no processor.

    Raises:
        ServerDiedError: The server is gone.
        SandboxError: The harness failed before the program ran.
    """
    job = server.start(first_frame(program, setting, seed), setting.timeout_s, patient=patient)
    talk = _Talk(job, program, rewritten, server.prepare)
    began = time.monotonic()
    found: Attempt | None = None
    why = ""
    try:
        try:
            found = talk.run()
        except Late:
            why = "late"
        except Closed:
            why = "closed"
        except _Unsent as error:
            found = Attempt("error", unsent=str(error))
        except Garbled as error:
            why = f"It wrote {error} on the harness's channel"
        duration = time.monotonic() - began
        ended = server.finish(job, GRACE_S if found else 0.0)
        output = job.printed()
    finally:
        job.discard()
    if ended.rss_kb > server.limits.memory_mb << 10:  # also where the memory was let go between two polls
        found, ended = None, replace(ended, reason="memory")
    if found is None or (ended.reason in ("memory", "processes") and found.outcome != "passed"):
        found = talk.failure() or concluded(why, ended, setting)
    values = {**talk.values, **watched(talk.last, setting.watch)}
    return replace(found, duration_s=round(duration, 6), cpu_s=ended.cpu_s, values=values, output=output)


def first_frame(program: Program, setting: Setting, seed: int) -> dict[str, Any]:
    """What a process is told first."""
    return {
        "code": program.code,
        "files": dict(program.files),
        "seed": seed,
        "cpu_s": int(setting.timeout_s) * PATIENCE + 2,
        "trace": list(setting.trace) if seed == 0 else [],
        "watch": list(setting.watch),
        "prefix": setting.prefix,
    }


def watched(frame: dict[str, Any], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The final values of variables, as the program says."""
    sent = frame.get("watched")
    rows: dict[str, Any] = sent if isinstance(sent, dict) else {}
    found: dict[str, dict[str, str]] = {}
    for name in names:
        row: Any = rows.get(name)
        try:
            found[name] = {"actual": render(decode(row["v"]))}
        except (KeyError, TypeError, ValueError, RecursionError, Undecided):
            found[name] = {"unsent": _text(row.get("unsent")) if isinstance(row, dict) else "It never came"}
            if isinstance(row, dict) and isinstance(row.get("text"), str):
                found[name]["text"] = _text(row["text"], 2000)
    return found


class _Unsent(Exception):  # noqa: N818 - what came can't decide
    """The attempt has to be made again with weak proof."""


class _Talk:
    """The frames of one attempt, in the order in which they have to come."""

    def __init__(self, job: Job, program: Program, rewritten: Rewritten | None, prepare: Callable[[], None]) -> None:
        self.job = job
        self.prepare = prepare
        self.program = program
        self.rewritten = rewritten
        self.checks: Sequence[Check] = rewritten.checks if rewritten else ()
        self.arrived = 0
        self.failed: tuple[Check, str] | None = None
        self.values: dict[str, dict[str, str]] = {}
        self.last: dict[str, Any] = {}

    def run(self) -> Attempt:
        frame = self.last = self.job.receive()
        if frame["k"] == "raise":
            return self._raised(frame)
        if frame["k"] != "code":
            raise Garbled(f"a frame {frame['k'][:20]!r} out of turn")
        token = secrets.token_hex(16)
        test = self.rewritten.test if self.rewritten else self.program.test
        self.job.send({"test": test, "names": [SENDER, CATCHER] if self.rewritten else [], "token": token})
        self.prepare()  # not before: what a program starts meets a server that does nothing but watch it
        return self._test(token)

    def _test(self, token: str) -> Attempt:
        while True:
            frame = self.last = self.job.receive()
            kind = frame["k"]
            if kind == "check":
                self._check(frame)
            elif kind == "raise":
                return self.failure(frame) or self._raised(frame)
            elif kind == "weak" and self.rewritten:
                return self.failure(frame) or Attempt("error", unsent=_text(frame.get("why")))
            elif kind == "end":
                return self._end(frame, token)
            else:
                raise Garbled(f"a frame {kind[:20]!r} out of turn")

    def _check(self, frame: dict[str, Any]) -> None:
        index = frame.get("i")
        if type(index) is not int or index != self.arrived or index >= len(self.checks):
            raise Garbled("a check out of turn")
        check = self.checks[index]
        sent = frame.get("v")
        if not isinstance(sent, list) or len(sent) != check.values:
            raise Garbled("a check with other values than asked for")
        try:
            values = [decode(v) for v in sent]
        except (ValueError, RecursionError) as error:
            raise Garbled("a value that is no literal") from error
        except Undecided as error:
            raise _Unsent(str(error)) from error
        self.arrived += 1
        actual = render(values[0] if len(values) == 1 else tuple(values))
        self.values[str(index)] = {"expected": check.expected, "actual": actual}
        try:
            if self.failed is None and not _holds(check, values):
                self.failed = (check, actual)
        except Undecided as error:
            raise _Unsent(str(error)) from error

    def _end(self, frame: dict[str, Any], token: str) -> Attempt:
        failure = self.failure(frame)
        if failure is not None:
            return failure
        if self.arrived < len(self.checks):
            return Attempt("failed", f"It ended after {self.arrived} of {len(self.checks)} checks")
        sent = frame.get("token")
        if not isinstance(sent, str) or not secrets.compare_digest(sent.encode(), token.encode()):
            return Attempt("failed", "It ended without the token")
        return Attempt("passed", **evidence(frame))

    def failure(self, frame: dict[str, Any] | None = None) -> Attempt | None:
        """The first check that didn't hold decides, whatever came after it."""
        if self.failed is None:
            return None
        check, actual = self.failed
        message = f"{check.source}: got {actual[:200]}"
        exception = {"type": "AssertionError", "message": message, "line": check.line, "in": "test"}
        return Attempt("failed", f"{message} (test, line {check.line})", exception, **evidence(frame or {}))

    def _raised(self, frame: dict[str, Any]) -> Attempt:
        kinds = [str(k) for k in _list(frame.get("kinds"))]
        where = "test" if frame.get("in") == "test" else "code"
        exception = {
            "type": _text(frame.get("type"), 100),
            "message": _text(frame.get("message")),
            "line": _number(frame.get("line")),
            "in": where,
            **_frame(frame.get("frame")),
        }
        outcome = "error"
        if "MemoryError" in kinds:
            outcome = "memory"
        elif where == "test" and frame.get("stage") == "test.py" and {"AssertionError", "Failed"} & set(kinds):
            outcome = "failed"
        detail = f"{exception['type']}: {exception['message']}".splitlines()[0][:300]
        return Attempt(outcome, f"{detail} ({where}, line {exception['line']})", exception, **evidence(frame))


def _holds(check: Check, values: Sequence[Any]) -> bool:
    try:
        return check.holds(values)
    except (TypeError, ValueError, ArithmeticError, RecursionError, LookupError):
        return False  # as such an assert doesn't hold either


def concluded(why: str, ended: Ended, setting: Setting) -> Attempt:
    """The outcome of a process that didn't end by itself as it should."""
    if ended.reason == "memory":
        return Attempt("memory", "It went beyond the memory limit")
    if ended.reason == "processes":
        return Attempt("killed", "It started more processes than the limit")
    if why == "late" or (ended.exit == -9 and ended.cpu_s > setting.timeout_s):
        return Attempt("timeout", f"It ran longer than {setting.timeout_s:g} s")
    if why == "closed":
        how = f"by signal {-ended.exit}" if ended.exit < 0 else f"with exit status {ended.exit}"
        return Attempt("killed", f"Its process ended {how} before its test was done")
    return Attempt("killed", why)


def evidence(frame: dict[str, Any]) -> dict[str, Any]:
    """What a program says about itself, in bounds."""
    warnings = tuple(
        {
            "category": _text(row.get("category"), 100),
            "message": _text(row.get("message")),
            "line": _number(row.get("line")),
        }
        for row in _list(frame.get("warnings"))[:100]
        if isinstance(row, dict)
    )
    symbols = sorted({_text(s, 300) for s in _list(frame.get("symbols"))[:5000]})
    return {"warnings": warnings, "symbols": tuple(symbols)}


def _frame(sent: Any) -> dict[str, Any]:
    """Where in a library an exception was raised, as the program says."""
    if not isinstance(sent, dict) or not sent:
        return {}
    return {"frame": {"function": _text(sent.get("function"), 300), "line": _number(sent.get("line"))}}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 1 << 31 else 0


def _text(value: Any, size: int = 500) -> str:
    """A program's text that any file can hold."""
    return str(value)[:size].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
