"""Ranges of a library's versions, as subscribers and adapters write them: `networkx>=3.5,<4`, or `>=3.5,<4`."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from registry.errors import ConfigurationError

_BARE = re.compile(r"\s*[<>=!~]")


def parsed(text: str) -> tuple[str, SpecifierSet]:
    """The library (empty where none is named) and the versions that a range means; all of them where it is empty.

    Raises:
        ConfigurationError: It is no range.
    """
    try:
        found = None if not text or _BARE.match(text) else Requirement(text)
        specifier = text if found is None else str(found.specifier)
        versions = SpecifierSet(specifier, prereleases=True)
    except (InvalidRequirement, InvalidSpecifier) as error:
        raise ConfigurationError(
            f"No range of versions: {text!r}. Write it as networkx>=3.5,<4, or >=3.5,<4"
        ) from error
    if "===" in specifier or (found and (found.url or found.marker or found.extras)):
        raise ConfigurationError(f"No range of versions: {text!r}. It takes a name and versions alone, and no ===")
    return canonicalize_name(found.name) if found else "", versions


def overlap(wanted: str, spoken: str) -> bool:
    """Whether an adapter speaks a version that somebody uses.

    Args:
        wanted: What is used; anything where empty.
        spoken: What the adapter speaks, of several libraries with `;` between them (`a>=1,<2; b>=3`).
    """
    name, versions = parsed(wanted)
    return not wanted or any(_speaks(part.strip(), name, versions) for part in spoken.split(";"))


def _speaks(part: str, name: str, wanted: SpecifierSet) -> bool:
    """Whether a part of an adapter's range has a version that is wanted; one that can't be read may have any."""
    try:
        library, versions = parsed(part)
    except ConfigurationError:
        return True
    return not (name and library and name != library) and not wanted.is_disjoint(versions)
