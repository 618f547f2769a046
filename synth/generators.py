"""The generators of examples by name: the built-in table, and the entry points of other distributions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol

from registry.errors import GeneratorError
from registry.names import SymbolIndex
from registry.parcels import packed
from registry.records import Example, Page, Program, Release, Symbol
from synth.mined import doc_examples, test_examples, text

GROUP = "driftune.generators"
"""The entry-point group: name -> a Generator, or a callable that makes one."""


@dataclass(frozen=True)
class Material:
    """What a generator of mined rows reads: one release as it was scraped.

    Attributes:
        domain: The domain's name.
        release: The release.
        pages: Its pages.
        symbols: Its symbols.
        index: The same symbols, indexed.
        packages: Importable third-party packages that its environment has.
        latest: Whether it is the newest release of its domain: `text` is made of no other.
        tests: `test` examples that are wanted at most; 0: all.
        first: Names of the tests that are taken before others.
    """

    domain: str
    release: Release
    pages: tuple[Page, ...]
    symbols: tuple[Symbol, ...]
    index: SymbolIndex
    packages: tuple[str, ...] = ()
    latest: bool = True
    tests: int = 0
    first: frozenset[str] = frozenset()

    @property
    def spelled(self) -> str:
        """The release in words, as `networkx 3.6.1`."""
        return f"{self.release.library} {self.release.version}"


class Generator(Protocol):
    """Makes examples of what was scraped of one release."""

    name: str
    version: str

    def generate(self, material: Material) -> Iterable[Program | Example]:
        """For each example the programs that it names, then the Example; the same rows for the same material."""
        ...


class Doc:
    """Examples of docstrings and guides."""

    name, version = doc_examples.GENERATOR, doc_examples.VERSION

    def generate(self, material: Material) -> Iterator[Program | Example]:
        """See `synth.mined.doc_examples.mine`."""
        return doc_examples.mine(
            material.pages,
            material.symbols,
            material.index,
            domain=material.domain,
            release=material.spelled,
            packages=material.packages,
        )


class Tests:
    """The library's own test functions."""

    name, version = test_examples.GENERATOR, test_examples.VERSION

    def generate(self, material: Material) -> Iterator[Program | Example]:
        """See `synth.mined.test_examples.mine`."""
        return test_examples.mine(
            material.pages,
            material.index,
            domain=material.domain,
            release=material.spelled,
            packages=material.packages,
            limit=material.tests or None,
            first=material.first,
        )


class Text:
    """Guides and source."""

    name, version = text.GENERATOR, text.VERSION

    def generate(self, material: Material) -> Iterator[Program | Example]:
        """See `synth.mined.text.mine`."""
        if material.latest:
            yield from text.mine(material.pages, material.index, domain=material.domain)


BUILT_IN: Mapping[str, str] = {
    "doc": "synth.generators:Doc",
    "test": "synth.generators:Tests",
    "text": "synth.generators:Text",
}
"""Name -> where the generator is; rows of all other kinds are made of mined ones that ran, by the flow."""


def names() -> list[str]:
    """The names of all generators, built-in ones first."""
    return offered(BUILT_IN, GROUP)


def offered(built_in: Mapping[str, str], group: str) -> list[str]:
    """The names of a table, and then those that entry points of a group have besides."""
    return [*built_in, *sorted(e.name for e in entry_points(group=group) if e.name not in built_in)]


def part(name: str) -> str:
    """A generator's name and version, as works are remembered by."""
    found = load(name)
    return f"{found.name}@{found.version}"


def generated(materials: Sequence[Material], job: tuple[int, str]) -> list[bytes]:
    """The rows that one generator makes of one release, packed.

    Args:
        materials: The releases.
        job: The place of one of them, and the generator's name.
    """
    number, name = job
    return packed(load(name).generate(materials[number]))


def load(name: str) -> Generator:
    """The generator of that name.

    Raises:
        GeneratorError: There is none, or it can't be loaded.
    """
    generator: Generator = loaded(name, BUILT_IN, GROUP, "generator")
    return generator


def loaded(name: str, built_in: Mapping[str, str], group: str, what: str) -> Any:
    """What a table, or an entry point of a group, has under a name; a class is made an object of.

    Args:
        name: The name.
        built_in: The table: name -> `module:Class`.
        group: The group.
        what: What it is, in words.

    Raises:
        GeneratorError: There is none, or it can't be loaded.
    """
    if name in built_in:
        module, _, attribute = built_in[name].partition(":")
        return getattr(import_module(module), attribute)()
    found = next((e for e in entry_points(group=group) if e.name == name), None)
    if found is None:
        known = ", ".join(offered(built_in, group))
        raise GeneratorError(f"No {what} '{name}': there are {known}. Install one that has it", name=name)
    try:
        made = found.load()
        return made() if isinstance(made, type) else made
    except Exception as error:
        raise GeneratorError(f"The {what} '{name}' of {found.value} can't be loaded: {error}", name=name) from error
