"""Sentences of docstrings as tasks: whole, in plain text, and in the imperative where they say what is done."""

from __future__ import annotations

import re

LONGEST = 250
"""Characters of a sentence."""

_DIRECTIVE = re.compile(r"^\.\. [\w-]+::|^:\w+")
_HEADING = re.compile(r"^([-=~^\"'#*])\1{2,}\s*$", re.MULTILINE)
_MARKUP: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\s*\[\w+\]_(?!\w)"), ""),  # a footnote
    (re.compile(r":[\w:+.-]+:`~(?:[\w.]*\.)?(\w+)`"), r"`\1`"),
    (re.compile(r":[\w:+.-]+:`([^`<]*?)(?:\s*<[^`>]*>)?`"), r"`\1`"),
    (re.compile(r"``([^`]*)``"), r"`\1`"),
    (re.compile(r"`([^`<]*?)\s*<[^`>]*>`__?"), r"\1"),  # a link
    (re.compile(r"`([^`]*)`__?(?!\w)"), r"\1"),
    (re.compile(r"\*\*([^*\s](?:[^*]*[^*\s])?)\*\*"), r"\1"),
    (re.compile(r"(?<![\w*])\*([^*\s](?:[^*]*[^*\s])?)\*(?!\*)"), r"\1"),
    (re.compile(r"(?<!\w)_(\w+)_(?!\w)"), r"\1"),
    (re.compile(r"\\(?=[\s*_`-])"), ""),
    (re.compile(r"; [Ss]ee .*"), "."),
)
"""What reST marks up, and what is left of it in a sentence."""

_END = re.compile(r"(?<!\.)[.!?](?=\s+[A-Z0-9`\"(]|$)|(?<!:):(?=\s*$)")
_SHORT = re.compile(r"(?:\b(?:i\.e|e\.g|etc|vs|cf|al|[Ff]igs?|[Ee]qs?|approx|resp|[Nn]o|pp?|[A-Z]))$")
_REFERENCE = re.compile(r"#\d+|https?:|\bgh-?\d|\b(?:issue|ticket|pull request|PR)\b|\bDOI\b|\|\w+\|", re.IGNORECASE)

_WORDS = """
access accumulate add adjust aggregate align allow alter analyze append apply approximate assert assess assign attach
attempt average bin bisect bound broadcast build calculate call cast change check clear clip close collapse collect
color combine compare compile compose compress compute concat concatenate configure conform construct contract convert
copy count cover create cut decide decode decompose dedensify define delete denote describe detect determine
difference discard divide do draw drop dump duplicate emit enable encode ensure enumerate escape estimate evaluate
examine exclude execute expand explode export expose extend extract factor fill filter find fit flag flatten fold form
format gather generate get give group grow hash identify implement indicate infer initialize insert instantiate
interpolate interpret intersect invert invoke iterate join keep label latticize list load localize locate look lookup
lower make map mark mask match materialize measure merge modify move multiply name negate normalize obtain offset open
order output pack pad parse partition perform permute pivot plot pop position predict prepend print process produce
project promote propagate provide prune push put query raise randomize rank read rearrange rebin recode reduce
register reinterpret relabel remove rename render reorder repeat replace report represent resample reset reshape
resolve restore restrict retrieve return reverse roll rotate round run sample save scale scan score search select send
serialize set shift show shrink shuffle simulate sink slice solve sort split squeeze stack start store stratify stream
strip subset subtract sum swap take tell test trace track transform translate transpose traverse trim truncate turn
undo union unnest unpack unpivot unregister unstack update upsample use validate verify view visit walk wrap write
yield zip
"""
_VERBS = frozenset(_WORDS.split())
"""What tasks begin with."""


def sentence_of(doc: str) -> str | None:
    """The first sentence of a docstring in plain text, whole; None where it has none that can stand alone."""
    paragraphs = (p for p in re.split(r"\n[ \t]*\n", doc.strip()) if not _DIRECTIVE.match(p.strip()))
    first = next(paragraphs, "")
    return None if _HEADING.search(first) or ">>>" in first else whole(first)


def whole(text: str) -> str | None:
    """The first sentence of a paragraph in plain text, ending in a full stop; None where that is no whole one."""
    text = plain(text)
    end = next((m.start() for m in _END.finditer(text) if not _SHORT.search(text[: m.start()])), len(text))
    said = text[:end].rstrip(" .,;")
    if not 8 <= len(said) <= LONGEST or _REFERENCE.search(said) or text[end : end + 1] in (":", "?"):
        return None
    is_whole = said.count("`") % 2 == 0 and said.count("(") == said.count(")") and said.count('"') % 2 == 0
    return f"{said}." if (is_whole and said[0] in "`$\"'(") or (is_whole and said[0].isalnum()) else None


def plain(text: str) -> str:
    """A paragraph on one line, without markup other than backticks around code."""
    text = " ".join(text.split())
    for pattern, left in _MARKUP:
        text = pattern.sub(left, text)
    return text


def imperative(sentence: str) -> str | None:
    """`Returns the …` as `Return the …`; None where the sentence doesn't say what is done."""
    words = sentence.split(" ")
    at = int(len(words) > 1 and words[0].endswith("ly") and words[0].lower() not in _VERBS)  # Randomly generates
    verb, following = words[at].rstrip(",").lower(), words[at + 1] if len(words) > at + 1 else ""
    base = verb if verb in _VERBS else _base(verb)
    if base is None or following in ("of", "for", "class", "object", "is", "are"):
        return None
    words[at] = (base if at else base.capitalize()) + words[at][len(verb) :]
    return " ".join(words)


def _base(verb: str) -> str | None:
    """`returns` -> `return`, `applies` -> `apply`, `searches` -> `search`."""
    forms = (verb.removesuffix("s"), verb.removesuffix("es"), verb.removesuffix("ies") + "y")
    return next((form for form in forms if form != verb and form in _VERBS), None) if verb.endswith("s") else None
