"""What making rows costs beside proving them: `python benchmarks/synth.py [--json] [--domain networkx]`.

The domain's two releases are scraped and compared once. Then shares of the library's modules, drawn by their paths
(their pages and tests, the docs of their symbols, what changed in them; every name stays known), go through the stages
`mine`, `validate mined`, `derive` and `validate derived` with the settings of the domain file, each into a lake of its
own. What counts is CPU of the whole tree of processes; programs that a generator has run are validation.

* generation_share: CPU of generation through CPU of validation, at the largest share.
* linear: how CPU grows from the smallest share to the largest, of generation or of validation, the larger of the two:
  the slope of log(CPU) over log(symbols). 1 is linear; what costs the same for any share makes it less.

Environments are built before anything is measured. It takes about eight minutes on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)

from cpu import cpu_seconds
from ratios import Result, Target, exit_code, table

sys.path[:] = [entry for entry in sys.path if entry != HERE]  # from here on `synth` is the package, not this file

# What generation starts processes for begins, in each, with reading this file, as with `driftune`, which is quick to
# read: so is this one, that imports what it measures where it is used.
if TYPE_CHECKING:
    from flows.house import House
    from registry.records import Page, Program, Verdict
    from validators.execution.environments import BuiltEnvironment
    from validators.execution.pool import Sandbox

SHARE = Target("generation_share", 0.15, "lower")
LINEAR = Target("linear", 1.15, "lower")
SHARES = (12, 24, 48)
"""Of 256 modules, how many are taken."""

MEASURED = ("mine", "validate mined", "derive", "validate derived")


class Metered:
    """A sandbox that counts what running programs costs.

    Args:
        sandbox: The sandbox.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.seconds = 0.0
        self.programs = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sandbox, name)

    def run(self, built: BuiltEnvironment, programs: Iterable[Program], **how: Any) -> Iterator[Verdict]:
        """As the sandbox does, all at once, so that nothing else is counted."""
        since = cpu_seconds()
        made = list(self.sandbox.run(built, programs, **how))
        self.seconds += cpu_seconds() - since
        self.programs += len(made)
        yield from made


@dataclass(frozen=True)
class Cost:
    """CPU seconds of one share of a library.

    Attributes:
        symbols: Symbols whose docs and changes were read, at the new release.
        rows: Examples made.
        programs: Programs run.
        generation: CPU of making rows.
        validation: CPU of proving them, and of what generators had run.
    """

    symbols: int
    rows: int
    programs: int
    generation: float
    validation: float


def main() -> int:
    """Measures, prints and judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument("--domain", default="networkx", help="a name in domains/, or the path of a domain file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftune-synth-") as folder:
        costs = list(measured(arguments.domain, Path(folder)))
    results = judged(costs)
    print("\n".join(r.line() for r in results) if arguments.json else table(results))
    return exit_code(results)


def measured(domain: str, home: Path) -> Iterator[Cost]:
    """The cost of each share, the smallest first."""
    from flows.house import open_house
    from flows.running import environment
    from flows.scraping import releases
    from flows.stages import STAGES
    from registry.settings import Settings

    whole = open_house(domain, settings=Settings(home=home))
    for stage in ("scrape", "compare"):
        for batch in STAGES[stage](whole):
            batch.run()
    for release in releases(whole):
        environment(whole, release)
    for share in SHARES:
        part = open_house(domain, settings=Settings(home=home, lake=str(home / f"lake-{share}")))
        symbols = _fill(part, whole, share)
        cost = _cost(part, symbols)
        _say(f"{share} of 256 modules: {cost}")
        yield cost
    whole.close()


def _fill(part: House, whole: House, share: int) -> int:
    """Writes a share of a scraped library into a lake; how many of its symbols are taken."""
    from flows.scraping import compare_key, compared, releases, scraped, source_keys

    taken: dict[str, bool] = {}
    count = 0
    for release in releases(whole):
        found = scraped(whole, release)
        pages = [page for page in found.pages if _is_taken(page, share)]
        kept = {page.id for page in pages}
        symbols = [s if s.page in kept else replace(s, doc="") for s in found.symbols]
        taken.update((s.path, s.page in kept) for s in symbols)
        count = sum(s.page in kept for s in symbols)
        rows = [release, *pages, *symbols]
        part.finish("scrape", "share", source_keys(part, release), rows, time.monotonic(), {"release": release.id})
    found = [change for change in compared(whole) if taken.get(change.symbol, False)]
    part.finish("scrape", "share", [compare_key(part)], found, time.monotonic())
    return count


def _is_taken(page: Page, share: int) -> bool:
    """Whether a module is in the share; its tests are, where it is."""
    name = Path(page.path).stem.removeprefix("test_")
    return hashlib.sha256(name.encode()).digest()[0] < share


def _cost(house: House, symbols: int) -> Cost:
    from flows.stages import STAGES

    meter = Metered(house.pool)
    house.__dict__["pool"] = meter  # where `cached_property` keeps it
    spent = dict.fromkeys(MEASURED, 0.0)
    for name in MEASURED:
        since, before = cpu_seconds(), meter.seconds
        for batch in STAGES[name](house):
            batch.run()
        spent[name] = cpu_seconds() - since - (meter.seconds - before)
    [made] = house.lake.query("SELECT count(*) AS n FROM examples").to_pylist()
    house.close()
    generation = spent["mine"] + spent["derive"]
    validation = spent["validate mined"] + spent["validate derived"] + meter.seconds
    return Cost(symbols, made["n"], meter.programs, generation, validation)


def judged(costs: list[Cost]) -> list[Result]:
    """Both figures of the costs, the smallest share first."""
    first, last = costs[0], costs[-1]
    factor = math.log(last.symbols / first.symbols)
    slopes = {
        name: math.log(getattr(last, name) / getattr(first, name)) / factor for name in ("generation", "validation")
    }
    shown = {
        "generation s": f"{last.generation:.0f}",
        "validation s": f"{last.validation:.0f}",
        "symbols": " ".join(str(c.symbols) for c in costs),
        "rows": " ".join(str(c.rows) for c in costs),
        "programs": " ".join(str(c.programs) for c in costs),
    }
    lines = {name: f"{slope:.2f}" for name, slope in slopes.items()}
    return [
        Result(SHARE, [last.generation / last.validation], shown),
        Result(LINEAR, [max(slopes.values())], lines),
    ]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
