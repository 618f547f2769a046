"""`driftune registry sign` and `driftune registry key …`: who signs here, and whose word counts."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from registry.objects import objects_of
from registry.sealing import Sealed, mark_signed, own_key, seal_all
from registry.settings import Settings
from registry.signing import load_public_key, new_signing_key
from registry.trust import Trust, place_of
from registry.trusted import EVERYWHERE, TrustedKeys, trusted_key


def new_key(path: Path | None) -> None:
    """Makes a key, and says what to do with its halves."""
    settings = Settings()
    where = (path or settings.signing_key_path).expanduser().absolute()
    key = new_signing_key(where)
    print(f"Key {key.public.id}: {where} (private: keep a copy where it is safe, and give it to nobody)")
    print(f"Its public half, for those who pull: {where.with_suffix('.pub')}")
    if where != settings.signing_key_path:
        print(f"To sign with it: DRIFTUNE_SIGNING_KEY={where}")


def sign_registry(*, as_json: bool) -> int:
    """Has the registry be signed from now on, and tells what was signed; 3 where something wasn't."""
    settings = Settings()
    objects = objects_of(settings.registry_url)
    trust = Trust(objects)
    own, first = own_key(trust).public, not trust.needed
    mark_signed(objects)
    trusted = TrustedKeys.of(settings)
    if not any(key.id == own.id for key in trusted.of_registry(trust.place)):
        trusted.trust(trusted_key(own, trust.place, "one's own"))
    return _told(list(seal_all(objects, unvouched=first)), trust.place, as_json)


def resign(everything: bool, *, as_json: bool) -> int:
    """Signs what others vouch for, or all, and tells what was signed; 3 where something wasn't."""
    objects = objects_of(Settings().registry_url)
    return _told(list(seal_all(objects, unvouched=everything)), place_of(objects.url), as_json)


def trust_key(path: Path, name: str, everywhere: bool, since: str, until: str) -> None:
    """Trusts a public key, and says for what."""
    settings = Settings()
    place = EVERYWHERE if everywhere else place_of(objects_of(settings.registry_url).url)
    trusted = TrustedKeys.of(settings)
    key = trusted_key(load_public_key(path), place, name or path.stem, since, until)
    trusted.trust(key)
    what = "every registry" if everywhere else place
    print(f"Key {key.id} ({key.name}) is trusted for {what}: nothing unsigned is taken from there any more")


def retire_key(key: str, why: str) -> None:
    """Lets what a key signs from now on count for nothing."""
    found = TrustedKeys.of(Settings()).retire(key, why)
    print(f"Key {found.id} ({found.name}) is retired: what it signed up to {found.until} stays good")


def revoke_key(key: str, why: str) -> None:
    """Lets a key count for nothing, and says what remains to be done."""
    found = TrustedKeys.of(Settings()).revoke(key, why)
    print(f"Key {found.id} ({found.name}) is revoked: nothing that it signed is taken any more")
    print(
        "Revoke it wherever it is trusted. Who signs: make a new key, look at what is in the registry, then: driftune "
        "registry key resign --all"
    )


def list_keys(*, as_json: bool) -> None:
    """Prints the trusted keys, and which one signs here."""
    settings = Settings()
    trust = Trust(objects_of(settings.registry_url), settings)
    keys = TrustedKeys.of(settings).all()
    own = trust.signer.public.id if trust.signer is not None else ""
    if as_json:
        print(json.dumps({"keys": [dataclasses.asdict(key) for key in keys], "signs": own, "registry": trust.place}))
        return
    for key in keys:
        times = "".join(f", {word} {time}" for word, time in (("from", key.since), ("until", key.until)) if time)
        revoked = f", REVOKED at {key.revoked}" if key.revoked else ""
        why = f": {key.why}" if key.why else ""
        print(f"{key.id} {key.name} for {key.registry}{times}{revoked}{why}")
    if not keys:
        print(f"No key is trusted in {settings.trusted_keys_path}: driftune registry key trust FILE")
    print(f"Signs here: {own}" if own else "Nothing is signed here: driftune registry key new")


def _told(found: Sequence[Sealed], place: str, as_json: bool) -> int:
    left = [each for each in found if not each.signed]
    if as_json:
        print(json.dumps({"registry": place, "objects": [dataclasses.asdict(each) for each in found]}))
    else:
        print(f"Signed {len(found) - len(left)} of {len(found)} manifests and logs of {place}")
        for each in left:
            print(f"Not signed: {each.path}: {each.why}")
    return 3 if left else 0
