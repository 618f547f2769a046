"""What a model makes of held-out rows of the kinds `fim`, `edit` and `locate`.

| metric | a row's value |
|---|---|
| `fim_exact` | 1 where the gap is filled with the very text that stood there, blanks at its ends aside |
| `fim_similarity` | how near the two texts are: 1 - Levenshtein distance / length of the longer one |
| `edit_scope` | 1 where something was edited, and nothing outside the instruction's lines |
| `locate@1` | 1 where, of a program's tokens, the replaced one is what surprises the model most |
"""

from __future__ import annotations

import io
import keyword
import tokenize
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.forms import Order, Place, gap
from finetune.generation import Prompt
from finetune.scoring import Scorer, closed
from registry.records import Example, Program, Score
from registry.text import lines_of


@dataclass(frozen=True)
class Measured:
    """What scores are of: a run's arm on a split."""

    run: str
    arm: str
    split: str

    def score(self, example: Example, metric: str, value: float) -> Score:
        """One row's value."""
        family = example.family or example.root
        return Score(
            run=self.run, arm=self.arm, split=self.split, metric=metric, item=example.id, family=family, value=value
        )


def gap_prompts(examples: Iterable[Example], tokenizer: Any) -> dict[str, Prompt]:
    """Id of a `fim` row -> what a base sees of it: its gap in the form of the base's family, the row's files before it.

    Raises:
        ConfigurationError: The base's vocabulary has no control tokens to fill gaps in.
    """
    prompts = {}
    for example in examples:
        if example.kind == "fim":
            files = [(str(one["path"]), str(one["text"])) for one in _parts(example).get("context", ())]
            place = Place(example.domain, example.file, files)
            order: Order = "spm" if _parts(example).get("order") == "spm" else "psm"
            ids = gap(tokenizer, _part(example, "prefix"), _part(example, "suffix"), order, place)
            prompts[example.id] = Prompt(ids=tuple(ids))
    return prompts


def score_gaps(examples: Iterable[Example], written: Mapping[str, str], of: Measured) -> Iterator[Score]:
    """`fim_exact` and `fim_similarity` of `fim` rows.

    Args:
        examples: Rows; those of other kinds, and those that nothing was written for, are left out.
        written: Id of a row -> what a model filled the gap with.
        of: What is measured.
    """
    for example in examples:
        if example.kind == "fim" and example.id in written:
            middle, filled = (text.strip() for text in (_part(example, "middle"), written[example.id]))
            yield of.score(example, "fim_exact", float(middle == filled))
            yield of.score(example, "fim_similarity", similarity(middle, filled))


def similarity(one: str, other: str) -> float:
    """1 for equal texts, 0 for texts that share nothing.

    Source: edit similarity as in Ding et al., CrossCodeEval, 2023, section 3.
    """
    return 1 - distance(one, other) / max(len(one), len(other), 1)


def distance(one: str, other: str) -> int:
    """How many characters have to be added, removed or replaced (Levenshtein, 1966)."""
    above = list(range(len(other) + 1))
    for row, left in enumerate(one, 1):
        line = [row]
        for column, right in enumerate(other, 1):
            line.append(min(above[column] + 1, line[-1] + 1, above[column - 1] + (left != right)))
        above = line
    return above[-1]


ScopeFault = Callable[[str, str, Sequence[Sequence[int]]], str]
"""Takes the code before, the code after, and the lines that may change; why the edit reaches outside them, or empty."""


def score_edits(
    examples: Iterable[Example],
    programs: Mapping[str, Program],
    written: Mapping[str, str],
    of: Measured,
    fault: ScopeFault,
) -> Iterator[Score]:
    """`edit_scope` of `edit` rows.

    Args:
        examples: Rows; those of other kinds, and those that nothing was written for, are left out.
        programs: Id -> program, of those that the rows name.
        written: Id of a row -> the code that a model made of the one before.
        of: What is measured.
        fault: What says whether an edit keeps to its scope: the rule that the rows themselves were proven by.
    """
    for example in examples:
        if example.kind == "edit" and example.id in written:
            before = programs[_program(example, "before")].code
            why = fault(before, written[example.id], _parts(example)["scope"])
            yield of.score(example, "edit_scope", float(not why))


def score_tokens(
    examples: Iterable[Example], programs: Mapping[str, Program], scorer: Scorer, of: Measured
) -> Iterator[Score]:
    """`locate@1` of `locate` rows: the token of lowest mean log-probability after all that stands before it.

    Args:
        examples: Rows; those of other kinds are left out.
        programs: Id -> program, of those that the rows name.
        scorer: The arm's model.
        of: What is measured.
    """
    for example in examples:
        if example.kind == "locate":
            code = programs[_program(example, "corrupted")].code
            found = places(code)
            spans = [closed(code[:start], [code[start:end]])[0] for start, end in found]
            likely = [score.mean for score in scorer.scores(spans)]
            right = [start for start, _ in found].index(int(_parts(example)["at"]))
            yield of.score(example, "locate@1", float(likely[right] == min(likely)))


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


def _parts(example: Example) -> Mapping[str, Any]:
    return example.parts


def _part(example: Example, name: str) -> str:
    return str(example.parts[name])


def _program(example: Example, role: str) -> str:
    return str(_parts(example)["programs"][role])
