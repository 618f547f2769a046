"""Writes a page of a Sphinx site as Markdown, and collects the API entries on the way.

Notes on versions are written as reST writes them (`.. deprecated:: 3.0`), in pages and in entries' texts alike: so
whoever reads docstrings of a package finds them here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from scrapers.documents import Entry
from scrapers.entries import (
    CALLABLE,
    canonical_of,
    head_of,
    is_linked,
    kind_of,
    parameters_in,
    signature_of,
    target_of,
    with_docs,
)
from scrapers.frames import Frame, indented
from scrapers.markdown import Opened, Writer
from scrapers.markup import Element, classes, string_of
from scrapers.notes import deprecation_of

_NOTES = {
    "deprecated": "deprecated", "deprecated-removed": "deprecated", "versionadded": "versionadded",
    "versionchanged": "versionchanged", "versionremoved": "versionremoved",
}  # fmt: skip
"""Classes of notes on versions -> their directive; `deprecated-removed` is Python's own."""
_PARAMETERS = re.compile(r"(?i)^(other |keyword )?(parameters?|arguments?|keywords?)\b")
_PARAMETER = re.compile(r"\*\*(?P<names>\**\w[^*]*)\*\*\s*(?:\(.*?\)\s*)?[–—-]+\s*(?P<text>.*)", re.DOTALL)
_HEADING = re.compile("#{1,6} ")
_VERSION = re.compile(r"(?:\bversion\s+|\b)(v?\d[^\s:,]*?)[.:]*\s*(?:$|, will be removed\b)", re.IGNORECASE)


@dataclass
class _Term:
    """An object that a head names, until its text is read: its place among the entries, and what is known of it."""

    place: int
    documented: str
    entry: Entry


@dataclass
class _Listing(Frame):
    """API objects of one kind: heads, and one text for those before it.

    Attributes:
        objects: Their kind.
        terms: Heads whose text hasn't been read.
        heads: Further heads of the last of these, with their signatures.
        owner: (path as documented, canonical path) of the first of them.
    """

    objects: str = ""
    terms: list[_Term] = field(default_factory=list)
    heads: list[tuple[str, str | None]] = field(default_factory=list)
    owner: tuple[str, str] = ("", "")


@dataclass
class _Body(Frame):
    """The text of an entry, and what its field lists say.

    Attributes:
        docs: Name of a parameter -> what is said of it.
        fields: Whether parameters are being listed.
        named: The parameters that the last term names.
    """

    docs: dict[str, str] = field(default_factory=dict)
    fields: bool = False
    named: tuple[str, ...] = ()


@dataclass
class _Note(Frame):
    """A note on a version."""

    version: str = ""


class SphinxWriter(Writer):
    """A writer that knows Sphinx's API entries, notes on versions and cross references.

    Args:
        names: What the inventory has for the page: `[[anchor, name, role, priority] …]`.
    """

    def __init__(self, names: Iterable[Sequence[Any]]) -> None:
        super().__init__()
        self._names: dict[str, list[tuple[str, int]]] = {}
        for anchor, name, _, priority in names:
            self._names.setdefault(str(anchor), []).append((str(name), int(priority)))
        self._entries: list[Entry] = []
        self._modules: dict[str, tuple[Frame, int]] = {}

    def entries(self) -> tuple[Entry, ...]:
        """The entries in order of the page, modules first."""
        return (*(_module(name, *place) for name, place in self._modules.items()), *self._entries)

    # ------------------------------------------------------------------------------------------------- API entries

    def open_dl(self, element: Element) -> Opened:
        """Begins a list of API objects, of an entry's fields, or of any definitions."""
        if objects := kind_of(element):
            return self.framed(_Listing("api", objects=objects), self._close_listing)
        self.flush()
        if "field-list" in classes(element):
            return self._close_fields
        return self._end

    def _close_fields(self) -> None:
        self.flush()
        if body := self._body():
            body.fields = False

    def _close_listing(self, frame: Frame) -> None:
        if text := frame.text():
            self.add(text, "inner")

    def open_dt(self, element: Element) -> Opened:
        """Begins a term; the head of an API object is written as code."""
        listing = self.frames[-1]
        if not isinstance(listing, _Listing):
            self._open_field(element)
            return super().open_dt(element)
        self.flush()
        self.add(f"`{head_of(element)}`", "head")
        if anchor := element.get("id"):
            self._begin(listing, element, anchor)
        elif listing.terms:  # an overload
            signature = signature_of(element, listing.objects) if listing.objects in CALLABLE else None
            listing.heads.append((head_of(element), signature))
        return False

    def _begin(self, listing: _Listing, element: Element, anchor: str) -> None:
        names = self._names.get(anchor, [])
        documented = next((name for name, priority in names if priority >= 0), anchor)
        owner = next((f.owner for f in reversed(self.frames[:-1]) if isinstance(f, _Listing)), ("", ""))
        path = canonical_of(element, listing.objects, documented, names, owner)
        if path is None:
            return  # no name that Python has
        signature = signature_of(element, listing.objects) if listing.objects in CALLABLE else None
        aliases = sorted({documented, *(name for name, _ in names)} - {path}, key=lambda name: (len(name), name))
        entry = Entry(
            path=path,
            kind=listing.objects,
            aliases=tuple(aliases),
            signature=signature,
            parameters=parameters_in(signature) if signature else (),
        )
        if not listing.terms and not is_linked(element):
            listing.owner = documented, path  # of a class with a link, members without one are no members of its source
        listing.terms.append(_Term(len(self._entries), documented, entry))
        self._entries.append(entry)

    def open_dd(self, element: Element) -> Opened:
        """Begins what is said of a term."""
        listing = self.frames[-1]
        if isinstance(listing, _Listing):
            return self.framed(_Body("body"), partial(self._close_body, listing))
        return super().open_dd(element)

    def _close_body(self, listing: _Listing, body: Frame) -> None:
        assert isinstance(body, _Body)
        if text := body.text():
            self.add(text)
        own = body.text(own=True)
        doc = "\n\n".join([*(f"`{head}`" for head, _ in listing.heads), *([own] if own else [])])
        for term in listing.terms:
            entry = _fullest(term.entry, [s for _, s in listing.heads if s and term is listing.terms[-1]])
            parameters = with_docs(entry.parameters, body.docs)
            deprecated = deprecation_of(own, "", entry.path, [p["name"] for p in parameters])
            self._entries[term.place] = replace(entry, doc=doc, deprecated=deprecated, parameters=parameters)
        listing.terms, listing.heads = [], []

    def _body(self) -> _Body | None:
        return next((f for f in reversed(self.frames) if isinstance(f, _Body)), None)

    # -------------------------------------------------------------------------------------- parameters, field by field

    def _open_field(self, term: Element) -> None:
        body = self._body()
        parent = term.getparent()
        if body is None or parent is None:
            return
        if "field-list" in classes(parent):
            body.fields = bool(_PARAMETERS.match(string_of(term).strip()))
        elif body.fields:
            body.named = tuple(n for s in term.iter("strong") for n in re.findall(r"[^\W\d]\w*", string_of(s)))

    def open_th(self, element: Element) -> Opened:
        """Begins a cell, of an entry's fields too: docutils before 0.18 wrote them as a table."""
        if "field-name" in classes(element) and (body := self._body()):
            body.fields = bool(_PARAMETERS.match(string_of(element).strip()))
        return self.open_td(element)

    def close_dd(self, frame: Frame) -> None:
        """Ends what is said of a term; of a parameter it is kept."""
        body = self._body()
        if body and body.fields:
            text = frame.text()
            for name in body.named:
                body.docs.setdefault(name, text)
            body.named = ()
            self._listed(text, body)
        super().close_dd(frame)

    def close_li(self, mark: str, frame: Frame) -> None:
        """Ends an item of a list; of a parameter it is kept."""
        body = self._body()
        if body and body.fields:
            self._listed(frame.text(), body)
        super().close_li(mark, frame)

    def _listed(self, text: str, body: _Body) -> None:
        if match := _PARAMETER.match(text):
            for name in re.findall(r"[^\W\d]\w*", match["names"]):
                body.docs.setdefault(name, match["text"])

    # ---------------------------------------------------------------------------------- versions, references, modules

    def open_div(self, element: Element) -> Opened:
        """Begins a part of the page, or a note on a version."""
        kind = next((_NOTES[name] for name in classes(element) if name in _NOTES), None)
        if kind:
            return self.framed(_Note("note"), partial(self._close_note, kind))
        return self.open_block(element)

    def _close_note(self, kind: str, note: Frame) -> None:
        assert isinstance(note, _Note)
        text = note.text()
        head = f".. {kind}:: {note.version}".rstrip()
        self.add(f"{head}\n{indented(text, '   ', '   ')}" if text else head)

    def open_span(self, element: Element) -> Opened:
        """Begins a span of text; the label of a note on a version is kept apart."""
        names = classes(element)
        note = self.frames[-1]
        if "versionmodified" in names and isinstance(note, _Note):
            version = _VERSION.search(string_of(element).strip())
            note.version = version[1] if version else ""
            return False
        if "classifier" in names:
            self.inline(" : ")
        return super().open_span(element)

    def open(self, element: Element) -> Opened:
        """Begins an element; a module's anchor can be on any."""
        anchor = element.get("id") or ""
        if anchor.startswith("module-") and (not self._names or anchor in self._names):
            self.flush()
            for name, _ in self._names.get(anchor, [(anchor.removeprefix("module-"), 1)]):
                self._modules.setdefault(name, (self.frames[-1], len(self.frames[-1].blocks)))
        return super().open(element)

    def open_a(self, element: Element) -> Opened:
        """Begins a link; a reference to an API object is written as its path, one to a footnote in brackets."""
        if "footnote-reference" in classes(element) and (number := string_of(element).strip()).isalnum():
            self.inline(f"[{number}]")  # brackets that older themes leave to a style sheet
            return False
        code = element[0] if len(element) == 1 else None
        if code is None or code.tag != "code" or (element.text or "").strip() or not (target := target_of(element)):
            return None
        if {"py", "xref"}.isdisjoint(classes(code)):
            return None
        text = " ".join(string_of(code).split())
        name = text.removesuffix("()").lstrip("~.")
        if name and f".{target}".endswith(f".{name}"):
            self.inline(f"`{target}{'()' if text.endswith('()') else ''}`")
        else:
            self.inline(f"`{text}` (`{target}`)")
        return False


def _module(name: str, around: Frame, start: int) -> Entry:
    """A module's entry: its text stands between its anchor and the next heading or entry, its own title apart."""
    said: list[str] = []
    for kind, text in around.blocks[start:]:
        heading = kind == "text" and _HEADING.match(text)
        if kind == "inner" or (heading and said):
            break
        if not heading:
            said.append(text)
    doc = "\n\n".join(said)
    return Entry(path=name, kind="module", doc=doc, deprecated=deprecation_of(doc, "", name))


def _fullest(entry: Entry, overloads: Sequence[str]) -> Entry:
    """The entry with the one of its signatures that has most parameters: that is nearest to the function's own.

    Those at its end that another one lacks can be left out: `default` of `getattr(object, name)` and
    `getattr(object, name, default)`.
    """
    if not overloads:
        return entry
    given = [signature for signature in (entry.signature, *overloads) if signature]
    heads = {signature: parameters_in(signature) for signature in given}
    heads = {text: found for text, found in heads.items() if found or text.startswith("()")}  # others aren't understood
    if not heads:
        return entry
    signature, parameters = max(heads.items(), key=lambda head: len(head[1]))  # of several the first
    always = set.intersection(*({p["name"] for p in head} for head in heads.values()))
    for place in range(len(parameters) - 1, -1, -1):
        named = parameters[place]
        if named["name"] in always:
            break
        if named["default"] is None:
            parameters[place] = {**named, "default": "..."}
    return replace(entry, signature=signature, parameters=parameters)
