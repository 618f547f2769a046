"""A part of an HTML page as Markdown: ATX headings, fenced code with its language, API signatures as code."""

from __future__ import annotations

import copy
import re
from typing import Any

from scrapers.texts import cleaned

_CLUTTER = "script, style, nav, footer, .headerlink, .sphinxsidebar, .related, .toctree-wrapper, .viewcode-link, svg"


def to_markdown(element: Any) -> str:
    """The Markdown of a BeautifulSoup element, which is left as it was."""
    return as_markdown(copy.copy(element))


def as_markdown(element: Any) -> str:
    """The same, of an element that may be changed."""
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    new = BeautifulSoup("", "lxml").new_tag
    for clutter in element.select(_CLUTTER):
        clutter.decompose()
    for term in element.select("dt.sig"):
        signature, paragraph = new("code"), new("p")
        signature.string = flat_text(term)
        paragraph.append(signature)
        term.replace_with(paragraph)
    for block in element.select("div[class*=highlight-] pre"):
        block.string = block.get_text()
    if element.name == "dd":
        element.name = "div"
    text = MarkdownConverter(
        heading_style="ATX",
        strip=["a", "img"],
        bullets="-",
        code_language_callback=_language,
        escape_misc=False,
        escape_underscores=False,
        escape_asterisks=False,
    ).convert_soup(element)
    return cleaned(re.sub(r"\n{3,}", "\n\n", text).strip() + "\n")


def flat_text(element: Any) -> str:
    """The element's text on one line, without the link to itself."""
    text = "".join(str(s) for s in element.strings if not s.find_parent(class_=["headerlink", "viewcode-link"]))
    return " ".join(text.replace("¶", "").split())


def _language(block: Any) -> str:
    """The language of a code block, from the class that Sphinx gives what it stands in."""
    for parent in block.parents:
        for name in parent.get("class") or []:
            if name.startswith("highlight-"):
                language = name.removeprefix("highlight-")
                return {"default": "python", "pycon": "pycon", "python3": "python", "none": "", "text": ""}.get(
                    language, language
                )
    return ""
