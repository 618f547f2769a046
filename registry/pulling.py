"""Versions as folders with names: written beside, hashed on the way, and there by one rename."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from registry.contents import check_file
from registry.errors import ConfigurationError, RegistryError
from registry.manifests import damaged, verify_folder
from registry.records import Adapter
from registry.storage import remove_tree, storage

_PIECE = 1 << 20

Open = Callable[[str, int], BinaryIO]
"""Gives the content of a SHA-256 and size; raises FileNotFoundError where there is none."""


def content_path(sha256: str) -> str:
    """Where content lies in a registry."""
    return f"files/{sha256[:2]}/{sha256}"


def write_version(adapter: Adapter, beside: Mapping[str, bytes], contents: Open, target: Path) -> None:
    """Write the files of a version into a folder that isn't there yet; what another made meanwhile is left.

    Args:
        adapter: The version.
        beside: Its manifest and who vouches for that: {name: bytes}.
        contents: Where its files' bytes come from.
        target: The folder.

    Raises:
        ConfigurationError: It can't be written.
        RegistryError: A file is missing, or isn't what the manifest says.
        TrustError: A file may not be in an adapter.
    """
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    with storage("the adapter", target):
        try:
            part.mkdir(parents=True)
            for row in adapter.files:
                _write(adapter, row, contents, part / str(row["path"]))
            for name, data in beside.items():
                (part / name).write_bytes(data)
            with contextlib.suppress(FileExistsError):
                _rename_new(part, target)
        finally:
            remove_tree(part)


def is_whole(adapter: Adapter, beside: Mapping[str, bytes], folder: Path) -> bool:
    """Whether a folder holds a version as `write_version` leaves it; every byte is read."""
    try:
        verify_folder(folder, adapter)
        return all((folder / name).read_bytes() == data for name, data in beside.items())
    except (RegistryError, OSError):
        return False


def _write(adapter: Adapter, row: Mapping[str, Any], contents: Open, path: Path) -> None:
    name, sha256, left = str(row["path"]), str(row["sha256"]), int(row["size"])
    found = hashlib.sha256()
    try:
        source = contents(sha256, left)
    except FileNotFoundError:
        raise damaged(adapter, name, "the registry", "is missing") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    with source, path.open("xb") as file:
        while (piece := source.read(_PIECE)) and left >= 0:  # no more than was promised, and a byte
            left -= len(piece)
            found.update(piece)
            file.write(piece)
    if left != 0 or found.hexdigest() != sha256:
        raise damaged(adapter, name, "the registry", "was changed")
    check_file(path, name)


def digest(source: BinaryIO) -> str:
    """The SHA-256 of what is left in a file, which is closed."""
    with source:
        found = hashlib.sha256()
        while piece := source.read(_PIECE):
            found.update(piece)
        return found.hexdigest()


def switched(into: Path, name: str, write: Callable[[Path], None], whole: Callable[[Path], bool]) -> bool:
    """Make `into` a link to a folder beside it, by one rename; false where it was one to that, and it is whole.

    The folder before stays for those who still read it; older ones of the domain are removed.

    Args:
        into: What the user asked for.
        name: What tells the version's folder from those of others: DOMAIN-vN-HASH.
        write: Makes that folder.
        whole: Whether a folder that is there holds what it should.

    Raises:
        ConfigurationError: `into` is something of the user's own, or can't be written.
    """
    into = into.absolute()
    own, before = f".{into.name}.", into.readlink() if into.is_symlink() else None
    if (before.name != str(before) or not before.name.startswith(own)) if before is not None else _is_used(into):
        raise ConfigurationError(f"Can't pull into {into}: it exists and isn't ours. Choose a new or empty folder")
    target = into.with_name(own + name)
    if before is not None and before.name.startswith(target.name) and whole(into.with_name(before.name)):
        return False
    with storage("the adapter", into), _alone(into):
        before = into.readlink() if into.is_symlink() else None  # another may have switched it meanwhile
        if target.is_dir() and not whole(target):  # somebody may read it: it goes when the next version comes
            target = target.with_name(f"{target.name}-{secrets.token_hex(4)}")
        if not target.is_dir():
            write(target)
        _switch(into, target.name)
        domain = name.rpartition("-v")[0]  # of `nx` and `nx.new` beside each other neither removes the other's
        for old in into.parent.glob(f".{glob.escape(into.name)}.{domain}-v*-*"):
            if old.name != target.name and (before is None or old.name != before.name):
                remove_tree(old)
    return True


@contextlib.contextmanager
def _alone(into: Path) -> Iterator[None]:
    """One process at a time: what is older to one may be what another is about to switch to."""
    into.parent.mkdir(parents=True, exist_ok=True)
    place = into.with_name(f".{into.name}.lock")
    while True:
        with place.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_same(file, place):
                continue  # who held it has removed it: the next one's is another file
            try:
                yield
            finally:
                place.unlink(missing_ok=True)
            return


def _is_same(file: BinaryIO, place: Path) -> bool:
    """Whether an open file is what lies at a place now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), place.stat())
    except FileNotFoundError:
        return False


def _is_used(into: Path) -> bool:
    """Whether something other than an empty folder is there."""
    return into.exists() and (not into.is_dir() or any(into.iterdir()))


def _rename_new(part: Path, target: Path) -> None:
    """Rename a folder to a name that isn't taken.

    Raises:
        FileExistsError: It is taken.
    """
    try:
        part.rename(target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(target) from error
        raise


def _switch(link: Path, target: str) -> None:
    """Point `link` to `target` beside it, by one rename."""
    fresh = link.with_name(f".{link.name}.{secrets.token_hex(4)}.link")
    fresh.symlink_to(target, target_is_directory=True)
    try:
        if link.is_dir() and not link.is_symlink():
            link.rmdir()
        fresh.replace(link)
    finally:
        fresh.unlink(missing_ok=True)
