"""Symbols that went from one release to another, under their names or altogether, and those that came."""

from __future__ import annotations

from registry.records import Symbol
from scrapers.comparison import Comparison, is_private, last_part, offered, same_sort
from scrapers.notes import Note, passed_on
from scrapers.signatures import likeness, name_likeness, signature_detail

MOVED = 0.45
"""Likeness from which a symbol of the same name in another module is the same one."""
RENAMED = 0.72
"""Likeness from which a symbol of another name in the same package is taken for the old one, renamed."""
NAMED = 0.5
"""Likeness that is enough where a note names the new one."""


class Leaving(Comparison):
    """Finds what was removed, renamed, moved and added."""

    def gone(self) -> None:
        """Removed, moved and renamed symbols."""
        gone = [s for path, s in self.old.symbols.items() if not self._stays(path)]
        came = [s for path, s in self.new.symbols.items() if path not in self.old.symbols]
        missing = {s.path for s in gone}
        for symbol in sorted(gone, key=lambda s: s.path.count(".")):
            owner = symbol.path.rpartition(".")[0]
            if owner in missing and self.old.symbols[owner].kind == "class":
                continue  # went with its class
            if symbol.kind == "attribute" and (owner in missing or self.old.is_argument(symbol.path)):
                continue  # went with its module, or with the parameter that gave it
            self._went(symbol, came)

    def _stays(self, path: str) -> bool:
        """Whether the path leads to something at new, be it imported there, inherited, or made when it is asked for."""
        if self.new.standing(path) is not None or self.new.inherits(path) or self.new.binds(path):
            return True
        if is_private(path) and self._still_offered(path):
            return True
        owner, _, name = path.rpartition(".")
        if (now := self.now(owner)) is not None and now.path != owner:  # its class stands elsewhere
            return self._stays_in(now.path, name)
        if (was := self.old.symbols.get(owner)) is not None and was.kind == "class" and owner not in self.new.symbols:
            owner = owner.rpartition(".")[0]  # a member of what a module makes
        return self._makes(owner, path) and (self.now(path) is not None or not self.old.symbols[path].aliases)

    def _makes(self, module: str, path: str) -> bool:
        """Whether a module hands out a name that it gets from elsewhere when it is asked for."""
        return module in self.new.making and path not in self.new.refused

    def _still_offered(self, path: str) -> bool:
        """Whether what is defined in a private place has its shortest public path still, be it from compiled code."""
        aliases = self.old.symbols[path].aliases
        return bool(aliases) and (self.new.standing(aliases[0]) is not None or self.new.binds(aliases[0]))

    def _stays_in(self, owner: str, name: str) -> bool:
        return self.new.standing(f"{owner}.{name}") is not None or self.new.inherits(f"{owner}.{name}")

    def _went(self, symbol: Symbol, came: list[Symbol]) -> None:
        named, notes = self._named_successor(symbol)
        target, kind, score = self._successor(symbol, came, named)
        draft = self.draft(symbol.path, kind)
        draft.add("symbols", f"{symbol.path} ({symbol.kind}) is not in {self.new.version}")
        for note in notes:
            draft.add(note.source, note.text)
        if self._makes(
            symbol.path.rpartition(".")[0], symbol.path
        ):  # there as before, but not where people have it from
            draft.detail["lost"] = [a for a in symbol.aliases[:1] if self.new.names.exact(a) is None]
        draft.replacement = offered(target) if target else named
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
        alike = [s for s in came if same_sort(s, symbol) and self._same_owner(symbol, s)]
        for path in sorted({p for a in symbol.aliases if (p := self.new.names.exact(a))}):
            if last_part(path) == last_part(symbol.path) and same_sort(self.new.symbols[path], symbol):
                return self.new.symbols[path], "moved", likeness(symbol, self.new.symbols[path])
        here = [(likeness(symbol, s), s) for s in alike if last_part(s.path) == last_part(symbol.path)]
        score, best = max(here, key=lambda x: (x[0], x[1].path), default=(0.0, None))
        if best is not None and score >= MOVED:
            return best, "moved", score
        target = self.new.symbols.get(self.new.names.exact(named) or "") if named else None
        if target is not None and same_sort(target, symbol) and self._same_owner(symbol, target):
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
            if named := self.replacement(note.text, symbol.path):
                return named, notes
        if (twin := self.old.stands_for(symbol.path)) and (other := self.new.standing(twin)) is not None:
            return other.path, [*notes, Note(f"It is another name of {twin}", "source", "deprecated")]
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
        return (
            other.path if other is not None and other.path != symbol.path and last_part(other.path)[0] != "_" else None
        )

    def lost_paths(self) -> None:
        """Symbols that are still there, but no longer under the shortest public path of one of their names."""
        for path, symbol in self.old.symbols.items():
            other = self.now(path)
            if other is None or symbol.kind == "module":
                continue
            shortest = {last_part(a): a for a in reversed(symbol.aliases)}
            lost = [a for a in shortest.values() if self._is_lost(a)]
            if lost and not any((path, kind) in self.drafts for kind in ("removed", "moved", "renamed")):
                draft = self.draft(path, "moved")
                draft.replacement = next(iter(other.aliases), other.path)
                draft.detail["lost"] = sorted(lost)
                draft.add("symbols", f"{lost[0]} is not in {self.new.version}")

    def _is_lost(self, path: str) -> bool:
        return self.new.standing(path) is None and self._owner_kept(path) and not self.new.binds(path)

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
            if self.old.standing(path) is not None or self.old.inherits(path) or path in self.before:
                continue  # was imported there, or inherited, or is found there now under its old path
            if any(self.old.binds(p) for p in (path, *symbol.aliases[:1])):
                continue  # was there, from compiled code perhaps
            if self.old.has(path) or (owner in self.old.symbols and self.old.mentions(path)):
                continue  # was there and not public, or was made at run time, where only words about it show it
            if owner in came and (self.new.symbols[owner].kind == "class" or symbol.kind == "attribute"):
                continue  # came with its class or module
            if symbol.kind == "attribute" and self.new.is_argument(path):
                continue  # came with the parameter that gives it
            if self.new.is_stubbed(path) and not self.came_by_notes(path):
                continue  # stubs are written for what was there
            was = self.old.standing(owner)
            if was is not None and was.kind == "attribute":
                continue  # what stood there was another name of a class, perhaps: nobody knows what that had
            draft = self.draft(path, "added")
            draft.add("symbols", f"{path} ({symbol.kind}) is not in {self.old.version}")
            draft.detail["kind"] = symbol.kind


def _package(path: str) -> str:
    return path.rpartition(".")[0].rpartition(".")[0]
