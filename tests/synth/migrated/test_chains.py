"""Calls in a chain over several lines, as data frames are written, are sites like others."""

from __future__ import annotations

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Example, Program, Verdict
from synth.material import Piece
from synth.migrated.planting import Planter, settled
from synth.migrated.rules import rules_of
from synth.migrated.sites import Sites
from tests.synth.conftest import RELEASE, parted, symbol

FRAME = [symbol("pd.frame", "module"), symbol("pd.frame.Frame", "class", "pd.Frame")]
OLD = SymbolIndex([*FRAME, symbol("pd.frame.Frame.melt", "method")])
NEW = SymbolIndex([*FRAME, symbol("pd.frame.Frame.unpivot", "method")])
CHANGE = Change(old="o", new="n", symbol="pd.frame.Frame.melt", kind="removed", replacement="pd.frame.Frame.unpivot")
CODE = "import pd\n\nframe = pd.Frame()\nfound = (\n    frame\n    .unpivot(1)\n    .rows()\n)\n"


def held(code: str, test: str, file: str) -> Piece:
    """An example of one program, in a file."""
    program = Program(code=code, test=test)
    example = Example(
        domain="d", kind="test", releases=(RELEASE,), parts={"programs": {"answer": program.id}}, file=file,
        root="r", generator="g", generator_version="1", licence="MIT",
    )  # fmt: skip
    return Piece(example, program, ("pd.frame.Frame.unpivot",))


def found_in() -> Sites:
    return Sites([CHANGE], OLD, NEW, rules_of([CHANGE], OLD, NEW, {}), Families([CHANGE], OLD, NEW))


def test_an_old_form_is_written_into_the_chain() -> None:
    """The site of a method begins with its receiver; the old form has the old name there, mutants are calls still."""
    piece = held(CODE, "assert found == [1]\n", "t.py")
    sites = found_in()
    (site,) = sites.find([piece])
    assert [text for _, text in site.stale] == ["frame\n    .melt(1)\n    .rows()\n)"]
    assert Planter(NEW).probes([site], [piece]) == []
    rows, _ = parted(sites.rows([site], "d", ("o", "n")))
    assert {"stale"} <= {e.bug_kind for e in rows}


def told(program: Program, value: str) -> Verdict:
    """A run that saw a value."""
    seen = {"0": {"expected": "None", "actual": value}}
    return Verdict(
        program=program.id, environment="e", harness="h", policy="k=2", outcome="failed", proof="strong", values=seen
    )


def test_a_planted_call_that_changes_nothing_is_none() -> None:
    """A method that gives what it was called on, as a gap filled where there is none, shows nothing there."""
    (site,) = found_in().find(
        [held("import pd\n\nframe = pd.Frame()\nfound = frame.unpivot()\n", "assert found\n", "t.py")]
    )
    host = held("import pd\n\nframe = pd.Frame(2)\nrows = frame.rows()\n", "assert rows == [2]\n", "other.py")
    (probe,) = Planter(NEW).probes([site], [host])
    assert probe.idle is not None and probe.idle.code.endswith("\nfound = frame\n")
    for value, sites in (("[3]", 1), ("[2]", 0)):
        verdicts = {v.program: v for v in (told(probe.program, "[2]"), told(probe.idle, value))}
        assert len(list(settled([probe], verdicts))) == sites
