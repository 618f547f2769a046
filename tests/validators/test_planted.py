"""Point 4 of what curation must show: planted duplicates and contaminated rows are all found, real rows stay.

The real rows are functions of the standard library's modules. What is planted is a copy of one of them, or one of a
benchmark's tasks beside one of them, in five disguises (`tests/validators/disguise.py`).
"""

from __future__ import annotations

import ast
import json
import sysconfig
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from registry.records import Removal
from registry.trees import walk
from tests.validators.disguise import disguised
from tests.validators.test_curation import Bench
from validators.curation.contamination import tasks_of
from validators.curation.curate import curate

ROWS = (
    "argparse", "asyncio/tasks", "calendar", "contextlib", "datetime", "doctest", "email/utils", "filecmp", "fractions",
    "ftplib", "functools", "http/cookiejar", "imaplib", "inspect", "optparse", "pickle", "pickletools", "platform",
    "shutil", "smtplib", "socket", "subprocess", "tarfile", "tempfile", "threading", "traceback", "urllib/request",
)  # fmt: skip
TASKS = (
    "base64", "bisect", "colorsys", "configparser", "csv", "difflib", "fnmatch", "glob", "heapq", "html/__init__",
    "mailbox", "pprint", "quopri", "random", "reprlib", "shlex", "statistics", "textwrap",
)  # fmt: skip
PLANTED = 100


def functions(modules: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(name, source) of the functions and methods of these modules that do more than a few things."""
    for name in modules:
        path = Path(sysconfig.get_path("stdlib"), f"{name}.py")
        tree = ast.parse(path.read_text(encoding="utf-8") if path.exists() else "")  # a module or a package, by version
        classes = [c for c in tree.body if isinstance(c, ast.ClassDef)]
        for node in [*tree.body, *(method for c in classes for method in c.body)]:
            if isinstance(node, ast.FunctionDef) and not node.decorator_list and sum(1 for _ in walk(node)) > 40:
                yield f"{name}.{node.name}", ast.unparse(node) + "\n"


def as_task(name: str, source: str) -> str:
    """A function as a benchmark has it: its head as the prompt, its body as the solution."""
    node = ast.parse(source).body[0]
    assert isinstance(node, ast.FunctionDef)
    head = node.body[0].lineno - 1 if ast.get_docstring(node) is None else node.body[1].lineno - 1
    lines = source.splitlines(keepends=True)
    return json.dumps({"task_id": name, "prompt": "".join(lines[:head]), "canonical_solution": "".join(lines[head:])})


def test_all_that_is_planted_is_found_and_real_rows_stay() -> None:
    """Of 100 duplicates and 100 contaminated rows, disguised, all are found; under 1% of the real rows are removed."""
    bench = Bench()
    sources = list(dict.fromkeys(source for _, source in functions(ROWS)))
    real = [bench.test(f"import lib\n\n{source}\nr = lib.other({n})\n") for n, source in enumerate(sources)]
    benchmark = dict(functions(TASKS))
    tasks = tasks_of("tasks.jsonl", "\n".join(as_task(*task) for task in benchmark.items()))
    copies = {
        bench.test(disguised(f"import lib\n\n{source}\nr = lib.other({n})\n", n, frozenset("r"))).id: real[n].id
        for n, source in enumerate(sources[:PLANTED])
    }
    spoiled = {
        bench.test(f"import lib\n\n{source}\n{disguised(task, n)}\nr = lib.other({n})\n").id: name
        for n, ((name, task), source) in enumerate(zip(benchmark.items(), sources[-PLANTED:], strict=False))
    }
    assert len(real) > 700
    assert (len(copies), len(spoiled)) == (PLANTED, PLANTED)
    removed = {r.example: r for r in curate(replace(bench.lot(), tasks=tasks), "curation") if isinstance(r, Removal)}
    twins = {name for pair in copies.items() for name in pair}
    found = [c for c, twin in copies.items() if _is_removed_for(removed, c, twin) or _is_removed_for(removed, twin, c)]
    assert len(found) == PLANTED
    assert {name: removed[name].rule for name in spoiled if name in removed} == dict.fromkeys(spoiled, "contaminated")
    lost = [name for name in removed if name not in twins and name not in spoiled]
    assert len(lost) < len(real) / 100, [removed[name] for name in lost]


def _is_removed_for(removed: dict[str, Removal], name: str, other: str) -> bool:
    return name in removed and removed[name].rule.endswith("duplicate") and removed[name].kept_instead == other
