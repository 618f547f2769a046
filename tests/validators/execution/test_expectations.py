"""What programs in the wild expect of whatever runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.records import Program
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool

EXPECTED: dict[str, tuple[str, str]] = {
    "its name names a module that holds its namespace": (
        "import sys\nx = 1\nmodule = sys.modules[__name__]\n",
        "assert module.x == 1\nassert vars(module) is globals()",
    ),
    "its functions can be patched by name": (
        "from unittest import mock\ndef f():\n    return 1\ndef g():\n    return f()\n",
        "with mock.patch(f'{__name__}.f', return_value=2):\n    inside = g()\nassert (inside, g()) == (2, 1)",
    ),
    "its classes can be pickled": (
        "import pickle\nclass A:\n    def __eq__(self, other):\n        return True\n",
        "assert isinstance(pickle.loads(pickle.dumps(A())), A)",
    ),
    "its functions reach processes that are forked": (
        "import multiprocessing\ndef f(x):\n    return x * 2\n",
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n    made = pool.map(f, [1, 2])\nassert made == [2, 4]",
    ),
    "its functions reach processes that are started anew": (
        "import multiprocessing\ndef f(x):\n    return x * 2\n",
        "with multiprocessing.get_context('spawn').Pool(1) as pool:\n    made = pool.map(f, [1, 2])\nassert made == [2, 4]",
    ),
    "a block for scripts is left alone": (
        "x = 1\nif __name__ == '__main__':\n    raise SystemExit(3)\n",
        "assert x == 1",
    ),
    "its own file is there": (
        "import inspect\ndef f():\n    return 1\nhere = open(__file__).read()\n",
        "assert 'def f' in here\nassert inspect.getsource(f) == 'def f():\\n    return 1\\n'",
    ),
    "it isn't root": (
        "import os\nopen('secret', 'w').close()\nos.chmod('secret', 0)\n"
        "try:\n    open('secret')\n    refused = False\nexcept PermissionError:\n    refused = True\n",
        "assert refused is True\nassert os.getuid() > 0",
    ),
    "python on PATH is the environment's own": (
        "import subprocess, sys\n"
        "run = lambda python: subprocess.run([python, '-c', 'import more_itertools, sys; print(sys.version)'],\n"
        "                                    capture_output=True, text=True).stdout.strip()\n",
        "assert run('python') == run('python3') == run(sys.executable) == sys.version",
    ),
    "it can write where it is": (
        "import os\nos.makedirs('a/b')\nopen('a/b/c', 'w').write('d')\n",
        "assert open('a/b/c').read() == 'd'\nassert os.listdir('a') == ['b']",
    ),
    "its home can be written to": (
        "import os, pathlib\npath = pathlib.Path.home() / '.config' / 'x'\npath.mkdir(parents=True)\n",
        "assert path.is_dir()\nassert os.path.expanduser('~') == str(pathlib.Path.home())",
    ),
    "loopback works, by address and by name": (
        "import socket, threading\n"
        "def serve(server):\n    server.accept()[0].sendall(b'hello')\n"
        "def ask(host):\n"
        "    with socket.create_server(('127.0.0.1', 0)) as server:\n"
        "        threading.Thread(target=serve, args=(server,)).start()\n"
        "        with socket.create_connection((host, server.getsockname()[1]), 5) as client:\n"
        "            return client.recv(5)\n",
        "assert ask('127.0.0.1') == b'hello'\nassert ask('localhost') == b'hello'",
    ),
    "the temporary folder has a plain name": (
        "import re, tempfile\nfolder = tempfile.mkdtemp()\n",
        "assert tempfile.gettempdir() == '/tmp'\nassert bool(re.fullmatch(r'/tmp/\\w+', folder)) is True",
    ),
    "it may sleep": (
        "import time\nstart = time.monotonic()\ntime.sleep(2.2)\nslept = time.monotonic() - start\n",
        "assert 2.2 <= slept < 60",
    ),
    "its time zone, locale and hashes are always the same": (
        "import locale, os, sys, time\n",
        "assert (time.tzname[0], sys.flags.hash_randomization, os.environ['PYTHONHASHSEED']) == ('UTC', 0, '0')\n"
        "assert locale.getpreferredencoding().upper() == 'UTF-8'",
    ),
    "its standard streams are there": (
        "import sys\nprint('out')\nprint('err', file=sys.stderr)\nread = sys.stdin.read()\n",
        "assert read == ''",
    ),
    "threads and asyncio work": (
        "import asyncio, concurrent.futures\nasync def f():\n    await asyncio.sleep(0)\n    return 1\n",
        "assert asyncio.run(f()) == 1\n"
        "with concurrent.futures.ThreadPoolExecutor(4) as threads:\n    made = list(threads.map(str, range(3)))\n"
        "assert made == ['0', '1', '2']",
    ),
}


def test_programs_find_what_they_expect(pool: Pool, library: BuiltEnvironment) -> None:
    """Each expectation holds behind every wall."""
    programs = [Program(code=code, test=test) for code, test in EXPECTED.values()]
    verdicts = pool.run(library, programs, timeout_s=20, attempts=1)
    found = {
        name: v.outcome + (f": {v.detail}" if v.detail else "") for name, v in zip(EXPECTED, verdicts, strict=True)
    }
    assert found == dict.fromkeys(EXPECTED, "passed")


@pytest.mark.slow
def test_fonts_are_listed_once(pool: Pool, sandbox_cache: Path) -> None:
    """The list of fonts that matplotlib keeps is made with the environment, and outlives every job."""
    where = pool.build(["matplotlib==3.10.7", "numpy==1.26.4"], sandbox_cache)
    code = (
        "import os\nimport matplotlib\nfolder = matplotlib.get_cachedir()\n"
        "before = [n for n in os.listdir(folder) if n.startswith('fontlist')]\n"
        "import matplotlib.font_manager as fonts\n"
        "here = os.path.islink(os.path.join(folder, before[0])), os.access(folder, os.W_OK)\n"
        "import matplotlib.pyplot as plt\nfigure = plt.figure()\n"
    )
    test = "assert here == (True, True)\nassert len(fonts.fontManager.ttflist) > 10\nassert matplotlib.get_backend().lower() == 'agg'"
    (verdict,) = pool.run(where, [Program(code=code, test=test)], timeout_s=60, attempts=1)
    assert verdict.outcome == "passed", verdict.detail
