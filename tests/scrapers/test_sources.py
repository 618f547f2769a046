from __future__ import annotations

from pathlib import Path

import pytest

from registry.errors import ConfigurationError
from scrapers.sources import BUILT_IN, Source, get_source, names


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_sources_keep_the_protocol(name: str) -> None:
    """Every built-in source can be made, and has the method that the Protocol names."""
    assert isinstance(get_source(name), Source)


def test_unknown_source_lists_those_there_are() -> None:
    """A misspelt source is the user's error, with the names that are accepted."""
    with pytest.raises(ConfigurationError, match=r"No source 'pipy': there are .*pypi, site, sphinx"):
        get_source("pipy")


def test_third_party_source_is_found_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution adds a source by an entry point in the group driftune.sources."""
    info = tmp_path / "extra-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(
        "[driftune.sources]\nwiki = extra_source:Wiki\nbad = extra_source:Bad\n", encoding="utf-8"
    )
    code = "class Wiki:\n    def scrape(self, spec, library, version, cache): ...\nclass Bad: ...\n"
    (tmp_path / "extra_source.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert {"wiki", "pypi"} <= set(names())
    assert type(get_source("wiki")).__name__ == "Wiki"
    with pytest.raises(ConfigurationError, match="'bad' has no method scrape"):
        get_source("bad")
