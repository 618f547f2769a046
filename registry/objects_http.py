"""The objects of a registry that a server gives out (`driftune serve`): read, never written.

Content is downloaded into a folder of this machine, goes on where it was cut off, and is there only once its bytes have
the hash that names it. It stays for a week after it was used last, for versions that share it and pulls that follow.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import ipaddress
import json
import os
import re
import time
import weakref
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, NoReturn
from urllib.parse import SplitResult, quote, urlsplit

import httpx

from registry.errors import ConfigurationError, RegistryError
from registry.identity import sha256_of_file
from registry.objects import Stored
from registry.storage import storage

ATTEMPTS = 4
"""How often a request is made that fails for a reason that may pass."""

LONGEST_S = 30.0
"""Seconds that a server may have us wait before the next of these; where it wants more, the caller is told."""

DRIP_S = 60.0
"""Seconds after which an answer that drips is given up."""

KEPT_S = 7 * 86400.0
"""Seconds that content is kept which nobody uses."""

_TIMEOUT = httpx.Timeout(60.0, connect=10.0)
_MOST = 64 << 20
"""Bytes of what is read at once, where the reader says nothing: more of it isn't read."""
_KEPT = 4 << 20
"""Bytes of what is read at once and kept, for a server that says that it is unchanged; larger is content, or nothing of
ours."""
_KEPT_MOST = 4096
"""How many of these are kept."""
_LARGEST = 1 << 40
"""Bytes of a content, where nobody says how many it has."""
_SLOWEST = 1024
"""Bytes a second that a server sends at least, in an answer that takes longer than that: a byte now and then would hold
a subscriber for ever."""
_CONTENT = re.compile(r"files/[0-9a-f]{2}/([0-9a-f]{64})")
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_CUT = 206
_CONDITIONS = {304: "if-none-match", 416: "range"}
"""What else answers a request, where that asked for it."""


class _MissingError(Exception):
    """There is no such object: no OSError, so that nobody takes it for the disk's."""


class HttpObjects:
    """The objects that a server gives out.

    Args:
        url: Its address, as `https://registry.example.org`.
        cache: Folder for content.
        token: What the server knows the caller by; empty for nobody in particular.

    Raises:
        ConfigurationError: The token would be sent where others can read it, or can't be one.
    """

    def __init__(self, url: str, cache: Path, token: str = "") -> None:
        self.url = url.rstrip("/")
        parts = _parts(self.url)
        here = is_here(parts.hostname or "")
        if token and parts.scheme != "https" and not here:
            raise ConfigurationError(
                f"DRIFTUNE_TOKEN isn't sent to {self.url}, where others can read it on the way: use https"
            )
        if not (token.isascii() and token.isprintable()):  # httpx would name it in its error
            raise ConfigurationError(
                "DRIFTUNE_TOKEN has characters that no token has, as a line's end: set it again, as it was shown"
            )
        self._cache, self._known = cache, dict[str, tuple[str, bytes]]()
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._client = httpx.Client(headers=headers, timeout=_TIMEOUT, trust_env=not here)
        weakref.finalize(self, self._client.close)  # a Store isn't closed by anybody

    def read(self, path: str, limit: int | None = None) -> bytes:
        """All bytes of an object, or one more than `limit`; what the server says is unchanged isn't sent again."""
        for attempt in range(ATTEMPTS):
            try:
                with self._told(last=attempt == ATTEMPTS - 1):
                    return self._read(path, _MOST if limit is None else limit)
            except _MissingError:
                break
            time.sleep(2**attempt / 16)
        raise FileNotFoundError(path)

    def open(self, path: str, most: int = _LARGEST) -> BinaryIO:
        """An object to be read piece by piece: content from this machine, once it is here whole."""
        match = _CONTENT.fullmatch(path)
        if match is None:
            return io.BytesIO(self.read(path))
        try:
            return self._content(path, match[1], most)
        except _MissingError:
            raise FileNotFoundError(path) from None

    def create(self, path: str, data: bytes) -> bool:
        """Refused."""
        self._refuse(path)

    def put(self, path: str, content: bytes | Path) -> None:
        """Refused."""
        self._refuse(path)

    def names(self, prefix: str) -> list[str]:
        """What lies directly below a prefix, sorted; nothing where the caller may not know of it."""
        try:
            listed = json.loads(self.read(f"{prefix}/" if prefix else ""))["names"]
            return sorted(str(name) for name in listed)
        except FileNotFoundError:
            if not prefix:  # a server lists what a caller may see, if only nothing
                raise ConfigurationError(
                    f"No registry is served at {self.url}: set DRIFTUNE_REGISTRY to the address of driftune serve alone"
                ) from None
            return []
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RegistryError(f"{self.url} lists nothing that can be read: is it driftune serve?") from error

    def walk(self, prefix: str = "") -> Iterator[Stored]:
        """Refused: a server doesn't tell everything that lies there."""
        raise ConfigurationError(
            f"The registry at {self.url} doesn't list all that it holds. One version can be looked at from here, as in "
            "driftune registry verify networkx@v3; for all of them set DRIFTUNE_REGISTRY to its folder, or its s3://"
        )

    def stat(self, path: str) -> Stored | None:
        """Size and time of an object; None where there is none."""
        with contextlib.suppress(_MissingError), self._asked("HEAD", path) as answer:
            size = int(answer.headers.get("content-length", 0))
            return Stored(path, size, _time(answer.headers.get("last-modified", "")))
        return None

    def delete(self, path: str) -> None:
        """Refused."""
        self._refuse(path)

    def local(self, path: str) -> Path | None:
        """None: objects are elsewhere."""
        return None

    def _refuse(self, path: str) -> NoReturn:
        raise ConfigurationError(
            f"The registry at {self.url} is only read from here: set DRIFTUNE_REGISTRY to its folder, or its s3://, "
            f"where that is at hand, or ask the server itself as docs/how-to/serve.md says ({path})"
        )

    def _read(self, path: str, limit: int) -> bytes:
        etag, known = self._known.get(path, ("", b""))
        with self._asked("GET", path, {"If-None-Match": etag} if etag else {}) as answer:
            if answer.status_code == httpx.codes.NOT_MODIFIED:
                return known
            data = _begun(answer, limit + 1)
            if answer.headers.get("etag") and len(data) <= min(limit, _KEPT):
                if len(self._known) >= _KEPT_MOST:
                    self._known.clear()
                self._known[path] = answer.headers["etag"], data
            return data

    def _content(self, path: str, sha256: str, most: int) -> BinaryIO:
        target, part = self._cache / sha256, self._cache / f"{sha256}.part"
        with storage("what is downloaded", target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with part.open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # of several processes one downloads it
                if not target.is_file() or sha256_of_file(target) != sha256:  # a disk, or a power cut, may have hurt it
                    self._fetch(path, file, part, sha256, most)
                    part.replace(target)
                with contextlib.suppress(FileNotFoundError):
                    part.unlink()
            os.utime(target)
            self._tidy()
            return target.open("rb")

    def _download(self, path: str, file: BinaryIO, most: int) -> None:
        """Writes what is missing of a content behind what is there of it; not much more than `most` bytes."""
        for attempt in range(ATTEMPTS):
            have = file.seek(0, io.SEEK_END)
            ranged = {"Range": f"bytes={have}-", "If-Range": f'"{path[-64:]}"'} if have else {}
            with self._told(last=attempt == ATTEMPTS - 1), self._asked("GET", path, ranged) as answer:
                if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                    return  # all of it is there; the hash says whether it is right
                if answer.status_code != _CUT:
                    file.truncate(0)
                for piece in _pieces(answer):
                    file.write(piece)
                    if file.tell() > most:
                        break
                file.flush()
                return
            time.sleep(2**attempt / 16)

    def _fetch(self, path: str, file: BinaryIO, part: Path, sha256: str, most: int) -> None:
        """Downloads a content whole; what somebody else had begun is begun anew where it was something else."""
        begun = file.seek(0, io.SEEK_END) > 0
        for _ in range(1 + begun):
            self._download(path, file, most)
            if sha256_of_file(part) == sha256:
                return
            file.truncate(0)  # not removed: who waits for its lock would write where nobody reads
        raise RegistryError(
            f"{self.url} sent other bytes than {sha256} stands for: try again, and if it stays so tell its owner",
            retryable=True,
        )

    def _tidy(self) -> None:
        """Removes content that nobody has used for long."""
        oldest = time.time() - KEPT_S
        for path in self._cache.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    @contextlib.contextmanager
    def _asked(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """An answer that isn't a refusal, its body still to be read.

        Raises:
            _MissingError: There is none, or the caller may not know of it.
            RegistryError: The server refuses, fails, or can't be reached.
            httpx.HTTPError: It is cut off while its body is read.
        """
        request = self._client.build_request(method, f"{self.url}/registry/{quote(path)}", headers=dict(headers or {}))
        answer = self._sent(request)
        try:
            yield answer
        finally:
            answer.close()

    def _sent(self, request: httpx.Request) -> httpx.Response:
        attempt = 0
        while True:
            attempt += 1
            wait = 2**attempt / 16
            try:
                answer = self._client.send(request, stream=True)
                if request.method == "HEAD" or answer.status_code == httpx.codes.NOT_MODIFIED:
                    answer.read()  # nothing comes, and a connection is kept only once that is known
            except httpx.HTTPError as error:
                if attempt == ATTEMPTS:
                    raise self._unreachable(error) from error
            else:
                if answer.is_success or _CONDITIONS.get(answer.status_code, "") in request.headers:
                    return answer
                answer.close()
                wait = _asked_for(answer, wait)
                if answer.status_code not in _PASSING or attempt == ATTEMPTS or wait > LONGEST_S:
                    raise self._refused(answer)
            time.sleep(wait)

    @contextlib.contextmanager
    def _told(self, *, last: bool) -> Iterator[None]:
        """Passes over an answer that was cut off, unless it was the last attempt."""
        try:
            yield
        except httpx.HTTPError as error:
            if last:
                raise self._unreachable(error) from error

    def _refused(self, answer: httpx.Response) -> Exception:
        path, status = answer.request.url.path, answer.status_code
        if status == httpx.codes.NOT_FOUND:
            return _MissingError(path)
        advice = {
            401: "DRIFTUNE_TOKEN is wrong, has expired or was revoked: set another one",
            403: "DRIFTUNE_TOKEN may not read it: ask for one that may",
        }.get(status, "try again later" if status in _PASSING else "is it driftune serve?")
        return RegistryError(f"{self.url} answers {status} to {path}: {advice}", retryable=status in _PASSING)

    def _unreachable(self, error: Exception) -> RegistryError:
        return RegistryError(
            f"The registry at {self.url} can't be reached: {error or type(error).__name__}. Is its server running?",
            retryable=True,
        )


def _parts(url: str) -> SplitResult:
    """The parts of a registry's address.

    Raises:
        ConfigurationError: No registry can be there.
    """
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.hostname and not (parts.username or parts.query or parts.fragment):
            return parts
    raise ConfigurationError(f"No registry can be at {url!r}: write it as https://HOST, without a login or query")


def _begun(answer: httpx.Response, most: int) -> bytes:
    """A body, or so much of its beginning."""
    data = bytearray()
    for piece in _pieces(answer):
        data += piece
        if len(data) >= most:
            break
    return bytes(data[:most])


def _pieces(answer: httpx.Response) -> Iterator[bytes]:
    """The pieces of a body, as long as it doesn't drip.

    Raises:
        httpx.ReadTimeout: It does.
    """
    since, sent = time.monotonic(), 0
    for piece in answer.iter_raw():
        sent += len(piece)
        seconds = time.monotonic() - since
        if seconds > DRIP_S and sent < seconds * _SLOWEST:
            raise httpx.ReadTimeout(f"It sent {sent} bytes in {seconds:.0f} s", request=answer.request)
        yield piece


def _asked_for(answer: httpx.Response, wait: float) -> float:
    """Seconds until the next attempt: what the server asks for, where that is more."""
    told = answer.headers.get("retry-after", "")
    return max(wait, float(told)) if told.isascii() and told.isdigit() else wait


def _time(told: str) -> float:
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return parsedate_to_datetime(told).timestamp()
    return 0.0


def is_here(host: str) -> bool:
    """Whether a host of an address is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
