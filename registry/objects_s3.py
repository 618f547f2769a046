"""The registry's objects on S3, or what speaks as it does. Needs `s3fs` (`pip install 'driftune[s3]'`).

An object is created if absent by `If-None-Match: *`, which the service itself decides: AWS does since 2024, and so do
MinIO, Ceph and R2. A service that passes over that header would let two publishers write one version.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from registry.errors import ConfigurationError, RegistryError
from registry.objects import Stored

_BLOCK = 8 << 20


class S3Objects:
    """The objects below a prefix of a bucket; credentials and endpoint come from the environment, as of AWS's tools.

    Args:
        url: `s3://BUCKET/PREFIX`.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._of_process: dict[int, tuple[Any, str]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """In another process there is another client."""
        return self.__dict__ | {"_of_process": {}}

    @property
    def fs(self) -> Any:
        """The filesystem, of this process: a client doesn't outlive a fork."""
        return self._opened[0]

    @property
    def place(self) -> str:
        """Bucket and prefix, as the filesystem names them."""
        return self._opened[1]

    @property
    def _opened(self) -> tuple[Any, str]:
        import fsspec

        if (pid := os.getpid()) not in self._of_process:
            try:
                self._of_process[pid] = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
            except (ImportError, ValueError) as error:
                raise ConfigurationError(f"Can't use {self.url}: {error}. pip install 'driftune[s3]'") from error
        return self._of_process[pid]

    def read(self, path: str, limit: int | None = None) -> bytes:
        """All bytes of an object, or one more than `limit` where it has more than that."""
        # asked for with one request: else its size is asked for first, to see whether it is fetched in pieces
        whole = {"max_concurrency": 1} if "s3" in self.fs.protocol else {}
        part = whole if limit is None else {"start": 0, "end": limit + 1}
        with self._asked("read", path):
            return bytes(self.fs.cat_file(self._at(path), **part))

    def open(self, path: str, most: int = 0) -> BinaryIO:
        """An object to be read piece by piece."""
        with self._asked("read", path):
            return cast(BinaryIO, self.fs.open(self._at(path), "rb", block_size=_BLOCK))

    def create(self, path: str, data: bytes) -> bool:
        """Make an object that isn't there yet; false where it exists with other bytes.

        With the same bytes it is taken for made by this call: the client asks again where an answer was lost.
        """
        with self._asked("write", path):
            try:
                self.fs.pipe_file(self._at(path), data, mode="create")
            except OSError as error:
                if not _is_taken(error):
                    raise
                return self.read(path) == data
            return True

    def put(self, path: str, content: bytes | Path) -> None:
        """Write an object, or write it anew."""
        with self._asked("write", path):
            if isinstance(content, Path):
                self.fs.put_file(str(content), self._at(path))
            else:
                self.fs.pipe_file(self._at(path), content)

    def names(self, prefix: str) -> list[str]:
        """What lies directly below a prefix, sorted."""
        place = self._at(prefix)
        with contextlib.suppress(FileNotFoundError), self._asked("read", prefix):
            found = {str(name).rstrip("/") for name in self.fs.ls(place, detail=False, refresh=True)}
            return sorted(name.rpartition("/")[2] for name in found if name != place)
        return []

    def walk(self, prefix: str = "") -> Iterator[Stored]:
        """Every object below a prefix."""
        with self._asked("read", prefix):
            found: dict[str, Any] = self.fs.find(self._at(prefix), detail=True, refresh=True)
        for name, info in found.items():
            if info["type"] == "file":  # where nothing was listed, and something is put there just then, it is a folder
                yield self._stored(name, info)

    def stat(self, path: str) -> Stored | None:
        """Size and time of an object; None where there is none."""
        with contextlib.suppress(FileNotFoundError), self._asked("read", path):
            info = self.fs.info(self._at(path), refresh=True)
            return self._stored(info["name"], info) if info["type"] == "file" else None
        return None

    def delete(self, path: str) -> None:
        """Remove an object."""
        with contextlib.suppress(FileNotFoundError), self._asked("remove", path):
            self.fs.rm_file(self._at(path))

    def local(self, path: str) -> Path | None:
        """None: it is elsewhere."""
        return None

    def _at(self, path: str) -> str:
        return f"{self.place}/{path}".rstrip("/")

    def _stored(self, name: str, info: dict[str, Any]) -> Stored:
        at = info["LastModified"] if "LastModified" in info else info["created"]
        written = at.timestamp() if isinstance(at, dt.datetime) else float(at)
        return Stored(name.removeprefix(f"{self.place}/"), int(info["size"]), written)

    @contextlib.contextmanager
    def _asked(self, what: str, path: str) -> Iterator[None]:
        """Translates what the service, or the way to it, refuses."""
        try:
            yield
        except FileNotFoundError as error:
            if what == "read":
                raise
            raise ConfigurationError(f"Can't {what} {self.url}/{path}: {error}. Make the bucket first") from error
        except PermissionError as error:
            raise ConfigurationError(f"Can't {what} {self.url}/{path}: {error}. Check AWS's credentials") from error
        except _faults() as error:
            raise RegistryError(f"Can't {what} {self.url}/{path}: {error}", retryable=True) from error


def _faults() -> tuple[type[Exception], ...]:
    """What is raised where a store isn't reached, or refuses."""
    try:
        from botocore.exceptions import BotoCoreError
    except ImportError:
        return (OSError,)
    return (OSError, BotoCoreError)


def _is_taken(error: OSError) -> bool:
    """Whether the service says that there is such an object."""
    answer = getattr(error.__cause__, "response", None) or {}
    return isinstance(error, FileExistsError) or answer.get("Error", {}).get("Code") == "PreconditionFailed"
