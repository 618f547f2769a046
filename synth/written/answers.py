"""What an answer has to be before anything is made of it, and what it is called where it isn't.

Answers are a stranger's text: as long as they like, nested, in any alphabet. Each check refuses with the outcome that
the dialogue then ends with (`UnwrittenError`, which never leaves a dialogue: see `ending`).

What counts as English (`is_english`): of the letters nine in ten are Latin, and of eight words or more, code apart, one
in eight is a common English one. German, French, Spanish and Italian prose of a few sentences has none of these.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
import unicodedata
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from registry.names import tree_of
from registry.records import Program, Verdict
from registry.trees import parse
from synth.llm import Reply, Request
from synth.written.dialogue import Desk, Dialogue, Ending, Subject, Trial
from synth.written.hostile import attack_in
from synth.written.prompts import Excerpt, Words

LONGEST = 64_000
"""Characters of an answer; one that is longer isn't looked at."""

MOST_LINES, WIDEST = 120, 1000
"""Lines of a program, and characters of a line."""

_ENGLISH = frozenset([
    "an", "and", "are", "be", "been", "but", "by", "each", "every", "for", "from", "have", "has", "if", "into", "it",
    "its", "must", "not", "of", "only", "should", "than", "that", "the", "then", "there", "they", "this", "was", "were",
    "what", "when", "where", "which", "with", "you", "your",
])  # fmt: skip
_CODE = re.compile(r"`[^`\n]*`|(?<!\w)\w*[_.(]\w+")
_WORDS = re.compile(r"[^\W\d_]{2,}|[^\W\d_]")
_UNWANTED = re.compile("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_OPENS = re.compile(r"```[ \t]*(\w*)[ \t]*")


class UnwrittenError(Exception):
    """Nothing can be made of an answer: the outcome of the dialogue, and why."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(outcome, detail)
        self.outcome, self.detail = outcome, _one_line(detail)


Held = Callable[[Any, Desk, Subject, "Talk"], Dialogue]


def ending(write: Held) -> Callable[[Any, Desk, Subject], Dialogue]:
    """A writer's `write` of what it says: it ends where an answer is refused, and always with its calls."""

    @functools.wraps(write)
    def written(self: Any, desk: Desk, subject: Subject) -> Dialogue:
        talk = Talk()
        try:
            ended = yield from write(self, desk, subject, talk)
        except UnwrittenError as why:
            ended = Ending(outcome=why.outcome, detail=why.detail)
        return replace(ended, calls=tuple(talk.calls))

    return written


class Talk:
    """What one dialogue has asked so far.

    Attributes:
        calls: Keys of the answers, in order.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []

    def words(self, asked: Words, *parts: str | Excerpt, sample: int = 0) -> Generator[Request, Reply, dict[str, str]]:
        """Asks for an object of texts: they, stripped.

        Raises:
            UnwrittenError: There is no answer, or it isn't in this form.
        """
        reply = yield from self._ask(asked.request(*parts, sample=sample))
        return _fields(reply.value, asked.schema or {})

    def code(self, asked: Words, *parts: str | Excerpt, sample: int = 0) -> Generator[Request, Reply, str]:
        """Asks for a program: the one code block of the answer.

        Raises:
            UnwrittenError: There is no answer, or it has no code block, or several.
        """
        _, blocks = divided((yield from self.text(asked, *parts, sample=sample)))
        if len(blocks) != 1:
            raise UnwrittenError("format", f"The answer has {len(blocks)} code blocks; it has to have one")
        return blocks[0]

    def text(self, asked: Words, *parts: str | Excerpt, sample: int = 0) -> Generator[Request, Reply, str]:
        """Asks for a text, as `divided` takes it.

        Raises:
            UnwrittenError: There is no answer.
        """
        reply = yield from self._ask(asked.request(*parts, sample=sample))
        return clean(reply.text).strip()

    def _ask(self, request: Request) -> Generator[Request, Reply, Reply]:
        reply = yield request
        self.calls.append(reply.key)
        if reply.outcome != "ok":
            raise UnwrittenError(reply.outcome, reply.detail)
        return reply


def tried(release: str, *programs: Program) -> Generator[Trial, Mapping[str, Verdict], list[Verdict]]:
    """Runs programs: their verdicts, in order.

    Raises:
        UnwrittenError: One couldn't be run.
    """
    found = yield Trial(release, programs)
    verdicts = [found[program.id] for program in programs]
    if lost := next((v for v in verdicts if v.outcome == "unavailable"), None):
        raise UnwrittenError("unavailable", lost.detail)
    return verdicts


# ------------------------------------------------------------------------------------------------------------- forms


def divided(text: str) -> tuple[str, list[str]]:
    """An answer's prose, and its code blocks in order, each with one line end at its end.

    Raises:
        UnwrittenError: It is too long, has characters that are none, or a block that isn't Python or doesn't end.
    """
    lines = clean(text).split("\n")
    prose: list[str] = []
    blocks: list[str] = []
    inside: list[str] | None = None
    for line in lines:
        opens = _OPENS.fullmatch(line)
        if inside is not None and line.rstrip() == "```":
            blocks.append("\n".join(inside).strip("\n").rstrip() + "\n")
            inside = None
        elif inside is not None:
            inside.append(line)
        elif opens is not None:
            if opens.group(1).lower() not in ("", "py", "python", "python3"):
                raise UnwrittenError("format", f"A code block is in {opens.group(1)!r}; it has to be in python")
            inside = []
        elif "```" in line or "~~~" in line:
            raise UnwrittenError("format", f"A code block begins otherwise than with ```python alone: {line[:60]}")
        else:
            prose.append(line)
    if inside is not None:
        raise UnwrittenError("format", "A code block doesn't end")
    return "\n".join(prose).strip(), blocks


def clean(text: str, longest: int = LONGEST) -> str:
    """A text with one kind of line ends.

    Raises:
        UnwrittenError: It is no text, too long, or has characters that are none.
    """
    if not isinstance(text, str) or len(text) > longest:
        raise UnwrittenError("format", f"The answer is longer than {longest} characters, or no text")
    told = text.replace("\r\n", "\n").replace("\r", "\n")
    if found := _UNWANTED.search(told):
        raise UnwrittenError("format", f"The answer has the character {found.group()!a}")
    return told


def _fields(value: Any, schema: Mapping[str, Any]) -> dict[str, str]:
    """The texts of an answer in JSON; the client may have checked them, and a scripted one may not."""
    wanted: Mapping[str, Mapping[str, int]] = schema["properties"]
    if not isinstance(value, dict) or set(value) != set(wanted):
        raise UnwrittenError("format", f"The answer is no object of {', '.join(wanted)}")
    found = {}
    for name, limits in wanted.items():
        if not isinstance(value[name], str):
            raise UnwrittenError("format", f"The answer's {name!r} is no text")
        found[name] = clean(value[name], limits["maxLength"]).strip()
        if not found[name]:
            raise UnwrittenError("format", f"The answer's {name!r} is empty")
    return found


# ------------------------------------------------------------------------------------------------------ what it says


def english(*texts: str) -> None:
    """Holds prose to English; see the module for what counts.

    Raises:
        UnwrittenError: One is something else.
    """
    for text in texts:
        if not is_english(text):
            raise UnwrittenError("language", f"It isn't English: {text[:80]}")


def unfenced(*texts: str) -> None:
    """Holds words to words: a block of code in them would be shown, and nobody would have run it.

    Raises:
        UnwrittenError: One has a code block.
    """
    for text in texts:
        if "```" in text or "~~~" in text:
            raise UnwrittenError("format", f"There is a code block in words alone: {text[:80]}")


def is_english(text: str) -> bool:
    """Whether prose is English, as far as letters and common words tell."""
    told = _CODE.sub(" ", text)
    words = [word.lower() for word in _WORDS.findall(told)]
    letters = "".join(words)
    latin = sum(letter.isascii() or "LATIN" in unicodedata.name(letter, "") for letter in letters)
    common = sum(word in _ENGLISH for word in words)
    return latin * 10 >= len(letters) * 9 and (len(words) < 8 or common * 8 >= len(words))


def python(code: str, allowed: Iterable[str], longest: int = MOST_LINES) -> ast.Module:
    """The tree of a program as an answer may have it: treat as frozen.

    Args:
        code: The program.
        allowed: What it may import beside the standard library.
        longest: Lines at most.

    Raises:
        UnwrittenError: It is no Python or the compiler warns of it, it looks like an attack on what runs it, imports
            something else, or is too long.
    """
    lines = clean(code).split("\n")
    if len(lines) > longest or max(map(len, lines)) > WIDEST:
        raise UnwrittenError("format", f"A program has more than {longest} lines, or one of over {WIDEST} characters")
    if "```" in code or "~~~" in code:
        raise UnwrittenError("format", "A program has the fence of a code block in it")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            compile(parse(code), "answer", "exec", dont_inherit=True)
            tree = tree_of(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError, Warning) as error:
            raise UnwrittenError("language", f"It isn't Python: {error}") from error
    if attack := attack_in(tree):
        raise UnwrittenError("hostile", f"It does what no task asks for: {attack}")
    known = {*allowed, *sys.stdlib_module_names}
    if foreign := sorted({name.partition(".")[0] for name in imported(tree)} - known):
        raise UnwrittenError("off-topic", f"It imports {', '.join(foreign)}, which isn't there")
    return tree


def imported(tree: ast.Module) -> set[str]:
    """The modules that a program imports, anywhere; of a relative import a dot."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add("a module beside it" if node.level else str(node.module))
    return found


def shown(verdict: Verdict) -> str:
    """How a program ended, as it is told to who wrote it: the outcome, and the line that decided, if one did."""
    return f"{verdict.outcome}: {verdict.detail}" if verdict.detail else verdict.outcome


def _one_line(text: str) -> str:
    told = " ".join(_UNWANTED.sub("\ufffd", text[:2000]).split())
    return told if len(told) <= 300 else f"{told[:299]}…"
