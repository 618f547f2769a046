"""Which version a site says that it documents, and whether it is the one asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrapers.documents import Document
from scrapers.stated import match_version, stated_version

FOLDER = "/srv/docs"


def inventory(version: str) -> dict[str, bytes]:
    head = f"# Sphinx inventory version 2\n# Project: Lib\n# Version: {version}\n# The remainder is compressed\n"
    return {"objects.inv": head.encode() + b"\x78\x9c\x00\xff"}


def page(head: str) -> Document:
    return Document("index.html", "https://docs.example/index.html", f"<html><head>{head}</head><body/></html>")


SWITCHER = [
    {"name": "3.6.1 (stable)", "version": "3.6.1", "url": "https://docs.example/stable/", "preferred": True},
    {"name": "dev", "version": "dev", "url": "https://docs.example/dev/"},
    {"version": "2.8.8", "url": "https://docs.example/2.8.8/"},
]
MIKE = [
    {"version": "3.6", "title": "3.6.1", "aliases": ["latest"]},
    {"version": "2.8", "title": "2.8.8", "aliases": []},
]


def switcher(name: str, entries: object) -> dict[str, bytes]:
    return {name: json.dumps(entries).encode()}


@pytest.mark.parametrize(
    ("indexes", "head", "address", "version"),
    [
        (inventory("3.6.1"), "", FOLDER, "3.6.1"),
        (inventory("v3.6"), "<title>Graph &#8212; NetworkX 3.6.1 documentation</title>", FOLDER, "3.6.1"),
        (inventory(""), "<title>Lib 2.8.8 documentation</title>", FOLDER, "2.8.8"),
        (inventory("2.8.8"), "<title>Lib 3.6.1 documentation</title>", "https://docs.example/3.6.1/", "2.8.8"),
        ({}, "<script>var DOCUMENTATION_OPTIONS = { URL_ROOT: './', VERSION: '3.7rc0.dev0' };</script>", FOLDER,
         "3.7rc0.dev0"),
        ({"_static/documentation_options.js": b"const DOCUMENTATION_OPTIONS = {\n    VERSION: '1.26',\n"}, "", FOLDER,
         "1.26"),
        ({}, "<script>DOCUMENTATION_OPTIONS.theme_switcher_version_match = '2.8.8';</script>", FOLDER, "2.8.8"),
        ({}, '<meta name="docsearch:version" content="2.0"/>', FOLDER, "2.0"),
        (switcher("_static/switcher.json", SWITCHER), "", "https://docs.example/stable/", "3.6.1"),
        (switcher("_static/switcher.json", SWITCHER), "", "https://docs.example/stable/index.html", "3.6.1"),
        (switcher("versions.json", MIKE), "", "https://docs.example/latest/", "3.6.1"),
        (switcher("versions.json", MIKE), "", "https://docs.example/2.8/", "2.8.8"),
        ({}, "", "https://lib.readthedocs.example/en/v2.8.8/", "2.8.8"),
        ({}, "", "/srv/docs/lib-2.8.8", "2.8.8"),
        ({}, "", "https://docs.example/stable/", None),
        ({}, "", "/srv/v1.0/docs", None),
        ({}, '<meta name="generator" content="mkdocs-1.6.1, mkdocs-material-9.8.1">', FOLDER, None),
        ({}, "<title>Python 3 by example</title>", "https://docs.example/2024/", None),
        (inventory("latest"), "", FOLDER, None),
    ],
)  # fmt: skip
def test_what_a_site_says(indexes: Mapping[str, bytes], head: str, address: str, version: str | None) -> None:
    """Each place that says a version is read; the stronger one wins, and a line gives way to a release of it."""
    assert stated_version(indexes, [page(head)], address).version == version


def test_the_evidence_is_told_strongest_first() -> None:
    """All that says a version is kept, with the words it was said in."""
    said = stated_version(inventory("3.6"), [page("<title>Lib 3.6.1 documentation</title>")], "https://a.example/2.8/")
    assert said.evidence == (
        {"source": "objects.inv", "text": "3.6"},
        {"source": "title", "text": "3.6.1"},
        {"source": "address", "text": "2.8"},
    )


def test_most_pages_decide_what_titles_say() -> None:
    """One page about another version doesn't outvote the others."""
    titles = ["Lib 2.8 documentation", *["A page — Lib 3.6 documentation"] * 3]
    assert stated_version({}, [page(f"<title>{t}</title>") for t in titles], FOLDER).version == "3.6"


@pytest.mark.parametrize(
    ("said", "wanted", "outcome"),
    [
        ("2.8.8", "2.8.8", "agrees"),
        ("2.8", "2.8.8", "agrees"),
        ("3.0", "3.0.0", "agrees"),
        ("3.6.1.post1", "3.6.1", "agrees"),
        ("3.6.1", "2.8.8", "differs"),
        ("3.6.1", "3.6", "differs"),
        ("3.7.dev0", "3.7", "differs"),
        ("3.7rc1", "3.7.1", "differs"),
        ("2.80", "2.8.8", "differs"),
    ],
)
def test_a_line_agrees_with_its_releases_and_a_release_with_itself(said: str, wanted: str, outcome: str) -> None:
    """A pre-release, a neighbour or another line is another version."""
    assert match_version(stated_version(inventory(said), [], FOLDER), wanted).outcome == outcome


def test_a_mismatch_names_both_and_what_to_do() -> None:
    """Who asked for 2.8.8 and got the latest is told so in one line."""
    found = match_version(stated_version(inventory("3.6.1"), [], "https://docs.example/stable/"), "2.8.8")
    assert found.detail.startswith(
        "Asked for 2.8.8, the site says 3.6.1 (objects.inv): many sites show only the latest"
    )
    assert "version_check = false" in found.detail


@pytest.mark.parametrize(
    ("address", "says"), [("https://a.example/latest/", "its address says latest"), (FOLDER, "it doesn't say")]
)
def test_what_is_not_known_is_said(address: str, says: str) -> None:
    """A site that says no version is no mismatch; a word in its address is named."""
    found = match_version(stated_version({}, [], address), "2.8.8")
    assert found.outcome == "unknown"
    assert says in found.detail


@given(st.binary(max_size=400), st.text(max_size=200), st.text(max_size=80))
def test_nothing_received_raises(data: bytes, text: str, address: str) -> None:
    """Whatever an index, a page or an address holds, there is an answer."""
    documents = [page(text), page(f"<title>{text}</title><script>VERSION: '{text}'</script>")]
    names = ("objects.inv", "_static/documentation_options.js", "switcher.json", "versions.json")
    said = stated_version(dict.fromkeys(names, b"# Version: " + data) | {"x/versions.json": data}, documents, address)
    assert match_version(said, "1.0").outcome in {"agrees", "differs", "unknown"}


@pytest.mark.parametrize(
    "entries", [{"a": 1}, [1, None], [{"url": 3, "version": []}], [{"aliases": 5, "version": {"a": 1}}], "x", None]
)
def test_switchers_of_any_shape_are_read(entries: object) -> None:
    """A switcher that is none says nothing."""
    assert stated_version(switcher("versions.json", entries), [], "https://a.example/latest/").version is None


def test_a_deep_switcher_says_nothing() -> None:
    """JSON that is nested deeper than Python goes is no switcher."""
    assert stated_version({"versions.json": b"[" * 100_000}, [], FOLDER).version is None
