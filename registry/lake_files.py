"""Where the files of a lake are: in a folder, or on an object store."""

from __future__ import annotations

from pathlib import Path

from registry.generations import Files
from registry.shared_files import SharedFiles

LakeFiles = Files | SharedFiles


def files_of(url: str, home: Path, run: str = "") -> LakeFiles:
    """The files of a lake.

    Args:
        url: fsspec URL of the lake, or a folder.
        home: Local folder for copies of what is elsewhere.
        run: Name of the run that appends.
    """
    protocol, separator, _ = url.partition("://")
    return Files(url, run) if not separator or protocol in ("file", "local") else SharedFiles(url, home, run)
