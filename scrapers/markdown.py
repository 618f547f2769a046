"""A part of an HTML page as Markdown, in one pass: ATX headings, fenced code letter by letter, tables, lists.

Own code because what matters here is what general converters lose: blank lines, prompts and indentation of code
blocks, line numbers beside them, tabs. It takes time in proportion to the page: no recursion, and what is nested
deeper than people write is written as if it were not nested.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Literal

from scrapers.frames import MOST_COLUMNS, MOST_ROWS, Frame, Table, indented
from scrapers.markup import Element, classes, has_clutter, string_of, text_of
from scrapers.rubbish import is_unseen
from scrapers.texts import cleaned

SKIPPED_CLASSES = frozenset(
    [
        "headerlink",
        "viewcode-link",
        "sphinxsidebar",
        "related",
        "toctree-wrapper",
        "copybtn",
        "onlyprint",
        "prev-next-area",
        "prev-next-footer",
        "bd-header-article",
        "bd-footer-article",
        "bd-sidebar-primary",
        "bd-sidebar-secondary",
        "bd-footer",
        "rst-footer-buttons",
        "wy-breadcrumbs",
        "toc-drawer",
        "back-to-top",
        "content-icon-container",
        "related-pages",
        "bottom-of-page",
        "sphinx-tabs-tablist",
        "linenos",
        "linenodiv",
        "skip-link",
    ]
)
"""Classes of what themes put around and into the text."""

_SKIPPED_TAGS = frozenset(
    ["script", "style", "nav", "footer", "svg", "button", "input", "noscript", "template", "iframe", "head", "title"]
)
_BLOCKS = frozenset(
    [
        "p",
        "div",
        "section",
        "article",
        "main",
        "header",
        "aside",
        "figure",
        "figcaption",
        "address",
        "fieldset",
        "form",
        "details",
        "dl",
        "thead",
        "tbody",
        "tfoot",
        "body",
        "html",
        "center",
        "hr",
        "label",
        "option",
    ]
)
_MARKS = {"em": "*", "i": "*", "cite": "*", "strong": "**", "b": "**", "del": "~~", "s": "~~", "strike": "~~"}
_CODE = frozenset(["code", "tt", "kbd", "samp"])
_RAISED = {"sup": "^", "sub": "_"}
_TITLES = frozenset({"admonition-title", "rubric", "topic-title", "sidebar-title", "caption-text", "sd-tab-label"})
_CELLS = frozenset({"nbinput", "nboutput"})
_TABLE_OF_CODE = frozenset({"highlighttable", "rouge-table"})

_MOST_FRAMES = 40
"""Lists, definitions, tables and entries in each other; people's pages have 12 at most."""
_FORMULA = 2_000
"""Characters of a formula."""
_MOST_MARKS = 6
"""Emphasis and code in each other."""

Closing = Callable[[], None]
Opened = Closing | Literal[False] | None
"""What an element's opening gives: what ends it, None where nothing does, False where all of it is written."""


@dataclass
class _Row(Frame):
    """A row of a table that is being written."""

    cells: list[str] = field(default_factory=list)


class Writer:
    """Writes one element; a subclass knows what a kind of site has beyond HTML.

    Attributes:
        title: The text of the first heading of the first level.
    """

    def __init__(self) -> None:
        self.title = ""
        self.frames = [Frame("page")]
        self._line: list[str] = []
        self._lines = 0
        self._marks = 0
        self._labels: dict[Any, str] = {}

    def write(self, element: Element) -> str:
        """The Markdown of an element and all below it."""
        left: list[Any] = [element]
        while left:
            step = left.pop()
            if isinstance(step, partial):
                step()
                continue
            if step.tail and step is not element:
                left.append(partial(self._line.append, step.tail))
            if not isinstance(step.tag, str) or self.skips(step):
                continue
            closing = self.open(step)
            if closing is False:
                continue
            if closing is not None:
                left.append(partial(closing))
            if step.text:
                self._line.append(step.text)
            left.extend(reversed(step))
        self.flush()
        return cleaned(self.frames[0].text().strip("\n") + "\n")

    def skips(self, element: Element) -> bool:
        """Whether an element is none of the page's text, or hidden from who reads it."""
        if element.tag in _SKIPPED_TAGS:
            return True
        names = (element.get("class") or "").split()
        if "prompt" in names and (around := element.getparent()) is not None and not _CELLS.isdisjoint(classes(around)):
            return True  # nbsphinx numbers a notebook's cells in blocks of their own
        return not SKIPPED_CLASSES.isdisjoint(names) or is_unseen(element)

    # ------------------------------------------------------------------------------------------------ what is written

    def flush(self, before: str = "", after: str = "") -> str:
        """Ends a line of text: what stood in it becomes a block."""
        text = " ".join("".join(self._line).split())
        self._line.clear()
        self._lines += 1
        if text:
            if text.startswith(("```", "~~~")):
                text = f"\\{text}"  # no fence: it would take in all that follows
            self.add(f"{before}{text}{after}")
        return text

    def add(self, text: str, kind: str = "text") -> None:
        """Adds a block to what is being written."""
        self.frames[-1].blocks.append((kind, text))

    def inline(self, text: str) -> None:
        """Adds text to the line that is being written."""
        self._line.append(text)

    def framed(self, frame: Frame, closing: Callable[[Frame], None]) -> Closing:
        """Begins a frame; what comes back ends it, and gives it to `closing`."""
        self.flush()
        if len(self.frames) >= _MOST_FRAMES:
            return self._end
        self.frames.append(frame)

        def close() -> None:
            self.flush()
            self.frames.pop()
            closing(frame)

        return close

    def _end(self) -> None:
        self.flush()

    # --------------------------------------------------------------------------------------------- what elements mean

    def open(self, element: Element) -> Opened:
        """Begins an element; what ends it, None where nothing does, False where all of it is written."""
        tag = element.tag
        if tag in _CODE:
            around = element.getparent()  # keys pressed together are keys in a key
            return None if around is not None and around.tag in _CODE else self._marked("`")
        if tag in _MARKS:
            return self._marked(_MARKS[tag])
        if tag in _RAISED:
            self._raise(_RAISED[tag])
        if tag == "span":
            return self.open_span(element)
        if opening := getattr(self, f"open_{tag}", None):
            found: Opened = opening(element)
            return found
        if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self.flush()
            return partial(self._heading, int(tag[1]))
        if tag in _BLOCKS:
            return self.open_block(element)
        if tag == "br":
            self._line.append(" ")
        return None

    def open_block(self, element: Element) -> Opened:
        """Begins a block that is only text."""
        self.flush()
        if not _TITLES.isdisjoint(classes(element)):
            return self._title
        if label := self._labels.get(element) or self._labels.get(element.get("aria-labelledby") or ""):
            self.add(f"**{label}**")
        elif element.get("role") == "tablist":
            named = [button for button in element if button.get("id")]
            self.label(named, (button.get("id") for button in named))
            return False
        return self._end

    def label(self, labels: Iterable[Element], tabs: Iterable[Any]) -> None:
        """Remembers which label each tab has: tabs are elements, or ids that they name as `aria-labelledby`."""
        self._labels |= dict(zip(tabs, (" ".join(string_of(label).split()) for label in labels), strict=False))

    def open_span(self, element: Element) -> Opened:
        """Begins a span of text."""
        if element.get("class") == "caption-text":
            self.flush()
            return self._title
        return None

    def _title(self) -> None:
        self.flush("**", "**")

    def _heading(self, level: int) -> None:
        text = self.flush("#" * level + " ")
        if level == 1 and not self.title:
            self.title = text

    def _raise(self, mark: str) -> None:
        """Marks what stands above or below the line, where it would else be one word with what is before it."""
        if self._line and self._line[-1][-1:].isalnum():
            self._line.append(mark)

    def _marked(self, mark: str) -> Closing | None:
        if self._marks >= _MOST_MARKS:
            return None
        self._marks += 1
        return partial(self._close_mark, mark, self._lines, len(self._line))

    def _close_mark(self, mark: str, line: int, start: int) -> None:
        self._marks -= 1
        if line != self._lines:  # a block began within it
            return
        inner = "".join(self._line[start:])
        text = inner.strip()
        if not text:
            return
        around = mark
        if mark == "`" and mark in text:
            around = "`" * (1 + max(map(len, re.findall("`+", text))))
            text = f" {text} " if text[0] == "`" or text[-1] == "`" else text
        lead, trail = inner[: len(inner) - len(inner.lstrip())], inner[len(inner.rstrip()) :]
        before = self._line[start - 1] if start and not lead else ""
        if mark == "*" and before.endswith("*") and not before.endswith("**"):  # `*a**b*` would be something else
            self._line[start - 1 :] = [before[:-1], f"{text}*{trail}"]
            return
        self._line[start:] = [f"{lead}{around}{text}{around}{trail}"]

    def open_summary(self, element: Element) -> Opened:
        """Begins the line that a folded part shows."""
        self.flush()
        return self._title

    def open_blockquote(self, element: Element) -> Opened:
        """Begins a quotation; docutils makes one of all that is indented, code too, which stays as it is."""
        if element.find(".//pre") is not None:
            return self.open_block(element)
        return self.framed(Frame("quote"), lambda frame: self.add(indented(frame.text(), "> ", "> ")))

    def open_ul(self, element: Element) -> Opened:
        """Begins a list."""
        return self.framed(Frame("list"), self._close_list)

    open_ol = open_ul

    def _close_list(self, frame: Frame) -> None:
        separator = "\n\n" if any("\n\n" in text for _, text in frame.blocks) else "\n"
        if text := separator.join(text for _, text in frame.blocks):
            self.add(text, "list")

    def open_li(self, element: Element) -> Opened:
        """Begins an item of a list."""
        parent = element.getparent()
        if parent is None or parent.tag != "ol":
            return self.framed(Frame("li"), partial(self.close_li, "- "))
        return self.framed(Frame("li"), partial(self.close_li, f"{_number(parent, 'start', 10_000)}. "))

    def close_li(self, mark: str, frame: Frame) -> None:
        """Ends an item of a list."""
        mark = mark if mark == "- " else f"{len(self.frames[-1].blocks) + int(mark[:-2])}. "
        if text := frame.text():
            self.add(indented(text, mark, " " * len(mark)), "item")

    def open_dt(self, element: Element) -> Opened:
        """Begins a term."""
        self.flush()
        return self._end

    def open_dd(self, element: Element) -> Opened:
        """Begins what is said of a term."""
        return self.framed(Frame("dd"), self.close_dd)

    def close_dd(self, frame: Frame) -> None:
        """Ends what is said of a term."""
        if text := frame.text():
            self.add(indented(text, ":   ", "    "))

    def open_table(self, element: Element) -> Opened:
        """Begins a table; one that is a layout is none, and only what is in its cells is written."""
        names = classes(element)
        has_code = element.find(".//pre") is not None
        if (
            not _TABLE_OF_CODE.isdisjoint(names)
            or "field-list" in names
            or element.find(".//table") is not None
            or (has_code and not _has_rows(element))
        ):
            return self.open_block(element)
        return self.framed(Table("table", listed=has_code), self._close_table)

    def _close_table(self, frame: Frame) -> None:
        assert isinstance(frame, Table)
        for kind, text in frame.blocks:
            self.add(text, kind)
        if text := frame.markdown():
            self.add(text)

    def open_tr(self, element: Element) -> Opened:
        """Begins a row of a table."""
        table = self.frames[-1]
        if not isinstance(table, Table):
            return self.open_block(element)
        if not table.rows:
            table.head = all(cell.tag == "th" for cell in element if isinstance(cell.tag, str))
        return self.framed(_Row("row"), self._close_row)

    def _close_row(self, frame: Frame) -> None:
        table = self.frames[-1]
        assert isinstance(frame, _Row)
        assert isinstance(table, Table)
        if frame.cells:
            table.cover(frame.cells)
            table.rows.append(frame.cells)
        table.blocks += frame.blocks  # what no cell is around

    def open_td(self, element: Element) -> Opened:
        """Begins a cell of a table."""
        row, table = self.frames[-1], self.frames[-2] if len(self.frames) > 1 else None
        if not (isinstance(row, _Row) and isinstance(table, Table)):
            return self.open_block(element)
        table.cover(row.cells)
        columns, rows = _number(element, "colspan", MOST_COLUMNS), _number(element, "rowspan", MOST_ROWS)
        return self.framed(Frame("cell"), lambda cell: table.add_cell(row.cells, cell.text(), columns, rows))

    open_th = open_td

    def open_img(self, element: Element) -> Opened:
        """Writes a formula that is shown as a picture, as one that a script shows is; other pictures have no text."""
        if "math" in classes(element) and (formula := " ".join((element.get("alt") or "")[:_FORMULA].split())):
            self.inline(f"\\({formula}\\)")
        return False

    def open_caption(self, element: Element) -> Opened:
        """Begins the caption of a table."""
        self.flush()
        return self._title

    def open_pre(self, element: Element) -> Opened:
        """Writes a block of code, or of what a program put out."""
        self.flush()
        code = self.code(element)
        if code.strip():
            marks = "`" * max(3, 1 + max(map(len, re.findall(r"(?m)^ *(`{3,})", code)), default=0))
            self.add(f"{marks}{language_of(element, code)}\n{code}\n{marks}", "code")
        return False

    def code(self, element: Element) -> str:
        """The text of a block of code."""
        return code_of(element)


def code_of(element: Element) -> str:
    """The text of a `pre` without line numbers; lines, blank ones too, and their indentation as they are."""
    return cleaned(text_of(element, _unnumbered) if has_clutter(element) else string_of(element)).strip("\n")


def _unnumbered(step: Element) -> str | None:
    """What stands for an element in code: nothing for line numbers and what is no text, a line's end for `br`."""
    if step.tag == "br":
        return "\n"
    shown = isinstance(step.tag, str) and step.tag not in _SKIPPED_TAGS and "linenos" not in classes(step)
    return None if shown else ""


def _has_rows(table: Element) -> bool:
    """Whether a table has rows and columns; one without is there for its frame."""
    rows = list(islice(table.iter("tr"), MOST_ROWS))
    return len(rows) > 1 and any(len(row) > 1 for row in rows)


def _number(element: Element, name: str, most: int) -> int:
    """The number from 1 to `most` that an attribute says; 1 where it says none."""
    said = element.get(name) or ""
    return min(max(int(said), 1), most) if re.fullmatch("[0-9]{1,6}", said) else 1


_NAMING = ("highlight-source-", "highlight-", "language-", "lang-")
"""What classes begin with that name a block's language."""

_LANGUAGES = {"default": "python", "python3": "python", "none": "", "pycon3": "pycon"}


def language_of(element: Element, code: str) -> str:
    """The language of a block: `pycon` where it has prompts, `output` where it is what a notebook's cell put out."""
    language = _named_by(classes(element))
    around = element
    for _ in range(6):
        around = around.getparent() if around is not None else None
        names = classes(around) if around is not None else []
        if any(name in {"output_area", "cell_output", "nboutput"} for name in names):
            return "output"
        if not language:
            language = _named_by(names)
    inner = element.find("code")
    if not language and inner is not None:
        language = _named_by(classes(inner))
    language = language if re.fullmatch(r"[\w.+#-]{1,30}", language) else ""
    if code.lstrip().startswith(">>>") and language in {"", "default", "python", "python3", "py", "pycon3"}:
        return "pycon"
    return _LANGUAGES.get(language, language)


def _named_by(names: list[str]) -> str:
    """The language that one of an element's classes names; empty where none does."""
    return next((name[len(p) :] for name in names for p in _NAMING if name.startswith(p)), "")
