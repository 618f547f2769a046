"""Real documentation, as Debian packages it: MkDocs' own site is found whole, no real page is taken for rubbish."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.injection import found_in
from scrapers.documents import Document, Parsed, get_format
from scrapers.inventory import NAME, read_inventory
from scrapers.reading import read_site
from scrapers.sites import facts_of, is_page
from scrapers.texts import decoded
from tests.scrapers.debian import unpacked

PACKAGES = ("python-pandas-doc", "python-werkzeug-doc", "python-jinja2-doc", "python-click-doc", "python-attr-doc")
AROUND = re.compile(
    r"(?im)^(?:edit this page|edit on github|was this (?:page )?helpful.*|skip to (?:main )?content|built with .*)$"
)


def parsed(kind: str, folder: Path, every: int = 1) -> Iterator[tuple[str, Parsed]]:
    """(path, what a format makes of it) of all pages in a folder, or of each second or third."""
    form = get_format(kind)
    known = {name: (folder / name).read_bytes() for name in form.indexes if (folder / name).exists()}
    facts = form.facts(known)
    for file in sorted(folder.rglob("*.html"))[::every]:
        path = file.relative_to(folder).as_posix()
        if is_page(path) or path == "404.html":
            document = Document(path, f"http://127.0.0.1/{path}", decoded(file.read_bytes()))
            yield path, form.parse(document, facts_of(facts, path))


def test_mkdocs_own_site_is_found_whole(tmp_path: Path) -> None:
    """Of 23 pages 19 are documentation, three lead elsewhere, one is for missing ones; all objects are found."""
    folder = unpacked("mkdocs-doc", tmp_path) / "usr/share/doc/mkdocs/html"
    found = dict(parsed("mkdocs", folder))
    assert len(found) == 23
    assert Counter((p.fault or "page").partition(":")[0] for p in found.values()) == {
        "page": 19, "redirect": 3, "soft-404": 1,
    }  # fmt: skip
    named = get_format("mkdocs").pages({name: (folder / name).read_bytes() for name in ("sitemap.xml",)})
    assert {path for path in named if "://" not in path} == {path for path, page in found.items() if not page.fault}
    scraped = read_site("mkdocs", str(folder), "mkdocs", "1.4.2", licence="BSD-2-Clause")
    assert {p.path for p in scraped.pages} == {path for path, page in found.items() if page.fault is None}
    objects = {row.name for row in read_inventory((folder / NAME).read_bytes()).rows}
    symbols = {s.path: s for s in scraped.symbols}
    assert len(objects) > 60
    assert objects == set(symbols)
    assert symbols["mkdocs.structure.files.Files.src_paths"].kind == "attribute"
    assert symbols["mkdocs.structure.files.File.copy_file"].signature == "(dirty: bool = False) -> None"
    assert [p.path for p in scraped.pages if AROUND.search(p.markdown)] == []


@pytest.mark.slow
def test_no_real_page_is_taken_for_rubbish(tmp_path: Path) -> None:
    """Of real pages, a half of them for time, none is a fault but redirects, and no passage addresses a model."""
    pages = 0
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        site = next(iter(sorted(unpacked(package, tmp_path / package).rglob("objects.inv")))).parent
        for path, page in parsed("sphinx", site, every=2):
            if path == "404.html":
                continue
            fault = (page.fault or "").partition(":")[0]
            assert fault in {"", "redirect"}, (path, page.fault)
            assert fault != "redirect" or len(page.markdown) < 500, path
            assert found_in(page.markdown) == [], path
            pages += not fault
    assert pages > 1_200
