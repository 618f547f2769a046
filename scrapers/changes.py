"""What two releases of a library differ in: griffe's breakage finder, the symbols themselves, and what notes say.

Only public symbols count. A Change has one row for each (symbol, kind); its evidence names every finder and note.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from registry.records import Change, Symbol
from scrapers.changelogs import Entry, entries, symbols_named
from scrapers.decorators import Keyword
from scrapers.examples import differing
from scrapers.notes import Note, keyword_in, passed_on, renamed_parameters, replacement_in
from scrapers.sides import Side
from scrapers.signatures import likeness, name_likeness, signature_detail
from scrapers.sources import Scraped

if TYPE_CHECKING:
    import griffe

MOVED = 0.45
"""Likeness from which a symbol of the same name in another module is the same one."""
RENAMED = 0.72
"""Likeness from which a symbol of another name in the same package is taken for the old one, renamed."""
NAMED = 0.5
"""Likeness that is enough where a note names the new one."""
MAX_EVIDENCE = 8


@dataclass
class Draft:
    """A change while its evidence is gathered; `whole` is a deprecated one where no part of the symbol alone is."""

    whole: bool = False
    replacement: str | None = None
    evidence: list[dict[str, str]] = field(default_factory=list)
    detail: dict[str, Any] = field(default_factory=dict)

    def add(self, source: str, text: str) -> None:
        """Keeps a piece of evidence once."""
        row = {"source": source, "text": text[:600]}
        if row not in self.evidence and len(self.evidence) < MAX_EVIDENCE:
            self.evidence.append(row)


class _Finder:
    """Gathers the drafts of all changes from one release to another."""

    def __init__(self, old: Scraped, new: Scraped, trees: Path | None) -> None:
        self.old, self.new = Side(old, trees), Side(new, trees)
        self.drafts: dict[tuple[str, str], Draft] = {}
        self.successors: dict[str, str] = {}

    def draft(self, symbol: str, kind: str) -> Draft:
        return self.drafts.setdefault((symbol, kind), Draft())

    # ---------------------------------------------------------------------------------- symbols that went or came

    def gone(self) -> None:
        """Removed, moved and renamed symbols."""
        gone = [s for path, s in self.old.symbols.items() if not self._stays(path)]
        came = [s for path, s in self.new.symbols.items() if path not in self.old.symbols]
        missing = {s.path for s in gone}
        for symbol in sorted(gone, key=lambda s: s.path.count(".")):
            owner = symbol.path.rpartition(".")[0]
            if owner in missing and self.old.symbols[owner].kind == "class":
                continue  # went with its class
            if symbol.kind == "attribute" and owner in missing:
                continue
            self._went(symbol, came)

    def _stays(self, path: str) -> bool:
        """Whether the path leads to something at new, be it imported there, inherited, or made when it is asked for."""
        if self.new.standing(path) is not None or self.new.inherits(path) or self.new.binds(path):
            return True
        owner, _, name = path.rpartition(".")
        if (now := self._now(owner)) is not None and now.path != owner:  # its class stands elsewhere
            return self._stays_in(now.path, name)
        if (was := self.old.symbols.get(owner)) is not None and was.kind == "class" and owner not in self.new.symbols:
            owner = owner.rpartition(".")[0]  # a member of what a module makes
        made = owner in self.new.making and path not in self.new.refused
        return made and (self._now(path) is not None or not self.old.symbols[path].aliases)

    def _stays_in(self, owner: str, name: str) -> bool:
        return self.new.standing(f"{owner}.{name}") is not None or self.new.inherits(f"{owner}.{name}")

    def _now(self, path: str) -> Symbol | None:
        """What an old symbol is at new: what its path leads to, else the same under the shortest of its names.

        A function that went to another module and is imported as before is the same to those who use it.
        """
        return self._standing.get(path)

    @cached_property
    def _standing(self) -> dict[str, Symbol]:
        found = {}
        for path, symbol in self.old.symbols.items():
            other = self.new.standing(path)
            if other is None and symbol.aliases and (known := self.new.names.exact(symbol.aliases[0])):
                other = self.new.symbols[known]
                if _last(known) != _last(path) or not _same_sort(other, symbol):
                    other = None
            if other is not None:
                found[path] = other
        return found

    @cached_property
    def _before(self) -> dict[str, str]:
        """The old path of each symbol at new that was there."""
        return {other.path: path for path, other in self._standing.items() if path not in self.new.symbols} | {
            path: path for path in self.old.symbols if path in self.new.symbols
        }

    def _went(self, symbol: Symbol, came: list[Symbol]) -> None:
        named, notes = self._named_successor(symbol)
        target, kind, score = self._successor(symbol, came, named)
        draft = self.draft(symbol.path, kind)
        draft.add("symbols", f"{symbol.path} ({symbol.kind}) is not in {self.new.version}")
        for note in notes:
            draft.add(note.source, note.text)
        draft.replacement = target.path if target else named
        if target is None:
            return
        self.successors[symbol.path] = target.path
        draft.add("likeness", f"{target.path}: {score:.2f}")
        if symbol.kind != "module":
            kept = [a for a in symbol.aliases if self.new.names.exact(a) == target.path]
            draft.detail |= {"still_works": kept} if kept else {}
            if detail := signature_detail(symbol.parameters, target.parameters):
                draft.detail["signature"] = detail

    def _successor(self, symbol: Symbol, came: list[Symbol], named: str | None) -> tuple[Symbol | None, str, float]:
        """The symbol at new that is this one under another path, with the kind of change and the likeness."""
        alike = [s for s in came if _same_sort(s, symbol) and self._same_owner(symbol, s)]
        for path in sorted({p for a in symbol.aliases if (p := self.new.names.exact(a))}):
            if _last(path) == _last(symbol.path) and _same_sort(self.new.symbols[path], symbol):
                return self.new.symbols[path], "moved", likeness(symbol, self.new.symbols[path])
        here = [(likeness(symbol, s), s) for s in alike if _last(s.path) == _last(symbol.path)]
        score, best = max(here, key=lambda x: (x[0], x[1].path), default=(0.0, None))
        if best is not None and score >= MOVED:
            return best, "moved", score
        target = self.new.symbols.get(named) if named else None
        if target is not None and _same_sort(target, symbol) and self._same_owner(symbol, target):
            score = likeness(symbol, target)
            if score >= NAMED and name_likeness(symbol, target) >= NAMED:
                return target, "renamed", score
        if named is None and symbol.doc and symbol.kind != "module":
            near = [(likeness(symbol, s), s) for s in alike if s.doc and _package(s.path) == _package(symbol.path)]
            score, best = max(near, key=lambda x: (x[0], x[1].path), default=(0.0, None))
            if best is not None and score >= RENAMED:
                return best, "renamed", score
        return None, "removed", 0.0

    def _same_owner(self, symbol: Symbol, other: Symbol) -> bool:
        """Whether two methods belong to one class, under its old or its new path; functions belong to none."""
        if symbol.kind not in {"method", "attribute"}:
            return True
        owner, new_owner = symbol.path.rpartition(".")[0], other.path.rpartition(".")[0]
        return self.successors.get(owner, owner) == new_owner

    def _named_successor(self, symbol: Symbol) -> tuple[str | None, list[Note]]:
        """What the old release's own notes say to use instead, or the new one where somebody asks for the name."""
        notes = [n for n in self.old.notes.get(symbol.path, []) if n.whole and n.deprecates]
        refusals = (self.new.refused.get(path) for path in (symbol.path, *symbol.aliases))
        notes += [Note(text, "refusal", "deprecated") for text in dict.fromkeys(refusals) if text]
        for note in notes:
            if named := self._replacement(note.text, symbol.path):
                return named, notes
        if named := self._passed_on(symbol):
            return named, [*notes, Note(f"It only calls {named}", "source", "deprecated")]
        return None, notes

    def _passed_on(self, symbol: Symbol) -> str | None:
        """The public function or method that the old one only passed its call on to, where that is still there."""
        written = passed_on(self.old.sources.get(symbol.path, ""))
        if written is None:
            return None
        owner = symbol.path.rpartition(".")[0]
        path = f"{owner}.{written[5:]}" if written.startswith("self.") else self.old.names.find(written, symbol.path)
        other = self.new.standing(path) if path else None
        return other.path if other is not None and other.path != symbol.path and _last(other.path)[0] != "_" else None

    def _replacement(self, text: str, near: str, *, strict: bool = False) -> str | None:
        def known(name: str) -> str | None:
            path = self.new.names.find(name, near)
            return path if path != near else None

        return replacement_in(text, known, strict=strict)

    def lost_paths(self) -> None:
        """Symbols that are still there, but no longer under their shortest public path."""
        for path, symbol in self.old.symbols.items():
            if path not in self.new.symbols or not symbol.aliases or symbol.kind == "module":
                continue
            shortest = symbol.aliases[0]
            if self.new.names.exact(shortest) is None and self._owner_kept(shortest):
                draft = self.draft(path, "moved")
                left = self.new.symbols[path].aliases
                draft.replacement = left[0] if left else path
                draft.detail["lost"] = [a for a in symbol.aliases if self.new.names.exact(a) is None]
                draft.add("symbols", f"{shortest} is not in {self.new.version}")

    def _owner_kept(self, path: str) -> bool:
        """Whether the loss is this path's own: a class that lost its path takes its methods with it."""
        owner = path.rpartition(".")[0]
        return self.new.names.exact(owner) is not None or self.old.names.exact(owner) is None

    def added(self) -> None:
        """New symbols that are no old ones under another name."""
        taken = set(self.successors.values())
        came = {p for p in self.new.symbols if p not in self.old.symbols}
        for path in sorted(came - taken):
            owner = path.rpartition(".")[0]
            symbol = self.new.symbols[path]
            if self.old.standing(path) is not None or self.old.inherits(path) or path in self._before:
                continue  # was imported there, or inherited, or is found there now under its old path
            if self.old.has(path) or (owner in self.old.symbols and self.old.mentions(path)):
                continue  # was there and not public, or was made at run time, where only words about it show it
            if owner in came and (self.new.symbols[owner].kind == "class" or symbol.kind == "attribute"):
                continue  # came with its class or module
            was = self.old.standing(owner)
            if was is not None and was.kind == "attribute":
                continue  # what stood there was another name of a class, perhaps: nobody knows what that had
            draft = self.draft(path, "added")
            draft.add("symbols", f"{path} ({symbol.kind}) is not in {self.old.version}")
            draft.detail["kind"] = symbol.kind

    # ------------------------------------------------------------------------------------ symbols that stayed

    def signatures(self) -> None:
        """Parameters of symbols that are in both releases."""
        for path, symbol in self.old.symbols.items():
            other = self._now(path)
            if other is None or symbol.signature is None or other.signature is None:
                continue
            keywords = self._keywords(path, other)
            if detail := signature_detail(symbol.parameters, other.parameters, {n: k.renamed for n, k in keywords}):
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
        notes = (n.text for n in self.new.notes.get(other.path, []) if n.of_signature)
        found |= {a: Keyword(a, b) for text in notes for a, b in renamed_parameters(text).items() if a in taken}
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
                if name not in draft.detail.get("renamed", {}) and (named := self._instead(text, name, other)):
                    draft.detail.setdefault("replacements", {})[name] = named

    def _instead(self, text: str, name: str, other: Symbol) -> str | None:
        """What a note says to use for a parameter: another one, or what else it names."""
        parameters = {p["name"] for p in other.parameters} - {name}
        if (given := keyword_in(text)) and given.partition("=")[0] in parameters:
            return given
        named = replacement_in(text, lambda n: n if n in parameters else self.new.names.find(n, other.path))
        if named == name and f"{name}()" in text:
            return f"{name}()"  # a method of what is returned
        return named if named and named not in {name, other.path} else None

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
                if found.kind in behaviour:
                    self.draft(path, "behaviour").add("griffe", text)
                elif (path, "signature") in self.drafts:
                    self.drafts[path, "signature"].add("griffe", text)

    def _found_by_griffe(self) -> Iterator[griffe.Breakage]:
        import griffe

        for name in sorted(self.old.trees.keys() & self.new.trees.keys()):
            yield from griffe.find_breaking_changes(self.old.trees[name], self.new.trees[name])

    def deprecations(self) -> None:
        """Notes at new that were not there at old: the symbol, or one of its parameters, will go."""
        for path, notes in self.new.notes.items():
            said = self.old.notes.get(self._before.get(path, path), [])
            before = {n.text for n in said}
            whole_before = any(n.whole and n.deprecates for n in said)
            for note in notes:
                if not note.deprecates or note.text in before or (note.whole and whole_before):
                    continue
                draft = self.draft(self._before.get(path, path), "deprecated")
                draft.add(note.source, note.text)
                if note.whole:
                    draft.whole = True
                    draft.replacement = draft.replacement or self._replacement(note.text, path)
                elif note.subject:
                    draft.detail["parameters"] = sorted({*draft.detail.get("parameters", ()), note.subject})
                else:
                    draft.detail["case"] = draft.detail.get("case") or note.text[:300]

    def behaviour(self) -> None:
        """`versionchanged` notes at new, and what old said would change."""
        low, high = (_version(s.scraped.release.version) for s in (self.old, self.new))
        for path, notes in self.new.notes.items():
            for note in notes:
                version = _version(note.version)
                changed = note.category == "versionchanged" and version and low and high and low < version <= high
                if not changed or path not in self._before:
                    continue
                was = self._before[path]
                if not note.of_signature:
                    self.draft(was, "behaviour").add(note.source, note.text)
                elif (was, "signature") in self.drafts:
                    self.drafts[was, "signature"].add(note.source, note.text)
        for path, notes in self.old.notes.items():
            if (other := self._now(path)) is not None:
                still = {n.text for n in self.new.notes.get(other.path, [])}
                for note in notes:
                    told = note.category != "versionchanged" and (note.promises or _enforced(note, other))
                    if told and note.text not in still:
                        self.draft(path, "behaviour").add(note.source, note.text)

    def examples(self) -> None:
        """Examples in docstrings that stayed, and now have another output."""
        for path, symbol in self.old.symbols.items():
            other = self._now(path)
            if other is not None and (found := differing(symbol.doc, other.doc, _last(path))):
                self.draft(path, "behaviour").add("example", str(found))

    def changelogs(self) -> None:
        """Entries that name a symbol: evidence for its changes, or a change of behaviour of its own."""
        for entry in self._entries:
            for path in symbols_named(entry, self.old.names):
                self._logged(entry, path, self._now(path))
            for path in symbols_named(entry, self.new.names):
                if path not in self._before:
                    self._logged(entry, path, None)

    @cached_property
    def _entries(self) -> list[Entry]:
        versions = (s.scraped.release.version for s in (self.old, self.new))
        return entries(self.new.scraped.pages, *versions)

    def _logged(self, entry: Entry, path: str, other: Symbol | None) -> None:
        """Takes an entry as evidence of the changes of a symbol, or as a change where it is in both (`other`)."""
        drafts = [(kind, d) for (symbol, kind), d in self.drafts.items() if symbol == path]
        for kind, draft in drafts:
            draft.add(entry.path, entry.text)
            if (kind == "removed" or draft.whole) and draft.replacement is None:
                draft.replacement = self._replacement(entry.text, path, strict=True)
        kinds = {kind for kind, _ in drafts}
        if other is None or "removed" in kinds or other.path in self._instead_of(entry):
            return
        if entry.deprecates and "deprecated" not in kinds:
            self._deprecated_by(entry, path, other)
        elif entry.is_behaviour and not kinds.intersection({"behaviour", "deprecated"}):
            told = "signature" in kinds and Note(entry.text, "", "").of_signature
            if not told:
                self.draft(path, "behaviour").add(entry.path, entry.text)

    def _instead_of(self, entry: Entry) -> set[str]:
        """What an entry names to use instead: it isn't about these."""
        named = self._replacement(entry.text, "", strict=True)
        return {named} if named else set()

    def _deprecated_by(self, entry: Entry, path: str, other: Symbol) -> None:
        """A deprecation that release notes tell and the source doesn't: of the symbol, or of parameters it names."""
        if any(n.whole and n.deprecates for n in self.old.notes.get(path, ())):
            return
        parameters = {str(p["name"]) for p in other.parameters}
        named = parameters.intersection(re.findall(r"`(\w+)(?:=[^`]*)?`", entry.heading or entry.text))
        if entry.of_parameter and not named:
            return  # of one that is gone: its signature says so
        draft = self.draft(path, "deprecated")
        draft.add(entry.path, entry.text)
        if named:
            draft.detail["parameters"] = sorted({*draft.detail.get("parameters", ()), *named})
            return
        draft.whole = True
        draft.replacement = draft.replacement or self._replacement(entry.text, path, strict=True)


def find_changes(old: Scraped, new: Scraped, trees: Path | None = None) -> list[Change]:
    """The changes from one release to another, sorted by symbol and kind.

    `removed` and `renamed` come with what to use instead where a note names it, `signature` with its `detail`
    (see `signature_detail`), every one with its evidence.

    Args:
        old: The old release.
        new: The new one.
        trees: Folder where griffe's trees are kept, those that scraping has loaded too.
    """
    finder = _Finder(old, new, trees)
    finder.gone()
    finder.lost_paths()
    finder.added()
    finder.signatures()
    finder.breakages()
    finder.deprecations()
    finder.behaviour()
    finder.examples()
    finder.changelogs()
    return [
        Change(
            old=old.release.id,
            new=new.release.id,
            symbol=symbol,
            kind=kind,
            replacement=draft.replacement,
            evidence=draft.evidence,
            detail=draft.detail,
        )
        for (symbol, kind), draft in sorted(finder.drafts.items())
    ]


def by_kind(changes: Iterable[Change]) -> dict[str, int]:
    """How many changes there are of each kind, kinds sorted."""
    counts: dict[str, int] = {}
    for change in changes:
        counts[change.kind] = counts.get(change.kind, 0) + 1
    return dict(sorted(counts.items()))


def _enforced(note: Note, other: Symbol) -> bool:
    """Whether new, which no longer warns of a use that old said would go, takes the parameter that it is about."""
    if note.whole or not note.deprecates or note.source != "warning":
        return False
    return not note.subject or any(p["name"] == note.subject for p in other.parameters)


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


def _same_sort(one: Symbol, other: Symbol) -> bool:
    callables = {"function", "class"}
    return one.kind == other.kind or {one.kind, other.kind} <= callables


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _package(path: str) -> str:
    return path.rpartition(".")[0].rpartition(".")[0]


def _version(text: str) -> Version | None:
    try:
        return Version(text.rstrip(".,:"))
    except ValueError:  # none, or of more digits than Python reads
        return None
