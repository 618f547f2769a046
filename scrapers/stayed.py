"""Symbols that are in both releases: their parameters, what is said of them, what they give."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from packaging.version import Version

from registry.records import Symbol
from scrapers.comparison import Comparison, Draft, last_part
from scrapers.decorators import Keyword
from scrapers.examples import differing
from scrapers.notes import Note, renamed_parameters
from scrapers.signatures import beyond_typing, signature_detail

if TYPE_CHECKING:
    import griffe


_PLACEHOLDER = re.compile(r"[\w.]*deprecated\w*|(['\"])deprecated\1", re.IGNORECASE)


class Staying(Comparison):
    """Finds changes of signature, of behaviour, and deprecations."""

    def signatures(self) -> None:
        """Parameters of symbols that are in both releases."""
        for path, symbol in self.old.symbols.items():
            other = self.now(path)
            if other is None or symbol.signature is None or other.signature is None:
                continue
            keywords = self._keywords(path, other)
            leaving = {n.subject for n in self.old.notes.get(path, ()) if n.subject and n.deprecates}
            renamed = {n: k.renamed for n, k in keywords}
            detail = signature_detail(symbol.parameters, other.parameters, renamed, leaving)
            if self.old.is_stubbed(path) and self.new.is_stubbed(other.path):
                detail = beyond_typing(detail)
            if detail:
                draft = self.draft(path, "signature")
                draft.detail |= detail
                draft.add("signature", f"{symbol.signature} -> {other.signature}")
                self._parameters_told(draft, path, other, keywords)

    def _keywords(self, path: str, other: Symbol) -> list[tuple[str, Keyword]]:
        """What decorators say of keywords that old took and new refuses, takes no more, or has under another name."""
        before, after = self.old.keywords.get(path, {}), self.new.keywords.get(other.path, {})
        taken = {p["name"] for p in self.old.symbols[path].parameters} | {n for n, k in before.items() if not k.gone}
        anything = any(p["kind"] == "variadic keyword" for p in other.parameters)
        found = {} if anything else {n: k for n, k in before.items() if not k.gone}
        texts = [n.text for n in self.new.notes.get(other.path, [])] + [e.text for e in self.entries_on.get(path, ())]
        found |= {a: Keyword(a, b) for text in texts for a, b in renamed_parameters(text).items() if a in taken}
        return sorted((found | {n: k for n, k in after.items() if n in taken}).items())

    def _parameters_told(self, draft: Draft, path: str, other: Symbol, keywords: Iterable[tuple[str, Keyword]]) -> None:
        """What notes and decorators say of parameters that went, and what they name instead."""
        went = {*draft.detail.get("removed", ()), *draft.detail.get("renamed", {})}
        texts = [(n.source, n.subject, n.text) for n in self.old.notes.get(path, []) if not n.whole and n.deprecates]
        texts += [("decorator", name, keyword.hint) for name, keyword in keywords if keyword.hint]
        for source, name, text in texts:
            if name in went:
                draft.add(source, text)
                draft.detail.setdefault("notes", {})[name] = text[:300]
                if name not in draft.detail.get("renamed", {}) and (named := self.instead(text, name, other)):
                    draft.detail.setdefault("replacements", {})[name] = named

    def breakages(self) -> None:
        """What griffe's finder says: evidence for what is there, and changes of what a call gives or a class is."""
        import griffe

        kinds = griffe.BreakageKind
        behaviour = {kinds.RETURN_CHANGED_TYPE, kinds.CLASS_REMOVED_BASE, kinds.ATTRIBUTE_CHANGED_TYPE}
        for found in self._found_by_griffe():
            if (path := _path(found.obj)) is None:
                continue
            text = _told(found)
            if found.kind is kinds.OBJECT_REMOVED:
                for kind in ("removed", "moved", "renamed"):
                    if (path, kind) in self.drafts:
                        self.drafts[path, kind].add("griffe", text)
            elif found.kind is kinds.OBJECT_CHANGED_KIND:
                continue  # a property that became an attribute is called as before
            elif path in self.old.symbols and path in self.new.symbols:
                if found.kind is kinds.CLASS_REMOVED_BASE and not self._lost_bases(path):
                    continue
                if found.kind in behaviour:
                    self.draft(path, "behaviour").add("griffe", text)
                elif (path, "signature") in self.drafts:
                    self.drafts[path, "signature"].add("griffe", text)

    def _lost_bases(self, path: str) -> list[str]:
        """The classes that a class no longer is one of, those that people can name."""
        left = {last_part(base) for base in self.new.bases(path)}
        return [b for b in self.old.bases(path) if last_part(b) not in left and (b in self.old.symbols or "." not in b)]

    def _found_by_griffe(self) -> Iterator[griffe.Breakage]:
        import griffe

        for name in sorted(self.old.trees.keys() & self.new.trees.keys()):
            yield from griffe.find_breaking_changes(self.old.trees[name], self.new.trees[name])

    def deprecations(self) -> None:
        """Notes at new that were not there at old: the symbol, or one of its parameters, will go."""
        for path, notes in self.new.notes.items():
            was = self.old.symbols.get(self.before.get(path, path))
            said = self.old.notes.get(self.before.get(path, path), [])
            told = {n.subject for n in said if n.deprecates}
            before = {n.text for n in said}
            whole_before = any(n.whole and n.deprecates for n in said)
            for note in notes:
                if not note.deprecates or note.text in before or (note.whole and whole_before):
                    continue
                if note.subject and (
                    note.subject in told or was is None or _came(note.subject, was, self.new.symbols[path])
                ):
                    continue  # nobody who comes from the old release has that parameter
                draft = self.draft(self.before.get(path, path), "deprecated")
                draft.add(note.source, note.text)
                if note.whole:
                    draft.whole = True
                    draft.replacement = draft.replacement or self.replacement(note.text, path)
                elif note.subject:
                    draft.detail["parameters"] = sorted({*draft.detail.get("parameters", ()), note.subject})
                    if (named := self.instead(note.text, note.subject, self.new.symbols[path])) is not None:
                        draft.detail.setdefault("replacements", {}).setdefault(note.subject, named)
                else:
                    draft.detail["case"] = draft.detail.get("case") or note.text[:300]

    def placeholders(self) -> None:
        """Parameters whose default says by now that they are deprecated."""
        for path, symbol in self.old.symbols.items():
            if (other := self.now(path)) is None:
                continue
            before = {p["name"] for p in symbol.parameters if _is_placeholder(p["default"])}
            told = {p["name"]: p["default"] for p in other.parameters if _is_placeholder(p["default"])}
            known = {p["name"] for p in symbol.parameters}
            for name in sorted((told.keys() - before) & known):
                draft = self.draft(path, "deprecated")
                draft.add("signature", f"{name}={told[name]}")
                draft.detail["parameters"] = sorted({*draft.detail.get("parameters", ()), name})

    def behaviour(self) -> None:
        """`versionchanged` notes at new, and what old said would change."""
        low, high = (_version(s.scraped.release.version) for s in (self.old, self.new))
        for path, notes in self.new.notes.items():
            for note in notes:
                version = _version(note.version)
                changed = note.category == "versionchanged" and version and low and high and low < version <= high
                if not changed or path not in self.before:
                    continue
                was = self.before[path]
                signature = self.drafts.get((was, "signature"), Draft())
                if note.of_signature or note.subject in signature.detail.get("defaults", ()):
                    signature.add(note.source, note.text)
                else:
                    self.draft(was, "behaviour").add(note.source, note.text)
        for path, notes in self.old.notes.items():
            if (other := self.now(path)) is not None:
                still = {n.text for n in self.new.notes.get(other.path, [])}
                leaving = {n.subject for n in self.new.notes.get(other.path, []) if n.deprecates}
                for note in notes:
                    over = note.subject not in leaving and _enforced(note, other)
                    told = note.category != "versionchanged" and (note.promises or over)
                    if told and note.text not in still:
                        self.draft(path, "behaviour").add(note.source, note.text)

    def examples(self) -> None:
        """Examples in docstrings that stayed, and now have another output."""
        for path, symbol in self.old.symbols.items():
            other = self.now(path)
            if other is not None and (found := differing(symbol.doc, other.doc, last_part(path))):
                self.draft(path, "behaviour").add("example", str(found))


def _came(name: str, was: Symbol, now: Symbol) -> bool:
    """Whether a parameter is one that the old release didn't have."""
    before, after = ({p["name"] for p in s.parameters} for s in (was, now))
    return name in after and name not in before


def _enforced(note: Note, other: Symbol) -> bool:
    """Whether new, which no longer speaks of a use that old said would go, takes the parameter that it is about."""
    if (
        note.whole
        or not note.deprecates
        or note.source == "decorator"
        or (note.source == "docstring" and not note.subject)
    ):
        return False
    kept = next((p for p in other.parameters if p["name"] == note.subject), None)
    return not note.subject or (kept is not None and not _is_placeholder(kept["default"]))


def _is_placeholder(default: str | None) -> bool:
    """Whether a default only says that its parameter is deprecated: `"deprecated"`, `_deprecated`."""
    return _PLACEHOLDER.fullmatch(default or "") is not None


def _path(found: griffe.Object | griffe.Alias) -> str | None:
    """The canonical path of what griffe found; None for a name imported from another package."""
    import griffe

    try:
        return found.canonical_path.removesuffix(".__init__")
    except (griffe.AliasResolutionError, griffe.CyclicAliasError):
        return None


def _told(found: griffe.Breakage) -> str:
    """One line of griffe's finding, without the folder it was made in."""
    values = [
        getattr(v, "name", None) or (str(v) if isinstance(v, str) else "")
        for v in (found.old_value, found.new_value)
        if v is not None
    ]
    names = ", ".join(dict.fromkeys(v for v in values if v))
    return f"{found.kind.value}: {names or found.obj.canonical_path} {found.details}".strip()


def _version(text: str) -> Version | None:
    try:
        return Version(text.rstrip(".,:"))
    except ValueError:  # none, or of more digits than Python reads
        return None
