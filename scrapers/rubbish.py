"""What of a page is not its text: what themes put around it, what nobody sees; and pages that are none at all.

Precision before recall: a page of 120 words or with code is never a fault. A page *about* logging in, cookies or
missing pages has text of its own; one that asks for a password, or that only says that there is no such page, has not.
What is lost are short pages under an error's own name, without code: `Forbidden` and a sentence.
What was measured stands in docs/explanation/pages.md.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from scrapers.markup import Element, classes, string_of

AROUND = frozenset({
    "visually-hidden", "sr-only", "screen-reader-text", "skip-link", "skipToContent", "cookie-banner", "cookie-consent",
    "cookie-notice", "cc-window", "md-consent", "md-feedback", "md-content__button", "md-source-file", "md-dialog",
    "feedback", "feedback-widget", "page-feedback", "helpful", "was-this-helpful", "edit-this-page", "edit-page",
    "edit-link", "edit-page-link", "theme-edit-this-page", "theme-last-updated", "last-updated", "version-picker",
    "version-switcher", "version-switcher__container", "version-selector", "rst-versions", "breadcrumb", "breadcrumbs",
    "theme-doc-breadcrumbs", "theme-doc-version-badge", "theme-doc-version-banner", "theme-doc-toc-mobile",
    "theme-doc-footer", "pagination", "pagination-nav", "prev-next", "table-of-contents", "on-this-page", "VPLocalNav",
    "VPDocFooter", "VPDocAside", "VPDocAsideOutline", "VPSidebar", "VPNav", "VPFooter", "VPSkipLink", "header-anchor",
    "hash-link", "anchor-link", "announcement", "announcement-bar", "theme-announcement-bar", "carbonads", "ethical-ad",
    "ethical-rtd", "ethical-sidebar", "ea-placement", "adsbygoogle", "ad-banner", "advertisement", "share-buttons",
    "social-share", "newsletter", "linenos", "linenodiv", "line-numbers-wrapper", "giscus", "md-tags",
})  # fmt: skip
"""Classes of what stands around a page's text."""

_PLACES = frozenset({"carbonads", "disqus_thread", "cookie-banner", "cookie-consent", "cookie-notice", "skipToContent"})
"""Likewise ids; few, as headings have ids of their words: `pagination`, `feedback`."""

_ROLES = frozenset({"navigation", "search", "banner", "contentinfo", "dialog", "alertdialog", "tooltip", "menu"})
_UNSEEN = re.compile(
    r"(?:^|;)(?:display:none|visibility:(?:hidden|collapse)|opacity:(?:0(?:\.0\d*)?|\.0\d*)(?:;|!|$)"
    r"|font-size:(?:0|(?:[01](?:\.\d+)?|\.\d+)(?:px|pt)|0?(?:\.[01]\d*)?(?:em|rem)|0%)(?:;|!|$)"
    r"|(?:left|top|right|text-indent):-(?:\d{4,}|[5-9]\d\d)(?:px|em)|clip:rect\(0|clip-path:inset\(100%"
    r"|transform:scale[xy]?\(0(?:,0)?\))"
)
_SIZELESS = re.compile(r"(?:^|;)(?:max-)?(?:height|width):0(?:px)?(?:;|!|$)")
_COMMENT = re.compile(r"/\*[^*]{0,200}\*/")
_COLOUR = re.compile(r"(?:^|;)color:([^;!]{1,40})")
_WHITE = re.compile(
    r"white|#(?:f{3}|(?:f[0-9a-f]){3})(?:[0-9a-f]{2})?|transparent|rgba?\(255,255,255(?:,[\d.]+)?\)|rgba\([\d,]+,0\)"
)
_BEHIND = re.compile(r"(?:^|;)background(?:-color)?:([^;!]{1,40})")
_HIDING = frozenset({"sr-only", "visually-hidden", "screen-reader-text", "hidden", "d-none", "is-hidden", "invisible"})
"""Classes by which frameworks of themes hide."""
_SHOWING = re.compile(r"\b(?:sm|md|lg|xl|xxl|2xl):(?!hidden)|\bd-(?:sm|md|lg|xl|xxl)-(?!none)|(?:^| )not-sr-only")
"""Classes by which they show again, on wider screens."""
_PANELS = frozenset({"tabpanel"})
"""Roles of what is hidden until somebody asks for it: the other tabs."""

_LONG = 120
"""Words that a page which is none never has."""

_ABSENT = re.compile(
    r"(?i)(?:error )?404(?: error)?(?:\W+(?:page )?not found)?|(?:\W*404\W+)?(?:page|file|document) (?:was )?not found"
    r"|not found|(?:oops|sorry)\W.{0,40}(?:not found|doesn.t exist|can.t be found)"
    r"|(?:this |the )?page (?:does not|doesn.t) exist"
)
_VISITOR = re.compile(
    r"(?i)page (?:that )?you(?:.re| are| were| have)? (?:looking|requested|trying|asked)"
    r"|what you(?:.re| are| were) looking|could(?:n.t| not) find (?:the|that|this|what)"
    r"|(?:page|url|address) (?:was|could) not (?:be )?found"
    r"|no longer exists|may have (?:been )?(?:moved|removed|deleted)|(?:go|take me|return|back) (?:to )?(?:the )?home"
    r"|broken link|check the url"
)
_LOGIN = re.compile(
    r"(?i)(?:please )?(?:log ?in|sign ?in|sign on|log on|single sign-on|authentication required|unauthorized)\b.{0,60}"
)
_ERROR = re.compile(
    r"(?i)(?:error )?(?:50[0234]|403|429)\b.{0,60}|bad gateway|service (?:temporarily )?unavailable|gateway time-?out"
    r"|access denied|internal server error|attention required!.{0,40}|just a moment\W*|checking your browser.{0,40}"
    r"|forbidden|too many requests|error: the requested url could not be retrieved|web application firewall.{0,40}"
    r"|ddos protection.{0,40}"
)
_PARKED = re.compile(
    r"(?i)domain (?:name )?(?:is|may be) (?:for sale|available for purchase)|buy this domain|parked (?:free|domain)"
    r"|this domain (?:is|has been) (?:parked|registered at)|default web page for this server|welcome to nginx!"
    r"|apache2? default page"
)
_SCRIPTED = re.compile(
    r"(?i)enable javascript|javascript (?:is|must be) (?:disabled|enabled|required)|requires javascript"
    r"|javascript to run"
)
_WORD = re.compile(r"[^\W_]+")
_TITLE, _REFRESH, _PASSWORD, _SCRIPT = (
    etree.XPath(path)
    for path in (
        "string(//title)",
        "string(//meta[translate(@http-equiv, 'REFSH', 'refsh') = 'refresh']/@content)",
        "boolean(//input[@type = 'password'])",
        "boolean(//script)",
    )
)


def is_unseen(element: Element) -> bool:
    """Whether an element says that nobody is to see it; tabs that open on a click are no such elements."""
    if element.get("role") in _PANELS:
        return False
    if element.get("hidden") not in (None, "until-found") or element.get("aria-hidden") == "true":
        return True
    named = element.get("class")
    if named and not _HIDING.isdisjoint(named.split()) and not _SHOWING.search(named):
        return True
    if element.tag == "dialog" and element.get("open") is None:
        return True
    colour = (element.get("color") or "").lower() if element.tag == "font" else ""
    return _is_styled_away(element, element.get("style") or (colour and f"color:{colour}"))


def _is_styled_away(element: Element, style: str) -> bool:
    if not style:
        return False
    plain = _COMMENT.sub("", "".join(style.lower().split()))
    if _UNSEEN.search(plain) or ("overflow:hidden" in plain and _SIZELESS.search(plain)):
        return True
    colour, behind = _COLOUR.search(plain), _BEHIND.search(plain)
    if colour is None:
        return False
    if behind is not None and behind[1] == colour[1]:
        return True
    return bool(_WHITE.fullmatch(colour[1])) and not _on_colour(element, plain)


def _on_colour(element: Element, style: str) -> bool:
    """Whether white text stands on something, as far as the page itself says."""
    around: Any = element
    for _ in range(8):
        if "background" in style:
            behind = _BEHIND.search(style)
            return behind is None or not _WHITE.fullmatch(behind[1])
        around = around.getparent() if around is not None else None
        style = "".join(((around.get("style") or "") if around is not None else "").lower().split())
    return False


def is_around(element: Element) -> bool:
    """Whether an element is what a theme puts around the text of a page."""
    names = classes(element)
    if names and not AROUND.isdisjoint(names) and "admonition" not in names:
        return True
    if element.get("id") in _PLACES:
        return True
    return element.get("role") in _ROLES or element.get("aria-modal") == "true"


def fault_of(root: Element, markdown: str) -> str | None:
    """Why a page is none of documentation, as `name: evidence`; None where it is one.

    Names: `redirect soft-404 login error-page parked scripted empty`.

    Args:
        root: The tree of the whole page.
        markdown: The text that was found in it.
    """
    said = markdown[: 20 * _LONG]
    if len(_WORD.findall(said)) > _LONG or "```" in said:
        return None
    heading, rest = _heading(said)
    title = " ".join(str(_TITLE(root)).split())[:200]
    titles = [t for t in (heading, title, *re.split(r" [-–—|·:] ", title)) if t]
    words = len(_WORD.findall(rest))
    found = _told(root, titles, rest, words) or _parked(titles, "" if heading else rest) or _silent(root, said)
    return found[:300] if found else None


def _told(root: Element, titles: list[str], rest: str, words: int) -> str | None:
    """What the little that a page says makes of it."""
    if target := str(_REFRESH(root)).partition("=")[2].strip():  # without one it only loads itself again
        return f"redirect: it leads to {target}" if words < 40 else None
    if (named := _named(_ABSENT, titles)) and (words < 4 or _VISITOR.search(rest)):
        return f"soft-404: it says {named!r}"
    if _PASSWORD(root) and (words < 40 or _named(_LOGIN, titles)):
        return f"login: it asks for a password ({titles[0] if titles else 'no title'})"
    if (named := _named(_ERROR, titles)) and words < 60 and not re.search(r"[.(]\w+\(|`", rest):
        return f"error-page: it says {named!r}"
    return None


def _parked(titles: list[str], rest: str) -> str | None:
    """What says so in titles, or in a page without a heading: below one it is what a page tells of."""
    found = _PARKED.search(" ".join([*titles, rest]))
    return f"parked: it says {found[0]!r}" if found else None


def _silent(root: Element, said: str) -> str | None:
    """What is wrong with a page that says nothing."""
    if len(_WORD.findall(said)) > 12:
        return None
    whole = string_of(root)[:20_000]
    hint = None if said.startswith("#") and _SCRIPTED.search(said) else _SCRIPTED.search(whole)
    if hint or (not said.strip() and _SCRIPT(root)):
        return f"scripted: it has no text without its scripts{f' ({hint[0]!r})' if hint else ''}"
    return None if said.strip() else "empty: it has no text"


def _named(pattern: re.Pattern[str], titles: list[str]) -> str | None:
    return next((t for t in titles if pattern.fullmatch(t.strip(" .!#*"))), None)


def _heading(markdown: str) -> tuple[str, str]:
    """The first heading, and what else there is."""
    first, _, rest = markdown.lstrip().partition("\n")
    return (first.lstrip("# ").strip(), rest) if first.startswith("#") else ("", markdown)
