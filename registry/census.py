"""`verify` of a whole registry: every byte is hashed again, and every log is read from its first entry.

Damage is what somebody would miss: a file of a version, a manifest, an entry of a log. An orphan is what nobody goes
by: content of no version, as a killed publisher leaves it. Publishers may be at work meanwhile.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import cast

from registry import channels
from registry.channels import Channels
from registry.contents import check_file
from registry.errors import DriftuneError, RegistryError, TrustError
from registry.log import Log
from registry.manifests import MANIFEST, location
from registry.objects import PARTS, FolderObjects, Objects, Stored
from registry.pulling import content_path, digest
from registry.records import Adapter
from registry.standing import Standings
from registry.trust import MARK, Trust
from registry.versions import CONTENT, Versions, is_domain

DAMAGE, ORPHAN = "damage", "orphan"
SETTINGS = MARK
_CONTENT = re.compile(rf"{CONTENT}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})")
_PLACES = re.compile(r"[^/]+/(versions/\d{8}/manifest\.json|(channels/[^/]+|standing)/\d{8}\.json|signatures/.+)")


@dataclass(frozen=True)
class Finding:
    """What isn't as it should be.

    Attributes:
        kind: damage or orphan.
        path: The object.
        what: What is wrong, for a person.
        versions: The versions that it concerns, as `networkx@v3`.
        size: In bytes, of an orphan.
    """

    kind: str
    path: str
    what: str
    versions: tuple[str, ...] = ()
    size: int = 0


@dataclass
class Census:
    """What was looked at, counted as it goes.

    Attributes:
        objects: The registry's.
        versions: Versions that were read.
        files: Contents that were hashed.
        bytes: Their bytes.
        entries: Entries of logs that were read.
    """

    objects: Objects
    versions: int = 0
    files: int = 0
    bytes: int = 0
    entries: int = 0
    _wanted: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict, repr=False)
    _sizes: dict[str, set[int]] = field(default_factory=dict, repr=False)
    _hashes: dict[tuple[str, int], str] = field(default_factory=dict, repr=False)
    _seen: set[tuple[str, int]] = field(default_factory=set, repr=False)

    @cached_property
    def _trust(self) -> Trust:
        return Trust(self.objects)

    def findings(self) -> Iterator[Finding]:
        """What isn't as it should be, as it is found."""
        yield from self._unknown()
        for domain in domains_in(self.objects):
            yield from _told(domain, self._manifests(domain))
            yield from _told(domain, self._logs(domain))
        for sha256, users in list(self._wanted.items()):
            yield from self._content(sha256, users)
        yield from self._gone()
        there = list(self.objects.walk())
        for domain in domains_in(self.objects):  # somebody may have published meanwhile
            yield from _told(domain, self._manifests(domain))
        yield from self._orphans(there)

    def _unknown(self) -> Iterator[Finding]:
        """Tells where it can't be checked who vouches for what is there."""
        if self._trust.marked and not self._trust.keys:
            yield Finding(DAMAGE, SETTINGS, "The registry is marked as signed, and no key of it is trusted here")

    def _manifests(self, domain: str) -> Iterator[Finding]:
        """Reads the manifests of a domain that weren't read yet."""
        found = Versions(self.objects)
        for number in found.numbers(domain):
            if (domain, number) in self._seen:
                continue
            self._seen.add((domain, number))
            try:
                adapter = found.get(domain, number)
            except RegistryError as error:
                path = f"{location(domain, number)}/{MANIFEST}"
                yield Finding(DAMAGE, path, str(error), (f"{domain}@v{number}",))
                continue
            if adapter is not None:
                self.versions += 1
                self._hashes[domain, number] = found.manifest_hash(domain, number)
                yield from self._unvouched(adapter, found)
                for row in adapter.files:
                    self._sizes.setdefault(content_path(str(row["sha256"])), set()).add(int(row["size"]))
                for name, sha256 in files_of(adapter):
                    self._wanted.setdefault(sha256, []).append((domain, number, name))

    def _unvouched(self, adapter: Adapter, versions: Versions) -> Iterator[Finding]:
        """Whether nobody who is trusted vouches for a version."""
        path, name = f"{location(adapter.domain, adapter.version)}/{MANIFEST}", f"{adapter.domain}@v{adapter.version}"
        try:
            if self._trust.keys:
                self._trust.seal(adapter.domain, versions.manifest(adapter), path)
        except TrustError as error:
            yield Finding(DAMAGE, path, str(error), (name,))

    def _content(self, sha256: str, users: list[tuple[str, int, str]]) -> Iterator[Finding]:
        path = content_path(sha256)
        fault = ""
        try:
            found = digest(self.objects.open(path))
            if found != sha256:
                fault = f"was changed: its SHA-256 is {found}"
        except FileNotFoundError:
            fault = "is missing"
        except RegistryError as error:
            fault = f"can't be read: {error}"
        self.files += 1
        stored = self.objects.stat(path)
        fault = fault or self._unfit(path, users, stored)
        self.bytes += stored.size if stored is not None else 0
        left = [user for user in users if not fault or self._is_there(user[0], user[1])]  # it may have been retired
        if fault and left:
            names = tuple(f"{domain}@v{number}" for domain, number, _ in left)
            yield Finding(DAMAGE, path, f"{left[0][2]} of {', '.join(names)} {fault}", names)

    def _unfit(self, path: str, users: list[tuple[str, int, str]], stored: Stored | None) -> str:
        """What is wrong with content that has the right bytes; what is in it is looked at where it lies on a disk."""
        if stored is not None and self._sizes[path] != {stored.size}:
            return f"has {stored.size:,} bytes, and a manifest says another number"
        local = self.objects.local(path)
        try:
            for name in {name for _, _, name in users} if local is not None else ():
                check_file(cast(Path, local), name)
        except TrustError as error:
            return f"may not be in an adapter: {error}"
        return ""

    def _is_there(self, domain: str, number: int) -> bool:
        return self.objects.stat(f"{location(domain, number)}/{MANIFEST}") is not None

    def _logs(self, domain: str) -> Iterator[Finding]:
        own, standings = Channels(self.objects, domain), Standings(self.objects, domain)
        yield from self._chain(standings.log)
        for name in self.objects.names(f"{domain}/channels"):
            try:
                yield from self._chain(own.log(name))
                history = own.history(name)
                moves = channels.line(history, standings.yanked())
            except DriftuneError as error:
                yield Finding(DAMAGE, f"{domain}/channels/{name}", str(error))
                continue
            for version, manifest in {move.version: move.manifest for move in history}.items():
                if manifest not in ("", self._hashes.get((domain, version), manifest)):
                    what = f"{domain}@{name} was moved to another v{version} than is there"
                    yield Finding(DAMAGE, f"{domain}/channels/{name}", what, (f"{domain}@v{version}",))
            number = channels.given(moves, domain)
            if number is not None and not self._is_there(domain, number):
                what = f"gives v{number}, which isn't there"
                yield Finding(DAMAGE, f"{domain}/channels/{name}", f"{domain}@{name} {what}", (f"{domain}@v{number}",))

    def _gone(self) -> Iterator[Finding]:
        """The logs that were accepted here once, and aren't there any more."""
        for path in self._trust.remembered() if self._trust.keys else ():
            with contextlib.suppress(TrustError):  # what is no folder is told already
                if not self.objects.names(path):
                    yield from self._chain(Log(self.objects, path))

    def _chain(self, log: Log) -> Iterator[Finding]:
        """The entries of a log, of which each names the one before; what is read here isn't read again."""
        try:
            entries = log.read()
        except RegistryError as error:
            yield Finding(DAMAGE, str(error.values.get("path", log.path)), str(error))
            return
        self.entries += len(entries)
        try:
            if self._trust.keys:
                self._trust.accept(log.path, [entry.data for entry in entries])
        except TrustError as error:
            yield Finding(DAMAGE, log.path, str(error))

    def _orphans(self, there: Iterable[Stored]) -> Iterator[Finding]:
        for stored in there:
            content = _CONTENT.fullmatch(stored.path)
            if content is not None and content[2] not in self._wanted:
                yield Finding(ORPHAN, stored.path, "is content of no version: gc removes it", size=stored.size)
            elif content is None and stored.path != SETTINGS and not _PLACES.fullmatch(stored.path):
                yield Finding(ORPHAN, stored.path, "is nothing of the registry's", size=stored.size)
        for part in leftovers(self.objects):
            yield Finding(ORPHAN, f"{PARTS}/{part.path}", "was being written: gc removes it", size=part.size)


def _told(domain: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings in a domain; what can't be looked into at all is one, too."""
    try:
        yield from findings
    except RegistryError as error:
        yield Finding(DAMAGE, str(error.values.get("path", domain)), str(error))


def files_of(adapter: Adapter) -> list[tuple[str, str]]:
    """Name and SHA-256 of each file of a version."""
    return [(str(f["path"]), str(f["sha256"])) for f in adapter.files if isinstance(f, dict)]


def domains_in(objects: Objects) -> list[str]:
    """Whatever may be a domain."""
    return [name for name in objects.names("") if is_domain(name)]


def leftovers(objects: Objects) -> list[Stored]:
    """What was being written into a folder; a killed writer leaves it."""
    place = objects.local(PARTS)
    return list(FolderObjects(place).walk()) if place is not None else []
