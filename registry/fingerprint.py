"""What a base model is, as one hash: loading an adapter onto any other base is mostly silent, and wrong."""

from __future__ import annotations

from pathlib import Path

from registry.errors import RegistryError
from registry.identity import sha256_of, sha256_of_file

_PATTERNS = (
    "*.safetensors", "pytorch_model*.bin", "config.json", "tokenizer.json", "tokenizer_config.json", "*.model",
    "*.tiktoken", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "chat_template*",
    "additional_chat_templates/*", "*.py",
)  # fmt: skip
"""What decides which numbers a base gives for a text; `*.py` is code that comes with the model."""


def fingerprint(folder: Path) -> str:
    """The hash of a base's weight, config, tokenizer, chat-template and code files: 64 hex characters.

    Raises:
        RegistryError: The folder holds no such files.
    """
    files = sorted({path for pattern in _PATTERNS for path in folder.glob(pattern) if path.is_file()})
    if not any(path.name == "config.json" for path in files):
        raise RegistryError(f"No base model in {str(folder)!r}: config.json is missing. Give the folder of a model")
    return sha256_of([[path.relative_to(folder).as_posix(), sha256_of_file(path)] for path in files])
