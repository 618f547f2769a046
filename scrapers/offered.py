"""Which releases of a library a package index offers to this Python: what following a library goes by."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.version import Version

from registry.errors import ConfigurationError
from scrapers.index import Index, parsed_version, pick_wheel


def offered(index: Index, library: str, *, prereleases: bool = False) -> Iterator[Version]:
    """The releases that can be taken, newest first: not yanked, with a wheel for this Python.

    Args:
        index: The index.
        library: Name of the distribution.
        prereleases: Whether alphas, betas, release candidates and development releases count.

    Raises:
        ConfigurationError: The index has no such library.
        SourceError: It can't be reached.
    """
    for version in reversed([parsed_version(text) for text in index.versions(library)]):
        if (prereleases or not version.is_prerelease) and _can_be_taken(index, library, str(version)):
            yield version


def _can_be_taken(index: Index, library: str, version: str) -> bool:
    files = [file for file in index.files_of(library, version) if not file.is_yanked]
    try:
        pick_wheel(files, library, version)
    except ConfigurationError:
        return False
    return True


def newest_lines(index: Index, library: str, *, prereleases: bool = False) -> tuple[str, str]:
    """The newest releases of the two newest lines (major.minor); of a library with one line, its two newest releases.

    Raises:
        ConfigurationError: There is no such library, or it has fewer than two releases that can be taken.
    """
    found = list(_firsts(offered(index, library, prereleases=prereleases)))
    if len(found) < 2:
        only = f"found {found[0]} alone" if found else "found none"
        raise ConfigurationError(
            f"Two releases of {library} with a wheel for this Python are needed, {only}: name others as versions, or "
            "run driftune with a Python that has them"
        )
    return str(found[1]), str(found[0])


def _firsts(newest_first: Iterator[Version]) -> Iterator[Version]:
    """The newest, and the one to begin with before it."""
    newest = next(newest_first, None)
    if newest is None:
        return
    yield newest
    second = None
    for version in newest_first:
        if line_of(version) != line_of(newest):
            yield version
            return
        second = second or version
    if second is not None:
        yield second


def line_of(version: Version) -> tuple[int, ...]:
    """The line that a release is of: 3.6 of 3.6.1."""
    return (version.epoch, version.major, version.minor)
