"""How much a page of documentation says, without its headings, labels and lists of contents."""

from __future__ import annotations

import re
from collections.abc import Iterator

LEAST = 25
"""Words under which a page says nothing: a stub for an index, a redirect."""

_LISTING = re.compile(
    r"^(\s*)(?:\.\.\s+(?:toctree|autosummary|auto\w+|(?:current)?module|index|contents|raw|include|figure|image|only|"
    r"highlight|meta|_[^:]*)::?|```\{(?:toctree|autosummary|auto\w+|eval-rst)\})"
)
_RULE = re.compile(r"([=\-`:'\"~^_*+#<>.])\1{2,}\s*$")
_MARK = re.compile(r"^(?:#+ |\([\w-]+\)=\s*$|\s*:[\w-]+:(?:\s|$)|\.\. [\w-]+:: *\S*\s*$)")
_WORD = re.compile(r"[^\W\d_][\w'-]*")


def says_enough(page: str) -> bool:
    """Whether a page has prose or code of its own, enough to be read."""
    return sum(len(_WORD.findall(line)) for line in _said(page.splitlines())) >= LEAST


def is_rule(line: str) -> bool:
    """Whether a line is what stands under (or over) a heading."""
    return _RULE.match(line) is not None


def _said(lines: list[str]) -> Iterator[str]:
    """The lines that are no headings, labels, options or lists of contents."""
    inside: int | None = None
    for at, line in enumerate(lines):
        width = len(line) - len(line.lstrip())
        if inside is not None and line.strip() and width <= inside:
            inside = None
        if listing := _LISTING.match(line):
            inside = len(listing[1])
        beside = lines[at + 1] if at + 1 < len(lines) else ""
        if inside is None and not (is_rule(line) or is_rule(beside) or _MARK.match(line)):
            yield line
