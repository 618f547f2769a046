"""Where the registry's bytes lie: a folder, or S3. Whatever becomes visible does so by creating one object if absent.

Paths are relative and have `/` between their parts; a name that begins with a dot is nobody's object. An object appears
whole or not at all, and once it is there under a name that others go by it doesn't change.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from registry.errors import ConfigurationError, RegistryError, TrustError
from registry.settings import Settings
from registry.storage import storage

PARTS = ".parts"
"""Folder of what is being written: a killed writer leaves it there, under no name that anybody reads."""
_TRIES = 20
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""What a file system answers that has none: FAT, and some that are shared over a network."""


@dataclass(frozen=True)
class Stored:
    """What is known of an object without reading it.

    Attributes:
        path: Its path.
        size: In bytes.
        time: When it was written, in seconds since 1970.
    """

    path: str
    size: int
    time: float


class Objects(Protocol):
    """Named bytes. Reading what isn't there raises `FileNotFoundError`; all else that fails is a `DriftuneError`.

    Attributes:
        url: The folder, or the URL, for a person.
    """

    url: str

    def read(self, path: str, limit: int | None = None) -> bytes:
        """All bytes of an object, or one more than `limit` where it has more than that."""

    def open(self, path: str, most: int = ...) -> BinaryIO:
        """An object to be read piece by piece; of one that is fetched first not much more than `most` bytes are."""

    def create(self, path: str, data: bytes) -> bool:
        """Make an object that isn't there yet, atomically among all writers; false where it exists."""

    def put(self, path: str, content: bytes | Path) -> None:
        """Write an object, or write it anew: of content under its own hash, where both are the same."""

    def names(self, prefix: str) -> list[str]:
        """What lies directly below a prefix, objects and folders alike, sorted; empty where nothing does."""

    def walk(self, prefix: str = "") -> Iterator[Stored]:
        """Every object below a prefix, in any order."""

    def stat(self, path: str) -> Stored | None:
        """Size and time of an object; None where there is none."""

    def delete(self, path: str) -> None:
        """Remove an object; nothing happens where there is none."""

    def local(self, path: str) -> Path | None:
        """The file that an object is; None where it is elsewhere."""


def objects_of(place: str | Path) -> Objects:
    """What a registry's place is made of.

    Args:
        place: A folder, an fsspec URL, or the address of a server (read only).

    Raises:
        ConfigurationError: Nothing can be kept there.
    """
    protocol, separator, rest = str(place).partition("://")
    if isinstance(place, Path) or not separator:
        return FolderObjects(Path(place).expanduser().absolute())
    if protocol == "file":
        return FolderObjects(Path(rest))
    if protocol in ("s3", "s3a"):
        from registry.objects_s3 import S3Objects

        return S3Objects(str(place))
    if protocol in ("http", "https"):
        from registry.objects_http import HttpObjects

        return HttpObjects(str(place), Settings().root / "downloads", Settings().token)
    raise ConfigurationError(
        f"No registry can be at {str(place)!r}: set DRIFTUNE_REGISTRY to a folder, to s3://BUCKET/PREFIX, or "
        "to the https://HOST of a server"
    )


class FolderObjects:
    """The objects of a folder: each is a read-only file.

    Args:
        root: The folder; it is made when something is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def read(self, path: str, limit: int | None = None) -> bytes:
        """All bytes of an object, or one more than `limit` where it has more than that."""
        with self.open(path) as file, reading(path):
            return file.read() if limit is None else file.read(limit + 1)

    def open(self, path: str, most: int = 0) -> BinaryIO:
        """An object to be read piece by piece."""
        place = self._plain(path)
        with reading(place):
            handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would be waited for
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise TrustError(f"{place} is no file", fault="symlink", path=path)
        return os.fdopen(handle, "rb")

    def create(self, path: str, data: bytes) -> bool:
        """Make an object that isn't there yet; false where it exists."""
        with storage("the registry", self.url), self._part(data) as part:
            return self._link(part, self._at(path))

    def put(self, path: str, content: bytes | Path) -> None:
        """Write an object, or write it anew."""
        with storage("the registry", self.url), self._part(content) as part:
            target = self._at(path)
            self._into(target.parent, lambda: part.replace(target))

    def names(self, prefix: str) -> list[str]:
        """What lies directly below a prefix, sorted."""
        place = self._plain(prefix)
        with contextlib.suppress(FileNotFoundError), reading(place), os.scandir(place) as found:
            return sorted(entry.name for entry in found if not entry.name.startswith("."))
        return []

    def walk(self, prefix: str = "") -> Iterator[Stored]:
        """Every object below a prefix, and whatever else lies there; one that goes meanwhile isn't told."""
        for folder, below, names in os.walk(self._at(prefix)):
            below[:] = sorted(name for name in below if not name.startswith("."))
            links = [name for name in below if Path(folder, name).is_symlink()]
            for name in sorted([*names, *links]):
                with contextlib.suppress(FileNotFoundError):
                    found = Path(folder, name).lstat()
                    if not name.startswith("."):
                        path = Path(folder, name).relative_to(self.root).as_posix()
                        yield Stored(path, found.st_size, found.st_mtime)

    def stat(self, path: str) -> Stored | None:
        """Size and time of an object; None where there is none."""
        place = self._at(path)
        with contextlib.suppress(FileNotFoundError), reading(place):
            found = place.lstat()
            return Stored(path, found.st_size, found.st_mtime) if stat.S_ISREG(found.st_mode) else None
        return None

    def delete(self, path: str) -> None:
        """Remove an object."""
        place = self._at(path)
        with storage("the registry", self.url):
            place.unlink(missing_ok=True)
            if place.parent.name != PARTS:
                with contextlib.suppress(OSError):
                    place.parent.rmdir()  # if it was the last there

    def local(self, path: str) -> Path | None:
        """The file that an object is."""
        return self._plain(path)

    def _plain(self, path: str) -> Path:
        """Where an object lies, which no link leads elsewhere.

        Raises:
            TrustError: One does.
        """
        place, part = self._at(path), self.url
        for name in path.split("/"):
            part = os.path.join(part, name)  # noqa: PTH118  # asked for every object: a Path takes ten times as long
            if os.path.islink(part):  # noqa: PTH114
                raise TrustError(
                    f"{part} is a symbolic link: a registry holds files and folders only", fault="symlink", path=path
                )
        return place

    def _at(self, path: str) -> Path:
        if path.startswith("/") or ".." in path.split("/"):
            raise RegistryError(f"No object of the registry at {self.url} can be called {path!r}", path=path)
        return self.root / path

    @contextlib.contextmanager
    def _part(self, content: bytes | Path) -> Iterator[Path]:
        """A file with this content, on the disk, under a name that nobody reads."""
        folder = self.root / PARTS
        self._make(folder)
        part = folder / secrets.token_hex(16)
        try:
            with part.open("xb") as file:
                if isinstance(content, Path):
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, file, 1 << 20)
                else:
                    file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
            yield part
        finally:
            part.unlink(missing_ok=True)

    def _link(self, part: Path, target: Path) -> bool:
        try:
            self._into(target.parent, lambda: target.hardlink_to(part))
        except FileExistsError:
            if not os.path.lexists(target):  # what is there is a file where a folder is needed
                raise
            return False
        except OSError as error:
            if error.errno in _NO_LINKS and os.access(target.parent, os.W_OK):
                raise ConfigurationError(
                    f"No registry can be in {self.url}: its file system has no hard links ({error.strerror}), without "
                    "which two publishers could take one version. Choose another folder, or S3"
                ) from error
            raise
        return True

    def _into(self, folder: Path, act: Callable[[], object]) -> None:
        """Puts a name into a folder, which is made; it goes when somebody removes what was the last there."""
        for left in reversed(range(_TRIES)):
            try:
                self._make(folder)
                act()
                _sync(folder)
                return
            except FileNotFoundError:
                if not left:
                    raise

    def _make(self, folder: Path) -> None:
        """Makes a folder, which stays when the power goes."""
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
            _sync(folder.parent)


def small(objects: Objects, path: str, limit: int) -> bytes:
    """An object that can't be large.

    Raises:
        FileNotFoundError: There is none.
        TrustError: It is.
    """
    data = objects.read(path, limit)
    if len(data) > limit:
        raise TrustError(f"{path} in {objects.url} has more than {limit:,} bytes", fault="size", path=path)
    return data


@contextlib.contextmanager
def reading(what: Path | str) -> Iterator[None]:
    """Translates what fails when an object is read.

    Raises:
        FileNotFoundError: There is none.
        RegistryError: It can't be read.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(str(what)) from error
    except OSError as error:
        raise RegistryError(f"Can't read {what}: {error}", path=str(what), retryable=True) from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
