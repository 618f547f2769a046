"""What a base model is, as one hash: loading an adapter onto any other base is mostly silent, and wrong."""

from __future__ import annotations

import functools
from pathlib import Path

from registry.errors import RegistryError
from registry.identity import sha256_of, sha256_of_file

_PATTERNS = (
    "*.safetensors", "pytorch_model*.bin", "config.json", "tokenizer.json", "tokenizer_config.json", "*.model",
    "*.tiktoken", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template*",
    "additional_chat_templates/*", "*.py",
)  # fmt: skip
"""What decides which numbers a base gives for a text; `*.py` is code that comes with the model."""

_LARGE = 64 << 20
"""Bytes from which on a file is hashed once a process, unless it changes: gigabytes take seconds each time."""


def fingerprint(folder: Path) -> str:
    """The hash of a base's weight, config, tokenizer, chat-template and code files: 64 hex characters.

    Of weights in several forms those count that transformers reads: a folder that lacks the others is the same base.

    Raises:
        RegistryError: The folder holds no such files.
    """
    files = {path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file()}
    if not any(path.name == "config.json" for path in files):
        raise RegistryError(f"No base model in {str(folder)!r}: config.json is missing. Give the folder of a model")
    read = {path for path in files if path.suffix == ".safetensors" and not path.name.startswith("consolidated")}
    spare = {path for path in files if read and path.suffix in (".safetensors", ".bin")} - read
    return sha256_of([[path.relative_to(folder).as_posix(), _hash(path)] for path in sorted(files - spare)])


def _hash(path: Path) -> str:
    state = path.stat()
    if state.st_size < _LARGE:
        return sha256_of_file(path)
    return _kept_hash(path.resolve(), state.st_size, state.st_mtime_ns, state.st_ino)


@functools.lru_cache(maxsize=1024)
def _kept_hash(path: Path, size: int, changed_ns: int, inode: int) -> str:
    """The hash of a file as it was with this size, time and place on the disk."""
    return sha256_of_file(path)
