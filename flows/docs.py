"""The documentation of the target version, as it stands in front of prompts: in arms with docs, and in training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from finetune import retrieval
from finetune.retrieval import KINDS
from flows.curation import snapshot_id
from flows.held import held_calls
from flows.house import House
from flows.scraping import indexed, releases, scraped, source_keys
from flows.snapshots import HELD_OUT, rows_in
from registry.identity import sha256_of
from registry.records import Example, Program
from validators.parts import measured
from validators.splits import SITES


def library_docs(
    house: House, rows: Mapping[str, Sequence[Example]], further: Iterable[tuple[str, str]] = ()
) -> retrieval.Docs:
    """The documentation of the target version, without the code that holds calls which held-out rows ask for.

    Args:
        house: The domain.
        rows: Split -> its held-out rows.
        further: Other calls that no code may hold: each one's code, with the name of what it calls.
    """
    _, new = releases(house)
    cut = retrieval.HeldOut([*asked_calls(rows, house.programs), *further])
    settings = house.domain.gate
    pages = scraped(house, new).pages if settings.pages else ()
    return retrieval.Docs(retrieval.documents(indexed(house, new), pages, cut), settings.docs)


def held_out(house: House) -> dict[str, list[Example]]:
    """Split -> its rows, of the splits that nothing is trained on."""
    return {split: rows_in(house.lake, [snapshot_id(house)], split) for split in HELD_OUT}


def asked_calls(
    rows: Mapping[str, Sequence[Example]], programs: Callable[[Iterable[str]], Mapping[str, Program]]
) -> list[tuple[str, str]]:
    """The calls that held-out rows ask for, each one's code with the name of what it calls.

    Args:
        rows: Split -> its rows.
        programs: Gives the programs of some ids.
    """
    all_rows = [row for of in rows.values() for row in of]
    sites = [row for row in all_rows if row.kind == "preference"]
    found = {(str(row.parts["chosen"]), "".join(row.symbols[:1]).rpartition(".")[2]) for row in sites}
    known = programs({measured(row) for row in all_rows if row.kind not in SITES} - {""})
    held = held_calls(rows, known)
    return sorted(found | {(call.code, call.name) for calls in held.values() for call in calls})


def docs_digest(house: House) -> str:
    """Names what the documentation in prompts is made of, and how much of it there is; not what is cut from it."""
    _, new = releases(house)
    told = {"docs": [new.digest, *source_keys(house, new)], "private": list(house.library.private)}
    return sha256_of(told | {"most": house.domain.gate.docs, "pages": house.domain.gate.pages})


def docs_said(house: House) -> str:
    """Names what the documentation of the target version says, however prompts show it and whatever source said it."""
    _, new = releases(house)
    index = indexed(house, new)
    told = sorted(
        (index.public(symbol.path), symbol.kind, symbol.signature or "", symbol.doc)
        for symbol in index.by_path.values()
        if symbol.kind != "module" and (symbol.doc or symbol.signature)
        if not index.is_private(index.public(symbol.path))
    )
    pages = scraped(house, new).pages if house.domain.gate.pages else ()
    return sha256_of([told, sorted((p.kind, p.path, p.title or "", p.markdown) for p in pages if p.kind in KINDS)])
