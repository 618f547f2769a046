"""A small library at two versions, its test suites, and real runs of programs against both."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.derivation import broken
from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Page, Program, Release, Symbol, Verdict
from scrapers.changes import find_changes
from scrapers.sources import Scraped
from scrapers.symbols import find_symbols
from synth.material import Piece, pieces
from synth.migrated.drift import Drift
from synth.migrated.recording import checks_of, values_of_checks
from synth.migrated.sites import Limits
from synth.migrated.trials import Bench
from synth.mined import test_examples
from tests.synth.conftest import page

COMMON = '''
def ring(n, step=1):
    """Returns the numbers of a ring.

    Every `step`-th of them.
    """
    return list(range(0, n, step))


def doubled(items):
    """Returns every item twice."""
    return [i for i in items for _ in range(2)]
'''

OLD = {
    "lib/__init__.py": "from lib.tools import *\nfrom lib.shapes import *\n",
    "lib/tools.py": COMMON
    + '''
def set_apart(a, b):
    """Whether two collections share nothing."""
    return not set(a) & set(b)


def merged(a, b, label=None):
    """Returns both lists."""
    return [*a, *b]


def filtered(items, least=0, most=99):
    """Returns the items between two bounds."""
    return [i for i in items if least <= i <= most]


def spread(items, scale=1, seed=None):
    """Returns the items scaled and shifted."""
    return [i * scale + (seed or 0) for i in items]
''',
    "lib/shapes.py": '''
def corners(items):
    """Returns the corner of each item."""
    return {i: i + 1 for i in items}
''',
}

NEW = {
    "lib/__init__.py": OLD["lib/__init__.py"],
    "lib/tools.py": COMMON
    + '''
def is_set_apart(a, b):
    """Whether two collections share nothing."""
    return not set(a) & set(b)


def merged(a, b):
    """Returns both lists."""
    return [*a, *b]


def filtered(items, *, least=0, most=99):
    """Returns the items between two bounds."""
    return [i for i in items if least <= i <= most]


def spread(items, scale=1, offset=0, seed=None):
    """Returns the items scaled and shifted."""
    return [i * scale - offset + (seed or 0) for i in items]


def halved(items):
    """Returns every other item."""
    return items[::2]
''',
    "lib/shapes.py": '''
def corners(items):
    """Returns the corner of each item.

    .. versionchanged:: 2
       An iterator of pairs is returned, no longer a dict.
    """
    return ((i, i + 1) for i in items)
''',
}

OLD_TESTS = {
    "lib/tests/test_tools.py": """
import lib
from lib import merged, set_apart


def test_apart():
    items = lib.ring(4)
    assert set_apart(items, [7]) is True
    assert lib.set_apart(items, [2]) is False


def test_merged():
    assert merged([1], lib.ring(2), label="x") == [1, 0, 1]


def test_filtered():
    items = lib.ring(9)
    found = lib.filtered(items, 3, 5)
    assert found == [3, 4, 5]


def test_spread():
    items = lib.ring(3)
    assert lib.spread(items, 2, 5) == [5, 7, 9]


def test_doubled():
    items = lib.ring(2)
    assert lib.doubled(items) == [0, 0, 1, 1]
""",
    "lib/tests/test_shapes.py": """
import lib


def test_corners():
    items = lib.ring(3)
    found = lib.corners(items)
    assert found == {0: 1, 1: 2, 2: 3}
""",
}

NEW_TESTS = {
    "lib/tests/test_tools.py": """
import lib
from lib import is_set_apart, merged


def test_apart():
    items = lib.ring(4)
    assert is_set_apart(items, [7]) is True
    assert lib.is_set_apart(items, [2]) is False


def test_merged():
    assert merged([1], lib.ring(2)) == [1, 0, 1]


def test_filtered():
    items = lib.ring(9)
    found = lib.filtered(items, least=3, most=5)
    assert found == [3, 4, 5]


def test_spread():
    items = lib.ring(3)
    assert lib.spread(items, 2, seed=5) == [5, 7, 9]


def test_halved():
    items = lib.ring(5)
    assert lib.halved(items) == [0, 2, 4]


def test_doubled():
    items = lib.ring(2)
    assert lib.doubled(items) == [0, 0, 1, 1]
""",
    "lib/tests/test_shapes.py": """
import lib


def test_corners():
    items = lib.ring(3)
    found = dict(lib.corners(items))
    assert found == {0: 1, 1: 2, 2: 3}


def test_ring():
    items = lib.ring(6, step=2)
    total = sum(items)
    assert total == 6
""",
}

RUNNER = """
import json, sys
for code, test, wanted in json.load(sys.stdin):
    scope, values, raised = {"__name__": "program"}, {}, {}
    try:
        where = "code"
        exec(compile(code, "code", "exec"), scope)
        for i, text in enumerate(wanted):
            values[str(i)] = {"expected": "None", "actual": repr(eval(text, scope))}
        where = "test"
        exec(compile(test, "test", "exec"), scope)
        outcome = ["passed", ""]
    except AssertionError as error:
        outcome = ["failed", str(error)]
    except BaseException as error:
        outcome = ["error", f"{type(error).__name__}: {error}"]
        raised = {"in": where, "type": type(error).__name__, "message": str(error)}
    print(json.dumps([*outcome, values, raised]))
"""


@dataclass
class World:
    """The library, scraped and mined, and what its programs come to."""

    folder: Path
    old: Scraped
    new: Scraped
    changes: list[Change]
    old_pieces: list[Piece]
    new_pieces: list[Piece]
    outcomes: dict[tuple[str, str], str] = field(default_factory=dict)
    messages: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def releases(self) -> tuple[str, str]:
        return self.old.release.id, self.new.release.id

    @property
    def indexes(self) -> tuple[SymbolIndex, SymbolIndex]:
        return SymbolIndex(self.old.symbols), SymbolIndex(self.new.symbols)

    @property
    def families(self) -> Families:
        return Families(self.changes, *self.indexes)

    def run(self, programs: Sequence[Program], release: str, wanted: Sequence[Sequence[str]] = ()) -> list[Verdict]:
        """What programs come to at a release, in their order; `wanted` are the expressions to tell of each."""
        version = "old" if release == self.old.release.id else "new"
        jobs = [
            [p.code, p.test, list(texts)] for p, texts in zip(programs, wanted or [()] * len(programs), strict=True)
        ]
        script = f"import sys; sys.path.insert(0, {str(self.folder / version)!r})\n{RUNNER}"
        done = subprocess.run(
            [sys.executable, "-c", script], input=json.dumps(jobs), text=True, capture_output=True, check=True,
            timeout=120,
        )  # fmt: skip
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
        assert len(lines) == len(programs), done.stderr
        return [
            Verdict(
                program=p.id, environment=version, harness="test", policy="k=1", outcome=outcome, proof="weak",
                detail=detail, values=values, exception=raised,
            )
            for p, (outcome, detail, values, raised) in zip(programs, lines, strict=True)
        ]  # fmt: skip

    def note(self, programs: Sequence[Program], release: str) -> None:
        for verdict in self.run(programs, release):
            self.outcomes[verdict.program, release] = verdict.outcome
            self.messages[verdict.program, release] = verdict.detail

    def drift(self) -> Drift:
        return Drift(
            self.changes, self.indexes, self.families, self.old_pieces, self.new_pieces, self.outcomes,
            self.messages, frozenset(), self.releases, "lib", Limits(), 0, self.bench, titles=("lib 1", "lib 2"),
        )  # fmt: skip

    @property
    def bench(self) -> Bench:
        def run(release: str, programs: Iterable[Program]) -> dict[str, Verdict]:
            wanted = list({p.id: p for p in programs}.values())
            texts = [[c.expression for c in checks_of(p) or ()] for p in wanted]
            made = zip(wanted, self.run(wanted, release, texts), strict=True)
            return {p.id: dataclasses.replace(v, values=_compared(p, v)) for p, v in made}

        return Bench(run, lambda v: v.outcome == "passed", lambda old, new: bool(old == new), broken)


def _compared(program: Program, verdict: Verdict) -> dict[str, dict[str, str]]:
    """The values of a verdict with what the program's own checks expect of them."""
    expected = values_of_checks(program)
    values: Any = verdict.values
    return {i: {**value, "expected": expected.get(int(i), "None")} for i, value in values.items()}


def scraped(version: str, sources: dict[str, str], tests: dict[str, str]) -> Scraped:
    release = Release(library="lib", version=version, artifact_sha256=version * 64, licence="MIT")
    pages: list[Page] = [page(path, text, "source", release.id) for path, text in sources.items()]
    pages += [page(path, text, "test", release.id) for path, text in tests.items()]
    symbols: list[Symbol] = find_symbols(release.id, pages)
    return Scraped(release=release, pages=tuple(pages), symbols=tuple(symbols))


Texts = tuple[dict[str, str], dict[str, str]]
"""Path -> text of files, at the old and at the new release."""


def made(folder: Path, library: Texts = (OLD, NEW), tests: Texts = (OLD_TESTS, NEW_TESTS)) -> World:
    """The library written to `folder`, scraped, mined, its programs run where the drift part needs it."""
    for version, sources in zip(("old", "new"), library, strict=True):
        for path, text in sources.items():
            file = folder / version / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    old, new = scraped("1", library[0], tests[0]), scraped("2", library[1], tests[1])
    mined = [list(pieces(test_examples.mine(s.pages, SymbolIndex(s.symbols), domain="lib"))) for s in (old, new)]
    world = World(folder, old, new, find_changes(old, new), mined[0], mined[1])
    for release in world.releases:
        world.note([p.program for p in world.old_pieces], release)
    world.note([p.program for p in world.new_pieces], world.new.release.id)
    return world
