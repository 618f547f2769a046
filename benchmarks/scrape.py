"""Reading a documentation site of 4,000 pages, pandas' as Debian packs it: `python benchmarks/scrape.py [--json]`.

* over_parse: CPU of a page becoming Markdown and API entries, over that of `BeautifulSoup(html, "lxml")` alone, the
  same pages in turns.
* two_cores: the speed-up of two processes over one, all pages from the folder to what they give in the parent, as a
  share of what a second CPU loop brings.
* rss: peak memory of reading all pages with two processes, over that of reading a tenth of them.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from built_sites import site_of
from competitors import BenchmarkError, Rival
from ratios import Result, Target, exit_code, in_turns, table

from flows.spreading import spread
from registry.settings import Settings
from scrapers.documents import Document, Parsed, get_format
from scrapers.sites import is_page
from scrapers.texts import decoded

OVER_PARSE = Target("over_parse", 2.5, "lower")
TWO_CORES = Target("two_cores", 0.9)
RSS = Target("rss", 1.3, "lower")

ROUNDS = 5
SAMPLE = 120
"""Pages of a round of `over_parse`, spread over the site."""
SHARD = 50
"""Pages that a process takes at a time."""
LOOP_TURNS = 60_000_000


@dataclass(frozen=True)
class Pages:
    """A site in a folder."""

    folder: Path
    facts: dict[str, Any]

    def document(self, path: str) -> Document:
        """One of its pages."""
        return Document(path, f"https://docs.example/{path}", decoded((self.folder / path).read_bytes()))


def read(pages: Pages, paths: Sequence[str]) -> list[Parsed]:
    """What pages give."""
    parse = get_format("sphinx").parse
    return [parse(pages.document(path), pages.facts.get(path)) for path in paths]


def main() -> int:
    """Measures, prints and judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds a figure (default {ROUNDS})")
    parser.add_argument("--cache", type=Path, default=Settings().root / "benchmarks", help="where the site is kept")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    try:
        pages, paths = _site(asked.cache.absolute())
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    if asked.peak:
        print(_peak(pages, _share(paths, asked.peak)))
        return 0
    results = [
        over_parse(pages, _share(paths, SAMPLE), asked.rounds),
        two_cores(pages, paths, min(asked.rounds, 3)),
        rss(len(paths), asked.cache.absolute()),
    ]
    print("\n".join(r.line() for r in results) if asked.json else table(results))
    return exit_code(results)


def _site(cache: Path) -> tuple[Pages, list[str]]:
    folder = site_of("pandas-1.5.3", cache)
    facts = get_format("sphinx").facts({"objects.inv": (folder / "objects.inv").read_bytes()})
    paths = sorted(f.relative_to(folder).as_posix() for f in folder.rglob("*.html"))
    return Pages(folder, dict(facts)), [path for path in paths if is_page(path)]


def _share(paths: Sequence[str], count: int) -> list[str]:
    return list(paths[:: max(1, len(paths) // count)][:count])


def over_parse(pages: Pages, paths: list[str], rounds: int) -> Result:
    """What a page costs, over its parse by BeautifulSoup."""
    from bs4 import BeautifulSoup

    documents = [pages.document(path) for path in paths]
    parse = get_format("sphinx").parse
    ours = _spent(lambda: [parse(d, pages.facts.get(d.path)) for d in documents])
    theirs = _spent(lambda: [BeautifulSoup(d.html, "lxml") for d in documents])
    measured = in_turns(rounds, [ours, theirs])
    mine, other = (sorted(column)[len(column) // 2] / len(paths) for column in zip(*measured, strict=True))
    shown = {"ours": f"{1000 * mine:.1f} ms a page", "theirs": f"{1000 * other:.1f} ms a page"}
    return Result(OVER_PARSE, [a / b for a, b in measured], shown)


def _spent(what: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        since = time.process_time()
        what()
        return time.process_time() - since

    return run


def two_cores(pages: Pages, paths: list[str], rounds: int) -> Result:
    """What a second process brings, over what a second CPU loop brings."""
    with (
        Rival(Path(sys.executable), "loop", turns=LOOP_TURNS) as a,
        Rival(Path(sys.executable), "loop", turns=LOOP_TURNS) as b,
    ):
        sides = [
            lambda: _loops(a),
            lambda: _pace(pages, paths, 1),
            lambda: _loops(a, b),
            lambda: _pace(pages, paths, 2),
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


def _pace(pages: Pages, paths: list[str], processes: int) -> float:
    """Pages a second, the start of the processes included."""
    since = time.perf_counter()
    _all(pages, paths, processes)
    return len(paths) / (time.perf_counter() - since)


def _all(pages: Pages, paths: list[str], processes: int) -> int:
    """Reads all pages; how many entries they have. What a shard gives is let go of before the next one comes."""
    shards = [paths[at : at + SHARD] for at in range(0, len(paths), SHARD)]
    return sum(len(page.entries) for found in spread(read, pages, shards, processes) for page in found)


def rss(count: int, cache: Path) -> Result:
    """Peak memory at all pages, over that at a tenth."""
    command = [sys.executable, __file__, "--cache", str(cache), "--peak"]
    few, many = (
        int(subprocess.run([*command, str(n)], check=True, capture_output=True, text=True).stdout)
        for n in (count // 10, count)
    )
    return Result(RSS, [many / few], {"ours": f"{many >> 20} MiB", "theirs": f"{few >> 20} MiB at {count // 10} pages"})


def _peak(pages: Pages, paths: list[str]) -> int:
    """Peak bytes of this process and the largest of its children, reading pages with two of them."""
    _all(pages, paths, 2)
    own, children = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return 1024 * (own + 2 * children)


if __name__ == "__main__":
    sys.exit(main())
