"""What a function's decorators, and a module's or class's `__getattr__`, say of names that went or will go.

Libraries differ in how they call these, so a decorator is known by its name (`deprecate_renamed_parameter`,
`deprecate_kwarg`, `removed_parameters`) and its arguments by their form. Non-guarantee: what a decorator is given by a
name that stands elsewhere isn't followed.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from registry.trees import parse

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

_KEYWORD = re.compile(r"(param|kwarg|arg|keyword)")
_OLD = re.compile(r"^(old|name$|from)")
_NEW = re.compile(r"^(new|alternative|to$|replac)")
_HINT = re.compile(r"^(hint|message|msg|extra|addendum|reason)")
_VERSION = re.compile(r"^v?\d")


@dataclass(frozen=True)
class Keyword:
    """A keyword that a decorator speaks of.

    Attributes:
        name: As callers write it.
        renamed: The parameter that stands for it, where it has another name.
        hint: What the decorator says of it.
        gone: Whether a call is refused for it; else it is taken with a warning.
    """

    name: str
    renamed: str | None = None
    hint: str = ""
    gone: bool = False


def definition_in(source: str) -> Definition | None:
    """The function or class that a text of its own defines, indented or not; None where it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in somebody else's strings
            tree = parse(textwrap.dedent(source))
    except SyntaxError:
        return None
    return next((n for n in tree.body if isinstance(n, Definition)), None)


def keywords_of(node: Definition) -> dict[str, Keyword]:
    """The keywords that the decorators of a function, or of a class's constructor, add to its parameters, by name."""
    functions: list[Definition] = [node]
    if isinstance(node, ast.ClassDef):
        functions = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name in {"__init__", "__new__"}]
    found: dict[str, Keyword] = {}
    for function in functions:
        for decorator in function.decorator_list:
            if isinstance(decorator, ast.Call):
                found |= {k.name: k for k in spoken_of(decorator)}
    return found


def spoken_of(call: ast.Call) -> Iterator[Keyword]:
    """The keywords that one decorator speaks of; none where it is about calls by position."""
    name = called(call)
    gone = bool(re.search(r"remov|expire", name))
    if not _KEYWORD.search(name) or not (gone or re.search(r"deprecat|renam", name)) or of_positions(name):
        return
    inner = [a for a in call.args if isinstance(a, ast.Call)]
    for part in inner or [call]:
        if found := _keyword(part, gone=gone):
            yield found


def _keyword(call: ast.Call, *, gone: bool) -> Keyword | None:
    texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    names = [t for t in texts if t.isidentifier() and not _VERSION.match(t)]
    named = {k.arg or "": k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
    old = next((v for k, v in named.items() if _OLD.match(k)), None) or (names.pop(0) if names else None)
    new = next((v for k, v in named.items() if _NEW.match(k)), None) or (names.pop(0) if names else None)
    hint = next((v for k, v in named.items() if _HINT.match(k)), None)
    if not isinstance(old, str) or not old.isidentifier():
        return None
    renamed = new if isinstance(new, str) and new.isidentifier() else None
    return Keyword(old, renamed, hint if isinstance(hint, str) else "", gone)


def called(decorator: ast.expr) -> str:
    """A decorator's name, without the module that it is from and without its arguments."""
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator).rpartition(".")[2]


def of_positions(name: str) -> bool:
    """Whether a decorator of this name is about arguments given by position: what it decorates will stay."""
    return bool(re.search(r"non_?key|posit", name))


def refused_names(body: list[ast.stmt]) -> dict[str, str]:
    """What a module's or class's `__getattr__` says of names that are gone: {name: hint}.

    Read are tables (`{"melt": "use `unpivot` instead"}`) and branches (`if name == "f": raise AttributeError("…")`).
    """
    found: dict[str, str] = {}
    for function in _getattrs(body):
        for node in ast.walk(function):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                        found.setdefault(str(key.value), str(value.value or ""))
            elif isinstance(node, ast.If):
                found = _branch(node) | found
    return found


def makes_names(body: list[ast.stmt]) -> bool:
    """Whether a module's `__getattr__` hands out what it gets from elsewhere: then nobody can tell what it lacks."""
    calls = (n.func for f in _getattrs(body) for n in ast.walk(f) if isinstance(n, ast.Call))
    return any(isinstance(func, ast.Name) and func.id == "getattr" for func in calls)


def _getattrs(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
            yield node
        elif isinstance(node, ast.If):
            yield from _getattrs([*node.body, *node.orelse])


def _branch(node: ast.If) -> dict[str, str]:
    """`if name == "f": raise AttributeError("hint")`, or `name in {"f", "g"}`."""
    raised = next((s.exc for s in node.body if isinstance(s, ast.Raise)), None)
    if raised is None or not isinstance(node.test, ast.Compare):
        return {}
    texts = [n.value for n in ast.walk(raised) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    names = [n.value for n in ast.walk(node.test) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return dict.fromkeys(names, " ".join(texts))
