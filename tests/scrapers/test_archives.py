from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from registry.errors import SourceError
from scrapers.archives import Limits, unpack

SMALL = Limits(members=10, total=1 << 20, ratio=20, ratio_from=1 << 14, path=120)


def tar_of(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, data in members:
            info.size = len(data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(data))
    return path


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, 0o4777
    return made


def zip_of(path: Path, members: list[tuple[str, bytes, int]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in members:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return path


HOSTILE_TARS = {
    "absolute path": [(info("/driftune-escaped"), b"x")],
    "parent path": [(info("pkg/../../escaped"), b"x")],
    "windows path": [(info("pkg\\..\\escaped"), b"x")],
    "symbolic link": [(info("pkg/link", tarfile.SYMTYPE, "/etc/passwd"), b"")],
    "link then write through it": [(info("pkg", tarfile.SYMTYPE, ".."), b""), (info("pkg/escaped"), b"x")],
    "hard link": [(info("pkg/a"), b"x"), (info("pkg/link", tarfile.LNKTYPE, "/etc/passwd"), b"")],
    "character device": [(info("pkg/dev", tarfile.CHRTYPE), b"")],
    "fifo": [(info("pkg/fifo", tarfile.FIFOTYPE), b"")],
    "the same name twice": [(info("pkg/a"), b"1"), (info("pkg/./a"), b"2")],
    "too many members": [(info(f"pkg/{i}"), b"") for i in range(12)],
    "too long a path": [(info("pkg/" + "a/" * 80), b"x")],
    "too much in all": [(info(f"pkg/{i}"), bytes(range(256)) * 2000) for i in range(4)],
    "too high a ratio": [(info("pkg/zeros"), b"\0" * 500_000)],
}


@pytest.mark.parametrize("name", HOSTILE_TARS)
def test_hostile_tar_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    """An sdist that breaks a rule is refused as a whole, and no file of it stays anywhere."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    archive = tar_of(inner / "x-1.tar.gz", HOSTILE_TARS[name])
    with pytest.raises(SourceError, match="was not unpacked"):
        unpack(archive, inner / "out", SMALL)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a", "b", "x-1.tar.gz"]
    assert not Path("/driftune-escaped").exists()


HOSTILE_ZIPS = {
    "absolute path": [("/driftune-escaped", b"x", 0o644)],
    "parent path": [("../escaped", b"x", 0o644)],
    "drive": [("C:/escaped", b"x", 0o644)],
    "symbolic link": [("pkg/link", b"/etc/passwd", stat.S_IFLNK | 0o777)],
    "too high a ratio": [("pkg/zeros", b"\0" * 500_000, 0o644)],
    "too many members": [(f"pkg/{i}", b"", 0o644) for i in range(12)],
}


@pytest.mark.parametrize("name", HOSTILE_ZIPS)
def test_hostile_wheel_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    """A wheel that breaks a rule is refused as a whole, and no file of it stays anywhere."""
    archive = zip_of(tmp_path / "x-1-py3-none-any.whl", HOSTILE_ZIPS[name])
    with pytest.raises(SourceError, match="was not unpacked"):
        unpack(archive, tmp_path / "out", SMALL)
    assert [p.name for p in tmp_path.rglob("*")] == [archive.name]


def test_huge_extended_header_is_refused(tmp_path: Path) -> None:
    """A tar header that claims to be gigabytes long is refused before it is read into memory."""
    head = tarfile.TarInfo("pax")
    head.type, head.size = tarfile.XHDTYPE, 3 << 30
    archive = tmp_path / "x-1.tar.gz"
    archive.write_bytes(gzip.compress(head.tobuf(tarfile.USTAR_FORMAT) + b"\0" * 4096))
    with pytest.raises(SourceError, match="a header too large"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("data", [b"", b"no archive", gzip.compress(b"no tar" * 200), gzip.compress(b"x" * 5000)[:-9]])
def test_broken_archive_is_one_clear_error(tmp_path: Path, data: bytes) -> None:
    """An empty, cut-off or otherwise broken archive is a SourceError that names the file."""
    archive = tmp_path / "x-1.tar.gz"
    archive.write_bytes(data)
    with pytest.raises(SourceError, match=r"x-1\.tar\.gz is no archive"):
        unpack(archive, tmp_path / "out")


def test_good_archive_is_unpacked_without_execute_bits(tmp_path: Path) -> None:
    """Plain files land in the folder, readable, never executable; a second call leaves them alone."""
    archive = tar_of(tmp_path / "x-1.tar.gz", [(info("x-1/a.py"), b"a = 1\n"), (info("x-1/sub/b.py"), b"b = 1\n")])
    folder = unpack(archive, tmp_path / "out")
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    assert [p.relative_to(folder).as_posix() for p in files] == ["x-1/a.py", "x-1/sub/b.py"]
    assert not any(p.stat().st_mode & 0o111 for p in files)
    archive.unlink()
    assert unpack(archive, folder) == folder
