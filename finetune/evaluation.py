"""Scores of one arm on held-out rows: what intervals and the gate are computed from.

| metric | item | value |
|---|---|---|
| `preference` | pair of new and old call | 1 where the new call's mean log-probability a token is above the old's |
| `choice@1` | call site | 1 where the new call is the likeliest of new, old, mutants and an invented name |
| `bits_new`, `bits_old` | site, pair | bits per byte of the new, the old call |
| `bits_gap` | pair | bits per byte of the old call minus those of the new one |
| `bits` | window of held-out general code | bits per byte |
| `docs` | call site, in an arm with docs | 1 where any documentation stands in front of the prompt |
| `docs_right` | call site, in an arm with docs | 1 where that of the new call is among it |

Rows of other kinds have metrics of their own (`finetune.row_metrics`).

Every arm has the same window of tokens and the same prompts in it; an arm with docs has them in what a prompt leaves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from finetune import row_metrics
from finetune.bases import BaseModel
from finetune.corpus import SourceFile, windows
from finetune.portions import Portion, spans_apart, spans_together
from finetune.retrieval import Docs
from finetune.scoring import BATCH, Span, SpanScore, Window, closed
from registry.errors import ConfigurationError
from registry.records import Example, Score

LESS_IS_BETTER = frozenset({"bits_new", "bits", *row_metrics.BITS})
"""Metrics where a smaller value is better. Of the old call that can't be said: to forget it is what is wanted."""


def sign(metric: str) -> int:
    """What a difference is multiplied by so that a gain is above zero: -1 where less is better."""
    return -1 if metric in LESS_IS_BETTER else 1


STALE = "stale"
ROLES = ("chosen", "rejected")
WINDOW = 600
"""Characters in a window of general code."""
SITES = 16
"""Call sites of a portion."""
MOST_TOKENS = 2048
"""Tokens of docs, prompt and call where none are asked for, with a base that takes more."""


def tokens_at_once(base: BaseModel, asked: int) -> int:
    """Tokens of docs, prompt and call together, in every arm.

    Args:
        base: The base.
        asked: How many are asked for; 0 for as many as the base takes, up to `MOST_TOKENS`.

    Raises:
        ConfigurationError: The base takes fewer: beyond, every arm would be as bad, and docs of no use.
    """
    config = json.loads((base.path / "config.json").read_text())
    takes = int(base.context or config.get("max_position_embeddings") or config.get("n_positions") or 0)
    if takes and asked > takes:
        raise ConfigurationError(
            f"[gate] window can't be {asked}: {base.name} takes {takes} tokens. Set it to that at most, or leave it out"
        )
    return asked or min(takes or MOST_TOKENS, MOST_TOKENS)


def site_portions(
    examples: Iterable[Example], window: Window, *, run: str, split: str, docs: Docs | None = None
) -> Iterator[Portion]:
    """What is asked of the `preference` rows of one split. Each call site is computed by itself.

    Args:
        examples: Rows of kind `preference`; other kinds are left out. Rows of one call site share their `root`.
        window: What models are shown at once.
        run: Id of the training run.
        split: Name of the split.
        docs: What stands in front of each prompt is looked up here; nothing does where None.
    """
    sites: dict[str, list[Example]] = {}
    for example in sorted((e for e in examples if e.kind == "preference"), key=lambda e: e.id):
        sites.setdefault(example.root, []).append(example)
    ordered = sorted(sites.items())
    for start in range(0, len(ordered), SITES):
        part = ordered[start : start + SITES]
        asked = [found for site, rows in part if (found := _site(site, rows, window, docs)) is not None]
        given, scores = [one.spans for one in asked], partial(_scores, asked, run, split)
        yield Portion("scores", split, start + len(part), len(ordered), spans_apart, given, scores)


@dataclass(frozen=True)
class _Site:
    """A call site.

    Attributes:
        name: Its root.
        rows: Its rows.
        spans: The new call of each row, then what each has instead.
        shown: Metric and value of the docs in front of it.
    """

    name: str
    rows: Sequence[Example]
    spans: Sequence[Span]
    shown: Sequence[tuple[str, float]]


def _site(site: str, rows: list[Example], window: Window, docs: Docs | None) -> _Site | None:
    """What is asked of one call site; all its alternatives are cut at the place where the first differs.

    None where one of them is longer than the window: what is compared must be whole.
    """
    prefix = min((_part(row, "prompt") for row in rows), key=len)
    texts = [(_part(row, "prompt") + _part(row, role))[len(prefix) :] for role in ROLES for row in rows]
    spans = closed(prefix, texts)
    if not window.fits(spans):
        return None
    if docs is None:
        return _Site(site, rows, spans, ())
    front = docs.front(prefix, window.room(spans), window.size)
    longer = front.text + spans[0].prefix
    right = bool({*rows[0].symbols[:1]} & {*front.symbols})
    shown = (("docs", float(bool(front.text))), ("docs_right", float(right)))
    return _Site(site, rows, [Span(longer, span.text) for span in spans], shown)


def _scores(
    asked: Sequence[_Site], run: str, split: str, arm: str, answers: Sequence[Sequence[SpanScore]]
) -> Iterator[Score]:
    for site, scores in zip(asked, answers, strict=True):
        family = site.rows[0].family or site.name
        for metric, item, value in _values(site, scores):
            yield Score(run=run, arm=arm, split=split, metric=metric, item=item, family=family, value=value)


def _values(site: _Site, scores: Sequence[SpanScore]) -> Iterator[tuple[str, str, float]]:
    """Metric, item and value of one call site."""
    for metric, value in site.shown:
        yield metric, site.name, value
    new, others = scores[: len(site.rows)], scores[len(site.rows) :]
    yield "choice@1", site.name, float(new[0].mean > max(score.mean for score in others))
    yield "bits_new", site.name, new[0].bits
    for row, ours, old in zip(site.rows, new, others, strict=True):
        if row.bug_kind == STALE:
            yield "preference", row.id, float(ours.mean > old.mean)
            yield "bits_old", row.id, old.bits
            yield "bits_gap", row.id, old.bits - ours.bits


def _part(example: Example, name: str) -> str:
    if not isinstance(example.parts, Mapping):
        raise TypeError(f"The parts of the preference row {example.id} are no mapping")
    return str(example.parts[name])


def general_portions(files: Iterable[SourceFile], *, run: str, limit: int = 200) -> Iterator[Portion]:
    """What is asked of held-out general code: the bits per byte of the windows of each file, up to `limit` in all."""
    pieces = list(general_windows(files, limit))
    for start in range(0, len(pieces), BATCH):
        part = pieces[start : start + BATCH]
        given, scores = [Span("", piece.text) for piece in part], partial(_general, part, run)
        yield Portion("scores", "general", start + len(part), len(pieces), spans_together, given, scores)


def _general(pieces: Sequence[Piece], run: str, arm: str, answers: Sequence[SpanScore]) -> Iterator[Score]:
    told = {"run": run, "arm": arm, "split": "general", "metric": "bits"}
    for piece, score in zip(pieces, answers, strict=True):
        yield Score(**told, item=piece.name, family=piece.path, value=score.bits)


@dataclass(frozen=True)
class Piece:
    """A window of a file of general code."""

    path: str
    number: int
    text: str

    @property
    def name(self) -> str:
        """Names it among all windows."""
        return f"{self.path}#{self.number}"


def general_windows(files: Iterable[SourceFile], limit: int) -> Iterator[Piece]:
    """Windows of the files that are held out, one of each file in turn, up to `limit`."""
    cut = [(file.path, list(windows(file.text, WINDOW))) for file in files if file.held_out]
    for number in range(max((len(pieces) for _, pieces in cut), default=0)):
        for path, pieces in cut:
            if number < len(pieces) and limit > 0:
                limit -= 1
                yield Piece(path, number, pieces[number])
