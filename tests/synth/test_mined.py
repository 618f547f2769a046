"""What is mined from networkx 3.6.1 runs: real docstrings, a real test suite, real mistakes."""

from __future__ import annotations

import ast
from pathlib import Path

from registry.names import SymbolIndex
from registry.records import Example, Program
from scrapers.sources import Scraped
from synth import bugs
from synth.mined import doc_examples, test_examples
from synth.vocabulary import Library
from tests.synth.conftest import outcomes, parted


def sampled(examples: list[Example], programs: dict[str, Program], step: int) -> list[tuple[Example, Program]]:
    return [(e, programs[e.parts["programs"]["answer"]]) for e in examples[::step]]  # type: ignore[call-overload]


def test_docs_of_networkx_pass_and_can_fail(networkx: Scraped, networkx_wheel: Path, tmp_path: Path) -> None:
    """Over 700 doc examples are found; of a sample 80% pass bare, and of these 90% fail on their stub."""
    index = SymbolIndex(networkx.symbols)
    examples, programs = parted(doc_examples.mine(networkx.pages, networkx.symbols, index, domain="networkx"))
    assert len(examples) > 700
    assert all(e.licence and e.source_url and e.symbols and e.releases == (networkx.release.id,) for e in examples)
    pairs = sampled(examples, programs, 10)
    done = outcomes([p for _, p in pairs], networkx_wheel, tmp_path)
    passed = [e for (e, _), outcome in zip(pairs, done, strict=True) if outcome == "passed"]
    assert len(passed) >= 0.8 * len(pairs)
    stubs = [programs[e.parts["programs"]["stub"]] for e in passed]  # type: ignore[call-overload]
    vacuous = outcomes(stubs[::3], networkx_wheel, tmp_path).count("passed")
    assert vacuous <= 0.1 * len(stubs[::3]) + 1


def test_tests_of_networkx_pass_stand_alone(networkx: Scraped, networkx_wheel: Path, tmp_path: Path) -> None:
    """A part of the suite yields an example for most of its functions; 85% of a sample pass, without pytest."""
    index = SymbolIndex(networkx.symbols)
    pages = [p for p in networkx.pages if p.path.startswith("networkx/algorithms/tests/test_c")]
    examples, programs = parted(test_examples.mine(pages, index, domain="networkx", rows=1))
    assert len(examples) > 140
    for program in programs.values():
        assert "self." not in program.code
        assert "pytest" not in program.code + program.test
        ast.parse(program.code + program.test)
    pairs = sampled(examples, programs, 6)
    done = outcomes([p for _, p in pairs], networkx_wheel, tmp_path)
    assert done.count("passed") >= 0.85 * len(pairs), [d for d in done if d != "passed"]


def test_limit_takes_from_many_files(networkx: Scraped) -> None:
    """Few examples come from many files, the same ones each time."""
    index = SymbolIndex(networkx.symbols)
    pages = [p for p in networkx.pages if p.path.startswith("networkx/algorithms/tests/test_c")]
    first, again = (
        [e.id for e in parted(test_examples.mine(pages, index, domain="networkx", limit=12))[0]] for _ in range(2)
    )
    assert first == again
    examples, _ = parted(test_examples.mine(pages, index, domain="networkx", limit=12))
    assert len(examples) == 12
    assert len({e.file for e in examples}) >= 4


def test_most_bugs_of_networkx_examples_fail(networkx: Scraped, networkx_wheel: Path, tmp_path: Path) -> None:
    """Of the mutants of passing doc examples, several mistakes at once too, at least 60% fail, of 15 kinds or more."""
    index = SymbolIndex(networkx.symbols)
    examples, programs = parted(doc_examples.mine(networkx.pages, networkx.symbols, index, domain="networkx"))
    pairs = sampled(examples, programs, 25)
    done = outcomes([p for _, p in pairs], networkx_wheel, tmp_path)
    passing = [e for (e, _), outcome in zip(pairs, done, strict=True) if outcome == "passed"]
    library = Library(index)
    rows, buggy = parted(row for e in passing for row in bugs.mutate(e, programs, library))
    made = [e for e in rows if e.kind == "bug"]
    assert len(made) > 2 * len(passing)
    ran = outcomes([buggy[e.parts["programs"]["buggy"]] for e in made], networkx_wheel, tmp_path)  # type: ignore[call-overload]
    failing = [e for e, outcome in zip(made, ran, strict=True) if outcome != "passed"]
    assert len(failing) >= 0.6 * len(made)
    assert len({e.bug_kind for e in failing}) >= 15
