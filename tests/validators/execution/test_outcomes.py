"""Programs behind the real wall, and what their verdicts say."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from registry.errors import ConfigurationError, SandboxError
from registry.records import Program, Verdict
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import HARNESS, Pool, load_sandbox
from validators.execution.wall import Limits

OUTCOMES: list[tuple[str, str, str, str, str]] = [
    # name, code, test, outcome, proof
    ("a value", "def f(x):\n    return x * 2", "assert f(2) == 4", "passed", "strong"),
    ("a wrong value", "def f(x):\n    return x * 3", "assert f(2) == 4", "failed", "strong"),
    ("several, the second wrong", "x = [1, 2]", "assert x == [1, 2]\nassert len(x) == 3; assert x", "failed", "strong"),
    ("a nested assert", "x = [1, 2]", "for i in x:\n    assert i > 0", "passed", "weak"),
    ("a nested assert that fails", "x = [1, 2]", "for i in x:\n    assert i > 1", "failed", "weak"),
    ("a value that is no literal", "x = object()", "assert x != 3", "passed", "weak"),
    ("no literal, and wrong", "x = object()", "assert x == 3", "failed", "weak"),
    ("an iterator", "x = iter([1])", "assert x", "passed", "weak"),
    ("an error in the code", "def f():\n    return 1 / 0", "assert f() == 1", "error", "strong"),
    ("an error in the test", "x = 1", "assert x.real == 1\nassert y == 2", "error", "strong"),
    ("an assertion in the code", "def f():\n    assert 0", "assert f() == 1", "error", "strong"),
    (
        "an expected error",
        "def f():\n    return {}['a']",
        "with pytest.raises(KeyError, match='a'):\n    f()",
        "passed",
        "strong",
    ),
    ("an error that doesn't come", "def f():\n    pass", "with pytest.raises(KeyError):\n    f()", "failed", "strong"),
    ("an error by another name", "E = KeyError", "import pytest\nwith pytest.raises(E):\n    {}[1]", "passed", "weak"),
    ("syntax", "def f(:", "assert f() == 1", "error", "strong"),
    ("a null byte", "x = '\0'", "assert x == 1", "error", "strong"),
    ("a failed import", "import not_there", "assert 1 == x", "error", "strong"),
    ("an exit", "import sys\nsys.exit(3)", "assert x == 1", "error", "strong"),
    ("a hard exit", "import os\nos._exit(0)", "assert x == 1", "killed", "none"),
    ("a crash", "import ctypes\nctypes.string_at(0)", "assert x == 1", "killed", "none"),
    ("an endless loop", "import time\nwhile True:\n    time.sleep(0.1)", "assert x == 1", "timeout", "none"),
    ("chance", "import random\nx = random.randrange(10**9)", "assert x == 906691059", "flaky", "none"),
    ("time", "import time\nx = time.time_ns()", "assert x == 3", "failed", "strong"),
    ("no assert", "x = 1", "y = x", "passed", "weak"),
]


def judge(pool: Pool, where: BuiltEnvironment, *programs: Program, **options: Any) -> list[Verdict]:
    return list(pool.run(where, programs, **{"timeout_s": 3.0, **options}))


def test_outcomes(pool: Pool, library: BuiltEnvironment) -> None:
    """Every way in which a program can end has its outcome and its proof, in the programs' order."""
    programs = [Program(code=code, test=test) for _, code, test, _, _ in OUTCOMES]
    verdicts = judge(pool, library, *programs)
    assert [v.program for v in verdicts] == [p.id for p in programs]
    got = [(name, v.outcome, v.proof) for (name, *_), v in zip(OUTCOMES, verdicts, strict=True)]
    assert got == [(name, outcome, proof) for name, _, _, outcome, proof in OUTCOMES]
    assert {(v.environment, v.harness, v.policy) for v in verdicts} == {(library.record.id, HARNESS, "k=2,timeout=3")}


def test_too_much_memory(pool: Pool, library: BuiltEnvironment) -> None:
    """A program that takes more than its limit ends as `memory`; the touching alone may take a machine seconds."""
    program = Program(code="x = bytearray(b'x') * (4 << 30)", test="assert len(x) == 1")
    (verdict,) = judge(pool, library, program, timeout_s=30.0)
    assert (verdict.outcome, verdict.proof) == ("memory", "none")


def test_exceptions_name_their_place(pool: Pool, bare: BuiltEnvironment) -> None:
    """An exception has its type, message and line, and says whether code or test raised it."""
    raised, failed, weak = judge(
        pool,
        bare,
        Program(code="\ndef f(x):\n    raise ValueError(f'no {x}')", test="a = 1\nassert f(a) == 2"),
        Program(code="def f(x):\n    return x", test="a = 1\n\nassert f(a) == 2"),
        Program(code="def f(x):\n    return x", test="for i in iter((1, 2)):\n    assert f(i) == 1, 'message'"),
    )
    assert raised.exception == {"type": "ValueError", "message": "no 1", "line": 3, "in": "code"}
    assert failed.exception == {"type": "AssertionError", "message": "assert f(a) == 2: got 1", "line": 3, "in": "test"}
    assert weak.exception == {"type": "AssertionError", "message": "message", "line": 2, "in": "test"}


def test_values_are_evidence(pool: Pool, bare: BuiltEnvironment) -> None:
    """A strong verdict shows what was expected and what came, also where it failed; in a form that never varies."""
    (verdict,) = judge(
        pool,
        bare,
        Program(code="x = {'b', 'a'}\ny = 0.1 + 0.2", test="assert x == {'a', 'b'}\nassert y == 0.3\nassert x"),
    )
    assert verdict.values == {
        "0": {"expected": "{'a', 'b'}", "actual": "{'a', 'b'}"},
        "1": {"expected": "0.3", "actual": "0.30000000000000004"},
        "2": {"expected": "True", "actual": "{'a', 'b'}"},
    }
    assert verdict.outcome == "failed"


def test_warnings_are_evidence(pool: Pool, bare: BuiltEnvironment) -> None:
    """All categories are recorded once, in order, at the program's line, also where a library raises them."""
    code = (
        "import warnings, ast\n"
        "for _ in range(3):\n"
        "    warnings.warn('old', DeprecationWarning)\n"
        "warnings.warn('soon', PendingDeprecationWarning)\n"
        "def library():\n"
        "    warnings.warn('later', FutureWarning, stacklevel=2)\n"
        "\n"
        "library()\n"
        "x = ast.literal_eval('\"\\\\d\"')\n"
    )
    first, second = judge(
        pool, bare, Program(code=code, test="assert x == '\\\\d'"), Program(code=code + "1/0", test="")
    )
    expected = [("DeprecationWarning", "old", 3), ("PendingDeprecationWarning", "soon", 4)]
    for verdict in (first, second):
        found = [(w["category"], w["message"], w["line"]) for w in verdict.warnings]
        assert found[:2] == expected
        assert found[2][:2] == ("FutureWarning", "later")
        assert found[3][0] in ("DeprecationWarning", "SyntaxWarning")
        assert found[3][2] == 9


def test_symbols_called_are_canonical(pool: Pool, library: BuiltEnvironment) -> None:
    """The functions of the asked library that ran are named by where they are defined, classes by their construction."""
    code = (
        "import more_itertools as mi\n"
        "def chunks(x):\n"
        "    return list(mi.chunked(x, 2))\n"
        "p = mi.peekable([1, 2])\n"
        "first = p.peek()\n"
    )
    program = Program(code=code, test="assert chunks([1, 2, 3]) == [[1, 2], [3]]\nassert first == 1")
    (verdict,) = judge(pool, library, program, trace=("more_itertools",))
    assert verdict.outcome == "passed"
    assert {"more_itertools.more.chunked", "more_itertools.more.take", "more_itertools.more.peekable.peek"} - set(
        verdict.symbols_called
    ) <= {"more_itertools.more.take"}
    assert "more_itertools.more.peekable" in verdict.symbols_called
    assert all(s.startswith("more_itertools.") for s in verdict.symbols_called)
    (verdict,) = judge(pool, library, program)
    assert verdict.symbols_called == ()


WILD: list[tuple[str, str, str]] = [
    ("its module", "import sys\nclass A: pass", "assert sys.modules[__name__].A is A\nassert __name__ == 'program'"),
    ("pickling", "import pickle\nclass A: pass\nx = type(pickle.loads(pickle.dumps(A()))).__name__", "assert x == 'A'"),
    ("patching itself", "from unittest import mock\ndef f(): return 1\nwith mock.patch('program.f', lambda: 2): x = f()", "assert x == 2"),
    ("its source", "import inspect\ndef f(): pass\nx = inspect.getsource(f)", "assert x == 'def f(): pass\\n'"),
    ("processes", "import multiprocessing as m\ndef f(x): return x + 1\nwith m.Pool(2) as p: x = p.map(f, [1])", "assert x == [2]"),
    ("its own python", "import subprocess as s\nx = s.run(['python', '-c', 'import more_itertools'], check=True).returncode", "assert x == 0"),
    ("refusals", "import os\nopen('a', 'w').close()\nos.chmod('a', 0)\ntry:\n    open('a')\nexcept PermissionError:\n    x = 1", "assert x == 1"),
    ("files", "import tempfile, os\nopen('a.txt', 'w').write('b')\nx = tempfile.mkdtemp()", "assert x.startswith('/tmp/')\nassert os.getcwd() == '/tmp/work'"),
    ("loopback", "import socket\ns = socket.create_server(('localhost', 0))\nc = socket.create_connection(s.getsockname())\nx = 1", "assert x == 1"),
    ("threads", "from concurrent.futures import ThreadPoolExecutor as T\nwith T(4) as t: x = list(t.map(abs, [-1, 2]))", "assert x == [1, 2]"),
    ("asyncio", "import asyncio\nx = asyncio.run(asyncio.sleep(0, 3))", "assert x == 3"),
    ("stdin", "import sys\nx = sys.stdin.read()", "assert x == ''"),
    ("fixed surroundings", "import time, os, locale\nx = [time.tzname[0], hash('a') == hash('a'), os.environ['LC_ALL']]", "assert x == ['UTC', True, 'C.UTF-8']"),
    ("a hash that never changes", "x = hash('driftune')", "assert x == {hash}"),
    ("a seed", "import random\nx = len({random.random() for _ in range(3)})", "assert x == 3"),
    ("an entry point", "def solve(x):\n    return x", "assert solve(3) == 3"),
]  # fmt: skip


def test_what_programs_in_the_wild_expect(pool: Pool, library: BuiltEnvironment) -> None:
    """Modules, pickling, subprocesses, files, loopback, threads and a fixed surrounding work as outside."""
    python = library.root / "bin" / "python"
    command = [str(python), "-c", "print(hash('driftune'))"]
    told = subprocess.run(command, env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True)
    programs = [Program(code=c, test=t.replace("{hash}", told.stdout.strip())) for _, c, t in WILD]
    verdicts = judge(pool, library, *programs, timeout_s=20.0)
    wrong = [(name, v.detail) for (name, *_), v in zip(WILD, verdicts, strict=True) if v.outcome != "passed"]
    assert wrong == []


def test_files_lie_beside_the_program(pool: Pool, bare: BuiltEnvironment) -> None:
    """The files of a program are there, in their folders, and can be imported."""
    program = Program(
        code="from pack.mod import y\nx = open('data/a.txt').read()",
        test="assert x == 'ä'\nassert y == 2",
        files={"data/a.txt": "ä", "pack/mod.py": "y = 2"},
    )
    (verdict,) = judge(pool, bare, program)
    assert verdict.outcome == "passed", verdict.detail


def test_same_programs_same_verdicts(wall: str, pool: Pool, library: BuiltEnvironment) -> None:
    """Run again, in another order and on more workers, the verdicts' digests are the same."""
    programs = [Program(code=f"x = {{{i}: hash('a')}}\ny = {i}", test=f"assert y == {i % 7}") for i in range(30)]
    first = judge(pool, library, *programs)
    with Pool(1, wall=wall, limits=library.limits) as other:
        second = judge(other, library, *reversed(programs))
    assert [v.digest for v in first] == [v.digest for v in reversed(second)]


def test_killed_server_loses_no_verdict(pool: Pool, bare: BuiltEnvironment) -> None:
    """Servers that are killed while programs run are replaced; every program gets the verdict it would have had."""
    programs = [Program(code=f"import time\ntime.sleep(0.05)\nx = {i}", test=f"assert x == {i}") for i in range(30)]
    killed = 0
    verdicts = []
    for number, verdict in enumerate(pool.run(bare, programs, attempts=1)):
        verdicts.append(verdict)
        if number in (3, 12):
            for server in list(pool._servers.alive):
                server.kill()
                killed += 1
    assert killed >= 2
    assert [v.outcome for v in verdicts] == ["passed"] * 30


def test_closing_ends_what_runs(wall: str, bare: BuiltEnvironment) -> None:
    """A pool closes at once, whatever runs in it."""
    program = Program(code="import time\ntime.sleep(3600)", test="assert 1 == time")
    other = Pool(1, wall=wall)
    late = threading.Timer(1.0, other.close)
    began = time.monotonic()
    late.start()
    with pytest.raises(SandboxError, match="closed"):
        list(other.run(bare, [program], timeout_s=3600))
    assert time.monotonic() - began < 300
    late.join()


def test_killed_driver_leaves_no_process(tmp_path: Path) -> None:
    """When the process that runs the pool is killed, nothing in the sandbox goes on."""
    script = tmp_path / "driver.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from registry.records import Program\n"
        "from validators.execution.pool import Pool\n"
        "pool = Pool(1, wall='bubblewrap')\n"
        "where = pool.build([], Path(sys.argv[1]))\n"
        "code = 'import time; time.sleep(3600)'\n"
        "list(pool.run(where, [Program(code=code, test='')], timeout_s=3600))\n",
        encoding="utf-8",
    )
    with Pool(1, wall="bubblewrap") as pool:
        where = pool.build([], tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    driver = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment)
    try:
        assert _until(lambda: _walled(where)), "the program never started"
    finally:
        driver.kill()
        driver.wait()
    assert _until(lambda: not _walled(where))


def _walled(where: BuiltEnvironment) -> list[str]:
    """The bubblewrap processes of an environment: outside, and process 1 inside, with which all inside ends."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(where.root).encode() in (folder / "cmdline").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


def _until(condition: Any, seconds: float = 180.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_library_with_threads_starts_cold(wall: str, pool: Pool, sandbox_cache: Path, tmp_path: Path) -> None:
    """A library that leaves a thread when imported isn't preloaded: its programs import it themselves."""
    where = pool.build([], tmp_path)
    site = next(where.root.glob("lib/python*/site-packages"))
    (site / "threaded.py").write_text(
        "import threading, time\nt = threading.Thread(target=time.sleep, args=(600,), daemon=True)\nt.start()\n",
        encoding="utf-8",
    )
    with Pool(1, wall=wall, preload=["threaded"]) as own:
        program = Program(code="import threaded\nx = threaded.t.is_alive()", test="assert x is True")
        assert [v.outcome for v in own.run(where, [program])] == ["passed"]
        (server,) = own._servers.alive
        assert server.ready["threads"] == 1


def test_thread_that_a_child_can_do_without_leaves_a_library_preloaded(
    wall: str, pool: Pool, sandbox_cache: Path, tmp_path: Path
) -> None:
    """A library whose only threads are an allocator's own is imported once; its children live without them."""
    where = pool.build([], tmp_path)
    site = next(where.root.glob("lib/python*/site-packages"))
    (site / "threaded.py").write_text(
        "import threading, time\nnamed = threading.Event()\n"
        "def run():\n"
        "    open(f'/proc/self/task/{threading.get_native_id()}/comm', 'w').write('jemalloc_bg_thd')\n"
        "    named.set()\n    time.sleep(600)\n"
        "t = threading.Thread(target=run, daemon=True)\nt.start()\nnamed.wait()\n",
        encoding="utf-8",
    )
    with Pool(1, wall=wall, preload=["threaded"]) as own:
        program = Program(code="import threaded\nx = threaded.t.is_alive()", test="assert x is False")
        assert [v.outcome for v in own.run(where, [program])] == ["passed"]


@pytest.mark.parametrize("name", ["bubblewrap", "other"])
def test_sandboxes_are_found_by_name(name: str) -> None:
    """A sandbox is chosen by name; an unknown one is the user's error, with the known ones named."""
    if name == "bubblewrap":
        with contextlib.closing(load_sandbox(name)(1)) as made:
            assert made.available() is None
    else:
        with pytest.raises(ConfigurationError, match="bubblewrap"):
            load_sandbox(name)


def test_late_programs_are_tried_again_alone(wall: str, bare: BuiltEnvironment, tmp_path: Path) -> None:
    """A program that was late while it waited is tried again; one that was busy all the time is not."""
    busy = Program(code="while True:\n    pass", test="assert 1 == x")
    waits = Program(code="import time\ntime.sleep(60)", test="assert 1 == x")
    with Pool(1, wall=wall) as own:
        took = []
        for program in (busy, waits):
            began = time.monotonic()
            (verdict,) = own.run(bare, [program], timeout_s=2.0)
            took.append(time.monotonic() - began)
            assert (verdict.outcome, verdict.attempts) == ("timeout", 1)
    assert took[1] >= 4.0


def test_kernel_refuses_a_bomb(wall: str, pool: Pool, bare: BuiltEnvironment) -> None:
    """Threads started as fast as can be are refused by the kernel itself (bubblewrap: Linux 6.14), else by the poll."""
    bomb = (
        "import threading, time\nstarted = 0\ntry:\n    while started < 2000:\n"
        "        threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n        started += 1\n"
        "except RuntimeError:\n    pass"
    )
    test = "assert started < 600"
    outcomes: set[str] = set()
    for attempt in range(40):  # on a loaded machine the poll may be there first
        (verdict,) = pool.run(bare, [Program(code=bomb, test=f"{test} # {attempt}")], attempts=1)
        outcomes.add(verdict.outcome)
        if verdict.outcome != "killed":
            break
    limited = wall == "docker" or tuple(int(n) for n in os.uname().release.split(".")[:2]) >= (6, 14)
    assert outcomes - {"killed"} == {"passed" if limited else "failed"}, verdict


def test_output_is_kept_in_bounds(pool: Pool, bare: BuiltEnvironment) -> None:
    """What a program and its processes print is kept, of much output its beginning and end; it changes no digest."""
    short = "import os, sys\nprint('\\u00e4')\nprint('err', file=sys.stderr)\nos.system('echo child')\nx = 1"
    long = "print('first')\nfor i in range(100000): print('.' * 99)\nprint('last')\nx = 1"
    said, much, broken = judge(
        pool,
        bare,
        Program(code=short, test="assert x == 1"),
        Program(code=long, test="assert x == 1"),
        Program(code="print('before')\n1 / 0", test="assert x == 1"),
    )
    assert sorted(said.output.split()) == ["child", "err", "ä"]
    assert much.output.startswith("first\n..")
    assert much.output.endswith(".\nlast\n")
    assert "9995915 bytes" in much.output
    assert len(much.output) < 4200
    assert broken.output == "before\n"
    assert replace(said, output="").digest == said.digest


def test_output_has_a_limit(bare: BuiltEnvironment) -> None:
    """Output beyond the limit on files is refused to the program; nothing waits for it."""
    code = "try:\n    while True: print('y' * 10000)\nexcept OSError as error:\n    x = error.errno"
    with Pool(1, limits=Limits(disk_mb=4)) as own:
        (verdict,) = own.run(bare, [Program(code=code, test="assert x == 27")], attempts=1)
    assert verdict.outcome == "passed", verdict
    assert len(verdict.output) < 4200


def test_final_values_are_told_where_asked_for(pool: Pool, bare: BuiltEnvironment) -> None:
    """Watched names have their last value in the verdict, also after an error; what is no literal says so."""
    code = "x = [1]\ny = object()\nz = 2.5"
    passed, raised = judge(
        pool,
        bare,
        Program(code=code, test="x.append(2)\nassert len(x) == 2"),
        Program(code=code + "\n1 / 0", test=""),
        watch=["x", "y", "w"],
        attempts=1,
    )
    assert passed.outcome == "passed"
    assert passed.values["x"] == {"actual": "[1, 2]"}
    assert raised.values["x"] == {"actual": "[1]"}
    assert "object" in passed.values["y"]["unsent"]
    assert passed.values["w"] == {"unsent": "It isn't defined"}
    assert passed.policy == "k=1,timeout=3,watch=x+y+w"


def test_verdicts_come_as_futures(pool: Pool, bare: BuiltEnvironment, library: BuiltEnvironment) -> None:
    """Programs of several environments are judged at once, for callers with threads and with an event loop."""
    program = Program(
        code="try:\n    import more_itertools as x\nexcept ImportError:\n    x = None", test="assert not x"
    )
    futures = [pool.submit(where, program, attempts=1) for where in (bare, library) * 3]
    assert [f.result().outcome for f in futures] == ["passed", "failed"] * 3

    async def both() -> list[Verdict]:
        return await asyncio.gather(pool.judge(bare, program, attempts=1), pool.judge(library, program, attempts=1))

    assert [v.environment for v in asyncio.run(both())] == [bare.record.id, library.record.id]


def test_weak_mode_rewrites_nothing(bare: BuiltEnvironment) -> None:
    """Without strong proof, a verdict says so in its proof and in its policy."""
    with Pool(1, strong=False) as own:
        (verdict,) = own.run(bare, [Program(code="x = 1", test="assert x == 1")])
    assert (verdict.outcome, verdict.proof, verdict.policy) == ("passed", "weak", "k=2,timeout=10,weak")


def test_idle_servers_go_where_memory_is_short(bare: BuiltEnvironment, library: BuiltEnvironment) -> None:
    """The servers of environments used longest ago end once all together hold more than they may."""
    program = Program(code="x = 1", test="assert x == 1")
    with Pool(1, memory_mb=1) as tight:
        for where in (bare, library, bare):
            assert [v.outcome for v in tight.run(where, [program])] == ["passed"]
        assert tight._servers.alive == []
    with Pool(1) as wide:
        for where in (bare, library, bare):
            assert [v.outcome for v in wide.run(where, [program])] == ["passed"]
        assert len(wide._servers.alive) == 2
