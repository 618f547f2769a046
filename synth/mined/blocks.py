"""Code blocks of any form as doctest prompts: fences, directives, literal blocks, IPython's prompts.

What they state as output becomes a prompt's: a comment behind an expression (`f(1)  # -> 2`), comments or a block of
output below a `print`, IPython's `Out`, an `assert` of a literal. A block with `>>>` stays as it is.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from registry.trees import parse
from synth.folding import is_literal, reads_as_literal

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<marks>```+|~~~+)[ \t]*\{?(?P<name>[\w.+-]*)")
_DIRECTIVE = re.compile(r"^(?P<indent>[ \t]*)\.\. (?P<name>[\w-]+)::[ \t]*(?P<argument>\S*)")
_PYTHON = frozenset({"python", "python3", "py", "py3", "ipython", "ipython3", "code-cell", "testcode", "pycon"})
_CODE = frozenset({"code-block", "code", "sourcecode", "ipython", "testcode"})
_OUTPUT = frozenset({"text", "console", "output", "testoutput", "none", "plain"})
_IN = re.compile(r"^[ \t]*In ?\[\d*\]: ?")
_MORE = re.compile(r"^[ \t]*\.\.\.+: ?")
_OUT = re.compile(r"^[ \t]*Out ?\[\d*\]: ?")
_STATED = re.compile(r"^#+>? ?(?:->|=>|→|>|[Oo]utput:|[Rr]eturns:?|[Pp]rints:?)?[ \t]*(?P<value>\S.*)$")
_MARKED = re.compile(r"^#+(?:>| ?(?:->|=>|→|>|[Oo]utput:))[ \t]*\S")


@dataclass
class _Block:
    """Lines of a text: prose, code or output."""

    kind: str
    lines: list[str]

    @property
    def text(self) -> str:
        return textwrap.dedent("\n".join(self.lines)).strip("\n")


def prompted(text: str) -> str:
    """The text with its code blocks as prompts; the same text where it has none that can be read."""
    if not any(mark in text for mark in ("```", "~~~", ".. ", "::\n", "In [")):
        return text
    parts: list[str] = []
    blocks = list(_blocks(text.splitlines()))
    for at, block in enumerate(blocks):
        if block.kind != "code" or any(line.lstrip().startswith(">>>") for line in block.lines):
            parts.append("\n".join(block.lines) if block.kind != "output" else "")
            continue
        rest = [b for b in blocks[at + 1 :] if b.kind != "prose" or len(b.text.splitlines()) > 1]  # `This prints:`
        output = rest[0].text if rest and rest[0].kind == "output" else ""
        made = _from_ipython(block.text) if _IN.search(block.text) else _from_plain(block.text, output)
        parts.append(f"\n{made}\n" if made else "\nA block that isn't read.\n")
    return "\n".join(parts)


def _blocks(lines: list[str]) -> Iterator[_Block]:
    prose: list[str] = []
    at = 0
    while at < len(lines):
        kind, end, inner = _block_at(lines, at)
        if kind is None:
            prose.append(lines[at])
            at += 1
            continue
        if kind == "other":
            prose += lines[at:end]
        else:
            yield _Block("prose", prose)
            prose = []
            yield _Block(kind, inner)
        at = end
    yield _Block("prose", prose)


def _block_at(lines: list[str], at: int) -> tuple[str | None, int, list[str]]:
    """What begins at a line: its kind (None: no block; other: a block of something else), its end, its lines."""
    if fence := _FENCE.match(lines[at]):
        end = at + 1
        while end < len(lines) and not lines[end].strip().startswith(fence["marks"]):
            end += 1
        return _kind(fence["name"].lower()), min(end + 1, len(lines)), _without_options(lines[at + 1 : end])
    directive = _DIRECTIVE.match(lines[at])
    if directive or (lines[at].rstrip().endswith("::") and lines[at].strip() != "::"):
        margin = len(lines[at]) - len(lines[at].lstrip())
        end = at + 1
        while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > margin):
            end += 1
        inner = _without_options(lines[at + 1 : end])
        if directive is None:
            return ("code" if _is_python(inner) else None), end, inner
        name = directive["argument"].lower() if directive["name"] in _CODE else ""
        if directive["name"] in ("testcode", "ipython"):
            name = "python"
        return (None if directive["name"] not in _CODE | _OUTPUT else _kind(name or directive["name"])), end, inner
    if _IN.match(lines[at]):
        end = at
        while end < len(lines) and (lines[end].strip() or (end + 1 < len(lines) and _IN.match(lines[end + 1]))):
            end += 1
        return "code", end, lines[at:end]
    return None, at, []


def _kind(name: str) -> str:
    return "code" if name in _PYTHON else "output" if name in _OUTPUT else "other"


def _without_options(lines: list[str]) -> list[str]:
    """A directive's lines without its options (`:okwarning:`, or a header of YAML)."""
    at = 0
    while at < len(lines) and re.match(r"^[ \t]*(:[\w-]+:.*)?$", lines[at]):
        at += 1
    if at < len(lines) and lines[at].strip() == "---":
        ends = [i for i in range(at + 1, len(lines)) if lines[i].strip() == "---"]
        at = ends[0] + 1 if ends else at
    return lines[at:]


def _is_python(lines: list[str]) -> bool:
    try:
        body = parse(textwrap.dedent("\n".join(lines))).body
    except SyntaxError:
        return False
    return any(isinstance(n, (ast.Call, ast.Import, ast.ImportFrom)) for s in body for n in ast.walk(s))


def _from_ipython(text: str) -> str:
    made: list[str] = []
    for line in text.splitlines():
        if found := _IN.match(line):
            made.append(">>> " + line[found.end() :])
        elif found := _MORE.match(line):
            made.append("... " + line[found.end() :])
        elif found := _OUT.match(line):
            if value := line[found.end() :].strip():
                made.append(value)
        elif line.strip() and not line.lstrip().startswith("@"):
            made.append(line)
    return "\n".join(made)


def _from_plain(text: str, output: str) -> str:
    """Statements as prompts, with the outputs that comments, asserts, or a block of output below state."""
    try:
        body = parse(text).body
    except SyntaxError:
        return ""
    lines = text.splitlines()
    prints = [s for s in body if _is_print(s)]
    wanted = dict(zip(map(id, prints), _shared(output.splitlines(), len(prints)), strict=False)) if output else {}
    made: list[str] = []
    for at, statement in enumerate(body):
        end = statement.end_lineno or statement.lineno
        after = body[at + 1].lineno - 1 if at + 1 < len(body) else len(lines)
        source = "\n".join(lines[statement.lineno - 1 : end])
        if isinstance(statement, ast.Assert) and (pair := _asserted(statement)):
            source, stated = pair
        else:
            stated = wanted.get(id(statement), "") or _stated(statement, lines, end, after)
            if stated:
                source = "\n".join([*source.splitlines()[:-1], _line_of(statement, lines)])
        first, *others = source.splitlines()
        made += [f">>> {first}", *(f"... {line}" for line in others), *([stated] if stated else [])]
    return "\n".join(made)


def _stated(statement: ast.stmt, lines: list[str], end: int, after: int) -> str:
    """The output that comments state: behind an expression, or on the lines below it."""
    if not isinstance(statement, ast.Expr):
        return ""
    behind = lines[end - 1].encode()[statement.end_col_offset or 0 :].decode(errors="replace").strip()
    if behind.startswith("#") and (found := _STATED.match(behind)):
        value = found["value"]
        return value if _MARKED.match(behind) or reads_as_literal(value) else ""
    below = [line.strip() for line in lines[end:after] if line.strip()]
    if below and all(line.startswith("#") for line in below):
        values = [found["value"] for line in below if (found := _STATED.match(line))]
        marked = _MARKED.match(below[0]) or (_is_print(statement) and all(map(reads_as_literal, values)))
        return "\n".join(values) if marked and len(values) == len(below) else ""
    return ""


def _line_of(statement: ast.stmt, lines: list[str]) -> str:
    """The last line of a statement, without what stands behind it."""
    return lines[(statement.end_lineno or 1) - 1].encode()[: statement.end_col_offset].decode()


def _asserted(statement: ast.Assert) -> tuple[str, str] | None:
    """`assert x == 3`: the expression and what it is."""
    match statement.test:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]) if is_literal(right):
            return ast.unparse(left), ast.unparse(right)
    return None


def _is_print(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
            return True
    return False


def _shared(lines: list[str], count: int) -> list[str]:
    """A block of output, told apart by the statements that print: all of it to one, else a line to each."""
    if count == 1:
        return ["\n".join(lines)]
    return lines if len(lines) == count else []
