"""What the tests of scrapers share: networkx at both versions, and small packages made on the spot."""

from __future__ import annotations

import functools
import hashlib
import http.server
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from registry.records import Page, Release
from scrapers.pypi import PyPISource
from scrapers.sources import Scraped
from scrapers.symbols import find_symbols
from tests.served import Quiet, served

OLD, NEW = "2.8.8", "3.6.1"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def networkx_old(cache: Path) -> Scraped:
    return PyPISource().scrape({}, "networkx", OLD, cache)


@pytest.fixture(scope="session")
def networkx_new(cache: Path) -> Scraped:
    return PyPISource().scrape({}, "networkx", NEW, cache)


def scraped(version: str, texts: Mapping[str, str], changelog: str = "") -> Scraped:
    """A release of library `lib` whose modules are `texts` (by path), with its symbols."""
    release = Release(library="lib", version=version, artifact_sha256=hashlib.sha256(version.encode()).hexdigest())
    pages = [page(release.id, path, text, "source") for path, text in texts.items()]
    pages += [page(release.id, "CHANGELOG.md", changelog, "changelog")] if changelog else []
    return Scraped(release=release, pages=tuple(pages), symbols=tuple(find_symbols(release.id, pages)))


def page(release: str, path: str, text: str, kind: str) -> Page:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Page(release=release, url=f"pypi://lib/{path}", content_hash=digest, kind=kind, path=path, markdown=text)


def write_wheel(folder: Path, name: str, version: str, files: Mapping[str, str], metadata: str = "") -> Path:
    """A small wheel for any Python, as build tools lay it out."""
    info = f"{name}-{version}.dist-info"
    head = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inner, text in {**files, f"{info}/METADATA": head}.items():
            wheel.writestr(inner, text)
    return path


@dataclass
class Served:
    """A folder behind a real HTTP server: its address, the paths that were asked for, those answered by 304."""

    url: str
    asked: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)


@pytest.fixture
def serve() -> Iterator[object]:
    """A function that serves a folder over HTTP, with ETags, until the test ends."""
    with ExitStack() as servers:

        def start(folder: Path) -> Served:
            folder_served = Served("")
            handler = functools.partial(_Handler, directory=str(folder), told=folder_served)
            folder_served.url = servers.enter_context(served(handler))
            return folder_served

        yield start


class _Handler(Quiet, http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args: object, told: Served, **kwargs: object) -> None:
        self.told = told
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.told.asked.append(self.path)
        if self.path.endswith("/away.html"):
            self.send_response(302)
            self.send_header("Location", "/outside.html")
            self.end_headers()
            return
        file = Path(self.translate_path(self.path))
        etag = f'"{hashlib.sha256(file.read_bytes()).hexdigest()}"' if file.is_file() else None
        if etag and self.headers.get("If-None-Match") == etag:
            self.told.unchanged.append(self.path)
            self.send_response(304)
            self.end_headers()
            return
        self.etag = etag
        super().do_GET()

    def end_headers(self) -> None:
        if getattr(self, "etag", None):
            self.send_header("ETag", self.etag)
        super().end_headers()


def write_index(folder: Path, library: str, files: Mapping[Path, str]) -> None:
    """A package index of one library in the simple HTML form: {file: sha256 that the index states}."""
    listing = folder / "simple" / library
    listing.mkdir(parents=True)
    links = []
    for file, digest in files.items():
        (listing / file.name).write_bytes(file.read_bytes())
        links.append(f'<a href="{file.name}#sha256={digest}">{file.name}</a>')
    (listing / "index.html").write_text(f"<html><body>{''.join(links)}</body></html>", encoding="utf-8")
