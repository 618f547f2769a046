"""The task texts of `doc` and `test` rows: what is to be done, the program with holes, and what must hold of it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from registry.names import SymbolIndex, dotted_name, imported_names, imports_of, tree_of
from registry.records import Program
from synth.dataflow import nodes
from synth.mined.holes import Holed, holed
from synth.mined.sentences import imperative, sentence_of, whole
from synth.mined.suites import TestFunction

MOST_LINES, MOST_CHARACTERS = 30, 1500
"""Of the checks that a task shows: a row with more is none."""

_ERRORS = re.compile(r"(?:Error|Exception|Warning)$|^(?:exception|errors?|warnings?)$")
_SHOWN = re.compile(r"(?:tests?|checks?|ensures?|verif(?:y|ies)|validates?|makes? sure|asserts?|confirms?) that ", re.I)
_SAYS_NOTHING = "basic call case cases example examples iter other repr simple some str test tests trivial works"
_VAGUE = frozenset(_SAYS_NOTHING.split())
"""What names of tests say that says nothing."""
_NOISE = re.compile(r"^(?:gh|issue|bug|bugs|regression|pr|todo|fix|old|new|ticket)$")
_POINTING = re.compile(
    r"\b(?:above|again|also|below|current|else|following|here|instead|it|previous|same|that|them|these|they|this|"
    r"those|we|you|your)\b"
)


class Tasks:
    """Writes the tasks of one release.

    Args:
        index: The release's symbols.
        release: The library and its version, as `networkx 3.6.1`.
    """

    def __init__(self, index: SymbolIndex, release: str = "") -> None:
        self.index, self.release = index, release
        self.names = frozenset(path.rpartition(".")[2] for path in index.by_path)

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The words that the library's docstrings use."""
        return frozenset(w for s in self.index.by_path.values() for w in re.findall(r"\b[a-z]{2,}\b", s.doc.lower()))

    def of_test(self, test: TestFunction, claims: Sequence[str], program: Program) -> str | None:
        """The task of a test; None where it can't be told what is to be done, or the checks are many."""
        found = self._subject(self._of_file(claims, test.module.page.path), program, test.node.name)
        if found is None:
            return None
        subject, shown = found
        if self._tests_itself(subject, program):
            return None
        doc = ast.get_docstring(test.node) or ""
        named = (subject, *claims)
        beside = self._shown_by(doc, named) or self._case(test.node.name, subject)
        return self._text(self._sentence(subject, named, program), beside, named, program, shown)

    def of_doc(self, prose: str, claims: Sequence[str], program: Program) -> str | None:
        """The task of an example, in its own words where the prose above it says what is to be done."""
        found = self._subject(claims, program, "")
        if found is None:
            return None
        subject, shown = found
        named = (subject, *claims)
        return self._text(
            self._own_words(prose, named) or self._sentence(subject, named, program), "", named, program, shown
        )

    # ------------------------------------------------------------------------------------------------ the subject

    def _of_file(self, claims: Sequence[str], path: str) -> Sequence[str]:
        """The claims, first of all a function of the module that a test's file is named for.

        A test of `diameter` may be named for the graph that it is of, `test_path_graph`.
        """
        stem = path.rpartition("/")[2].removesuffix(".py").removeprefix("test_")
        done = [p for p in claims if self._kind(p) in ("function", "method")]
        own = [p for p in done if stem in p.split(".")[:-1]]
        return [own[0], *claims] if own and claims[0] in done and claims[0] not in own else claims

    def _subject(self, claims: Sequence[str], program: Program, name: str) -> tuple[str, Holed] | None:
        """What a row is about, and its program with holes there: its first claim that is done, not only made or read.

        Of a class it is the method that the row's name says, else the function that its object is given to.
        """
        symbols = [path for path in claims if not _ERRORS.search(_last(path))] or list(claims)
        done = [p for p in symbols if self._kind(p) in ("function", "method")]
        ranked = [symbols[0], *self._after(symbols[0], done, program), *symbols]
        if self._kind(symbols[0]) == "class" or (name and symbols[0] not in done):
            words = set(_words(name))
            named = [p for p in (*done, *self._members(symbols[0], program)) if words >= set(_words(_last(p)))]
            if not named and self._is_set_up(symbols[0], program, words):
                return None
            named.sort(key=lambda p: -len(_words(_last(p))))
            ranked = [*named, *ranked[1 : -len(symbols)], *ranked]
        for path in dict.fromkeys(ranked):
            shown = holed(program.code, self._naming(path, program.code))
            if shown is not None:
                return path, shown
        return None

    def _members(self, path: str, program: Program) -> list[str]:
        """The methods of a class that a program names, of whatever object."""
        read = {n.attr for n in nodes(tree_of(program.code)) if isinstance(n, ast.Attribute)}
        found = (self.index.canonical(f"{path}.{name}") for name in sorted(read))
        return [p for p in found if p is not None and self._kind(p) == "method"]

    def _is_set_up(self, path: str, program: Program, words: set[str]) -> bool:
        """Whether a row's name tells not of a class but of an attribute that the program reads: `test_loc_drops_level`.

        Of whatever class that is, an inherited one's too: the object is there to be asked.
        """
        trees = tree_of(program.code), ast.parse(program.test)
        read = {n.attr for tree in trees for n in nodes(tree) if isinstance(n, ast.Attribute)} & self.names
        told = any(len(name) > 2 and words >= set(_words(name)) for name in read - {_last(path)})
        return told and not words >= set(_words(_last(path)))

    def _after(self, first: str, done: Sequence[str], program: Program) -> list[str]:
        """What is done after `first` is made: what is given most of what the checks look at first, then the last."""
        looked_at = _constants(tree_of(program.test))
        start = min((_place(n) for n in self._uses(first, program.code)), default=(0, 0))
        ranks = {}
        for path in done:
            uses = self._uses(path, program.code)
            if uses and (place := max(map(_place, uses))) > start:
                ranks[path] = (len(looked_at & frozenset().union(*map(_constants, uses))), place)
        return sorted(ranks, key=lambda p: ranks[p], reverse=True)

    def _uses(self, path: str, code: str) -> list[ast.expr]:
        """The calls of a symbol, else its mentions."""
        names = self._naming(path, code)
        found = [n for n in nodes(tree_of(code)) if isinstance(n, ast.expr)]
        calls: list[ast.expr] = [n for n in found if isinstance(n, ast.Call) and names(n.func)]
        return calls or [n for n in found if names(n)]

    def _tests_itself(self, subject: str, program: Program) -> bool:
        """Whether the checks call the subject: they would give the answer away, and check what no answer has."""
        if self._kind(subject) not in ("function", "method"):
            return False
        code, test = tree_of(program.code), tree_of(program.test)
        imported = imported_names(ast.Module([*code.body, *test.body], []), self.index.roots)
        names = self._named(subject, imported)
        return any(isinstance(n, ast.Call) and names(n.func) for n in nodes(test))

    def _spelled(self, path: str, code: str) -> str:
        """A symbol by that of its names by which the code imports it, else by its public one."""
        imported = imports_of(code, self.index.roots)
        for node in self._uses(path, code):
            dotted = dotted_name(node.func if isinstance(node, ast.Call) else node) or ""
            head, dot, rest = dotted.partition(".")
            if head in imported:
                return imported[head] + dot + rest
        return self.index.public(path)

    def _kind(self, path: str) -> str:
        return self.index.by_path[path].kind if path in self.index.by_path else ""

    def _naming(self, path: str, code: str) -> Callable[[ast.expr], bool]:
        """Whether an expression of the code names a symbol: through imports, or as a method of some object."""
        return self._named(path, imports_of(code, self.index.roots))

    def _named(self, path: str, imported: Mapping[str, str]) -> Callable[[ast.expr], bool]:
        is_member, last = self._kind(path) in ("method", "attribute"), _last(path)

        def names(node: ast.expr) -> bool:
            if not isinstance(node, (ast.Name, ast.Attribute)):
                return False
            dotted = dotted_name(node)
            head, dot, rest = (dotted or "").partition(".")
            if head in imported:
                return self.index.canonical(imported[head] + dot + rest) == path
            return is_member and isinstance(node, ast.Attribute) and node.attr == last

        return names

    # ------------------------------------------------------------------------------------------------ the sentences

    def _sentence(self, subject: str, claims: Sequence[str], program: Program) -> str:
        """What the subject's own documentation says that it does."""
        symbol = self.index.by_path.get(subject)
        public = f"`{self._spelled(subject, program.code)}`"
        said = sentence_of(symbol.doc) if symbol is not None else None
        if said is None or not self._is_about(said, claims):
            return f"Use {public}."
        return imperative(said) or f"Use {public}: {said}"

    def _own_words(self, prose: str, claims: Sequence[str]) -> str | None:
        said = whole(prose.strip().removesuffix("::").removesuffix(":")) if prose else None
        if said is None or _POINTING.search(said.lower()) or not self._is_about(said, claims):
            return None
        return said if imperative(said) == said else None

    def _shown_by(self, doc: str, claims: Sequence[str]) -> str:
        """What a test's docstring says that it checks."""
        said = sentence_of(doc)
        if said is None or not self._is_about(said, claims):
            return ""
        found = _SHOWN.match(said)
        return f"Show that {said[found.end() :]}" if found is not None and len(said) > found.end() + 12 else ""

    def _case(self, name: str, subject: str) -> str:
        """What a test's name says beside the subject's."""
        own = set(_words(_last(subject)))
        words = [w for w in _words(name) if not w.isdigit()]
        if own <= set(words):
            words = [w for w in words if w not in own]
        if any(_NOISE.match(w) for w in words) or set(words) <= own:
            return ""
        said = set(words) - _VAGUE
        is_said = any(len(w) > 2 for w in said) and len(words) <= 7 and self.vocabulary >= set(words)
        return f"The case: {' '.join(words)}." if is_said else ""

    def _is_about(self, text: str, claims: Sequence[str]) -> bool:
        """Whether a text names nothing of the library as code that the row doesn't show: that may be held out."""
        own = {part for path in claims for part in (*path.split("."), *self.index.public(path).split("."))}
        words = set(re.findall(r"[.`](\w+)", text)) | set(re.findall(r"[^\W_]+_\w*[^\W_]", text))
        for path in claims[:1]:
            symbol = self.index.by_path.get(path)
            own |= {str(p.get("name")) for p in symbol.parameters} if symbol is not None else set()
        return not {w for w in words & self.names if len(w) > 2} - own  # `G1` is an argument far more often

    # ------------------------------------------------------------------------------------------------ the text

    def _text(self, asked: str, beside: str, claims: Sequence[str], program: Program, shown: Holed) -> str | None:
        test = program.test.strip()
        if test.count("\n") >= MOST_LINES or len(test) > MOST_CHARACTERS or "```" in program.code + test:
            return None
        calls = [f"`{self._spelled(path, program.code)}`" for path in self._hidden(claims, program, shown)]
        errors = _raised(program)
        if errors:
            beside = f"Show that {errors} is raised."
        release = f" for {self.release}" if self.release else ""
        uses = f", with {_listed(calls)}" if calls else ""
        head = " ".join(part for part in (asked, beside) if part)
        return (
            f"{head}\n\nComplete this program{release} where it has `...`{uses}:\n"
            f"```python\n{shown.text.strip()}\n```\n"
            f"Write the whole program. This must hold afterwards:\n```python\n{test}\n```"
        )

    def _hidden(self, claims: Sequence[str], program: Program, shown: Holed) -> list[str]:
        """The claims that stand where the task has holes, and nowhere else in what it shows."""
        hidden = [n for node in shown.hidden for n in nodes(node) if isinstance(n, ast.expr)]
        visible = [n for n in nodes(tree_of(shown.text)) if isinstance(n, ast.expr)]
        naming = {path: self._naming(path, program.code) for path in claims}  # each once, in order
        return [p for p in naming if any(map(naming[p], hidden)) and not any(map(naming[p], visible))]


def _words(name: str) -> list[str]:
    """`test_add_edge` -> add, edge; `TestMatch` -> match."""
    name = re.sub(r"^(?:test|Test)_?", "", name)
    return [w.lower() for w in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def _place(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _constants(tree: ast.AST) -> frozenset[str]:
    """The numbers and texts in a tree."""
    values = (n.value for n in nodes(tree) if isinstance(n, ast.Constant) and not isinstance(n.value, bool | None))
    return frozenset(map(repr, values))


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def _raised(program: Program) -> str:
    """The errors that a program catches, where nothing else of it is checked."""
    checks = [s for s in tree_of(program.test).body if isinstance(s, ast.Assert)]
    names = [{n.id for n in nodes(s.test) if isinstance(n, ast.Name)} for s in checks]
    if not names or not all(any(re.match(r"raised\d*$", n) for n in each) for each in names):
        return ""
    caught = [n.type for n in nodes(tree_of(program.code)) if isinstance(n, ast.ExceptHandler) and n.type]
    return _listed([f"`{ast.unparse(c)}`" for c in caught][:1])
