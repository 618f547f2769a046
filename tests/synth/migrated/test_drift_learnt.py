"""Replacements that no note names are learnt from codemods."""

from __future__ import annotations

import dataclasses

from registry.records import Change
from synth.migrated.drift import distinct, with_replacements
from synth.migrated.rules import Rule


def test_a_learnt_replacement_is_written_to_its_change() -> None:
    """A rename of a removed name becomes its replacement, with its evidence; one that a note names stays."""
    gone = Change(old="o", new="n", symbol="lib.a.f", kind="removed", evidence=[{"source": "griffe", "text": "gone"}])
    noted = Change(old="o", new="n", symbol="lib.a.g", kind="removed", replacement="lib.a.h")
    proofs = {
        Rule("rename", "lib.a.f", "lib.a.k", gone.id, "lib.a.f"): "p1",
        Rule("rename", "lib.a.g", "x", noted.id, "lib.a.g"): "p2",
    }
    learnt = with_replacements([gone, noted], proofs)
    assert [c.replacement for c in learnt] == ["lib.a.k", "lib.a.h"]
    assert learnt[0].id == gone.id
    assert learnt[0].evidence[-1]["text"] == "Old calls are written with lib.a.k now: proved by program p1"
    assert learnt[0].digest != gone.digest


def test_rules_that_rewrite_otherwise_are_kept() -> None:
    """Another method to use, or other calls that are taken, make another rule; another note of it makes none."""
    rule = Rule("instead", "lib.A.f", "lib.A.f", "c", "lib.A.f", "x", to="g", accepted=frozenset("x"))
    others = [dataclasses.replace(rule, to="h"), dataclasses.replace(rule, accepted=frozenset("xy"))]
    assert distinct([rule, *others, dataclasses.replace(rule, change="d")]) == [rule, *others]
