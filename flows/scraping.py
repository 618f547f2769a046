"""The stages `scrape` and `compare`: both releases into the lake, then what changed between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from flows.batches import Batch
from flows.guard import Extent, guard_first, guard_release
from flows.house import House, R
from flows.sites import ASKING, SiteVersion, is_site
from registry.domain import SourceSpec
from registry.errors import ConfigurationError
from registry.forgetting import orders
from registry.identity import sha256_of, work_key
from registry.names import SymbolIndex
from registry.records import Change, Page, Record, Release, Symbol, Work
from scrapers.binding import beside
from scrapers.changes import find_changes
from scrapers.index import parsed_version
from scrapers.sources import Scraped, get_source
from scrapers.symbols import TREES
from scrapers.uses import VERSION as USES_VERSION
from scrapers.uses import named_by_use

CHANGES_VERSION = "7"
"""Goes up when the same releases give other changes."""

SCRAPER_VERSION = "7"
"""Goes up when what a scrape gives for the same bytes changes."""


def scrape_key(house: House, source: SourceSpec, version: str) -> str:
    """The work key of one source at one version: what is published under a version never changes.

    Of a site, which lives, it is that of its state: which scraper works on it, or on what stands before it, is said
    there, as a newer one is compared with it (`flows.sites`).
    """
    return _key(house, source, version, "" if is_site(source) else SCRAPER_VERSION)


def _key(house: House, source: SourceSpec, version: str, scraper: str) -> str:
    excluded = {"credentials", *(ASKING if is_site(source) else ())}
    spec = {"url": None} | source.model_dump(exclude=excluded, exclude_none=True)  # new settings leave others' keys
    parameters: dict[str, Any] = {"library": house.library.name, "version": version, "source": spec}
    before = [_key(house, each, version, scraper) for each in _before(house, source)]
    if before:
        parameters["beside"] = before
    return work_key([], f"{source.kind}@{scraper}", parameters)


def _before(house: House, source: SourceSpec) -> tuple[SourceSpec, ...]:
    """The sources that stand before one in the domain's file: what they say of a symbol counts first."""
    return house.library.source[: house.library.source.index(source)]


def releases(house: House) -> tuple[Release, Release]:
    """The old and the new release, as the first source of the domain names them.

    Raises:
        ConfigurationError: One of them isn't scraped yet.
    """
    keys = {v: scrape_key(house, house.library.source[0], v) for v in house.library.versions}
    for version, key in keys.items():
        if not house.made(Release, key):
            missing = f"{house.library.name} {version} isn't scraped yet"
            raise ConfigurationError(f"{missing}: run driftune scrape {house.domain.name} first")
    old, new = (house.made(Release, key)[0] for key in keys.values())
    return old, new


def scraped(house: House, release: Release) -> Scraped:
    """All that today's sources and scraper made of a release; what other settings or versions made is superseded."""
    pages = _found(house, Page, release)
    return Scraped(
        release=release,
        pages=tuple(sorted(pages, key=lambda p: p.url)),
        symbols=tuple(sorted(_named(house, _found(house, Symbol, release), pages), key=lambda s: s.path)),
    )


def symbols(house: House, release: Release) -> list[Symbol]:
    """The symbols among what is `scraped` of a release, by id."""
    found = _found(house, Symbol, release)
    return _named(house, found, _found(house, Page, release)) if _is_of_site(house) else found


def _is_of_site(house: House) -> bool:
    """Whether all that is known of the library's names is what a site says: no package tells what imports what."""
    return is_site(house.library.source[0])


def _named(house: House, found: list[Symbol], pages: list[Page]) -> list[Symbol]:
    """The symbols, by the names too that a site's examples use: they hang on all pages, so no page's work has them."""
    return named_by_use(found, (p.markdown for p in pages if p.kind == "guide")) if _is_of_site(house) else found


def _found(house: House, record: type[R], release: Release) -> list[R]:
    """The records of a kind that a release's sources made of it, by id; not kept: pages are much text."""
    return _merged(house, record, _speaking(house, release.version), release.version)


def _merged(house: House, record: type[R], sources: Iterable[SourceSpec], version: str) -> list[R]:
    """The records of a kind that sources made, by id: what a later one says of the same outranks an earlier one."""
    found: dict[str, R] = {}
    for source in sources:
        if not is_site(source):
            rows = house.lake.read(record, work=scrape_key(house, source, version))
        elif (state := site_version(house, source, version).state()) is not None:
            rows = house.lake.read(record, pages_of=state["works"])
        else:
            continue
        found |= {row.id: row for row in sorted(rows, key=_words)}
    return [found[name] for name in sorted(found)]


def _words(row: Record) -> tuple[int, str]:
    """How much a row says: of a symbol on several pages that counts which says most, not which was read last."""
    return (len(row.doc), row.page or "") if isinstance(row, Symbol) else (0, "")


def source_keys(house: House, release: Release) -> list[str]:
    """What names all that the domain's sources say of a release: what hangs on its pages hangs on them.

    That is what they gave, so that a newer scraper that gives the same leaves all else as it is.
    """
    return [_said(house, source, release.version) for source in _speaking(house, release.version)]


def _said(house: House, source: SourceSpec, version: str) -> str:
    """What names all that a source says of a version; its key where it wasn't read yet, or a work doesn't tell."""
    key = scrape_key(house, source, version)
    if not is_site(source):
        return str((house.result(key) or {}).get("contents") or key)
    said = site_version(house, source, version).contents()
    uses = f"+uses@{USES_VERSION}" if said and source == house.library.source[0] else ""
    return f"{said}{uses}" or key


def _speaking(house: House, version: str) -> list[SourceSpec]:
    """The sources that speak of a version: a site beside another source whose address names none, of the newest."""
    first, latest = house.library.source[0], parsed_version(house.library.versions[-1])
    return [
        source
        for source in house.library.source
        if source == first
        or not is_site(source)
        or "{version}" in (source.location or "")
        or parsed_version(version) == latest
    ]


def site_version(house: House, source: SourceSpec, version: str) -> SiteVersion:
    """A documentation site at a version, in a run."""
    found = [
        SiteVersion(
            house,
            source,
            at,
            scrape_key(house, source, at),
            partial(_before_said, house, source, at),
            partial(_known, house, source, at),
        )
        for at in (version, *(v for v in house.library.versions if v != version and source in _speaking(house, v)))
    ]
    return replace(found[0], other=found[1] if len(found) > 1 else None)


def _before_said(house: House, source: SourceSpec, version: str) -> list[str]:
    return [_said(house, each, version) for each in _before(house, source) if each in _speaking(house, version)]


def sites(house: House) -> list[SiteVersion]:
    """The domain's documentation sites, at the versions that they speak of."""
    return [
        site_version(house, source, version)
        for source in house.library.source
        for version in house.library.versions
        if is_site(source) and source in _speaking(house, version)
    ]


def site_warnings(house: House) -> list[str]:
    """What a person should know of the domain's sites: which are down, and of which version others say they are."""
    return [told for site in sites(house) for told in (site.failure(), site.warning()) if told]


def site_failures(house: House) -> list[str]:
    """The sites that couldn't be read when they were asked last, and why."""
    return [told for told in (site.failure() for site in sites(house)) if told]


def indexed(house: House, release: Release) -> SymbolIndex:
    """The symbols of a release, as everything names them that works on the domain."""
    return house.kept(("index", release.id), lambda: SymbolIndex(symbols(house, release), house.library.private))


def compared(house: House) -> list[Change]:
    """The changes between the domain's two releases, as the comparison found them."""
    return house.made(Change, compare_key(house))


def scrape_stage(house: House) -> list[Batch]:
    """One batch for each source at each version."""
    batches = []
    for source in house.library.source:
        for version in house.library.versions:
            if source not in _speaking(house, version):
                continue
            title = f"Scrape {house.library.name} {version} ({source.kind})"
            key = scrape_key(house, source, version)
            if is_site(source):
                site = site_version(house, source, version)
                if (why := site.due()) is not None:
                    batches.append(Batch(f"{title}: {why}", site.size(), site.run))
            elif house.result(key) is None:
                again = ", again: scraper or settings are others now" if _read_before(house, source, version) else ""
                batches.append(Batch(f"{title}{again}", 1, _scraping(house, source, version, key)))
    return batches


def _read_before(house: House, source: SourceSpec, version: str) -> bool:
    """Whether such a source was read at this version already: by another scraper, or with other settings."""
    of = {"l": house.library.name, "v": version}
    known = [release.id for release in house.lake.read(Release, "library = $l AND version = $v", of)]
    like = "stage = 'scrape' AND domain = $d AND part LIKE $p AND result ->> '$.release' IN (SELECT unnest($r))"
    return bool(house.lake.read(Work, like, {"d": house.owner, "p": f"{source.kind}@%", "r": known}, latest=1))


def _scraping(house: House, source: SourceSpec, version: str, key: str) -> Callable[[], int]:
    def run() -> int:
        since = time.monotonic()
        spec = source.model_dump(exclude_none=True)
        given = get_source(source.kind).scrape(spec, house.library.name, version, house.folder("packages"))
        found = _without_forgotten(house, given)
        first, known = _known(house, source, version)
        if first is not None:
            given, found = (beside(each, first, SymbolIndex(known)) for each in (given, found))
        _guard(house, source, version, given, found)
        rows: list[Record] = [*(() if first else (found.release,)), *found.pages, *found.symbols]
        part = f"{source.kind}@{SCRAPER_VERSION}"
        contents = sha256_of(sorted(row.digest for row in (*found.pages, *found.symbols)))
        return house.finish("scrape", part, [key], rows, since, {"release": found.release.id, "contents": contents})

    return run


def _known(house: House, source: SourceSpec, version: str) -> tuple[Release | None, list[Symbol]]:
    """The release, and its symbols, as the sources before one gave them; no release where it is the first.

    Raises:
        ConfigurationError: The first isn't scraped yet.
    """
    before = _before(house, source)
    if not before:
        return None, []
    made = house.made(Release, scrape_key(house, before[0], version))
    if not made:
        raise ConfigurationError(f"{house.library.name} {version} isn't scraped yet from its first source")
    return made[0], _merged(house, Symbol, [each for each in before if each in _speaking(house, version)], version)


def _without_forgotten(house: House, found: Scraped) -> Scraped:
    """Leaves out the pages that are to be forgotten, and the symbols that were read from them."""
    barred = orders(house.lake)
    gone = {p.id for p in found.pages if any(order.takes(p.url, p.licence) for order in barred)}
    return Scraped(
        release=found.release,
        pages=tuple(p for p in found.pages if p.id not in gone),
        symbols=tuple(s for s in found.symbols if s.page not in gone),
    )


def _guard(house: House, source: SourceSpec, version: str, given: Scraped, found: Scraped) -> None:
    """Compares what a source gave with what it gave for the other version; the first is looked at by itself."""
    old, new = house.library.versions
    name, other = house.library.name, old if version == new else new
    key = scrape_key(house, source, other)
    if house.result(key) is None:
        if not _before(house, source):
            guard_first(house, f"{name} {version}", Extent.of(given.pages, given.symbols))
        return
    held = Extent.of(house.made(Page, key), house.made(Symbol, key))
    sides = Extent.of(found.pages, found.symbols), held
    before, after = reversed(sides) if version == new else sides
    _, known = _known(house, source, new)
    guard_release(house, f"{name} {old} -> {new}", before, after, known)


def compare_key(house: House) -> str:
    """The work key of the comparison of the two releases, as today's sources and scraper find them."""
    inputs = [name for r in releases(house) for name in (r.digest, *source_keys(house, r))]
    return work_key(inputs, f"changes@{CHANGES_VERSION}", {})


def compare_stage(house: House) -> list[Batch]:
    """One batch: what changed between the two releases."""
    key = compare_key(house)
    if house.result(key) is not None:
        return []

    def run() -> int:
        since = time.monotonic()
        old, new = (scraped(house, r) for r in releases(house))
        found = find_changes(old, new, house.folder("packages") / TREES)
        return house.finish("scrape", f"changes@{CHANGES_VERSION}", [key], found, since)

    old, new = house.library.versions
    return [Batch(f"Find what changed between {old} and {new}", 1, run)]
