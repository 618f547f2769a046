"""A library's own tests under pytest in a plain virtual environment, with nothing of driftune in it."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmarks.competitors import interpreter_with
from scrapers.archives import unpack
from scrapers.index import Index
from scrapers.pypi import PyPISource

PREFIX = "suite_"
"""Put before a suite's top folder, so that it hides no installed package."""

TOOLS = ("pytest==9.2.0", "pytest-timeout==2.4.0")
NODE_S = 60
"""Seconds after which a single test has failed, in the plain environment and in the sandbox alike."""

OPTIONS = (
    "-q", "--tb=no", "-p", "no:cacheprovider", f"--timeout={NODE_S}", "--continue-on-collection-errors", "--rootdir=.",
    "-c", os.devnull,
)  # fmt: skip

COLLECTOR = '''
class Outcomes:
    """The outcome of every node: what a later phase says outranks an earlier one."""

    def __init__(self):
        self.found = {}

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            name = report.outcome
            if hasattr(report, "wasxfail"):
                name = {"skipped": "xfailed", "passed": "xpassed"}.get(name, name)
            elif report.when != "call" and name == "failed":
                name = "error"
            self.found[report.nodeid] = name

    def pytest_collectreport(self, report):
        if report.failed:
            self.found[report.nodeid] = "error"
'''

_RUN = '''
import json, os, sys

import pytest

class Backwards(Outcomes):
    """The modules from the last to the first: what their neighbours leave behind is no part of a test's outcome."""

    def pytest_collection_modifyitems(self, items):
        modules = list(dict.fromkeys(item.fspath for item in items))
        items.sort(key=lambda item: -modules.index(item.fspath))

outcomes = (Outcomes, Backwards)[int(os.environ["PYTHONHASHSEED"])]()
pytest.main(sys.argv[2:], plugins=[outcomes])
with open(sys.argv[1], "w") as file:
    json.dump(outcomes.found, file)
'''


@dataclass(frozen=True)
class Suite:
    """The tests of one release, in a folder of their own.

    Attributes:
        root: The folder to run pytest in; it holds one folder, `suite_…`.
    """

    root: Path

    @property
    def top(self) -> str:
        """The name of the one folder."""
        return next(p.name for p in sorted(self.root.iterdir()) if p.name.startswith(PREFIX))

    def needed_by(self, module: str) -> dict[str, bytes]:
        """The files that a test module could want: those it imports, `__init__` and `conftest`, data beside it."""
        wanted: dict[str, bytes] = {}
        for path in self._imported(PurePosixPath(module)):
            for folder in list(path.parents)[:-1]:
                for name in ("__init__.py", "conftest.py"):
                    self._add(folder / name, wanted)
            self._add(path, wanted)
        beside = self.root / PurePosixPath(module).parent
        for data in sorted(p for p in beside.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc", ".so")):
            self._add(PurePosixPath(data.relative_to(self.root).as_posix()), wanted)
        return wanted

    def _add(self, path: PurePosixPath, to: dict[str, bytes]) -> None:
        file = self.root / path
        if file.is_file():
            to[str(path)] = file.read_bytes()

    def _imported(self, module: PurePosixPath) -> list[PurePosixPath]:
        found, left = [module], [module]
        while left:
            for other in self._imports(left.pop()):
                if other not in found and (self.root / other).is_file():
                    found.append(other)
                    left.append(other)
        return found

    def _imports(self, module: PurePosixPath) -> Iterator[PurePosixPath]:
        for node in ast.walk(ast.parse((self.root / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = list(module.parents)[node.level - 1]
                named = base.joinpath(*(node.module or "").split(".")) if node.module else base
                yield named.with_suffix(".py")
                yield from ((named / alias.name).with_suffix(".py") for alias in node.names)


def suite_of(library: str, version: str, cache: Path) -> Suite:
    """The tests of a release, from its wheel where that has them, else from its sdist."""
    root = cache / "suites" / f"{library}-{version}"
    if root.is_dir():
        return Suite(root)
    files = cache / "files"
    for row in PyPISource().fetch(Index(), library, version, files):
        folder = unpack(files / row["name"], files / "unpacked" / row["sha256"])
        if row["kind"] == "sdist":
            (folder,) = (p for p in folder.iterdir() if p.is_dir())
        tests = sorted(p for p in folder.rglob("*") if p.is_file() and _is_of_suite(p.relative_to(folder)))
        if tests:
            scratch = root.with_name(f"{root.name}.{os.getpid()}.tmp")
            for path in tests:
                _copy(path, scratch / (PREFIX + path.relative_to(folder).as_posix()), scratch)
            scratch.rename(root)
            return Suite(root)
    raise SystemExit(f"Neither wheel nor sdist of {library} {version} has tests")


def _is_of_suite(path: Path) -> bool:
    return "tests" in path.parts[:-1] or (path.name == "conftest.py" and len(path.parts) == 2)


def _copy(path: Path, to: Path, root: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, to)
    folder = to.parent
    while folder != root:  # relative imports need every folder to be a package
        (folder / "__init__.py").touch()
        folder = folder.parent


@dataclass(frozen=True)
class Truth:
    """What pytest says of each node, in two runs.

    Attributes:
        outcomes: Node id -> `passed`, `failed`, `error`, `skipped`, `xfailed` or `xpassed`, where both runs agree.
        flaky: Nodes whose runs differ.
    """

    outcomes: dict[str, str]
    flaky: frozenset[str]


def truth_of(suite: Suite, requirements: Sequence[str], cache: Path) -> Truth:
    """What pytest says in a plain environment; run twice, in two orders and under two hash seeds, and remembered."""
    python = interpreter_with(sorted([*requirements, *TOOLS]), cache / "plain")
    runs = [_outcomes(suite, python, seed) for seed in (0, 1)]
    nodes = dict.fromkeys([*runs[0], *runs[1]])
    flaky = frozenset(n for n in nodes if runs[0].get(n) != runs[1].get(n))
    return Truth({n: runs[0][n] for n in nodes if n not in flaky}, flaky)


def _outcomes(suite: Suite, python: Path, seed: int) -> dict[str, str]:
    kept = python.parent.parent / f"{suite.root.name}-{seed}.json"
    if not kept.is_file():
        part = kept.with_suffix(".part")
        variables = {**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1", "TZ": "UTC"}
        variables = {k: v for k, v in variables.items() if not k.startswith(("PYTEST_", "PYTHONPATH"))}
        command = [str(python), "-c", COLLECTOR + _RUN, str(part), *OPTIONS, suite.top]
        subprocess.run(command, cwd=suite.root, env=variables, stdout=subprocess.DEVNULL, check=True)
        part.rename(kept)
    found: dict[str, str] = json.loads(kept.read_text(encoding="utf-8"))
    return found
