"""Canonical JSON (RFC 8785) and the hashes that everything is named by."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import rfc8785


def canonical(value: Any) -> bytes:
    """The RFC 8785 canonical JSON of `value`, UTF-8.

    Raises:
        ValueError: `value` holds a float (identities have none: they differ between machines), or something that
            is no JSON.
    """
    _refuse_floats(value)
    return rfc8785.dumps(value)


def sha256_of(value: Any) -> str:
    """The lower-case hex SHA-256 of the canonical JSON of `value`: 64 characters."""
    return hashlib.sha256(canonical(value)).hexdigest()


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


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise ValueError(f"A float ({value!r}) can't be part of an identity; write it as a string")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _refuse_floats(item)
