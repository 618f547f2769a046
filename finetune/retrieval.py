"""Retrieval for the arms with docs: the piece of the target version's documentation that a prompt's words lead to.

Documents are the public symbols of the target version (public path, signature and docstring, as the library's source
has them) and, where they are asked for, the paragraphs of its guides and changelogs. A symbol is found by the words of
its path, signature and first paragraph. What is held out is cut as narrowly as can be: a block of code that holds the
very call of a held-out site goes; signatures, prose and all other code stay, also of held-out families. What addresses
a model instead of a reader (`registry.injection`) is in none: it would stand in a prompt.

Ranking: BM25 as Lucene has it (Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009),
by `bm25s` (Lù, 2024, arXiv 2407.03618).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from registry.identity import sha256_of
from registry.injection import cut
from registry.names import SymbolIndex
from registry.records import Page, Symbol

NEAR = 2
"""Lines at a prompt's end that count more than the others."""

KINDS = ("guide", "api", "changelog")
"""Kinds of pages whose paragraphs are indexed; the source is, by its docstrings."""

_WORD = re.compile(r"[^\W\d]\w*")
_TOKEN = re.compile(r"\w+|[^\w\s'\"]")
_MARKER = re.compile(r"^[ \t]*(?:>>>|\.\.\.)(?=\s|$)", re.MULTILINE)
_FENCE = re.compile(r"\s*(?:```|~~~)")
_DIRECTIVES = "code-block|code|doctest|ipython|jupyter-execute|parsed-literal|plot|prompt|sourcecode|testcode|testsetup"
_OPENS = re.compile(rf"(?:^\s*\.\. (?:{_DIRECTIVES})::.*|^(?!\s*\.\. ).*::)\s*$")
_INDENT = 4
"""Blanks with which Markdown begins a block of code after an empty line."""
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True)
class Document:
    """A piece of documentation.

    Attributes:
        name: What it is of: a public path, or a page's path and the number of the paragraph.
        symbol: Canonical path of the symbol; empty for a paragraph of a page.
        said: What it says: the text whose words it is found by.
        shown: How it is shown, the longest first: with its first paragraph, and by its signature alone.
        whole: How it is shown where others leave room: with its whole docstring; empty where that says no more.
    """

    name: str
    symbol: str
    said: str
    shown: tuple[str, ...]
    whole: str = ""


@dataclass(frozen=True)
class Front:
    """What stands in front of a prompt.

    Attributes:
        text: The documents as code would have them; empty where none was found or none fits.
        symbols: Canonical paths of the symbols it tells of, in order.
    """

    text: str = ""
    symbols: tuple[str, ...] = ()


class HeldOut:
    """The calls of held-out sites, and what quotes them.

    Args:
        calls: Code that holds the call of a site, with the name of what is called: `dict(nx.degree(G))`, `degree`.
    """

    def __init__(self, calls: Iterable[tuple[str, str]]) -> None:
        self._calls: dict[str, set[tuple[str, ...]]] = {}
        for code, name in calls:
            tokens = _call(code, name)
            if tokens:
                self._calls.setdefault(tokens[0], set()).add(tokens)

    def holds(self, code: str) -> bool:
        """Whether code holds one of the calls, however it is spaced, quoted, prompted or imported."""
        tokens = _tokens(code)
        return any(
            tokens[at : at + len(call)] == call
            for at, first in enumerate(tokens)
            for call in self._calls.get(first, ())
        )

    def cut(self, text: str) -> str:
        """The text without the blocks of code that hold one of the calls."""
        return "".join(piece for piece, is_code in blocks(text) if not (is_code and self.holds(piece)))


def _tokens(code: str) -> tuple[str, ...]:
    """Names, numbers and signs; no quotes and no commas before a closing bracket, as formatters change these."""
    found = _TOKEN.findall(_MARKER.sub("", code))
    return tuple(t for t, after in pairwise([*found, ""]) if not (t == "," and after in _CLOSE))


def _call(code: str, name: str) -> tuple[str, ...]:
    """The tokens of the first call of `name` in code, from that name on; of the first call of all where there is none.

    What stands around it may be other code in the docs: `dict(nx.degree(G))`, `G = nx.grid_graph(dim)`.
    """
    tokens = _tokens(code)
    named = (at for at, pair in enumerate(pairwise(tokens), start=1) if pair == (name, "("))
    begin = next(named, tokens.index("(") if "(" in tokens else 0)
    depth = 0
    for at in range(begin, len(tokens)):
        depth += (tokens[at] in _OPEN) - (tokens[at] in _CLOSE)
        if depth == 0 and begin:
            return tokens[begin - 1 : at + 1]
    return tokens


def blocks(text: str) -> Iterator[tuple[str, bool]]:
    """A text in pieces, each with whether it is a block of code; together they are the text.

    Code is what stands in a fence, what is indented below `::`, and down to the next blank line a doctest or what is
    indented as Markdown has it.
    """
    piece: list[str] = []
    kind, margin = "", 0  # of the piece: fence, literal, doctest, indented, or nothing for prose
    after_blank = True
    for line in text.splitlines(keepends=True):
        width = len(line) - len(line.lstrip())
        over = kind in ("doctest", "indented") and not line.strip()
        over |= kind == "literal" and bool(line.strip()) and width <= margin
        if over:
            yield "".join(piece), True
            piece, kind = [], ""
        starts = "" if kind else _starts(line, after_blank)
        after_blank = not line.strip()
        if starts:
            yield "".join(piece), False
            piece, kind = [line], starts
            continue
        piece.append(line)
        if kind == "fence" and _FENCE.match(line):
            yield "".join(piece), True
            piece, kind = [], ""
        elif not kind and _OPENS.match(line.rstrip("\n")):
            yield "".join(piece), False
            piece, kind, margin = [], "literal", width
    yield "".join(piece), bool(kind)


def _starts(line: str, after_blank: bool) -> str:
    """The kind of a block of code that begins with a line; empty where none does."""
    if _FENCE.match(line):
        return "fence"
    if line.lstrip().startswith(">>>"):
        return "doctest"
    return "indented" if after_blank and line.strip() and line.startswith(" " * _INDENT) else ""


def documents(index: SymbolIndex, pages: Iterable[Page], held_out: HeldOut) -> list[Document]:
    """The documents of a release, sorted by name.

    Args:
        index: Its symbols.
        pages: Pages whose paragraphs are documents too; those of other kinds than `KINDS` are left out.
        held_out: What must not stand in them.
    """
    symbols = (s for s in index.by_path.values() if s.kind != "module" and not index.is_private(index.public(s.path)))
    found = [_of_symbol(s, index.public(s.path), held_out) for s in symbols if s.doc or s.signature]
    for page in pages:
        if page.kind in KINDS:
            found += _of_page(page, held_out)
    return sorted(found, key=lambda d: d.name)


def _of_symbol(symbol: Symbol, public: str, held_out: HeldOut) -> Document:
    doc = held_out.cut(cut(symbol.doc)[0]).strip()
    paragraph = "\n".join(line.strip() for line in _paragraphs(doc)[0].strip().splitlines())
    signature = symbol.signature or ""
    name = public.rpartition(".")[2]
    head, begin = f"{name} = ...\n", ""
    if signature or symbol.kind == "class":
        head, begin = f"{'class' if symbol.kind == 'class' else 'def'} {name}{signature}:\n", "    "
    with_path, bare = f"# {public}\n{head}", f"{head}{begin}...\n\n"
    brief = _docstring(paragraph, begin)
    return Document(
        public,
        symbol.path,
        f"{public}{signature}\n{paragraph}",
        (*([f"{with_path}{brief}"] if paragraph else []), f"# {public}\n{bare}", bare),
        f"{with_path}{_docstring(doc, begin)}" if doc != paragraph else "",
    )


def _docstring(text: str, begin: str) -> str:
    """A docstring in source, all of its lines after the first as far in as it begins."""
    first, *rest = text.splitlines() or [""]
    lines = [first, *(f"{begin}{line.rstrip()}" if line.strip() else "" for line in rest)]
    return f'{begin}"""' + "\n".join(lines) + '"""\n\n'


def _of_page(page: Page, held_out: HeldOut) -> Iterator[Document]:
    title = page.title or page.path
    for number, text in enumerate(_paragraphs(held_out.cut(cut(page.markdown)[0]))):
        if _WORD.search(text):
            comment = "".join(f"# {line.strip()}\n" for line in (title, *text.strip().splitlines()))
            yield Document(f"{page.path}#{number}", "", f"{title}\n{text.strip()}", (comment + "\n",))


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n[ \t]*\n", text)


def words(text: str) -> Iterator[str]:
    """The words of a text in lower case, names also by their parts: `to_numpy_array` is found by `numpy`.

    A single letter (`G`, `x`) says nothing.
    """
    for name in _WORD.findall(text):
        parts = [part.lower() for part in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", name)]
        for word in dict.fromkeys((name.lower(), *parts)):
            if len(word) > 1:
                yield word


class Docs:
    """Documents, looked up by the words of a prompt.

    Args:
        documents: What can be shown.
        most: Documents in front of a prompt at most.
    """

    def __init__(self, documents: Sequence[Document], most: int = 2) -> None:
        import bm25s

        self._documents = documents
        self._most = most
        self._index = bm25s.BM25(method="lucene")
        texts = [list(words(d.said)) for d in documents]
        if texts:
            self._index.index(texts, show_progress=False)
        self._known = {word for text in texts for word in text}

    @property
    def digest(self) -> str:
        """Names what can be shown, and how much of it at once."""
        shown = [[document.name, document.said, *document.shown, document.whole] for document in self._documents]
        return sha256_of([shown, self._most])

    def best(self, prompt: str) -> list[Document]:
        """The documents that the prompt's words lead to, the best first; fewer where fewer share a word with it.

        Its last lines count three times: what is to be called is said there, where it is said.
        """
        near = "\n".join(prompt.splitlines()[-NEAR:])
        parts = [dict.fromkeys(words(text)) for text in (prompt, near, near)]
        query = [word for part in parts for word in part if word in self._known]
        if not query:
            return []
        scores = self._index.get_scores(query)
        order = sorted((-float(score), place) for place, score in enumerate(scores) if score > 0)
        return [self._documents[place] for _, place in order[: self._most]]

    def front(self, prompt: str, room: int, size: Callable[[str], int]) -> Front:
        """What stands in front of a prompt: the best documents that fit, the best of all nearest to the prompt.

        First as many as can be; what room they leave goes to whole docstrings, the best one's first.

        Args:
            prompt: The prompt; only its words are looked at.
            room: Tokens that are free.
            size: Tokens of a text.
        """
        texts: list[str] = []
        taken: list[Document] = []
        for document in self.best(prompt):
            text = next((text for text in document.shown if size("".join([text, *texts])) <= room), None)
            if text is not None:
                texts.insert(0, text)
                taken.insert(0, document)
        for place in reversed(range(len(taken))):
            longer = [*texts[:place], taken[place].whole or texts[place], *texts[place + 1 :]]
            texts = longer if size("".join(longer)) <= room else texts
        return Front("".join(texts), tuple(document.symbol for document in reversed(taken) if document.symbol))
