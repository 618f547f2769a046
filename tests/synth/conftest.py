"""What the tests of synth share: pages and symbols made on the spot, and networkx as it is on the index."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from registry.records import Example, Page, Program, Symbol
from scrapers.pypi import PyPISource
from scrapers.sources import Scraped

RELEASE = "r" * 64


def page(path: str, text: str, kind: str = "test", release: str = RELEASE) -> Page:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Page(
        release=release, url=f"pypi://lib/1/{path}", content_hash=digest, kind=kind, path=path, title=path,
        markdown=text, licence="MIT",
    )  # fmt: skip


def symbol(path: str, kind: str = "function", *aliases: str, doc: str = "", on: Page | None = None) -> Symbol:
    return Symbol(
        release=RELEASE, path=path, kind=kind, aliases=aliases, doc=doc, page=on.id if on is not None else None
    )


def parted(rows: Iterable[Program | Example]) -> tuple[list[Example], dict[str, Program]]:
    """Examples in order, and programs by id."""
    every = list(rows)
    return [r for r in every if isinstance(r, Example)], {r.id: r for r in every if isinstance(r, Program)}


RUNNER = """
import json, sys, warnings
warnings.simplefilter("ignore")
for code, test in json.load(sys.stdin):
    scope = {"__name__": "program"}
    try:
        exec(compile(code, "code", "exec"), scope)
        exec(compile(test, "test", "exec"), scope)
        print("passed")
    except AssertionError:
        print("failed")
    except BaseException as error:
        print("error", type(error).__name__, str(error).replace("\\n", " ")[:200])
"""


def outcomes(programs: Sequence[Program], path: Path, folder: Path) -> list[str]:
    """What each program comes to, all run one after the other in a Python that imports from `path` (a wheel)."""
    script = f"import sys; sys.path.insert(0, {str(path)!r})\n{RUNNER}"
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps([[p.code, p.test] for p in programs]), text=True,
        capture_output=True, check=True, cwd=folder, timeout=300,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.partition(" ")[0] in ("passed", "failed", "error")]
    assert len(lines) == len(programs), done.stderr
    return lines


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def networkx(downloads: Path) -> Scraped:
    return PyPISource().scrape({}, "networkx", "3.6.1", downloads)


@pytest.fixture(scope="session")
def networkx_wheel(networkx: Scraped, downloads: Path) -> Path:
    return next(downloads.rglob("networkx-3.6.1-*.whl"))
