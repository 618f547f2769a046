"""A package index that answers whatever it likes: one clear error, in bounded memory and disk."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from registry.errors import SourceError
from scrapers.index import Index
from tests.hostile_site.replies import answer, endless, gzip_bomb, to
from tests.hostile_site.server import Case, HostileSite, Reply

KIND = "application/vnd.pypi.simple.v1+json"


def listing(*files: object, **other: object) -> bytes:
    told = {"meta": {"api-version": "1.0"}, "name": "lib", "files": list(files), **other}
    return answer(json.dumps(told), kind=KIND)


WHEEL = {"filename": "lib-1.0-py3-none-any.whl", "url": "/file.whl", "hashes": {"sha256": "0" * 64}}

LISTINGS: dict[str, tuple[Reply, str]] = {
    "endless": (endless(f"200 OK\r\nContent-Type: {KIND}\r\n\r\n", b" " * 60_000), "sends more than 32 MB"),
    "bomb": (gzip_bomb(), "sends more than 32 MB"),
    "endless-error": (endless("500 No\r\n\r\n", b" " * 60_000), "sends more than 32 MB"),
    "endless-redirect-body": (endless("302 On\r\nLocation: /x\r\n\r\n", b" " * 60_000), "sends more than 32 MB"),
    "circle": (to("/simple/lib/"), "failed"),
    "no-json": (answer("{", kind=KIND), "can't be read"),
    "deep": (answer("[" * 200_000, kind=KIND), "can't be read"),
    "of-numbers": (answer("[1, 2]", kind=KIND), "can't be read"),
    "without-files": (answer('{"meta": {"api-version": "1.0"}, "name": "lib"}', kind=KIND), "can't be read"),
    "odd-files": (listing(7, None), "can't be read"),
    "odd-hashes": (listing({**WHEEL, "hashes": 3}), "can't be read"),
    "another-age": (listing(meta={"api-version": "9.0"}), "can't be read"),
    "a-picture": (answer(b"\x89PNG", kind="image/png"), "can't be read"),
    "cut": (answer("{}", kind=KIND, Content_Length="900", Connection="close"), "failed"),
    "no-http": (b"what?\r\n\r\n", "failed"),
}


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_that_is_none_is_one_clear_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However endless, packed or deep: the stage's own error, on one line, without the address."""
    monkeypatch.setattr("scrapers.index.LISTING_BYTES", 2_000_000)
    reply, says = LISTINGS[name]
    with (
        HostileSite((Case("listing", "", reply, path="/simple/lib/"),)) as site,
        pytest.raises(SourceError, match=says.replace("32 MB", "2,000,000 bytes")) as told,
    ):
        Index(f"{site.url}/simple/").files("lib")
    assert "\n" not in str(told.value) and site.url not in str(told.value)


def test_a_file_without_end_leaves_nothing_and_needs_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came of it is removed; neither it nor what it would unpack to is held."""
    monkeypatch.setattr("scrapers.index.FILE_BYTES", 5_000_000)
    body = endless("200 OK\r\n\r\n", b"x" * 60_000)
    for reply in (body, gzip_bomb()):
        cases = (Case("l", "", listing(WHEEL), path="/simple/lib/"), Case("f", "", reply, path="/file.whl"))
        with HostileSite(cases) as site:
            index = Index(f"{site.url}/simple/")
            file = index.files_of("lib", "1.0")[0]
            tracemalloc.start()
            try:
                with pytest.raises(SourceError, match="sends more than 5,000,000 bytes"):
                    index.download(file, tmp_path)
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert list(tmp_path.iterdir()) == [] and peak < 40 << 20
            with pytest.raises(SourceError):
                index.metadata(file)
