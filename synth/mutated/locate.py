"""`locate` rows: proven programs with one token replaced by another that could well stand there: which one is it?

A trigram model over the library's own code proposes what is plausible; execution keeps what breaks the program. A
variable is taken for another that is bound by then, a function imported by name for another one. Where a test tells
too little to decide between two that could stand there, a name is mistyped: that is wrong whatever the test says.
Data stay as they are (who tells a wrong datum from a wrong test?), and so does what no check depends on.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from registry.names import SymbolIndex
from registry.records import Example, Page, Program
from registry.text import lines_of, placed_nodes
from synth.claims import has_idle_call, is_endless, is_record, tells_values, values_told
from synth.dataflow import flow, flow_all, needed
from synth.material import Piece, chosen, derived, draw
from synth.mutated.ngrams import ANY_TEXT, LONG_TEXT, Token, Trigrams, tokens
from synth.source import Source
from synth.vocabulary import confusable, mistyped, plural_of

GENERATOR, VERSION = "locate", "7"
TOLD = 4
"""Values that a test tells at least where one token of two that exist is to be told right."""
BEST = 3
"""Of so many proposals for a place one is drawn."""
PLACES = 12
"""Places of a program that are tried."""
DIGITS = 3
"""Digits of how often a library's code has a name that isn't common there."""
MISTYPED, COMMON, PLURALS = 30, 25, 40
"""Of a hundred programs so many get a mistyped name, where nothing else can be told, a class or a common name replaced,
or a keyword of many things for one: every program has these."""
MOST_CODE = 6_000_000
"""Characters of code the model is counted over."""
PROMPT = "One token of this code is wrong, so that this test fails. Which one, and what should stand there?"

_OPERATORS = tuple(map(frozenset, (("<", "<="), (">", ">="), ("+", "-"), ("+=", "-="), ("&", "|"))))
_WORDS = tuple(map(frozenset, (("True", "False"), ("and", "or"))))
_GROUPS = (*_OPERATORS, *_WORDS)
_GROUPED = frozenset().union(*_WORDS)
_BUILT_IN = (
    ("any", "all"), ("min", "max"), ("KeyError", "IndexError", "ValueError", "TypeError"),
)  # fmt: skip
"""Built-in names that are taken for each other."""
_DATA = (ast.Dict, ast.List, ast.Set, ast.Tuple, ast.Expr)
"""What data are written in: displays, and calls for their effect (`G.add_edge(1, 2)`)."""
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class Replacement:
    """A token replaced.

    Attributes:
        at: Where it stands, in characters.
        was: The right token.
        replaced: What stands there instead.
        operator: What sort of token it is: attribute, keyword, name, number, string, operator, constant.
    """

    at: int
    was: str
    replaced: str
    operator: str


def model_of(pages: Iterable[Page], index: SymbolIndex) -> Trigrams:
    """The model over a release's own source and tests, which tells functions, classes, modules … apart."""
    code: list[str] = []
    left = MOST_CODE
    for page in sorted((p for p in pages if p.kind in ("source", "test")), key=lambda p: draw(p.path)):
        if len(page.markdown) <= left:
            left -= len(page.markdown)
            code.append(page.markdown)
    kinds: dict[str, set[str]] = {}
    for path, symbol in index.by_path.items():
        kinds.setdefault(path.rpartition(".")[2], set()).add(symbol.kind)
    return Trigrams(code, {name: " ".join(sorted(found)) for name, found in kinds.items()})


def mine(piece: Piece, model: Trigrams, *, seed: int = 0) -> Iterator[Program | Example]:
    """A token replaced in a proven program: the corrupted Program, then the Example; none where nothing is plausible.

    Args:
        piece: The example with its program, which is the original.
        model: What is plausible.
        seed: Seed of the draws.
    """
    code = piece.program.code
    if is_endless(piece.program.test) or has_idle_call(code):
        return
    drawn = drawn_replacement(code, model, seed, test=piece.program.test)
    if drawn is not None:
        text = code[: drawn.at] + drawn.replaced + code[drawn.at + len(drawn.was) :]
        corrupted = replace(piece.program, code=text)
        yield corrupted
        yield _row(piece, corrupted, drawn, seed)


def drawn_replacement(code: str, model: Trigrams, seed: int = 0, *, test: str = "") -> Replacement | None:
    """One of the replacements for a program; None where none is plausible and parses.

    Args:
        code: The program.
        model: What is plausible.
        seed: Seed of the draws.
        test: Its test: numbers, texts and operators are replaced only where it tells values.
    """
    program = _Program(code, test)
    tree = ast.dump(program.source.tree)
    rarity = {i: (program.is_class(i), model.commonness(program.tokens[i].text)) for i in program.places()}
    every = chosen(COMMON, seed, "common", code)
    found = [i for i, (is_class, common) in rarity.items() if every or not (is_class or common > DIGITS)]
    places = sorted(found, key=lambda i: (*rarity[i], draw(seed, i, code)))
    if not program.decides and not chosen(MISTYPED, seed, "mistyped", code):
        return None
    for place in places[:PLACES]:
        for made in program.replacements(place, model, seed):
            text = code[: made.at] + made.replaced + code[made.at + len(made.was) :]
            if _differs(text, tree):
                return made
    return None


def _differs(code: str, tree: str) -> bool:
    try:
        compile(code, "code", "exec", dont_inherit=True)
        return ast.dump(ast.parse(code)) != tree
    except (SyntaxError, ValueError):
        return False


class _Program:
    """A program's tokens, and what is known of the names among them."""

    def __init__(self, code: str, test: str) -> None:
        self.decides = tells_values(test) and values_told(test) >= TOLD
        """Whether the test tells which of two tokens that exist is right."""
        self.source = Source(code)
        self.tokens = list(tokens(code))
        self._said = Counter(t.text for t in self.tokens)
        self._tested = {t.text for t in tokens(test)}
        self._beside: list[tuple[int, int, set[str]]] = []  # spans of calls and tuples, and the names in them
        self._made: dict[str, str] = {}  # variable -> what it is bound to first
        self._defined = {n.name for n in self.source.tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
        self._bound: dict[str, int] = {}  # variable of the top level -> where it is bound first
        self._imported: set[str] = set()
        self._kept: list[tuple[int, int]] = []  # spans in which nothing is replaced
        self._data: list[tuple[int, int]] = []  # spans in which no literal and no operator is
        self._columns: list[set[str]] = []  # keys of the dicts
        self._texts: list[tuple[int, int, set[str]]] = []  # spans of statements, and the texts in them
        self._targets: set[int] = set()
        for node in placed_nodes(self.source.tree):
            self._note(node)
        checked = ast.parse(test).body
        body = self.source.tree.body
        read = Counter(n.id for s in [*body, *checked] for n in ast.walk(s) if _is_read(n))
        self._read_once = {name for name, count in read.items() if count == 1}
        modules = {name for s in body if isinstance(s, (ast.Import, ast.ImportFrom)) for name in flow(s).binds}
        used = set(needed(body, flow_all(checked).reads, modules))
        for at, statement in enumerate(body):
            if at not in used:
                self._kept.append(self.source.span(statement))
            if not isinstance(statement, (ast.Import, ast.ImportFrom)):
                for name in flow(statement).binds:
                    self._bound.setdefault(name, self.source.span(statement)[1])

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, _DATA):
            self._data.append(self.source.span(node))
        if isinstance(node, ast.Dict):
            self._columns.append(
                {k.value for k in node.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)}
            )
        if isinstance(node, (ast.Assign, ast.Return)):
            texts = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
            self._texts.append((*self.source.span(node), texts))
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self._kept.append(self.source.span(node))
            if isinstance(node, ast.ImportFrom):
                self._imported.update(a.asname or a.name for a in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            self._targets.add(self.source.span(node)[0])
        elif isinstance(node, (ast.JoinedStr, ast.arg)) or _is_flag(node):
            self._kept.append(self.source.span(node))
        elif isinstance(node, (ast.Call, ast.Tuple, ast.Compare, ast.BinOp)):
            self._beside.append((*self.source.span(node), {_said(n) for n in ast.walk(node)}))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            sort = node.value.func if isinstance(node.value, ast.Call) else type(node.value).__name__
            self._made.setdefault(node.targets[0].id, sort if isinstance(sort, str) else ast.unparse(sort))

    def places(self) -> list[int]:
        """Positions in `tokens` where one may be replaced."""
        return [i for i, t in enumerate(self.tokens) if t.kind != "line" and self._may_go(i, t)]

    def is_class(self, place: int) -> bool:
        """Whether a class may stand in a place: these come last, as every program has one (`Graph` for `DiGraph`)."""
        return self.tokens[place].text[:1].isupper()

    def _may_go(self, place: int, token: Token) -> bool:
        if any(start <= token.at < end for start, end in self._kept) or token.at in self._targets:
            return False
        if token.kind == "name":
            special = keyword.iskeyword(token.text) and token.text not in _GROUPED
            return not (
                special
                or is_record(token.text)
                or self._text(place - 1) in ("def", "class", "as")
                or (token.text in _GROUPED and self._is_datum(token))
            )
        if not self.decides or self._is_datum(token):
            return False
        if token.kind == "op":
            before, behind = self._text(place - 1)[-1:], self._text(place + 1)
            bound = token.text in "<=>=" and behind.isdigit()  # `x >= 1` says what `x > 0` does
            return any(token.text in g for g in _OPERATORS) and (before.isalnum() or before in ")]_") and not bound
        if token.kind == "number":  # one that nothing else is, and that the test shows
            return self._said[token.text] == 1 and token.text in self._tested and token.text not in ("0", "1")
        called = self._text(place - 2) if self._text(place - 3) != "." else ""
        if self._text(place - 1) == "(" and hasattr(builtins, called):
            return False  # float("nan")
        if self._columns_beside(token):
            return True
        return 2 < len(token.text) <= LONG_TEXT and self._said[token.text] == 1 and token.text in self._tested

    def _is_datum(self, token: Token) -> bool:
        return any(start <= token.at < end for start, end in self._data)

    def _columns_beside(self, token: Token) -> list[str]:
        """The other columns of the only frame that has a column, without those that the statement names as well."""
        frames = [names for names in self._columns if token.text[1:-1] in names]
        named = [texts for start, end, texts in self._texts if start <= token.at < end]
        if len(frames) != 1 or not named:
            return []
        quote = token.text[0]
        return sorted(f"{quote}{name}{quote}" for name in frames[0].difference(*named) if name.isidentifier())

    def replacements(self, place: int, model: Trigrams, seed: int) -> Iterator[Replacement]:
        """What could stand in a place, drawn from the most plausible."""
        token = self.tokens[place]
        operator = self._operator(place)
        row = [self._counted(place - 2), self._counted(place - 1), self._counted(place + 1)]
        fitting = [t for t in self._candidates(place, operator, model, row) if t != token.text]
        best = sorted(fitting, key=lambda t: (-_words_shared(t, token.text), -model.score(row, t), t))[:BEST]
        for text in sorted(best, key=lambda t: draw(seed, t, token.at, self.source.text)):
            yield Replacement(token.at, token.text, text, operator)

    def _operator(self, place: int) -> str:
        token = self.tokens[place]
        if token.kind == "op":
            return "operator"
        if token.kind != "name":
            return token.kind
        if self._text(place - 1) == ".":
            return "attribute"
        if token.text in _GROUPED:
            return "constant"
        return "keyword" if self._text(place + 1) == "=" and self._text(place - 1) in ("(", ",", "\n") else "name"

    def _candidates(self, place: int, operator: str, model: Trigrams, row: Sequence[str]) -> list[str]:
        token = self.tokens[place]
        if operator in ("operator", "constant"):
            return sorted(next(group for group in _GROUPS if token.text in group))
        if not self.decides:
            known = operator in ("attribute", "keyword") and model.knows(token.text)
            return [n for n in mistyped(token.text) if known and not model.knows(n)]
        if operator == "name":
            return self._names_like(token)
        seen = [c for c in model.candidates(row) if model.score(row, c)]
        sort = model.sort(token.text) if operator == "attribute" else ""
        if sort == "module":
            return []  # both may have it
        if operator in ("attribute", "keyword"):
            named = [c for c in seen if c.isidentifier() and not keyword.iskeyword(c) and not c.startswith("_")]
            fitting = [c for c in named if confusable(token.text, c) and _reads_like(token.text, c)]
            if operator == "keyword" and not chosen(PLURALS, "plural", self.source.text):
                return []
            if operator == "keyword":  # of the same function: one thing or many
                return [c for c in fitting if plural_of(token.text, c)]
            return [c for c in fitting if model.same_sort(c, token.text)]
        own = [t.text for t in self.tokens if t.kind == token.kind]
        if token.kind == "string":
            if any(token.text[1:-1] in names for names in self._columns):
                return self._columns_beside(token)
            beside = self._stand_beside(token).union(*self._columns)
            alike = [c for c in dict.fromkeys(own) if c[:1] == token.text[:1] and c[1:-1] not in beside]
            return [c for c in alike if 2 < len(c) <= LONG_TEXT and (len(c) > 5) == (len(token.text) > 5)]
        return [c for c in dict.fromkeys([*seen, *own]) if _is_near(c, token.text)]

    def _names_like(self, token: Token) -> list[str]:
        """Variables for a variable, imported names for an imported one, built-in ones for a built-in one.

        None that stands beside it already: which of the two is wrong could not be told.
        """
        beside = self._stand_beside(token)
        if token.text in self._bound:
            if token.text in self._read_once:
                return []  # to bind the other name to its value would do too
            before = [n for n, at in self._bound.items() if at <= token.at and not is_record(n)]
            alike = [n for n in before if n != token.text and self._alike(n, token.text)]
            return [n for n in alike if n not in beside] if len(alike) == 1 else []  # of three a third might do too
        if token.text in self._imported:
            return sorted(n for n in self._imported - beside if confusable(token.text, n))
        return [n for group in _BUILT_IN if token.text in group for n in group if n not in self._bound]

    def _stand_beside(self, token: Token) -> set[str]:
        """Names and texts of the call, pair or comparison that a token stands in."""
        around = [(end - start, names) for start, end, names in self._beside if start <= token.at < end]
        return min(around, key=lambda found: found[0])[1] if around else set()

    def _alike(self, one: str, other: str) -> bool:
        """Whether variables are numbered alike, or hold the same sort of thing."""
        numbered = one.rstrip("0123456789") == other.rstrip("0123456789")
        same = one in self._made and self._made[one] == self._made.get(other)
        if (one in self._defined) != (other in self._defined):
            return False
        return numbered or same

    def _text(self, place: int) -> str:
        return self.tokens[place].text if 0 <= place < len(self.tokens) else "\n"

    def _counted(self, place: int) -> str:
        text = self._text(place)
        long = text[:1] in "\"'" and len(text) > LONG_TEXT
        return ANY_TEXT if long else "\n" if text.startswith("\n") else text


def _said(node: ast.AST) -> str:
    """A node's name, or the text it is."""
    return node.id if isinstance(node, ast.Name) else str(node.value) if isinstance(node, ast.Constant) else ""


def _is_read(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _is_flag(node: ast.AST) -> bool:
    """`raised1 = True`: bookkeeping of the checks."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
        return False
    return is_record(getattr(node.targets[0], "id", ""))


def _reads_like(name: str, other: str) -> bool:
    """Whether both are classes that read alike (`Graph`, `DiGraph`), or neither is one or the other's head."""
    if not (name[:1].isupper() and other[:1].isupper()):
        return name[:1].isupper() == other[:1].isupper() and not name.startswith(f"{other}_")
    return name in other or other in name or _DIGITS.sub("", name) == _DIGITS.sub("", other)


def _words_shared(one: str, other: str) -> int:
    return len(set(one.lower().split("_")) & set(other.lower().split("_")))


def _is_near(candidate: str, number: str) -> bool:
    """Whether a candidate is a number of the same sort, not far from another."""
    numbers = [_number(text) for text in (candidate, number)]
    if None in numbers or ("." in candidate) != ("." in number):
        return False
    return abs((numbers[0] or 0) - (numbers[1] or 0)) <= max(3, (numbers[1] or 0) / 2)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _row(piece: Piece, corrupted: Program, drawn: Replacement, seed: int) -> Example:
    line = len(lines_of(piece.program.code[: drawn.at] + "."))
    parts = {
        "programs": {"original": piece.program.id, "corrupted": corrupted.id},
        "prompt": f"{PROMPT}\n```python\n{piece.program.test.strip()}\n```",
        "at": drawn.at,
        "line": line,
        "was": drawn.was,
        "replaced": drawn.replaced,
    }
    return derived(piece.example, "locate", parts, (GENERATOR, VERSION), operator=drawn.operator, seed=seed)
