from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scrapers.symbols import find_symbols, load_packages
from scrapers.tree_cache import KEPT, kept_trees
from tests.scrapers.conftest import page

TEXTS = {"lib/__init__.py": "from lib.core import C\n", "lib/core.py": "class C:\n    def f(self, x=1): ...\n"}


def loading(asked: list[Mapping[str, str]]) -> Any:
    def load(texts: Mapping[str, str]) -> Any:
        asked.append(texts)
        return load_packages(texts)

    return load


def test_a_release_is_loaded_once(tmp_path: Path) -> None:
    """The same texts are read by griffe once, other texts anew, and a file that isn't whole again."""
    asked: list[Mapping[str, str]] = []
    first = kept_trees(TEXTS, loading(asked), tmp_path)
    again = kept_trees(TEXTS, loading(asked), tmp_path)
    assert len(asked) == 1
    assert again["lib"]["core.C.f"].parameters["x"].default == first["lib"]["core.C.f"].parameters["x"].default == "1"
    kept_trees({**TEXTS, "lib/more.py": ""}, loading(asked), tmp_path)
    assert len(asked) == 2
    for file in tmp_path.glob("*.pickle"):
        file.write_bytes(file.read_bytes()[:100])
    assert kept_trees(TEXTS, loading(asked), tmp_path)["lib"]["core.C"].is_class
    assert len(asked) == 3


def test_no_more_than_some_releases_are_kept(tmp_path: Path) -> None:
    """Of many releases the trees of those used last stay, and no half-written file."""
    for i in range(KEPT + 2):
        kept_trees({"lib.py": f"x = {i}\n"}, load_packages, tmp_path)
    assert len(list(tmp_path.iterdir())) == KEPT


def test_symbols_are_the_same_from_kept_trees(tmp_path: Path) -> None:
    """What is read from kept trees is what is read from new ones, to the digest."""
    pages = [page("r" * 64, path, text, "source") for path, text in TEXTS.items()]
    found = [find_symbols("r" * 64, pages, folder) for folder in (None, tmp_path, tmp_path)]
    assert [[s.digest for s in symbols] for symbols in found[1:]] == [[s.digest for s in found[0]]] * 2
