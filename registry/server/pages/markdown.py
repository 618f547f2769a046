"""A card's Markdown as HTML that can be shown beside a login: what a card quotes was scraped or written by an LLM.

No HTML of the card's own gets through, no picture is loaded, and a link leads to http or https or nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

_LONGEST = 50_000
"""Characters of a card that are rendered: ours have 5,000, and of brackets alone these take 2 s."""

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_MOST_LEVELS = 6


def rendered(text: str, *, below: int = 1) -> Markup:
    """The HTML of a card, safe to be put into a page.

    Args:
        text: Markdown, front matter and all.
        below: Levels that its headings are moved down by, so that they stand below the page's own.
    """
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable("table")
    parser.validateLink = _leads_somewhere  # type: ignore[method-assign]
    tokens = parser.parse(_FRONT_MATTER.sub("", text[:_LONGEST]))
    for opens, words, closes in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opens.type == "th_open" and not words.content:  # a table of facts has empty heads, as it must have some
            opens.tag = closes.tag = "td"
    shown = list(_boxed([_shown(token, below) for token in tokens]))
    return Markup(parser.renderer.render(shown, parser.options, {}))  # noqa: S704  # made of escaped text above


def _leads_somewhere(url: str) -> bool:
    return url.lower().startswith(("https://", "http://"))


def _shown(token: Token, below: int) -> Token:
    """A token as it is shown: a picture as its words, a heading lower, nothing with a style of its own."""
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(int(token.tag[1:]) + below, _MOST_LEVELS)}"
    if token.type in ("td_open", "th_open"):  # `style` would need a looser policy
        aligned = str(token.attrs.pop("style", ""))
        token.attrs |= {"class": "number"} if "right" in aligned else {}
    if token.children:
        token.children = [_inline(child) for child in token.children]
    return token


def _boxed(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens, with each table in a box that can be scrolled, also by keyboard."""
    number = 0
    for i, token in enumerate(tokens):
        if token.type == "table_open":
            number += 1
            few = " few" if next((t.tag for t in tokens[i:] if t.type == "th_open"), "") == "td" else ""
            label = f'role="region" aria-label="Table {number} of the card" tabindex="0"'
            yield _html(f'<div class="scroll{few}" {label}>\n')
        yield token
        if token.type == "table_close":
            yield _html('</div><p class="hint">The table is wider than the screen: scroll it sideways.</p>\n')


def _html(text: str) -> Token:
    token = Token("html_block", "", 0)
    token.content = text
    return token


def _inline(token: Token) -> Token:
    if token.type == "image":
        words = Token("text", "", 0)
        words.content = token.content
        return words
    if token.type == "link_open":
        token.attrs["rel"] = "nofollow noopener noreferrer"
    return token
