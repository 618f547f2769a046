"""What is recorded of a run: which symbols were called, on every Python, and where an exception was raised."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import SandboxError
from registry.names import SymbolIndex
from registry.records import Program, Symbol
from validators.execution import worker
from validators.execution.environments import BuiltEnvironment
from validators.execution.interpreters import find
from validators.execution.pool import Pool

VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

PACKAGE = {
    "__init__.py": "from lib.inner import Base, plain, traced, Child\nfrom math import gcd\n",
    "inner.py": """
import functools

class Base:
    def __init__(self):
        self.x = 1
    def method(self):
        return self.x
    @property
    def size(self):
        return 2
    @staticmethod
    def alone():
        return 3

class Child(Base):
    pass

class Unused:
    y = [i for i in range(3)]

def plain():
    return (lambda: 4)()

def deco(f):
    @functools.wraps(f)
    def inner(*args):
        return f(*args)
    return inner

@deco
def traced():
    return 5
""",
}

PROGRAM = """
import lib
from lib import gcd
child = lib.Child()
values = child.method(), child.size, lib.Base.alone(), lib.plain(), lib.traced(), gcd(4, 6), len([1])
"""

RECORD = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("worker", sys.argv[1])
worker = importlib.util.module_from_spec(spec)
sys.modules["worker"] = worker
spec.loader.exec_module(worker)
sys.path.insert(0, sys.argv[2])
code = compile(sys.stdin.read(), worker.WORK + "/program.py", "exec")
record = worker.Recorder(["lib"], sys.argv[2])
record.start()
exec(code, {"__name__": "program"})
record.stop()
print(json.dumps(record.evidence()["symbols"]))
"""


def recorded(python: Path, site: Path) -> list[str]:
    """What the worker's recorder says about the program, on an interpreter."""
    command = [str(python), "-S", "-c", RECORD, worker.__file__, str(site)]
    done = subprocess.run(command, input=PROGRAM, capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_called_symbols_are_the_same_on_every_python(tmp_path: Path) -> None:
    """Whatever of a library is called comes out by its full name; what is only imported doesn't."""
    (tmp_path / "lib").mkdir()
    for name, text in PACKAGE.items():
        (tmp_path / "lib" / name).write_text(text, encoding="utf-8")
    found = {"running": recorded(Path(sys.executable), tmp_path)}
    for version in VERSIONS:
        try:
            found[version] = recorded(find(version).path, tmp_path)
        except SandboxError:
            continue
    own = ["Base", "Base.__init__", "Base.alone", "Base.method", "Base.size", "Child", "deco", "plain", "traced"]
    expected = sorted([*(f"lib.inner.{name}" for name in own), "lib.Child"])
    assert {version: sorted(set(names)) for version, names in found.items()} == dict.fromkeys(found, expected)


def test_an_exception_names_the_library_function_that_raised_it(pool: Pool, library: BuiltEnvironment) -> None:
    """Beside the program's own line stand the function that raised and its line, where it is a library's."""
    inside, own = pool.run(
        library,
        [
            Program(code="import more_itertools as mi\nx = mi.one([])", test="assert x == 1"),
            Program(code="def f():\n    raise ValueError('mine')\nf()", test="assert 1 == 1"),
        ],
        attempts=1,
    )
    exception = dict(inside.exception)
    assert (exception["type"], exception["line"], exception["in"]) == ("ValueError", 2, "code")
    assert exception["frame"]["function"] == "more_itertools.more.one"
    assert exception["frame"]["line"] > 100
    assert "frame" not in own.exception


@pytest.mark.slow
def test_c_functions_come_out_under_names_that_symbols_have(pool: Pool, sandbox_cache: Path) -> None:
    """A function written in C is recorded, by its own module's name and by the public one, which an index maps."""
    where = pool.build(["bottleneck==1.3.8", "numpy==1.26.4"], sandbox_cache)
    code = "import bottleneck as bn\nimport numpy as np\nx = float(bn.nansum(np.array([1.0, 2.0])))"
    (verdict,) = pool.run(
        where, [Program(code=code, test="assert x == 3.0")], attempts=1, trace=["bottleneck", "numpy"]
    )
    assert verdict.outcome == "passed"
    called = set(verdict.symbols_called)
    assert {"bottleneck.nansum", "bottleneck.reduce.nansum", "numpy.array"} <= called
    index = SymbolIndex(
        [Symbol(release="r", path="bottleneck.reduce.nansum", kind="function", aliases=("bottleneck.nansum",))]
    )
    assert {index.canonical(name) for name in called} - {None} == {"bottleneck.reduce.nansum"}
