"""Sites that Sphinx builds on the spot: small ones here, all of them by `benchmarks/inventory.py`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from built_sites import PINS, site_of
from competitors import interpreter_with
from inventory import Site, blocks, found, read

from registry.web import Access
from scrapers.reading import read_site
from tests.scrapers.test_sphinx_pages import PAGES, parsed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sites")


@pytest.mark.parametrize("theme", ["alabaster", "furo"])
def test_pages_in_the_repository_are_what_sphinx_makes(theme: str, cache: Path) -> None:
    """The pages that fast tests read are those of a real build."""
    source = shutil.copytree(PAGES / "source", cache / theme / "source")
    python = interpreter_with(PINS, cache, "sphinx-")
    command = [str(python), "-m", "sphinx", "-b", "html", "-q", "-d", str(cache / theme / "trees")]
    subprocess.run(
        [*command, str(source), str(cache / theme / "html")],
        check=True,
        env={**os.environ, "THEME": theme},
        timeout=120,
    )
    shutil.move(cache / theme / "html", cache / "built" / theme)
    for page in ("api.html", "guide.html", "notebook.html"):
        assert parsed(page, theme, cache / "built") == parsed(page)


@pytest.mark.parametrize("version", ["8.14.0", "11.2.1"])
def test_everything_of_a_built_site_is_found(version: str, cache: Path, serve) -> None:
    """Of a real library's site, every object of its index is a symbol, and every block of its sources is there."""
    name = f"more-itertools-{version}"
    folder = site_of(name, cache)
    site = Site(name, folder, read(folder))
    objects, code = found(site, cache), blocks(site)
    assert (objects.of > 120, objects.missing) == (True, [])
    assert (code.of > 200, code.missing) == (True, [])
    over_http = read_site("sphinx", serve(folder).url, "more-itertools", version, access=Access(private=("127.0.0.1",)))
    assert {p.path: p.markdown for p in over_http.pages} == {path: p.markdown for path, p in site.pages.items()}
    assert {n for s in over_http.symbols for n in (s.path, *s.aliases)} == {n for n, _ in site.entries}
