"""Writes a page of a MkDocs site as Markdown: tabs, titles and annotations of code; and collects mkdocstrings' objects.

Written for Material for MkDocs and the plain themes, with mkdocstrings' Python handler, old and new.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

from scrapers.documents import Entry
from scrapers.entries import CALLABLE, KINDS, parameters_in, target_of, with_docs
from scrapers.frames import Frame
from scrapers.markdown import Opened, Writer
from scrapers.markup import Element, classes, string_of
from scrapers.notes import deprecation_of
from scrapers.rubbish import is_around
from scrapers.scope import scope_of

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_OBJECTS = {
    "doc-module": "module", "doc-class": "class", "doc-function": "function", "doc-attribute": "attribute",
    "doc-type_alias": "attribute", "doc-type-alias": "attribute",
}  # fmt: skip
_NEAR = 100
"""Elements around and within the description of a parameter that are looked at."""

_BESIDE = frozenset({"doc-labels", "mkdocstrings-source", "doc-source-link"})
_MARKER = re.compile(r"\((\d{1,3})\)!(?=[ \t]*+(?:(?:\*/|-->)[ \t]*+)?$)", re.MULTILINE)
_DEPRECATED = re.compile(r"(?i)\bdeprecat")
_PARAMETERS = re.compile(r"(?i)^\s*(other |keyword )?(parameters?|arguments?)\b")


@dataclass
class _Object(Frame):
    """An API object that is being read.

    Attributes:
        objects: Its kind.
        place: Where its entry is among all; -1 while its head hasn't been read.
        docs: Name of a parameter -> what is said of it.
        deprecated: What a note on it says.
        noted: Whether there is a note on what is deprecated, of it or of a case of its use.
    """

    objects: str = ""
    place: int = -1
    docs: dict[str, str] = field(default_factory=dict)
    deprecated: str | None = None
    noted: bool = False


class MkDocsWriter(Writer):
    """A writer that knows tabs, titled and annotated code, notes, and mkdocstrings' objects.

    Args:
        names: What the inventory has for the page: `[[anchor, name, role, priority] …]`.
    """

    def __init__(self, names: Iterable[Sequence[Any]] = ()) -> None:
        super().__init__()
        self._roles = {str(name): str(role).removeprefix("py:") for _, name, role, _ in names}
        self._entries: list[Entry] = []
        self._parameters = False

    def entries(self) -> tuple[Entry, ...]:
        """The objects in order of the page; of a class without a signature that of its `__init__`."""
        begun = {e.path.removesuffix(".__init__"): e for e in self._entries if e.path.endswith(".__init__")}
        return tuple(
            replace(
                e,
                signature=(begun[e.path].signature or "").removesuffix(" -> None") or None,
                parameters=begun[e.path].parameters,
            )
            if e.kind == "class" and e.signature is None and e.path in begun
            else e
            for e in self._entries
        )

    def skips(self, element: Element) -> bool:
        """Whether an element is none of the page's text."""
        return super().skips(element) or is_around(element) or not _BESIDE.isdisjoint(classes(element))

    # ------------------------------------------------------------------------------------------------- tabs and notes

    def open_div(self, element: Element) -> Opened:
        """Begins a part of the page: tabs, a note, an object."""
        names = classes(element)
        if "tabbed-set" in names:
            self.label(element.iterfind("div/label"), element.iterfind("div/div"))
            self.label(element.iterfind("label"), element.iterfind("div"))  # the older form: each before its own tab
        elif "tabbed-labels" in names:
            return False
        elif "doc-object" in names and (kind := next((_OBJECTS[n] for n in names if n in _OBJECTS), None)):
            return self._open_object(_Object("object", objects=kind), element)
        elif "admonition" in names:
            return self.framed(Frame("note"), partial(self._close_note, names))
        return self.open_block(element)

    def open_label(self, element: Element) -> Opened:
        """Begins a label; that of a tab is written with its tab."""
        parent = element.getparent()
        return False if parent is not None and "tabbed-set" in classes(parent) else self.open_block(element)

    def open_details(self, element: Element) -> Opened:
        """Begins a folded part: a note too; listings of an object's source are left out."""
        head = element.find("summary")
        if head is not None and self._object() and string_of(head).strip().startswith("Source code in"):
            return False
        return self.framed(Frame("note"), partial(self._close_note, classes(element)))

    def _close_note(self, names: list[str], note: Frame) -> None:
        text = note.text()
        if text:
            self.add(text)
        body, title = self.frames[-1], note.blocks[0][1] if note.blocks else ""
        if isinstance(body, _Object) and ("deprecated" in names or _DEPRECATED.search(title)):
            said = " ".join(text.replace("**", "").split())
            body.noted = True
            if self._is_whole(body, " ".join(text for _, text in note.blocks[1:]) or title):
                body.deprecated = f"{body.deprecated} {said}" if body.deprecated else said

    def _is_whole(self, body: _Object, text: str) -> bool:
        """Whether a note is about the object in whose text it stands."""
        if body.place < 0:
            return True
        entry = self._entries[body.place]
        return scope_of(text.strip("*"), entry.path, [p["name"] for p in entry.parameters]).whole

    # ----------------------------------------------------------------------------------------------------------- code

    def open_span(self, element: Element) -> Opened:
        """Begins a span of text; the title of a block of code stands before it."""
        if "filename" in classes(element):
            self.flush()
            return self._title
        if "doc-section-title" in classes(element):
            self._parameters = bool(_PARAMETERS.match(string_of(element)))
        return super().open_span(element)

    def code(self, element: Element) -> str:
        """The text of a block of code; marks of annotations are the numbers of the list that follows."""
        return _MARKER.sub(r"(\1)", super().code(element))

    # -------------------------------------------------------------------------------------------------------- objects

    def open_a(self, element: Element) -> Opened:
        """Begins a link; a reference to an API object is written as the path of the object."""
        if "autorefs" not in classes(element) or self._marks or not (target := target_of(element)):
            return None
        text = " ".join(string_of(element).split())
        name = text.removesuffix("()")
        same = f".{target}".endswith(f".{name}")
        self.inline(f"`{target}{'()' if text.endswith('()') else ''}`" if same else f"{text} (`{target}`)")
        return False

    def _object(self) -> _Object | None:
        return next((f for f in reversed(self.frames) if isinstance(f, _Object)), None)

    def open(self, element: Element) -> Opened:
        """Begins an element; the head and the signature of an object are read before they are written."""
        if element.get("class") and (body := self._object()) is not None:
            names = classes(element)
            if "doc-heading" in names and body.place < 0:
                self._begin(body, element)
                return self._written(element)
            if "doc-signature" in names and body.place >= 0:
                self._sign(body, string_of(element))
                return self._written(element)
            if "doc-section-item" in names and self._parameters:
                self._document(body, element)
        return super().open(element)

    def _written(self, element: Element) -> Opened:
        """Writes the head of an object, which is no part of what is said of it."""
        self.flush()
        writer = MkDocsWriter()
        if text := writer.write(element).strip():
            self.add(text, "head")
        self.title = self.title or writer.title
        return False

    def _open_object(self, body: _Object, element: Element) -> Opened:
        opened = self.framed(body, self._close_object)
        anchor = element.find("a[@id]")
        if anchor is not None and not any("doc-heading" in classes(inner) for inner in element):
            self._begin(body, anchor)  # shown without a heading
        return opened

    def _begin(self, body: _Object, heading: Element) -> None:
        path = heading.get("id") or ""
        if not _DOTTED.fullmatch(path):
            return
        labels = {" ".join(string_of(e).split()) for e in heading.iter("small")}
        kind = "attribute" if "property" in labels else body.objects
        around = next((f for f in reversed(self.frames[:-1]) if isinstance(f, _Object)), None)
        if kind == "function" and (around is not None and around.objects == "class"):
            kind = "method"
        if (role := self._roles.get(path)) in ("attribute", "data", "property", "module", "class"):
            kind = KINDS[role]
        body.place = len(self._entries)
        self._entries.append(Entry(path=path, kind=kind))
        code = heading.find("code")
        if code is not None:
            self._sign(body, string_of(code))

    def _sign(self, body: _Object, text: str) -> None:
        """Reads a signature: of overloads the first."""
        entry = self._entries[body.place]
        flat = " ".join(text.split())
        opened = flat.find("(")
        if entry.signature is not None or entry.kind not in CALLABLE or opened < 0:
            return
        signature = re.sub(r"\( ", "(", re.sub(r",? \)( ->|$)", r")\1", flat[opened:]))
        self._entries[body.place] = replace(entry, signature=signature, parameters=parameters_in(signature))

    def _document(self, body: _Object, item: Element) -> None:
        """Keeps what is said of a parameter: in a row of a table, or an item of a list."""
        if any("doc-section-item" in classes(around) for around in islice(item.iterancestors(), _NEAR)):
            return  # no parameter is part of another one: each element is read once
        inner = list(islice(item.iter("code", "div"), _NEAR))
        code = next((e for e in inner if e.tag == "code"), None)
        said = next((e for e in inner if "doc-md-description" in classes(e)), None)
        if code is not None and said is not None:
            text = Writer().write(said).strip()
            body.docs.setdefault(string_of(code).strip().lstrip("*"), text)

    def _close_object(self, frame: Frame) -> None:
        assert isinstance(frame, _Object)
        if text := frame.text():
            self.add(text, "inner")
        self._parameters = False
        if frame.place < 0:
            return
        entry = self._entries[frame.place]
        doc = "\n\n".join(text for kind, text in frame.blocks if kind not in ("inner", "head"))
        names = [p["name"] for p in entry.parameters]
        self._entries[frame.place] = replace(
            entry,
            doc=doc,
            deprecated=frame.deprecated if frame.noted else deprecation_of(doc, "", entry.path, names),
            parameters=with_docs(entry.parameters, frame.docs),
        )
