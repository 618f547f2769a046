"""Which domain comes first where there are several: by how stale it is, who waits for it, and what its owner says."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.version import Version

from flows.house import open_house
from flows.tracking import Tracked
from registry.domain import Domain
from registry.errors import ConfigurationError, SourceError
from registry.lake import Lake

NEVER = 30.0
"""Days that a domain counts for that has never run to its end, and at most."""

RELEASE = 7.0
"""Days of staleness that a release counts for which no run went to."""

LAST = """SELECT domain, max("_at") AS at FROM work WHERE stage = 'refresh' GROUP BY domain"""


@dataclass(frozen=True)
class Rank:
    """Why a domain comes where it comes.

    Attributes:
        domain: Its name.
        reference: How a person named it.
        weight: `[priority] weight` of its file.
        days: Days since its last complete run; None where there was none.
        releases: Releases of a tracked library that no run went to.
        subscribers: Who is told of its versions by the registry's server.
        tracked: Where a domain stands that tracks its library; None where nobody can say.
    """

    domain: str
    reference: str
    weight: float
    days: float | None
    releases: int = 0
    subscribers: int = 0
    tracked: Tracked | None = None

    @property
    def points(self) -> float:
        """Weight, times: days, a week for each release, a day for each doubling of who is told."""
        days = NEVER if self.days is None else min(self.days, NEVER)
        return self.weight * (days + RELEASE * self.releases + self.subscribers.bit_length())


def ranked(domains: Mapping[str, Domain], lake: Lake, now: dt.datetime | None = None) -> list[Rank]:
    """The domains in the order in which they come; nothing is written.

    Args:
        domains: How a person named it -> a domain.
        lake: The lake that they share.
        now: When that is asked.
    """
    found = {row["domain"]: row["at"] for row in lake.query(LAST).to_pylist()}
    told, now = subscribers(), now or dt.datetime.now(dt.UTC)
    days = {name: max(0.0, (now - at).total_seconds() / 86400) for name, at in found.items()}
    ranks = []
    for reference, domain in domains.items():
        library, weight = domain.library[0], domain.priority.weight
        rank = Rank(domain.name, reference, weight, days.get(domain.name), subscribers=told.get(domain.name, 0))
        if library.track:
            releases, tracked = _waiting(reference, prereleases=library.prereleases)
            rank = replace(rank, releases=releases, tracked=tracked)
        ranks.append(rank)
    return sorted(ranks, key=lambda rank: (-rank.points, rank.domain))


def _waiting(reference: str, *, prereleases: bool) -> tuple[int, Tracked | None]:
    """Releases of a library that are newer than the one its domain stands at, and where that is.

    There are none, and it is None, where nobody can say. The index is asked once.
    """
    from scrapers.offered import offered

    count, tracked = 0, None
    with contextlib.suppress(SourceError, ConfigurationError):
        house = open_house(reference, moving=True)
        with contextlib.closing(house.lake):  # of very many, few databases are open
            tracked = house.tracked
            if tracked is not None:
                last = Version((tracked.before or tracked.versions)[1])
                there = offered(house.index, house.library.name, prereleases=prereleases)
                count = sum(1 for _ in itertools.takewhile(lambda version: version > last, there))
    return count, tracked


def subscribers() -> Mapping[str, int]:
    """Domain -> active subscriptions of the registry's server whose state is here."""
    from registry.server.settings import ServerSettings

    state = ServerSettings().state_url
    file = state.removeprefix("sqlite:///")
    if file != state and not Path(file).exists():
        return {}
    from flows.tokens import opened
    from registry.server import subscriptions

    with opened(None) as held, held.read() as connection:
        return Counter(each.domain for each in subscriptions.every(connection) if each.status == subscriptions.ACTIVE)
