"""The store of adapters: a folder that anybody's tools can read.

    <registry>/<domain>/v<N>/            adapter_config.json, adapter_model.safetensors, README.md, canary.json …
    <registry>/<domain>/v<N>/manifest.json   written last: every file's hash and size, base, snapshot, report
    <registry>/<domain>/channels/<name>/00000001.json …   a log: the last entry is where the channel points

A version is immutable: it appears whole, by one rename, and never changes. Publishing the same files of the same run
again gives the version that is there. Any number of publishers may work at a time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rfc8785

from registry import channels
from registry.card import card
from registry.channels import Entry
from registry.errors import ConfigurationError, RegistryError
from registry.identity import sha256_of, sha256_of_file
from registry.records import Adapter, Report
from registry.storage import remove_tree, storage, write_file

MANIFEST = "manifest.json"
CARD = "README.md"
CANARY = "canary.json"
STABLE = "stable"
CANDIDATE = "candidate"
"""The channel of what `stable` must not move to unasked."""
_WEIGHTS = ("adapter_config.json", "adapter_model.safetensors")
_VERSION = re.compile(r"v?(\d+)")


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What is said of an adapter when it is published; the fields are `Adapter`'s.

    Attributes:
        canary: Token ids with their log-probability under the adapter; see `registry.client`.
        notices: Further files to travel with it: {name: text}, as licence texts.
        reports: The gate's rows.
    """

    domain: str
    library_range: str
    base: str
    base_revision: str
    fingerprint: str
    snapshot: str
    run: str
    licences: tuple[str, ...] = ()
    reports: tuple[Report, ...] = ()
    canary: tuple[Mapping[str, Any], ...] = ()
    notices: Mapping[str, str] = field(default_factory=dict)
    started_from: str | None = None
    written: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Pulled:
    """What a pull did: the version that is there now, and whether it wasn't before."""

    adapter: Adapter
    path: Path
    changed: bool


class Store:
    """The adapters in one registry folder.

    Args:
        root: The folder; it is made when something is published.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

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
        missing = [name for name in _WEIGHTS if not (folder / name).is_file()]
        if missing:
            raise ConfigurationError(f"No adapter in {folder}: {missing[0]} is missing. Give a finished one")
        adapter = self._published(folder, publication) or self._add(folder, publication)
        if channel is not None:
            self._move(adapter.domain, channel, adapter.version, "publish")
        return adapter

    def domains(self) -> list[str]:
        """The domains that have an adapter, sorted."""
        return sorted({path.parent.parent.name for path in self.root.glob(f"*/v*/{MANIFEST}")})

    def versions(self, domain: str) -> list[Adapter]:
        """The versions of a domain, oldest first."""
        found = [read_manifest(path.parent) for path in self.root.glob(f"{domain}/v*/{MANIFEST}")]
        return sorted(found, key=lambda a: a.version)

    def channels(self, domain: str) -> dict[str, int]:
        """Where each channel of a domain points."""
        folder = self._channels(domain)
        return {name: self.history(domain, name)[-1].version for name in channels.names(folder)}

    def history(self, domain: str, channel: str) -> list[Entry]:
        """Every move of a channel, oldest first."""
        return channels.history(self._channels(domain), channel)

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
            raise ConfigurationError(self._unknown(f"{domain}@{channel}", domain, self._numbers(domain)))
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
        versions = {a.version: a for a in self.versions(domain)}
        if match is None:
            moves = self.history(domain, name)
            number = moves[-1].version if moves else None
        else:
            number = int(match[1])
        if number is None or number not in versions:
            raise ConfigurationError(self._unknown(ref, domain, versions), ref=ref)
        return versions[number]

    def folder(self, adapter: Adapter) -> Path:
        """The folder of a version."""
        return self.root / adapter.domain / f"v{adapter.version}"

    def verify(self, ref: str) -> Adapter:
        """Read every byte of a version again and compare it with its manifest.

        Raises:
            RegistryError: A file is missing, changed or one too many.
        """
        adapter = self.resolve(ref)
        verify_folder(self.folder(adapter), adapter)
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
        into = into.absolute()
        target = into.with_name(f".{into.name}.{adapter.domain}-v{adapter.version}-{adapter.id[:12]}")
        before = into.readlink().name if into.is_symlink() else None
        if before == target.name and target.is_dir():
            return Pulled(adapter, into, changed=False)
        if before is None and into.exists() and (not into.is_dir() or any(into.iterdir())):
            raise ConfigurationError(f"Can't pull into {into}: it exists and isn't ours. Choose a new or empty folder")
        with storage("the adapter", into):
            if not target.is_dir():
                self._copy(adapter, target)
            _switch(into, target.name)
            for old in into.parent.glob(f".{into.name}.*-v*-*"):
                if old.name not in (target.name, before):
                    remove_tree(old)
        return Pulled(adapter, into, changed=True)

    def _copy(self, adapter: Adapter, target: Path) -> None:
        part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copytree(self.folder(adapter), part)
            verify_folder(part, adapter)
            with contextlib.suppress(FileExistsError):
                _rename_new(part, target)
        finally:
            remove_tree(part)

    def _published(self, folder: Path, publication: Publication) -> Adapter | None:
        """The version that already holds these weights, of this run, whole."""
        own = (adapter for adapter in self.versions(publication.domain) if adapter.run == publication.run)
        return next((adapter for adapter in own if self.holds(adapter, folder)), None)

    def holds(self, adapter: Adapter, folder: Path) -> bool:
        """Whether a version is the adapter in a folder, whole: a damaged one is published again, as a further one."""
        held = hashes(adapter)
        if any(held.get(name) != sha256_of_file(folder / name) for name in _WEIGHTS):
            return False
        with contextlib.suppress(RegistryError):
            verify_folder(self.folder(adapter), adapter)
            return True
        return False

    def _add(self, folder: Path, publication: Publication) -> Adapter:
        home = self.root / publication.domain
        part = home / f".publishing-{secrets.token_hex(8)}"
        with storage("the registry", self.root):
            part.mkdir(parents=True)
            try:
                for name in _WEIGHTS:
                    write_file(part / name, (folder / name).read_bytes())
                extra = {CANARY: json.dumps(list(publication.canary), sort_keys=True), **publication.notices}
                for name, text in sorted(extra.items()):
                    write_file(part / name, text.encode())
                while True:
                    last = max((_number(path) for path in home.glob("v*")), default=0)
                    adapter = self._describe(part, publication, last + 1)
                    with contextlib.suppress(FileExistsError):
                        _rename_new(part, home / f"v{last + 1}")
                        _sync(home)
                        return adapter
            finally:
                remove_tree(part)

    def _describe(self, part: Path, publication: Publication, version: int) -> Adapter:
        """Write card and manifest into a version that is being made."""
        facts = {
            f.name: getattr(publication, f.name)
            for f in dataclasses.fields(publication)
            if f.name not in ("reports", "canary", "notices")
        }
        draft = Adapter(
            **facts,
            version=version,
            files=(),
            report=report_table(publication.reports),
            location=f"{publication.domain}/v{version}",
        )
        write_file(part / CARD, card(draft, json.loads((part / _WEIGHTS[0]).read_bytes())).encode())
        adapter = dataclasses.replace(draft, files=_listing(part))
        columns = {f.name: getattr(adapter, f.name) for f in dataclasses.fields(adapter)}
        write_file(part / MANIFEST, rfc8785.dumps({"id": adapter.id, "adapter": columns}))
        return adapter

    def _move(self, domain: str, channel: str, version: int, action: str, reason: str = "", by: str = "") -> Entry:
        past = self.history(domain, channel)
        if past and past[-1].version == version:
            return past[-1]
        return channels.append(self._channels(domain), channel, version, action, reason, by)

    def _channels(self, domain: str) -> Path:
        return self.root / domain / "channels"

    def _numbers(self, domain: str) -> list[int]:
        return [adapter.version for adapter in self.versions(domain)]

    def _unknown(self, ref: str, domain: str, versions: Iterable[int]) -> str:
        if not versions:
            known = ", ".join(self.domains()) or "none yet"
            return f"No adapter {ref!r} in {self.root}: domains with one: {known}. Publish with: driftune run {domain}"
        named = ", ".join(f"{name} (v{number})" for name, number in self.channels(domain).items())
        listed = ", ".join(f"v{number}" for number in versions)
        return f"No adapter {ref!r} in {self.root}: {domain} has {listed}; channels: {named or 'none'}"


def read_manifest(folder: Path) -> Adapter:
    """The adapter that a version's folder (also a pulled one) holds.

    Raises:
        RegistryError: There is no manifest, or it isn't what was written.
    """
    try:
        held = json.loads((folder / MANIFEST).read_bytes())
        columns = {**held["adapter"], "licences": tuple(held["adapter"]["licences"])}
        adapter = Adapter(**columns)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"No readable {MANIFEST} in {folder}: {error}. Pull the adapter again") from error
    if adapter.id != held["id"]:
        raise RegistryError(f"The manifest in {folder} was changed: its id is {adapter.id}, it says {held['id']}")
    return adapter


def verify_folder(folder: Path, adapter: Adapter) -> None:
    """Compare every file of a version's folder with its manifest.

    Raises:
        RegistryError: A file is missing, changed or one too many.
    """
    wanted = hashes(adapter)
    there = {f["path"]: f["sha256"] for f in _listing(folder)}
    for path in sorted({*wanted, *there}):
        if wanted.get(path) != there.get(path):
            fault = "is missing" if path not in there else "was changed" if path in wanted else "doesn't belong there"
            name = f"{adapter.domain} v{adapter.version}"
            raise RegistryError(f"{name} is damaged: {path} in {folder} {fault}. Publish or pull it again", path=path)


def hashes(adapter: Adapter) -> dict[str, str]:
    """The SHA-256 of each file of a version, by its path."""
    return {str(f["path"]): str(f["sha256"]) for f in adapter.files if isinstance(f, Mapping)}


def content_hash(folder: Path) -> str:
    """One hash over an adapter's config and weights: what `Run.adapter_sha256` holds."""
    return sha256_of([[name, sha256_of_file(folder / name)] for name in _WEIGHTS])


def report_table(reports: Iterable[Report]) -> dict[str, Any]:
    """The gate's rows as `Adapter.report` keeps them."""
    rows = sorted(reports, key=lambda r: (r.split, r.metric, r.arm))
    if not rows:
        return {}
    names = ("arm", "split", "metric", "value", "ci_low", "ci_high", "p", "n", "clusters")
    table = [{name: getattr(row, name) for name in names} for row in rows]
    return {"decision": rows[0].decision, "reason": rows[0].reason, "rows": table}


def _listing(folder: Path) -> list[dict[str, Any]]:
    return [
        {"path": path.relative_to(folder).as_posix(), "sha256": sha256_of_file(path), "size": path.stat().st_size}
        for path in sorted(_files(folder))
    ]


def _files(folder: Path) -> Iterator[Path]:
    """The files of a version, but its manifest."""
    return (path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)


def _number(path: Path) -> int:
    match = _VERSION.fullmatch(path.name)
    return int(match[1]) if match else 0


def _rename_new(part: Path, target: Path) -> None:
    """Rename a folder to a name that isn't taken.

    Raises:
        FileExistsError: It is taken.
    """
    try:
        part.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(target) from error
        raise


def _switch(link: Path, target: str) -> None:
    """Point `link` to `target` beside it, by one rename."""
    fresh = link.with_name(f".{link.name}.{secrets.token_hex(4)}.link")
    fresh.symlink_to(target, target_is_directory=True)
    try:
        if link.is_dir() and not link.is_symlink():
            link.rmdir()
        fresh.replace(link)
    finally:
        fresh.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
