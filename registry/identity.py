"""Canonical JSON (RFC 8785) and the hashes that everything is named by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import rfc8785

_WHOLE = 2**53 - 1


def canonical(value: Any) -> bytes:
    """The RFC 8785 canonical JSON of `value`, UTF-8.

    Raises:
        ValueError: `value` holds a float (identities have none: they differ between machines), or something that
            is no JSON.
    """
    if _is_plain(value):
        with suppress(UnicodeEncodeError):  # lone surrogates: the library says so
            return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return rfc8785.dumps(value)


def is_canonical(value: Any, data: bytes) -> bool:
    """Whether `data`, which was read as `value`, is the one way to write it: RFC 8785, floats included.

    The standard library writes nearly all so, in a fifth of the time; where it does not, RFC 8785 itself is asked.
    """
    with suppress(UnicodeEncodeError):
        if json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() == data:
            return True
    return rfc8785.dumps(value) == data


def sha256_of(value: Any) -> str:
    """The lower-case hex SHA-256 of the canonical JSON of `value`: 64 characters."""
    return hashlib.sha256(canonical(value)).hexdigest()


def sha256_of_each(values: Iterable[Any]) -> str:
    """`sha256_of` of the list of these values, which are drawn one by one."""
    found, before = hashlib.sha256(b"["), b""
    for value in values:
        found.update(before + canonical(value))
        before = b","
    found.update(b"]")
    return found.hexdigest()


def sha256_of_bytes(data: bytes) -> str:
    """The lower-case hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """The lower-case hex SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def work_key(inputs: list[str], part: str, parameters: dict[str, Any], seed: int = 0, sample: int = 0) -> str:
    """The key under which a piece of work is remembered.

    Args:
        inputs: The digests of everything the work reads, in a stable order.
        part: The part that does it with its version, as `curate@3`. A new version does its work anew.
        parameters: What else decides the outcome; no floats (write them as strings).
        seed: The seed of its random choices.
        sample: Which sample of several this is.
    """
    return sha256_of({"inputs": list(inputs), "part": part, "parameters": parameters, "seed": seed, "sample": sample})


def _is_plain(value: Any) -> bool:
    """Whether the standard library writes `value` as RFC 8785 has it, in a third of the time.

    It does but for keys beyond ASCII, which it sorts otherwise, and for whole numbers that a double doesn't hold.

    Raises:
        ValueError: There is a float in it.
    """
    if value is None or isinstance(value, (str, bool)):
        return True
    if isinstance(value, float):
        raise ValueError(f"A float ({value!r}) can't be part of an identity; write it as a string")
    if isinstance(value, int):
        return -_WHOLE <= value <= _WHOLE
    if isinstance(value, dict):
        keys = all(isinstance(key, str) and key.isascii() for key in value)
        return _are_plain(value.values()) and keys
    return isinstance(value, (list, tuple)) and _are_plain(value)


def _are_plain(values: Iterable[Any]) -> bool:
    plain = True
    for value in values:  # all of them: a float may be the last
        plain &= _is_plain(value)
    return plain
