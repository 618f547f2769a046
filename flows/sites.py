"""Documentation sites in a run: what is asked, parsed and written, at the cost of what has changed.

What was received (`fetches`, `bodies`) is kept apart from what was made of it. The work of a page is known by its bytes
and by all that its parse reads; that of the site, its *state*, lists the works of the pages that are there, and names
what these say (`contents`): what is made further hangs on that, so another theme redoes nothing.
"""

from __future__ import annotations

import datetime as dt
import itertools
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from flows.asking import SETTINGS, asked_how, look
from flows.guard import Extent, guard_first, guard_release
from flows.house import House
from flows.site_pages import Spool, documents, parsed, write
from registry.domain import SourceSpec
from registry.errors import ConfigurationError, SourceError
from registry.forgetting import orders
from registry.identity import sha256_of, work_key
from registry.names import SymbolIndex
from registry.records import Fetch, Forgotten, Release, Symbol, Work
from scrapers.binding import VERSION, Binding, is_licence_page, licence_in, site_release, stated_licence
from scrapers.crawl import Crawl
from scrapers.documents import Format, get_format, names
from scrapers.index import normalised_name, parsed_version
from scrapers.licences import Licence
from scrapers.sites import Site, facts_of, site_at
from scrapers.stated import DIFFERS, UNKNOWN, match_version, stated_version

ASKING = (*SETTINGS, "refresh_h", "version_check")
"""Settings that say how and when a site is asked, not which one it is: they leave the key of its state."""

LOOK = "look@1"
"""The part that asks a site; its work says when that was done last."""

_SAYING = 20
"""Pages that are asked for the site's version, new ones first."""


def is_site(source: SourceSpec) -> bool:
    """Whether a source is a documentation site, not a package or a plug-in's."""
    return source.kind in names()


@dataclass(frozen=True)
class Looked:
    """When a site was asked last.

    Attributes:
        at: When.
        run: By which run.
        down: Why it couldn't be read; empty where it could.
    """

    at: dt.datetime
    run: str
    down: str


@dataclass
class SiteVersion:
    """One site at one version of its library, in a run.

    Attributes:
        house: The domain.
        source: The site, as the domain's file has it.
        version: The version.
        key: The work key of its state.
        inputs: Gives the keys of the sources before it, as they are now; none where it is the first.
        before: Gives the release and its symbols, as the sources before it gave them; no release where it is the first.
        other: The same site at the library's other version, if it speaks of that.
    """

    house: House
    source: SourceSpec
    version: str
    key: str
    inputs: Callable[[], list[str]]
    before: Callable[[], tuple[Release | None, list[Symbol]]]
    other: SiteVersion | None = None

    @cached_property
    def format(self) -> Format:
        """How its pages are read."""
        return get_format(self.source.kind)

    @cached_property
    def part(self) -> str:
        """What reads its pages, with its version."""
        return f"{self.source.kind}@{self.format.version}+bind@{VERSION}"

    @cached_property
    def site(self) -> Site:
        """Where it is.

        Raises:
            ConfigurationError: The domain's file doesn't say, or there is no such folder.
        """
        library = self.house.library.name
        if not self.source.location:
            raise ConfigurationError(
                f"Source {self.source.kind!r} of {library} has no location: set it to a folder or a URL"
            )
        name = f"{self.source.kind}://{normalised_name(library)}/{parsed_version(self.version)}"
        return site_at(self.source.location.replace("{version}", self.version), self.source.url, name)

    def state(self) -> Mapping[str, Any] | None:
        """What was made of it last; None where that is nothing yet."""
        found = self.house.result(self.key)
        return found if found is not None and "works" in found else None

    def contents(self) -> str:
        """Names what its pages say, once they are cleaned; empty where they aren't read yet."""
        state = self.state()
        return str(state["contents"]) if state is not None else ""

    def size(self) -> int:
        """Pages that are known."""
        state = self.state()
        return max(1, len(state["works"]) if state is not None else 0)

    def due(self) -> str | None:
        """Why there is something to do, for a person; None where there isn't."""
        state = self.state()
        if state is None:
            return None if self._asked_now() else "not read yet"
        if state["part"] != self.part:
            return f"{self.part} is to read it, and {state['part']} has"
        if state["inputs"] != sha256_of(self.inputs()):
            return "the sources before it have changed"
        version = state.get("version", {})
        if version.get("outcome") == DIFFERS and version["taken"] != (self.source.version_check is False):
            return "version_check has changed"
        return self._to_ask(state)

    def plan(self) -> str:
        """What a run would do with it now, and why, for a person; nothing is asked for that."""
        state, why = self.state(), self.due()
        if state is None or why is None:
            return "is asked for all of its pages: not read yet" if state is None else "is left alone: asked lately"
        to_ask, count = self._to_ask(state), f"{len(state['works']):,} pages"
        if why == to_ask:
            return f"is asked what has changed of {count}, and that is parsed: {why}"
        return f"has {count} that are parsed again{', and is asked what has changed' if to_ask else ''}: {why}"

    def _to_ask(self, state: Mapping[str, Any] | None) -> str | None:
        """Why it is to be asked what it has now."""
        if self._asked_now():
            return None
        if state is None or state["asked"] != asked_how(self.source):
            return "how it is asked has changed"
        seen = self.looked()
        if seen is None:
            return "the last look at it didn't end"
        hours = (dt.datetime.now(dt.UTC) - seen.at).total_seconds() / 3600
        is_fresh = 0 <= hours < (self.source.refresh_h or 0)  # a look of tomorrow is one of a clock that was wrong
        if is_fresh and not seen.down and not self.site.is_folder:
            return None
        return f"last asked {seen.at:%Y-%m-%d %H:%M} UTC"

    def _look_key(self) -> str:
        return work_key([self.key], LOOK, {})

    def looked(self) -> Looked | None:
        """When the site was asked last; None where that never ended."""
        columns = """"_at" AS at, "_run" AS run, coalesce(result ->> '$.down', '') AS down"""
        query, look = f"""SELECT {columns} FROM work WHERE "key" = $key""", {"key": self._look_key()}  # noqa: S608 (own)
        found = self.house.kept(("look", self.key), lambda: self.house.lake.query(query, look).to_pylist())
        return Looked(**found[0]) if found else None

    def _asked_now(self) -> bool:
        """Whether this run has asked it."""
        seen = self.looked()
        return seen is not None and seen.run == self.house.run

    def run(self) -> int:
        """Asks the site where that is due, parses what it must, and writes it; how many pages these were.

        A site beside other sources that can't be read ends as what its look came to: what was read before stays, and
        the run goes on with what the others say.

        Raises:
            SourceError: It is the first source, and can't be read.
        """
        since, state, before = time.monotonic(), self.state(), self.before()
        ask = self._to_ask(state) is not None
        licence = self.source.licence or (state["licence"] if state is not None else None)
        try:
            found = look(self.house, self.source, self.site, self.format, licence, ask=ask)
        except SourceError as error:
            if not self.inputs() or not (ask or self.failure()):
                raise
            if ask:
                self._ended(since, {"release": before[0].id if before[0] else "", "down": str(error)[:500]})
            return self.run() if ask and self.due() is not None else 0
        with tempfile.TemporaryFile(prefix="driftune-") as file:
            read = self._made(found, state, before, Spool(file), since)
        if ask:
            self._ended(since, {})
        return read

    def _ended(self, since: float, more: Mapping[str, str]) -> None:
        """Remembers that the site was asked."""
        self.house.finish("scrape", LOOK, [self._look_key()], [], since, {"site": self.site.address, **more})

    def _made(
        self,
        found: Crawl,
        state: Mapping[str, Any] | None,
        before: tuple[Release | None, list[Symbol]],
        spool: Spool,
        since: float,
    ) -> int:
        first, known = before
        licence = self._licence(found, state)
        release = first or site_release(self.house.library.name, self.version, self.site.address, licence)
        inputs, facts = sha256_of(self.inputs()), self.format.facts(found.indexes)
        told = {"release": release.id, "licence": licence.expression, "inputs": inputs}
        absent = {"absent": sha256_of(found.absent)} if found.absent else {}
        pages = self._allowed(found, licence)
        keys = {path: self._page_key(f, facts, told | absent) for path, f in sorted(pages.items())}
        done = self._done(keys, state, release.id)
        left = {path: pages[path] for path, key in keys.items() if key not in done}
        version = self._version(found, left, state)
        if version["outcome"] == DIFFERS and not version["taken"]:
            return self._left_out(first, state, {**told, "version": version}, since)
        binding = Binding(self.source.kind, release.id, licence.expression, SymbolIndex(known), found.absent)
        spool.take(parsed(self.house, self.site, binding, left, facts))
        self._guard(state, [key for key in keys.values() if key in done], spool)
        results = {key: work.result for key, work in done.items()}
        results |= write(self.house, spool, self.part, keys, left, release.id)
        said = sorted(str(results[key]["digest"]) for key in keys.values() if results[key]["page"])
        new = told | {
            "site": self.site.address, "part": self.part, "asked": asked_how(self.source), "works": [*keys.values()],
            "contents": sha256_of(said), "evidence": list(licence.evidence), "licence_of": _licence_of(found),
            "version": version,
        }  # fmt: skip
        if new != state:
            self.house.finish("scrape", self.part, [self.key], [] if first else [release], since, new)
        return len(left)

    def _allowed(self, found: Crawl, licence: Licence) -> Mapping[str, Fetch]:
        """The pages that aren't to be forgotten: a look may not know yet what their licence is."""
        barred = orders(self.house.lake)
        is_gone = {p for p in found.pages if any(o.takes(self.site.url(p), licence.expression) for o in barred)}
        return {path: fetch for path, fetch in found.pages.items() if path not in is_gone}

    def _page_key(self, fetch: Fetch, facts: Mapping[str, Any], told: Mapping[str, Any]) -> str:
        about = {"url": self.site.url(fetch.path), "path": fetch.path, "facts": facts_of(facts, fetch.path)}
        return work_key([fetch.sha256], self.part, {**told, **about})

    def _done(self, keys: Mapping[str, str], state: Mapping[str, Any] | None, release: str) -> dict[str, Work]:
        """The works that needn't be done again: of the last state, and where there is none, of a run that was killed.

        A page that is as it was before the last state, or before a run that was killed, is read again, so that views
        show its rows as the current ones.
        """
        wanted = set(keys.values()) if state is None else set(keys.values()).intersection(state["works"])
        works = self.house.lake.read(Work, '"key" IN (SELECT unnest($k))', {"k": sorted(wanted)})
        found = {work.key: work for work in works}
        last = self._written_last(release) if found else {}
        asked = ((key, found[key], self.site.url(path)) for path, key in keys.items() if key in found)
        return {key: work for key, work, url in asked if last.get(url, work.result["digest"]) == work.result["digest"]}

    def _written_last(self, release: str) -> dict[str, str]:
        """Address of a page -> digest of what was written of it last, whether or not the run came to its end."""
        query = """
            SELECT p.url, arg_max(w.result ->> '$.digest', w."_at") AS digest
            FROM work w JOIN pages p ON p.id = w.result ->> '$.page'
            WHERE w.stage = 'scrape' AND w.domain = $domain AND starts_with(w.part, $kind || '@')
                  AND p.release = $release GROUP BY p.url
        """
        asked = {"domain": self.house.owner, "kind": self.source.kind, "release": release}
        return {row["url"]: row["digest"] for row in self.house.lake.query(query, asked).to_pylist()}

    def _version(self, found: Crawl, pages: Mapping[str, Fetch], state: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """What the site says of its version, held against the one that is asked for, and whether that matters."""
        mixed = itertools.chain(pages.items(), found.pages.items() if pages else ())  # one alone doesn't speak for all
        some = dict(itertools.islice(mixed, _SAYING))
        texts = [job.read().document for job in documents(self.house, self.site, some, {})]
        said = match_version(stated_version(found.indexes, texts, self.site.address), self.version)
        told: dict[str, Any] = {
            "outcome": said.outcome,
            "detail": said.detail,
            "taken": self.source.version_check is False,
        }
        known = state.get("version", told) if state is not None else told
        # Few pages may say nothing, where all of them did: what they said then still holds.
        return {**known, "taken": told["taken"]} if said.outcome == UNKNOWN else told

    def _left_out(
        self, first: Release | None, state: Mapping[str, Any] | None, told: Mapping[str, Any], since: float
    ) -> int:
        """Takes none of the site's pages, as they are another version's; what there was of the right one stays.

        Raises:
            ConfigurationError: There is nothing else that the release could be read from.
        """
        known = state if state is not None and not _is_wrong(state) else None
        if first is None and known is None:
            raise ConfigurationError(f"{self.site.address} is of another version. {told['version']['detail']}")
        none = {"works": [], "contents": sha256_of([]), "evidence": [], "licence_of": [], **told}
        now = {"site": self.site.address, "part": self.part, "asked": asked_how(self.source)}
        new = {**(known or none), **now, "inputs": told["inputs"], "version": told["version"]}
        if new != state:
            self.house.finish("scrape", self.part, [self.key], [], since, new)
        return 0

    def failure(self) -> str:
        """What a person should know of a site that couldn't be read when it was asked last; empty where it could."""
        seen = self.looked()
        if seen is None or not seen.down:
            return ""
        rest = "the run goes on without it" if self.state() is None else "what was read of it before stays"
        return f"Not read, and {rest}: {self._named()}. {seen.down}"

    def _named(self) -> str:
        return f"{self.site.address} ({self.house.library.name} {self.version}, {self.source.kind})"

    def warning(self) -> str:
        """What a person should know of the version that the site says it is of; empty where that is the right one."""
        version = (self.state() or {}).get("version", {})
        where, outcome = self._named(), version.get("outcome")
        if outcome == DIFFERS and not version["taken"]:
            return f"Not read: {where}. {version['detail']}"
        if outcome == DIFFERS:
            return f"Read all the same, as version_check is false: {where}. {version['detail']}"
        return f"Read: {where}. {version['detail']}" if outcome == UNKNOWN else ""

    def _licence(self, found: Crawl, state: Mapping[str, Any] | None) -> Licence:
        """The site's licence: what the domain states, else what its own licence page gives the text of."""
        if self.source.licence:
            return stated_licence(self.source.licence)
        told = (_licence_of(found), self.part)
        if state is not None and (not found.pages or (state["licence_of"], state["part"]) == told):
            return Licence(state["licence"], tuple(state["evidence"]))
        pages = {path: f for path, f in sorted(found.pages.items()) if is_licence_page(path)}
        plain = Binding(self.source.kind, "", None, SymbolIndex(()))
        return licence_in(parsed(self.house, self.site, plain, pages, self.format.facts(found.indexes)))

    def _guard(self, state: Mapping[str, Any] | None, kept: Sequence[str], spool: Spool) -> None:
        """Compares the site with what it was; when it is new, with its other version, or looks at it by itself."""
        if state is not None and not len(spool) and len(kept) == len(state["works"]):
            return None  # as it was
        name = f"{self.house.library.name} {self.version}"
        new = _sum(self.extent(kept), spool.extent)
        if state is None or not state["works"]:
            return self._guard_new(name, new)
        where, known = f"{name} since it was read last", self.before()[1]
        return guard_release(self.house, where, self.extent(state["works"]), new, known)

    def _guard_new(self, name: str, found: Extent) -> None:
        other = self.other.state() if self.other else None
        if self.other is None or other is None or not other["works"]:
            if not self.inputs():
                guard_first(self.house, name, found)
            return
        versions = self.house.library.versions
        held = self.other.extent(other["works"])
        latest = self.version == versions[1]
        old, new = (held, found) if latest else (found, held)
        known = (self if latest else self.other).before()[1]
        guard_release(self.house, f"{self.house.library.name} {' -> '.join(versions)}", old, new, known)

    def extent(self, works: Sequence[str]) -> Extent:
        """How much the pages of these works are."""
        lake = self.house.lake
        if not works:
            return Extent((), 0)
        found = lake.read(Work, '"key" IN (SELECT unnest($k))', {"k": list(works)})
        names = Extent.of((), lake.read(Symbol, pages_of=works)).symbols
        gone = {page for order in lake.read(Forgotten) for page in order.rows.get("pages", ())}  # and meant to be
        return Extent(names, sum(int(w.result["characters"]) for w in found if w.result["page"] not in gone))


def _sum(one: Extent, other: Extent) -> Extent:
    return Extent((*one.symbols, *other.symbols), one.characters + other.characters)


def _is_wrong(state: Mapping[str, Any]) -> bool:
    """Whether pages were taken that are another version's."""
    version = state.get("version", {})
    return version.get("outcome") == DIFFERS and bool(version["taken"])


def _licence_of(found: Crawl) -> list[str]:
    """Names what the licence is looked for in."""
    return [fetch.sha256 for path, fetch in sorted(found.pages.items()) if is_licence_page(path)]
