"""What a model makes of held-out rows of other kinds than call sites, by likelihood: cheap enough for a CPU.

| metric | item | value |
|---|---|---|
| `bits_doc`, `bits_test`, `bits_bug`, `bits_edit` … | row of that kind | bits per byte of its answer to what it asks |
| `locate@1` | `locate` row | 1 where the replaced token is its program's least likely one, given what is before |

What a row asks, and its answer, are those that training sees (`finetune.workloads`). A row of which both take more than
the window is scored under no arm: cut, it would ask for something else. A base without control tokens for gaps
is asked for none: it has no `bits_fim`.
"""

from __future__ import annotations

import io
import keyword
import math
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from finetune import forms, workloads
from finetune.portions import Portion, rows_together
from finetune.recipe import parts_of
from finetune.retrieval import Docs
from finetune.scoring import Encoded, Window
from registry.errors import ConfigurationError
from registry.records import Example, Program, Score
from registry.text import lines_of

BITS = tuple(f"bits_{kind}" for kind in workloads.KINDS)
LOCATE = "locate@1"
WRITTEN = (
    "pass@1_doc", "pass@1_test", "pass@1_task", "pass@1_bug", "fim_exact", "fim_similarity", "edit_scope", "form",
    "names",
)  # fmt: skip
"""What `finetune.row_writing` measures."""
METRICS = (*BITS, LOCATE, *WRITTEN)
"""The metrics of rows: shown beside those of call sites, and no goal of the gate."""


@dataclass(frozen=True)
class Measured:
    """What is measured: a run on a split.

    Attributes:
        run: Id of the training run.
        split: Name of the split.
        families: Id of a row -> the family that it counts for; its root where it isn't here.
    """

    run: str
    split: str
    families: Mapping[str, str]

    def score(self, arm: str, row: Example, metric: str, value: float) -> Score:
        """One row's value under an arm."""
        family = self.families.get(row.id, row.root)
        return Score(run=self.run, arm=arm, split=self.split, metric=metric, item=row.id, family=family, value=value)


def drawn(rows: Iterable[Example], most: int) -> list[Example]:
    """Up to `most` rows of each kind that asks for something, the same ones every time: ids are hashes."""
    found: list[Example] = []
    held = sorted(rows, key=lambda e: e.id)
    for kind in workloads.KINDS:
        found += [e for e in held if e.kind == kind][:most]
    return found


def fills_gaps(tokenizer: Any) -> bool:
    """Whether a base has control tokens with which it can be asked for what stands in a gap."""
    try:
        forms.form_of(tokenizer)
    except ConfigurationError:
        return False
    return True


PART = 256
"""Rows of a portion: they are computed in the order of their lengths, so that this is part of what comes out."""

_Value = Callable[[Sequence[float]], float]


def portions(
    rows: Sequence[Example], programs: Mapping[str, Program], window: Window, of: Measured, docs: Docs | None = None
) -> Iterator[Portion]:
    """What is asked of the rows of one split.

    Args:
        rows: Rows of `workloads.KINDS`.
        programs: Id -> program, of those that the rows name.
        window: What models are shown at once.
        of: What is measured.
        docs: What stands in front of what is asked is looked up here; nothing does where None.
    """
    asked = [(row, f"bits_{row.kind}", *_asked(row, programs, window, docs)) for row in _answerable(rows, window)]
    asked += [(row, LOCATE, *_read(row, programs, window, docs)) for row in rows if row.kind == "locate"]
    whole = [one for one in asked if len(one[2].prefix) + len(one[2].text) <= window.max_tokens]
    for start in range(0, len(whole), PART):
        part = whole[start : start + PART]
        given, scores = [one[2] for one in part], partial(_scores, part, of)
        yield Portion("rows", of.split, start + len(part), len(whole), rows_together, given, scores)


def _scores(
    part: Sequence[tuple[Example, str, Encoded, _Value]], of: Measured, arm: str, answers: Sequence[Sequence[float]]
) -> Iterator[Score]:
    for (row, metric, _, value), found in zip(part, answers, strict=True):
        yield of.score(arm, row, metric, value(found))


def _answerable(rows: Iterable[Example], window: Window) -> list[Example]:
    gaps = fills_gaps(window.tokenizer)
    return [row for row in rows if gaps or row.kind != "fim"]


def _asked(row: Example, programs: Mapping[str, Program], window: Window, docs: Docs | None) -> tuple[Encoded, _Value]:
    """What a row asks and its answer, and the answer's bits per byte; what ends the answer isn't counted."""
    task = replace(workloads.asked(row, programs), docs=docs)
    encoded = task.encode(window.tokenizer, window.max_tokens)
    size = len(task.wanted(window.tokenizer).encode())
    last = len(encoded.text) - (encoded.text[-1] in forms.stops(window.tokenizer))
    return encoded, lambda found: -sum(found[:last]) / math.log(2) / max(1, size)


def _read(row: Example, programs: Mapping[str, Program], window: Window, docs: Docs | None) -> tuple[Encoded, _Value]:
    """A program with a replaced token, and whether that is its least likely one.

    A token's likelihood is the product over what the tokenizer makes of it, not the mean: that of a text that could be
    anything is low at its every part, that of a name that there isn't at those parts that make it another.
    """
    parts = parts_of(row)
    code = programs[parts["programs"]["corrupted"]].code
    ids: list[int] = []
    tokens: list[tuple[int, int, int]] = []  # where a token begins in the code, and its first and last place in `ids`
    before = 0
    for start, end in places(code):
        first = len(code[:start].rstrip(" \t"))  # as tokenizers join blanks to the word that follows
        ids += forms.within(window.tokenizer, code[before:first]) if first > before else []
        own = forms.within(window.tokenizer, code[max(before, first) : end])
        tokens.append((start, len(ids), len(ids) + len(own)))
        ids += own
        before = end
    front: Sequence[int] = ()
    begin = forms.begin(window.tokenizer)
    if docs is not None:
        room = max(0, window.max_tokens - len(begin) - len(ids))
        front = forms.start(window.tokenizer, docs.front(code, room, window.size).text)
    at = int(parts["at"])

    def right(found: Sequence[float]) -> float:
        likely = {start: sum(found[a:b]) for start, a, b in tokens}
        return float(at in likely and likely[at] == min(likely.values()))

    return Encoded((*begin, *front), tuple(ids)), right


def places(code: str) -> list[tuple[int, int]]:
    """Where the tokens of a program stand that could be wrong: names, words, numbers, texts and operators."""
    starts = [0]
    for line in lines_of(code):
        starts.append(starts[-1] + len(line))
    found = []
    for token in tokenize.generate_tokens(io.StringIO(code, newline="").readline):
        if token.type in _KINDS and token.string not in _FRAME:
            (first, begin), (last, end) = token.start, token.end
            found.append((starts[first - 1] + begin, starts[last - 1] + end))
    return found


_KINDS = frozenset({tokenize.NAME, tokenize.NUMBER, tokenize.STRING, tokenize.OP})
_FRAME = frozenset({*"()[]{},:.", *keyword.kwlist} - {"and", "or", "not", "True", "False"})
"""What holds a program together: a replaced token is none of these."""
