"""What a registry has: versions, what its channels give, and how to use them. Nothing is written there."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from registry import channels
from registry.channels import Channels, Entry
from registry.errors import ConfigurationError, RegistryError, TrustError
from registry.identity import sha256_of, sha256_of_bytes
from registry.manifests import MANIFEST, damaged, verify_folder
from registry.objects import objects_of
from registry.pulling import is_whole, switched, write_version
from registry.records import Adapter
from registry.settings import Settings
from registry.standing import Standing, Standings
from registry.storage import remove_tree
from registry.trust import Trust
from registry.versions import Versions, is_domain

STABLE = "stable"
CANDIDATE = "candidate"
"""The channel of what `stable` must not move to unasked."""
VERSION = re.compile(r"v?([0-9]{1,8})")
_LISTED = 20
"""Versions that a message lists one by one."""


@dataclass(frozen=True)
class Pulled:
    """What a pull did: the version that is there now, and whether it wasn't before."""

    adapter: Adapter
    path: Path
    changed: bool


class Published:
    """The adapters in one registry, for whoever uses them.

    Args:
        place: Its folder, or its URL.
        cache: Local folder for versions that are used; `adapters` in DRIFTUNE_HOME where null.
        checks: Whether it is checked who vouches for what is resolved, used or pulled. A server passes on what it
            holds, and whoever pulls from it checks.
    """

    def __init__(self, place: Path | str, cache: Path | None = None, *, checks: bool = True) -> None:
        self.objects = objects_of(place)
        self.url = self.objects.url
        self.trust = Trust(self.objects)
        self._cache, self._checks = cache, checks
        self._versions = Versions(self.objects, self.trust)
        self._channels: dict[str, Channels] = {}
        self._standings: dict[str, Standings] = {}
        self._hashed: dict[tuple[str, str], tuple[Path, tuple[int, ...]]] = {}

    def domains(self) -> list[str]:
        """The domains that have an adapter, sorted."""
        return self._versions.domains()

    def versions(self, domain: str) -> list[Adapter]:
        """The versions of a domain, oldest first, those that are yanked too."""
        return self._versions.of(domain)

    def at(self, place: str) -> Adapter | None:
        """The version whose `location` is given; None where there is none (any more)."""
        domain, _, number = place.partition("/versions/")
        return self._versions.get(domain, int(number)) if number.isdigit() else None

    def channel_names(self, domain: str) -> list[str]:
        """The channels of a domain that have been moved, those too that give nothing any more; sorted."""
        with self._of_today(domain):
            return self._channels_of(domain).names() if is_domain(domain) else []

    def channels(self, domain: str) -> dict[str, int]:
        """The version that each channel of a domain gives; those that give none are left out."""
        found = {name: self.given(domain, name) for name in self.channel_names(domain)}
        return {name: version for name, version in found.items() if version is not None}

    def history(self, domain: str, channel: str) -> list[Entry]:
        """Every move of a channel, oldest first."""
        with self._of_today(domain):
            return self._channels_of(domain).history(channel) if is_domain(domain) else []

    def given(self, domain: str, channel: str, who: str = "") -> int | None:
        """The version that a channel gives: the last that isn't yanked, and is for all or for a share `who` is in."""
        return channels.given(self._line(domain, channel), domain, who)

    def held(self, domain: str, channel: str) -> list[Entry]:
        """The moves that a channel came to where it is by, oldest first, to versions that haven't left since."""
        there = set(self._versions.numbers(domain))
        return [move for move in self._line(domain, channel) if move.version in there]

    def standing(self, domain: str) -> list[Standing]:
        """All that was said of a domain's versions, oldest first: of yanks and of the end of their life."""
        return self._standings_of(domain).history()

    def yanked(self, domain: str) -> dict[int, Standing]:
        """The versions of a domain that are yanked, and why."""
        return self._standings_of(domain).yanked()

    def ended(self, domain: str) -> dict[int, Standing]:
        """The versions of a domain that aren't cared for any more, and why; 0 stands for the domain."""
        return self._standings_of(domain).ended()

    def resolve(self, ref: str, *, who: str = "", yanked: bool = False) -> Adapter:
        """The adapter that `networkx`, `networkx@stable`, `networkx@v3` or `networkx@3` means.

        Args:
            ref: The reference.
            who: Who asks: where a channel moves for a share of those who follow it, that decides what it gives.
            yanked: Take a version that is named by its number also where it is yanked.

        Raises:
            ConfigurationError: There is none, and the message lists what there is; or it is yanked.
            TrustError: Nobody who is trusted vouches for what is to be followed.
        """
        domain, _, name = ref.partition("@")
        match = VERSION.fullmatch(name or STABLE)
        number = int(match[1]) if match is not None else self.given(domain, name or STABLE, who)
        found = self._versions.get(domain, number) if number is not None else None
        if found is None:
            raise ConfigurationError(self._unknown(ref, domain), ref=ref)
        if match is None:
            self._check_same(found, name or STABLE)
        if not yanked:
            self._check_yanked(found)
        return found

    def _check_same(self, adapter: Adapter, channel: str) -> None:
        """Checks that a channel was moved to this very version, and not to another that had its number."""
        moves = [move for move in self.history(adapter.domain, channel) if move.version == adapter.version]
        if moves and moves[-1].manifest not in ("", self._versions.manifest_hash(adapter.domain, adapter.version)):
            raise TrustError(
                f"{self.url} holds another {adapter.domain} v{adapter.version} than {channel} was moved to: it was "
                "exchanged",
                fault="swapped",
            )

    def vouched(self, adapter: Adapter) -> dict[str, bytes]:
        """What lies beside a version's files where it is used: its manifest, and who vouches for that, if it is asked.

        Raises:
            RegistryError: It isn't what was resolved.
            TrustError: Nobody who is trusted vouches for it.
        """
        manifest = self.manifest(adapter)
        what = f"The manifest of {adapter.domain} v{adapter.version}"
        seal = self.trust.seal(adapter.domain, manifest, what) if self._checks else None
        return {MANIFEST: manifest, **self.trust.travelling(seal)}

    def manifest(self, adapter: Adapter) -> bytes:
        """The bytes of a version's manifest, as they were written."""
        return self._versions.manifest(adapter)

    def read(self, adapter: Adapter, name: str) -> bytes:
        """A small file of a version, as its card.

        Raises:
            ConfigurationError: The version has no such file.
            RegistryError: It is damaged.
        """
        return self._versions.read(adapter, name)

    def file(self, adapter: Adapter, name: str) -> Path:
        """A local file with the bytes of a version's file.

        Of a registry on this machine it is not hashed again; nor is what a server holds of another, while it lies as
        it was hashed: else each piece that is asked for would read the whole version.

        Raises:
            ConfigurationError: The version has no such file.
            RegistryError: It is missing.
        """
        path = self._versions.local(adapter, name)
        if path is None:
            path, hashed = self._hashed.get((adapter.id, name), (None, None))
            if self._checks or path is None or _lying(path) != hashed:
                path = self.folder(adapter) / name
                self._hashed[adapter.id, name] = path, _lying(path)
        return path

    def folder(self, adapter: Adapter) -> Path:
        """A local folder of a version with its files by name, every byte compared with the manifest. Don't write there.

        Raises:
            RegistryError: The version is damaged.
            TrustError: Nobody who is trusted vouches for it, or something in it may not be in an adapter.
        """
        beside = self.vouched(adapter)
        target = (self._cache or Settings().root / "adapters") / _called(adapter, beside)
        with contextlib.suppress(RegistryError):
            if target.is_dir():
                verify_folder(target, adapter)
                return target
        remove_tree(target)
        write_version(adapter, beside, self._versions.open, target)
        return target

    def verify(self, ref: str) -> Adapter:
        """Read every byte of a version again and compare it with its manifest.

        Raises:
            ConfigurationError: There is no such version.
            RegistryError: A file is missing or changed.
            TrustError: Nobody who is trusted vouches for it.
        """
        named = self.resolve(ref, yanked=True)
        adapter = self._versions.get(named.domain, named.version, fresh=True)
        if adapter is None:  # it left since it was read
            raise ConfigurationError(self._unknown(ref, named.domain), ref=ref)
        for name, fault in self._versions.faults(adapter).items():
            raise damaged(adapter, name, self.url, fault)
        self.vouched(adapter)
        return adapter

    def pull(self, ref: str, into: Path, *, who: str = "", yanked: bool = False) -> Pulled:
        """Put a version where a user wants it; readers see the old one or the new one, never a mixture.

        `into` becomes a link to a folder beside it, and is switched by one rename. The version before stays for those
        who still read it; older ones are removed.

        Args:
            ref: What `resolve` takes.
            into: The folder.
            who: As for `resolve`.
            yanked: As for `resolve`.

        Raises:
            ConfigurationError: `ref` is unknown, or `into` is something of the user's own, or can't be written.
            RegistryError: The stored version is damaged.
            TrustError: Nobody who is trusted vouches for it, or something in it may not be in an adapter.
        """
        adapter = self.resolve(ref, who=who, yanked=yanked)
        beside, content = self.vouched(adapter), self._versions.open
        changed = switched(
            into,
            _called(adapter, beside),
            lambda to: write_version(adapter, beside, content, to),
            lambda there: is_whole(adapter, beside, there),
        )
        return Pulled(adapter, into.absolute(), changed)

    def _check_yanked(self, adapter: Adapter) -> None:
        said = self.yanked(adapter.domain).get(adapter.version)
        if said is not None:
            raise ConfigurationError(
                f"{adapter.domain} v{adapter.version} is yanked since {said.at}{f' by {said.by}' if said.by else ''}: "
                f"{said.reason}. Take another version; driftune registry pull --yanked takes it all the same",
                yanked=adapter.version,
            )

    def _line(self, domain: str, channel: str) -> list[Entry]:
        if not is_domain(domain):
            return []
        return channels.line(self.history(domain, channel), self.yanked(domain))

    @contextlib.contextmanager
    def _of_today(self, domain: str) -> Iterator[None]:
        """Tells a log that an earlier driftune wrote as that, and not as broken."""
        try:
            yield
        except RegistryError:
            self._versions.numbers(domain)
            raise

    def _channels_of(self, domain: str) -> Channels:
        return self._channels.setdefault(
            domain,
            Channels(
                self.objects,
                domain,
                self.trust,
                lambda number: self._versions.manifest_hash(domain, number),
                checked=self._checks,
            ),
        )

    def _standings_of(self, domain: str) -> Standings:
        return self._standings.setdefault(domain, Standings(self.objects, domain, self.trust, checked=self._checks))

    def _unknown(self, ref: str, domain: str) -> str:
        versions = [adapter.version for adapter in self.versions(domain)]
        if not versions:
            known = ", ".join(self.domains()) or "none yet"
            advice = f"Publish with: driftune run {domain}"
            if self.url.startswith(("http://", "https://")):
                advice = "One that is private is seen by those alone whose DRIFTUNE_TOKEN is for it"
            return f"No adapter {ref!r} in {self.url}: domains with one: {known}. {advice}"
        named = ", ".join(f"{name} (v{number})" for name, number in self.channels(domain).items())
        several = len(versions) > _LISTED
        listed = f"v{versions[0]} … v{versions[-1]}" if several else ", ".join(f"v{number}" for number in versions)
        return f"No adapter {ref!r} in {self.url}: {domain} has {listed}; channels: {named or 'none'}"


def _lying(path: Path) -> tuple[int, ...]:
    """What no write leaves as it is; nothing where the file is gone."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return ()


def _called(adapter: Adapter, beside: Mapping[str, bytes]) -> str:
    """The name of a local folder of a version: another one where its manifest is, or who vouches for that."""
    told = sha256_of(sorted(sha256_of_bytes(data) for data in beside.values()))
    return f"{adapter.domain}-v{adapter.version}-{told[:16]}"
