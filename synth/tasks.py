"""Further tasks from rows that are there: `fim`, `edit` and `locate`, each bounded by the domain's settings.

They share root, file and family with the row they are made of, so they go to its split.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from registry.domain import SynthSpec
from registry.names import SymbolIndex
from registry.records import Example, Page, Program, Record
from synth import edits, fim, locate, refactors
from synth.material import Piece

PART = "+".join(f"{m.GENERATOR}@{m.VERSION}" for m in (fim, edits, refactors, locate))
"""The generators with their versions."""


def mine(
    passing: Sequence[Piece],
    strong: Sequence[Piece],
    made: Iterable[Record],
    pages: Iterable[Page],
    index: SymbolIndex,
    releases: tuple[str, str],
    settings: SynthSpec,
) -> Iterator[Program | Example]:
    """All further tasks of a domain.

    Args:
        passing: Examples of the new release that pass.
        strong: Those of them that are good enough to be broken or reshaped: what bugs are made of.
        made: `drift` and `bug` rows, and the programs these and mined rows name.
        pages: The new release's pages.
        index: The new release's symbols.
        releases: The old and the new release in words, as `networkx 3.6.1`.
        settings: How much is made, and the seed.
    """
    known = list(made)
    programs = {r.id: r for r in known if isinstance(r, Program)}
    rows = [r for r in known if isinstance(r, Example)]
    seed, read = settings.seed, list(pages)
    yield from fim.mine(passing, read, index, seed=seed, limit=settings.fim)
    yield from edits.migrations(rows, programs, releases, limit=settings.edits)
    yield from edits.corrections(rows, programs, limit=settings.edits)
    yield from refactors.mine(strong, index, seed=seed, limit=settings.edits)
    if settings.locate:
        yield from locate.mine(strong, locate.model_of(read), seed=seed, limit=settings.locate)
