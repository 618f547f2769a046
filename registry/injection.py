"""Text that addresses a model or a tool instead of a reader: found in prose, docstrings and comments, and cut.

Pages and source are data of strangers. What is scraped ends up in prompts and in rows to train on, where "ignore all
previous instructions" is no sentence about something but a command to whoever reads the prompt.

What is decided (docs/explanation/pages.md has the figures): a passage is *used* in prose, in comments and docstrings,
and in blocks of plain text; it is *mentioned* in the string literals of code, and in inline code and short quotations
within a paragraph that says something else too. What is mentioned is the subject of the page and stays. So does framing
(who a model is, whose turn it is, control tokens) in any block of code or plain text: that is what docs of
language-model libraries show. Blobs of base64 count everywhere, by what they decode to.

Guarantees: spans into the text as it was given; time that grows with its length only; no exception, whatever the text.
Non-guarantees: a paraphrase that none of the patterns knows gets through, and so does any language but the six that
`registry.injection_languages` and the English patterns know. It is the first wall only.
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from registry.injection_disguises import decoded, spelled
from registry.injection_patterns import COMMANDS, CONVERSATION, FRAMING, Rules, may_hold, said

EVIDENCE = 200
"""Characters of a passage that are kept as evidence."""

MOST = 50
"""Passages of a page that are listed one by one."""


@dataclass(frozen=True)
class Injection:
    """A passage that addresses a model or a tool.

    Attributes:
        rule: `override address concealment disclosure exfiltration order persona turn token hidden encoded`.
        start: Its first character.
        end: The one after its last.
        evidence: What stands from there, on one line, at most `EVIDENCE` characters; of hidden and encoded text in
            clear.
    """

    rule: str
    start: int
    end: int
    evidence: str


_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})[ \t]*([\w+-]*)")
_PLAIN = frozenset({
    "", "text", "txt", "plain", "plaintext", "none", "markdown", "md", "rst", "prompt", "html", "xml", "output",
    "console", "shell-session",
})  # fmt: skip
"""Languages of blocks that are read as a whole; of others only comments and docstrings are."""

_PYTHON = frozenset({"python", "py", "python3"})
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))(?:#|//|--)")
_LEXED = re.compile(
    r"""\#[^\n]*+
    |(?P<string>[rRuUbBfFtT]{0,2}(?:\"{3}(?:[^"\\]|\\.|"(?!""))*+(?:\"{3}|\Z)|'{3}(?:[^'\\]|\\.|'(?!''))*+(?:'{3}|\Z)
    |"(?:[^"\\\n]|\\.)*+"?|'(?:[^'\\\n]|\\.)*+'?))""",
    re.VERBOSE | re.DOTALL,
)
"""Comments and strings of Python, also of what doesn't parse."""

_GOES_ON = ("(", "[", "{", ",", "=", "+", "%", "\\", '"', "'")
"""Ends of a line after which a string is part of an expression, and no docstring."""

_QUOTED = re.compile(
    r"``[^`]{1,120}``|`[^`\n]{1,120}`|\"[^\"]{1,120}\"|“[^”]{1,120}”|‘[^’]{1,120}’|(?<!\w)'[^'\n]{1,120}'(?!\w)"
)
_AROUND = 3
"""Words that a paragraph says around what it only mentions."""

_NEAR = 500
"""Characters of a paragraph before and after a passage that are looked at."""

_WORD = re.compile(r"[^\W\d_]{2,}")
_ITEM = re.compile(r"[ \t]*(?:[-*+|]|\d+[.)])[ \t]?")
_SOMETHING = re.compile(r"[^\n]")

_CONCEALED = re.compile(
    "\U0001f3f4[\U000e0020-\U000e007e]{1,6}\U000e007f|[\U000e0020-\U000e007e]{3,}|[\u202d\u202e]"
    "|[\u180e\u200b-\u200d\u2060-\u2064\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]{8,}"
)
"""A flag's tag characters, text in such characters, what turns the order of letters round, and runs that carry bits."""

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_IN_EACH_OTHER = 2
"""Blobs in blobs that are read."""
_FLAG, _TAGS = "\U0001f3f4", 0xE0000
_BLOB = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{40,}={0,2}")


def found_in(text: str, *, python: bool = False) -> list[Injection]:
    """The passages of a text that address a model or a tool, by position.

    Args:
        text: Markdown, reST or plain text; a docstring.
        python: Whether it is Python source: then its comments and docstrings are read.
    """
    found = list(_encoded(text, _IN_EACH_OTHER))
    told, prose = _of_python(text) if python else _of_prose(text)
    if may_hold(text):
        found += [*_said_in(told, COMMANDS), *_said_in(prose, FRAMING), *_marked(prose), *_concealed(told)]
    known = {i.start for i in found}  # spelled as words too
    found += (i for i in _disguised(told) if i.start not in known)
    return sorted(found, key=lambda i: (i.start, i.end, i.rule))


def cut(text: str) -> tuple[str, list[Injection]]:
    """A text of Markdown or reST without such passages, and these.

    What goes is the paragraph, the fenced block, or, of lists and tables, the lines that hold it.
    """
    found = found_in(text)
    if not found:
        return text, found
    kept, at = [], 0
    for start, end in _around(text, found):
        kept.append(text[at : max(start, at)])
        at = max(end, at)
        at += text.startswith("\n", at) and text.endswith("\n", 0, start)  # one blank line is enough
    return "".join([*kept, text[at:]]), found


def screened(text: str, *, source: bool = False) -> tuple[str, tuple[dict[str, str], ...]]:
    """What a page may say, and a row for each passage that was found: `rule, text`; of `MOST` at most.

    Args:
        text: Markdown, reST or plain text, or Python.
        source: Whether it is Python, of which nothing is cut: it has to run.
    """
    rest, found = (text, found_in(text, python=True)) if source else cut(text)
    rows = [{"rule": i.rule, "text": i.evidence} for i in found[:MOST]]
    if len(found) > MOST:
        rows.append({"rule": found[MOST].rule, "text": f"… and {len(found) - MOST:,} more"})
    return rest, tuple(rows)


# ------------------------------------------------------------------------------------- which part of a text is what


def _of_prose(text: str, margin: int = 0) -> tuple[str, str]:
    """A text with blanks for code, and the same with blanks for blocks of plain text too."""
    told, prose = [], []
    for piece, language in _blocks(text, margin):
        if language is None:
            told.append(piece)
            prose.append(piece)
        else:
            told.append(piece if language in _PLAIN else _comments(piece, python=language in _PYTHON))
            prose.append(_blank(piece))
    return "".join(told), "".join(prose)


def _blocks(text: str, margin: int = 0) -> Iterator[tuple[str, str | None]]:
    """A text in pieces: prose (None), or a block with its language; together they are the text.

    A block is what stands in a fence, a doctest, or what is indented four blanks more than the margin.
    """
    piece: list[str] = []
    language: str | None = None
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if fence:
            piece.append(line)
            if mark and mark[1].startswith(fence):
                yield "".join(piece), language
                piece, fence, language = [], "", None
            continue
        kind = mark[2].lower() if mark else _unfenced(line, language, margin)
        if mark or kind != language:
            yield "".join(piece), language
            piece, language = [], kind
        piece.append(line)
        fence = mark[1] if mark else ""
    yield "".join(piece), language


def _unfenced(line: str, before: str | None, margin: int) -> str | None:
    """Language of what a line outside fences stands in; `before` is that of the line above."""
    bare = line.lstrip()
    if bare.startswith(">>>") or (before == "pycon" and bare):
        return "pycon"
    if not bare:
        return before if before != "pycon" else None
    return "" if len(line) - len(bare) >= margin + 4 or line.startswith("\t") else None


def _comments(code: str, *, python: bool) -> str:
    """Code with blanks for all but its comments, and of Python its docstrings."""
    if python:
        texts = ((m.span(), m["string"] is None or _is_docstring(code, m.start())) for m in _LEXED.finditer(code))
        return _only(code, [span for span, said in texts if said])
    spans, at = [], 0
    for line in code.splitlines(keepends=True):
        match = _COMMENT.search(line)
        spans += [(at + match.start(), at + len(line))] if match else []
        at += len(line)
    return _only(code, sorted([*spans, *_between(code, "/*", "*/")]))


def _between(code: str, begin: str, end: str) -> Iterator[tuple[int, int]]:
    """What stands between two marks, with these."""
    at = 0
    while (start := code.find(begin, at)) >= 0 and (stop := code.find(end, start + len(begin))) >= 0:
        at = stop + len(end)
        yield start, at


def _only(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """A text with blanks for all that is in none of these, which are sorted."""
    kept, at = [], 0
    for start, end in spans:
        kept += [_blank(text[at:start]), text[max(at, start) : end]]
        at = max(at, end)
    return "".join([*kept, _blank(text[at:])])


def _of_python(source: str) -> tuple[str, str]:
    """Python source with blanks for all but comments and docstrings, and the same without blocks in docstrings."""
    told, prose = [], []
    at = 0
    for match in _LEXED.finditer(source):
        between, piece = _blank(source[at : match.start()]), match[0]
        at = match.end()
        if match["string"] is None:
            parts = piece, piece
        elif _is_docstring(source, match.start()):
            parts = _of_docstring(piece)
        else:
            parts = _blank(piece), _blank(piece)
        told += [between, parts[0]]
        prose += [between, parts[1]]
    rest = _blank(source[at:])
    return "".join([*told, rest]), "".join([*prose, rest])


def _is_docstring(source: str, start: int) -> bool:
    """Whether a string begins a statement: nothing stands before it, and the line above doesn't go on."""
    line = source.rfind("\n", 0, start) + 1
    return not source[line:start].strip() and not source[max(0, line - 200) : line].rstrip().endswith(_GOES_ON)


def _of_docstring(text: str) -> tuple[str, str]:
    widths = [len(line) - len(line.lstrip()) for line in text.splitlines()[1:] if line.strip()]
    return _of_prose(text, min(widths, default=0))


def _blank(text: str) -> str:
    """As many characters that say nothing; lines stay lines."""
    return _SOMETHING.sub(" ", text)


def _around(text: str, found: Iterable[Injection]) -> Iterator[tuple[int, int]]:
    """What goes with each passage, in order."""
    pieces = list(_pieces(text))
    starts = [start for start, _ in pieces]
    for passage in found:
        for place in range(max(0, bisect_right(starts, passage.start) - 1), bisect_left(starts, passage.end)):
            if passage.start < pieces[place][1]:
                yield pieces[place]


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Where the fenced blocks, the paragraphs, and the lines of lists and tables stand."""
    at = 0
    for block, language in _blocks(text):
        fenced = language is not None and _FENCE.match(block)
        for start, paragraph in () if fenced else _paragraphs(block):
            yield from _lines(at + start, paragraph)
        if fenced:
            yield at, at + len(block)
        at += len(block)


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Runs of lines that say something, each with where it starts."""
    at, start, lines = 0, 0, list[str]()
    for line in text.splitlines(keepends=True):
        if line.strip():
            start = start if lines else at
            lines.append(line)
        elif lines:
            yield start, "".join(lines)
            lines = []
        at += len(line)
    if lines:
        yield start, "".join(lines)


def _lines(at: int, paragraph: str) -> Iterator[tuple[int, int]]:
    """A paragraph as a whole, or its lines where each is an item of a list or a row of a table."""
    lines = paragraph.splitlines(keepends=True)
    for line in lines if all(_ITEM.match(line) for line in lines) else [paragraph]:
        yield at, at + len(line)
        at += len(line)


# ------------------------------------------------------------------------------------------------- what is looked for


def _said_in(text: str, rules: Rules) -> Iterator[Injection]:
    """Matches of what is said, a paragraph at a time."""
    for begin, paragraph in _paragraphs(text):
        words, places = said(paragraph)
        if not words:
            continue
        for rule, pattern in rules:
            for match in pattern.finditer(words):
                start, end = places[match.start()], places[match.end() - 1] + 1
                if not _is_mentioned(paragraph, start, end):
                    yield _passage(rule, text, begin + start, begin + end)


def _marked(text: str) -> Iterator[Injection]:
    """Marks of a conversation: turns and control tokens."""
    for rule, pattern in CONVERSATION:
        for match in pattern.finditer(text):
            if not _is_mentioned(text, match.start(), match.end()):
                yield _passage(rule, text, match.start(), match.end())


def _is_mentioned(text: str, start: int, end: int) -> bool:
    """Whether a passage stands in inline code or a short quotation, and its paragraph says something beside these."""
    first = text.rfind("\n\n", max(0, start - _NEAR), start) + 2
    last = text.find("\n\n", end, end + _NEAR)
    first = first if first > 1 else max(0, start - _NEAR)
    paragraph = text[first : last if last >= 0 else end + _NEAR]
    if not any(first + q.start() <= start and end <= first + q.end() for q in _QUOTED.finditer(paragraph)):
        return False
    return len(_WORD.findall(_QUOTED.sub(" ", paragraph))) >= _AROUND


def _concealed(text: str) -> Iterator[Injection]:
    """Text that is there for machines only; where the script is written from the right, turning round is what it is."""
    for match in _CONCEALED.finditer(text):
        near = max(0, match.start() - EVIDENCE)
        line = text[max(near, text.rfind("\n", near, match.start()) + 1) : match.end() + EVIDENCE]
        if match[0][0] == _FLAG or (len(match[0]) == 1 and _RIGHT_TO_LEFT.search(line)):
            continue
        clear = "".join(chr(ord(c) - _TAGS) for c in match[0] if _TAGS < ord(c) < _TAGS + 0x7F)
        told = clear or f"{len(match[0])} invisible characters from U+{ord(match[0][0]):04X}"
        yield Injection("hidden", match.start(), match.end(), told[:EVIDENCE])


def _encoded(text: str, deep: int) -> Iterator[Injection]:
    """Blobs of base64 that decode to a text with a passage in it, or to such a blob."""
    for match in _BLOB.finditer(text):
        clear = _decoded(match[0])
        if clear and (_says(clear) or (deep and any(_encoded(clear, deep - 1)))):
            yield Injection("encoded", match.start(), match.end(), " ".join(clear.split())[:EVIDENCE])


def _disguised(text: str) -> Iterator[Injection]:
    """Passages that are spelled out, and parts that say in another code what a passage says."""
    for start, end in spelled(text):
        if not _is_mentioned(text, start, end):
            yield _passage("override", text, start, end)
    for start, end, clear in decoded(text):
        if _says(clear) and not (_says(text[start:end]) or _is_mentioned(text, start, end)):
            yield Injection("encoded", start, end, " ".join(clear.split())[:EVIDENCE])


def _says(text: str) -> bool:
    """Whether a text, all of it prose, says to do something."""
    return may_hold(text) and next(_said_in(text, COMMANDS), None) is not None


def _decoded(blob: str) -> str:
    bare = blob.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        text = base64.b64decode(bare + "=" * (-len(bare) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
    return text


def _passage(rule: str, text: str, start: int, end: int) -> Injection:
    told = text[start : max(end, start + EVIDENCE)].strip().partition("\n\n")[0]
    return Injection(rule, start, end, " ".join(told.split())[:EVIDENCE])
