"""A program in two processes: one runs its code and answers calls, the other runs its test and never sees that code.

For tests that can't be rewritten (their expected values are computed, their inputs random) of a program with an
`entry_point`. Within the test, the entry point is a stand-in: its arguments leave the process as literals, through the
supervisor, which looks at all that comes from the other side; results come back as literals, and exceptions as built-in
ones. So the test's end, and its token, are out of the program's reach: `passed` is strong proof.

What two processes don't share makes a difference: the identity of values, changed arguments, files, what is printed.
So nothing but `passed` is believed; any other outcome, and any call that can't be carried over, has the program run
again in one process.
"""

from __future__ import annotations

import ast
import builtins
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from registry.records import Program
from validators.execution.attempts import GRACE_S, Attempt, Setting, concluded, evidence, first_frame, watched
from validators.execution.names import Names
from validators.execution.parsing import parse
from validators.execution.rewrite import NotRewritable
from validators.execution.server import Closed, Garbled, Job, Late, Server
from validators.execution.typed import Undecided
from validators.execution.values import decode

_KNOWN = frozenset(
    [
        "bisect",
        "cmath",
        "collections",
        "copy",
        "datetime",
        "decimal",
        "fractions",
        "functools",
        "heapq",
        "itertools",
        "json",
        "math",
        "numpy",
        "operator",
        "pandas",
        "pytest",
        "random",
        "re",
        "statistics",
        "string",
        "typing",
    ]
)
"""Modules that the test's process may import because the code, which it doesn't run, imports them for it."""

_REFUSED = frozenset(
    [
        "__builtins__",
        "__import__",
        "breakpoint",
        "compile",
        "ctypes",
        "delattr",
        "eval",
        "exec",
        "getattr",
        "globals",
        "importlib",
        "input",
        "locals",
        "marshal",
        "open",
        "os",
        "pickle",
        "runpy",
        "setattr",
        "shelve",
        "subprocess",
        "sys",
        "vars",
    ]
)
"""What could make the program's values into code, or depends on what only one process has."""

_BUILTINS = frozenset(dir(builtins)) - _REFUSED
_EXCEPTIONS = frozenset(n for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, Exception))


@dataclass(frozen=True)
class Halves:
    """A program that can run in two processes.

    Attributes:
        prelude: Imports for the test.
        entry: The name of the function that the test calls.
    """

    prelude: str
    entry: str


def divide(program: Program) -> Halves:
    """How a program runs in two processes.

    Raises:
        NotRewritable: Its test needs more of its code than one function.
    """
    entry = program.entry_point
    if not entry or not entry.isidentifier():
        raise NotRewritable("It names no entry point")
    try:
        tree = parse(program.test)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotRewritable(f"It doesn't parse: {error}") from error
    bound, used = _names(tree)
    if entry in bound or entry not in used:
        raise NotRewritable("Its test binds the entry point itself, or doesn't use it")
    if refused := sorted((used | bound) & _REFUSED):
        raise NotRewritable(f"Its test uses {refused[0]}")
    paths = Names(program.code)
    lines = []
    for name in sorted(used - bound - _BUILTINS - {entry}):
        line = paths.statement(name)
        module = paths.path(ast.Name(name)).partition(".")[0] if line else ""
        if line is None or module not in _KNOWN or ("from " in line and " as " in line):
            raise NotRewritable(f"Its test uses {name} of its code")
        lines.append(line)
    return Halves("\n".join(lines), entry)


def _names(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The names that a test binds somewhere, and those that it uses, modules that it imports included."""
    bound: set[str] = set()
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            bound.update(part for a in node.names for part in ((a.asname or a.name).split(".")[0], a.name))
            if isinstance(node, ast.ImportFrom):
                bound.add(str(node.module).partition(".")[0])
    return bound, used


def attempt_apart(
    server: Server, program: Program, halves: Halves, setting: Setting, seed: int, *, patient: bool = False
) -> Attempt:
    """Run a program once, in two processes. Arguments and errors as for `attempts.attempt`."""
    frame = first_frame(program, setting, seed)
    data = {path: text for path, text in program.files.items() if not path.endswith((".py", ".pth", ".so", ".zip"))}
    other = {**frame, "code": halves.prelude, "files": data, "trace": [], "watch": [], "apart": True}
    with _started(server, frame, setting, patient) as code, _started(server, other, setting, patient) as test:
        talk = _Talk(code, test, program, halves)
        began = time.monotonic()
        found: Attempt | None = None
        why = ""
        try:
            found = talk.run()
        except Late:
            why = "late"
        except (Closed, Garbled) as error:
            why = "closed" if isinstance(error, Closed) else str(error)
            found = Attempt("error", unsent=f"Two processes: {why or 'closed'}")
        duration = time.monotonic() - began
        endings = [server.finish(job, GRACE_S if found else 0.0) for job in (code, test)]
        output = code.printed()
    over = next((e for e in endings if e.rss_kb > server.limits.memory_mb << 10 or e.reason in _LIMITS), None)
    if over is not None and over.reason not in _LIMITS:
        over = replace(over, reason="memory")
    if found is None or over is not None:
        found = concluded(why, over or endings[0], setting)
    return replace(
        found,
        duration_s=round(duration, 6),
        cpu_s=sum(e.cpu_s for e in endings),
        values=watched(talk.last, setting.watch),
        output=output,
    )


_LIMITS = ("memory", "processes")


@contextmanager
def _started(server: Server, frame: dict[str, Any], setting: Setting, patient: bool) -> Iterator[Job]:
    job = server.start(frame, setting.timeout_s, patient=patient)
    try:
        yield job
    finally:
        job.discard()


class _Talk:
    """Calls from the test's process to the code's, and what came of them back."""

    def __init__(self, code: Job, test: Job, program: Program, halves: Halves) -> None:
        self.code = code
        self.test = test
        self.program = program
        self.halves = halves
        self.last: dict[str, Any] = {}

    def run(self) -> Attempt:
        for job in (self.code, self.test):
            frame = job.receive()
            if frame["k"] != "code":
                return Attempt("error", unsent="Its code doesn't come to its end")
        self.code.send({"serve": self.halves.entry})
        token = secrets.token_hex(16)
        self.test.send({"test": self.program.test, "names": [], "token": token, "stands": self.halves.entry})
        calls = 0
        while (frame := self.test.receive())["k"] == "call":
            calls += 1
            self.code.send({"k": "call", "a": frame.get("a"), "w": frame.get("w")})
            answer = self.code.receive()
            if answer["k"] == "weak":
                return Attempt("error", unsent=str(answer.get("why"))[:300])
            self.test.send(_carried(answer))
        if frame["k"] == "weak":
            return Attempt("error", unsent=str(frame.get("why"))[:300])
        if frame["k"] != "end" or frame.get("token") != token:
            return Attempt("failed" if "AssertionError" in str(frame.get("kinds")) else "error")
        if not calls:
            return Attempt("error", unsent="Its test never called it")
        self.code.send({"k": "stop"})
        self.last = self.code.receive()
        return Attempt("passed", **evidence(self.last))


def _carried(answer: dict[str, Any]) -> dict[str, Any]:
    """What goes on to the test's process, of what the program's sent: a literal, or a built-in exception.

    Raises:
        Garbled: It is neither.
    """
    try:
        if answer["k"] == "result":
            decode(answer.get("v"))
            return {"k": "result", "v": answer.get("v")}
        kind, arguments = answer.get("type"), answer.get("a")
        if answer["k"] == "raised" and kind in _EXCEPTIONS and isinstance(decode(arguments), list):
            return {"k": "raised", "type": kind, "a": arguments}
    except (ValueError, RecursionError, TypeError, Undecided) as error:
        raise Garbled("a value that is no literal") from error
    raise Garbled(f"a frame {answer['k'][:20]!r} out of turn")
