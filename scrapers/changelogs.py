"""Entries of changelogs and release notes between two versions, and the symbols they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from packaging.version import Version

from registry.records import Page, Symbol
from scrapers.lookup import Names

MAX_CLASSES, MAX_WORDS = 200, 20
"""Classes and further names of one entry that are looked up together."""
FEW = 2
"""Words, beside names, that say nothing by themselves."""
MAX_LEAD = 600
"""Of what a list begins with this much is kept with each item."""
MAX_TEXT = 2000
"""Of a longer entry no more is kept."""

_VERSION = re.compile(r"(?<![\w.])v?(\d+(?:\.\d+)+(?:(?:a|b|rc)\d+)?)(?!\w)")
_BULLET = re.compile(r"^(\s*)[-*+•]\s+(.*)$")
_UNDERLINE = re.compile(r"^([=\-~^\"'*+#.])\1{2,}\s*$")
_RULER = re.compile(r"^={2,}(?:\s+={2,})+\s*$")
"""The first, second and last line of a simple table in reST."""
_DASHES = re.compile(r"^\|[-:| ]+\|?\s*$")
"""What stands below the head of a table in Markdown."""
_ASIDE = re.compile(r"^\s*(?:\.\. |>>>|\.\.\. |\(?`(?:gh-|#)\d+)")
"""Directives, prompts and links to pull requests below a heading."""
_ASIDES = re.compile(r"\([^()]*\)|:[\w:]+:`[^`]*`")
_TICKED = re.compile(r"(?::[\w:]+:)?`{1,2}[~!]?([A-Za-z_][\w.]*?)(?:\([^`]*\))?`{1,2}")
_BARE = re.compile(
    r"\b(?:functions?|class(?:es)?|methods?|decorators?|nx\.)\s*([A-Za-z_]\w+)|\b([a-z]+(?:_\w+)+|[A-Z][a-z]+[A-Z]\w+)\b"
)
_BEHAVIOUR = re.compile(
    r"now (?:\w+ly |always |never |also )?"
    r"(?:returns?|raises?|yields?|accepts?|requires?|uses?|errors?|gives?|defaults?|supports?|handles?|checks?"
    r"|validates?|preserves?|ignores?|warns?|computes?|converts?|allows?|rejects?|treats?|expects?|respects?|passes"
    r"|behaves?|emits?|follows?|propagates?|enforces?|takes?|does|do|produces?|includes?|excludes?|keeps?|works?|fails?|throws?|sets?|supported|allowed|calculated|computed)\b"
    r"|no longer|used to|won't|can ?not be called|(?:is|are) (?:now )?disallowed|will (?:now )?(?:raise|error)"
    r"|\berrors?,? use\b|will be (?:returned|raised)\b|instead of (?:raising|returning)\b"
    r"|\bextend\w*\b.{0,60}\bto (?:accept|work|support|handle)\b|^\W*raises? (?:on|when|if)\b"
    r"|\b(?:raise|error)s? \(deprecated"
    r"|(?:update|change)d? (?:the )?(?:return|default|behavio)|return type|a generator|previously"
    r"|(?:has|have) been changed|now an? (?:error|exception)|raises? (?:an? )?\w*(?:Error|Exception)\b"
    r"|breaking change|behavio[u]?r (?:has been|is) (?:changed|updated)",
    re.IGNORECASE,
)
_INCOMPATIBLE = re.compile(r"compatib|breaking|behavio[u]?r|api changes?\b|^chang(?:es|ed)\b|expired", re.IGNORECASE)
"""Sections whose entries say what a call now does otherwise."""
_BESIDE = re.compile(
    r"\b(?:faster|speed|performance|type hints?|annotations?|type[- ]check\w*|static typ\w+|c[- ]api|docstrings?"
    r"|documentation)\b",
    re.IGNORECASE,
)
"""What a call gives is the same."""
_DEPRECATES = re.compile(r"\bdeprecat(?:e|ed|es|ing|ion)\b", re.IGNORECASE)
_OVER = re.compile(r"\b(?:rm|remov(?:e|ed|al)|expire[sd]?|enforced?|finalized|since|drop(?:s|ped)?)\b", re.IGNORECASE)
"""A deprecation that is spoken of as past."""
_ANNOUNCED = re.compile(r"\b(?:will|to|scheduled to) be (?:\w+ )?(?:removed|dropped)\b|\bfor removal\b", re.IGNORECASE)
_ENDS = re.compile(
    r"\b(?:removed|dropped|raise|an? error|an? exception)\b[^.;]{0,30}?\bin (?:version )?v?(\d+(?:\.\d+)+)",
    re.IGNORECASE,
)
_INSTEAD = re.compile(
    r"\bin favou?r of\b|\breplaced (?:by|with)\b|\brenamed to\b|[,;]? (?:please )?use\b", re.IGNORECASE
)
_CASE = re.compile(r"\bto (?:change|have)\b|\bin case of\b|\bthe (?:default|return)", re.IGNORECASE)
"""A deprecation of what a call gives, not of the call."""
_WORK = re.compile(
    r"\W*(?:\[[^\]]*\]\W*)?(?:fix|make|add|replace|rename|refactor|expire|deprecat|dep\b|rm\b|remov|allow|support)",
    re.IGNORECASE,
)
"""How an entry begins that tells what was done, not what a call now gives."""
_ADDED = re.compile(r"\b(?:has|have) been added\b|\bwas added\b|^new (?:function|class|method|module)\b", re.IGNORECASE)
_KEPT_UP = re.compile(r"\b(?:DOC|TYP|TST|TEST|MAINT|BLD|CI|REL|STY|CLN|PERF)\b[^:]{0,12}:")
"""What developers call work on docs, types, tests and tools before a change's title."""
_OF_PARAMETER = re.compile(
    r"\b(?:add|new|rm|remov|expir|deprecat|renam|drop)\w*\b.{0,60}\b(?:kwarg|keyword|argument|param)"
    r"|\b(?:kwarg|keyword|argument|param)\w*\b.{0,60}"
    r"\b(?:added|removed|expired|deprecated|renamed|dropped|no longer (?:used|accepted))",
    re.IGNORECASE,
)
_KEYWORD = re.compile(r"\s*(?:keyword|kwarg|argument|parameter|option)s?\b")


@dataclass(frozen=True)
class Entry:
    """One item of a changelog.

    Attributes:
        text: What it says on one line, the heading that it stands under first.
        version: The version it stands under.
        path: The page's.
        section: The part of that version's notes, such as `Deprecations`.
        heading: The heading within that part, where it has its own.
        lead: What the list begins with that it is an item of.
    """

    text: str
    version: str
    path: str
    section: str = ""
    heading: str = ""
    lead: str = ""

    @property
    def is_behaviour(self) -> bool:
        """Whether it says that the same call now does something else."""
        said = self.heading or self.text
        told = _BEHAVIOUR.search(self.text) or (_INCOMPATIBLE.search(self.section) and not _WORK.match(said))
        if not told and _DEPRECATES.search(said):
            told = _CASE.search(said)
        beside = (_BESIDE.search(f"{self.section} {said}"), _OF_PARAMETER.search(said), _ADDED.search(said))
        return bool(told) and not any(beside) and not _KEPT_UP.search(said)

    @property
    def of_parameter(self) -> bool:
        """Whether it is about a parameter that came, went, or will go."""
        return bool(_OF_PARAMETER.search(self.heading or self.text))

    @property
    def deprecates(self) -> bool:
        """Whether it says that something will go."""
        said = self.heading or self.text
        told = _DEPRECATES.search(said) and not _KEPT_UP.search(said)
        over = _OVER.search(_ANNOUNCED.sub("", said))
        return bool(told) and not over and not _CASE.search(said)

    def is_over(self, version: str) -> bool:
        """Whether what it says will go was to go by a version."""
        ends = [v for v in _ENDS.findall(self.text) if _is_version(v)]
        return any(Version(v) <= Version(version) for v in ends)

    @property
    def subject(self) -> str:
        """What stands before the word that something is deprecated, in its sentence: without what to use instead."""
        said = self.heading or self.text
        sentence = next((s for s in re.split(r"(?<=[.;])\s+(?=\S)", said) if _DEPRECATES.search(s)), said)
        return _INSTEAD.split(sentence)[0]


def entries(pages: Iterable[Page], old: str, new: str) -> list[Entry]:
    """The entries of changelog pages for versions after `old` up to `new`, in the order of pages and lines."""
    low, high = Version(old), Version(new)
    found: dict[Entry, None] = {}
    for page in pages:
        if page.kind == "changelog":
            for entry in _Reader(page).entries():
                if low < Version(entry.version) <= high and len(entry.text) > 8 and not entry.text.startswith(">>>"):
                    found[entry] = None
    return list(found)


def symbols_named(
    entry: Entry, names: Names, standing: Callable[[str], Symbol | None] = lambda path: None
) -> list[str]:
    """Canonical paths of the symbols that an entry names, in the order in which it does.

    Where the heading above it names some, the entry is about these.

    Args:
        entry: The entry.
        names: The symbols of a release.
        standing: What a path leads to there. Where an entry names a class and, by itself, something that it has
            (`The ``fit`` method of `Model` …`), it is about this one.
    """
    found = _named(entry.heading, names) or _named(entry.text, names)
    classes = [path for path in (*found, *_named(entry.lead, names)) if names.symbols[path].kind == "class"]
    words = [m for m in dict.fromkeys(_TICKED.findall(entry.text)) if "." not in m] if classes else []
    members = (standing(f"{cls}.{word}") for cls in classes[:MAX_CLASSES] for word in words[:MAX_WORDS])
    return list(dict.fromkeys([*found, *(s.path for s in members if s is not None and s.kind == "method")]))


def _named(text: str, names: Names) -> list[str]:
    written = [(m.start(), m.group(1)) for m in _TICKED.finditer(text) if not _KEYWORD.match(text, m.end())]
    plain = _TICKED.sub(lambda m: " " * len(m.group(0)), text)
    written += [(m.start(), m.group(1) or m.group(2)) for m in _BARE.finditer(plain)]
    paths = (names.find(name) for _, name in sorted(written))
    return list(dict.fromkeys(p for p in paths if p is not None and names.symbols[p].kind != "module"))


@dataclass
class _Reader:
    """Reads one page line by line.

    Bullets, rows of tables and paragraphs are entries; under a heading within a section all its paragraphs are one.
    """

    page: Page
    version: str | None = None
    headings: list[tuple[str, str]] = field(default_factory=list)
    """The levels and texts of the headings that a line stands under, those with a version left out."""
    levels: list[str] = field(default_factory=list)
    block: list[str] = field(default_factory=list)
    item: bool = False
    """Whether the block is an item of a list or a table, which is an entry of its own."""
    indent: int = 0
    """Of an item of a list."""
    leads: list[tuple[int, str]] = field(default_factory=list)
    """What lists begin with: paragraphs and items that end in a colon, with their indents, the outermost first."""
    body: list[str] = field(default_factory=list)
    """The paragraphs below a heading within a section."""

    def entries(self) -> Iterator[Entry]:
        """The entries of the page."""
        self.version = _last_version(self.page.path)
        fixed = self.version is not None
        lines = self.page.markdown.split("\n")
        columns: list[int] = []
        rulers = 0
        for i, line in enumerate(lines):
            after = lines[i + 1] if i + 1 < len(lines) else ""
            if _RULER.match(line):
                yield from self._ended()
                columns, rulers = [m.start() for m in re.finditer(r"=+", line)], rulers % 3 + 1
            elif rulers in (1, 2):
                yield from self._row(line, columns, head=rulers == 1)
            elif line.startswith("#") or (_UNDERLINE.match(after) and line.strip() and not _UNDERLINE.match(line)):
                yield from self._ended(body=True)
                self._headed(line, after, fixed=fixed)
            elif line.startswith("|") and line.count("|") > 2:
                yield from self._ended()
                if not _DASHES.match(after) and not _DASHES.match(line):
                    yield from self._cells([c.strip() for c in line.strip().strip("|").split("|")])
            elif bullet := _BULLET.match(line):
                yield from self._ended()
                self.block, self.item, self.indent = [bullet.group(2)], True, len(bullet.group(1))
            elif not line.strip() or _UNDERLINE.match(line):
                yield from self._ended()
            else:
                self.block.append(line)
        yield from self._ended(body=True)

    def _headed(self, line: str, after: str, *, fixed: bool) -> None:
        text = line.strip("# ").strip()
        self.leads.clear()
        version = _first_version(text)
        if version and not fixed:
            self.version = version
        if version and _is_title(text):
            self.headings.clear()
            return
        level = line[: len(line) - len(line.lstrip("#"))] or after[:1]
        if level not in self.levels:
            self.levels.append(level)
        depth = self.levels.index(level)
        self.headings = [h for h in self.headings if self.levels.index(h[0]) < depth] + [(level, text)]

    def _ended(self, *, body: bool = False) -> Iterator[Entry]:
        """The entry that a block makes; below a heading paragraphs gather until the next one (`body`)."""
        block, self.block = self.block, []
        lead = self._lead(block) if block else ""
        if block and len(self.headings) > 1 and not self.item:
            self.body += [] if _ASIDE.match(block[0]) else [_line(block)]
        elif block:
            yield from self._entry(_line(block), lead=lead)
        self.item = False
        if body and self.body:
            heading = self.headings[-1][1]
            gathered, self.body = self.body, []
            yield from self._entry(f"{heading}. {' '.join(gathered)}", heading)

    def _lead(self, block: list[str]) -> str:
        """What the list begins with of which an item is but a name: `These now raise an error:`."""
        text = _line(block)
        depth = self.indent if self.item else len(block[0]) - len(block[0].lstrip()) - 1
        self.leads = [lead for lead in self.leads if lead[0] < depth]
        lead = self.leads[-1][1] if self.leads and self.item else ""
        if text.endswith(":") and not text.endswith("::"):
            self.leads.append((depth, f"{lead} {text}".strip()[:MAX_LEAD]))
        return lead

    def _row(self, line: str, columns: list[int], *, head: bool) -> Iterator[Entry]:
        """A row of a simple table; one whose first cell is empty goes on with the row before."""
        cells = [line[a:b].strip() for a, b in zip(columns, [*columns[1:], len(line) + 1], strict=True)]
        if head or not line.strip():
            return
        if cells[0]:
            yield from self._ended()
            self.block, self.item, self.indent = [_ticked(cells[0]) + ":", *cells[1:]], True, 0
        else:
            self.block += cells

    def _cells(self, cells: list[str]) -> Iterator[Entry]:
        yield from self._entry(f"{_ticked(cells[0])}: {' '.join(cells[1:])}")

    def _entry(self, text: str, heading: str = "", lead: str = "") -> Iterator[Entry]:
        """An entry; where it is but a name, what its list begins with says what is the matter."""
        if self.version:
            section = ", ".join(h for _, h in self.headings if h != heading)
            words = re.findall(r"\w+", _ASIDES.sub("", _TICKED.sub("", text)))
            whole = f"{lead} {text}" if lead and len(words) < FEW else text
            yield Entry(whole[:MAX_TEXT], self.version, self.page.path, section, heading, lead)


def _line(block: list[str]) -> str:
    return " ".join(" ".join(block).split())


def _ticked(cell: str) -> str:
    """A table's first cell, as a name where it is one."""
    name = cell.replace("\\", "")
    return f"``{name}``" if re.fullmatch(r"[A-Za-z_][\w.]*", name) else cell


def _is_title(text: str) -> bool:
    """Whether a heading with a version is that of the version's notes, not of one of its items."""
    return len(text) < 60 and "`" not in text


def _first_version(text: str) -> str | None:
    match = _VERSION.search(text)
    return match.group(1) if match and _is_version(match.group(1)) else None


def _last_version(path: str) -> str | None:
    """The version in a file's name: `release_3.0.rst`, `migration_from_2.x_to_3.0.rst`."""
    stem = re.sub(r"\.(rst|md|txt)$", "", path.rpartition("/")[2])
    found = re.findall(r"(?<![\d.])v?(\d+(?:\.\d+)+)(?![\d.]*x)", stem)
    return found[-1] if found and _is_version(found[-1]) else None


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except ValueError:  # none, or of more digits than Python reads
        return False
    return True
