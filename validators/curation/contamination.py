"""Contamination: rows that hold a task which models are evaluated on, from benchmark files that a user lists.

A task is looked for by its words (runs of eight, in prompts, docstrings and solutions alike) and by the form of its
code, which layout and other names don't change. What a task shares with everything, a short loop or a few words, is not
looked for.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.records import Example, Program
from registry.trees import walk
from validators.curation.forms import form_of_tree, parsed, shingles
from validators.proofs import programs_of

RUN = 8
"""Words, or tokens of a form, in a run that is looked for."""

HELD = 0.6
"""A row holds a piece of a task if it has this share of the piece's runs."""

_LEAST_WORDS, _LEAST_TOKENS = 8, 24
"""A piece is at least so long: what is shorter says nothing of where it comes from."""

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
    """

    name: str
    texts: tuple[str, ...]


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
        return [Task(file, (text, *paragraphs))]
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
        tasks.append(Task(f"{name} of {file}", tuple(_strings(row))))
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
    """

    def __init__(self, tasks: Iterable[Task], programs: Mapping[str, Program]) -> None:
        self._programs = programs
        self._known: dict[str, str] = {}
        self._names: list[str] = []
        self._sizes: list[int] = []
        self._pieces: dict[str, list[int]] = {}
        for task in tasks:
            runs = [*_runs_of_words(task.texts), *_runs_of_forms(_trees(task.texts))]
            for piece in dict.fromkeys(runs):
                self._sizes.append(len(piece))
                self._names.append(task.name)
                for run in piece:
                    self._pieces.setdefault(run, []).append(len(self._sizes) - 1)

    def held_by(self, example: Example) -> str:
        """The name of a task that a row holds, empty where it holds none."""
        parts: Any = example.parts
        texts = [str(v) for v in parts.values() if isinstance(v, str)]
        found = self._held(texts, [t for text in texts[:1] for t in codes_of(text)] if example.kind == "text" else [])
        for name in programs_of(example).values():
            found = found or self._held_by_program(name)
        return found

    def _held_by_program(self, name: str) -> str:
        if name not in self._known:
            p = self._programs.get(name)
            texts = [p.code, p.test, *map(str, dict(p.files).values())] if p is not None else []
            self._known[name] = self._held(texts, ["\n".join(texts[:2]), *texts[2:]])
        return self._known[name]

    def _held(self, texts: Iterable[str], codes: Iterable[str]) -> str:
        if not self._pieces:
            return ""
        runs = {run for text in texts for run in _runs(_words(text))}
        runs |= {run for code in codes if (tree := parsed(code)) is not None for run in _runs(form_of_tree(tree))}
        hits = Counter(piece for run in runs for piece in self._pieces.get(run, ()))
        held = [n for n, count in hits.items() if count >= HELD * self._sizes[n]]
        return self._names[min(held)] if held else ""


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _runs(tokens: Sequence[str]) -> frozenset[str]:
    return shingles(tokens, RUN) if len(tokens) >= RUN else frozenset()


def _runs_of_words(texts: Iterable[str]) -> Iterator[frozenset[str]]:
    """The runs in each text, and in each docstring of its code, that is long enough and not mostly numbers."""
    whole = list(texts)
    for tree in _trees(whole):
        for node in walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and (doc := ast.get_docstring(node)):
                whole += [doc, doc.partition(">>>")[0]]
    for text in whole:
        words = _words(text)
        if sum(w.isalpha() for w in words) >= max(_LEAST_WORDS, len(words) // 2):
            yield _runs(words)


def _runs_of_forms(trees: Iterable[ast.Module]) -> Iterator[frozenset[str]]:
    """The runs in each function and class, and in the rest of each module, that are long enough."""
    for tree in trees:
        own = [n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
        rest = ast.Module(body=[n for n in tree.body if n not in own], type_ignores=[])
        for piece in [*own, rest]:
            form = form_of_tree(piece, tree)
            if len(form) >= _LEAST_TOKENS:
                yield _runs(form)


def _trees(texts: Iterable[str]) -> list[ast.Module]:
    """The syntax trees of texts; of one that doesn't parse (a body), after another (its head)."""
    whole = list(texts)
    trees = []
    for text in whole:
        codes = codes_of(text) or [f"{head}\n{text}" for head in whole if head is not text]
        trees += [tree for code in codes if (tree := parsed(code)) is not None]
    return trees


def codes_of(text: str) -> list[str]:
    """The Python in a text: itself where it parses, its fenced blocks, and its doctests as one."""
    prompted = _PROMPTED.findall(text)
    quoted = [*_FENCED.findall(text), *(["\n".join(prompted)] if prompted else [])]
    return [text, *quoted] if parsed(text) is not None else quoted
