"""Contamination: rows that hold a task which models are evaluated on, from benchmark files that a user lists.

A task is looked for by its words (runs of eight, in prompts, docstrings and solutions alike) and by the form of its
code, which layout and other names don't change. What a task shares with everything, a short loop or a few words, is not
looked for, nor is what the tasks of a file share: a licence, or what all of them are introduced by.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.records import Example, Program
from registry.trees import parsed, walk
from validators.curation.forms import SEPARATOR, Forms, form_of, form_of_tree, shingles
from validators.curation.near import AFTER
from validators.parts import programs_of

RUN = 8
"""Words, or tokens of a form, in a run that is looked for."""

HELD = 0.6
"""A row holds a piece of a task if it has this share of the piece's runs."""

_LEAST_WORDS, _LEAST_TOKENS, _ENOUGH_TOKENS = 8, 8, 24
"""A text has at least so many words, a function's body so many tokens. A body with less than enough of them is looked
for together with its parameters, and as a whole."""

_AT_HAND = 4096
"""Programs of which it is remembered what they hold."""

_SHARED = 3
"""A run that stands in so many tasks of one file is not what any of them is about."""

_DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

_Piece = tuple[frozenset[str], float]
"""The runs in a piece of a task, and the share of them that makes a row hold it."""

_NAMES = ("task_id", "id", "name", "question_id", "problem_id")
"""Fields that name a task, in the order in which they are looked for."""

_WORD = re.compile(r"\w+")
_FENCED = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*\n(.*?)^[ \t]*(?:```|~~~)", re.MULTILINE | re.DOTALL)
_PROMPTED = re.compile(r"^[ \t]*(?:>>>|\.\.\.) ?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Task:
    """One task of a benchmark.

    Attributes:
        name: What a removal calls it.
        texts: Its texts: prompt, solution, tests.
        file: The file it is of.
    """

    name: str
    texts: tuple[str, ...]
    file: str = ""


def tasks_of(file: str, text: str) -> list[Task]:
    """The tasks in a benchmark's file.

    Args:
        file: Its name: a JSON object a line in `….jsonl`, one task in any other (Python, plain text, Markdown).
        text: What it holds.

    Raises:
        ValueError: A line of `….jsonl` is no JSON; the message names the line.
    """
    if not file.endswith((".jsonl", ".ndjson")):
        paragraphs = [] if file.endswith(".py") else re.split(r"\n\s*\n", text)
        return [Task(file, (text, *paragraphs), file)]
    tasks = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is no JSON ({error})") from None
        named = row if isinstance(row, dict) else {}
        name = next((str(named[k]) for k in _NAMES if isinstance(named.get(k), (str, int))), f"line {number}")
        tasks.append(Task(f"{name} of {file}", tuple(_strings(row)), file))
    return tasks


def _strings(value: Any) -> Iterator[str]:
    """The texts in a JSON value, lists of texts also as one."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, Sequence):
        yield "\n".join(inner for inner in value if isinstance(inner, str))
        for inner in value:
            yield from _strings(inner)


class Benchmarks:
    """Tasks to keep out, and which rows hold one.

    Args:
        tasks: The tasks.
        programs: Program id -> program, of the rows.
        forms: Their forms.
    """

    def __init__(self, tasks: Iterable[Task], programs: Mapping[str, Program], forms: Forms) -> None:
        self._programs, self._forms = programs, forms
        self._known: dict[tuple[str, bool], str] = {}
        self._pieces: list[tuple[str, int]] = []
        self._holding: dict[str, list[int]] = {}
        for name, piece, share in _distinct(tasks):
            self._pieces.append((name, math.ceil(share * len(piece))))
            for run in piece:
                self._holding.setdefault(run, []).append(len(self._pieces) - 1)
        self._tokens = frozenset(token for run in self._holding for token in run.split(SEPARATOR))

    def held_by(self, example: Example) -> str:
        """The name of a task that a row holds, empty where it holds none."""
        parts: Any = example.parts
        texts = [str(v) for v in parts.values() if isinstance(v, str)]
        trees = [tree for text in texts for tree in trees_of(text)] if example.kind == "text" else []
        found = self._held([*map(_words, texts), *map(form_of_tree, trees)])
        named = programs_of(example)
        right = named.get(AFTER.get(example.kind, ""))
        return found or next((task for n in named.values() if (task := self._of_program(n, n == right))), "")

    def _of_program(self, name: str, is_right: bool) -> str:
        """What a program holds; the form of a wrong one is as near as that of the right one beside it."""
        if len(self._known) == _AT_HAND:
            self._known.clear()
        if (name, is_right) not in self._known:
            p = self._programs.get(name)
            texts = [p.code, p.test, *map(str, dict(p.files).values())] if p is not None else []
            forms = [self._forms.of(name).tokens, *map(form_of, texts[2:])] if is_right else []
            self._known[name, is_right] = self._held([*map(_words, texts), *forms])
        return self._known[name, is_right]

    def _held(self, sequences: Iterable[Sequence[str]]) -> str:
        """The first task of which a piece's runs are among those of these tokens."""
        runs = {run for tokens in sequences for run in self._runs(tokens)}
        hits = Counter(piece for run in runs for piece in self._holding.get(run, ()))
        held = [n for n, count in hits.items() if count >= self._pieces[n][1]]
        return self._pieces[min(held)][0] if held else ""

    def _runs(self, tokens: Sequence[str]) -> Iterator[str]:
        """The runs of tokens that all stand in some task."""
        since = 0
        for at, token in enumerate(tokens):
            if token not in self._tokens:
                since = at + 1
            elif at + 1 - since >= RUN:
                yield SEPARATOR.join(tokens[at + 1 - RUN : at + 1])


def _distinct(tasks: Iterable[Task]) -> Iterator[tuple[str, frozenset[str], float]]:
    """(task, runs, share) of the tasks' pieces, without what several tasks of a file share.

    Of words those that are a task's own are left; a form is looked for whole, as part of one is like much other code.
    """
    pieces: list[tuple[Task, _Piece, bool]] = []
    for task in tasks:
        trees = _trees(task.texts)
        pieces += [(task, piece, True) for piece in dict.fromkeys(_pieces_of_words(task.texts, trees))]
        pieces += [(task, piece, False) for piece in dict.fromkeys(_pieces_of_forms(trees))]
    stands = {(task.file, run, task.name) for task, (runs, _), _ in pieces for run in runs}  # a task may stand twice
    count = Counter((file, run) for file, run, _ in stands)
    for task, (runs, share), is_words in pieces:
        own = frozenset(run for run in runs if count[task.file, run] < _SHARED)
        if own:
            yield task.name, own if is_words else runs, share


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _pieces_of_words(texts: Iterable[str], trees: Iterable[ast.Module]) -> Iterator[_Piece]:
    """The runs in each text, and in each docstring of its code, that is long enough and not mostly numbers."""
    nodes = (node for tree in trees for node in walk(tree))
    docs = [doc for n in nodes if isinstance(n, _DOCUMENTED) and (doc := ast.get_docstring(n))]
    for text in [*texts, *docs, *(doc.partition(">>>")[0] for doc in docs)]:
        words = _words(text)
        if sum(w.isalpha() for w in words) >= max(_LEAST_WORDS, len(words) // 2):
            yield shingles(words, RUN), HELD


def _pieces_of_forms(trees: Iterable[ast.Module]) -> Iterator[_Piece]:
    """The runs in each function's body, and in the rest of each module: of the short ones every run must be held."""
    for tree in trees:
        own = [n for n in tree.body if isinstance(n, _DOCUMENTED)]
        rest = ast.Module(body=[n for n in tree.body if n not in own], type_ignores=[])
        for piece in [*own, rest]:
            body = form_of_tree(ast.Module(body=piece.body, type_ignores=[]), tree)
            whole = form_of_tree(piece, tree)
            if len(body) >= _ENOUGH_TOKENS:
                yield shingles(body, RUN), HELD
            elif len(body) > _LEAST_TOKENS:
                yield shingles(whole, RUN), 1.0


def _trees(texts: Iterable[str]) -> list[ast.Module]:
    """The syntax trees of texts; of one that doesn't parse (a body), after another (its head)."""
    whole = list(texts)
    trees = []
    for text in whole:
        heads = (parsed(f"{head}\n{text}") for head in whole if head is not text)
        trees += trees_of(text) or [tree for tree in heads if tree is not None]
    return trees


def trees_of(text: str) -> list[ast.Module]:
    """The Python in a text: itself where it parses, its fenced blocks, and its doctests as one."""
    prompted = _PROMPTED.findall(text)
    codes = [text, *_FENCED.findall(text), *(["\n".join(prompted)] if prompted else [])]
    return [tree for code in codes if (tree := parsed(code)) is not None]
