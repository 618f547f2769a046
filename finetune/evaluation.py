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
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from finetune import row_metrics
from finetune.bases import BaseModel
from finetune.corpus import SourceFile, windows
from finetune.retrieval import Docs
from finetune.scoring import Scorer, Span, closed
from finetune.watching import Progress
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


def score_pairs(
    examples: Iterable[Example],
    scorer: Scorer,
    *,
    run: str,
    arm: str,
    split: str,
    docs: Docs | None = None,
    progress: Progress | None = None,
) -> Iterator[Score]:
    """Score the `preference` rows of one split under one arm.

    Args:
        examples: Rows of kind `preference`; other kinds are left out. Rows of one call site share their `root`.
        scorer: The arm's model.
        run: Id of the training run.
        arm: Name of the arm.
        split: Name of the split.
        docs: What stands in front of each prompt is looked up here; nothing does where None.
        progress: Told of each site.
    """
    sites: dict[str, list[Example]] = {}
    for example in sorted((e for e in examples if e.kind == "preference"), key=lambda e: e.id):
        sites.setdefault(example.root, []).append(example)
    for done, (site, rows) in enumerate(sorted(sites.items()), start=1):
        for metric, item, value in _site(site, rows, scorer, docs):
            yield Score(
                run=run, arm=arm, split=split, metric=metric, item=item, family=rows[0].family or site, value=value
            )
        if progress is not None:
            progress(f"scores {arm} {split}", done, len(sites))


def _site(site: str, rows: list[Example], scorer: Scorer, docs: Docs | None) -> Iterator[tuple[str, str, float]]:
    """Metric, item and value of one call site; all its alternatives are cut at the place where the first differs.

    None where one of them is longer than the window: what is compared must be whole.
    """
    prefix = min((_part(row, "prompt") for row in rows), key=len)
    texts = [(_part(row, "prompt") + _part(row, role))[len(prefix) :] for role in ROLES for row in rows]
    spans = closed(prefix, texts)
    if not scorer.fits(spans):
        return
    if docs is not None:
        front = docs.front(prefix, scorer.room(spans), scorer.size)
        spans = [Span(front.text + span.prefix, span.text) for span in spans]
        yield "docs", site, float(bool(front.text))
        yield "docs_right", site, float(bool({*rows[0].symbols[:1]} & {*front.symbols}))
    scores = scorer.scores(spans)
    new, others = scores[: len(rows)], scores[len(rows) :]
    yield "choice@1", site, float(new[0].mean > max(score.mean for score in others))
    yield "bits_new", site, new[0].bits
    for row, ours, old in zip(rows, new, others, strict=True):
        if row.bug_kind == STALE:
            yield "preference", row.id, float(ours.mean > old.mean)
            yield "bits_old", row.id, old.bits
            yield "bits_gap", row.id, old.bits - ours.bits


def _part(example: Example, name: str) -> str:
    if not isinstance(example.parts, Mapping):
        raise TypeError(f"The parts of the preference row {example.id} are no mapping")
    return str(example.parts[name])


def score_general(
    files: Iterable[SourceFile],
    scorer: Scorer,
    *,
    run: str,
    arm: str,
    limit: int = 200,
    progress: Progress | None = None,
) -> Iterator[Score]:
    """Bits per byte of held-out general code under one arm: the windows of each file, up to `limit` in all."""
    pieces = list(general_windows(files, limit))
    for start in range(0, len(pieces), scorer.batch):
        part = pieces[start : start + scorer.batch]
        scores = scorer.scores([Span("", piece.text) for piece in part])
        for piece, score in zip(part, scores, strict=True):
            yield Score(
                run=run, arm=arm, split="general", metric="bits", item=piece.name, family=piece.path, value=score.bits
            )
        if progress is not None:
            progress(f"scores {arm} general", min(start + scorer.batch, len(pieces)), len(pieces))


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
