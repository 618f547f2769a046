"""The splitter against an independent check, over a real library: every test function of networkx as a row."""

from __future__ import annotations

import ast
import copy
from collections import Counter
from dataclasses import dataclass

import pytest

from registry.families import Families
from registry.names import SymbolIndex
from registry.records import Example, Page, Program
from scrapers.changes import find_changes
from scrapers.pypi import PyPISource
from validators.curation.leaks import leaks
from validators.parts import measured
from validators.references import Reader
from validators.splits import CONTEXT, DEV, SYMBOL, TRAIN, Assignment, assign, hubs, plan

pytestmark = pytest.mark.slow  # two releases are downloaded and read: about a minute


@dataclass
class Library:
    """Rows of a library's test functions, with a call site for each family that one names."""

    examples: dict[str, Example]
    programs: dict[str, Program]
    naming: dict[str, frozenset[str]]
    families: Families

    def assigned(self, salt: str = "driftune") -> Assignment:
        tests = [e for e in self.examples.values() if e.kind == "test"]
        drawn = plan(salt, self.examples.values(), hubs({e.id: self.naming[e.id] for e in tests}, 0.1))
        sites: dict[str, set[str]] = {}
        for e in self.examples.values():
            if e.kind != "test" and drawn.of_site(e) != TRAIN:
                sites.setdefault(measured(e), set()).add(e.id)
        copied = {e.id: frozenset(sites[measured(e)]) for e in tests if measured(e) in sites}
        return assign(self.examples.values(), self.naming, drawn, copied=copied)

    def sites(self, split: dict[str, str], where: str) -> Counter[str]:
        return Counter(
            self.examples[n].family or "" for n, s in split.items() if s == where and self.examples[n].kind != "test"
        )


@pytest.fixture(scope="module")
def networkx(tmp_path_factory: pytest.TempPathFactory) -> Library:
    cache = tmp_path_factory.mktemp("networkx")
    old, new = (PyPISource().scrape({}, "networkx", version, cache) for version in ("2.8.8", "3.6.1"))
    indexes = SymbolIndex(old.symbols), SymbolIndex(new.symbols)
    families = Families(find_changes(old, new), *indexes)
    reader = Reader(families, indexes)
    made = Library({}, {}, {}, families)
    for page in new.pages:
        if page.kind == "test":
            add(made, reader, page)
    return made


def add(library: Library, reader: Reader, page: Page) -> None:
    """A row for each test function of a page, and one more for each family that it names."""
    tree = ast.parse(page.markdown)
    imports = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom)) and not getattr(n, "level", 0)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test"):
            continue
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        used = [n for n in imports if any((a.asname or a.name.partition(".")[0]) in names for a in n.names)]
        lines = [ast.unparse(type(n)(**{**vars(n), "names": kept(n, names)})) for n in used]
        program = Program(code="\n".join([*lines, ast.get_source_segment(page.markdown, node) or ""]), test="")
        library.programs[program.id] = program
        named = reader.families_of(program.code)
        for family in ("", *sorted(named)):
            key = f"{page.path}::{node.lineno}::{family}"
            row = Example(
                domain="networkx", kind="preference" if family else "test", releases=("new",), file=page.path, root=key,
                parts={"programs": {"chosen" if family else "answer": program.id}, "of": key}, family=family or None,
                generator="g", generator_version="1",
            )  # fmt: skip
            library.examples[row.id] = row
            library.naming[row.id] = named


def kept(node: ast.Import | ast.ImportFrom, names: set[str]) -> list[ast.alias]:
    return [a for a in node.names if (a.asname or a.name.partition(".")[0]) in names]


@pytest.mark.parametrize("salt", ["driftune", "another", "a third"])
def test_no_held_out_code_is_in_training(networkx: Library, salt: str) -> None:
    """Whatever the draw, tokens find no name of an unseen family in training, no shared file and no shared root."""
    split = dict(networkx.assigned(salt).split)
    assert list(leaks(split, networkx.examples, networkx.programs, networkx.families)) == []


def test_the_check_sees_what_was_left_out(networkx: Library) -> None:
    """With the rows that were left out put back into training, the check names every other one of them at least."""
    assigned = networkx.assigned()
    back = dict(assigned.split) | dict.fromkeys(assigned.left_out, TRAIN)
    found = list(leaks(back, networkx.examples, networkx.programs, networkx.families))
    seen = {line.split()[0] for line in found}
    assert len(seen & set(assigned.left_out)) > len(assigned.left_out) / 2


def test_a_held_out_family_that_nobody_knows_is_told(networkx: Library) -> None:
    """What names it can't be looked for: that is no curation to go on with."""
    split = dict(networkx.assigned().split)
    other = copy.copy(networkx.families)
    gone = next(e.family for e in networkx.examples.values() if split.get(e.id) == "symbol" and e.family)
    other.by_name = {name: family for name, family in other.by_name.items() if name != gone}
    [told] = [line for line in leaks(split, networkx.examples, networkx.programs, other) if "no such family" in line]
    assert told.startswith(str(gone))


def test_split_feeds_gate_and_training(networkx: Library) -> None:
    """Context holds families enough for the gate, all of them trained on; training keeps most of the rows."""
    split = dict(networkx.assigned().split)
    context, train = networkx.sites(split, CONTEXT), networkx.sites(split, TRAIN)
    unseen = set(networkx.sites(split, SYMBOL)) | set(networkx.sites(split, DEV))
    assert len(context) >= 25
    assert not unseen & (set(context) | set(train))
    kept_tests = sum(networkx.examples[n].kind == "test" for n in split)
    assert kept_tests > 0.7 * sum(e.kind == "test" for e in networkx.examples.values())
    assert set(context) <= set(train)
