"""What is read of documentation sites, against what Sphinx, griffe and docutils say is there.

    python benchmarks/inventory.py [SITE…] [--list N] [--json]

SITE is a name of `built_sites`, or the folder of a built Sphinx site, of which only `found` can be said.

* `found`: of the public Python objects in `objects.inv`, as sphobjinv reads it, how many are an entry under that name.
* `signatures`: of the entries that griffe finds in the wheel of the same version and whose head has brackets, how many
  have the same parameters: names, kinds, defaults.
* `blocks`: of the blocks with prompts that docutils finds in the reST sources, how many stand in the Markdown letter by
  letter.

What is missing is listed, each with its reason.
"""

from __future__ import annotations

import argparse
import ast
import html
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from built_sites import BUILDS, DEBIAN, PINS, site_of
from competitors import BenchmarkError, interpreter_with
from ratios import Result, Target, exit_code, table

from registry.records import Symbol
from registry.settings import Settings
from scrapers.documents import Document, Entry, Parsed
from scrapers.entries import CALLABLE
from scrapers.pypi import PyPISource
from scrapers.sites import is_page
from scrapers.sphinx import Sphinx
from scrapers.texts import decoded

TARGETS = {"found": Target("found", 0.99), "signatures": Target("signatures", 0.97), "blocks": Target("blocks", 0.98)}

_INVENTORY = """
import json, sys, sphobjinv
rows = [[o.name, o.role, o.uri_expanded] for o in sphobjinv.Inventory(sys.argv[1]).objects if o.domain == "py"]
print(json.dumps(rows))
"""


@dataclass
class Figure:
    """How many of how many, and what is missing: (name, reason).

    Attributes:
        noted: Of blocks, how many have doctest's options or `<BLANKLINE>`, which Sphinx leaves out of its HTML.
    """

    site: str
    name: str
    right: int = 0
    of: int = 0
    missing: list[tuple[str, str]] = field(default_factory=list)
    noted: int = 0

    def add(self, name: str, reason: str | None) -> None:
        """Counts one; a reason says why it is missing."""
        self.of += 1
        self.right += reason is None
        if reason is not None:
            self.missing.append((name, reason))


@dataclass
class Site:
    """A site as it is read."""

    name: str
    folder: Path
    pages: Mapping[str, Parsed]

    @property
    def entries(self) -> Iterator[tuple[str, Entry]]:
        """(name, entry) for each name that an entry has."""
        for page in self.pages.values():
            for entry in page.entries:
                for name in (entry.path, *entry.aliases):
                    yield name, entry


def main() -> int:
    """Compares, prints and judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sites", nargs="*", default=[*BUILDS, "pandas-1.5.3"], help="names, or folders of built sites")
    parser.add_argument("--list", type=int, default=20, help="how many missing ones of each figure are listed")
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument("--cache", type=Path, default=Settings().root / "benchmarks", help="where sites are kept")
    asked = parser.parse_args()
    cache = asked.cache.absolute()
    try:
        figures = [figure for name in asked.sites for figure in measured(name, cache)]
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    results = list(judged(figures))
    print("\n".join(r.line() for r in results) if asked.json else table(results))
    for figure in figures if not asked.json else ():
        print(f"\n{figure.site}: {figure.name} {figure.right} of {figure.of}")
        print("\n".join(f"  {name}: {reason}" for name, reason in figure.missing[: asked.list]))
    return exit_code(results)


def judged(figures: list[Figure]) -> Iterator[Result]:
    """One result a figure: the share over all sites, and each site's beside it."""
    for name, target in TARGETS.items():
        mine = [f for f in figures if f.name == name and f.of]
        share = sum(f.right for f in mine) / sum(f.of for f in mine) if mine else 0
        shown = {f.site: f"{f.right}/{f.of}" for f in mine}
        yield Result(target, [share] if mine else [], shown, "" if mine else "no site of this run can tell it")


def measured(name: str, cache: Path) -> Iterator[Figure]:
    """The figures of one site."""
    folder = site_of(name, cache) if name in (*BUILDS, *DEBIAN) else Path(name)
    site = Site(name, folder, read(folder))
    yield found(site, cache)
    library, _, version = name.rpartition("-")
    if name in BUILDS:
        yield signatures(site, library, version, cache)
    if (folder / "blocks.jsonl").exists():
        yield blocks(site)


def read(folder: Path) -> dict[str, Parsed]:
    """The pages of a folder, by path."""
    sphinx = Sphinx()
    inventory = folder / "objects.inv"
    facts = sphinx.facts({"objects.inv": inventory.read_bytes()} if inventory.exists() else {})
    paths = [f.relative_to(folder).as_posix() for f in sorted(folder.rglob("*.html"))]
    texts = ((path, decoded((folder / path).read_bytes())) for path in paths if is_page(path))
    return {path: sphinx.parse(Document(path, "", text), facts.get(path)) for path, text in texts}


def found(site: Site, cache: Path) -> Figure:
    """Which public Python objects of the inventory are entries."""
    python = interpreter_with(PINS, cache, "sphinx-")
    command = [str(python), "-c", _INVENTORY, str(site.folder / "objects.inv")]
    listed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    known = {name for name, _ in site.entries}
    figure = Figure(site.name, "found")
    for name, role, uri in listed:
        if not any(part.startswith("_") for part in name.split(".")):
            figure.add(name, None if name in known else f"py:{role} at {_why(site, uri)}")
    return figure


def _why(site: Site, uri: str) -> str:
    path, _, anchor = uri.partition("#")
    if path not in site.pages:
        return f"{path}, which is no page that is read"
    text = (site.folder / path).read_text(encoding="utf-8", errors="replace")
    return f"{uri}" + ("" if f'id="{anchor}"' in text else ", an anchor that the page doesn't have")


def signatures(site: Site, library: str, version: str, cache: Path) -> Figure:
    """Which parameters are those that griffe reads from the wheel.

    Counted is what has a signature in the wheel and brackets in its head, whether or not the head was understood.
    """
    symbols: dict[str, Symbol] = {}
    for symbol in PyPISource().scrape({}, library, version, cache / "packages").symbols:
        for name in (symbol.path, *symbol.aliases):
            symbols.setdefault(name, symbol)
    shown: dict[str, list[Entry]] = {}
    for name, entry in site.entries:
        symbol = symbols.get(name)
        told = entry.signature is not None or (entry.kind in CALLABLE and _has_brackets(site, name))
        if symbol is not None and symbol.signature is not None and told:
            shown.setdefault(symbol.path, []).append(entry)
    figure = Figure(site.name, "signatures")
    by_hand = _by_hand(site.folder)
    for path, entries in sorted(shown.items()):
        theirs = normalised(symbols[path])
        right = any(_same(normalised(entry), theirs) for entry in entries)  # some are documented twice, once without
        figure.add(path, None if right else _difference(entries[0], symbols[path], by_hand))
    return figure


def _has_brackets(site: Site, name: str) -> bool:
    """Whether a head of that name has brackets, as the page's HTML has it: what we read of it is what is measured."""
    head = re.compile(rf'<dt[^>]*\bid="{re.escape(name)}"[^>]*>(.*?)</dt>', re.DOTALL)
    for path in site.pages:
        found = head.search((site.folder / path).read_text(encoding="utf-8", errors="replace"))
        if found:
            return "(" in html.unescape(re.sub(r"<[^>]*>", "", found[1]))
    return False


def _by_hand(folder: Path) -> set[str]:
    """The last parts of names whose signature the sources of the pages write out."""
    texts = (f.read_text(encoding="utf-8", errors="replace") for f in sorted((folder / "_sources").rglob("*.txt")))
    written = re.compile(
        r"(?m)^ *(?:\.\. |```\{)(?:py:)?(?:auto)?(?:function|class|method|exception)(?:::|\}) *([\w.]+)(\(?)"
    )
    plain = re.compile(r"(?m)^ *\.\. (?:py:)?(?:function|class|method)::")
    found: set[str] = set()
    for text in texts:
        found |= {n.rpartition(".")[2] for n, opened in written.findall(text) if opened or plain.search(text)}
    return found


def _difference(entry: Entry, symbol: Symbol, by_hand: set[str]) -> str:
    ours, theirs = normalised(entry), normalised(symbol)
    if entry.path.rpartition(".")[2] in by_hand or symbol.path.rpartition(".")[2] in by_hand:
        reason = "written by hand in the docs"
    elif [p[:2] for p in ours] == [p[:2] for p in theirs]:
        reason = "a default as a value, not as written"
    elif entry.signature is None:
        reason = "not read"
    elif not ours and entry.signature != "()":
        reason = "no Python"
    else:
        reason = "another signature at run time"
    return f"{reason}: {entry.signature}, griffe: {symbol.signature}"


def normalised(found: Entry | Symbol) -> list[tuple[str, str, str | None]]:
    """(name, kind, default) of each parameter, defaults as Python reads them."""
    return [(p["name"], p["kind"], _value(p["default"])) for p in found.parameters]  # type: ignore[index,call-overload]


def _same(shown: list[tuple[str, str, str | None]], written: list[tuple[str, str, str | None]]) -> bool:
    """Whether two lists of parameters are the same; of a class as default Sphinx shows the whole path."""
    if [row[:2] for row in shown] != [row[:2] for row in written]:
        return False
    pairs = [(a[2], b[2]) for a, b in zip(shown, written, strict=True)]
    return all(a == b or (a and b and re.fullmatch(r"[\w.]+", b) and a.endswith(f".{b}")) for a, b in pairs)


def _value(default: str | None) -> str | None:
    try:
        return None if default is None else ast.unparse(ast.parse(default, mode="eval"))
    except SyntaxError:
        return default


_FENCED = re.compile(
    r"^(?P<indent> *)(?P<mark>(?:[-:>]|\d+\.)? *)(?P<marks>`{3,})[^`\n]*\n(?P<code>.*?)\n\s*(?P=marks)$", re.M | re.S
)


def blocks(site: Site) -> Figure:
    """Which blocks with prompts of the sources stand in the Markdown."""
    figure = Figure(site.name, "blocks")
    rows = [json.loads(line) for line in (site.folder / "blocks.jsonl").read_text(encoding="utf-8").splitlines()]
    written = {path: Counter(_fenced(page.markdown)) for path, page in site.pages.items()}
    for row in rows:
        text = row["shown"].strip("\n")
        if text.lstrip().startswith(">>>"):
            path = f"{row['page']}.html"
            there = written.get(path, Counter())
            reason = None if there[text] > 0 else f"not so on {path}" if path in written else f"{path} isn't read"
            there[text] -= 1
            figure.add(json.dumps(text[:200]), reason)
            figure.noted += text != row["source"].strip("\n")
    return figure


def _fenced(markdown: str) -> Iterator[str]:
    for block in _FENCED.finditer(markdown):
        width = len(block["indent"] + block["mark"])
        yield "\n".join(line[width:] for line in block["code"].split("\n"))


if __name__ == "__main__":
    sys.exit(main())
