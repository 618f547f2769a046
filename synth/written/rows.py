"""Rows as writers make them: with all that they were made of, its licences, and the calls that they took."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from registry.names import SymbolIndex, imports_of
from registry.records import Change, Example, Page, Symbol, Verdict
from synth.material import Piece, joined_licences
from synth.written.answers import UnwrittenError
from synth.written.dialogue import Desk

_WORD = re.compile(r"[A-Za-z_]\w*")
_CHAIN = r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)"
_MARKED = re.compile(rf"`{_CHAIN}(?:\([^`\n]*\))?`|\b{_CHAIN}(?=\()")
_BARE = re.compile(r"`([A-Za-z_]\w*)(?:\([^`\n]*\))?`")
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Origin:
    """What a row was made of.

    Attributes:
        parents: Ids of symbols, pages, changes and examples.
        licence: The licences of all, joined by AND; None where one is unknown.
        file: The first one's file, version-free.
        source_url: Where the first one's text comes from.
        inputs: Digests of all.
    """

    parents: tuple[str, ...]
    licence: str | None
    file: str
    source_url: str
    inputs: tuple[str, ...] = field(repr=False)


def of_symbols(desk: Desk, symbols: Sequence[Symbol], change: Change | None = None) -> Origin:
    """The origin of what is made of the docs of symbols, and of notes about a change."""
    pages = [desk.page.get(symbol.page or "") for symbol in symbols]
    known: list[Page] = list({page.id: page for page in pages if page is not None}.values())
    licences = [_licence(desk, symbol) for symbol in symbols]
    licences += [desk.old.licence, desk.new.licence] if change is not None else []  # its notes are of either
    records = [*symbols, *known, *([change] if change is not None else [])]
    first = pages[0]
    return Origin(
        tuple(record.id for record in records),
        joined_licences(licences),
        first.path if first is not None else symbols[0].path,
        first.url if first is not None else "",
        tuple(record.digest for record in (desk.new, *records)),
    )


def _licence(desk: Desk, symbol: Symbol) -> str | None:
    """A symbol's licence: of its page; of the release where it has none, or is of the old release, whose aren't here.

    A page of the new release that isn't on the desk was left out for its licence.
    """
    page = desk.page.get(symbol.page or "")
    if page is not None:
        return page.licence
    if symbol.release == desk.old.id:
        return desk.old.licence
    return desk.new.licence if symbol.page is None else None


def of_example(example: Example) -> Origin:
    """The origin of what is made of a proven row."""
    parents = tuple(dict.fromkeys((example.id, *example.parents)))
    return Origin(parents, example.licence, example.file, example.source_url, (example.digest,))


def of_piece(piece: Piece) -> Origin:
    """The origin of what is made of a mined example."""
    return of_example(piece.example)


def joined(*origins: Origin) -> Origin:
    """The origin of what is made of several; file and address are the first one's."""
    return Origin(
        tuple(dict.fromkeys(i for origin in origins for i in origin.parents)),
        joined_licences(origin.licence for origin in origins),
        origins[0].file,
        origins[0].source_url,
        tuple(dict.fromkeys(d for origin in origins for d in origin.inputs)),
    )


def row(
    desk: Desk,
    kind: str,
    parts: Mapping[str, Any],
    maker: tuple[str, str],
    origin: Origin,
    calls: Sequence[str],
    *,
    symbols: Sequence[str],
    root: str,
    releases: tuple[str, ...] = (),
    change: Change | None = None,
    family: str | None = None,
    operator: str | None = None,
    bug_kind: str | None = None,
    old_effect: str | None = None,
) -> Example:
    """A row that an LLM wrote.

    Args:
        desk: Where it was written.
        kind: Its kind.
        parts: Its parts.
        maker: Name and version of the writer.
        origin: What it was made of.
        calls: Keys of the answers that it took.
        symbols: Canonical paths of the library that it shows and names, the main one first.
        root: Key that all rows share that say the same, or come from one row.
        releases: Ids of its releases; the new one alone where empty.
        change: The change that it shows.
        family: Its family; that of the change where None.
        operator: What was done.
        bug_kind: The kind of mistake.
        old_effect: What the new release does to old code.
    """
    return Example(
        domain=desk.domain,
        kind=kind,
        releases=releases or (desk.new.id,),
        parts=parts,
        change=change.id if change is not None else None,
        family=family or (desk.families.by_change.get(change.id) if change is not None else None),
        symbols=tuple(symbols),
        file=origin.file,
        root=root,
        generator=maker[0],
        generator_version=maker[1],
        seed=desk.seed,
        parents=origin.parents,
        licence=origin.licence,
        source_url=origin.source_url,
        operator=operator,
        bug_kind=bug_kind,
        bugs=1 if kind == "bug" else None,
        old_effect=old_effect,
        written={"model": desk.model, "trainable": desk.trainable, "calls": list(calls)},
    )


def symbols_in(
    index: SymbolIndex, programs: Iterable[str], prose: Iterable[str] = (), ran: Iterable[Verdict] = (), first: str = ""
) -> tuple[str, ...]:
    """Canonical paths of all that a row names of the library, as far as texts and runs tell.

    Args:
        index: The release's symbols.
        programs: Programs that parse: what they name through imports, and methods that they spell and that were called.
        prose: What is said beside them.
        ran: How programs ran.
        first: What it is about.
    """
    codes = list(programs)
    words = frozenset(word for code in codes for word in _WORD.findall(code))
    called = [path for verdict in ran for path in verdict.symbols_called if path.rpartition(".")[2] in words]
    found = [path for code in codes for path in index.called(code)]
    found += [path for path in called if _is_member(index, path)]
    names = {name: meant for code in codes for name, meant in imports_of(code, index.roots).items()}
    found += [path for text in prose for path in mentioned(index, text, names)]
    return tuple(dict.fromkeys([first, *found] if first else found))


def _is_member(index: SymbolIndex, path: str) -> bool:
    """Whether a path is of something in a class: what is called on objects, texts alone don't tell."""
    owner = path.rpartition(".")[0]
    return path in index.by_path and owner in index.by_path and index.by_path[owner].kind == "class"


def mentioned(index: SymbolIndex, text: str, names: Mapping[str, str]) -> list[str]:
    """Canonical paths of the symbols that prose names: `lib.name`, `alias.name`, a `marked` name, a two_word_name.

    Args:
        index: The release's symbols.
        text: The prose.
        names: What the programs beside it import: name -> what it means.
    """
    found: list[str] = []
    marked = frozenset(_BARE.findall(text))
    for word in _PATH.findall(text):
        head, dot, rest = word.partition(".")
        paths = [names.get(head, head) + dot + rest]
        paths += [f"{root}.{word}" for root in sorted(index.roots) if not dot and ("_" in word or word in marked)]
        found += [c for path in paths if (c := index.canonical(path)) is not None and index.by_path[c].kind != "module"]
    return found


def existing(prose: Iterable[str], programs: Iterable[str], *indexes: SymbolIndex) -> None:
    """Holds prose to what there is: nobody runs the `lib.name` that stands in a sentence.

    Args:
        prose: The texts.
        programs: The programs beside them, by whose imports names are read.
        indexes: Of the releases that the prose may speak of.

    Raises:
        UnwrittenError: A text has a name of a module of the library, marked as code, that no release has there.
    """
    codes = list(programs)
    for index in indexes:
        names = {root: root for root in index.roots}
        names |= {name: meant for code in codes for name, meant in imports_of(code, index.roots).items()}
        for word in (one or other for text in prose for one, other in _MARKED.findall(text)):
            head, _, rest = word.partition(".")
            path = f"{names.get(head, head)}.{rest}"
            if head in names and rest and not any(_may_be(path, other) for other in indexes):
                raise UnwrittenError("off-topic", f"It names {word}, and there is no such thing")


def _may_be(path: str, index: SymbolIndex) -> bool:
    """Whether a release has a path, or something in it of which not all members are known."""
    owner = index.canonical(path.rpartition(".")[0])
    inside = index.by_path.get(owner or "")
    is_module = path.rpartition(".")[0] in index.roots or (inside is not None and inside.kind == "module")
    return index.canonical(path) is not None or not is_module


def uses(verdict: Verdict, index: SymbolIndex, code: str, path: str) -> bool:
    """Whether a program called a symbol (of a method: its class), or names what leaves no call to see."""
    wanted = path.rpartition(".")[0] if _is_member(index, path) else path
    if any(called == wanted or called.startswith(f"{wanted}.") for called in verdict.symbols_called):
        return True
    return index.by_path[path].kind not in ("function", "method") and path in index.called(code)
