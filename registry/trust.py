"""What a client believes of a registry: whose signatures count there, and what it has accepted of it before.

    <registry>/registry.json                                        {"signed": true}: who has no key for it gets nothing
    <registry>/<domain>/signatures/<sha256>/<key id>.json           one signature of a manifest, or of a log's entry

Every manifest is signed. Of a log the last entry's signature counts: it names the SHA-256 of the entry before, and so
on to the first. Signatures are written before what they sign, so that nothing is ever visible without them.

Where no key is trusted and the registry isn't marked as signed, all is as without this module. Who trusts a key for a
registry takes nothing unsigned from it, whatever the registry says of itself.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from registry.accepted import Accepted
from registry.contents import unique
from registry.errors import ConfigurationError, RegistryError, TrustError
from registry.identity import sha256_of_bytes
from registry.manifests import SIGNATURES
from registry.objects import Objects, small
from registry.settings import Settings
from registry.signing import MAX_SIGNATURE, Signature, SigningKey, load_signing_key, read_signature, sign, verified
from registry.trusted import EVERYWHERE, TrustedKey, TrustedKeys, trusted_key

MARK = "registry.json"
_FOLDER = "signatures"
MAX_MARK = 64 << 10
_ASKED_S = 10.0
"""Seconds for which what a registry says of itself is remembered: one that is far away is asked once a command."""
_SHOWN = 8
"""Keys that a message names at most."""


def place_of(registry: Path | str) -> str:
    """What a registry is called in the file of trusted keys: its folder without links, or its URL."""
    text = str(registry)
    return text.rstrip("/") if "://" in text else os.path.realpath(Path(text).expanduser())


def signatures(domain: str, data: bytes) -> str:
    """The folder of the signatures of bytes that a domain holds."""
    return f"{domain}/{_FOLDER}/{sha256_of_bytes(data)}"


@dataclass(frozen=True)
class Seal:
    """Who vouches for something, and by what.

    Attributes:
        signature: The signature that counts.
        key: Its key.
    """

    signature: Signature
    key: TrustedKey


class Trust:
    """Whose word counts for a registry, and who signs what is put there.

    Args:
        objects: The registry's.
        settings: Which keys are used; those of the environment where null.
    """

    def __init__(self, objects: Objects, settings: Settings | None = None) -> None:
        self.objects = objects
        self.place = place_of(objects.url)
        self._settings = settings or Settings()
        self._marked = float("-inf"), False
        self._accepted = Accepted(self._settings.root / "accepted", self.place)

    @cached_property
    def signer(self) -> SigningKey | None:
        """The key that signs here; None where there is none.

        Raises:
            ConfigurationError: The one that is named can't be used.
        """
        path = self._settings.signing_key_path
        return load_signing_key(path) if self._settings.signing_key or path.exists() else None

    @property
    def trusted(self) -> list[TrustedKey]:
        """The keys that the file names for this registry, revoked ones too."""
        return TrustedKeys.of(self._settings).of_registry(self.place)

    @property
    def keys(self) -> list[TrustedKey]:
        """Those of which a signature may count: the trusted ones, and one's own unless the file speaks of it."""
        return self._known(self.trusted)

    @property
    def marked(self) -> bool:
        """Whether the registry says of itself that it is signed, or did some seconds ago.

        Raises:
            RegistryError: What it says of itself can't be read.
        """
        if time.monotonic() - self._marked[0] > _ASKED_S:
            self._marked = time.monotonic(), self._said()
        return self._marked[1]

    def _said(self) -> bool:
        try:
            return bool(json.loads(small(self.objects, MARK, MAX_MARK), object_pairs_hook=unique).get("signed"))
        except FileNotFoundError:
            return False
        except (ValueError, AttributeError, RecursionError) as error:
            raise RegistryError(f"Broken {MARK} in {self.place}: {error}", path=MARK) from error

    @property
    def needed(self) -> bool:
        """Whether nothing unsigned is taken from this registry, or put there."""
        return bool(self.trusted) or self.marked

    def check_signer(self) -> None:
        """Check that there is a key to sign with, if what is put into the registry has to be signed.

        Raises:
            ConfigurationError: There is none.
        """
        if self.signer is None and self.needed:
            raise ConfigurationError(
                f"The registry at {self.place} is signed, and there is no key here to sign with: set "
                "DRIFTUNE_SIGNING_KEY to the file of yours, or make one with: driftune registry key new"
            )

    def vouch(self, domain: str, data: bytes) -> None:
        """Sign what is about to be put into a domain, where there is a key for it.

        Raises:
            ConfigurationError: There is none, and the registry wants it signed; or it was retired or revoked.
        """
        self.check_signer()
        if self.signer is None:
            return
        made = sign(data, self.signer)
        for key in TrustedKeys.of(self._settings).all():
            counts = key.revoked or key.registry in (EVERYWHERE, self.place)
            if key.id == made.key and counts and (fault := key.fault(made)) is not None:
                raise ConfigurationError(f"Nobody would take what is signed here: {fault[1]}. Use another key")
        self.objects.create(self._path(domain, data, made.key), made.file())

    def seal(self, domain: str, data: bytes, what: str) -> Seal | None:
        """Who vouches for bytes that a domain holds; None where nobody needs to.

        Args:
            domain: The domain.
            data: The bytes.
            what: What they are, for a message.

        Raises:
            TrustError: Nobody who is trusted does.
        """
        trusted = self.trusted
        if not trusted and not self.marked:
            return None
        return self._sealed(domain, data, what, trusted)

    def accept(self, path: str, entries: Sequence[bytes]) -> None:
        """Check a log that is about to be believed, or written to.

        Args:
            path: Its folder in the registry.
            entries: Its entries, oldest first, each naming the one before.

        Raises:
            TrustError: Nobody who is trusted vouches for its last entry, or the log goes back behind what was accepted.
        """
        trusted = self.trusted
        if not trusted and not self.marked:
            return
        revoked = {key.id for key in trusted if key.revoked}
        hashes = [sha256_of_bytes(data) for data in entries]
        key = ""
        if entries:
            what = f"Entry {len(entries)} of {path}"
            key = self._sealed(path.partition("/")[0], entries[-1], what, trusted).key.id
        self._accepted.check(path, hashes, key, revoked)

    def remembered(self) -> list[str]:
        """The logs of which something was accepted here."""
        return self._accepted.logs()

    def travelling(self, seal: Seal | None) -> dict[str, bytes]:
        """The file that takes a version's signature along, so that its folder can be checked without the registry."""
        if seal is None:
            return {}
        held = {"registry": self.place, "signatures": [json.loads(seal.signature.file())]}
        return {SIGNATURES: json.dumps(held, indent=1).encode()}

    def _sealed(self, domain: str, data: bytes, what: str, trusted: Sequence[TrustedKey]) -> Seal:
        faults = []
        for key in self._known(trusted):
            path = self._path(domain, data, key.id)
            try:
                held = small(self.objects, path, MAX_SIGNATURE)
            except FileNotFoundError:
                continue
            try:
                return judged(read_signature(held, path), data, key, f"{what} in {self.place}")
            except TrustError as error:
                faults.append(error)
        if faults:
            raise faults[0]
        raise self._unvouched(domain, data, what, trusted)

    def _known(self, trusted: Sequence[TrustedKey]) -> list[TrustedKey]:
        """The trusted keys, and one's own, unless the file speaks of it."""
        own = self.signer.public.id if self.signer is not None else ""
        if self.signer is None or any(key.id == own for key in [*trusted, *self._revoked()]):
            return list(trusted)
        return [*trusted, trusted_key(self.signer.public, self.place, "one's own")]

    def _revoked(self) -> list[TrustedKey]:
        """The keys that are revoked, whatever they were trusted with: they are in wrong hands, or lost."""
        return [key for key in TrustedKeys.of(self._settings).all() if key.revoked]

    def _unvouched(self, domain: str, data: bytes, what: str, trusted: Sequence[TrustedKey]) -> TrustError:
        where = self._path(domain, data, "")
        names = [name.removesuffix(".json")[:32] for name in self.objects.names(where.rstrip("/"))][:_SHOWN]
        if not names:
            return TrustError(f"{what} in {self.place} is unsigned, and {self._why(trusted)}", fault="unsigned")
        return TrustError(
            f"{what} in {self.place} is signed by {', '.join(map(repr, names))}, and none of these keys is trusted "
            "here. If you know whose it is, get the public key from them, not from the registry, then: driftune "
            "registry key trust FILE",
            fault="unknown-key",
        )

    def _why(self, trusted: Sequence[TrustedKey]) -> str:
        if trusted:
            return "keys are trusted for that registry: nothing unsigned is taken from it"
        return "the registry is marked as signed: nothing unsigned is taken from it"

    def _path(self, domain: str, data: bytes, key: str) -> str:
        return f"{signatures(domain, data)}/{key and key + '.json'}"


def judged(signature: Signature, data: bytes, key: TrustedKey, what: str) -> Seal:
    """A signature that counts.

    Raises:
        TrustError: It doesn't: it isn't of these bytes by that key, or the key isn't good (any more).
    """
    if not verified(signature, data, key.public):
        raise TrustError(
            f"{what} doesn't match its signature by {key.id}: one of the two was changed", fault="signature"
        )
    if fault := key.fault(signature):
        raise TrustError(f"{what} isn't vouched for: {fault[1]}", fault=fault[0])
    return Seal(signature, key)


def check_folder(folder: Path, manifest: bytes, registry: Path | str | None = None) -> None:
    """Check the signature that travels with a pulled version.

    Args:
        folder: The folder.
        manifest: The bytes of its manifest.
        registry: Where it is from; where null, any key counts that is trusted with any registry. Where no key is
            trusted with it, nothing is asked.

    Raises:
        TrustError: Nobody who is trusted vouches for it.
    """
    trusted = TrustedKeys.of(Settings())
    keys = trusted.all() if registry is None else trusted.of_registry(place_of(registry))
    if not keys:
        return
    faults: list[TrustError] = []
    signatures = list(_travelling(folder))
    for signature in signatures:
        for key in keys:
            if key.id == signature.key:
                try:
                    judged(signature, manifest, key, f"The adapter in {folder}")
                except TrustError as error:
                    faults.append(error)
                else:
                    return
    if faults:
        raise faults[0]
    advice = "Pull it again, or say which registry it is from, where that one isn't signed: registry=…"
    if signatures:
        raise TrustError(f"No key that is trusted here signed the adapter in {folder}. {advice}", fault="unknown-key")
    raise TrustError(f"The adapter in {folder} is unsigned, and keys are trusted here. {advice}", fault="unsigned")


def _travelling(folder: Path) -> Iterable[Signature]:
    path = folder / SIGNATURES
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise TrustError(f"{path} is no file", fault="symlink")
    try:
        with path.open("rb") as file:
            rows = json.loads(file.read(MAX_MARK), object_pairs_hook=unique)["signatures"]
            files = [json.dumps(row, sort_keys=True, separators=(",", ":")).encode() for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise TrustError(f"Broken {path}: {error}", fault="signature") from error
    return [read_signature(held, str(path)) for held in files]
