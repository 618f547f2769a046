"""Signing what is in a registry already: when it is to be signed from now on, or a key takes over from another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from registry.census import domains_in
from registry.errors import ConfigurationError, TrustError
from registry.log import Log
from registry.manifests import MANIFEST, location
from registry.objects import Objects, small
from registry.signing import SigningKey
from registry.trust import MARK, MAX_MARK, Trust
from registry.versions import Versions


@dataclass(frozen=True)
class Sealed:
    """What came of one object.

    Attributes:
        path: The object.
        signed: Whether this key vouches for it now.
        why: Why not.
    """

    path: str
    signed: bool
    why: str = ""


def own_key(trust: Trust) -> SigningKey:
    """The key that signs here.

    Raises:
        ConfigurationError: There is none.
    """
    if trust.signer is None:
        raise ConfigurationError(
            "No key to sign with: set DRIFTUNE_SIGNING_KEY to its file, or make one with: driftune registry key new"
        )
    return trust.signer


def mark_signed(objects: Objects) -> None:
    """Have a registry say of itself that it is signed; what else it says of itself stays.

    Raises:
        ConfigurationError: It can't be written.
        RegistryError: What it says of itself can't be read.
    """
    if not Trust(objects).marked:
        try:
            said = json.loads(small(objects, MARK, MAX_MARK))
        except FileNotFoundError:
            said = {}
        objects.put(MARK, json.dumps({**said, "signed": True}, indent=1).encode() + b"\n")


def seal_all(objects: Objects, *, unvouched: bool) -> Iterator[Sealed]:
    """Sign every manifest, and the last entry of every log, with the key that signs here.

    Args:
        objects: The registry's.
        unvouched: Also what no trusted key vouches for: somebody has looked at it.

    Raises:
        ConfigurationError: There is no key here.
        RegistryError: Something is broken, or its log is: nobody can vouch for that.
    """
    trust = Trust(objects)
    own_key(trust)
    for domain in domains_in(objects):
        for path, data in _signed_in(objects, domain):
            try:
                if not unvouched and trust.needed:
                    trust.seal(domain, data, path)
            except TrustError as error:
                yield Sealed(path, False, str(error))
            else:
                trust.vouch(domain, data)
                yield Sealed(path, True)


def _signed_in(objects: Objects, domain: str) -> Iterator[tuple[str, bytes]]:
    """What is signed in a domain: path and bytes."""
    versions = Versions(objects)
    for adapter in versions.of(domain):
        yield f"{location(domain, adapter.version)}/{MANIFEST}", versions.manifest(adapter)
    logs = [f"{domain}/channels/{name}" for name in objects.names(f"{domain}/channels")]
    for path in (*logs, f"{domain}/standing"):
        entries = Log(objects, path).read()
        if entries:
            yield f"{path}/{entries[-1].number:08d}.json", entries[-1].data
