"""Retrieval for the arms with docs: the piece of the target version's documentation that a prompt's words lead to.

Documents are the public symbols of the target version (signature and first paragraph, as the library's source has
them) and, where they are asked for, the paragraphs of its guides and changelogs, each found by the words that are shown
of it. What is held out is cut as narrowly as can be: a block of code that holds the very call of a held-out site goes;
signatures, prose and all other code stay, also of held-out families.

Ranking: BM25 as Lucene has it (Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009),
by `bm25s` (Lù, 2024, arXiv 2407.03618).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
_OPENS = re.compile(
    r"(?:^\s*\.\. (?:code-block|code|ipython|sourcecode|testcode|doctest|plot)::.*|^(?!\s*\.\. ).*::)\s*$"
)
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True)
class Document:
    """A piece of documentation.

    Attributes:
        name: What it is of: a public path, or a page's path and the number of the paragraph.
        symbol: Canonical path of the symbol; empty for a paragraph of a page.
        said: What it says: the text whose words it is found by.
        shown: How it is shown, at full length and shorter: with a docstring, and by its signature alone.
    """

    name: str
    symbol: str
    said: str
    shown: tuple[str, ...]


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
        calls: Code that begins with the call, one of each site: `nx.to_numpy_array(G)`, whatever follows it.
    """

    def __init__(self, calls: Iterable[str]) -> None:
        self._calls: dict[str, set[tuple[str, ...]]] = {}
        for call in calls:
            tokens = _call(call)
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


def _call(code: str) -> tuple[str, ...]:
    """The tokens of the call that code begins with, from the function's own name on; all where it begins with none."""
    tokens = _tokens(code)
    begin = tokens.index("(") if "(" in tokens else 0
    depth = 0
    for at in range(begin, len(tokens)):
        depth += (tokens[at] in _OPEN) - (tokens[at] in _CLOSE)
        if depth == 0 and begin:
            return tokens[begin - 1 : at + 1]
    return tokens


def blocks(text: str) -> Iterator[tuple[str, bool]]:
    """A text in pieces, each with whether it is a block of code; together they are the text.

    Code is what stands in a fence, what is indented below `::`, and a doctest down to the next blank line.
    """
    piece: list[str] = []
    kind, margin = "", 0  # of the piece: fence, literal, doctest, or nothing for prose
    for line in text.splitlines(keepends=True):
        width = len(line) - len(line.lstrip())
        over = kind == "doctest" and not line.strip()
        over |= kind == "literal" and bool(line.strip()) and width <= margin
        if over:
            yield "".join(piece), True
            piece, kind = [], ""
        starts = "" if kind else "fence" if _FENCE.match(line) else "doctest" if line.lstrip().startswith(">>>") else ""
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
    body = _paragraphs(held_out.cut(symbol.doc).strip())[0].strip()
    signature = symbol.signature or ""
    name = public.rpartition(".")[2]
    head = f"{name} = ...\n"
    if signature or symbol.kind == "class":
        head = f"{'class' if symbol.kind == 'class' else 'def'} {name}{signature}:\n    "
    lines = "\n    ".join(line.strip() for line in body.splitlines())
    shown = (f'{head}"""{lines}"""\n\n', f"{head}...\n\n") if body else (f"{head}...\n\n",)
    return Document(public, symbol.path, f"{public}{signature}\n{body}", shown)


def _of_page(page: Page, held_out: HeldOut) -> Iterator[Document]:
    title = page.title or page.path
    for number, text in enumerate(_paragraphs(held_out.cut(page.markdown))):
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

        Args:
            prompt: The prompt; only its words are looked at.
            room: Tokens that are free.
            size: Tokens of a text.
        """
        texts: list[str] = []
        symbols: list[str] = []
        for document in self.best(prompt):
            for text in document.shown:
                if size("".join([text, *texts])) <= room:
                    texts.insert(0, text)
                    symbols += [document.symbol] if document.symbol else []
                    break
        return Front("".join(texts), tuple(symbols))
