"""A package index on loopback that hands on what another has: pip gets there without a login, which it never sees.

What the domain's own index lists comes from there alone, also where another index has more of it under the same name
(else whoever published that could slip it in); what it doesn't list comes from the one that pip is configured for.
Guarantees: the login goes to its own origin alone; files are held against their digests before pip gets them; nobody
who doesn't know the address, which is drawn anew each time, is answered; an index that fails is no missing library.
Non-guarantees: an index that answers 404 where it refuses can't be told from one that lacks a library; a file that is
listed without a SHA-256 isn't handed on.
"""

from __future__ import annotations

import html
import http.server
import re
import secrets
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from registry.errors import ConfigurationError, SourceError
from scrapers.index import Index, normalised_name

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage


class Relay:
    """Hands on what a domain's own index has, and what another has beside it.

    Args:
        own: The domain's.
        other: The one that is asked for what the own one doesn't list; by default the configured one.
    """

    def __init__(self, own: Index, other: Index | None = None) -> None:
        self._own, self._other = own, other or Index()

    @property
    def mark(self) -> str:
        """Tells what was resolved here from what was resolved elsewhere."""
        return self._own.mark

    @contextmanager
    def served(self) -> Iterator[str]:
        """The address of an index for pip, until the block ends.

        Raises:
            ConfigurationError: The login isn't there: pip would only be told that there is no such package.
        """
        self._own.login()
        key = secrets.token_urlsafe(24)
        with tempfile.TemporaryDirectory(prefix="driftune-relay-") as folder:
            handler = type("Handler", (_Handler,), {"relay": self, "key": key, "folder": Path(folder)})
            with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
                threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
                try:
                    yield f"http://127.0.0.1:{server.server_address[1]}/{key}/simple/"
                finally:
                    server.shutdown()

    def index_of(self, library: str) -> Index:
        """Which of the two a library comes from.

        Raises:
            ConfigurationError: Neither has it.
            SourceError: The own one can't say.
        """
        try:
            self._own.files(library)
        except ConfigurationError as error:
            if error.values.get("library") is None:
                raise  # its login isn't there
            self._other.files(library)
            return self._other
        return self._own


class _Handler(http.server.BaseHTTPRequestHandler):
    relay: Relay
    key: str
    folder: Path

    def do_GET(self) -> None:
        parts = [unquote(part) for part in self.path.strip("/").split("/")]
        if not all(re.fullmatch(r"[\w.+!-]+", part) for part in parts):
            self._refuse(404)
            return
        try:
            match parts:
                case [self.key, "simple", library]:
                    listed = self.relay.index_of(library).files(library)
                    page = "".join(_link(file, f"/{self.key}/files/{normalised_name(library)}") for file in listed)
                    self._send(f"<!DOCTYPE html><html><body>{page}</body></html>".encode(), "text/html")
                case [self.key, "files", library, name]:
                    self._send(self._file(library, name), "application/octet-stream")
                case _:
                    self._refuse(404)
        except ConfigurationError:
            self._refuse(404)
        except SourceError:
            self._refuse(502)

    def _file(self, library: str, name: str) -> bytes:
        index = self.relay.index_of(library)
        wanted = name.removesuffix(".metadata")
        file = next((f for f in index.files(library) if f.filename == wanted), None)
        if file is None:
            raise ConfigurationError(f"No file {wanted} of {library}")
        if name != wanted:
            return index.metadata(file)
        path, _ = index.download(file, Path(tempfile.mkdtemp(dir=self.folder)))
        data = path.read_bytes()
        path.unlink()
        return data

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    def _refuse(self, status: int) -> None:
        with suppress(ConnectionError):
            self.send_error(status)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _link(file: DistributionPackage, folder: str) -> str:
    """A file's line in a listing (PEP 503), with what pip chooses by."""
    digest = file.digests.get("sha256")
    if digest is None:
        return ""
    attributes = {"data-requires-python": file.requires_python}
    attributes |= {"data-yanked": (file.yanked_reason or "") if file.is_yanked else None}
    attributes |= {"data-dist-info-metadata": "true" if file.has_metadata else None}
    told = "".join(f' {name}="{html.escape(value)}"' for name, value in attributes.items() if value is not None)
    address = f"{folder}/{quote(file.filename)}#sha256={quote(digest)}"
    return f'<a href="{html.escape(address)}"{told}>{html.escape(file.filename)}</a>\n'
