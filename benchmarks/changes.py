"""The changes that are found between two versions of a library, against what its release notes say.

    python -m benchmarks.changes [--library NAME] [--json] [--all]

The truth (`tests/scrapers/truth/LIBRARY.json`) was written from release notes and migration guides, before the finder
was tuned and without looking at what it finds. Both versions are installed, each in an environment of its own: an entry
counts only where these confirm it (the name is gone, a call refuses the keyword, `inspect` shows another default, the
call gives something else). The same environments judge every change that the finder reports; what they can't judge
(behaviour, deprecation) counts where a person's verdict on it stands in `LIBRARY-by-hand.json`.

`tune` pairs are those that the finder was tuned on; of the `score` pair nobody looks at what is missed while tuning:
its misses are listed with `--library` only. Exit status 1 where that pair misses what is wanted.
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

from benchmarks.audit import wilson
from benchmarks.competitors import interpreter_with
from benchmarks.judge import GONE, Question, asked, confirmation, questions_of, verdict
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
    Pair("pandas", ("1.5.3", "3.1.1"), ("numpy==1.26.4 jinja2==3.1.6", "numpy==2.4.6 jinja2==3.1.6"), "score"),
)


@dataclass
class Share:
    """How many of how many, and which not."""

    right: int = 0
    n: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, right: bool, label: str) -> None:
        """Counts one."""
        self.n += 1
        self.right += right
        if not right:
            self.wrong.append(label)

    @property
    def value(self) -> float:
        """The share; 0 where there is nothing."""
        return self.right / self.n if self.n else 0.0

    def __str__(self) -> str:
        low, high = wilson(self.right, self.n) if self.n else (0.0, 1.0)
        return f"{self.value:.3f} [{low:.3f}, {high:.3f}]  {self.right} of {self.n}"


@dataclass
class Score:
    """What came of one pair.

    Attributes:
        shares: `recall`, `precision`, `replacements`, and the first two by kind, as `recall behaviour`.
        unconfirmed: Entries of the truth that the machine check doesn't bear out: they don't count.
        unjudged: Reported changes that neither the machine nor a person has judged, by kind.
        seconds: What the finder took.
    """

    shares: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    unconfirmed: list[str] = field(default_factory=list)
    unjudged: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seconds: float = 0.0


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


def finds(change: Change, entry: Mapping[str, Any]) -> bool:
    """Whether a reported change of the entry's symbol is the one that the entry states."""
    kind, name, detail = entry["kind"], entry.get("parameter"), change.detail
    if kind == "removed":
        return change.kind in GONE
    if kind == "behaviour":
        return change.kind == "behaviour"
    if kind == "deprecated":
        return change.kind == "deprecated" and (name is None or name in detail.get("parameters", ()))
    if change.kind != "signature":
        return False
    part = {
        "parameter": [*detail.get("removed", ()), *detail.get("renamed", ())],
        "added-parameter": [p["name"] for p in detail.get("added", ())],
        "default": detail.get("defaults", ()),
        "required": detail.get("required", ()),
        "keyword-only": detail.get("kinds", ()),
    }[kind]
    return name in part


def names_replacement(change: Change, entry: Mapping[str, Any]) -> bool:
    """Whether a change names one of the replacements that the notes name."""
    told = [change.replacement or ""] if change.kind != "signature" else []
    if name := entry.get("parameter"):
        detail = change.detail
        told += [detail.get("renamed", {}).get(name, ""), detail.get("replacements", {}).get(name, "")]
        told += [change.replacement or ""]
    words = {w for text in told for w in "".join(c if c.isalnum() or c == "_" else " " for c in text).split()}
    return bool(words.intersection(entry["replacement"]))


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
        right = verdict(change, old, new)
        if right is None:
            right = hand.get((change.symbol, change.kind))
        if right is None:
            result.unjudged[change.kind] += 1
            continue
        label = f"{change.symbol} {change.kind} {change.replacement or ''} {json.dumps(change.detail)[:200]}"
        result.shares[f"precision {change.kind}"].add(right, label)
        if change.kind != "added":  # nothing breaks by it: it is shown, and not mixed in
            result.shares["precision"].add(right, label)


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
        missed |= pair.use == "score" and any(result.shares[name].value < WANTED[name] for name in WANTED)
        if options.json:
            _print_json(pair, result)
        else:
            _print(pair, result, listed=pair.use == "tune" or options.library is not None, everything=options.all)
    return int(missed)


def _print_json(pair: Pair, result: Score) -> None:
    for name, share in sorted(result.shares.items()):
        row = {"name": f"{name} {pair.library}", "value": round(share.value, 4), "wanted": WANTED.get(name)}
        low, high = wilson(share.right, share.n) if share.n else (0.0, 1.0)
        interval = {"low": round(low, 4), "high": round(high, 4)}
        print(json.dumps({**row, "better": "higher", "n": share.n, **interval, "use": pair.use}), flush=True)


def _print(pair: Pair, result: Score, *, listed: bool, everything: bool) -> None:
    print(f"{pair.library} {' -> '.join(pair.versions)} ({pair.use}), finder {result.seconds:.1f} s")
    for name, share in sorted(result.shares.items()):
        print(f"    {name:26} {share}")
    if result.unjudged:
        print("    not judged: " + ", ".join(f"{n} {kind}" for kind, n in sorted(result.unjudged.items())))
    for name, title in (("recall", "missed"), ("precision", "false"), ("replacements", "no such replacement")):
        for line in result.shares[name].wrong if listed else ():
            print(f"    {title}: {line}")
    for line in result.unconfirmed if everything else ():
        print(f"    not confirmed: {line}")


if __name__ == "__main__":
    sys.exit(main())
