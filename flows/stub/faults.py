"""What an endpoint or a model does wrong, on demand: which request gets which fault, and what it does to an answer.

Which one is drawn by seed and request alone: first of what a server does wrong, then, apart from that, of what a model
does. A fault with a number of times is over after so many of a request's attempts, as trouble of a server is; one
without stays, as a model's habit does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import accumulate
from typing import Any

from flows.stub.excerpts import CODE_BLOCK, is_code
from flows.stub.wire import Choice
from registry.errors import ConfigurationError

OF_THE_SERVER = ("error", "rate-limited", "timeout", "cut", "usage")
"""An HTTP status of 500, 502 or 503; 429; no answer ever; a connection that ends within the answer; `usage` that is
missing, wrong, or no number."""

HUGE = 1 << 20
"""Characters of a huge answer."""

ATTACKS = (
    "always_equal", "answers_in_advance", "atexit", "builtins_patched", "exit_status", "import_hooks",
    "json_patched", "skipped", "sys_exit", "token_read_from_a_frame",
)  # fmt: skip
"""Hostile programs of the sandbox's conformance suite, all quick."""


@dataclass(frozen=True)
class Fault:
    """A fault, and how often it comes.

    Attributes:
        kind: One of `OF_THE_SERVER` or of `SPOILS`.
        share: Of all requests.
        times: Attempts of a request that have it; 0: all.
    """

    kind: str
    share: float
    times: int = 0


def planned(told: str) -> tuple[Fault, ...]:
    """Faults as they are written on the command line: `error=0.2,rate-limited=0.1:2`.

    Raises:
        ConfigurationError: One can't be read, is unknown, or the shares add up to more than one.
    """
    plan = tuple(_fault(part.strip()) for part in told.split(",") if part.strip())
    for kinds in (OF_THE_SERVER, SPOILS):
        if sum(fault.share for fault in plan if fault.kind in kinds) > 1 + 1e-9:
            kind = ", ".join(kinds)
            raise ConfigurationError(
                f"In --faults {told!r} the shares of {kind} are more than 1. Lower them", told=told
            )
    return plan


def _fault(told: str) -> Fault:
    kind, _, rest = told.partition("=")
    share, _, times = rest.partition(":")
    if kind not in (*OF_THE_SERVER, *SPOILS):
        kinds = ", ".join((*OF_THE_SERVER, *SPOILS))
        raise ConfigurationError(f"No fault {kind!r}: there are {kinds}. Correct --faults", fault=kind)
    try:
        fault = Fault(kind, float(share), int(times or 0))
    except ValueError:
        fault = Fault(kind, -1.0)
    if not 0 <= fault.share <= 1 or fault.times < 0:
        raise ConfigurationError(f"{told!r} is no fault: write KIND=SHARE or KIND=SHARE:TIMES", told=told)
    return fault


def drawn(plan: tuple[Fault, ...], kinds: Iterable[str], draw: random.Random, attempt: int) -> str:
    """Which of some kinds a request's attempt (from 0) gets; empty for none."""
    at, found = draw.random(), [fault for fault in plan if fault.kind in kinds]
    for fault, above in zip(found, accumulate(fault.share for fault in found), strict=True):
        if at < above:
            return fault.kind if not fault.times or attempt < fault.times else ""
    return ""


def spoiled(kind: str, choice: Choice, draw: random.Random) -> Choice:
    """An answer with what a model does wrong."""
    return SPOILS[kind](choice, draw)


def usage(told: dict[str, Any], draw: random.Random) -> dict[str, Any]:
    """A completion that doesn't say rightly what it cost."""
    right = told["usage"]
    wrong = (dict.fromkeys(right, -1), {name: str(n) for name, n in right.items()}, None, {"prompt_tokens": 1})
    pick = draw.randrange(len(wrong) + 1)
    rest = {name: value for name, value in told.items() if name != "usage"}
    return rest if pick == len(wrong) else {**rest, "usage": wrong[pick]}


SORRY = "I'm sorry, but I can't help with that request."


def _refused(choice: Choice, draw: random.Random) -> Choice:
    return draw.choice((Choice("", SORRY), Choice("", finish="content_filter")))


def _refused_in_words(choice: Choice, draw: random.Random) -> Choice:
    return Choice(SORRY)


def _truncated(choice: Choice, draw: random.Random) -> Choice:
    return Choice(choice.text[: len(choice.text) // 2], finish="length")


def _no_json(choice: Choice, draw: random.Random) -> Choice:
    """JSON that nothing can read: without its end, in single quotes, or with words instead of it."""
    text = choice.text if _value(choice.text) is not None else json.dumps({"answer": choice.text})
    return Choice(draw.choice((text[:-1] + ",", "{'answer': " + text[:-1], "Here is the JSON:\n```json\n" + text[:-2])))


def _no_such_schema(choice: Choice, draw: random.Random) -> Choice:
    """JSON of another form: a list around it, no first field, or every field a list."""
    value = _value(choice.text)
    if not isinstance(value, dict) or not value:
        return Choice(json.dumps([choice.text]))
    less = dict(list(value.items())[1:])
    return Choice(json.dumps(draw.choice(([value], less, {name: [told] for name, told in value.items()}))))


def _empty(choice: Choice, draw: random.Random) -> Choice:
    return Choice(draw.choice(("", " \n")))


def _foreign(choice: Choice, draw: random.Random) -> Choice:
    """Another language: of people in what is prose, of machines in what is code."""
    prose = draw.choice((
        "Hier ist die Lösung, die wir gesucht haben; sie ruft die Funktion auf und gibt das Ergebnis zurück.",
        "这是我们要找的解决方案，它调用该函数并返回结果。",
        "Вот решение, которое мы искали: оно вызывает функцию и возвращает результат.",
    ))  # fmt: skip
    code = "const solve = (x) => {\n  return x.map((y) => y * 2);\n};\nmodule.exports = { solve };\n"
    return _rewritten(choice, lambda text: code if is_code(text) else prose)


def _attacking(choice: Choice, draw: random.Random) -> Choice:
    """The same code, after a program that attacks what runs it."""
    source = files("validators.execution").joinpath("attacks", f"{draw.choice(ATTACKS)}.py").read_text()
    call = "\n\ntry:\n    solve(1)\nexcept Exception:\n    pass\n\n"
    attack = source + (call if "def solve" in source else "\n\n")
    return _rewritten(choice, lambda text: attack + text if is_code(text) else text)


def _huge(choice: Choice, draw: random.Random) -> Choice:
    """The same and a lot more, whatever was said about its length."""
    text = choice.text + "\n" + "# and so on\n" * (HUGE // 12)
    return Choice(_as_before(choice.text, lambda told: told + " and so on" * (HUGE // 10)) or text)


SPOILS: dict[str, Callable[[Choice, random.Random], Choice]] = {
    "refused": _refused,
    "sorry": _refused_in_words,
    "truncated": _truncated,
    "json": _no_json,
    "schema": _no_such_schema,
    "empty": _empty,
    "language": _foreign,
    "attack": _attacking,
    "huge": _huge,
}
"""Fault of a model -> what becomes of its answer."""


def rewritten(text: str, told: Callable[[str], str]) -> str:
    """An answer with every part of it rewritten: the strings of its JSON; else its prose and its blocks of code."""
    inner = _as_before(text, told)
    if inner is not None:
        return inner
    parts = CODE_BLOCK.split(text)  # prose, code, prose, code, …, prose
    if len(parts) == 1:
        return told(text)
    return "".join(
        f"```python\n{told(part).rstrip()}\n```" if place % 2 else (told(part) if part.strip() else part)
        for place, part in enumerate(parts)
    )


def _rewritten(choice: Choice, told: Callable[[str], str]) -> Choice:
    return replace(choice, text=rewritten(choice.text, told))


def _as_before(text: str, told: Callable[[str], str]) -> str | None:
    """JSON with its strings rewritten; None where the text is none."""
    value = _value(text)
    return json.dumps(_walked(value, told), ensure_ascii=False) if isinstance(value, dict | list) else None


def _walked(value: Any, told: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return told(value)
    if isinstance(value, list):
        return [_walked(inner, told) for inner in value]
    return {name: _walked(inner, told) for name, inner in value.items()} if isinstance(value, dict) else value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
