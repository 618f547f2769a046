"""Honest programs for the conformance suite: what any sandbox must let them do, and a census of what was left.

They say nothing about how a wall is made: a process namespace or a user id for each job are both fine.
"""

from __future__ import annotations

HONEST: tuple[tuple[str, str, str, str], ...] = (
    # name, code, test, outcome
    ("a value", "def f(x):\n    return x * 2", "assert f(2) == 4", "passed"),
    ("a wrong value", "def f(x):\n    return x * 3", "assert f(2) == 4", "failed"),
    ("the second of two checks wrong", "x = [1, 2]", "assert x == [1, 2]\nassert len(x) == 3", "failed"),
    ("a value that is no literal", "x = object()", "assert x != 3", "passed"),
    ("an assert in a loop", "x = [1, 2]", "for i in x:\n    assert i > 0", "passed"),
    ("an assert in a loop, wrong", "x = [1, 2]", "for i in x:\n    assert i > 1", "failed"),
    ("an error in the code", "def f():\n    return 1 / 0", "assert f() == 1", "error"),
    ("an error in the test", "x = 1", "assert y == 2", "error"),
    ("a syntax error", "def f(:", "assert f() == 1", "error"),
    ("a module that isn't there", "import not_there", "assert 1 == x", "error"),
    ("an exit", "import sys\nsys.exit(0)", "assert x == 1", "error"),
    ("a hard exit", "import os\nos._exit(0)", "assert x == 1", "killed"),
    ("a crash", "import ctypes\nctypes.string_at(0)", "assert x == 1", "killed"),
    ("an endless loop", "while True:\n    pass", "assert x == 1", "timeout"),
    ("too much memory", "x = bytearray(b'x') * (32 << 30)", "assert len(x) == 1", "memory"),
    (
        "a folder to write in",
        "import os, tempfile\nopen('a.txt', 'w').write('b')\nx = open('a.txt').read()\nt = tempfile.mkdtemp()",
        "assert x == 'b'\nassert t.startswith('/')\nassert sorted(os.listdir()) != []",
        "passed",
    ),
    (
        "files beside the program",
        "from pack.mod import y\nx = open('data/a.txt', encoding='utf-8').read()",
        "assert x == 'ä'\nassert y == 2",
        "passed",
    ),
    ("nobody's root", "import os\nx = os.getuid() == 0 or os.geteuid() == 0", "assert x is False", "passed"),
    (
        "a refusal",
        "import os\nopen('a', 'w').close()\nos.chmod('a', 0)\ntry:\n    open('a')\nexcept PermissionError:\n    x = 'no'",
        "assert x == 'no'",
        "passed",
    ),
    (
        "python on PATH",
        "import subprocess, sys\nr = subprocess.run(['python', '-c', 'import sys; print(sys.prefix)'], "
        "capture_output=True, text=True)\nx = r.stdout.strip() == sys.prefix",
        "assert x is True",
        "passed",
    ),
    (
        "loopback",
        "import socket\ns = socket.create_server(('localhost', 0))\nc = socket.create_connection(s.getsockname())\n"
        "c.sendall(b'x')\nx = s.accept()[0].recv(1)",
        "assert x == b'x'",
        "passed",
    ),
    (
        "its own module",
        "import sys, pickle\nfrom unittest import mock\nclass A: pass\nx = sys.modules[__name__].A is A\n"
        "y = type(pickle.loads(pickle.dumps(A()))).__name__\nz = sys.modules['__main__'].A is A\n"
        "def f(): return 1\nwith mock.patch(__name__ + '.f', lambda: 2): w = f()",
        "assert x is True\nassert y == 'A'\nassert z is True\nassert w == 2",
        "passed",
    ),
    (
        "multiprocessing",
        "import multiprocessing as m\ndef f(x): return x + 1\nwith m.get_context('fork').Pool(2) as p: x = p.map(f, [1])",
        "assert x == [2]",
        "passed",
    ),
    (
        "threads",
        "from concurrent.futures import ThreadPoolExecutor as T\nwith T(4) as t: x = list(t.map(abs, [-1, 2]))",
        "assert x == [1, 2]",
        "passed",
    ),
    ("asyncio", "import asyncio\nx = asyncio.run(asyncio.sleep(0, 3))", "assert x == 3", "passed"),
    ("no input", "import sys\nx = sys.stdin.read()", "assert x == ''", "passed"),
    ("UTC", "import time\nx = [time.tzname[0], time.timezone]", "assert x == ['UTC', 0]", "passed"),
    (
        "a fixed locale",
        "import locale, sys\nx = [locale.getpreferredencoding(False).upper(), sys.getfilesystemencoding()]",
        "assert x == ['UTF-8', 'utf-8']",
        "passed",
    ),
    ("one thread for arithmetic", "import os\nx = os.environ['OMP_NUM_THREADS']", "assert x == '1'", "passed"),
    ("a fixed hash", "import sys\nx = sys.flags.hash_randomization", "assert x == 0", "passed"),
    ("its source", "import inspect\ndef f(): pass\nx = inspect.getsource(f)", "assert x == 'def f(): pass\\n'", "passed"),
)  # fmt: skip

HONEST_FILES = {"files beside the program": {"data/a.txt": "ä", "pack/mod.py": "y = 2"}}
"""Name of an honest program -> the files that lie beside it."""

CENSUS = """
import collections, json, math, os, random, signal, socket, sys, threading

MARK = {mark!r}


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def used(folder):
    found = os.statvfs(folder)
    size = found.f_blocks * found.f_frsize
    return 0 if size > 4 << 30 else (found.f_blocks - found.f_bfree) * found.f_frsize >> 20


pids = [name for name in os.listdir("/proc") if name.isdigit() and name != str(os.getpid())]
marked = [p for p in pids if read("/proc/%s/comm" % p).startswith(MARK)]
mine = []
for name in pids:
    try:
        if os.stat("/proc/" + name).st_uid == os.getuid():
            mine.append(name)
    except OSError:
        pass
strange = []
for folder in (os.getcwd(), "/tmp", "/dev/shm", os.path.expanduser("~")):
    try:
        strange += [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        pass
harmless = ("program.py", "test.py", "__pycache__", os.path.basename(os.getcwd()))
strange = sorted(path for path in set(strange) if os.path.basename(path) not in harmless)
traps = [p for p in sys.path if p and os.path.isfile(os.path.join(p, "sitecustomize.py"))]
full = [folder for folder in (os.getcwd(), "/dev/shm") if os.path.isdir(folder) and used(folder) > 8]
left = [name for name in ("shm", "sem", "msg") if read("/proc/sysvipc/" + name).count("\\n") > 1]
left += [line for line in read("/proc/net/unix").splitlines() if "left" in line]
sane = [json.loads("[1]"), math.sqrt(4), collections.OrderedDict is dict, os.getpid() > 0, random.random() < 1]
state = [signal.getsignal(signal.SIGALRM) is signal.SIG_DFL, signal.getitimer(signal.ITIMER_REAL), sys.getrecursionlimit()]
mask = os.umask(0o22)
scheduled = [os.sched_getscheduler(0) == os.SCHED_OTHER, os.getpriority(os.PRIO_PROCESS, 0), len(os.sched_getaffinity(0))]
hostname = socket.gethostname()

# It can have what a program needs: a file, memory, processes, threads, descriptors, a port.
with open("file", "wb") as file:
    file.write(b"x" * (1 << 20))
os.unlink("file")
memory = len(bytearray(b"x") * (8 << 20))
ended = []
for _ in range(2):
    child = os.fork()
    if not child:
        os._exit(7)
    ended.append(os.WEXITSTATUS(os.waitpid(child, 0)[1]))
threads = [threading.Thread(target=ended.append, args=(7,)) for _ in range(2)]
[t.start() for t in threads]
[t.join() for t in threads]
descriptors = [os.open(os.devnull, os.O_RDONLY) for _ in range(40)]
port = socket.socket()
port.bind(("127.0.0.1", 4711))
port.listen()
caller = socket.create_connection(("127.0.0.1", 4711))
port.accept()[0].close()
said = caller.recv(1)
caller.close()
"""
"""What is to be told about a sandbox after an attack; `{mark}` is put in by the suite."""

SOUND = """
assert marked == []
assert mine == []
assert strange == []
assert traps == []
assert full == []
assert left == []
assert sane == [[1], 2.0, False, True, True]
assert state == [True, (0.0, 0.0), 1000]
assert mask == 0o22
assert scheduled == [True, 0, {cores}]
assert hostname != "mine"
assert memory == 8 << 20
assert ended == [7] * 4
"""
"""What has to be true of it."""
