"""Gaps, replaced tokens and refactorings of what is mined from networkx 3.6.1: as they are made, and as they run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from registry.names import SymbolIndex
from registry.records import Example, Program
from scrapers.sources import Scraped
from synth.edited import fim, refactors
from synth.edited.context import Definitions
from synth.material import Piece
from synth.mined import doc_examples
from synth.mutated import locate
from tests.synth.conftest import outcomes, parted
from validators.scope import gap_fault, scope_fault, token_fault

STEP = 16
"""Of so many doc examples one is taken."""


@pytest.fixture(scope="module")
def passing(networkx: Scraped, networkx_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Piece]:
    index = SymbolIndex(networkx.symbols)
    examples, programs = parted(doc_examples.mine(networkx.pages, networkx.symbols, index, domain="networkx"))
    pieces = [Piece(e, programs[parts(e)["programs"]["answer"]]) for e in examples[::STEP]]
    done = outcomes([p.program for p in pieces], networkx_wheel, tmp_path_factory.mktemp("answers"))
    return [piece for piece, outcome in zip(pieces, done, strict=True) if outcome == "passed"]


def parts(example: Example) -> dict[str, Any]:
    found: Any = example.parts
    return dict(found)


def role(rows: list[Example], programs: dict[str, Program], name: str) -> list[Program]:
    return [programs[parts(row)["programs"][name]] for row in rows]


def test_gaps_of_networkx_examples_are_whole_nodes(passing: list[Piece], networkx: Scraped) -> None:
    """A third of the examples at least have a gap that the rest decides, and every gap is one of whole nodes."""
    definitions = Definitions(networkx.pages, SymbolIndex(networkx.symbols))
    made = [(p, row) for p in passing for row in fim.mine(p, definitions) if isinstance(row, Example)]
    assert len(made) > len(passing) / 3
    for piece, row in made:
        texts = [parts(row)[name] for name in ("prefix", "middle", "suffix")]
        assert gap_fault(piece.program.code, piece.program.test, *texts) == ""
    assert any(parts(row)["context"] for _, row in made)


def test_most_replaced_tokens_break_networkx_examples(
    passing: list[Piece], networkx: Scraped, networkx_wheel: Path, tmp_path: Path
) -> None:
    """One plausible token replaced makes the test fail in two of three programs at least."""
    model = locate.model_of(networkx.pages, SymbolIndex(networkx.symbols))
    rows, programs = parted(row for piece in passing for row in locate.mine(piece, model))
    originals = {p.program.id: p.program for p in passing}
    for row in rows:
        told = parts(row)
        original, corrupted = originals[told["programs"]["original"]], programs[told["programs"]["corrupted"]]
        assert token_fault(original.code, corrupted.code, told["at"], told["was"], told["replaced"]) == ""
    assert len(rows) > len(passing) / 3
    done = outcomes(role(rows, programs, "corrupted"), networkx_wheel, tmp_path)
    assert done.count("passed") < len(rows) / 3


def test_refactorings_of_networkx_examples_keep_behaviour(
    passing: list[Piece], networkx: Scraped, networkx_wheel: Path, tmp_path: Path
) -> None:
    """Of the refactored programs 95% pass the new test, none does without the edit, and none leaves its scope."""
    index = SymbolIndex(networkx.symbols)
    rows, programs = parted(row for piece in passing for row in refactors.mine(piece, index))
    before, after = role(rows, programs, "before"), role(rows, programs, "after")
    faults = [scope_fault(b.code, a.code, parts(r)["scope"]) for r, b, a in zip(rows, before, after, strict=True)]
    assert set(faults) == {""}
    assert len(rows) > len(passing) / 10
    assert {row.operator for row in rows} <= set(refactors.REFACTORINGS)
    assert outcomes(after, networkx_wheel, tmp_path).count("passed") >= 0.95 * len(rows)
    assert "passed" not in outcomes(before, networkx_wheel, tmp_path)
