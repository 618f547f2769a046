"""Retention and garbage collection: what nobody can ask for any more goes, and nothing else.

Versions leave only by what `registry.json` states, as `{"retention": {"keep": 50, "days": 90}}`: the last `keep` of a
domain stay, and so does whatever a channel gives, would go back to, or gave in the last `days`, what is spoken of in
the log of how versions stand, what a version that stays goes on from, and what the caller says is held. Content leaves
when no version has it and it is older than a day. Nobody publishes while something is removed.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from registry.census import SETTINGS, domains_in, files_of, leftovers
from registry.channels import Channels, given_to_any, line
from registry.errors import ConfigurationError, RegistryError
from registry.identity import sha256_of_bytes
from registry.log import Log
from registry.manifests import MANIFEST, location
from registry.objects import PARTS, Objects
from registry.pulling import content_path
from registry.records import Adapter
from registry.standing import Standings
from registry.turns import clock, removing
from registry.versions import CONTENT, Versions

GRACE_S = 24 * 3600.0
"""Seconds that content of no version stays: somebody may be about to publish it, or look into what went wrong."""
_MOST_DAYS = 100_000
VERSION, FILE, SIGNATURE, PART = "version", "file", "signature", "part"


@dataclass(frozen=True)
class Retention:
    """How many versions of a domain stay.

    Attributes:
        keep: The last so many; 0 for all.
        days: What a channel gave in the last so many days stays too.
    """

    keep: int = 0
    days: float = 90.0


@dataclass(frozen=True)
class Gone:
    """What was removed, or would be.

    Attributes:
        kind: version, file, signature or part (what was being written).
        path: The object.
        size: In bytes.
        what: What it was, for a person.
    """

    kind: str
    path: str
    size: int
    what: str


def retention(objects: Objects) -> Retention:
    """What the registry's own file states.

    Raises:
        ConfigurationError: It can't be read.
    """
    try:
        said = json.loads(objects.read(SETTINGS)).get("retention") or {}
        found = Retention(**said)
        if not isinstance(found.keep, int) or found.keep < 0 or not 0 <= found.days <= _MOST_DAYS:
            raise ValueError(f"keep is a whole number from 0 on, and days a number up to {_MOST_DAYS:,}")
    except FileNotFoundError:
        return Retention()
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"Can't read retention in {objects.url}/{SETTINGS}: {error}. Write it as "
            '{"retention": {"keep": 50, "days": 90}}'
        ) from error
    return found


def collect(
    objects: Objects,
    *,
    held: Collection[tuple[str, int]] = (),
    grace_s: float = GRACE_S,
    dry_run: bool = False,
) -> Iterator[Gone]:
    """Remove what nobody can ask for any more, and tell each thing once it is gone.

    Args:
        objects: The registry's.
        held: Versions that somebody holds, by domain and number, of whom the registry doesn't know.
        grace_s: Seconds that content of no version stays.
        dry_run: Remove nothing, and tell what would be.

    Raises:
        ConfigurationError: The retention can't be read.
        RegistryError: A manifest is broken, so that nobody knows which content it has: nothing is removed. Or, on S3,
            others publish, or have waited for minutes: what was told is gone, and another call goes on.
    """
    if dry_run:
        yield from _doomed(objects, held, grace_s)
        return
    with removing(objects) as until:
        for gone in _doomed(objects, held, grace_s):
            if clock() > until:
                raise RegistryError("Not all is gone that may go, as others wait: run it again", retryable=True)
            objects.delete(gone.path)
            yield gone


def _doomed(objects: Objects, held: Collection[tuple[str, int]], grace_s: float) -> Iterator[Gone]:
    versions = Versions(objects)
    there = [adapter for domain in domains_in(objects) for adapter in versions.of(domain)]
    rule = retention(objects)
    leaving = _leaving(objects, there, rule, held) if rule.keep else []
    for adapter in leaving:
        path = f"{location(adapter.domain, adapter.version)}/{MANIFEST}"
        stored = objects.stat(path)
        name = f"{adapter.domain}@v{adapter.version}"
        yield Gone(VERSION, path, stored.size if stored is not None else 0, f"{name}, made for {adapter.base}")
    gone = {(adapter.domain, adapter.version) for adapter in leaving}
    left = [adapter for adapter in there if (adapter.domain, adapter.version) not in gone]
    wanted = {content_path(sha256) for adapter in left for _, sha256 in files_of(adapter)}
    since = time.time() - grace_s
    for stored in objects.walk(CONTENT):
        if stored.path not in wanted and stored.time < since:
            yield Gone(FILE, stored.path, stored.size, "content of no version")
    yield from _signatures(objects, left, since)
    for part in leftovers(objects):
        if part.time < since:
            yield Gone(PART, f"{PARTS}/{part.path}", part.size, "half of a file")


def _signatures(objects: Objects, left: list[Adapter], since: float) -> Iterator[Gone]:
    """Signatures of what isn't there: of versions that left, or of a manifest that came second."""
    versions = Versions(objects)
    for domain in domains_in(objects):
        signed = objects.names(f"{domain}/signatures")
        if not signed:
            continue
        known = {sha256_of_bytes(versions.manifest(adapter)) for adapter in left if adapter.domain == domain}
        logs = [f"{domain}/standing", *(f"{domain}/channels/{name}" for name in objects.names(f"{domain}/channels"))]
        known |= {sha256_of_bytes(entry.data) for path in logs for entry in Log(objects, path).read()}
        for name in signed:
            for stored in objects.walk(f"{domain}/signatures/{name}") if name not in known else ():
                if stored.time < since:
                    yield Gone(SIGNATURE, stored.path, stored.size, "signature of nothing")


def _leaving(
    objects: Objects, there: list[Adapter], rule: Retention, held: Collection[tuple[str, int]]
) -> list[Adapter]:
    """The versions that leave, the oldest first."""
    stay = set(held)
    for domain in {adapter.domain for adapter in there}:
        numbers = sorted(adapter.version for adapter in there if adapter.domain == domain)
        stay |= {(domain, number) for number in [*numbers[-rule.keep :], *_named(objects, domain, rule.days)]}
    by_id = {adapter.id: adapter for adapter in there}
    open_ends = [adapter for adapter in there if (adapter.domain, adapter.version) in stay]
    while open_ends:
        before = by_id.get(open_ends.pop().started_from or "")
        if before is not None and (before.domain, before.version) not in stay:
            stay.add((before.domain, before.version))
            open_ends.append(before)
    return [adapter for adapter in there if (adapter.domain, adapter.version) not in stay]


def _named(objects: Objects, domain: str, days: float) -> Iterator[int]:
    """What a channel gives, gave in the last days or would go back to, and what the log of standings speaks of."""
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    own = Channels(objects, domain)
    standings = Standings(objects, domain)
    for name in own.names():
        moves = own.history(name)
        for move, after in zip(moves, [*moves[1:], None], strict=True):
            if after is None or dt.datetime.fromisoformat(after.at) >= since:
                yield move.version
        held = line(moves, standings.yanked())
        yield from (move.version for move in held[-len(given_to_any(held)) - 1 :])  # and what a yank would lead to
    yield from (said.version for said in standings.history())
