"""The figures of the benchmark of generation, and how CPU is counted."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from cpu import cpu_seconds

ROOT = Path(__file__).resolve().parents[2]
BUSY = "import time\nwhile time.process_time() < 0.5: pass\n"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """`benchmarks/synth.py`, which has the name of a package."""
    spec = spec_from_file_location("benchmark_of_synth", ROOT / "benchmarks" / "synth.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_what_other_processes_use_is_counted_once() -> None:
    """CPU of processes that were started counts while they run and when they have ended."""
    before = cpu_seconds()
    with subprocess.Popen([sys.executable, "-c", BUSY + "input()"], stdin=subprocess.PIPE) as running:
        subprocess.run([sys.executable, "-c", BUSY], check=True)
        while cpu_seconds() - before < 1:
            assert running.poll() is None
        assert running.stdin is not None
        running.stdin.write(b"\n")
    assert 1 <= cpu_seconds() - before < 3


@pytest.mark.parametrize(
    ("generation", "validation", "share", "slope"), [((2, 8), (20, 80), 0.1, 1.0), ((2, 32), (20, 80), 0.4, 2.0)]
)
def test_the_figures_are_the_share_and_the_steeper_slope(
    benchmark: ModuleType, generation: tuple[int, int], validation: tuple[int, int], share: float, slope: float
) -> None:
    """CPU of generation through that of validation at the largest share; how the steeper of the two grows."""
    costs = [
        benchmark.Cost(symbols, 1, 1, g, v) for symbols, g, v in zip((100, 400), generation, validation, strict=True)
    ]
    results = {r.target.name: r for r in benchmark.judged(costs)}
    assert results["generation_share"].value == pytest.approx(share)
    assert results["linear"].value == pytest.approx(slope)
