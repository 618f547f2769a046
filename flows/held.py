"""What held-out rows are held out for: the calls in their programs of families that are kept out of training."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from registry.records import Example, Program
from registry.trees import parsed
from validators.parts import measured
from validators.splits import CONTEXT, SITES


@dataclass(frozen=True)
class Call:
    """A call in a program.

    Attributes:
        code: Its code.
        name: The last name of what it calls.
        family: The held-out family of that name; the symbol that the row shows first where it calls none.
    """

    code: str
    name: str
    family: str


def held_calls(held_out: Mapping[str, Sequence[Example]], programs: Mapping[str, Program]) -> dict[str, list[Call]]:
    """Id of each held-out row that is no call site and no page -> the calls in its right program it is held out for.

    Where it calls no held-out family by a name of its own, as rows do that copy a site, these are the calls of what it
    shows first.

    Args:
        held_out: Split -> its rows, call sites too.
        programs: Id -> program, of those that `measured` names.
    """
    sites = [(split, e) for split, rows in held_out.items() for e in rows if e.kind in SITES and e.family]
    unseen = {_last(e.family): e.family or "" for split, e in sites if split != CONTEXT}
    in_file: dict[str, dict[str, str]] = {}
    for split, e in sites:
        if split == CONTEXT:
            in_file.setdefault(e.file, {})[_last(e.family)] = e.family or ""
    found = {}
    for row in (row for rows in held_out.values() for row in rows if row.kind not in SITES):
        made = list(calls(programs[measured(row)].code)) if measured(row) in programs else []
        names = unseen | in_file.get(row.file, {})
        shown = {_last(path): path for path in row.symbols[:1]}
        held = [Call(code, name, names[name]) for code, name in made if name in names]
        found[row.id] = held or [Call(code, name, shown[name]) for code, name in made if name in shown]
    return found


def calls(code: str, begin: int = 1) -> Iterator[tuple[str, str]]:
    """Each call in code that ends in line `begin` or later, with the last name of what it calls.

    There is none where the code doesn't parse.
    """
    tree = parsed(code)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call) and (node.end_lineno or 0) >= begin:
            yield ast.get_source_segment(code, node) or "", getattr(node.func, "attr", getattr(node.func, "id", ""))


def named_families(rows: Iterable[Example], called: Mapping[str, Sequence[Call]]) -> dict[str, str]:
    """Id of a row -> the family that it counts for: that of its first call, else the symbol that it shows first."""
    first = {name: held[0].family for name, held in called.items() if held}
    return {e.id: e.family or first.get(e.id) or "".join(e.symbols[:1]) or e.root for e in rows}


def _last(path: str | None) -> str:
    return (path or "").rpartition(".")[2]
