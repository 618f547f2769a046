"""What the stub says to each step of each writer: paraphrases of what is in the excerpts, which ran before.

A step is known by the first part of its purpose (`task/solution` of `task/solution@1`). What is written is right most
of the time, and never more than the excerpt says: so it tells nothing of what an LLM would write.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Callable
from difflib import SequenceMatcher
from typing import Any

from flows.stub.prompts import Prompt, block, described
from flows.stub.shown import best, matching

Template = Callable[[Prompt, random.Random], "str | dict[str, Any] | None"]
"""Takes a prompt and a source of choices; a text, or an object for its JSON; None where it knows nothing to say."""


# ------------------------------------------------------------------------------------------------------------- tasks


def _exercise(prompt: Prompt, draw: random.Random) -> dict[str, Any] | None:
    """A function of a number that gives what the example of that number shows."""
    shown = best(prompt.texts(), prompt.path)
    if shown is None:
        return None
    name = draw.choice(("result_of_example", "text_of_result", "what_is_shown", "value_as_text", "shown_result"))
    argument = draw.choice(("number", "which", "position", "index"))
    values = ", ".join(f"for {place} it is `{value!r}`" for place, value in enumerate(shown.values, 1))
    rule = f"As text of the results, in order: {values}. For any other number it is the empty text."
    return {
        "signature": f"def {name}({argument}: int) -> str:",
        "plain": f"The examples of a manual are numbered from 1. Given the number of an example, compute what "
        f"it gives and return it as the text that Python shows for it. {rule}",
        "story": "I keep notes about the examples of a manual, and I want to look up what each of them gives when it "
        f"is run, because I forget it. I give you the number, you work it out and return it as a text. {rule}",
        "short": f"Return the result of the example with this number, as Python shows it. {rule}",
    }


def _solution(prompt: Prompt, draw: random.Random) -> str | None:
    shown, head = best(prompt.texts("Documentation"), prompt.path), _signature(prompt)
    if shown is None or head is None:
        return None
    argument = head.args.args[0].arg
    lines = [
        "    shown = []",
        *(f"    {line}" for node in shown.body() for line in ast.unparse(node).splitlines()),
        f"    return shown[{argument} - 1] if 1 <= {argument} <= len(shown) else ''",
    ]
    return block("\n".join([*shown.imports(prompt.path), "", "", f"{ast.unparse(head).splitlines()[0]}", *lines]))


def _test(prompt: Prompt, draw: random.Random) -> str | None:
    head = _signature(prompt)
    values = [value for text in prompt.texts("The exercise") for value in re.findall(r"for \d+ it is `(.*?)`", text)]
    if head is None or not values:
        return None
    lines = [f"assert {head.name}({place}) == {value}" for place, value in enumerate(values, 1)]
    lines += [f"assert {head.name}({other}) == ''" for other in (0, len(values) + 1, -1)]
    return block("\n".join(lines))


def _signature(prompt: Prompt) -> ast.FunctionDef | None:
    """The last signature that an exercise gives."""
    found = [line for text in prompt.texts("The exercise") for line in re.findall(r"^def .*:$", text, re.MULTILINE)]
    try:
        node = ast.parse(f"{found[-1]}\n    pass\n").body[0] if found else None
    except SyntaxError:
        return None
    return node if isinstance(node, ast.FunctionDef) and node.args.args else None


# ----------------------------------------------------------------------------------------------------- conversations


def _question(prompt: Prompt, draw: random.Random) -> dict[str, Any] | None:
    shown = best(prompt.texts("Documentation"), prompt.path)
    if shown is None:
        return None
    turn = prompt.text("What was said so far").count("Question. ")
    value = shown.values[turn % len(shown.values)]
    asked = draw.choice(("How do I get", "Which call gives me", "What do I write when I want"))
    begins = ("I have the data of the first example.", "And what about another case?", "There is one thing left.")
    return {"question": f"{begins[turn % 3]} {asked} this: `{value}`, and how can I see that it is right?"}


def _answer(prompt: Prompt, draw: random.Random) -> str | None:
    shown = best(prompt.texts("Documentation"), prompt.path)
    if shown is None:
        return None
    asked = prompt.text("Question")
    place = next((n for n, value in enumerate(shown.values) if f"`{value}`" in asked), 0)
    return (
        f"This is what `{prompt.path}` is for, and the docs have an example of it. The program has the same data, and "
        f"it ends with a check of what comes out.\n\n{block(shown.only(place).program(prompt.path))}"
    )


# ----------------------------------------------------------------------------------------------------------- repairs

_HOLE = re.compile(r"\.\.\.(?:[ \t]*# from (.*))?$", re.MULTILINE)


def _attempt(prompt: Prompt, draw: random.Random) -> str | None:
    """The function itself in place of what it returns: a mistake that shows at once."""
    return _completed(prompt, lambda name, given: name)


def _mended(prompt: Prompt, draw: random.Random) -> str | None:
    return _completed(prompt, lambda name, given: f"{name}({given})")


def _completed(prompt: Prompt, made: Callable[[str, str], str]) -> str | None:
    """The program of a task with its hole filled."""
    task = prompt.text("The task")
    shown, named = re.search(r"```python\n(.*?)```", task, re.DOTALL), re.search(r"`([\w.]+\.\w+)`", task)
    if shown is None or named is None or not (hole := _HOLE.search(shown[1])):
        return None
    code, path = shown[1], named[1]
    name = _called(code, path)
    code = code[: hole.start()] + made(name, hole[1] or "") + code[hole.end() :]
    root = path.partition(".")[0]
    return block(code if name != path or f"import {root}" in code else f"import {root}\n{code}")


def _called(code: str, path: str) -> str:
    """How a program calls what has a path: by what it imports."""
    owner, _, last = path.rpartition(".")
    alias = re.search(rf"^import {re.escape(owner)} as (\w+)", code, re.MULTILINE)
    if alias:
        return f"{alias[1]}.{last}"
    return last if re.search(rf"^from .* import .*\b{last}\b", code, re.MULTILINE) else path


# -------------------------------------------------------------------------------------------- changes, bugs and edits


def _pair(prompt: Prompt, draw: random.Random) -> str | None:
    """What the docs of both versions show to come to the same, in the words of each."""
    docs = prompt.texts("Documentation of")
    if len(docs) < 2:
        return None
    paths = prompt.path, described(docs[1])
    both = [best([text], path) for text, path in zip(docs, paths, strict=False)]
    found = matching(both[0], both[1]) if both[0] and both[1] else None
    if found is None:
        return None
    old, new = found
    code = [shown.bound(path) for shown, path in zip(found, paths, strict=True)]
    check = "\n".join(f"assert repr(result{n}) == {value!r}" for n, value in enumerate(old.values, 1))
    return (
        f"{block(code[0])}\n\n{block(code[1])}\n\n{block(check)}\n\n"
        "The call has changed with the new version, and the old one does not work with it. Write it as the new "
        f"documentation has it, which is `{new.sources[0]}` where it was `{old.sources[0]}`. The results stay the same."
    )


def _bug(prompt: Prompt, draw: random.Random) -> str | None:
    """The program without its last call: what would be its argument is taken for its result."""
    code = prompt.text("The program")
    told = "I ran this program and looked at what it gives. I expected the result that the check asks for, but "
    told += "what I got was another one, and it looks as if something was left out."
    broken = _without_a_call(code)
    return f"{told}\n\n{block(broken)}" if broken else None


def _without_a_call(code: str) -> str | None:
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return None
    for node in reversed(tree.body):
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.Expr) and isinstance(value, ast.Call) and value.args:
            whole, part = ast.get_source_segment(code, value), ast.get_source_segment(code, value.args[0])
            lines = code.splitlines(keepends=True)
            at = sum(map(len, lines[: value.lineno - 1])) + value.col_offset
            if whole and part and code[at : at + len(whole)] == whole:
                return code[:at] + part + code[at + len(whole) :]
    return None


def _words(prompt: Prompt, draw: random.Random) -> dict[str, Any] | None:
    """The lines that differ, quoted."""
    before, after = prompt.text("The program before"), prompt.text("The program after")
    old, new = _differing(before, after)
    name = next(iter(re.findall(r"[A-Za-z_]\w{2,}", f"{new} {old}")), "")
    if not name or "`" in old + new:
        return None
    what = f"the place that says `{old}`" if old else "the program"
    goal = f"so that it says `{new}` there" if new else "so that this is no longer in it"
    ask = draw.choice(("Please change", "Could you change", "I would like you to change"))
    return {
        "request": f"{ask} {what} {goal}."[:900],
        "hurried": f"Please change what is done with `{name}` here.",
        "goal": f"What stands here is not what we want. It is to be changed in {what}, {goal}."[:900],
    }


def _differing(before: str, after: str) -> tuple[str, str]:
    """The first lines in which two programs differ."""
    one, other = before.splitlines(), after.splitlines()
    for tag, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag != "equal":
            return " ".join(one[a:b]).strip()[:200], " ".join(other[c:d]).strip()[:200]
    return "", ""


_RENAMED = re.compile(r"``?(\w+)``? (?:is now called|was renamed to|is now) ``?(\w+)``?")


def _issue(prompt: Prompt, draw: random.Random) -> str | None:
    """The program of today with the old name in it, where the changelog tells of a name that is another now."""
    today, said = prompt.text("The program of today"), prompt.text("The changelog says")
    for old, new in _RENAMED.findall(said):
        code = re.sub(rf"\b{new}\b", old, today)
        if code != today:
            told = "Since the update this program of ours does not run as it did, and it is the place with the old "
            told += "name that fails. The changelog says that this name is another one now, so it has to be changed."
            return f"{told}\n\n{block(code)}"
    return None


TEMPLATES: dict[str, Template] = {
    "task/exercise": _exercise,
    "task/solution": _solution,
    "task/again": _solution,
    "task/test": _test,
    "chat/question": _question,
    "chat/answer": _answer,
    "chat/mended": _answer,
    "repair/attempt": _attempt,
    "repair/again": _mended,
    "migrate/pair": _pair,
    "migrate/again": _pair,
    "bug_llm/bug": _bug,
    "edit/words": _words,
    "issue/issue": _issue,
}
"""Writer and step -> what answers it."""
