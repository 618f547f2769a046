"""A desk over a small library at two versions, behind the real sandbox, and an LLM that says what a test has it say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from registry.names import SymbolIndex
from registry.records import Change, Example, Program, Verdict
from scrapers.changes import find_changes
from synth.llm import Reply, Request
from synth.material import Piece, pieces
from synth.mined import test_examples
from synth.written.dialogue import Desk, Ending, Subject, Trial, Writer, run
from tests.indexed import installable
from tests.scrapers.conftest import write_wheel
from tests.synth.migrated.drift_world import scraped
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool
from validators.parts import obligations
from validators.proofs import Proof, prove

COMMON = '''
def ring(n, step=1):
    """Return the numbers of a ring of n places, in order, beginning with the number zero.

    Parameters
    ----------
    n : int
        How many places the ring has.
    step : int
        How far one number is from the next one.

    See Also
    --------
    doubled
    """
    return list(range(0, n, step))


def doubled(items):
    """Return every item of a list twice, in the order in which the items stand in the list."""
    return [i for i in items for _ in range(2)]


class Tally:
    """Count how often each item was added to the tally, and tell which of the items came most often."""

    def __init__(self, items=()):
        self.counts = {}
        for item in items:
            self.add(item)

    def add(self, item):
        """Add one item to the tally, once more where it was added before, and return how often it has come."""
        self.counts[item] = self.counts.get(item, 0) + 1
        return self.counts[item]
'''

OLD = (
    COMMON
    + '''
def spread(items, scale=1, seed=None):
    """Return the items of a list, each multiplied by the scale and shifted by the seed where there is one."""
    return [i * scale + (seed or 0) for i in items]


def set_apart(a, b):
    """Tell whether two collections have no item in common; an empty collection is set apart from every other."""
    return not set(a) & set(b)
'''
)

NEW = (
    COMMON
    + '''
def spread(items, *, scale=1, offset=0):
    """Return the items of a list, each multiplied by the scale and shifted by the offset.

    .. versionchanged:: 2
       Scale and offset are given by keyword only; ``seed`` is now called ``offset``.
    """
    return [i * scale + offset for i in items]


def is_set_apart(a, b):
    """Tell whether two collections have no item in common; an empty collection is set apart from every other."""
    return not set(a) & set(b)
'''
)

TESTS = """
import lib


def test_doubled():
    items = lib.ring(2)
    assert lib.doubled(items) == [0, 0, 1, 1]
    assert lib.doubled([]) == []


def test_ring():
    items = lib.ring(6, step=2)
    total = sum(items)
    assert total == 6
"""


@dataclass
class Bench:
    """A desk, and where its programs run.

    Attributes:
        desk: The desk.
        pool: The sandbox.
        environments: Id of a release -> its environment.
        ran: (program, release) -> its verdict: no program runs twice.
        programs: All programs that ran, by id.
    """

    desk: Desk
    pool: Pool
    environments: Mapping[str, BuiltEnvironment]
    ran: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    programs: dict[str, Program] = field(default_factory=dict)

    def trial(self, trial: Trial) -> dict[str, Verdict]:
        missing = [p for p in trial.programs if (p.id, trial.release) not in self.ran]
        self.programs.update((p.id, p) for p in missing)
        made = self.pool.run(self.environments[trial.release], missing, attempts=1, timeout_s=5, trace=("lib",))
        self.ran.update(((v.program, trial.release), v) for v in made)
        return {p.id: self.ran[p.id, trial.release] for p in trial.programs}

    def hold(self, writer: Writer, subject: Subject, answers: Mapping[str, Any], desk: Desk | None = None) -> Ending:
        """A dialogue to its end, and what is said in it: purpose without version -> text, JSON, or a Reply."""
        return run(writer.write(desk or self.desk, subject), scripted(answers), self.trial)


def scripted(answers: Mapping[str, Any], asked: list[Request] | None = None) -> Callable[[Request], Reply]:
    """Answers by purpose; of a list one after the other."""
    given = {purpose: list(said) if isinstance(said, list) else [said] * 9 for purpose, said in answers.items()}

    def answer(request: Request) -> Reply:
        if asked is not None:
            asked.append(request)
        said = given[request.purpose.partition("@")[0]].pop(0)
        if isinstance(said, Reply):
            return said
        return Reply(request.key("m"), "ok", **({"text": said} if isinstance(said, str) else {"value": said}))

    return answer


def block(code: str) -> str:
    """An answer that is one block of code."""
    return f"```python\n{code.strip()}\n```"


def proof_of(bench: Bench, ending: Ending, desk: Desk | None = None) -> list[tuple[Example, Proof]]:
    """The rows of an ending, each with its proof in the real sandbox."""
    programs = {**(desk or bench.desk).programs, **{r.id: r for r in ending.rows if isinstance(r, Program)}}
    found = []
    for row in (r for r in ending.rows if isinstance(r, Example)):
        verdicts = {}
        for program, release in obligations(row):
            verdicts[program, release] = bench.trial(Trial(release, (programs[program],)))[program]
        found.append((row, prove(row, verdicts, programs, {bench.desk.new.id: bench.desk.indexes[1]})))
    return found


def proven(bench: Bench, ending: Ending, desk: Desk | None = None) -> list[Example]:
    """The rows of an ending: there are some, and all are proven, permissive, of the model, and of its calls."""
    assert ending.outcome == "written", (ending.outcome, ending.detail)
    rows = proof_of(bench, ending, desk)
    assert rows and all(proof.proven for _, proof in rows), [proof.detail for _, proof in rows]
    for row, _ in rows:
        assert row.licence == "MIT" and row.written["model"] == "m" and row.symbols and row.root
        assert tuple(row.written["calls"]) == ending.calls
    return [row for row, _ in rows]


@pytest.fixture(scope="session")
def changes() -> list[Change]:
    """What the two versions differ in."""
    return find_changes(*_releases())


def _releases() -> Any:
    return (
        scraped("1", {"lib/__init__.py": OLD}, {"lib/tests/test_lib.py": TESTS}),
        scraped("2", {"lib/__init__.py": NEW}, {"lib/tests/test_lib.py": TESTS}),
    )


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory, changes: list[Change]) -> Iterator[Bench]:
    """The desk, with the library's own tests as mined pieces, and both environments."""
    old, new = _releases()
    folder = tmp_path_factory.mktemp("written")
    with Pool(2, preload=()) as pool:
        assert pool.available() is None
        environments = {}
        for release, text in ((old, OLD), (new, NEW)):
            version = release.release.version
            wheel = write_wheel(folder, "lib", version, {"lib/__init__.py": text, **installable("lib", version)})
            wanted = [f"lib=={version}"]
            environments[release.release.id] = pool.build(wanted, folder / "cache", wheels=[wheel])
        indexes = SymbolIndex(old.symbols), SymbolIndex(new.symbols)
        mined: list[Piece] = list(pieces(test_examples.mine(new.pages, indexes[1], domain="lib")))
        desk = Desk(
            domain="lib", model="m", trainable=True, old=old.release, new=new.release, indexes=indexes,
            pages=new.pages, changes=changes, pieces=mined, programs={p.program.id: p.program for p in mined},
        )  # fmt: skip
        yield Bench(desk, pool, environments)
