"""What the home folder may take on the disk: environments, wheels and copies make room first, then a run stops."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import ConfigurationError
from registry.settings import Settings
from registry.shared_files import trim_copies

if TYPE_CHECKING:
    from flows.house import House

_BLOCK = 512
"""Bytes that `st_blocks` counts in, whatever the file system's own are."""


def taken(folder: Path) -> int:
    """Bytes that a folder takes on the disk; what is removed meanwhile counts or doesn't.

    What has several names there counts once: a compaction gives large files a second one.
    """
    total, folders = 0, [str(folder)]
    seen: set[tuple[int, int]] = set()
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    if (inode := (found.st_dev, found.st_ino)) not in seen:
                        total += found.st_blocks * _BLOCK
                    if found.st_nlink > 1:
                        seen.add(inode)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
    return total


def check_disk(house: House) -> None:
    """Looks at the quota before a stage, and makes room.

    Raises:
        ConfigurationError: There is no room to be made.
    """
    settings = house.settings
    while (much := over(settings)) > 0 and _made_room(house, much):
        continue
    if much > 0:
        raise ConfigurationError(
            f"{line(settings)}: remove what you don't need of it (driftune compact and driftune gc take superseded "
            f"files of the lake), or set DRIFTUNE_DISK_MB higher, then run the same command again"
        )


def over(settings: Settings) -> int:
    """Bytes beyond the quota."""
    return taken(settings.root) - (settings.disk_mb << 20) if settings.disk_mb else 0


def _made_room(house: House, wanted: int) -> int:
    """Removes what nobody uses and can be had again, used longest ago first: environments, wheels; then copies."""
    from validators.execution.cache import held, trim

    cache = house.folder("sandbox")
    return trim(cache, max(0, held(cache) - wanted)) or trim_copies(house.settings.root, wanted)


def line(settings: Settings) -> str:
    """What the home takes, for a person."""
    quota = f" of DRIFTUNE_DISK_MB {settings.disk_mb:,} MB" if settings.disk_mb else ""
    return f"The home folder {settings.root} takes {taken(settings.root) / (1 << 20):,.0f} MB{quota}"
