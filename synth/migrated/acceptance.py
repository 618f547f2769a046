"""Which updates a maintainer would take: proof says that a row is true, not that anybody would write it."""

from __future__ import annotations

import ast
import copy
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from registry.records import Program
from synth.dataflow import flow, flow_all
from synth.material import Update
from synth.migrated.calls import bound_by_imports
from synth.migrated.names import renumbered
from synth.migrated.slices import joined
from synth.source import Edit, Source, applied

MOST_NEW = 2
"""Literals of its own from which on a maintainers' new version shows another case, and those of the old from which on
it gives up what was asked."""

MOST_CODEMODS = 2
"""More kinds of codemods in one update are a heap of guesses that happen to hold."""

_MIXES = ({"keyword", "removed-parameter"}, {"default", "wrap"}, {"default", "expression"})
"""Codemods that don't go together: one call keeps under another name what the other gives up; guesses on guesses."""

MOST_ALIKE = 6
"""Restated results that differ in the same words, at most: `Int64Index` is now `Index`, wherever it is shown."""

_CHANCE = re.compile(r"(?<![a-z])(?:seed|random|sample|shuffle|hash)")
"""Parts of names (`resample` has none) of what draws by chance: nobody can tell what the other release gives."""

_IMPORTS = (ast.Import, ast.ImportFrom)
_PREFIX = re.compile(r"\b[a-z]\w*\.(?=[A-Z]\w*\()")
"""A module before a class."""

_NOTHING = frozenset({"null", "None", "NaN", "nan", "<NA>", "NaT"})
_PRIVATE = re.compile(r"(?:\.|\b)_[a-z]\w*(?=\()|\._[a-z]\w*")
"""Members and functions with an underscore: no user writes them."""


@dataclass(frozen=True)
class Diff:
    """What two forms of a program differ in, by statements of the top level.

    Attributes:
        update: The two forms.
    """

    update: Update

    @cached_property
    def sources(self) -> tuple[Source, Source]:
        """The old and the new code."""
        return Source(self.update.old.code), Source(self.update.new.code)

    @cached_property
    def test(self) -> list[ast.stmt]:
        """The new form's checks."""
        return ast.parse(self.update.new.test).body

    @cached_property
    def gone(self) -> list[ast.stmt]:
        """Statements of the old form alone."""
        old, new = self.sources
        kept = {ast.unparse(s) for s in new.tree.body}
        return [s for s in old.tree.body if ast.unparse(s) not in kept]

    @cached_property
    def come(self) -> list[ast.stmt]:
        """Statements of the new form alone."""
        old, new = self.sources
        known = {ast.unparse(s) for s in old.tree.body}
        return [s for s in new.tree.body if ast.unparse(s) not in known]

    @cached_property
    def read(self) -> frozenset[str]:
        """All names that the new form and its checks read."""
        return flow_all([*self.sources[1].tree.body, *self.test]).reads


def acceptable(update: Update) -> bool:
    """Whether the new form is the old one, brought up to date, and its checks say something."""
    diff = Diff(update)
    codemods = update.operator.partition(":")[2].split("+")
    if len(codemods) > MOST_CODEMODS or any(mix <= set(codemods) for mix in _MIXES):
        return False
    if update.restates and _CHANCE.search(update.old.code):
        return False
    if (
        _is_of_another(diff)
        or _is_private(diff)
        or _repeats(diff)
        or (not update.restates and all(map(_says_nothing, diff.test)))
    ):
        return False
    return update.maker[0] != "pairs" or not (_shows_another_case(diff) or _respells(diff))


def few_of_a_fact(updates: Iterable[Update]) -> Iterator[Update]:
    """The updates, of restated results that differ in the same words only some: each teaches what the first did."""
    seen: Counter[frozenset[str]] = Counter()
    for update in updates:
        if update.restates:
            old, new = ({*re.findall(r"[^\W\d]\w*", p.code)} for p in (update.old, update.new))
            seen[frozenset(old ^ new)] += 1
            if (old ^ new) and seen[frozenset(old ^ new)] > MOST_ALIKE:
                continue
        yield update


def tidied(update: Update) -> Update:
    """The update without what nothing reads (imports, statements that the new form alone has), results renumbered."""
    diff = Diff(update)
    old, new = (_idle(source, diff.test) for source in diff.sources)
    extra = [] if any(s in old for s in diff.gone) else [s for s in new if s in diff.come]
    codes = [update.old.code, _without(diff.sources[1], extra)]
    unread = [_unread(Source(code), diff.test) for code in codes]
    codes = [_without_names(codes[0], unread[0] & unread[1]), _without_names(codes[1], unread[1])]
    texts = renumbered([*codes, update.old.test, update.new.test])
    return _rewritten(update, (texts[0], texts[1]), (texts[2], texts[3]))


def _rewritten(update: Update, codes: tuple[str, str], tests: tuple[str, str]) -> Update:
    """The update with other texts; its programs themselves where they are theirs."""
    made = []
    for program, code, test in zip((update.old, update.new), codes, tests, strict=True):
        same = (code, test) == (program.code, program.test)
        made.append(program if same else Program(code=code, test=test, files=program.files))
    return replace(update, old=made[0], new=made[1])


def without_idle_calls(update: Update) -> Update | None:
    """The update without calls of what changed that stand alone in both forms; None where there are none."""
    diff = Diff(update)
    names = {path.rpartition(".")[2] for path in update.symbols}
    made = []
    for source, own in zip(diff.sources, (diff.gone, diff.come), strict=True):
        idle = [s for s in source.tree.body if s not in own and _called_alone(s) in names]
        made.append(_without(source, idle))
    if (made[0], made[1]) == (update.old.code, update.new.code):
        return None
    return _rewritten(update, (made[0], made[1]), (update.old.test, update.new.test))


def without_change(update: Update) -> Program | None:
    """The new form without its statements that show the change; None where a name that they bind is read.

    Where that passes too no check hangs on the change.
    """
    diff = Diff(update)
    shown = [s for s in diff.come if not isinstance(s, _IMPORTS)]
    if not shown or flow_all(shown).binds & diff.read:
        return None
    return Program(code=_without(diff.sources[1], shown), test=update.new.test, files=update.new.files)


def _without(source: Source, unwanted: Iterable[ast.stmt]) -> str:
    """A text without some statements of its top level; as it is where there are none."""
    out = list(unwanted)
    kept = [i for i, s in enumerate(source.tree.body) if s not in out]
    return joined(source, kept)[0] if out and kept else source.text


def _unread(source: Source, test: list[ast.stmt]) -> frozenset[str]:
    """Names that are imported and nothing reads."""
    imports = [s for s in source.tree.body if isinstance(s, _IMPORTS)]
    reads = flow_all([*(s for s in source.tree.body if s not in imports), *test]).reads
    return flow_all(imports).binds - reads


def _without_names(code: str, unwanted: frozenset[str]) -> str:
    """A code without imports of some names."""
    source = Source(code)
    edits: list[Edit] = []
    for statement in source.tree.body:
        if not isinstance(statement, _IMPORTS) or not flow(statement).binds & unwanted:
            continue
        kept = [a for a in statement.names if (a.asname or a.name.partition(".")[0]) not in unwanted]
        start, end = source.span(statement)
        if kept:
            statement = copy.copy(statement)
            statement.names = kept
            edits.append((start, end, ast.unparse(statement)))
        else:
            edits.append((start, min(end + 1, len(code)), ""))
    return applied(code, edits).lstrip("\n") if edits else code


def _idle(source: Source, test: list[ast.stmt]) -> list[ast.stmt]:
    """Statements that bind names of which nothing is read."""
    reads = flow_all([*source.tree.body, *test]).reads
    others = (s for s in source.tree.body if not isinstance(s, _IMPORTS))
    return [s for s in others if flow(s).binds and not flow(s).binds & reads]


def _called_alone(statement: ast.stmt) -> str:
    """The name of what a statement that is nothing but a call calls."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return ""
    return ast.unparse(statement.value.func).rpartition(".")[2]


def _says_nothing(check: ast.stmt) -> bool:
    """Whether a check compares with nulls alone: a list of them, or a frame as it is printed."""
    value = check.value if isinstance(check, ast.Assign) else None
    if isinstance(check, ast.Assert) and isinstance(check.test, ast.Compare):
        value = check.test.comparators[0]
    if not isinstance(value, (ast.List, ast.Tuple)) or not value.elts:
        return False
    texts = [e.value for e in value.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    if len(texts) != len(value.elts):
        return all(isinstance(e, ast.Constant) and e.value is None for e in value.elts)
    end = next((i for i, text in enumerate(texts) if text.startswith("╞")), None)
    rows = texts[end + 1 : -1] if end is not None else []
    cells = [cell for row in rows for cell in re.split(r"[│┆\s]+", row) if cell]
    return bool(cells) and all(cell in _NOTHING for cell in cells)


def _is_private(diff: Diff) -> bool:
    """Whether the new form names what is private where it changed."""
    texts = [ast.unparse(s) for s in diff.come]
    return any(_PRIVATE.search(text) for text in texts)


def _repeats(diff: Diff) -> bool:
    """Whether the new form makes two values alike, or tries one call twice, where the old one had each its own way."""
    old, new = (Counter(filter(None, map(_made, source.tree.body))) for source in diff.sources)
    return any(n > 1 and n > old[text] and "(" in text for text, n in new.items())


def _made(statement: ast.stmt) -> str:
    """What a statement assigns or tries, as text."""
    if isinstance(statement, ast.Try):
        return "\n".join(ast.unparse(s) for s in statement.body)
    return ast.unparse(statement.value) if isinstance(statement, ast.Assign) else ""


def _shows_another_case(diff: Diff) -> bool:
    """Whether maintainers' new statements give up literals of the old ones, or bring more than one of their own."""
    old, new = (_words(source.text) for source in diff.sources)
    dropped = {value for value in _constants(diff.gone) if value not in new}
    brought = {value for value in _constants(diff.come) if value not in old}
    return len(dropped) >= MOST_NEW or len(brought) >= MOST_NEW


def _respells(diff: Diff) -> bool:
    """Whether one of several statements differs only in how it names things (`pd.Series` for `Series`): unasked."""
    old, new = ({_PREFIX.sub("", ast.unparse(s)) for s in side} for side in (diff.gone, diff.come))
    return bool(old & new) and not old <= new


def _is_of_another(diff: Diff) -> bool:
    """Whether what the new form no longer says is a name of another package: `np.NaN` in a lesson on pandas."""
    roots = {path.partition(".")[0] for path in diff.update.symbols}
    bound = {name: path.partition(".")[0] for name, path in bound_by_imports(diff.update.old.code).items()}
    nodes = [n for s in diff.gone for n in ast.walk(s) if isinstance(n, ast.Attribute)]
    kept = {ast.unparse(n) for s in diff.come for n in ast.walk(s) if isinstance(n, ast.Attribute)}
    owners = [n.value.id for n in nodes if isinstance(n.value, ast.Name) and ast.unparse(n) not in kept]
    packages = {bound[name] for name in owners if name in bound}
    return bool(packages) and not packages & roots


def _constants(statements: Iterable[ast.stmt]) -> Iterator[str]:
    for node in (n for s in statements for n in ast.walk(s)):
        if isinstance(node, ast.Constant) and not isinstance(node.value, bool) and node.value is not None:
            yield str(node.value)


def _words(code: str) -> set[str]:
    """Names, keywords and literals of a code, as texts."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant):
            found.add(str(node.value))
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
    return found
