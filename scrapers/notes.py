"""What a library says about its own changes: directives in docstrings, warnings in source, and what to use instead."""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from registry.trees import parse_expression
from scrapers.decorators import Definition, Keyword, called, definition_in, of_positions, spoken_of
from scrapers.scope import scope_of

_DIRECTIVE = re.compile(r"^(\s*)\.\.\s*(deprecated|versionchanged|versionremoved)::[ \t]*(\S*)[ \t]*(.*)$")
_PARAMETER = re.compile(r"^\s*(?::param\s+)?\*{0,2}(\w+)\s*(?::.*|\(.*\):.*)?$")
_LEADING = re.compile(r"^(?:\*\*)?deprecated\b", re.IGNORECASE)
_WARNED = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")


MAX_NOTE = 2000
"""Of a longer note this much is searched for what it says of parameters."""
_OF_SIGNATURE = re.compile(
    r"\bparameters?\b.*\b(renamed|removed|added|keyword)|^(added|adds|new)\b"
    r"|`\w+`{1,2} (?:is|are|was|were) (?:now )?(?:called|named|renamed)\b"
    r"|\b(keyword|argument|option|parameter) added\b|added support|now (also )?(accepts|supports)",
    re.IGNORECASE,
)
_LIST = r"`\w+`(?:(?:,| and|, and) `\w+`)*"
_RENAMED = re.compile(
    rf"(?P<old>{_LIST})(?: parameters?| arguments?| keywords?| kwargs?)?"
    r" (?:was|were|is|are|got|has been|have been) (?:now )?(?:renamed|called|named|spelled)(?: to| as| into)? (?:the )?"
    rf"(?P<new>{_LIST})"
    r"|\brenam\w* (?:the |its |keyword |parameters? |arguments? |kwargs? ){0,3}"
    rf"(?P<from>{_LIST}) (?:to|into|as) (?P<to>{_LIST})",
    re.IGNORECASE,
)
_OTHER_NAME = re.compile(
    r"\b(?:name|alias|synonym|spelling) (?:for|of) (?:the )?(?:parameter |argument )?[`'\"]{0,2}(\w+)", re.I
)
_GIVEN = re.compile(r"(?:use|pass|specify|set)\s+`{1,2}(?P<given>\w+\s*=\s*[^`]+)`", re.IGNORECASE)


@dataclass(frozen=True)
class Note:
    """One remark about a symbol.

    Attributes:
        text: What it says, on one line.
        source: `docstring`, `warning` or `decorator`.
        category: `deprecated`, `versionchanged`, `versionremoved`, or the warning's class.
        version: The version a directive names.
        subject: The parameter it is about; empty where about the symbol as a whole or a case of its use.
        whole: Whether it is about the symbol as a whole.
    """

    text: str
    source: str
    category: str
    version: str = ""
    subject: str = ""
    whole: bool = True

    @property
    def of_signature(self) -> bool:
        """Whether it says no more than that parameters came, went, or have other names, or that more is accepted."""
        return bool(_OF_SIGNATURE.search(self.text[:MAX_NOTE]))

    @property
    def promises(self) -> bool:
        """Whether it says how the same call will act, or acts, differently."""
        if self.category == "versionchanged":
            return True
        stays = not re.search(r"deprecat|\bremoved\b|\breplaced\b|\buse\b.*\binstead", self.text, re.IGNORECASE)
        return stays and bool(re.search(r"\bwill (now |instead )?(return|be|default|raise|change)", self.text))

    @property
    def deprecates(self) -> bool:
        """Whether it says that something will go."""
        if self.promises:
            return False
        if self.source == "docstring":
            return True
        return self.category in _WARNED[:2] or bool(re.search(r"deprecat|will be removed", self.text, re.IGNORECASE))


def notes_of(doc: str, source: str, path: str = "", parameters: Collection[str] = ()) -> list[Note]:
    """The remarks in a symbol's docstring and in the source of its definition, in that order.

    Args:
        doc: The docstring, or a page's text of it, with notes on versions as directives.
        source: The definition; empty where none is there.
        path: The symbol's, by which a note on something else is told from one on it.
        parameters: Names of its parameters.
    """
    return [*_in_docstring(doc, path, parameters), *_in_source(source), *of_arguments(source, parameters)]


def deprecation_of(doc: str, source: str, path: str = "", parameters: Collection[str] = ()) -> str | None:
    """What the deprecation notes about the whole symbol say, None where there are none; arguments as of `notes_of`."""
    texts = [n.text for n in notes_of(doc, source, path, parameters) if n.whole and n.deprecates]
    return " ".join(dict.fromkeys(texts)) or None


def _in_docstring(doc: str, path: str, parameters: Collection[str]) -> Iterator[Note]:
    lines = doc.split("\n")
    if _LEADING.match(lines[0]):
        yield Note(_joined(_paragraph(lines)), "docstring", "deprecated")
    for i, line in enumerate(lines):
        if not (match := _DIRECTIVE.match(line)):
            continue
        indent, kind, version, rest = match.groups()
        if version and not version[0].isdigit() and not version.lower().startswith("v"):
            version, rest = "", f"{version} {rest}"
        body = _indented(lines[i + 1 :], len(indent)) if i else _below_first(lines[1:])
        text = _joined([rest, *body])
        whole = len(indent) < 3
        subject = "" if whole else _subject(lines[:i], len(indent))
        text = text or (_joined(_described(lines[:i], len(indent))) if subject else "")
        if whole and kind == "deprecated" and text:
            scope = scope_of(text, path, parameters)
            whole, subject = scope.whole, scope.subject
        yield Note(text or f"{kind.capitalize()} since {version}", "docstring", kind, version, subject, whole)


def _paragraph(lines: list[str]) -> list[str]:
    return lines[: next((i for i, line in enumerate(lines) if not line.strip()), len(lines))]


def _below_first(lines: list[str]) -> list[str]:
    """The body of a directive on the first line: cleaning takes its indent away where nothing follows it."""
    start = next((i for i, line in enumerate(lines) if line.strip()), len(lines))
    if any(line.startswith(" ") for line in lines[start : start + 1]):
        return list(_indented(lines, 0))
    return _paragraph(lines[start:])


def _indented(lines: list[str], indent: int) -> Iterator[str]:
    """The lines of a directive's body: deeper than the directive, up to the second blank one."""
    blank = 0
    for i, line in enumerate(lines):
        if not line.strip():
            blank += 1 if i else 0
            if blank > 1:
                return
        elif len(line) - len(line.lstrip()) <= indent:
            return
        else:
            yield line.strip()


def _subject(before: list[str], indent: int) -> str:
    for line in reversed(before):
        if line.strip() and len(line) - len(line.lstrip()) < indent:
            match = _PARAMETER.match(line)
            return match.group(1) if match else ""
    return ""


def _described(before: list[str], indent: int) -> list[str]:
    """What stands above a directive, below the name of its parameter."""
    found: list[str] = []
    for line in reversed(before):
        if line.strip() and len(line) - len(line.lstrip()) < indent:
            break
        found.insert(0, line.strip())
    return found


def of_arguments(source: str, parameters: Collection[str]) -> list[Note]:
    """What the methods of a class say of its constructor's parameters, which they find as attributes: `self.name`.

    Args:
        source: The class, or one that it inherits from.
        parameters: Names of the constructor's parameters.
    """
    node = definition_in(source) if "warn" in source else None
    if not isinstance(node, ast.ClassDef):
        return []
    methods = (n for n in node.body if isinstance(n, ast.FunctionDef) and n.name not in {"__init__", "__new__"})
    notes = (note for method in methods for note in _in_function(method, set(parameters)))
    return [note for note in notes if note.subject]


def _in_source(source: str) -> Iterator[Note]:
    if "warn" not in source and "deprecat" not in source:
        return
    node = definition_in(source)
    if node is None:
        return
    yield from _in_decorators(node)
    if isinstance(node, ast.ClassDef):
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name in {"__init__", "__new__"}:
                yield from _in_function(method)
    else:
        yield from _in_function(node)


def _in_decorators(node: Definition) -> Iterator[Note]:
    for decorator in node.decorator_list:
        name = called(decorator)
        if not re.fullmatch(r"_?deprecated?(_\w+)?", name) or of_positions(name):
            continue
        call = decorator if isinstance(decorator, ast.Call) else None
        if call and (keywords := list(spoken_of(call))):
            yield from map(_of_keyword, keywords)
            continue
        arguments = call.args if call else []
        text = " ".join(_rendered(a, {}) for a in arguments if isinstance(a, (ast.Constant, ast.JoinedStr)))
        parameter = "arg" in name or "param" in name
        yield Note(_joined([text]) or "Deprecated", "decorator", "DeprecationWarning", whole=not parameter)


def _of_keyword(keyword: Keyword) -> Note:
    renamed = f"Parameter `{keyword.name}` was renamed to `{keyword.renamed}`" if keyword.renamed else ""
    text = _joined([keyword.hint]) or renamed or f"Parameter `{keyword.name}` is deprecated"
    return Note(text, "decorator", "DeprecationWarning", subject=keyword.name, whole=False)


def _in_function(
    function: ast.FunctionDef | ast.AsyncFunctionDef, parameters: set[str] | None = None
) -> Iterator[Note]:
    """The remarks of a function; what they are about is one of its parameters, or one of those that are given."""
    if parameters is None:
        a = function.args
        parameters = {p.arg for p in [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, [a.vararg, a.kwarg])]}
    texts: dict[str, ast.expr] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            texts.setdefault(node.targets[0].id, node.value)
    yield from _warned(function.body, texts, parameters, [])


def _warned(
    body: list[ast.stmt], texts: dict[str, ast.expr], parameters: set[str], tests: list[ast.expr]
) -> Iterator[Note]:
    for statement in body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            yield from _warning(statement.value, texts, parameters, tests)
        elif isinstance(statement, (ast.If, ast.While)):
            yield from _warned(statement.body, texts, parameters, [*tests, statement.test])
            yield from _warned(statement.orelse, texts, parameters, [*tests, statement.test])
        elif isinstance(statement, (ast.For, ast.Try)):
            yield from _warned(statement.body, texts, parameters, [*tests, ast.Constant(value=None)])
        elif isinstance(statement, ast.With):
            yield from _warned(statement.body, texts, parameters, tests)


def _warning(call: ast.Call, texts: dict[str, ast.expr], parameters: set[str], tests: list[ast.expr]) -> Iterator[Note]:
    if not call.args or not ast.unparse(call.func).rpartition(".")[2].startswith(("warn", "_warn", "deprecat")):
        return
    named = [k.value for k in call.keywords if k.arg == "category"]
    classes = [ast.unparse(n).rpartition(".")[2] for n in [*call.args[1:], *named]]
    category = next((c for c in classes if c.endswith("Warning")), "UserWarning")
    text = _joined([_rendered(call.args[0], texts)])
    note = Note(text, "warning", category, "", _tested(tests, parameters, text), not tests)
    if text and (category in _WARNED or note.deprecates):
        yield note


def _tested(tests: list[ast.expr], parameters: set[str], text: str) -> str:
    """The parameter that the conditions look at; where several, the one that the text names."""
    names = {_looked_at(n) for t in tests for n in ast.walk(t)} & parameters
    named = sorted(n for n in names if re.search(rf"\b{n}\b", text))
    return named[0] if named else min(names, default="") if len(names) == 1 else ""


def _looked_at(node: ast.AST) -> str:
    """The name that a condition looks at: `x` or `self.x`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _rendered(node: ast.expr, texts: dict[str, ast.expr], depth: int = 0) -> str:
    """A string expression as text; what is not known stands in braces."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(_rendered(v, texts, depth) for v in values)
        case ast.FormattedValue(value=value):
            return "{" + ast.unparse(value) + "}"
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _rendered(left, texts, depth) + _rendered(right, texts, depth)
        case ast.BinOp(left=left, op=ast.Mod()) | ast.Call(func=ast.Attribute(value=left, attr="format" | "strip")):
            return _rendered(left, texts, depth)
        case ast.Name(id=name) if name in texts and depth < 3:
            return _rendered(texts[name], texts, depth + 1)
    return ""


def _joined(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


_LEAD = (
    r"(?:please\s+)?(?:instead,?\s+)?\b(?:use|call(?=\s+`))|-->|consider\s+using|switch\s+to|replaced\s+(?:by|with)|in\s+favou?r\s+of|renamed(?:\s+(?:to|as))?"
    r"|(?:is\s+)?(?:a\s+)?(?:deprecated\s+)?(?:alias|name|synonym|spelling)\s+(?:for|of)|moved\s+to|superseded\s+by|see(?:\s+also)?|\bcheck(?=[^.]*\S[^.\n]{0,60}\binstead)"
    r"|available\s+(?:as|under|from|in|at|via)|imported\s+from|replacement(?:\s+for\s+[^.]{1,60}?)?\s+is"
)
_CALL = r"\([^()]*(?:\([^()]*\)[^()]*)*\)"
_NAMED = re.compile(
    rf"(?:{_LEAD})\s*:{{0,2}}\s+(?:the\s+|an?\s+)?(?:new\s+)?(?:function\s+|class\s+|method\s+|networkx\s+)?"
    rf"(?:(?::[\w:]+:)?(?P<ticks>`{{1,2}})(?P<quoted>[^`]+)(?P=ticks)|'(?P<single>[^'`]+)'|\.?(?P<bare>[A-Za-z_][\w.]*\w(?:{_CALL}(?:\.\w+{_CALL})*)?))",
    re.IGNORECASE,
)
_BLANK = re.compile(r"<(\w+)>")
"""What somebody is to fill in: `np.dtype(<dtype>)`."""
_WORDS = {
    "instead",
    "of",
    "to",
    "with",
    "it",
    "that",
    "this",
    "other",
    "documentation",
    "release",
    "in",
    "as",
    "for",
    "more",
}


def renamed_parameters(text: str) -> dict[str, str]:
    """The parameters that a note says were renamed: {old: new}."""
    match = _RENAMED.search(text[:MAX_NOTE].replace("``", "`"))
    if not match:
        return {}
    parts = (match["old"] or match["from"], match["new"] or match["to"])
    old, new = (re.findall(r"`(\w+)`", part) for part in parts)
    return dict(zip(old, new, strict=False)) if len(old) == len(new) else {}


def other_name_of(text: str) -> str | None:
    """What a note says that a parameter is another name of: `Deprecated name for the method keyword`."""
    match = _OTHER_NAME.search(text[:MAX_NOTE])
    return match.group(1) if match else None


def keyword_in(text: str) -> str | None:
    """The argument that a note says to give: `engine="streaming"` of ``Use `engine="streaming"` instead``."""
    match = _GIVEN.search(text[:MAX_NOTE])
    return re.sub(r"\s*=\s*", "=", match.group("given"), count=1).strip() if match else None


def replacement_in(text: str, known: Callable[[str], str | None], *, strict: bool = False) -> str | None:
    """What a note says to use instead: a canonical path where `known` finds the name, else the expression it gives.

    Args:
        text: The note, as in `f is deprecated. Use g instead`.
        known: Canonical path of a name as written, or None.
        strict: For texts about many things: "use g" counts only where "instead" stands there too.
    """
    for match in _NAMED.finditer(text):
        if strict and re.match(r"(?i)(please\s+)?(use|see|consider)", match.group(0)) and not _meant(text, match):
            continue
        quoted, bare = match.group("quoted") or match.group("single"), match.group("bare")
        written = (quoted or bare).strip().lstrip("~!.").rstrip(".,;:").replace("(..)", "(...)")
        target = re.match(r"[^<]*<([^>]+)>$", written)
        written = target.group(1).lstrip("~!") if target else written
        name = re.sub(r"^from ([\w.]+) import (\w+)$", r"\1.\2", written.removesuffix("()"))
        if strict and not quoted and name.isalpha() and name.islower() and not _followed_by_instead(text, match):
            continue  # a word: "moved to a new place"
        if re.fullmatch(r"[A-Za-z_][\w.]*", name):
            if path := known(name):
                return path
            if hasattr(builtins, name) and name.islower():
                return name
            if name.lower() in _WORDS or match.group(0).lower().startswith("see"):
                continue
            if quoted and not re.search(r"keyword|argument|parameter", text[match.end() : match.end() + 30]):
                return name
            if "." in name and not name.endswith((".rst", ".html")):
                return name
        elif (quoted or "(" in written) and _is_expression(written):
            return written
    return None


def _followed_by_instead(text: str, match: re.Match[str]) -> bool:
    return bool(re.match(r"\W{0,3}instead", text[match.end() :]))


def _meant(text: str, match: re.Match[str]) -> bool:
    """Whether a text about many things says to use something in the place of what it is about."""
    begins = match.group(0)[0].isupper() and re.search(r"(?:^|[.:;] )$", text[: match.start()])
    return "instead" in text.lower() or bool(begins and re.search(r"(?i)deprecated|removed|^``\w+``:", text))


def passed_on(source: str) -> str | None:
    """The name, as written, of what a function or property only passes its call on to: `self.fill` of `pad`."""
    node = definition_in(source)
    if not isinstance(node, ast.FunctionDef):
        return None
    told = [s for s in node.body if not isinstance(s, (ast.Expr, ast.Import, ast.ImportFrom)) and not _is_text(s)]
    if len(told) != 1 or not isinstance(told[0], ast.Return):
        return None
    value = told[0].value
    while isinstance(value, ast.Attribute) and isinstance(value.value, ast.Call):
        value = value.value  # of `f().part` what is called
    if not isinstance(value, ast.Call):
        return None
    a = node.args
    own = {p.arg for p in [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, [a.vararg, a.kwarg])]}
    given = [x.value if isinstance(x, ast.Starred) else x for x in [*value.args, *(k.value for k in value.keywords)]]
    return ast.unparse(value.func) if all(isinstance(x, ast.Name) and x.id in own for x in given) else None


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement gives a name to a text, such as that of a warning."""
    return isinstance(statement, ast.Assign) and isinstance(statement.value, (ast.Constant, ast.JoinedStr))


def _is_expression(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parse_expression(_BLANK.sub(r"\1", text))
    except SyntaxError:
        return False
    return not text.isdigit()
