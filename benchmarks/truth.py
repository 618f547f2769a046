"""Verdicts against a truth that nobody here wrote: pytest's outcomes for a library's own tests, in a plain environment.

    python -m benchmarks.truth [--library NAME] [--limit N] [--json] [--load]

For each library, and each pair (version of the tests, version that they run at), three forms are compared with pytest's
outcome for the same test; nodes on which two runs of plain pytest disagree are left out:

* `node`: each node through pytest inside the sandbox, the nodes of a module in one program, each with its own check
* `row`: each program that `synth.mined.test_examples` makes of these tests, by the proof that it gets by default
* `weak`: the same programs, in weak mode

Exit status 1 where one differs.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.plain_pytest import COLLECTOR, NODE_S, OPTIONS, PREFIX, TOOLS, Suite, Truth, suite_of, truth_of
from registry.names import SymbolIndex
from registry.records import Example, Program
from registry.settings import Settings
from scrapers.pypi import PyPISource
from synth.mined.test_examples import mine
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool

WANTED = 1.0
NODES = 60
"""Nodes of one program at most."""

_NODES_CODE = """{collector}
import base64, os
import pytest

for path, data in {data}.items():
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(base64.b64decode(data))
seen = Outcomes()
pytest.main({arguments}, plugins=[seen])
"""


@dataclass(frozen=True)
class Case:
    """The tests of one release, run at a release of the same library.

    Attributes:
        beside: What stands in the environment beside the library, pinned.
    """

    library: str
    tests: str
    at: str
    beside: tuple[str, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """What its environment is made of."""
        return (f"{self.library}=={self.at}", *self.beside)


_NUMPY = ("numpy==1.26.4",)
_SCIPY = (*_NUMPY, "scipy==1.11.4")
CASES = (
    Case("networkx", "2.8.8", "2.8.8", _SCIPY),
    Case("networkx", "2.8.8", "3.6.1", _SCIPY),
    Case("networkx", "3.6.1", "3.6.1", _SCIPY),
    Case("more-itertools", "8.14.0", "8.14.0"),
    Case("more-itertools", "8.14.0", "11.2.1"),
    Case("more-itertools", "11.2.1", "11.2.1"),
    Case("bottleneck", "1.3.8", "1.3.8", _NUMPY),
    Case("bottleneck", "1.3.8", "1.4.2", _NUMPY),
)


@dataclass
class Compared:
    """What came of one form of one case.

    Attributes:
        verdicts: Name of the test -> what the sandbox said.
        differing: Name -> what pytest said, and what the sandbox said.
    """

    verdicts: dict[str, str] = field(default_factory=dict)
    differing: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def agreement(self) -> float:
        """Share of the tests on which both say the same."""
        return 1 - len(self.differing) / len(self.verdicts) if self.verdicts else 0.0

    def add(self, name: str, truth: str, said: str, detail: str = "") -> None:
        """Note one test; `truth` and `said` are words of one vocabulary."""
        self.verdicts[name] = said
        if truth != said:
            self.differing[name] = (truth, f"{said}: {detail}" if detail else said)


def compare(case: Case, cache: Path, workers: int, limit: int | None = None) -> dict[str, Compared]:
    """All forms of a case; with `limit`, this many nodes and rows of it, taken evenly."""
    suite = suite_of(case.library, case.tests, cache)
    truth = truth_of(suite, case.requirements, cache)
    found = {}
    with Pool(workers) as pool:
        environment = pool.build([*case.requirements, *TOOLS], cache)
        found["node"] = _nodes(pool, environment, suite, truth, limit)
    rows = _thinned(list(_rows(case, truth, cache)), limit)
    for form, strong in (("row", True), ("weak", False)):
        with Pool(workers, strong=strong) as pool:
            environment = pool.build([*case.requirements, TOOLS[0]], cache)
            found[form] = _run_rows(pool, environment, rows)
    return found


# ------------------------------------------------------------------------------------------- nodes, through pytest


def _nodes(pool: Pool, where: BuiltEnvironment, suite: Suite, truth: Truth, limit: int | None) -> Compared:
    batches = list(_batches(_thinned(sorted(truth.outcomes), limit)))
    programs = [_program(suite, nodes) for nodes in batches]
    verdicts = pool.run(where, programs, timeout_s=5 * NODE_S, attempts=1)
    found = Compared()
    for nodes, verdict in zip(batches, verdicts, strict=True):
        for number, node in enumerate(nodes):
            value = dict(verdict.values).get(str(number))
            said = str(value["actual"]).strip("'") if value else verdict.outcome
            found.add(node, truth.outcomes[node], said, "" if value else verdict.detail)
    return found


def _batches(nodes: Sequence[str]) -> Iterator[list[str]]:
    modules = defaultdict(list)
    for node in nodes:
        modules[node.partition("::")[0]].append(node)
    for module in sorted(modules):
        for start in range(0, len(modules[module]), NODES):
            yield modules[module][start : start + NODES]


def _program(suite: Suite, nodes: list[str]) -> Program:
    texts, data = {}, {}
    for path, content in suite.needed_by(nodes[0].partition("::")[0]).items():
        try:
            texts[path] = content.decode()
        except UnicodeDecodeError:
            data[path] = base64.b64encode(content).decode()
    code = _NODES_CODE.format(collector=COLLECTOR, data=data, arguments=[*OPTIONS, *nodes])
    test = "".join(f"assert seen.found.get({node!r}) == 'passed'\n" for node in nodes)
    return Program(code=code, test=test, files=texts)


# ------------------------------------------------------------------------------------------- stand-alone programs


def _rows(case: Case, truth: Truth, cache: Path) -> Iterator[tuple[str, Program, bool]]:
    """Name, program, and whether pytest says that its node passes; of rows whose node is known for sure."""
    scraped = PyPISource().scrape({}, case.library, case.tests, cache / "files")
    index = SymbolIndex(scraped.symbols)
    packages = [name.partition("==")[0] for name in case.beside]
    nodes: dict[str, list[str]] = defaultdict(list)
    for node, outcome in truth.outcomes.items():
        nodes[node.partition("[")[0]].append(outcome)
    flaky = {node.partition("[")[0] for node in truth.flaky}
    programs = {}
    for made in mine(scraped.pages, index, domain=case.library, packages=packages):
        if isinstance(made, Program):
            programs[made.id] = made
            continue
        name = f"{PREFIX}{made.file}::{str(made.parts['name']).replace('.', '::')}"
        outcomes = set(nodes[name.partition("[")[0]])
        # Which row of a parametrised test is which node is only known where all its nodes end alike.
        sure = len({o == "passed" for o in outcomes}) == 1 and "skipped" not in outcomes
        if sure and name.partition("[")[0] not in flaky:
            yield name, programs[_answer(made)], outcomes == {"passed"}


def _answer(example: Example) -> str:
    return str(example.parts["programs"]["answer"])


def _run_rows(pool: Pool, where: BuiltEnvironment, rows: list[tuple[str, Program, bool]]) -> Compared:
    found = Compared()
    verdicts = pool.run(where, (program for _, program, _ in rows), timeout_s=NODE_S, attempts=1)
    for (name, _, passes), verdict in zip(rows, verdicts, strict=True):
        said = "passed" if verdict.outcome == "passed" else "not passed"
        found.add(name, "passed" if passes else "not passed", said, f"{verdict.outcome}, {verdict.detail}")
    return found


def _thinned(items: list[Any], limit: int | None) -> list[Any]:
    return items if limit is None or limit >= len(items) else [items[i * len(items) // limit] for i in range(limit)]


# ------------------------------------------------------------------------------------------------- the command line


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """That many endless loops beside, each on a processor's whole time."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def changed_under_load(case: Case, cache: Path, workers: int, limit: int | None, runs: int) -> Counter[str]:
    """Tests whose verdict in one of `runs` runs beside busy processors isn't that of a quiet run, and how often."""
    quiet = compare(case, cache, workers, limit)
    changed: Counter[str] = Counter()
    with busy(os.cpu_count() or 1):
        for _ in range(runs):
            for form, found in compare(case, cache, workers, limit).items():
                before = quiet[form].verdicts
                changed.update(f"{form} {n}" for n, said in found.verdicts.items() if said != before[n])
    return changed


def main() -> int:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", choices=sorted({c.library for c in CASES}), help="only its tests")
    parser.add_argument("--limit", type=int, help="at most so many nodes, and so many rows, of each case")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--load", type=int, default=0, metavar="RUNS", help="instead: runs beside busy processors")
    parser.add_argument("--json", action="store_true", help="an object a line")
    options = parser.parse_args()
    cache = Settings().root / "cache" / "truth"
    missed = False
    for case in (c for c in CASES if options.library in (None, c.library)):
        if options.load:
            changed = changed_under_load(case, cache, options.workers, options.limit, options.load)
            missed |= bool(changed)
            _print_load(case, changed, options.load, options.json)
            continue
        for form, found in compare(case, cache, options.workers, options.limit).items():
            missed |= found.agreement < WANTED
            _print(case, form, found, options.json)
    return int(missed)


def _label(case: Case) -> str:
    return f"{case.library} {case.tests} at {case.at}"


def _print(case: Case, form: str, found: Compared, as_json: bool) -> None:
    if as_json:
        name = f"truth {_label(case)} {form}"
        row = {"name": name, "value": found.agreement, "wanted": WANTED, "better": "higher", "n": len(found.verdicts)}
        print(json.dumps(row), flush=True)
        return
    said = Counter(found.verdicts.values())
    shown = ", ".join(f"{n} {word}" for word, n in said.most_common())
    agree = f"{len(found.verdicts) - len(found.differing)} of {len(found.verdicts)} agree"
    print(f"{_label(case):34} {form:5} {agree:24} {shown}", flush=True)
    for name, (truth, other) in found.differing.items():
        print(f"    {name}: pytest {truth}, sandbox {other}", flush=True)


def _print_load(case: Case, changed: Counter[str], runs: int, as_json: bool) -> None:
    if as_json:
        row = {"name": f"load {_label(case)}", "value": len(changed), "wanted": 0, "better": "lower", "n": runs}
        print(json.dumps(row), flush=True)
        return
    print(f"{_label(case):34} {len(changed)} verdicts changed in {runs} runs under load", flush=True)
    for name, times in changed.items():
        print(f"    {name}: {times} times", flush=True)


if __name__ == "__main__":
    sys.exit(main())
