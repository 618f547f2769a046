"""Guarded unpacking of wheels and sdists: nothing in them is built, run or trusted.

Guarantees: an archive is unpacked whole or not at all; every member lands inside the folder, as a plain file
without execute bits; absolute paths, `..`, links, devices, sparse files, duplicate names, over-long paths, too
many members, too many bytes and too high a compression ratio are refused, before the bytes are written.
Non-guarantees: what the files say is as untrusted as before.
"""

from __future__ import annotations

import gzip
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from registry.errors import SourceError

_CHUNK = 1 << 20
_BROKEN = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError)


@dataclass(frozen=True)
class Limits:
    """What an archive may hold.

    Attributes:
        members: Files.
        total: Bytes of all files together, unpacked.
        ratio: Unpacked bytes per packed byte, counted from `ratio_from` bytes on.
        ratio_from: Bytes below which the ratio is not looked at (small text packs well).
        path: Characters of a member's path.
    """

    members: int = 60_000
    total: int = 2 << 30
    ratio: int = 100
    ratio_from: int = 16 << 20
    path: int = 300


LIMITS = Limits()


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    data: IO[bytes]


def unpack(archive: Path, folder: Path, limits: Limits = LIMITS) -> Path:
    """Unpacks a wheel, zip or tar archive into `folder`, which appears only when it is complete.

    Args:
        archive: `*.whl`, `*.zip`, `*.tar.gz` or `*.tgz`.
        folder: Where to; left alone if it is there already.
        limits: What is accepted.

    Raises:
        SourceError: The archive is broken or breaks a rule; nothing is left of it.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        _write(archive, part, limits)
        if not folder.is_dir():
            part.rename(folder)
    except _BROKEN as e:
        raise SourceError(f"{archive.name} is no archive that can be read: {e}", archive=archive.name) from e
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _write(archive: Path, folder: Path, limits: Limits) -> None:
    packed = archive.stat().st_size
    seen: set[str] = set()
    total = 0
    for member in _members(archive, limits):
        path = _checked(member.name, archive, limits)
        if path.as_posix() in seen:
            raise _refused(archive, f"{member.name!r} twice")
        seen.add(path.as_posix())
        if len(seen) > limits.members:
            raise _refused(archive, f"more than {limits.members} files")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            while chunk := member.data.read(_CHUNK):
                total += len(chunk)
                _weigh(archive, total, packed, limits)
                out.write(chunk)


def _weigh(archive: Path, total: int, packed: int, limits: Limits) -> None:
    if total > limits.total:
        raise _refused(archive, f"more than {limits.total >> 20} MiB of files")
    if total > limits.ratio_from and total > limits.ratio * max(packed, 1):
        raise _refused(archive, f"more than {limits.ratio} times its own size")


def _checked(name: str, archive: Path, limits: Limits) -> PurePosixPath:
    """The member's path, if it stays inside the folder."""
    path = PurePosixPath(name)
    if (
        not path.parts
        or path.is_absolute()
        or ".." in path.parts
        or "\\" in name
        or "\0" in name
        or ":" in path.parts[0]
    ):
        raise _refused(archive, f"{name!r}, a path that leaves the folder")
    if len(name) > limits.path or any(len(part.encode(errors="replace")) > 250 for part in path.parts):
        raise _refused(archive, f"a path of {len(name)} characters, {name[:60]!r}…")
    return path


def _refused(archive: Path, what: str) -> SourceError:
    return SourceError(f"{archive.name} holds {what}: it was not unpacked", archive=archive.name)


def _members(archive: Path, limits: Limits) -> Iterator[_Member]:
    if archive.suffix in {".whl", ".zip"}:
        yield from _zipped(archive, limits)
    else:
        yield from _tarred(archive, limits)


def _zipped(archive: Path, limits: Limits) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        infos = opened.infolist()
        _weigh(archive, sum(i.file_size for i in infos), archive.stat().st_size, limits)
        for info in infos:
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
                raise _refused(archive, f"{info.filename!r}, a link or device")
            if info.is_dir():
                continue
            with opened.open(info) as data:
                yield _Member(info.filename, info.file_size, data)


class _Metered:
    """A stream that refuses to go beyond the limits, or to give very much at once (tarfile reads a header whole)."""

    def __init__(self, raw: gzip.GzipFile, archive: Path, limits: Limits) -> None:
        self._raw, self._archive, self._limits = raw, archive, limits
        self._packed = archive.stat().st_size

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > 16 * _CHUNK:
            raise _refused(self._archive, "a header too large")
        data = self._raw.read(size)
        _weigh(self._archive, self._raw.tell(), self._packed, self._limits)
        return data

    def seek(self, position: int) -> int:
        _weigh(self._archive, position, self._packed, self._limits)
        return self._raw.seek(position)

    def tell(self) -> int:
        return self._raw.tell()


def _tarred(archive: Path, limits: Limits) -> Iterator[_Member]:
    if archive.suffix not in {".gz", ".tgz"}:
        raise SourceError(f"{archive.name} is no archive of a known kind: .whl, .zip, .tar.gz, .tgz")
    with gzip.open(archive, "rb") as raw:
        stream: Any = _Metered(raw, archive, limits)
        with tarfile.open(fileobj=stream, mode="r:") as opened:
            for info in opened:
                if info.isdir():
                    continue
                if info.type not in {tarfile.REGTYPE, tarfile.AREGTYPE} or info.issparse():
                    raise _refused(archive, f"{info.name!r}, a link, device or sparse file")
                data = opened.extractfile(info)
                if data is not None:
                    yield _Member(info.name, info.size, data)
