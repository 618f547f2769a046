"""Text as the records take it: UTF-8, without NUL and surrogates, lines ended by a line feed."""

from __future__ import annotations

import io
import tokenize


def cleaned(text: str) -> str:
    """`text` without NULs and lone surrogates, its lines ended by a line feed."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return text.encode("utf-8", "replace").decode("utf-8")


def decoded(data: bytes, *, python: bool = False) -> str:
    """Bytes of a file as clean text: UTF-8, for Python what its coding line says; what fits neither is replaced."""
    encoding = "utf-8-sig"
    if python:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        except (SyntaxError, ValueError):
            encoding = "utf-8-sig"
    try:
        return cleaned(data.decode(encoding))
    except (UnicodeDecodeError, LookupError):
        return cleaned(data.decode("utf-8-sig", "replace"))
