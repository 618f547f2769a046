"""Following a library from release to release: which two releases a domain with `track` is at, and is to go to.

A domain remembers the releases it came to in the lake (works of the stage `track`: one when it moves, one when the run
over the pair is done). A run over a pair that was begun is ended before a newer release counts, so that a killed run
goes on with its pair; unless its new release is gone by then, as a run over one that was yanked may never end. Only
`driftune run` and `scrape` move; `plan` says to what they would; the other commands take the pair that is remembered.
To the stages a tracked library at a pair is one whose versions a person has set.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.version import Version

from registry.errors import ConfigurationError, SourceError
from registry.identity import work_key
from registry.records import Work

if TYPE_CHECKING:
    from flows.house import House
    from registry.lake import Lake

STAGE, PART = "track", "track@1"

_ALL = 1 << 30

_COST = """
    WITH told AS (SELECT stage, seconds, "_at", result FROM work WHERE domain = $domain),
    done AS (SELECT max("_at") AS at FROM told WHERE stage = 'track' AND result ->> '$.finished' = 'true'),
    begun AS (SELECT max("_at") AS at FROM told, done WHERE stage = 'track' AND "_at" < done.at)
    SELECT stage, sum(seconds) AS seconds FROM told, done, begun
    WHERE stage <> 'track' AND "_at" <= done.at AND ("_at" > begun.at OR begun.at IS NULL) GROUP BY stage
"""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Tracked:
    """Where a domain that follows a library stands.

    Attributes:
        history: The releases that it came to, oldest first.
        versions: The pair that is worked on.
        before: The pair that the lake remembers; None where it remembers none.
        finished: Whether the run over the pair is done.
        note: What a person should know of how the pair was come to; empty where there is nothing to say.
        since: The release that the file begins with, if it names one.
    """

    history: tuple[str, ...]
    versions: Pair
    before: Pair | None = None
    finished: bool = False
    note: str = ""
    since: str | None = None

    @property
    def moves(self) -> bool:
        """Whether the lake doesn't know of this pair yet."""
        return self.before != self.versions

    def line(self) -> str:
        """Where it stands, for a person."""
        told = " -> ".join(self.versions)
        if self.moves:
            found = "found now" if self.before is None else f"found now; so far {' -> '.join(self.before)}"
            told += f" ({found})"
        return f"{told}; {self.note}" if self.note else told


def follow(house: House, *, moving: bool) -> Tracked:
    """The pair of a domain that tracks its library; nothing is written.

    Args:
        house: The domain, as its file has it.
        moving: Whether the package index is asked for newer releases.

    Raises:
        ConfigurationError: There are no two releases to begin with.
        SourceError: The index can't be asked, and nothing is remembered.
    """
    spec = house.library
    known = remembered(house, spec.since)
    if known is None:
        history = _first(house)
        return Tracked(history, _pair(history, spec.keep), since=spec.since)
    if not moving:
        return known
    if not known.finished and _begun(house, known) and not _given_up(house, known.versions[1]):
        return dataclasses.replace(known, note="its run was begun before, and is ended first")
    try:
        reached = next((t.history for t in _remembered(house, spec.since, latest=_ALL) if t.finished), ())
        history, note = _moved(house, reached) if reached else (_first(house), "")
    except SourceError as error:
        return dataclasses.replace(known, note=f"the last known pair, as newer releases can't be looked for: {error}")
    versions = _pair(history, spec.keep)
    return dataclasses.replace(
        known, history=history, versions=versions, note=note, finished=known.finished and versions == known.versions
    )


def remember(house: House) -> None:
    """Writes the pair that a run works on into the lake, where it isn't there; the caller holds the domain's lock.

    Raises:
        ConfigurationError: Another run has moved the domain on since this one looked.
    """
    if house.tracked is None:
        return
    known = remembered(house, house.tracked.since)
    if (known.versions if known else None) != house.tracked.before:
        raise ConfigurationError(f"Another run has moved {house.domain.name} on meanwhile: run the same command again")
    if house.tracked.moves:
        _write(house, house.tracked)


def end(house: House) -> None:
    """Remembers that the run over the pair is done: newer releases count from now on."""
    if house.tracked is not None and not house.tracked.finished:
        house.tracked = dataclasses.replace(house.tracked, finished=True)
        _write(house, house.tracked)


def remembered(house: House, since: str | None) -> Tracked | None:
    """The pair that the lake has of a domain; None where it has none that began where the file says (`since`)."""
    return next(_remembered(house, since, latest=1), None)


def _remembered(house: House, since: str | None, *, latest: int) -> Iterator[Tracked]:
    """What the lake has of a domain since it last began where the file says, the latest first."""
    works = house.lake.read(Work, "stage = $s AND domain = $d", {"s": STAGE, "d": house.domain.name}, latest=latest)
    for result in (work.result for work in works):
        if result.get("library") != house.library.name or result.get("since") != since:
            return
        old, new = result["versions"]
        yield Tracked(tuple(result["history"]), (old, new), (old, new), bool(result["finished"]), since=since)


def last_cost(house: House) -> dict[str, float]:
    """Stage -> seconds of work that the last pair took whose run is done; empty where there is none."""
    rows = house.lake.query(_COST, {"domain": house.domain.name}).to_pylist()
    return {row["stage"]: row["seconds"] for row in rows}


def told_cost(seconds: Mapping[str, float]) -> str:
    """What the last pair took, for a person who is asked whether to go to the next."""
    if not seconds:
        return "What a pair takes isn't known yet: none was gone through here"
    most = sorted(seconds.items(), key=lambda item: -item[1])[:3]
    return f"The last pair took {_minutes(sum(seconds.values()))} of work: " + ", ".join(
        f"{stage} {_minutes(spent)}" for stage, spent in most
    )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _write(house: House, tracked: Tracked) -> None:
    result = {
        "library": house.library.name,
        "since": tracked.since,
        "history": list(tracked.history),
        "versions": list(tracked.versions),
        "finished": tracked.finished,
    }
    key = work_key([], PART, {"domain": house.domain.name, **result})
    house.finish(STAGE, PART, [key], [], time.monotonic(), result)


def _first(house: House) -> tuple[str, ...]:
    """The first pair: since the release that the file names, else of the two newest lines."""
    from scrapers.offered import newest_lines, offered

    spec = house.library
    if spec.since is None:
        return newest_lines(house.index, spec.name, prereleases=spec.prereleases)
    newest = next(offered(house.index, spec.name, prereleases=spec.prereleases), None)
    if newest is None or newest <= Version(spec.since):
        raise ConfigurationError(
            f"{spec.name} has no release after since = {spec.since!r} for this Python yet: name an older one"
        )
    return spec.since, str(newest)


def _moved(house: House, history: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The releases with the newest one at their end, if it is new; and what there is to say of it."""
    from scrapers.offered import line_of, offered

    spec, last = house.library, Version(history[-1])
    there = offered(house.index, spec.name, prereleases=spec.prereleases)
    newest = next(there, None)
    if newest is None or newest < last:
        return tuple(history), f"{last} is no longer offered: it stays until there is a newer release"
    if newest == last:
        return tuple(history), ""
    same = spec.track == "lines" and line_of(newest) == line_of(last) and len(history) > 1
    return (*(history[:-1] if same else history), str(newest)), ""


def _pair(history: Sequence[str], keep: int) -> Pair:
    return history[max(0, len(history) - keep)], history[-1]


def _begun(house: House, tracked: Tracked) -> bool:
    """Whether anything was made of a pair: until its new release is there, a newer one may take its place."""
    from flows.scraping import scrape_key

    return house.result(scrape_key(house, house.library.source[0], tracked.versions[1])) is not None


def _given_up(house: House, version: str) -> bool:
    """Whether a release isn't offered any more, and a newer one is; not where the index can't say."""
    from scrapers.offered import offered

    spec, last = house.library, Version(version)
    there = offered(house.index, spec.name, prereleases=spec.prereleases)
    try:
        since = list(itertools.takewhile(lambda v: v >= last, there))
    except (SourceError, ConfigurationError):
        return False
    return bool(since) and since[-1] != last


@dataclass(frozen=True)
class Standing:
    """What the lake knows of a tracked library.

    Attributes:
        versions: The pair.
        found: When it was found.
        finished: Whether the run over it is done.
    """

    versions: Pair
    found: dt.datetime
    finished: bool

    def line(self) -> str:
        """The pair, when it was found, and whether it is under way."""
        day = self.found.astimezone(dt.UTC).date()
        when = "today" if day == dt.datetime.now(dt.UTC).date() else day.isoformat()
        return f"{' -> '.join(self.versions)} (found {when})" + ("" if self.finished else ", its run isn't done yet")


def standings(lake: Lake) -> dict[str, Standing]:
    """Domain -> where it stands, of those that track their library."""
    found: dict[str, Standing] = {}
    rows = lake.query("""SELECT domain, result, "_at" FROM work WHERE stage = 'track' ORDER BY "_at" """).to_pylist()
    for row in rows:
        result = json.loads(row["result"])
        old, new = result["versions"]
        last = found.get(row["domain"])
        at = last.found if last is not None and last.versions == (old, new) else row["_at"]
        found[row["domain"]] = Standing((old, new), at, bool(result["finished"]))
    return found
