"""Looks for what is held out in what a snapshot trains on, with other means than driftune's own.

    python scripts/leaks.py HOME [DOMAIN]      HOME: a DRIFTUNE_HOME with a finished curation

It reads the catalogue and nothing else of driftune: names are taken from compiled bytecode (not from syntax trees or
tokens, as curation and its check do), copies are found by runs of words. What docs in prompts show is cut elsewhere
(`finetune.retrieval`), and not looked at here. It prints a line for each leak and a summary, and ends with 1 where
there is a leak, with 2 where there is no snapshot.
"""

from __future__ import annotations

import dis
import json
import re
import sys
import types
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

COPIED = 0.8
"""A training program copies an evaluated one if they share this much of their runs of five words, and it names what is
measured there; a page, if it has this much of the evaluated one's runs."""

_ROWS = """
SELECT e.id, s.split, e.kind, coalesce(e.family, ''), e.file, e.root, e.parts::VARCHAR,
       list(p.code || chr(10) || p.test ORDER BY x.role IN ('new', 'chosen', 'fixed', 'answer', 'after', 'original',
            'whole') DESC, x.role) FILTER (p.id IS NOT NULL)
FROM latest_snapshots l JOIN snapshot_rows s USING (snapshot) JOIN examples e ON e.id = s.example
LEFT JOIN example_programs x ON x.example = e.id LEFT JOIN programs p ON p.id = x.program
WHERE l.domain = $domain GROUP BY ALL ORDER BY e.id
"""


@dataclass(frozen=True)
class Row:
    """A row of the snapshot: where it is, what it is of, and all it says, of its programs the right one first."""

    id: str
    split: str
    kind: str
    family: str
    file: str
    root: str
    codes: tuple[str, ...]
    prose: str

    @property
    def is_site(self) -> bool:
        """Whether it is a call site: these say what is held out, and other rows go with them."""
        return self.kind in ("preference", "drift") and bool(self.family)


def rows_of(connection: duckdb.DuckDBPyConnection, domain: str) -> list[Row]:
    """The rows of a domain's latest snapshot."""
    rows = []
    for name, split, kind, family, file, root, parts, codes in connection.execute(_ROWS, {"domain": domain}).fetchall():
        held = json.loads(parts)
        told = [held.get("text"), *(part.get(key) for part in held.get("context", ()) for key in ("path", "text"))]
        told += [held.get("prompt")] if kind != "preference" else []  # whose prompt is the head of its programs
        prose = "\n".join(str(text) for text in told if text)
        rows.append(Row(name, split, kind, family, file, root, tuple(codes or ()), prose))
    return rows


def paths_of(connection: duckdb.DuckDBPyConnection, families: set[str]) -> dict[str, set[str]]:
    """Family -> every path of what it is named for, and of what that was renamed to or from."""
    symbols = [
        (path, {path, *aliases}) for path, aliases in connection.execute("SELECT path, aliases FROM symbols").fetchall()
    ]
    known: dict[str, set[str]] = defaultdict(set)
    for _, paths in symbols:
        for path in paths:
            known[path] |= paths
    renamed = defaultdict(set)
    pairs = "SELECT symbol, replacement FROM changes WHERE kind IN ('renamed', 'moved') AND replacement IS NOT NULL"
    for symbol, replacement in connection.execute(pairs).fetchall():
        renamed[symbol].add(replacement)
        renamed[replacement].add(symbol)
    found = {}
    for family in families:
        left, paths = [family], set()
        while left:
            path = left.pop()
            if path not in paths:
                paths.add(path)
                left += [*known.get(path, ()), *renamed.get(path, ())]
        found[family] = paths
    return found


def methods_of(connection: duckdb.DuckDBPyConnection, families: dict[str, set[str]]) -> dict[str, set[str]]:
    """Family -> names of methods that only its classes have, and nothing else of the library nor a built-in type."""
    classes: dict[str, set[str]] = defaultdict(set)
    owners: dict[str, set[str]] = defaultdict(set)
    for path, kind in connection.execute("SELECT DISTINCT path, kind FROM symbols").fetchall():
        owner, _, name = path.rpartition(".")
        if kind == "class":
            classes[path] |= {family for family, paths in families.items() if path in paths}
        if kind != "module":
            owners[name].add(owner)
    known = {name for kind in (dict, list, set, str, bytes, tuple, int, float, Counter) for name in dir(kind)}
    found: dict[str, set[str]] = defaultdict(set)
    for name, at in owners.items():
        of = [classes.get(owner, set()) for owner in at]
        for family in set.intersection(*of) if not name.startswith("_") and name not in known else ():
            found[family].add(name)
    return found


@cache
def names_in(code: str) -> set[str]:
    """Dotted names that code loads, with what its imports bind spelled out; words where it doesn't compile."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a task's `...(1)` is no call that anybody makes
            compiled = compile(code, "row", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"[A-Za-z_][\w.]*", code))
    bound: dict[str, str] = {}
    chains = [chain for inner in _codes(compiled) for chain in _chains(inner, bound)]
    names = set(bound.values())
    for head, *rest in chains:
        names.add(".".join([bound.get(head, head), *rest]))
    return names


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _codes(inner)


def _chains(code: types.CodeType, bound: dict[str, str]) -> Iterator[list[str]]:
    """Runs of a load and its attributes; what imports bind goes to `bound`."""
    chain: list[str] = []
    module = imported = ""
    listed: object = None  # what a `from` lists; None for a plain import, also one with `as`, which walks to its end
    constant: object = None
    for step in dis.get_instructions(code):
        name = str(step.argval)
        if step.opname == "IMPORT_NAME":
            module, listed = name, constant
            imported = name if "." not in name else ""
        elif step.opname == "IMPORT_FROM":
            imported = f"{module}.{name}" if listed else module
        elif step.opname.startswith("STORE_") and module:
            bound[name] = imported or name
            imported, module = "", module if listed else ""
        constant = step.argval if step.opname == "LOAD_CONST" else constant
        if step.opname in ("LOAD_ATTR", "LOAD_METHOD") and chain:
            chain.append(name)
            continue
        if chain:
            yield chain
        chain = [name] if step.opname in ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FAST", "LOAD_DEREF") else []
    if chain:
        yield chain


def quoted(text: str) -> list[str]:
    """Code in a page: itself, its doctests, its fenced blocks."""
    prompts = "\n".join(re.findall(r"^[ \t]*(?:>>>|\.\.\.) ?(.*)$", text, re.MULTILINE))
    return [text, prompts, *re.findall(r"^[ \t]*```[^\n]*\n(.*?)```", text, re.MULTILINE | re.DOTALL)]


def runs(text: str) -> set[tuple[str, ...]]:
    """Runs of five words or marks of a text."""
    words = re.findall(r"\w+|[^\w\s]", text)
    return {tuple(words[i : i + 5]) for i in range(len(words) - 4)}


class Search:
    """What is held out, and what gives it away."""

    def __init__(self, rows: list[Row], paths: dict[str, set[str]], methods: dict[str, set[str]]) -> None:
        self.paths = paths
        self.methods = methods
        self.unseen = {r.family for r in rows if r.split in ("symbol", "dev") and r.is_site}
        self.by_file = {(r.family, r.file) for r in rows if r.split == "context" and r.is_site}
        self.roots = {r.root for r in rows if r.split != "train"}
        self.copied: dict[tuple[str, ...], list[int]] = defaultdict(list)
        self.evaluated: list[tuple[Row, int, set[str]]] = []
        self.programs: dict[str, str] = {}
        self.asked = [row for row in rows if row.split != "train" and row.codes]
        for row in self.asked:
            if row.codes[0] not in self.programs:
                found = runs(row.codes[0])
                self.evaluated.append((row, len(found), self._measured(row)))
                for run in found:
                    self.copied[run].append(len(self.evaluated) - 1)
            self.programs.setdefault(row.codes[0], row.id)
        self.words = {name for _, _, names in self.evaluated for name in names}

    def _measured(self, row: Row) -> set[str]:
        """The last parts of the names of what a row is held out for."""
        if row.is_site:
            return {row.family.rpartition(".")[2]}
        held = self.held_in(row.file)
        return {f.rpartition(".")[2] for f in held if self._named(f, names_in(row.codes[0]), row.prose)}

    def held_in(self, file: str) -> set[str]:
        """The families that no training row of a file may name."""
        return self.unseen | {family for family, other in self.by_file if other == file}

    def mixed(self) -> Iterator[str]:
        """One line for each root in several splits, and each program that `dev` shares with a row of another one."""
        of_root: dict[str, set[str]] = defaultdict(set)
        of_code: dict[str, set[str]] = defaultdict(set)
        for row in self.asked:
            of_root[row.root].add(row.split)
            of_code[row.codes[0]].add(row.split)
        for row in self.asked:
            if len(of_root[row.root]) > 1:
                yield f"{row.id} ({row.kind}, {row.file}) has a root in {', '.join(sorted(of_root[row.root]))}"
            if not row.is_site and "dev" in of_code[row.codes[0]] and len(of_code[row.codes[0]]) > 1:
                yield f"{row.id} ({row.kind}, {row.file}) has a program in {', '.join(sorted(of_code[row.codes[0]]))}"

    def leaks(self, row: Row) -> Iterator[str]:
        """One line for each way in which a training row gives something away."""
        if row.root in self.roots:
            yield "shares its root with an evaluation row"
        held = self.held_in(row.file)
        if row.family in held:
            yield f"trains on {row.family}, which is held out"
        codes = [*row.codes, *(quoted(row.prose) if row.prose.strip() else [])]
        names = {name for code in codes for name in names_in(code)} if held else set()
        blocks = quoted(row.prose)[1:] if held and row.kind == "text" else []
        called = {word for code in blocks for name in names_in(code) for word in name.split(".")[1:]}
        for family in sorted(held):
            if told := sorted(called & self.methods.get(family, set())):
                yield f"calls {told[0]} of {family}, which is held out"
            if found := self._named(family, names, row.prose):
                yield f"names {found} of {family}, which is held out"
        for code in row.codes:
            if code in self.programs:
                yield f"holds the program of {self.programs[code]}, which is held out"
        yield from self._copies(codes, row.kind == "text")

    def _named(self, family: str, names: set[str], prose: str) -> str:
        for path in sorted(self.paths[family]):
            if path in names or any(name.startswith(f"{path}.") for name in names):
                return path
            if path in prose and re.search(rf"(?<![\w.]){re.escape(path)}\b", prose):
                return path
        return ""

    def _copies(self, codes: list[str], is_page: bool) -> Iterator[str]:
        for code in codes:
            if self.words.isdisjoint(re.findall(r"\w+", code)):
                continue
            own = runs(code)
            hits = Counter(place for run in own for place in self.copied.get(run, ()))
            for place, count in hits.items():
                row, whole, names = self.evaluated[place]
                either = whole if is_page else whole + len(own) - count
                if count >= COPIED * either and any(re.search(rf"\b{name}\b", code) for name in names):
                    yield f"copies {row.id}, a {'site' if row.is_site else row.kind} of {row.split}"
                    return


def main() -> int:
    """Runs the search; the exit status."""
    home = Path(sys.argv[1])
    with duckdb.connect(str(home / "driftune.duckdb"), read_only=True) as connection:
        known = [name for (name,) in connection.execute("SELECT domain FROM latest_snapshots ORDER BY 1").fetchall()]
        if not known:
            print(f"No finished curation in {home}")
            return 2
        status = 0
        for domain in sys.argv[2:] or known:
            rows = rows_of(connection, domain)
            paths = paths_of(connection, {r.family for r in rows if r.family})
            search = Search(rows, paths, methods_of(connection, paths))
            trained = [row for row in rows if row.split == "train"]
            found = [(row, leak) for row in trained for leak in search.leaks(row)]
            lines = [f"{row.id} ({row.kind}, {row.file}) {leak}" for row, leak in found] + list(search.mixed())
            for line in lines:
                print(line)
            sites = sum(row.is_site for row in search.asked)
            pages = sum(row.kind == "text" for row in trained)
            print(
                f"{domain}: {len(lines)} leaks in {len(trained):,} training rows ({pages:,} of them pages); held out: "
                f"{len(search.unseen)} families, {len(search.by_file)} files of others, {sites:,} rows of sites, "
                f"{len(search.asked) - sites:,} of other kinds"
            )
            status |= bool(lines)
    return status


if __name__ == "__main__":
    sys.exit(main())
