"""The store of adapters: a folder, or a prefix on S3, that anybody's tools can read.

    <registry>/files/<sha256[:2]>/<sha256>               content, written before what names it
    <registry>/<domain>/versions/00000003/manifest.json  every file's hash and size, base, snapshot, report
    <registry>/<domain>/channels/<name>/00000001.json …  a log: the last entry is where the channel points

A version is there once its manifest is, which is created only if absent, and never changes. Publishing the same files
of the same run again gives the version that is there. Any number of publishers may work at a time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from registry import channels
from registry.card import card
from registry.channels import Channels, Entry
from registry.errors import ConfigurationError, RegistryError
from registry.identity import sha256_of_bytes
from registry.manifests import (
    CANARY,
    CARD,
    MANIFEST,
    WEIGHTS,
    Publication,
    content_hash,
    damaged,
    hashes,
    location,
    manifest_bytes,
    parsed,
    read_manifest,
    verify_folder,
    weights,
)
from registry.objects import objects_of
from registry.pulling import content_path, digest, switched, write_version
from registry.records import Adapter
from registry.settings import Settings
from registry.storage import remove_tree

__all__ = [
    "CANARY", "CANDIDATE", "CARD", "MANIFEST", "STABLE", "Publication", "Pulled", "Store", "content_hash", "hashes",
    "read_manifest", "verify_folder", "weights",
]  # fmt: skip

STABLE = "stable"
CANDIDATE = "candidate"
"""The channel of what `stable` must not move to unasked."""
_VERSION = re.compile(r"v?(\d+)")
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_FILES = "files"


@dataclass(frozen=True)
class Pulled:
    """What a pull did: the version that is there now, and whether it wasn't before."""

    adapter: Adapter
    path: Path
    changed: bool


class Store:
    """The adapters in one registry.

    Args:
        place: Its folder, which is made when something is published, or its URL.
        cache: Local folder for versions that are used; `adapters` in DRIFTUNE_HOME where null.
    """

    def __init__(self, place: Path | str, cache: Path | None = None) -> None:
        self.objects = objects_of(place)
        self.url = self.objects.url
        self._cache = cache
        self._manifests: dict[tuple[str, int], Adapter] = {}
        self._channels: dict[str, Channels] = {}

    def publish(self, folder: Path, publication: Publication, *, channel: str | None = STABLE) -> Adapter:
        """Publish an adapter, all or nothing, and move a channel to it.

        Args:
            folder: Where `adapter_config.json` and `adapter_model.safetensors` lie; nothing else is taken.
            publication: What is said of it.
            channel: The channel to move; none where null.

        Raises:
            ConfigurationError: The registry can't be written, or `folder` holds no adapter.
            RegistryError: The disk fails.
        """
        missing = [name for name in WEIGHTS if not (folder / name).is_file()]
        if missing:
            raise ConfigurationError(f"No adapter in {folder}: {missing[0]} is missing. Give a finished one")
        if not _DOMAIN.fullmatch(publication.domain) or publication.domain == _FILES:
            raise ConfigurationError(
                f"Nothing can be published as {publication.domain!r}: use letters, digits, dot, dash and underscore, "
                f"and not {_FILES!r}"
            )
        own = weights(folder)
        adapter = self._published(folder, own, publication) or self._add(folder, own, publication)
        if channel is not None:
            self._move(adapter.domain, channel, adapter.version, "publish")
        return adapter

    def domains(self) -> list[str]:
        """The domains that have an adapter, sorted."""
        return [name for name in self.objects.names("") if name != _FILES and self._last(name)]

    def versions(self, domain: str) -> list[Adapter]:
        """The versions of a domain, oldest first."""
        found = (self._manifest(domain, number) for number in self._numbers(domain))
        return [adapter for adapter in found if adapter is not None]

    def channels(self, domain: str) -> dict[str, int]:
        """Where each channel of a domain points."""
        own = self._channels_of(domain)
        return {name: own.history(name)[-1].version for name in own.names()} if _DOMAIN.fullmatch(domain) else {}

    def history(self, domain: str, channel: str) -> list[Entry]:
        """Every move of a channel, oldest first."""
        return self._channels_of(domain).history(channel)

    def promote(self, domain: str, version: int, channel: str, *, reason: str = "", by: str = "") -> Entry:
        """Move a channel to a version, and say in its log why and whose doing it is.

        Raises:
            ConfigurationError: There is no such version.
        """
        self.resolve(f"{domain}@v{version}")
        return self._move(domain, channel, version, "promote", reason, by)

    def rollback(self, domain: str, channel: str, to: int | None = None, *, reason: str = "", by: str = "") -> Entry:
        """Move a channel back to a version that it pointed to before the present one, and say why and by whom.

        A second one goes further back: what was rolled back from is not gone back to.

        Args:
            domain: The domain.
            channel: The channel.
            to: The version; the one before the present one where None.
            reason: Why.
            by: Whose doing it is.

        Raises:
            ConfigurationError: There is no such channel, or it pointed to no such version before.
            RegistryError: That version is damaged.
        """
        past = self.history(domain, channel)
        if not past:
            raise ConfigurationError(self._unknown(f"{domain}@{channel}", domain))
        *before, now = channels.line(past)
        if not before:
            raise ConfigurationError(
                f"Channel {domain}@{channel} holds v{now} and has held nothing before that it could go back to. To "
                f"move it to any version: driftune registry promote {domain}@vN {channel}"
            )
        if to is not None and to not in before:
            held = ", ".join(f"v{version}" for version in dict.fromkeys(before))
            raise ConfigurationError(
                f"Channel {domain}@{channel}, which holds v{now}, can't go back to v{to}: it has held {held} before. "
                f"To move it to any version: driftune registry promote {domain}@vN {channel}"
            )
        version = before[-1] if to is None else to
        self.verify(f"{domain}@v{version}")
        return self._move(domain, channel, version, channels.ROLLBACK, reason, by)

    def resolve(self, ref: str) -> Adapter:
        """The adapter that `networkx`, `networkx@stable`, `networkx@v3` or `networkx@3` means.

        Raises:
            ConfigurationError: There is none; the message lists what there is.
        """
        domain, _, name = ref.partition("@")
        name = name or STABLE
        match = _VERSION.fullmatch(name)
        if match is None:
            moves = self.history(domain, name) if _DOMAIN.fullmatch(domain) else []
            number = moves[-1].version if moves else None
        else:
            number = int(match[1])
        found = self._manifest(domain, number) if number is not None and _DOMAIN.fullmatch(domain) else None
        if found is None:
            raise ConfigurationError(self._unknown(ref, domain), ref=ref)
        return found

    def at(self, place: str) -> Adapter | None:
        """The version whose `location` is given; None where there is none (any more)."""
        domain, _, number = place.partition("/versions/")
        return self._manifest(domain, int(number)) if _DOMAIN.fullmatch(domain) and number.isdigit() else None

    def manifest(self, adapter: Adapter) -> bytes:
        """The bytes of a version's manifest, as they were written."""
        return self.objects.read(f"{location(adapter.domain, adapter.version)}/{MANIFEST}")

    def read(self, adapter: Adapter, name: str) -> bytes:
        """A small file of a version, as its card.

        Raises:
            ConfigurationError: The version has no such file.
            RegistryError: It is damaged.
        """
        sha256 = self._content(adapter, name)
        with contextlib.suppress(FileNotFoundError):
            data = self.objects.read(content_path(sha256))
            if sha256_of_bytes(data) == sha256:
                return data
            raise damaged(adapter, name, self.url, "was changed")
        raise damaged(adapter, name, self.url, "is missing")

    def file(self, adapter: Adapter, name: str) -> Path:
        """A local file with the bytes of a version's file, not hashed again; its name is another.

        Raises:
            ConfigurationError: The version has no such file.
            RegistryError: It is missing.
        """
        sha256 = self._content(adapter, name)
        path = self.objects.local(content_path(sha256))
        if path is not None:
            if not path.is_file():
                raise damaged(adapter, name, self.url, "is missing")
            return path
        return self.folder(adapter) / name

    def folder(self, adapter: Adapter) -> Path:
        """A local folder of a version with its files by name, every byte compared with the manifest. Don't write there.

        Raises:
            RegistryError: The version is damaged.
        """
        manifest = self.manifest(adapter)
        name = f"{adapter.domain}-v{adapter.version}-{sha256_of_bytes(manifest)[:16]}"
        target = (self._cache or Settings().root / "adapters") / name
        with contextlib.suppress(RegistryError):
            if target.is_dir():
                verify_folder(target, adapter)
                return target
        remove_tree(target)
        write_version(adapter, manifest, self._open, target)
        return target

    def verify(self, ref: str) -> Adapter:
        """Read every byte of a version again and compare it with its manifest.

        Raises:
            RegistryError: A file is missing or changed.
        """
        adapter = self.resolve(ref)
        self._manifests.pop((adapter.domain, adapter.version), None)
        adapter = self.resolve(f"{adapter.domain}@v{adapter.version}")
        for name, fault in self._faults(adapter).items():
            raise damaged(adapter, name, self.url, fault)
        return adapter

    def pull(self, ref: str, into: Path) -> Pulled:
        """Put a version where a user wants it; readers see the old one or the new one, never a mixture.

        `into` becomes a link to a folder beside it, and is switched by one rename. The version before stays for those
        who still read it; older ones are removed.

        Raises:
            ConfigurationError: `ref` is unknown, or `into` is something of the user's own, or can't be written.
            RegistryError: The stored version is damaged.
        """
        adapter = self.resolve(ref)
        name = f"{adapter.domain}-v{adapter.version}-{adapter.id[:12]}"
        changed = switched(into, name, lambda to: write_version(adapter, self.manifest(adapter), self._open, to))
        return Pulled(adapter, into.absolute(), changed)

    def holds(self, adapter: Adapter, own: Mapping[str, str]) -> bool:
        """Whether a version is whole, and has these weights: what `weights` gives of a folder."""
        return own.items() <= hashes(adapter).items() and not self._faults(adapter)

    def _published(self, folder: Path, own: Mapping[str, str], publication: Publication) -> Adapter | None:
        """The version that already holds these weights, of this run; where they were damaged they are written anew."""
        for adapter in self.versions(publication.domain):
            if adapter.run == publication.run and own.items() <= hashes(adapter).items():
                faults = self._faults(adapter)
                for name in own.keys() & faults.keys():
                    self.objects.put(content_path(own[name]), folder / name)
                if faults.keys() <= own.keys():
                    return adapter
        return None

    def _add(self, folder: Path, own: Mapping[str, str], publication: Publication) -> Adapter:
        files = [self._deposit(name, folder / name, sha256) for name, sha256 in own.items()]
        texts = {CANARY: json.dumps(list(publication.canary), sort_keys=True), **publication.notices}
        files += [self._deposit(name, text.encode()) for name, text in texts.items()]
        config = json.loads((folder / WEIGHTS[0]).read_bytes())
        while True:
            draft = publication.draft(self._last(publication.domain) + 1)
            about = self._deposit(CARD, card(draft, config).encode())
            adapter = dataclasses.replace(draft, files=tuple(sorted([*files, about], key=lambda f: str(f["path"]))))
            manifest = manifest_bytes(adapter)
            if self.objects.create(f"{adapter.location}/{MANIFEST}", manifest):
                return self._manifests.setdefault((adapter.domain, adapter.version), parsed(manifest, self.url))

    def _deposit(self, name: str, content: bytes | Path, sha256: str = "") -> dict[str, Any]:
        """Puts content where it belongs, if it isn't there, and gives its line in the manifest."""
        sha256 = sha256 or sha256_of_bytes(content if isinstance(content, bytes) else content.read_bytes())
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        there = self.objects.stat(content_path(sha256))
        if there is None or there.size != size:
            self.objects.put(content_path(sha256), content)
        return {"path": name, "sha256": sha256, "size": size}

    def _faults(self, adapter: Adapter) -> dict[str, str]:
        """What is wrong with the files of a version, by name."""
        found = {}
        for name, sha256 in hashes(adapter).items():
            try:
                if digest(self._open(sha256)) != sha256:
                    found[name] = "was changed"
            except FileNotFoundError:
                found[name] = "is missing"
        return found

    def _open(self, sha256: str) -> BinaryIO:
        return self.objects.open(content_path(sha256))

    def _content(self, adapter: Adapter, name: str) -> str:
        own = hashes(adapter)
        if name not in own:
            listed = ", ".join(sorted(own))
            raise ConfigurationError(f"{adapter.domain} v{adapter.version} has no file {name!r}: it has {listed}")
        return own[name]

    def _manifest(self, domain: str, number: int) -> Adapter | None:
        """A version, read but once; None where there is none."""
        if (known := self._manifests.get((domain, number))) is not None:
            return known
        place = location(domain, number)
        try:
            adapter = parsed(self.objects.read(f"{place}/{MANIFEST}"), f"{self.url}/{place}")
        except FileNotFoundError:
            return None
        if (adapter.domain, adapter.version) != (domain, number):
            raise RegistryError(
                f"The manifest in {self.url}/{place} is that of {adapter.domain} v{adapter.version}: it was put there"
            )
        return self._manifests.setdefault((domain, number), adapter)

    def _last(self, domain: str) -> int:
        """The number of the newest version; 0 where there is none."""
        return next((n for n in reversed(self._numbers(domain)) if self._manifest(domain, n) is not None), 0)

    def _numbers(self, domain: str) -> list[int]:
        """The numbers that versions have, or that somebody has begun to make."""
        if not _DOMAIN.fullmatch(domain):
            return []
        found = sorted(int(name) for name in self.objects.names(f"{domain}/versions") if name.isdigit())
        if not found and any(re.fullmatch(r"v\d+", name) for name in self.objects.names(domain)):
            raise ConfigurationError(
                f"The adapters of {domain} in {self.url} lie as an earlier driftune put them: move that folder away, "
                f"then run driftune run {domain}, which publishes its adapter again"
            )
        return found

    def _move(self, domain: str, channel: str, version: int, action: str, reason: str = "", by: str = "") -> Entry:
        past = self.history(domain, channel)
        if past and past[-1].version == version:
            return past[-1]
        return self._channels_of(domain).append(channel, version, action, reason, by)

    def _channels_of(self, domain: str) -> Channels:
        return self._channels.setdefault(domain, Channels(self.objects, domain))

    def _unknown(self, ref: str, domain: str) -> str:
        versions = [adapter.version for adapter in self.versions(domain)]
        if not versions:
            known = ", ".join(self.domains()) or "none yet"
            return f"No adapter {ref!r} in {self.url}: domains with one: {known}. Publish with: driftune run {domain}"
        named = ", ".join(f"{name} (v{number})" for name, number in self.channels(domain).items())
        listed = ", ".join(f"v{number}" for number in versions)
        return f"No adapter {ref!r} in {self.url}: {domain} has {listed}; channels: {named or 'none'}"
