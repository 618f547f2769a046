"""Which domain comes first where there are several: by how stale it is, who waits for it, and what its owner says."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.version import Version

from flows.house import open_house
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
    """

    domain: str
    reference: str
    weight: float
    days: float | None
    releases: int = 0
    subscribers: int = 0

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
    ranks = [
        Rank(
            domain=domain.name,
            reference=reference,
            weight=domain.priority.weight,
            days=days.get(domain.name),
            releases=_waiting(reference, prereleases=library.prereleases) if library.track else 0,
            subscribers=told.get(domain.name, 0),
        )
        for reference, domain in domains.items()
        for library in domain.library
    ]
    return sorted(ranks, key=lambda rank: (-rank.points, rank.domain))


def _waiting(reference: str, *, prereleases: bool) -> int:
    """Releases of a library that are newer than the one its domain stands at; none where nobody can say."""
    from scrapers.offered import offered

    try:
        house = open_house(reference)
        spec, last = house.library, Version(house.library.versions[1])
        there = offered(house.index, spec.name, prereleases=prereleases)
        return sum(1 for _ in itertools.takewhile(lambda version: version > last, there))
    except (SourceError, ConfigurationError):
        return 0


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
