"""HTML as a tree: of any text, however broken, and never deeper than a limit; what of a page is its main part.

lxml, not BeautifulSoup on lxml: the same parser, without a second tree in Python (docs/explanation/experiments.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lxml import etree

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_MAIN = tuple(
    etree.XPath(path)
    for path in (
        '//*[@role="main"]',
        "//main",
        "//article",
        '//div[contains(concat(" ", @class, " "), " body ")]',
        "//body",
    )
)
_ATTRIBUTE = r"""[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>]*+))?+"""
_TAG = re.compile(rf"(<[a-zA-Z][^\s/>]*+)((?:{_ATTRIBUTE})*+)", re.ASCII)
"""The beginning of an element as HTML's tokenizer takes it; every letter of a page is looked at once."""
_ATTRIBUTES = re.compile(_ATTRIBUTE, re.ASCII)
_MOST_ATTRIBUTES = 200
"""Of an element; the parser takes quadratic time for them, 20 s for 50,000. People write 20."""
_STRING = etree.XPath("string()")
_CLUTTER = etree.XPath('boolean(.//*[self::button or self::script or self::br or contains(@class, "linenos")])')
_NOTHING = b"<html><body></body></html>"

Element = Any
"""An element of lxml."""


def tree_of(html: str) -> tuple[Element, bool]:
    """The root of a page's tree, and whether all of the page is in it.

    What is nested deeper than lxml's parser goes (2,048 elements) is not. Control characters that no text has are
    left out, and the attributes of tags that have 200 or more. Nothing is fetched and no entity is expanded but HTML's
    own.
    """
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True, no_network=True)
    data = _without_crowds(_CONTROL.sub("", html)).encode("utf-8", "replace")
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:
        root = None
    if root is None:  # no element, such as an empty page
        root = etree.fromstring(_NOTHING, parser)
    return root, not any("Excessive depth" in str(error.message) for error in parser.error_log)


def _without_crowds(html: str) -> str:
    """The page, without the attributes of elements that have too many."""
    long = (tag for tag in _TAG.finditer(html) if tag.end(2) - tag.start(2) > 2 * _MOST_ATTRIBUTES)
    crowds = [tag.span(2) for tag in long if len(_ATTRIBUTES.findall(tag[2])) > _MOST_ATTRIBUTES]
    starts, ends = [0, *(end for _, end in crowds)], [*(start for start, _ in crowds), len(html)]
    return "".join(html[start:end] for start, end in zip(starts, ends, strict=True)) if crowds else html


def main_of(root: Element) -> Element:
    """The element that holds a page's text, without what surrounds it where the page says so."""
    for path in _MAIN:
        if found := path(root):
            return found[0]
    return root


def classes(element: Element) -> list[str]:
    """The classes of an element."""
    return (element.get("class") or "").split()


def has_clutter(block: Element) -> bool:
    """Whether a block of code has line numbers, buttons, or lines that elements end in it."""
    return bool(_CLUTTER(block))


def string_of(element: Element) -> str:
    """All text of an element, as it stands."""
    return str(_STRING(element))


def text_of(element: Element, instead: Callable[[Element], str | None]) -> str:
    """The text of an element, however deep it is nested.

    Args:
        element: The element; what follows it doesn't belong to it.
        instead: What stands for an element within (a comment is one, too), or None for its own text.
    """
    parts: list[str] = []
    left: list[Any] = [element]
    while left:
        step = left.pop()
        if isinstance(step, str):
            parts.append(step)
            continue
        if step.tail and step is not element:
            left.append(step.tail)
        given = instead(step)
        if given is not None:
            parts.append(given)
            continue
        parts.append(step.text or "")
        left.extend(reversed(step))
    return "".join(parts)
