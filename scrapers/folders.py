"""What a folder on this machine gives for a path, read where the page is parsed: none goes through a pipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from registry.errors import SourceError
from registry.identity import sha256_of_bytes
from scrapers.documents import Document, Job
from scrapers.texts import decoded_page

FILE_BYTES = 16 << 20
"""Bytes of a file, unless a limit says another number."""


class RefusedError(Exception):
    """A file that isn't read; its arguments are the outcome and why, as an `Answer` has them."""


def read_file(base: str, path: str, most: int = FILE_BYTES) -> bytes:
    """The bytes of a page below a folder; of a folder its index.

    Raises:
        RefusedError: There is none, it lies outside, or it is too large.
    """
    folder = Path(base).resolve()
    try:
        file = (folder / unquote(path)).resolve()
        file = file / "index.html" if file.is_dir() else file
        if not file.is_relative_to(folder):
            raise RefusedError("refused", "It lies outside the folder")
        if file.stat().st_size > most:
            raise RefusedError("too-large", f"It has over {most:,} bytes")
        return file.read_bytes()
    except FileNotFoundError:
        raise RefusedError("missing", "There is no such file") from None
    except (OSError, ValueError) as error:
        raise RefusedError("failed", f"It can't be read: {getattr(error, 'strerror', None) or error}") from None


@dataclass(frozen=True)
class Unread:
    """A page of a folder that is yet to be read.

    Attributes:
        base: The folder.
        path: Its path within it.
        url: Where it is published.
        sha256: Of what it was when the folder was looked at.
        facts: What its format knows of it.
    """

    base: str
    path: str
    url: str
    sha256: str
    facts: Any = None

    def read(self) -> Job:
        """The page.

        Raises:
            SourceError: It is another than it was.
        """
        try:
            data = read_file(self.base, self.path)
        except RefusedError:
            data = b""
        if sha256_of_bytes(data) != self.sha256:
            raise SourceError(f"{self.url} changes while it is read: try again", retryable=True)
        return Job(Document(self.path, self.url, decoded_page(data)), self.facts)
