"""What a base model is, as one hash: loading an adapter onto any other base is mostly silent, and wrong."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from registry.errors import RegistryError
from registry.identity import sha256_of, sha256_of_file

_PATTERNS = (
    "*.safetensors", "pytorch_model*.bin", "pytorch_model*.bin.index.json", "config.json", "config.*.json",
    "tokenizer.json", "tokenizer.*.json", "tokenizer_config.json", "*.model", "*.tiktoken", "vocab.*", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", "chat_template*", "additional_chat_templates/*",
    "adapter_config.json",
)  # fmt: skip
"""What decides which numbers a base gives for a text: transformers takes files for its version (`config.4.0.0.json`)
where there are some, and loads an adapter that lies beside a model."""

_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
"""Which weights transformers reads: this one, or those that this names, or pickles where there is neither."""

_LARGE = 64 << 20
"""Bytes from which on a file is hashed once a process, unless it changes: gigabytes take seconds each time."""


def fingerprint(folder: Path) -> str:
    """The hash of a base's weight, config, tokenizer and chat-template files: 64 hex characters.

    Of weights in several forms those count that transformers reads: a folder that lacks the others is the same base.
    Code beside them doesn't count: nobody here runs it.

    Raises:
        RegistryError: The folder holds no such files, or an index of weights that can't be read.
    """
    files = {path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file()}
    if not any(path.name == "config.json" for path in files):
        raise RegistryError(f"No base model in {str(folder)!r}: config.json is missing. Give the folder of a model")
    safe = {path for path in files if path.suffix == ".safetensors"}
    index = folder / _INDEX
    if folder / _WHOLE not in files and index.is_file():
        named = _named(index)
        files, safe = files | {index} | {p for p in named if p.is_file()}, safe | named
    else:
        named = {folder / _WHOLE} & files
    read = {path for path in safe if path in named or not path.name.startswith("consolidated")}
    spare = safe - read if read else set()
    if named:  # transformers looks for these first
        spare |= {path for path in files if path.name.startswith("pytorch_model")}
    return sha256_of([[path.relative_to(folder).as_posix(), _hash(path)] for path in sorted(files - spare)])


def _named(index: Path) -> set[Path]:
    """The files of weights that an index names."""
    try:
        return {index.with_name(str(name)) for name in json.loads(index.read_text())["weight_map"].values()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegistryError(
            f"The index of weights {str(index)!r} can't be read: fetch or copy the base anew"
        ) from error


def _hash(path: Path) -> str:
    state = path.stat()
    if state.st_size < _LARGE:
        return sha256_of_file(path)
    return _kept_hash(path.resolve(), state.st_size, state.st_mtime_ns, state.st_ino)


@functools.lru_cache(maxsize=1024)
def _kept_hash(path: Path, size: int, changed_ns: int, inode: int) -> str:
    """The hash of a file as it was with this size, time and place on the disk."""
    return sha256_of_file(path)
