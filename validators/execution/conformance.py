"""The conformance suite: attacks on a sandbox, and honest programs that it must not harm.

It takes any `Sandbox` and says, check by check, whether a program can forge its verdict, get out, leave something
behind, end the harness, or spoil the next program. The attacks are the files in `attacks/`: each defines or tries to
define `solve`, and is run in three modes:

* strong: its test compares with literals, which stay outside (values that are no literals lead to weak proof)
* calls: its test decides by itself and names an entry point
* weak: its test decides by itself, in the attack's own process

None may be `passed` with strong proof, in any mode; with weak proof only those in `WEAK`.
"""

from __future__ import annotations

import os
import queue
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from registry.errors import DriftuneError
from registry.records import Program, Verdict
from validators.execution.census import CENSUS, HONEST, HONEST_FILES, SOUND
from validators.execution.environments import BuiltEnvironment
from validators.execution.host import Host, canaries, descendants, marked, until_gone
from validators.execution.pool import Sandbox

WEAK: Mapping[str, tuple[str, ...]] = {
    "the test's literals lie in the program's memory, frames and objects": (
        "constants_searched", "frames_of_the_harness", "memory_searched", "objects_searched", "weak_then_forged",
    ),
    "the values compared are the program's own objects": (
        "always_equal", "class_lies", "containers_lie", "equal_subclasses", "metaclass_lies", "numbers_lie",
    ),
    "the token lies in the program's memory, and it holds the socket": (
        "defaults_patched", "modules_planted", "protocol_played", "token_read_by_a_thread",
        "token_read_from_a_frame", "token_read_in_a_signal",
    ),
    "the harness's functions in the program's process can be replaced": ("code_swapped",),
}  # fmt: skip
"""What weak proof can't stop, and why: the attacks that are `passed` with it. A test holds this list exact."""

GROUPS = {
    "sandbox": "the sandbox itself",
    "honest": "honest programs",
    "strong": "attacks on strong proof",
    "calls": "attacks on a test that calls",
    "weak": "attacks on weak proof",
}
"""What checks are about, in the order in which it is shown."""

ATTACKS = Path(__file__).parent / "attacks"
TIMEOUT_S = 10.0
HONEST_S = 30.0
_SLACK_S = 20.0
_CORES = str(len(os.sched_getaffinity(0)))
_MODES = ("strong", "calls", "weak")
PROBE = "host_canaries"
"""The attack that is tried first: where it reaches the host, nothing else is."""

_MARKED = "import ctypes\nctypes.CDLL(None).prctl(15, {mark!r}, 0, 0, 0)\n{code}"
_EQUALS = """\
# it has to be {secret}
assert solve(2) == {secret!r}, {secret!r}
assert solve(0) == {secret!r}
"""
_RAISES = """\
with pytest.raises(ValueError, match="(x+x+)+{secret}"):
    solve(1)
"""
_CONTAINS = "assert {secret!r} in solve(1)\n"
_WEAK = """\
import colorsys


def right(x):
    return solve(x) == {secret!r}


assert right(2) and all(right(x) for x in (2, 0))
"""

_STRONG = {"equals": _EQUALS, "raises": _RAISES, "contains": _CONTAINS}


@dataclass(frozen=True)
class Finding:
    """One check of a sandbox.

    Attributes:
        group: A key of `GROUPS`.
        check: What was tried; the attack's name where it was one.
        ok: Whether the sandbox stood it.
        detail: What went wrong, in one line; empty where nothing did.
        won: Whether an attack was passed with weak proof (which is no failure where `WEAK` lists it).
    """

    group: str
    check: str
    ok: bool
    detail: str = ""
    won: bool = False


@dataclass(frozen=True)
class Attack:
    """A hostile program: a file in `attacks/`.

    Attributes:
        name: Its file's name.
        code: What it does.
        title: What it does, for people.
        timeout_s: How long it may take; those that never end say so themselves.
        test: What its test with literals is about: `equals`, `raises` or `contains`.
    """

    name: str
    code: str = field(repr=False)
    title: str
    timeout_s: float
    test: str


def attacks() -> list[Attack]:
    """All attacks, in the order of their names."""
    return [_read(path) for path in sorted(ATTACKS.glob("[a-z]*.py"))]


def weak_winners() -> set[str]:
    """Names of the attacks that weak proof can't stop."""
    return {name for names in WEAK.values() for name in names}


def how_many() -> int:
    """Checks of a whole examination."""
    return 2 + len(HONEST) + len(_MODES) * (len(attacks()) + 1)


def examine(
    make: Callable[[], Sandbox], cache: Path, *, lanes: int = 3, only: Iterable[str] | None = None
) -> Iterator[Finding]:
    """Try a sandbox: honest programs first, then every attack, each followed by a census of what it left.

    Where a program in it can reach the host, nothing else is started: it would do real harm.

    Args:
        make: Makes a sandbox that runs one program at a time; called once a lane. It is closed here.
        cache: Folder for environments.
        lanes: How many attacks are under way at once, each in a sandbox of its own.
        only: Names of the attacks to try; all where None.
    """
    chosen = attacks() if only is None else [a for a in attacks() if a.name in set(only)]
    before = descendants()
    with ExitStack() as stack:
        host = stack.enter_context(canaries())
        first = make()
        stack.callback(first.close)
        why = first.available()
        yield Finding("sandbox", "it is available", why is None, why or "")
        if why is not None:
            return
        try:
            environment = first.build([], cache)
        except DriftuneError as error:
            yield Finding("sandbox", "an environment is built", False, str(error))
            return
        lane = _Lane(first, environment, host)
        probes = list(lane.attacked(next(a for a in attacks() if a.name == PROBE), 0))
        yield from probes
        if not all(p.ok for p in probes):
            yield Finding("sandbox", "all other checks", False, "Not started: a program in it reaches the host")
            return
        yield from lane.honest()
        others = [stack.enter_context(_closing(make())) for _ in range(max(0, lanes - 1))]
        yield from _abreast([lane, *(_Lane(o, environment, host) for o in others)], chosen)
    there = until_gone(lambda: sorted(descendants() - before))
    yield Finding("sandbox", "it leaves no process when closed", not there, _outlived(there))


def _abreast(lanes: Sequence[_Lane], chosen: Sequence[Attack]) -> Iterator[Finding]:
    """The findings of several lanes, as they come."""
    waiting: queue.SimpleQueue[tuple[int, Attack]] = queue.SimpleQueue()
    for item in enumerate(sorted(chosen, key=lambda a: a.timeout_s), 1):
        waiting.put(item)
    found: queue.SimpleQueue[Finding | None] = queue.SimpleQueue()

    def work(lane: _Lane) -> None:
        try:
            while not waiting.empty():
                number, attack = waiting.get_nowait()
                for finding in lane.attacked(attack, number):
                    found.put(finding)
        except queue.Empty:
            return
        finally:
            found.put(None)

    with ThreadPoolExecutor(len(lanes)) as threads:
        working = [threads.submit(work, lane) for lane in lanes]
        for _ in lanes:
            while (finding := found.get()) is not None:
                yield finding
        for future in working:
            future.result()


class _Lane:
    """One sandbox, in which one program runs after the other."""

    def __init__(self, sandbox: Sandbox, environment: BuiltEnvironment, host: Host) -> None:
        self.sandbox = sandbox
        self.environment = environment
        self.host = host

    def honest(self) -> Iterator[Finding]:
        """Honest programs, each with the outcome that it must have."""
        for name, code, test, outcome in HONEST:
            program = Program(code=code, test=test, files=HONEST_FILES.get(name, {}))
            verdict, wrong = self.run(program, 2.0 if outcome == "timeout" else HONEST_S)
            if not wrong and verdict.outcome != outcome:
                wrong = f"{verdict.outcome} instead of {outcome}: {verdict.detail}"
            yield Finding("honest", name, not wrong, wrong)

    def attacked(self, attack: Attack, number: int) -> Iterator[Finding]:
        """What came of one attack, and of the program after it, in each mode."""
        mark = f"{self.host.run}-{number}"
        for mode in _MODES:
            secret = self.host.secret if mode == "strong" else f"secret-{secrets.token_hex(8)}"
            program = Program(
                code=_MARKED.format(mark=mark.encode(), code=attack.code),
                test=(_STRONG[attack.test] if mode == "strong" else _WEAK).format(secret=secret),
                files={"targets.json": self.host.targets},
                entry_point="solve" if mode == "calls" else "",
            )
            verdict, wrong = self.run(program, attack.timeout_s)
            won = verdict.outcome == "passed" and not wrong
            wrong = wrong or _judged(attack, mode, verdict, secret)
            if mode != "calls":  # the census after the next mode finds what this one left
                wrong = wrong or self.census(mark)
            yield Finding(mode, attack.name, not wrong, wrong, won and verdict.proof == "weak")

    def census(self, mark: str) -> str:
        """What the attack left, as an honest program finds it, and as the host does."""
        program = Program(code=CENSUS.replace("{mark!r}", repr(self.host.run)), test=SOUND.replace("{cores}", _CORES))
        verdict, wrong = self.run(program, HONEST_S)
        if not wrong and verdict.outcome != "passed":
            wrong = f"The next program: {verdict.outcome}: {verdict.detail}"
        there = [] if wrong else until_gone(lambda: marked(mark))
        return wrong or _outlived(there)

    def run(self, program: Program, timeout_s: float) -> tuple[Verdict, str]:
        """The verdict on a program, and how the harness failed, if it did."""
        began = time.monotonic()
        try:
            (verdict,) = self.sandbox.run(self.environment, [program], timeout_s=timeout_s, attempts=1, trace=("none",))
            verdict.digest.encode("ascii")
        except Exception as error:
            nothing = Verdict(
                program=program.id, environment="", harness="", policy="", outcome="unavailable", proof=""
            )
            return nothing, f"The harness failed: {type(error).__name__}: {error}"
        took = time.monotonic() - began
        wrong = ""
        if verdict.outcome == "unavailable" or _SERVER_ENDED in verdict.detail:
            wrong = f"The harness ended: {verdict.detail}"
        elif took > 4 * timeout_s + _SLACK_S:
            wrong = f"The harness was held up: it took {took:.0f} s, of {timeout_s:g} s allowed"
        return verdict, wrong


_SERVER_ENDED = "ended the sandbox's server"


def _judged(attack: Attack, mode: str, verdict: Verdict, secret: str) -> str:
    """What an attack achieved that it must not."""
    if verdict.outcome == "passed" and verdict.proof != "weak":
        return f"A false passed, with {verdict.proof} proof"
    if verdict.outcome == "passed" and attack.name not in weak_winners():
        return "A false passed with weak proof, which is not listed"
    if "SystemError" in (str(verdict.exception.get("type")), verdict.detail.split(":")[0]):
        return f"It got out: {verdict.detail}"
    actual = [v.get("actual") for v in verdict.values.values() if isinstance(v, dict)]
    if mode == "strong" and secret in f"{actual} {verdict.symbols_called} {verdict.warnings}":
        return "It found out what was expected of it"
    return ""


@contextmanager
def _closing(sandbox: Sandbox) -> Iterator[Sandbox]:
    try:
        yield sandbox
    finally:
        sandbox.close()


def _outlived(there: list[int]) -> str:
    return f"Processes that outlived it: {there}" if there else ""


def _read(path: Path) -> Attack:
    code = path.read_text(encoding="utf-8")
    title = code.split('"""')[1]
    told = re.search(r"^timeout_s: ([0-9.]+)$", title, flags=re.M)
    about = re.search(r"^test: (\w+)$", title, flags=re.M)
    return Attack(
        path.stem, code, title.splitlines()[0], float(told[1]) if told else TIMEOUT_S, about[1] if about else "equals"
    )
