"""A competitor in an interpreter of its own: `python rival.py bare_fork|evalplus|llm_sandbox|loop [OPTIONS AS JSON]`.

Reads a JSON list of snippets a line, answers a JSON list of booleans a line: which of them passed. What is neither a
pass nor a failed assertion ends it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

Snippets = list[dict[str, Any]]
Answer = Callable[[Snippets], list[bool]]


def bare_fork(preload: list[str]) -> Answer:
    """No wall, no limit, no clean-up: fork, exec, waitpid, with the modules imported that driftune's worker imports."""
    for name in preload:
        importlib.import_module(name)

    def passed(snippet: dict[str, Any]) -> bool:
        pid = os.fork()
        if pid == 0:
            try:
                exec(compile(f"{snippet['code']}\n{snippet['test']}", "program.py", "exec"), {"__name__": "__main__"})
            except AssertionError:
                os._exit(1)
            except BaseException:
                os._exit(2)
            os._exit(0)
        return _verdict(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "")

    return lambda snippets: [passed(s) for s in snippets]


def evalplus() -> Answer:
    """EvalPlus's check of one function's answers, as its own evaluation calls it."""
    from evalplus.eval import untrusted_check  # type: ignore[import-not-found]

    def passed(snippet: dict[str, Any]) -> bool:
        found, details = untrusted_check(
            "humaneval",
            snippet["code"],
            [snippet["arguments"]],
            snippet["entry_point"],
            [snippet["expected"]],
            0,
            [0.1],
        )
        if found not in ("pass", "fail") or len(details) != 1:
            raise SystemExit(f"EvalPlus answered {found!r}")
        return bool(found == "pass")

    return lambda snippets: [passed(s) for s in snippets]


def llm_sandbox(image: str, runtime: dict[str, Any]) -> Answer:
    """One open session, a `run` a snippet; without its own set-up (a venv and an upgrade of pip), which only costs."""
    from llm_sandbox import SandboxSession  # type: ignore[import-not-found]

    session = SandboxSession(lang="python", image=image, runtime_configs=runtime, skip_environment_setup=True)
    session.open()
    sessions.append(session)

    def passed(snippet: dict[str, Any]) -> bool:
        done = session.run(f"{snippet['code']}\n{snippet['test']}")
        return _verdict(done.exit_code, done.stderr)

    return lambda snippets: [passed(s) for s in snippets]


def loop(turns: int) -> Answer:
    """Nothing but the interpreter's loop: what a core gives."""

    def spin(_: Snippets) -> list[bool]:
        total = 0
        for number in range(turns):
            total += number & 3
        return [total > 0]

    return spin


def _verdict(status: int, errors: str) -> bool:
    if status not in (0, 1) or (status == 1 and errors and "AssertionError" not in errors):
        raise SystemExit(f"A snippet ended with status {status}: {errors[-300:]}")
    return status == 0


RIVALS: dict[str, Callable[..., Answer]] = {
    "bare_fork": bare_fork,
    "evalplus": evalplus,
    "llm_sandbox": llm_sandbox,
    "loop": loop,
}
sessions: list[Any] = []


def main() -> None:
    """Answer until nothing more is asked."""
    answer = RIVALS[sys.argv[1]](**json.loads(sys.argv[2]))
    try:
        for line in sys.stdin:
            print(json.dumps(answer(json.loads(line))), flush=True)
    finally:
        for session in sessions:
            session.close()


if __name__ == "__main__":
    main()
