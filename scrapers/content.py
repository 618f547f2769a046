"""Where the text of a page stands: where the page says so, else where most of it is; what the page is called."""

from __future__ import annotations

import re

from scrapers.markup import Element, main_of, string_of
from scrapers.rubbish import is_around, is_unseen

_CHANGES = re.compile(r"(?i)^(changes?|changelogs?|history|news|release[-_ ]?notes?|whats-?new.*|.*migrat.*)$")
_SHARE = 0.7
"""Of a part's text that stands in one part of it: then the rest is around it."""

_APART = frozenset({"script", "style", "nav", "footer", "header", "aside", "form", "button", "noscript", "svg", "head"})
_WHOLE = frozenset({"p", "pre", "ul", "ol", "dl", "table"})
"""What is a piece of text, not a part of the page."""


def content_of(root: Element) -> Element:
    """The element with a page's text: marked as such, with one article in it that article; else by density."""
    main = main_of(root)
    if main.tag not in ("body", "html"):
        articles = [] if main.tag == "article" else list(main.iter("article"))
        return articles[0] if len(articles) == 1 else main
    return _densest(main)


def _densest(body: Element) -> Element:
    """The smallest part of a page that holds most of the text that is no link."""
    sizes = _sizes(body)
    found = body
    while True:
        inner = max(found, key=lambda e: sizes.get(e, 0), default=None)
        if inner is None or inner.tag in _WHOLE or sizes.get(inner, 0) < max(1, _SHARE * sizes[found]):
            return found
        found = inner


def _sizes(body: Element) -> dict[Element, int]:
    """Element -> letters of its text that are in no link and not around the page's text."""
    sizes: dict[Element, int] = {}
    left: list[tuple[Element, bool]] = [(body, False)]
    while left:
        element, done = left.pop()
        if not isinstance(element.tag, str) or element.tag in _APART or element.tag == "a":
            continue
        if done:
            inner = sum(sizes.get(e, 0) + len((e.tail or "").strip()) for e in element)
            sizes[element] = len((element.text or "").strip()) + inner
        elif not (is_around(element) or is_unseen(element)):
            left.append((element, True))
            left.extend((e, False) for e in element)
    return sizes


def title_of(root: Element) -> str:
    """What a page calls itself in its head."""
    found = root.find(".//title")
    return " ".join(string_of(found).split()) if found is not None else ""


def kind_of_page(path: str, has_entries: bool) -> str:
    """`changelog`, `api` or `guide`."""
    steps = path.removesuffix("/index.html").split("/")
    if any(_CHANGES.match(step.partition(".")[0]) for step in steps):
        return "changelog"
    return "api" if has_entries else "guide"
