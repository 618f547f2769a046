"""The store of adapters: a folder, or a prefix on S3, that anybody's tools can read.

    <registry>/files/<sha256[:2]>/<sha256>               content, written before what names it
    <registry>/<domain>/versions/00000003/manifest.json  every file's hash and size, base, snapshot, report
    <registry>/<domain>/channels/<name>/00000001.json …  a log: the last entry is where the channel points
    <registry>/<domain>/standing/00000001.json …         a log: versions that are yanked, or not cared for any more

A version is there once its manifest is, which is created only if absent, and never changes. Publishing the same files
of the same run again gives the version that is there. Any number of publishers may work at a time.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from registry.card import card
from registry.contents import check_file, check_text
from registry.errors import ConfigurationError, RegistryError
from registry.manifests import (
    CANARY,
    CARD,
    MANIFEST,
    WEIGHTS,
    Publication,
    content_hash,
    hashes,
    read_manifest,
    verify_folder,
    weights,
)
from registry.moving import Moving
from registry.provenance import PROVENANCE, provenance
from registry.published import CANDIDATE, STABLE, Pulled
from registry.records import Adapter
from registry.trust import MARK
from registry.turns import clock, publishing
from registry.versions import CONTENT, Hashed, is_domain

__all__ = [
    "CANARY", "CANDIDATE", "CARD", "MANIFEST", "STABLE", "Publication", "Pulled", "Store", "content_hash", "hashes",
    "read_manifest", "verify_folder", "weights",
]  # fmt: skip


class Store(Moving):
    """The adapters in one registry; it is made when something is published.

    Args:
        place: Its folder, or its URL.
        cache: Local folder for versions that are used; `adapters` in DRIFTUNE_HOME where null.
    """

    def publish(
        self,
        folder: Path,
        publication: Publication,
        *,
        channel: str | None = STABLE,
        fence: Callable[[], None] = lambda: None,
    ) -> Adapter:
        """Publish an adapter, all or nothing, and move a channel to it.

        Args:
            folder: Where `adapter_config.json` and `adapter_model.safetensors` lie; nothing else is taken.
            publication: What is said of it.
            channel: The channel to move; none where null.
            fence: Called once all is uploaded, just before the version is there and before the channel moves; it raises
                where the caller may not publish any more.

        Raises:
            ConfigurationError: The registry can't be written, or not without a key, or `folder` holds no adapter.
            RegistryError: The disk fails.
            TrustError: A file may not be in an adapter, as a pickle.
        """
        missing = [name for name in WEIGHTS if not (folder / name).is_file()]
        if missing:
            raise ConfigurationError(f"No adapter in {folder}: {missing[0]} is missing. Give a finished one")
        if not is_domain(publication.domain):
            raise ConfigurationError(
                f"Nothing can be published as {publication.domain!r}: use letters, digits, dot, dash and underscore, "
                f"and not {CONTENT!r} or {MARK!r}"
            )
        for name in WEIGHTS:
            check_file(folder / name, name)
        own = {name: Hashed.of(folder / name) for name in WEIGHTS}
        self.trust.check_signer()
        with publishing(self.objects) as until:
            if channel is not None:
                self.history(publication.domain, channel)  # who may not move it leaves no version behind
            adapter = self._published(own, publication) or self._add(own, publication, until, fence)
            if channel is not None:
                fence()
                self._move(adapter, channel, "publish")
        return adapter

    def holds(self, adapter: Adapter, own: Mapping[str, str]) -> bool:
        """Whether a version is whole, and has these weights: what `weights` gives of a folder."""
        return own.items() <= hashes(adapter).items() and not self._versions.faults(adapter)

    def _published(self, own: Mapping[str, Hashed], publication: Publication) -> Adapter | None:
        """The version that already holds these weights, of this run; where they were damaged they are written anew."""
        wanted = {name: file.sha256 for name, file in own.items()}
        for adapter in self.versions(publication.domain):
            if adapter.run == publication.run and wanted.items() <= hashes(adapter).items():
                faults = self._versions.faults(adapter)
                for name in own.keys() & faults.keys():
                    self._versions.mend(own[name], own[name].sha256)
                if faults.keys() <= own.keys():
                    return adapter
        return None

    def _add(
        self, own: Mapping[str, Hashed], publication: Publication, until: Callable[[], float], fence: Callable[[], None]
    ) -> Adapter:
        deposit = self._versions.deposit
        files = [deposit(name, file) for name, file in own.items()]
        canary = json.dumps(list(publication.canary), sort_keys=True)
        about = provenance(publication.draft(1), publication.notices)
        texts = {CANARY: canary, PROVENANCE: about, **publication.notices}
        for name, text in texts.items():
            check_text(text.encode(), name, name)
        files += [deposit(name, text.encode()) for name, text in texts.items()]
        config = json.loads(own[WEIGHTS[0]].path.read_bytes())
        while True:
            draft = publication.draft(self._versions.newest(publication.domain) + 1)
            told = [*files, deposit(CARD, card(draft, config).encode())]
            adapter = dataclasses.replace(draft, files=tuple(sorted(told, key=lambda f: str(f["path"]))))
            if clock() > until():  # as where the machine slept meanwhile
                raise RegistryError(
                    f"What was put into {self.url} for {draft.domain} may be gone by now, so long ago was that: "
                    "publish again",
                    retryable=True,
                )
            fence()
            if (made := self._versions.create(adapter)) is not None:
                return made
