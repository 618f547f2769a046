"""The versions of a registry: manifests that never change, and the content they name."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from registry.errors import ConfigurationError, RegistryError, TrustError
from registry.identity import sha256_of_bytes, sha256_of_file
from registry.manifests import MANIFEST, MAX_MANIFEST, damaged, hashes, location, manifest_bytes, parsed
from registry.objects import Objects, small
from registry.pulling import content_path, digest
from registry.records import Adapter
from registry.trust import MARK, Trust

CONTENT = "files"
"""A name directly below a registry that is no domain's, as that of what the registry says of itself isn't."""
MOST = 100_000
"""Versions of a domain, at most: a hostile registry lists millions, and each is asked for."""

_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NUMBER = re.compile(r"[0-9]{8}")
_FORMER = re.compile(r"v\d+")


def is_domain(name: str) -> bool:
    """Whether something can be published under a name."""
    return _DOMAIN.fullmatch(name) is not None and name not in (CONTENT, MARK)


@dataclass(frozen=True)
class Hashed:
    """A file, its hash, and by what it is told whether it was changed since: it isn't hashed a second time.

    Attributes:
        path: The file.
        sha256: Its hash.
        size: In bytes.
        time: When it was changed last, in nanoseconds.
    """

    path: Path
    sha256: str
    size: int
    time: int

    @classmethod
    def of(cls, path: Path) -> Hashed:
        """A file as it is now."""
        about = path.stat()  # before its bytes are read
        return cls(path, sha256_of_file(path), about.st_size, about.st_mtime_ns)

    @property
    def unchanged(self) -> bool:
        """Whether it seems to be as it was hashed."""
        about = self.path.stat()
        return (about.st_size, about.st_mtime_ns) == (self.size, self.time)


class Versions:
    """What is published; a manifest is read but once.

    Args:
        objects: The registry's.
        trust: Who signs what is published; what the environment says where null.
    """

    def __init__(self, objects: Objects, trust: Trust | None = None) -> None:
        self._objects, self._trust = objects, trust or Trust(objects)
        self._known: dict[tuple[str, int], Adapter] = {}
        self._hashes: dict[tuple[str, int], str] = {}

    def domains(self) -> list[str]:
        """The domains that have a version, sorted; one that can't be read is no reason not to tell of the others."""
        return [name for name in self._objects.names("") if self._has_any(name)]

    def _has_any(self, domain: str) -> bool:
        try:
            return self.newest(domain) > 0
        except RegistryError:
            return True

    def of(self, domain: str) -> list[Adapter]:
        """The versions of a domain, oldest first."""
        found = (self.get(domain, number) for number in self.numbers(domain))
        return [adapter for adapter in found if adapter is not None]

    def newest(self, domain: str) -> int:
        """The number of a domain's newest version; 0 where there is none."""
        return next((n for n in reversed(self.numbers(domain)) if self.get(domain, n) is not None), 0)

    def numbers(self, domain: str) -> list[int]:
        """The numbers that versions of a domain have, or that somebody has begun to make.

        Raises:
            RegistryError: They lie there as an earlier driftune put them.
        """
        if not is_domain(domain):
            return []
        found = sorted(int(name) for name in self._objects.names(f"{domain}/versions") if _NUMBER.fullmatch(name))
        if len(found) > MOST:
            raise RegistryError(f"{self._objects.url} lists {len(found):,} versions of {domain}, and {MOST:,} are most")
        if not found and any(_FORMER.fullmatch(name) for name in self._objects.names(domain)):
            raise RegistryError(
                f"The adapters of {domain} in {self._objects.url} lie as an earlier driftune put them: see what "
                "would change with driftune migrate --dry-run, then run driftune migrate"
            )
        return found

    def get(self, domain: str, number: int, *, fresh: bool = False) -> Adapter | None:
        """A version; None where there is none.

        Args:
            domain: The domain.
            number: The version's number.
            fresh: Read the manifest again.

        Raises:
            RegistryError: Its manifest isn't what was written.
            TrustError: It is another's.
        """
        known = self._known.get((domain, number))
        if (known is not None and not fresh) or not is_domain(domain):
            return known
        place = location(domain, number)
        try:
            manifest = small(self._objects, f"{place}/{MANIFEST}", MAX_MANIFEST)
            adapter = parsed(manifest, f"{self._objects.url}/{place}")
        except FileNotFoundError:
            self._known.pop((domain, number), None)
            return None
        if (adapter.domain, adapter.version) != (domain, number):
            raise TrustError(
                f"The manifest in {self._objects.url}/{place} is that of {adapter.domain} v{adapter.version}: it was "
                "put there",
                fault="swapped",
            )
        self._hashes[domain, number] = sha256_of_bytes(manifest)
        self._known[domain, number] = adapter
        return adapter

    def manifest_hash(self, domain: str, number: int) -> str:
        """The SHA-256 of a version's manifest as it was read; empty where there is no such version."""
        return self._hashes[domain, number] if self.get(domain, number) is not None else ""

    def manifest(self, adapter: Adapter) -> bytes:
        """The bytes of a version's manifest, as they were written.

        Raises:
            RegistryError: It is gone.
            TrustError: It isn't that of this adapter.
        """
        path = f"{location(adapter.domain, adapter.version)}/{MANIFEST}"
        try:
            manifest = small(self._objects, path, MAX_MANIFEST)
        except FileNotFoundError as error:
            raise RegistryError(f"{path} isn't in {self._objects.url} any more", path=path, fault="missing") from error
        if manifest_bytes(parsed(manifest, path)) != manifest_bytes(adapter):  # it may lack what records have now
            raise TrustError(f"{path} in {self._objects.url} was changed since it was read", path=path, fault="swapped")
        return manifest

    def create(self, adapter: Adapter) -> Adapter | None:
        """Publish a version whose content is there; None where another has taken its number.

        Raises:
            ConfigurationError: It has to be signed, and there is no key.
        """
        manifest = manifest_bytes(adapter)
        found = parsed(manifest, self._objects.url)  # what nobody could read isn't published
        self._trust.vouch(adapter.domain, manifest)
        if not self._objects.create(f"{location(adapter.domain, adapter.version)}/{MANIFEST}", manifest):
            return None
        self._hashes[adapter.domain, adapter.version] = sha256_of_bytes(manifest)
        self._known[adapter.domain, adapter.version] = found
        return found

    def deposit(self, name: str, content: bytes | Hashed) -> dict[str, Any]:
        """Put content where it belongs, if it isn't there, or was damaged since.

        Args:
            name: What a version calls it.
            content: The bytes, or the file.

        Returns:
            Its line in the manifest.

        Raises:
            ConfigurationError: The file was changed since it was hashed.
        """
        if isinstance(content, bytes):
            sha256, size = sha256_of_bytes(content), len(content)
        else:
            sha256, size = content.sha256, content.size
        if not self._is_intact(sha256, size):
            self.mend(content, sha256)
        return {"path": name, "sha256": sha256, "size": size}

    def _is_intact(self, sha256: str, size: int) -> bool:
        stored = self._objects.stat(content_path(sha256))
        return stored is not None and stored.size == size and digest(self.open(sha256, size)) == sha256

    def mend(self, content: bytes | Hashed, sha256: str) -> None:
        """Write content, also where it is already: it may have been damaged.

        Raises:
            ConfigurationError: The file was changed since it was hashed; what was written of it is gone.
        """
        path = content_path(sha256)
        if isinstance(content, bytes):
            self._objects.put(path, content)
            return
        self._objects.put(path, content.path)
        if not content.unchanged:
            self._objects.delete(path)
            raise ConfigurationError(f"{content.path} was changed while it was published: publish when it is finished")

    def open(self, sha256: str, size: int) -> BinaryIO:
        """Content of a size, to be read piece by piece.

        Raises:
            FileNotFoundError: It isn't there.
        """
        return self._objects.open(content_path(sha256), size)

    def faults(self, adapter: Adapter) -> dict[str, str]:
        """What is wrong with the files of a version, by name: every byte is read."""
        found = {}
        for row in adapter.files:
            name, sha256 = str(row["path"]), str(row["sha256"])
            try:
                stored = self._objects.stat(content_path(sha256))
                told = digest(self.open(sha256, int(row["size"])))
                if told != sha256 or stored is None or stored.size != row["size"]:
                    found[name] = "was changed"
            except FileNotFoundError:
                found[name] = "is missing"
        return found

    def read(self, adapter: Adapter, name: str) -> bytes:
        """A small file of a version, as its card.

        Raises:
            ConfigurationError: The version has no such file.
            RegistryError: It is damaged.
        """
        sha256 = self.sha256(adapter, name)
        with contextlib.suppress(FileNotFoundError):
            size = next(int(row["size"]) for row in adapter.files if row["path"] == name)
            data = self._objects.read(content_path(sha256), size)
            if sha256_of_bytes(data) == sha256:
                return data
            raise damaged(adapter, name, self._objects.url, "was changed")
        raise damaged(adapter, name, self._objects.url, "is missing")

    def local(self, adapter: Adapter, name: str) -> Path | None:
        """The local file that a version's file is, by another name; None where it is elsewhere.

        Raises:
            ConfigurationError: The version has no such file.
            RegistryError: It is missing.
        """
        path = self._objects.local(content_path(self.sha256(adapter, name)))
        if path is not None and not path.is_file():
            raise damaged(adapter, name, self._objects.url, "is missing")
        return path

    def sha256(self, adapter: Adapter, name: str) -> str:
        """The hash of a version's file.

        Raises:
            ConfigurationError: The version has no such file.
        """
        own = hashes(adapter)
        if name not in own:
            listed = ", ".join(sorted(own))
            raise ConfigurationError(f"{adapter.domain} v{adapter.version} has no file {name!r}: it has {listed}")
        return own[name]
