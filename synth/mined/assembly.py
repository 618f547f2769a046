"""Code and test from their statements: unused ones left out, imports where they are read, blank lines."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass

from synth.dataflow import BUILTINS, flow, flow_all, nodes
from synth.mined.statements import plain_functions
from synth.source import parsed


@dataclass(frozen=True)
class Line:
    """A statement's text with what it does, to find out later what is unused."""

    text: str
    tree: ast.stmt
    comment: str = ""


def line_of(text: str, comment: str = "") -> Line:
    """A line of a text, read."""
    return Line(text, parsed(text)[0], comment)


def pruned(code: list[Line], test: list[Line], inert: Container[str]) -> tuple[list[Line], list[Line]]:
    """Without constants and definitions that nobody reads; what only the test reads of these goes there.

    Args:
        code: Lines of the code.
        test: Lines of the test.
        inert: Names that only ever have a known value.
    """
    code, test = _expected_apart(code, test)
    given = _given(code, test, inert)
    while True:
        in_code = [flow(line.tree).reads for line in code]
        in_test = frozenset().union(*(flow(line.tree).reads for line in test))
        moved: list[Line] = []
        kept: list[Line] = []
        for i, line in enumerate(code):
            binds = flow(line.tree).binds
            definition = isinstance(line.tree, _DEFINITIONS)
            constant = isinstance(line.tree, ast.Assign) and bool(binds) and all(n in given for n in binds)
            used = any(binds & reads for j, reads in enumerate(in_code) if j != i)
            if not (definition or constant) or used:
                kept.append(line)
            elif binds & in_test:
                moved.append(line)
        if len(kept) == len(code):
            return code, [*_imported_again(code, test), *test]
        code, test = kept, moved + test


def _imported_again(code: list[Line], test: list[Line]) -> list[Line]:
    """Imports of the code that the test reads too: an answer may have imported otherwise."""
    what = flow_all(line.tree for line in test)
    wanted = what.reads - what.binds
    return [
        line for line in code if isinstance(line.tree, (ast.Import, ast.ImportFrom)) and flow(line.tree).binds & wanted
    ]


_DEFINITIONS = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
_EXPECTED = re.compile(
    r"_?(expected|expect|exp|desired|wanted|want|correct|answer|ref|truth|soln?|solution)(_|\d|$)|\w+_$"
)


def _expected_apart(code: list[Line], test: list[Line]) -> tuple[list[Line], list[Line]]:
    """With what builds values in the test that only the test reads: expected objects, and what needs no library."""
    modules = flow_all(line.tree for line in code if isinstance(line.tree, _DEFINITIONS)).binds
    plain = plain_functions([line.tree for line in code])
    in_test = flow_all(line.tree for line in test).reads
    for name in sorted(flow_all(line.tree for line in code).binds - modules):
        given = (modules if _EXPECTED.match(name) else plain) | BUILTINS | {name}
        own = [line for line in code if name in flow(line.tree).binds | flow(line.tree).changes]
        what = flow_all(line.tree for line in own)
        alone = what.binds | what.changes <= modules | {name} and what.reads <= given
        others = [line for line in code if not any(line is o for o in own)]
        if alone and not any(name in flow(line.tree).reads for line in others):
            code, test = others, [*(own if name in in_test else []), *test]
    return code, test


def _given(code: list[Line], test: list[Line], inert: Container[str]) -> frozenset[str]:
    """Names that are bound once to what the library isn't asked for: plain values, and what is named as expected."""
    bound = Counter(name for line in code for name in flow(line.tree).binds)
    changed = frozenset().union(*(flow(line.tree).changes for line in (*code, *test)))
    found = {name for name in bound if name in inert}
    known = {n for line in code if isinstance(line.tree, _DEFINITIONS) for n in flow(line.tree).binds} | found
    plain = plain_functions([line.tree for line in code])
    for line in code:
        match line.tree:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if bound[name] == 1 and name not in changed:
                calls = any(isinstance(n, ast.Call) and ast.unparse(n.func) not in plain for n in nodes(value))
                if flow(value).reads <= known | BUILTINS and (not calls or _EXPECTED.match(name)):
                    found.add(name)
                    known.add(name)
    return frozenset(found)


def joined(lines: list[Line]) -> str:
    """The script of `lines`: imports first, a blank line after them and around definitions."""
    parts: list[str] = []
    last: ast.stmt | None = None
    imports = [line for line in lines if isinstance(line.tree, (ast.Import, ast.ImportFrom))]
    others = [line for line in lines if line not in imports]
    for line in [*_trimmed(imports, lines), *others]:
        if last is not None and _kind(line.tree) != _kind(last):
            parts.append("")
            if "definition" in (_kind(line.tree), _kind(last)):
                parts.append("")
        elif last is not None and _kind(last) == "definition":
            parts += ["", ""]
        if line.comment:
            parts.append(line.comment)
        parts.append(line.text.rstrip())
        last = line.tree
    return "\n".join(parts) + "\n" if parts else ""


def _trimmed(imports: list[Line], lines: list[Line]) -> list[Line]:
    """Imports of the names that are read, each once, those from one module together; the standard library's first."""
    reads = frozenset().union(*(flow(line.tree).reads for line in lines))
    texts: dict[str, None] = {}
    members: dict[str, dict[str, None]] = {}
    for line in imports:
        node = line.tree
        if not flow(node).binds & reads:
            continue
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            names = members.setdefault(f"from {node.module} import ", {})
            names.update(dict.fromkeys(ast.unparse(alias) for alias in node.names))
        elif isinstance(node, ast.Import):
            texts.setdefault(line.text.strip())
    made = [*texts, *(head + ", ".join(sorted(names)) for head, names in members.items())]
    return sorted((line_of(text) for text in made), key=lambda line: not _is_stdlib(line.tree))


def _is_stdlib(node: ast.stmt) -> bool:
    name = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name  # type: ignore[attr-defined]
    return name.split(".")[0] in sys.stdlib_module_names


def _kind(node: ast.stmt) -> str:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return "import"
    return "definition" if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else "statement"
