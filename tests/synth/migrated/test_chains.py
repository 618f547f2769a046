"""Calls in a chain over several lines, as data frames are written, are sites like others."""

from __future__ import annotations

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Change, Example, Program
from synth.material import Piece
from synth.migrated.planting import Planter
from synth.migrated.rules import rules_of
from synth.migrated.sites import Sites
from tests.synth.conftest import RELEASE, parted, symbol

FRAME = [symbol("pd.frame", "module"), symbol("pd.frame.Frame", "class", "pd.Frame")]
OLD = SymbolIndex([*FRAME, symbol("pd.frame.Frame.melt", "method")])
NEW = SymbolIndex([*FRAME, symbol("pd.frame.Frame.unpivot", "method")])
CHANGE = Change(old="o", new="n", symbol="pd.frame.Frame.melt", kind="removed", replacement="pd.frame.Frame.unpivot")
CODE = "import pd\n\nframe = pd.Frame()\nfound = (\n    frame\n    .unpivot(1)\n    .rows()\n)\n"


def test_an_old_form_is_written_into_the_chain() -> None:
    """The site of a method begins with its receiver; the old form has the old name there, mutants are calls still."""
    program = Program(code=CODE, test="assert found == [1]\n")
    example = Example(
        domain="d", kind="test", releases=(RELEASE,), parts={"programs": {"answer": program.id}}, file="t.py",
        root="r", generator="g", generator_version="1", licence="MIT",
    )  # fmt: skip
    piece = Piece(example, program, ("pd.frame.Frame.unpivot",))
    sites = Sites([CHANGE], OLD, NEW, rules_of([CHANGE], OLD, NEW, {}), Families([CHANGE], OLD, NEW))
    (site,) = sites.find([piece])
    assert [text for _, text in site.stale] == ["frame\n    .melt(1)\n    .rows()\n)"]
    assert Planter(NEW).probes([site], [piece]) == []
    rows, _ = parted(sites.rows([site], "d", ("o", "n")))
    assert {"stale"} <= {e.bug_kind for e in rows}
