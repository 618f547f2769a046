"""Files appear whole or not at all, and the disk's errors say what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from registry.errors import ConfigurationError, RegistryError
from registry.storage import remove_tree, storage, write_file


def test_file_is_whole_and_alone(tmp_path: Path) -> None:
    """A file is written with its folders, replaces the one before, and leaves nothing beside it."""
    path = tmp_path / "a" / "b" / "file.bin"
    write_file(path, b"one")
    write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """Where writing fails, what was there stays as it was, and no part of the new file is left."""
    path = tmp_path / "file"
    write_file(path, b"old")
    with pytest.raises(TypeError):
        write_file(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_says_so() -> None:
    """A real full device (/dev/full) is the user's error, in one line with place and advice."""
    with (
        pytest.raises(ConfigurationError, match="No space left") as error,
        storage("the lake", "/dev/full"),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        file.write(b"x")
    assert "the lake at /dev/full" in str(error.value)
    assert isinstance(error.value.__cause__, OSError)


def test_path_below_a_file_says_so(tmp_path: Path) -> None:
    """A folder that is a file is the user's error too."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"not a folder|where a folder is needed"):
        write_file(tmp_path / "file" / "below", b"x", "a file")


@pytest.mark.parametrize("code", [errno.EIO, errno.ETIMEDOUT])
def test_other_errors_may_go_away(code: int) -> None:
    """An input or output error that the user can't mend can be retried."""
    with pytest.raises(RegistryError) as error, storage("x", "/somewhere"):
        raise OSError(code, os.strerror(code))
    assert error.value.retryable


def test_tree_with_read_only_folders_is_removed(tmp_path: Path) -> None:
    """A folder is removed with all that is in it, read-only or not; a missing one is fine."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "f").write_text("")
    (folder / "f").chmod(0o444)
    folder.chmod(0o555)
    remove_tree(tmp_path / "a")
    remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()
