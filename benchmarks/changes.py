"""The changes that are found between two versions of a library, against what its release notes say.

    python -m benchmarks.changes [--library NAME] [--json] [--all]

The truth (`tests/scrapers/truth/LIBRARY.json`) was written from release notes and migration guides, before the finder
was tuned and without looking at what it finds. Both versions are installed, each in an environment of its own: an entry
counts only where these confirm it (the name is gone, a call refuses the keyword, `inspect` shows another default, the
call gives something else). The same environments judge every change that the finder reports; what they can't judge
(behaviour, deprecation) a person does, in `LIBRARY-by-hand.json`: all of it, or the first by hash that `--all` lists.
Precision is over all that is reported: a sample stands for its kind, as often as there are changes of it, and what
nobody has judged anything of counts as wrong.

`tune` pairs are those that the finder was tuned on; of a `score` pair nobody looks at what is missed while tuning: its
misses are listed with `--library` only. All five are `tune` by now: a held-out figure needs another one. Exit status 1
where a pair misses what is wanted. Truth, judge and probe of a pair are named by one hash, which stands with each
figure.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import judge
from benchmarks.competitors import interpreter_with
from benchmarks.judge import Question, asked, confirmation, finds, names_replacement, questions_of, verdict
from benchmarks.shares import Share, Weighted
from registry.identity import sha256_of, sha256_of_file
from registry.records import Change
from registry.settings import Settings
from scrapers.changes import find_changes
from scrapers.lookup import Names
from scrapers.pypi import PyPISource

TRUTH = Path(__file__).resolve().parent.parent / "tests" / "scrapers" / "truth"
WANTED = {"recall": 0.9, "precision": 0.95, "replacements": 0.8}


@dataclass(frozen=True)
class Pair:
    """Two releases of a library, each with what stands beside it in its environment, and what the pair is for."""

    library: str
    versions: tuple[str, str]
    beside: tuple[str, str]
    use: str = "tune"

    @property
    def requirements(self) -> list[list[str]]:
        """What the two environments are made of."""
        both = zip(self.versions, self.beside, strict=True)
        return [[f"{self.library}=={version}", *beside.split()] for version, beside in both]


PAIRS = (
    Pair("networkx", ("2.8.8", "3.6.1"), ("numpy==1.26.4 scipy==1.11.4",) * 2),
    Pair("polars", ("0.20.31", "2.1.0"), ("hypothesis==6.170.15 pyarrow==26.0.1",) * 2),
    Pair("pandas", ("1.5.3", "3.1.1"), ("numpy==1.26.4 jinja2==3.1.6", "numpy==2.4.6 jinja2==3.1.6")),
    Pair("numpy", ("1.26.4", "2.4.6"), ("", "")),
    Pair("scikit-learn", ("1.2.2", "1.9.1"), ("numpy==1.26.4 scipy==1.11.4 matplotlib==3.9.4",) * 2),
)


@dataclass
class Score:
    """What came of one pair.

    Attributes:
        shares: `recall`, `replacements`, and the first by kind, as `recall behaviour`.
        strata: What was reported, by kind and by who judges it: the machine, or a person where it can't say.
        unconfirmed: Entries of the truth that the machine check doesn't bear out: they don't count.
        unjudged: Reported changes that neither the machine nor a person has judged, in the order of their hash: who
            judges a sample takes the first.
        seconds: What the finder took.
    """

    shares: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    strata: dict[tuple[str, str], Share] = field(default_factory=lambda: defaultdict(Share))
    unconfirmed: list[str] = field(default_factory=list)
    unjudged: list[Change] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def precision(self) -> Weighted:
        """Of all that is reported how much is right."""
        return Weighted(self.strata)

    def precision_of(self, *kinds: str) -> Weighted:
        """Of what is reported of these kinds how much is right."""
        return Weighted({key: share for key, share in self.strata.items() if key[0] in kinds})

    @property
    def figures(self) -> dict[str, Share | Weighted]:
        """All that is measured, by name."""
        kinds = sorted({kind for kind, _ in self.strata})
        precision = {f"precision {kind}": self.precision_of(kind) for kind in kinds}
        breaking = self.precision_of(*(k for k in kinds if k != "added"))
        both = {"precision": self.precision, "precision, without added": breaking}
        return dict(sorted({**self.shares, **both, **precision}.items()))


class Found:
    """The changes by the symbol, looked up by any of its public names."""

    def __init__(self, changes: Iterable[Change], names: Names, later: Names) -> None:
        self._names, self._later = names, later
        self._by_symbol: dict[str, list[Change]] = defaultdict(list)
        for change in changes:
            self._by_symbol[change.symbol].append(change)

    def of(self, *paths: str) -> list[Change]:
        """The changes of a symbol that goes by these names."""
        known = {p for path in paths for p in (self._names.exact(path), self._later.exact(path), path) if p}
        return [c for p in sorted(known) for c in self._by_symbol.get(p, ())]

    def owners(self, path: str) -> list[Change]:
        """The changes of the classes and modules that a symbol stands in: what goes with them isn't told by itself."""
        parts = path.split(".")
        return [c for end in range(len(parts) - 1, 1, -1) for c in self.of(".".join(parts[:end]))]


def score(pair: Pair, cache: Path) -> Score:
    """Scores the finder on one pair."""
    scraped = [PyPISource().scrape({}, pair.library, v, cache / "files") for v in pair.versions]
    result = Score()
    since = time.process_time()
    changes = find_changes(*scraped)
    result.seconds = time.process_time() - since
    truth = json.loads((TRUTH / f"{pair.library}.json").read_text(encoding="utf-8"))
    questions = [_question(e) for e in truth] + [q for c in changes for q in questions_of(c)]
    pythons = [interpreter_with(wanted, cache) for wanted in pair.requirements]
    old, new = (asked(python, questions) for python in pythons)
    _recall(result, truth, Found(changes, *(Names(s.symbols) for s in scraped)), old, new)
    _precision(result, changes, _by_hand(pair.library), old, new)
    return result


def fixed_by(pair: Pair) -> str:
    """The hash of what decides about a pair: its truth, the judge and its probe."""
    files = (TRUTH / f"{pair.library}.json", Path(judge.__file__), judge.PROBE)
    return sha256_of([sha256_of_file(file) for file in files])


def _question(entry: Mapping[str, Any]) -> Question:
    keywords = (entry["parameter"],) if entry.get("parameter") else ()
    return Question(entry["symbol"], keywords, entry.get("code", ""))


def _by_hand(library: str) -> dict[tuple[str, str], bool]:
    file = TRUTH / f"{library}-by-hand.json"
    rows = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return {(r["symbol"], r["kind"]): r["right"] for r in rows}


def _recall(result: Score, truth: Sequence[Mapping[str, Any]], found: Found, old: Any, new: Any) -> None:
    for entry in truth:
        path, kind = entry["symbol"], entry["kind"]
        label = " ".join(filter(None, [path, kind, entry.get("parameter")]))
        *said, right = confirmation(entry, old[path], new[path])
        if not right:
            result.unconfirmed.append(f"{label}: {said[0]} -> {said[1]}")
            continue
        candidates = found.of(path, *(a["defined"] for a in (old[path], new[path]) if a["found"]))
        hits = [c for c in candidates if finds(c, entry)]
        if kind == "removed" and not hits:
            hits = [c for c in found.owners(path) if finds(c, entry)]
        for name in ("recall", f"recall {kind}"):
            result.shares[name].add(bool(hits), label)
        if entry.get("replacement"):
            named = any(names_replacement(c, entry) for c in hits)
            result.shares["replacements"].add(named, f"{label}: {' or '.join(entry['replacement'])}")


def _precision(
    result: Score, changes: Sequence[Change], hand: Mapping[tuple[str, str], bool], old: Any, new: Any
) -> None:
    for change in changes:
        right, judge = verdict(change, old, new), "machine"
        if right is None:
            right, judge = hand.get((change.symbol, change.kind)), "person"
        share = result.strata[change.kind, judge]
        share.emitted += 1
        if right is None:
            result.unjudged.append(change)
            continue
        share.add(right, f"{change.symbol} {change.kind} {change.replacement or ''} {json.dumps(change.detail)[:200]}")
    result.unjudged.sort(key=lambda c: sha256_of([c.symbol, c.kind]))


def main() -> int:
    """Scores, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", choices=[p.library for p in PAIRS], help="only this pair")
    parser.add_argument("--json", action="store_true", help="an object a line")
    parser.add_argument("--all", action="store_true", help="list also what the machine check doesn't confirm")
    options = parser.parse_args()
    cache = Settings().root / "cache" / "changes"
    missed = False
    for pair in (p for p in PAIRS if options.library in (None, p.library)):
        result = score(pair, cache)
        missed |= any(result.figures[name].value < WANTED[name] for name in WANTED)
        if options.json:
            _print_json(pair, result)
        else:
            _print(pair, result, listed=pair.use == "tune" or options.library is not None, everything=options.all)
    return int(missed)


def _print_json(pair: Pair, result: Score) -> None:
    for name, share in result.figures.items():
        row = {"name": f"{name} {pair.library}", "value": round(share.value, 4), "wanted": WANTED.get(name)}
        low, high = share.interval
        interval = {"low": round(low, 4), "high": round(high, 4), "emitted": share.emitted}
        fixed = {"use": pair.use, "fixed": fixed_by(pair)}
        print(json.dumps({**row, "better": "higher", "n": share.n, **interval, **fixed}), flush=True)


def _print(pair: Pair, result: Score, *, listed: bool, everything: bool) -> None:
    of = f"{pair.library} {' -> '.join(pair.versions)} ({pair.use})"
    print(f"{of}, truth and judge {fixed_by(pair)[:12]}, finder {result.seconds:.1f} s")
    for name, share in result.figures.items():
        print(f"    {name:26} {share}")
    for name, title in (("recall", "missed"), ("replacements", "no such replacement")):
        for line in result.shares[name].wrong if listed else ():
            print(f"    {title}: {line}")
    for line in (w for share in result.strata.values() for w in share.wrong) if listed else ():
        print(f"    false: {line}")
    for line in result.unconfirmed if everything else ():
        print(f"    not confirmed: {line}")
    for change in result.unjudged if everything else ():
        print(f"    not judged: {change.symbol} {change.kind} {json.dumps(change.evidence)}")


if __name__ == "__main__":
    sys.exit(main())
