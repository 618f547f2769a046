"""`driftune init` writes a domain file that a run accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.init import import_names, init_domain
from registry.domain_files import load_domain
from registry.errors import ConfigurationError
from scrapers.index import Index, compare_versions, pick_wheel


def test_default_versions_are_two_lines_with_wheels(tmp_path: Path) -> None:
    """Without versions, the file names releases of the two newest lines, both with a wheel for this Python."""
    path = init_domain("More_Itertools", folder=tmp_path)
    assert path == tmp_path / "more-itertools.toml"
    library = load_domain(str(path)).library[0]
    old, new = library.versions
    assert compare_versions(old, new) < 0
    assert old.split(".")[:2] != new.split(".")[:2]
    index = Index()
    for version in library.versions:
        assert pick_wheel(index.files_of("more-itertools", version), "more-itertools", version)
    assert library.imports == ("more_itertools",)


def test_named_versions_are_taken(tmp_path: Path) -> None:
    """Versions that are named stand in the file as they are."""
    path = init_domain("networkx", ("2.8.8", "3.6.1"), folder=tmp_path)
    domain = load_domain(str(path))
    assert domain.library[0].versions == ("2.8.8", "3.6.1")
    assert domain.sandbox.preload == ("networkx", "pytest")
    assert domain.library[0].requirements[0].startswith("pytest==")


def test_comments_uncommented_are_the_defaults(tmp_path: Path) -> None:
    """Every commented setting, uncommented, is accepted and changes nothing."""
    path = init_domain("networkx", ("2.8.8", "3.6.1"), folder=tmp_path)
    plain = load_domain(str(path))
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, *(line.removeprefix("# ") for line in rest)]))
    assert load_domain(str(path)) == plain


def test_import_names_come_from_the_wheel() -> None:
    """A distribution whose packages have other names is read, not guessed."""
    assert import_names(Index(), "attrs", "23.1.0") == ["attr", "attrs"]


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    """A second init of the same library is refused, and the file stays."""
    path = init_domain("networkx", ("2.8.8", "3.6.1"), folder=tmp_path)
    path.write_text("mine")
    with pytest.raises(ConfigurationError, match="There is a domain file"):
        init_domain("networkx", folder=tmp_path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("library", "versions", "says"),
    [
        ("no-such-library-of-ours", None, "No library 'no-such-library-of-ours'"),
        ("networkx", ("2.8.8", "99.1"), "No version '99.1' of networkx: found .*3.6.1"),
        ("networkx", ("3.6.1", "2.8.8"), "The old version must come first"),
        ("networkx", ("2.8.8", "2.8.8"), "The old version must come first"),
        ("networkx", ("2.8.8", "new"), "'new' is no version"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    library: str, versions: tuple[str, str] | None, says: str, tmp_path: Path
) -> None:
    """A library or version that does not exist, or an order that is wrong, is one line, and no file is made."""
    with pytest.raises(ConfigurationError, match=says):
        init_domain(library, versions, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
