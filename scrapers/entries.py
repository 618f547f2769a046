"""What an API entry of a built site says in its head: signature, parameters, where the object is defined."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from registry.trees import parse
from scrapers.markup import Element, classes, string_of, text_of
from scrapers.texts import cleaned

KINDS = {
    "function": "function", "decorator": "function", "class": "class", "exception": "class", "method": "method",
    "classmethod": "method", "staticmethod": "method", "decoratormethod": "method", "attribute": "attribute",
    "property": "attribute", "data": "attribute", "type": "attribute", "module": "module",
}  # fmt: skip
"""Classes that Sphinx gives an API entry -> kind of Symbol."""

CALLABLE = frozenset({"function", "class", "method"})

_LINKS = frozenset({"headerlink", "viewcode-link"})
_LONGEST = 20_000
"""Characters of a signature that is read; people's have 3,000 at most."""
_BRACKETS = {"[": "\1", "]": "\2"}
"""Around type parameters; annotations' brackets are none of these."""
_WRITTEN = re.compile(r"(?P<stars>\**)(?P<words>[^\W\d]\w*(?:(?: or |[ -])\w+){0,5})(?P<more> ?\.\.\.)?")
"""A parameter as people write it: `name or flags...`, `bool degrees`."""
_TOKENS = re.compile(r"'[^']{0,100}'|\"[^\"]{0,100}\"|\[\s{0,9},|.", re.DOTALL)
_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def kind_of(listing: Element) -> str | None:
    """The kind of the Python objects that a `dl` lists; None where it lists something else."""
    names = classes(listing)
    if names and (names[0] == "py" or names[0] in KINDS):  # before Sphinx 4 without the domain's name
        return next((KINDS[name] for name in names if name in KINDS), None)
    return None


def head_of(term: Element) -> str:
    """The whole head of an entry on one line: `class lib.C(a, *, b=1)`."""
    return cleaned(_one_line(_text(term)))


def signature_of(term: Element, kind: str) -> str | None:
    """The signature as source text, `(a, *, b=1) -> int`; None where the entry has none.

    Type parameters and links are left out; blanks within a default stay as they are. A method has its first parameter,
    which Sphinx leaves out, as it has in the source.
    """
    flat = _text(term, frozenset({"sig-prename", "sig-name", "descclassname", "descname"}))
    opened = flat.find("(")
    if opened < 0:
        return None
    text = cleaned(_one_line(flat[opened:]))
    return _with_first(text, term) if kind == "method" else text


def _one_line(text: str) -> str:
    """A head on one line: Sphinx writes one parameter a line where it is long. Blanks within a default stay."""
    text = re.sub(r"(?<=[(\[])\s*\n\s*|,?\s*\n\s*(?=[)\]])", "", text.replace("\xa0", " "))
    return re.sub(r"\s*\n\s*", " ", text).strip()


def _with_first(signature: str, term: Element) -> str:
    properties = " ".join(string_of(e) for e in term.iter("em", "span") if "property" in classes(e)).split()
    first = "" if "static" in properties else "cls" if "classmethod" in properties else "self"
    if not first or re.match(r"\(\s*(type )?(self|cls)\b", signature):
        return signature
    return f"({first}{'' if signature.startswith('()') else ', '}{signature[1:]}"


def _text(term: Element, without: frozenset[str] = frozenset()) -> str:
    """The text of a term without links to sources and to itself, type parameters, and those classes."""
    skipped = _LINKS | without

    def instead(step: Element) -> str | None:
        names = classes(step) if isinstance(step.tag, str) else _LINKS
        if not skipped.isdisjoint(names):
            return ""
        return _BRACKETS.get(string_of(step)) if without and "sig-paren" in names else None

    text = re.sub("\1[^\1\2]*\2", "", text_of(term, instead))
    return re.sub(r"\[source\]\s*$", "", text.replace("→", "->").replace("¶", "").strip()).strip()


def canonical_of(
    term: Element, kind: str, documented: str, names: Sequence[tuple[str, int]], owner: tuple[str, str]
) -> str | None:
    """The path at which an object is defined; where nothing says it, the one it is documented under.

    Args:
        term: The head of the entry.
        kind: Its kind.
        documented: The path that it is documented under; None comes back where it is no dotted name.
        names: Its (name, priority) in the inventory: `:canonical:` gives one of priority -1.
        owner: The path that the entry around it is documented under, and its canonical one.
    """
    if not _DOTTED.fullmatch(documented):
        return None
    for link in term.iter("a"):
        linked = any("viewcode-link" in classes(inner) for inner in link)
        if linked and (path := _from_link(link.get("href") or "", kind, documented)):
            return path
    other = next((name for name, priority in names if priority < 0 and _DOTTED.fullmatch(name)), None)
    around, canonical = owner
    if other is None and around and documented.startswith(f"{around}."):
        return canonical + documented[len(around) :]
    return other or documented


def is_linked(term: Element) -> bool:
    """Whether a head has a link to the source of the object itself, as sphinx.ext.viewcode makes them."""
    links = (link.get("href") or "" for link in term.iter("a") if any("viewcode-link" in classes(i) for i in link))
    return any("_modules/" in href and "#" in href for href in links)


def _from_link(href: str, kind: str, documented: str) -> str | None:
    try:
        parts = urlsplit(href)
    except ValueError:
        return None
    _, found, module = unquote(parts.path).rpartition("_modules/")
    name = unquote(parts.fragment)
    if found and module.endswith((".html", "/")):  # sphinx.ext.viewcode
        path = module.removesuffix("index.html").removesuffix(".html").strip("/").replace("/", ".") + f".{name}"
        same = documented == name or documented.endswith(f".{name}")
        return path if same and _DOTTED.fullmatch(path) else None
    root, last = documented.partition(".")[0], documented.rpartition(".")[2]
    file = re.search(rf"/({re.escape(root)}(?:/\w+)*)\.py$", unquote(parts.path))  # sphinx.ext.linkcode
    if file is None or kind != "function" or documented.count(".") > 1:
        return None  # of a method the file alone says nothing, it may be a base's; and a class keeps its methods
    return f"{file.group(1).replace('/', '.').removesuffix('.__init__')}.{last}"


def target_of(link: Element) -> str:
    """The dotted path that a cross reference leads to; empty where it leads to none."""
    fragment = unquote((link.get("href") or "").partition("#")[2]).removeprefix("module-")
    return fragment if _DOTTED.fullmatch(fragment) else ""


def parameters_in(signature: str) -> list[dict[str, Any]]:
    """`[{name, kind, default}]` of a signature as text, kinds as griffe gives them; none where it can't be read."""
    readings = dict.fromkeys(_readings(signature) if len(signature) < _LONGEST else ())
    function = next(filter(None, map(_function, readings)), None)
    if function is None:
        return []
    a = function.args
    positional = [*((p, "positional-only") for p in a.posonlyargs), *((p, "positional or keyword") for p in a.args)]
    defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(a.defaults)), *a.defaults]
    rows = [_row(p, kind, default) for (p, kind), default in zip(positional, defaults, strict=True)]
    rows += [{"name": a.vararg.arg, "kind": "variadic positional", "default": "()"}] if a.vararg else []
    rows += [_row(p, "keyword-only", d) for p, d in zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    rows += [{"name": a.kwarg.arg, "kind": "variadic keyword", "default": "{}"}] if a.kwarg else []
    return rows


def _readings(signature: str) -> Iterator[str]:
    """A signature as it stands, without what it returns, with objects' reprs as names, and as people write it."""
    yield signature
    plain = signature.partition(" -> ")[0]
    yield plain
    named = re.sub(r"<(?:class|(?:built-in )?function|module) '?([\w.]+)[^<>]*>", r"\1", plain)
    for _ in range(3):  # reprs within reprs
        named = re.sub(r"<[^<>]*>", "...", named)
    yield named
    if not re.search(r"\w\[(?!\s*[,.])", named):  # an index, as of `Generic[T]`: nothing in it is a parameter
        yield f"({', '.join(_as_code(named))})"


def _as_code(signature: str) -> Iterator[str]:
    """The parameters of a head that a person wrote, as code: `(name or flags...[, action])`, `([iterable-or-mapping])`.

    What stands in brackets can be left out; dots stand for more of what is before them. What can't be a parameter
    comes back as it is, so that the head has no reading.
    """
    parts = list(_parted(signature.strip()[1:-1].replace("\\*", "*")))
    for place, (text, optional) in enumerate(parts):
        name, equals, default = (part.strip() for part in text.partition("="))
        if name.strip(" .") == "":
            named = "=" in parts[place - 1][0]
            yield ("**kwargs" if named else "*args") if place and place == len(parts) - 1 else text
        elif name in ("*", "/", "**"):
            yield "**kwargs" if name == "**" else name
        elif not (match := _WRITTEN.fullmatch(name)):
            yield text
        else:
            stars = match["stars"] or ("*" if match["more"] else "")
            yield (
                stars + _spoken(match["words"]) + (f"={default or '...'}" if (equals or optional) and not stars else "")
            )


def _spoken(words: str) -> str:
    """The name of a parameter of several words: all of alternatives, of `bool degrees` the last."""
    alternatives = " or " in words or "-" in words
    name = "_".join(re.findall(r"\w+", words)) if alternatives else words.split()[-1]
    return f"{name}_" if keyword.iskeyword(name) else name


def _parted(text: str) -> Iterator[tuple[str, bool]]:
    """What stands between the commas of a head, each with whether brackets say that it can be left out."""
    part, began, optional, inner = "", False, 0, 0
    for sign in _TOKENS.findall(text):
        if sign == "," and inner == 0:
            yield part.strip(), began
            part = ""
        elif inner == 0 and (sign.startswith("[,") or (sign == "[" and "=" not in part)):
            optional += 1
            if sign != "[" and part.strip():
                yield part.strip(), began
                part = ""
        elif sign == "]" and inner == 0:
            optional -= 1
        else:
            inner += (sign[0] in "([{") - (sign in ")]}")
            began = began if part.strip() else optional > 0
            part += sign
    if part.strip():
        yield part.strip(), began


def _function(signature: str) -> ast.FunctionDef | None:
    try:
        body = parse(f"def f{signature}: pass").body
    except SyntaxError:
        return None
    return body[0] if len(body) == 1 and isinstance(body[0], ast.FunctionDef) else None


def _row(parameter: ast.arg, kind: str, default: ast.expr | None) -> dict[str, Any]:
    return {"name": parameter.arg, "kind": kind, "default": None if default is None else ast.unparse(default)}


def with_docs(parameters: Sequence[Mapping[str, Any]], docs: Mapping[str, str]) -> list[dict[str, Any]]:
    """The parameters, each with what the page says of it as `doc`, where it says something."""
    return [{**p, "doc": docs[p["name"]]} if docs.get(p["name"]) else dict(p) for p in parameters]
