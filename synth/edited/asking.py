"""The words that ask for a correction: what stands wrong in a statement, and what is to stand there instead."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

LONGEST = 80
"""Characters of code that a sentence quotes."""

TOO_SHORT = 8
"""Characters of an expression that is shown with what is around it."""

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


@dataclass(frozen=True)
class Difference:
    """The smallest part in which two programs differ.

    Attributes:
        old: What stands in the one: a node, a list of nodes, or a plain value such as a name.
        new: What stands in the other.
        above: The nodes that it is part of, (old, new), the innermost last; their fields around it are equal.
        field: The field of the innermost one.
    """

    old: object
    new: object
    above: tuple[tuple[ast.AST, ast.AST], ...]
    field: str


def asked(operator: str, before: str, after: str) -> str:
    """A sentence that says what is to be corrected, and how; empty where there are no words for it.

    Args:
        operator: How the mistake was made.
        before: The program with the mistake.
        after: The program without.
    """
    found = difference(ast.parse(before), ast.parse(after))
    if found is None:
        return ""
    said = _BY_OPERATOR[operator](found) if operator in _BY_OPERATOR else _replaced(found)
    return said if all(len(part) <= LONGEST and "\n" not in part for part in said.split("`")[1::2]) else ""


def difference(old: ast.AST, new: ast.AST) -> Difference | None:
    """The smallest part in which two trees differ; None where they don't."""
    above: list[tuple[ast.AST, ast.AST]] = []
    field = ""
    while True:
        if type(old) is not type(new):
            return Difference(old, new, tuple(above), field)
        fields = [f for f in old._fields if _dump(getattr(old, f, None)) != _dump(getattr(new, f, None))]
        if not fields:
            return None
        if len(fields) > 1:
            return Difference(old, new, tuple(above), field)
        above.append((old, new))
        field = fields[0]
        one, other = getattr(old, field), getattr(new, field)
        if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            unlike = [(a, b) for a, b in zip(one, other, strict=True) if _dump(a) != _dump(b)]
            if len(unlike) == 1:
                one, other = unlike[0]
        if not (isinstance(one, ast.AST) and isinstance(other, ast.AST)):
            return Difference(one, other, tuple(above), field)
        old, new = one, other


def _dump(value: object) -> str:
    if isinstance(value, list):
        return str([_dump(v) for v in value])
    return ast.dump(value) if isinstance(value, ast.AST) else repr(value)


def _said(node: object) -> str:
    return ast.unparse(node) if isinstance(node, ast.AST) else str(node)


def _expressions(found: Difference) -> tuple[ast.expr, ast.expr] | None:
    """The smallest expressions that differ."""
    if isinstance(found.old, ast.expr) and isinstance(found.new, ast.expr):
        return found.old, found.new
    pairs = [(a, b) for a, b in found.above if isinstance(a, ast.expr) and isinstance(b, ast.expr)]
    return pairs[-1] if pairs else None


def _name(found: Difference) -> tuple[str, str]:
    """The whole dotted names that differ; empty where something else does."""
    pair = _expressions(found)
    if pair is None or not all(isinstance(node, (ast.Name, ast.Attribute)) for node in pair):
        return "", ""
    for old, new in reversed(found.above):  # `G.degree` where `degree` differs, `lib.make` where `lib` does
        if isinstance(old, ast.Attribute) and isinstance(new, ast.Attribute):
            pair = (old, new)
    return _said(pair[0]), _said(pair[1])


def _call(found: Difference) -> ast.Call | None:
    """The innermost call around what differs, as it is to be."""
    return next((new for _, new in reversed(found.above) if isinstance(new, ast.Call)), None)


def _place(call: ast.Call, node: object) -> str:
    """Where an argument stands in a call: `the second argument of `f``, `` `k` of `f` ``; empty where it doesn't."""
    for at, given in enumerate(call.args[: len(_ORDINALS)]):
        if given is node:
            return f"the {_ORDINALS[at]} argument of `{_said(call.func)}`"
    return next((f"`{k.arg}` of `{_said(call.func)}`" for k in call.keywords if k.value is node and k.arg), "")


def _replaced(found: Difference) -> str:
    """An argument by another one, or any expression by another."""
    pair = _expressions(found)
    if pair is None:
        return ""
    for old, new in ((found.old, found.new), *reversed(found.above)):
        call = next((n for _, n in reversed(found.above) if isinstance(n, ast.Call) and _place(n, new)), None)
        if call is not None and not isinstance(old, ast.Call):
            place = _place(call, new)
            return f"{place[0].upper()}{place[1:]} has to be `{_said(new)}`, not `{_said(old)}`."
    wider = [(a, b) for a, b in found.above if isinstance(a, ast.expr) and isinstance(b, ast.expr) and a is not pair[0]]
    old_said, new_said = map(_said, wider[-1] if wider and len(_said(pair[0])) < TOO_SHORT else pair)
    return f"`{old_said}` has to be `{new_said}`."


def _of_names(words: str) -> Callable[[Difference], str]:
    """Says something of the dotted names that differ, `{old}` and `{new}`."""

    def said(found: Difference) -> str:
        old, new = _name(found)
        return words.format(old=old, new=new) if old else ""

    return said


def _of_expressions(words: str) -> Callable[[Difference], str]:
    """Says something of the smallest expressions that differ, `{old}` and `{new}`."""

    def said(found: Difference) -> str:
        pair = _expressions(found)
        return words.format(old=_said(pair[0]), new=_said(pair[1])) if pair else ""

    return said


def _misspelt(found: Difference) -> str:
    call = _call(found)
    if call is None or not (isinstance(found.old, str) and isinstance(found.new, str)):
        return ""
    return f"A keyword of `{_said(call.func)}` is misspelt: `{found.old}` has to be `{found.new}`."


def _keyword(found: Difference) -> str:
    keyword = found.above[-1][1] if found.above else None
    call = _call(found)
    if call is None or not isinstance(keyword, ast.keyword) or found.field != "arg":
        return ""
    return f"Pass `{_said(keyword.value)}` to `{_said(call.func)}` as `{found.new}`, not as `{found.old}`."


def _equals(found: Difference) -> str:
    old, new = found.above[-1] if found.above else (None, None)
    if isinstance(old, ast.Call) and isinstance(new, ast.Call):
        for compared in old.args:
            left = compared.left if isinstance(compared, ast.Compare) else None
            given = next((k for k in new.keywords if isinstance(left, ast.Name) and k.arg == left.id), None)
            if given is not None:
                return f"`{_said(compared)}` compares two values: pass the keyword argument `{_said(given)}`."
    pair = _expressions(found)
    if pair is None or not all(isinstance(node, ast.Call) for node in pair):
        return ""
    return _equals(Difference(None, None, (pair,), ""))


def _uncalled(found: Difference) -> str:
    if isinstance(found.new, ast.Call) and _dump(found.new.func) == _dump(found.old) and not _given(found.new):
        return f"`{_said(found.old)}` is named, but not called: call it."
    return ""


def _given(call: ast.Call) -> list[ast.AST]:
    return [*call.args, *call.keywords]


def _awaited(found: Difference) -> str:
    if isinstance(found.new, ast.Await):
        return f"`{_said(found.old)}` gives a coroutine, not what it returns: await it."
    return ""


def _lacking(found: Difference) -> str:
    call = found.above[-1][1] if found.above else None
    if not isinstance(call, ast.Call) or not isinstance(found.old, list) or not isinstance(found.new, list):
        return ""
    told = [_dump(given) for given in found.old]
    lacks = [(at, given) for at, given in enumerate(found.new) if _dump(given) not in told]
    if len(lacks) != 1 or len(found.new) != len(found.old) + 1:
        return ""
    at, given = lacks[0]
    where = f" as its {_ORDINALS[at]} argument" if found.field == "args" and at < len(_ORDINALS) else ""
    return f"`{_said(call.func)}` lacks an argument: pass `{_said(given)}`{where}."


def _order(found: Difference) -> str:
    if isinstance(found.old, list) and isinstance(found.new, list) and found.above:
        call = found.above[-1][1]
        if isinstance(call, ast.Call):
            right = ", ".join(_said(given) for given in call.args)
            return f"The arguments of `{_said(call.func)}` stand in the wrong order: they are `{right}`."
    return ""


def _unpacked(found: Difference) -> str:
    target = next((new for _, new in reversed(found.above) if isinstance(new, ast.Tuple)), None)
    named = target if target is not None else found.new
    if not isinstance(named, ast.Tuple):
        return ""
    right = ", ".join(_said(name) for name in named.elts)
    return f"What is unpacked goes to the wrong names: they are `{right}`, in this order."


def _lazy(found: Difference) -> str:
    new = found.new
    if not isinstance(new, ast.Call) or not isinstance(new.func, ast.Name) or not new.args:
        return ""
    is_wrapped = _dump(new.args[0]) == _dump(found.old)
    return f"What `{_said(found.old)}` gives has to be put into `{new.func.id}(…)`." if is_wrapped else ""


def _lost(found: Difference) -> str:
    new = found.new
    if isinstance(new, ast.Assign) and isinstance(found.old, ast.Expr):
        return f"The result of `{_said(found.old)}` is lost: bind it to `{_said(new.targets[0])}`."
    return ""


def _kept(found: Difference) -> str:
    if isinstance(found.new, ast.Expr) and isinstance(found.old, ast.Assign) and isinstance(found.new.value, ast.Call):
        return f"`{_said(found.new.value.func)}` changes its object in place: don't bind what it returns."
    return ""


def _added(found: Difference) -> ast.stmt | None:
    """The statement that a block lacks."""
    if isinstance(found.old, list) and isinstance(found.new, list) and len(found.new) == len(found.old) + 1:
        told = [_dump(s) for s in found.old]
        return next((s for s in found.new if isinstance(s, ast.stmt) and _dump(s) not in told), None)
    return None


def _imported(found: Difference) -> str:
    added = _added(found)
    if not isinstance(added, (ast.Import, ast.ImportFrom)):
        return ""
    names = " and ".join(f"`{a.asname or a.name}`" for a in added.names)
    return f"{names} {'is' if len(added.names) == 1 else 'are'} used, but not imported: add `{_said(added)}`."


def _returned(found: Difference) -> str:
    added = _added(found) or (found.new if isinstance(found.old, ast.Expr) else None)
    function = next((new for _, new in reversed(found.above) if isinstance(new, ast.FunctionDef)), None)
    if not isinstance(added, ast.Return) or function is None:
        return ""
    return f"`{function.name}` returns nothing: let it end with `{_said(added)}`."


def _jump(found: Difference) -> str:
    return f"`{_said(found.old)}` has to be `{_said(found.new)}`." if isinstance(found.old, ast.stmt) else ""


def _left_out(found: Difference) -> str:
    call = found.above[-1][1] if found.above else None
    if not isinstance(call, ast.Call) or not isinstance(found.old, list) or not isinstance(found.new, list):
        return ""
    told = [_dump(given) for given in found.new]
    extra = [given for given in found.old if _dump(given) not in told]
    if len(extra) != 1 or not isinstance(extra[0], ast.keyword):
        return ""
    return f"Leave `{extra[0].arg}` of `{_said(call.func)}` at its default: don't pass `{_said(extra[0])}`."


_no_such = _of_names("There is no `{old}`: `{new}` is meant.")
_other = _of_names("Use `{new}`, not `{old}`.")

_BY_OPERATOR: Mapping[str, Callable[[Difference], str]] = {
    "foreign_word": _of_expressions("`{old}` is no Python: it is written `{new}`."),
    "invented_name": _no_such,
    "lazy_result": _lazy,
    "lost_result": _lost,
    "missing_argument": _lacking,
    "missing_await": _awaited,
    "missing_call": _uncalled,
    "missing_copy": _of_expressions("Use a copy, `{new}`, so that `{old}` stays as it is."),
    "missing_import": _imported,
    "missing_return": _returned,
    "missing_statement": lambda found: "",
    "misspelt_keyword": _misspelt,
    "misused_equals": _equals,
    "none_kept": _kept,
    "stale_name": _of_names("`{old}` is no longer there: `{new}` has taken its place."),
    "swapped_arguments": _order,
    "swapped_results": _unpacked,
    "undefined_method": _no_such,
    "undefined_object": _of_expressions("`{old}` is not defined: `{new}` is meant."),
    "wrong_attribute": _other,
    "wrong_class": _other,
    "wrong_default": _left_out,
    "wrong_function": _other,
    "wrong_jump": _jump,
    "wrong_keyword": _keyword,
    "wrong_method": _other,
}
"""How a mistake was made -> the sentence that asks to correct it; of all others an expression is replaced."""
