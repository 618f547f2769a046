"""Reading a documentation site of 4,000 pages, pandas' as Debian packs it: `python benchmarks/scrape.py [--json]`.

* over_parse: CPU of a page becoming a record with its symbols, over that of `BeautifulSoup(html, "lxml")` alone; a
  round takes every fifth page, the two sides in turns, all rounds together take all pages.
* two_cores: the speed-up of two processes over one, all pages from the folder to what they give in the parent, as a run
  does it, as a share of what a second CPU loop brings.
* rss: peak memory of reading all pages with two processes, over that of reading a tenth of them.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from built_sites import site_of
from competitors import BenchmarkError, Rival
from ratios import Result, Target, exit_code, in_turns, table

from flows.site_pages import parsed
from registry.identity import sha256_of_bytes
from registry.names import SymbolIndex
from registry.records import Fetch
from registry.settings import Settings
from scrapers.binding import Binding, bind
from scrapers.documents import Document, Job, get_format
from scrapers.sites import Site, facts_of, is_page, site_at
from scrapers.texts import decoded_page

OVER_PARSE = Target("over_parse", 2.5, "lower")
TWO_CORES = Target("two_cores", 0.9)
RSS = Target("rss", 1.3, "lower")

NAMES = ("over_parse", "two_cores", "rss")
ROUNDS = 5
LOOP_TURNS = 60_000_000

BINDING = Binding("sphinx", "0" * 64, "BSD-3-Clause", SymbolIndex(()))


@dataclass(frozen=True)
class Pages:
    """A site in a folder, as a run knows it."""

    site: Site
    fetches: dict[str, Fetch]
    facts: dict[str, Any]

    def share(self, every: int, first: int = 0) -> Pages:
        """Every so many of its pages."""
        some = dict(list(self.fetches.items())[first::every])
        return Pages(self.site, some, self.facts)

    def jobs(self) -> list[Job]:
        """What is parsed, in memory."""
        return [
            Job(Document(path, fetch.url, decoded_page(Path(self.site.base, path).read_bytes())), self.fact(path))
            for path, fetch in self.fetches.items()
        ]

    def fact(self, path: str) -> Any:
        """What the site's inventory says of a page."""
        return facts_of(self.facts, path)


def main() -> int:
    """Measures, prints and judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="these figures")
    parser.add_argument("--every", type=int, default=1, help="of so many pages one is read (default 1: all)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds a figure (default {ROUNDS})")
    parser.add_argument("--cache", type=Path, default=Settings().root / "benchmarks", help="where the site is kept")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    try:
        pages = _site(asked.cache.absolute())
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    if asked.peak:
        print(_peak(pages.share(asked.peak)))
        return 0
    pages = pages.share(asked.every)
    ways = {
        "over_parse": lambda: over_parse(pages, asked.rounds),
        "two_cores": lambda: two_cores(pages, min(asked.rounds, 3)),
        "rss": lambda: rss(len(pages.fetches), asked.cache.absolute()),
    }
    results = [ways[name]() for name in asked.only]
    print("\n".join(r.line() for r in results) if asked.json else table(results))
    return exit_code(results)


def _site(cache: Path) -> Pages:
    folder = site_of("pandas-1.5.3", cache)
    site = site_at(str(folder), "https://docs.example/", "pandas")
    facts = get_format("sphinx").facts({"objects.inv": (folder / "objects.inv").read_bytes()})
    paths = sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*.html"))
    fetches = {path: _fetch(site, path) for path in paths if is_page(path)}
    return Pages(site, fetches, dict(facts))


def _fetch(site: Site, path: str) -> Fetch:
    digest = sha256_of_bytes(Path(site.base, path).read_bytes())
    return Fetch(site=site.address, url=site.url(path), path=path, outcome="ok", sha256=digest)


def over_parse(pages: Pages, rounds: int) -> Result:
    """What a page costs, over its parse by BeautifulSoup."""
    shares = [pages.share(rounds, first) for first in range(rounds)]
    slices = [iter(shares), iter(shares)]
    measured = in_turns(rounds, [lambda: _ours(next(slices[0])), lambda: _theirs(next(slices[1]))])
    ours, theirs = (sum(column) / len(pages.fetches) for column in zip(*measured, strict=True))
    shown = {"ours": f"{1000 * ours:.1f} ms a page", "theirs": f"{1000 * theirs:.1f} ms a page"}
    return Result(OVER_PARSE, [a / b for a, b in measured], shown)


def _ours(pages: Pages) -> float:
    jobs = pages.jobs()
    return _spent(lambda: [bind(BINDING, [job]) for job in jobs])


def _theirs(pages: Pages) -> float:
    from bs4 import BeautifulSoup

    texts = [job.document.html for job in pages.jobs()]
    return _spent(lambda: [BeautifulSoup(text, "lxml").is_xml for text in texts])  # a tree at a time


def _spent(what: Callable[[], object]) -> float:
    since = time.process_time()
    what()
    return time.process_time() - since


def two_cores(pages: Pages, rounds: int) -> Result:
    """What a second process brings, over what a second CPU loop brings."""
    with (
        Rival(Path(sys.executable), "loop", turns=LOOP_TURNS) as a,
        Rival(Path(sys.executable), "loop", turns=LOOP_TURNS) as b,
    ):
        sides = [
            lambda: _loops(a),
            lambda: _pace(pages, 1),
            lambda: _loops(a, b),
            lambda: _pace(pages, 2),
        ]
        measured = in_turns(rounds, sides)
    ratios = [(two / one) / (loops / loop) for loop, one, loops, two in measured]
    loop, one, loops, two = (sorted(column)[len(column) // 2] for column in zip(*measured, strict=True))
    shown = {"ours": f"{two:.0f} pages/s", "speed-up": f"{two / one:.2f} (CPU loops {loops / loop:.2f})"}
    return Result(TWO_CORES, ratios, shown)


def _loops(*rivals: Rival) -> float:
    since = time.perf_counter()
    for rival in rivals:
        rival.ask([])
    for rival in rivals:
        rival.answer()
    return len(rivals) / (time.perf_counter() - since)


def _pace(pages: Pages, processes: int) -> float:
    """Pages a second, the start of the processes included."""
    since = time.perf_counter()
    _all(pages, processes)
    return len(pages.fetches) / (time.perf_counter() - since)


def _all(pages: Pages, processes: int) -> int:
    """Reads all pages as a run does; how many symbols they have. What a page gives is let go of."""
    house: Any = SimpleNamespace(workers=processes)  # of a folder, nothing else of the house is asked for
    return sum(len(found.symbols) for found in parsed(house, pages.site, BINDING, pages.fetches, pages.facts))


def rss(count: int, cache: Path) -> Result:
    """Peak memory at all pages, over that at a tenth."""
    command = [sys.executable, __file__, "--cache", str(cache), "--peak"]
    few, many = (
        int(subprocess.run([*command, str(every)], check=True, capture_output=True, text=True).stdout)
        for every in (10, 1)
    )
    return Result(RSS, [many / few], {"ours": f"{many >> 20} MiB", "theirs": f"{few >> 20} MiB at {count // 10} pages"})


def _peak(pages: Pages) -> int:
    """Peak bytes of this process and twice the largest of its children, reading pages with two of them."""
    _all(pages, 2)
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return 1024 * (own + 2 * children)


if __name__ == "__main__":
    sys.exit(main())
