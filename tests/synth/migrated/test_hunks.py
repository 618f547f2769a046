"""What the authors rewrote in their own functions gives codemods that a run must speak for."""

from __future__ import annotations

from synth.migrated.hunks import rewritten_functions
from synth.migrated.migrate import is_guess
from tests.synth.conftest import page
from tests.synth.migrated.drift_world import World, made

OLD = "import lib\n\n\ndef total(items):\n    both = lib.merged(items, [1])\n    return sum(both)\n"
NEW = "import lib\n\n\ndef total(items):\n    both = lib.merged(items, [1], label=None)\n    return sum(both)\n"


def test_functions_that_differ_are_pairs() -> None:
    """The same function of the same file, with the module's imports above; equal ones are none."""
    old, new = page("lib/a.py", OLD, "source"), page("lib/a.py", NEW, "source", "n" * 64)
    (pair,) = rewritten_functions([old], [new])
    assert pair.old == "import lib\nboth = lib.merged(items, [1])\nreturn sum(both)"
    assert "label=None" in pair.new
    assert list(rewritten_functions([old], [old])) == []


def test_they_are_guesses(tmp_path: object) -> None:
    """A codemod learnt from them is marked, and rewrites nothing by itself."""
    from pathlib import Path

    world: World = made(Path(str(tmp_path)))
    drift = world.drift()
    drift.hunks = list(rewritten_functions([page("lib/a.py", OLD, "source")], [page("lib/a.py", NEW, "source")]))
    learnt = [r for r in drift.rules if r.kind == "default" and r.parameter == "label"]
    assert [r.values for r in learnt] == [("None", "")]
    assert all(is_guess(r) for r in learnt)
    assert not [m for m in drift.migrated if all(map(is_guess, m.rules))]
