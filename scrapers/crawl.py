"""What a documentation site gives, page by page: from a folder, or over the guarded client of `registry.web`.

The files that its format reads first (`indexes`) are asked for first, then the pages that these name, else the links
below the site's address, breadth first. Whatever a server does with one page is a row (`Fetch`), not an error.

Guarantees: only what lies below the site's address is read; pages, depth, links a page and time are bounded; what was
received before is asked for by its validators; a page that can't be read now and was read before stays as it was, so a
server that is down takes nothing away. The same site gives the same pages, whatever the order in which answers come.
Non-guarantees: with links that a broken page no longer shows, what is only linked there is not found.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote, urljoin

from registry.errors import SourceError
from registry.identity import sha256_of_bytes
from registry.records import Body, Fetch
from registry.web import Answer
from scrapers.absent import FAULT, absent_path, is_like, words_of
from scrapers.documents import Document, Format
from scrapers.markup import tree_of
from scrapers.sites import Site, SiteLimits, is_page, page_text
from scrapers.texts import decoded_page, looks_binary

_TEXTUAL = ("text/", "html", "xml", "json", "markdown", "octet-stream")
_IN_FLIGHT = 8
_GOOD = ("ok", "unchanged")
_GONE = ("missing", "not-html", "outside")
_IN_A_PATH = "/ !$&'()*+,;=:@"
"""What stands in a file's path as it is; `#`, `?` and `%` mean something else in an address."""
_REST, _ABSENT = "*", "*absent"
"""Paths of the rows that say what the limits left out, and what the site says of what isn't there."""
_FURTHER, _INDEX_BYTES = 50, 64 << 20
"""Files that indexes name and that are read like these, and bytes of all indexes together."""


def _differ(row: Fetch, known: Fetch) -> bool:
    return row.digest != known.digest or (row.etag, row.last_modified) != (known.etag, known.last_modified)


def _no_text(answer: Answer) -> str:
    """What is wrong with what came, where it can't be a page."""
    kind = answer.content_type.lower()
    if kind and not any(part in kind for part in _TEXTUAL):
        return f"It is {kind.partition(';')[0][:60]}, not a page"
    return "It is no text" if looks_binary(answer.body) else ""


def _as_it_came(bodies: Iterable[Body]) -> bytes:
    """What was received, as the bytes of an index; one that was kept as a page alone is text."""
    for body in sorted(bodies, key=lambda b: b.coding):
        return body.text.encode() if body.coding == "text" else base64.b64decode(body.text)
    return b""


Ask = Callable[[str, Fetch | None], Awaitable[Answer | None]]
"""Asks for a path within the site, given what is known of it; None: it isn't asked, and stays as it was."""


@dataclass
class Crawl:
    """One look at a site: iterate over `rows`, then read what it found.

    Attributes:
        site: The site.
        format: How its pages are read.
        known: Path asked for -> what was received before.
        bodies: Gives what was received before, by its hash: as text, as it came, or both.
        limits: How much is read.
        barred: Whether a public address may not be read.
        pages: Path -> what came of it last, of the pages that are there.
        indexes: Name -> bytes of the files that were asked for first.
        answered: Addresses that gave something, or said that it is as it was.
        absent: Words of what the site says of an address that isn't there; none where it says so by its status.
        reason: What was wrong with the first one that gave nothing.
    """

    site: Site
    format: Format
    ask: Ask
    known: Mapping[str, Fetch] = field(default_factory=dict)
    bodies: Callable[[str], Sequence[Body]] = lambda _sha256: ()
    limits: SiteLimits = field(default_factory=SiteLimits)
    barred: Callable[[str], bool] = lambda _url: False
    pages: dict[str, Fetch] = field(default_factory=dict)
    indexes: dict[str, bytes] = field(default_factory=dict)
    answered: int = 0
    absent: tuple[str, ...] = ()
    reason: str = ""
    _given: Mapping[str, bytes] = field(default_factory=dict)
    _rows: dict[str, Fetch] = field(default_factory=dict)
    _count: int = 0
    _tried: int = 0
    _silent: int = 0
    _end: float = 0.0

    async def rows(self) -> AsyncIterator[tuple[Fetch, Body | None]]:
        """What is new: rows that differ from the known ones, and the bodies that came, as they come.

        Raises:
            SourceError: Nothing could be read.
        """
        if self.barred(self.site.address):
            return  # all of it is to be forgotten
        self._end = time.monotonic() + self.limits.seconds
        for name in self.format.indexes:
            async for row in self._asked([name], follow=False, index=True):
                yield row
        for name in self._further():
            async for row in self._asked([name], follow=False, index=True):
                yield row
        self._given = self.format.given(self.indexes)
        named = [*self._inside(self.format.pages(self.indexes)), *self._given]
        start = named or self._listed() or [self.site.first]
        async for row in self._probed(start):
            yield row
        async for row in self._levels(start, follow=not named and not self.site.is_folder):
            yield row
        if not self.pages or (self._tried and not self.answered):
            why = self.reason or "no page of documentation in it"
            raise SourceError(
                f"{self.site.address} can't be read: {why.rstrip('.')}. Name the folder or address of a built site",
                retryable=True,
                location=self.site.address,
            )

    def _further(self) -> list[str]:
        """Files that those which came name, and that are to be read like these: below the site's address, or beside it.

        One that is said to lie elsewhere, as a site has the addresses that it is published under, is looked for by its
        name; `../` leads one folder up, where the versions of a site are listed.
        """
        found: dict[str, None] = {}
        for name in itertools.islice(self.format.further(self.indexes), _FURTHER):
            is_above = name.startswith("../") and not self.site.is_folder
            path = name if is_above else self.site.relative(name, self.site.base)
            path = self.site.relative(name.rpartition("/")[2], self.site.base) if path is None else path
            if path and path not in self.format.indexes:
                found.setdefault(path)
        return list(found)

    async def _probed(self, named: Sequence[str]) -> AsyncIterator[tuple[Fetch, Body | None]]:
        """Asks for what surely isn't there; a row, where the site says something else of it than before."""
        known = self.known.get(_ABSENT)
        before = tuple("".join(b.text for b in self.bodies(known.sha256)[:1]).split()) if known and known.sha256 else ()
        said = None if self.site.is_folder else await self._said_of(absent_path(named))
        same = said is None or said == before or is_like(said, before)
        self.absent = before if same or said is None else said
        if not same:
            text = " ".join(self.absent)
            digest, fault = (sha256_of_bytes(text.encode()), FAULT) if text else ("", None)
            row = replace(self._row(_ABSENT, "ok", ""), sha256=digest, fault=fault)
            yield row, Body(sha256=digest, coding="text", text=text) if text else None

    async def _said_of(self, path: str) -> tuple[str, ...] | None:
        """What the site says of an address that isn't there; nothing where it says so; None where it can't be asked."""
        _, answer = await self._one(path)
        if answer is None or answer.outcome not in ("ok", "missing"):
            return None
        if answer.outcome == "missing" or self.site.path_of(answer.final_url) not in (path, f"{path}index.html"):
            return ()  # led to a page that is there
        text = decoded_page(answer.body, answer.content_type)
        try:
            markdown = self.format.parse(Document(path, answer.final_url, text), None).markdown
        except Exception:  # as in `bind`: a page can be anything
            return ()
        return words_of(markdown, path)

    async def _levels(self, start: list[str], *, follow: bool) -> AsyncIterator[tuple[Fetch, Body | None]]:
        level, seen, left = sorted(set(start)), set(start), 0
        for depth in itertools.count():
            room = max(0, self.limits.pages - self._count)
            level, left = level[:room], left + len(level[room:])
            self._count += len(level)
            if not level:
                break
            async for row in self._asked(level, follow=follow, index=False):
                yield row
            if not follow:
                break
            links = {link for path in level for link in self._links_of(path)} - seen
            if depth == self.limits.depth:
                left += len(links)
                break
            seen |= links
            level = sorted(links)
        over = self.known.get(_REST)
        if left:
            yield self._row(_REST, "too-many", f"{left:,} more are named or linked, beyond the limits"), None
        elif over is not None and over.outcome != "ok":
            yield replace(over, outcome="ok", detail=""), None

    def _links_of(self, path: str) -> tuple[str, ...]:
        found = self._rows.get(path)
        return found.links if found is not None else ()

    async def _asked(
        self, paths: Iterable[str], *, follow: bool, index: bool
    ) -> AsyncIterator[tuple[Fetch, Body | None]]:
        """Asks for paths, some at a time."""
        left = iter(paths)
        running: set[asyncio.Task[tuple[str, Answer | None]]] = set()
        try:
            while True:
                while len(running) < _IN_FLIGHT and (path := next(left, None)) is not None:
                    running.add(asyncio.ensure_future(self._one(path)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    path, answer = task.result()
                    if (row := self._taken(path, answer, follow=follow, index=index)) is not None:
                        yield row
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _one(self, path: str) -> tuple[str, Answer | None]:
        over = self._silent >= self.limits.silent or time.monotonic() > self._end
        url, known = self.site.url(path), self.known.get(path)
        if path in self._given and not self.barred(url):
            return path, Answer(
                url, url, None, "ok", content_type="text/markdown; charset=utf-8", body=self._given[path]
            )
        if self.barred(url) or (over and known is not None):
            return path, None
        if over:
            return path, Answer(url, url, None, "failed", "It was not asked for: the site is down, or its time is over")
        return path, await self.ask(path, known)

    def _taken(
        self, asked: str, answer: Answer | None, *, follow: bool, index: bool
    ) -> tuple[Fetch, Body | None] | None:
        known = self.known.get(asked)
        if answer is None:
            if known is not None and not self.barred(self.site.url(asked)):
                self._keep(known, index=index)
            return None
        self._tried += 1
        self._silent = self._silent + 1 if answer.outcome in ("failed", "too-slow") else 0
        row, body = self._received(asked, answer, known, follow=follow, index=index)
        self.reason = self.reason or ("" if index else row.detail)
        self.answered += answer.outcome in _GOOD
        self._keep(row, index=index)
        return (row, body) if known is None or _differ(row, known) else None

    def _keep(self, row: Fetch, *, index: bool) -> None:
        """Counts in what there is of an address; where several led to one page, that page's own, else the first."""
        if not row.sha256:
            return
        if index:
            if row.path not in self.indexes:
                self.indexes[row.path] = _as_it_came(self.bodies(row.sha256))
            return
        asked = row.url.removeprefix(self.site.address)
        self._rows[asked] = row
        best = self.pages.get(row.path)
        if best is None or asked == row.path or (best.url > row.url and best.url != self.site.url(row.path)):
            self.pages[row.path] = row

    def _received(
        self, asked: str, answer: Answer, known: Fetch | None, *, follow: bool, index: bool
    ) -> tuple[Fetch, Body | None]:
        """The row of an address, and what came where that is new."""
        old = known or self._row(asked, "", "")
        path = self._led_to(asked, answer, index=index)
        if answer.outcome == "unchanged" and old.sha256:
            if not follow or old.links:
                return replace(old, outcome="ok", detail=old.detail if old.outcome == "ok" else ""), None
            texts = [page_text(body, old.content_type) for body in self.bodies(old.sha256)[:1]]
            links, left = self._links("".join(texts), old.path)
            return replace(old, outcome="ok", detail=left, links=links), None
        outcome: str = answer.outcome
        detail = answer.detail
        if outcome == "ok" and path is None:
            outcome, detail = "outside", f"It leads off the site, to {answer.final_url[:500]}"
        elif outcome == "ok" and self.barred(self.site.url(path or "")):
            outcome, detail = "outside", "It leads to a page that is to be forgotten"
        elif outcome == "ok" and not index and (wrong := _no_text(answer)):
            outcome, detail = "not-html", wrong
        detail = detail or (old.detail if outcome == old.outcome == "ok" else "")
        row = replace(old, outcome=outcome, detail=detail, status=answer.status, received=answer.received)
        if outcome in _GONE:
            return replace(row, sha256="", links=(), etag=None, last_modified=None, fault=None), None
        if outcome != "ok":
            return row, None  # what came before stays
        if index and (broken := self._broken(path or "", answer.body)):
            return replace(row, outcome="broken", detail=broken), None
        return self._fresh(replace(row, path=path or ""), answer, follow=follow, index=index)

    def _led_to(self, asked: str, answer: Answer, *, index: bool) -> str | None:
        """The path that an address led to; None where that is off the site."""
        if asked in self._given or (index and answer.final_url in [urljoin(base, asked) for base in self.site.bases]):
            return asked
        return self.site.path_of(answer.final_url)

    def _broken(self, path: str, data: bytes) -> str:
        """Why an index can't be used; empty where it can."""
        if sum(map(len, self.indexes.values())) + len(data) > _INDEX_BYTES:
            return f"With it the files that are read first would have more than {_INDEX_BYTES:,} bytes"
        with_it = {path: data}
        try:
            self.format.pages(with_it)
            self.format.facts(with_it)
        except SourceError as error:
            return str(error)[:500]
        return ""

    def _fresh(self, row: Fetch, answer: Answer, *, follow: bool, index: bool) -> tuple[Fetch, Body | None]:
        digest = sha256_of_bytes(answer.body)
        before, row = row.sha256, replace(
            row, sha256=digest, etag=answer.etag, last_modified=answer.last_modified,
            content_type=answer.content_type[:200],
        )  # fmt: skip
        if index:
            self.indexes[row.path] = answer.body
            coded = base64.b64encode(answer.body).decode()
            return row, Body(sha256=digest, coding="base64", text=coded) if digest != before else None
        if digest == before and (row.links or not follow):
            return row, None
        text = "" if self.site.is_folder else decoded_page(answer.body, answer.content_type)
        links, left = self._links(text, row.path) if follow else ((), "")
        body = None if self.site.is_folder else Body(sha256=digest, coding="text", text=text)
        return replace(row, links=links, detail=left, fault=None if digest != before else row.fault), body

    def _row(self, path: str, outcome: str, detail: str) -> Fetch:
        return Fetch(site=self.site.address, url=self.site.url(path), path=path, outcome=outcome, detail=detail)

    def _inside(self, named: Iterable[str]) -> list[str]:
        """Paths that an index names, of what lies below the site's address, in order."""
        found: dict[str, None] = {}
        for name in itertools.islice(named, 10 * self.limits.pages):
            if (path := self.site.relative(name, self.site.base)) is not None:
                found.setdefault(path)
        return list(found)

    def _links(self, text: str, path: str) -> tuple[tuple[str, ...], str]:
        """The pages of the site that a page links to, sorted, and what is left out of more than the limits allow."""
        if not text.strip():
            return (), ""
        found: set[str] = set()
        targets = iter(tree_of(text)[0].xpath("//a/@href"))
        for target in itertools.islice(targets, 50 * self.limits.links):
            link = self.site.relative(str(target).strip(), urljoin(self.site.base, path))
            if link is not None and is_page(link):
                found.add(sys.intern("" if link == "index.html" else link))
            if len(found) >= self.limits.links:
                break
        over = sum(1 for _ in targets)
        left = f"{over:,} more links stand on it, after the first {self.limits.links:,} pages: they aren't followed"
        return tuple(sorted(found)), left if over else ""

    def _listed(self) -> list[str]:
        """The pages in a folder whose indexes name none."""
        if not self.site.is_folder:
            return []
        folder = Path(self.site.base)
        files = (f.relative_to(folder).as_posix() for f in folder.rglob("*.htm*") if f.is_file())
        return sorted(quote(path, safe=_IN_A_PATH) for path in files if is_page(path))
