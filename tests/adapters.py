"""Adapters for tests that need no model: valid weights with any bytes in them."""

from __future__ import annotations

import json
from pathlib import Path


def weights(content: bytes = b"weights") -> bytes:
    """A safetensors file with one tensor that holds `content`."""
    about = {"base_model.q.lora_A.weight": {"dtype": "U8", "shape": [len(content)], "data_offsets": [0, len(content)]}}
    return framed(json.dumps(about).encode(), content)


def framed(header: bytes, content: bytes = b"") -> bytes:
    """A header of safetensors with its length before it, and what follows it."""
    return len(header).to_bytes(8, "little") + header + content


def adapter_folder(where: Path, content: bytes = b"weights", **config: object) -> Path:
    """A folder with an adapter as training leaves it, and something beside it that is never published."""
    where.mkdir(parents=True, exist_ok=True)
    (where / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    (where / "adapter_model.safetensors").write_bytes(weights(content))
    (where / "optimizer.pt").write_bytes(b"never to be published")
    return where
