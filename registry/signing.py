"""Ed25519 keys and signatures: who vouches for the bytes of a manifest or of a channel's entry.

A signature is a small file of its own, in canonical JSON, so that signing again with another key adds a file and
changes none:

    {"at": when, "key": id of the key, "sha256": of what is signed, "signature": base64, "type": "driftune-signature-1"}

Signed are the other four fields, so that a signature says by itself what it is, of what, by whom and when. The time is
what the signer says: who holds a key can say any. A private key is shown nowhere: not in `repr`, an error or a log.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)  # fmt: skip

from registry.errors import ConfigurationError, TrustError
from registry.identity import canonical, sha256_of_bytes
from registry.storage import storage

TYPE = "driftune-signature-1"
MAX_SIGNATURE = 4 << 10
"""Bytes of a signature's file at most: they are 300."""
_MAX_PEM = 16 << 10
_RAW = 32
"""Bytes of an Ed25519 public key."""


@dataclass(frozen=True)
class PublicKey:
    """What verifies: the 32 bytes of an Ed25519 public key."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != _RAW:
            raise ConfigurationError(f"An Ed25519 public key has {_RAW} bytes, this one {len(self.raw)}")

    @property
    def id(self) -> str:
        """What it is called: the first 32 hex characters of its SHA-256."""
        return sha256_of_bytes(self.raw)[:32]

    def verifies(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is of these bytes, by this key."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except (InvalidSignature, ValueError):
            return False
        return True

    def pem(self) -> bytes:
        """As it is passed on."""
        return Ed25519PublicKey.from_public_bytes(self.raw).public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )


class SigningKey:
    """A private key: it signs, and shows nothing of itself but its public half.

    Args:
        key: The key.
    """

    __slots__ = ("_key", "public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def __repr__(self) -> str:
        return f"SigningKey({self.public.id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A signing key doesn't leave its process: load it from its file where it is needed")

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of the signature of `data`."""
        return self._key.sign(data)


@dataclass(frozen=True)
class Signature:
    """One signature, as its file says.

    Attributes:
        at: When it was made, by the signer's word; ISO 8601 in UTC.
        key: Id of the key.
        sha256: Hash of what is signed.
        value: The 64 bytes.
    """

    at: str
    key: str
    sha256: str
    value: bytes

    def signed(self) -> bytes:
        """The bytes that `value` is over."""
        return canonical({"at": self.at, "key": self.key, "sha256": self.sha256, "type": TYPE})

    def file(self) -> bytes:
        """The bytes of its file."""
        value = base64.b64encode(self.value).decode()
        return canonical({**json.loads(self.signed()), "signature": value})


def sign(data: bytes, key: SigningKey, at: str = "") -> Signature:
    """Vouch for `data`.

    Args:
        data: What is signed.
        key: Who signs.
        at: When; now where empty.
    """
    said = Signature(at or now(), key.public.id, sha256_of_bytes(data), b"")
    return Signature(said.at, said.key, said.sha256, key.sign(said.signed()))


def read_signature(data: bytes, where: str) -> Signature:
    """A signature from the bytes of its file, which must be exactly those that were written.

    Raises:
        TrustError: They aren't.
    """
    try:
        if len(data) > MAX_SIGNATURE:
            raise ValueError(f"it has {len(data)} bytes, {MAX_SIGNATURE} are allowed")
        held = json.loads(data)
        value = base64.b64decode(held["signature"], validate=True)
        found = Signature(_time(held["at"]), str(held["key"]), str(held["sha256"]), value)
        if found.file() != data:
            raise ValueError("it isn't canonical, or says more than a signature does")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TrustError(f"Broken signature {where}: {error}", fault="signature", where=where) from error
    return found


def verified(signature: Signature, data: bytes, key: PublicKey) -> bool:
    """Whether a signature is one of these bytes, by this key."""
    fits = (signature.key, signature.sha256) == (key.id, sha256_of_bytes(data))
    return fits and key.verifies(signature.signed(), signature.value)


def new_signing_key(path: Path) -> SigningKey:
    """Make a key: the private half in `path`, which its owner alone can read, the public one in `….pub` beside it.

    Raises:
        ConfigurationError: There is a file already, or the folder can't be written.
    """
    key = Ed25519PrivateKey.generate()
    public = path.with_suffix(".pub")
    if path == public:
        raise ConfigurationError(f"Can't make the private key {path}: that is what its public half is called")
    for taken in (path, public):
        if taken.exists():
            raise ConfigurationError(
                f"Can't make the key {path}: {taken} exists. A key is never replaced: name another"
            )
    made = SigningKey(key)
    with storage("the key", path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _create(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
        _create(public, made.public.pem(), 0o644)
    return made


def load_signing_key(path: Path) -> SigningKey:
    """The private key in a file that only its owner can read.

    Raises:
        ConfigurationError: There is none, others can read it, or it is no Ed25519 key. The message says nothing of
            what is in it.
    """
    data = _pem(path, private=True)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # their messages may quote the file
        raise ConfigurationError(
            f"No private key in {path} that can be read: a PEM file without a password is wanted, as driftune registry "
            "key new writes"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"The key in {path} isn't Ed25519. Make one with: driftune registry key new")
    return SigningKey(key)


def load_public_key(path: Path) -> PublicKey:
    """The public key in a PEM file.

    Raises:
        ConfigurationError: There is none, or it is no Ed25519 key, or a private one.
    """
    data = _pem(path, private=False)
    if b"PRIVATE KEY" in data:
        raise ConfigurationError(f"{path} holds a private key, which nobody else may have. Give its public half: .pub")
    try:
        key = load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"No public key in {path} that can be read: a PEM file is wanted ({error})") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"The key in {path} isn't Ed25519, and no other kind is used here")
    return PublicKey(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def now() -> str:
    """The present second, ISO 8601 in UTC."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def _time(text: Any) -> str:
    """A time as it was written: with its zone, or two of them couldn't be compared.

    Raises:
        ValueError: It isn't.
    """
    if not isinstance(text, str) or dt.datetime.fromisoformat(text).utcoffset() != dt.timedelta(0):
        raise ValueError(f"{text!r} is no time in UTC")
    return text


def _create(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)


def _pem(path: Path, *, private: bool) -> bytes:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # a pipe would be waited for
            raise ConfigurationError(f"The key {path} is no file. Make one with: driftune registry key new")
        if private and mode & 0o077:
            raise ConfigurationError(
                f"The private key {path} is open to others (its mode is {stat.S_IMODE(mode):o}): chmod 600 {path}"
            )
        with path.open("rb") as file:
            return file.read(_MAX_PEM)
    except OSError as error:
        raise ConfigurationError(
            f"Can't read the key {path}: {error.strerror}. Make one with: driftune registry key new"
        ) from error
