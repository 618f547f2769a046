"""How many decisions were made on a held-out set before one, so that trying until it passes doesn't work."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Collection, Iterator, Mapping

from registry.lake import Lake
from registry.records import Example, Run, Score, SnapshotRow, Work
from validators.splits import CONTEXT, MEASURED, SYMBOL

DECIDES = (CONTEXT, SYMBOL)
"""The splits that a decision rests on: together they are the held-out set, whichever of them has the goal."""


def decisions_before(lake: Lake, adapter: str, question: str, families: set[str], version: str, snapshot: str) -> int:
    """How many other decisions were made on a held-out set: of other adapters, trials too, or asking otherwise of one.

    Trying until it passes doesn't work, nor does trying first and then running what passed, nor asking again with other
    settings of the gate. The same question about the same adapter is no other decision: made anew it has the place of
    the first time. Where no question was written down yet, it was the first that is known of that adapter, so that an
    update asks nothing anew. Two held-out sets are the same where they ask about the same target version and share at
    least half of the smaller one's families, whatever their domains are called: what is asked is whether an adapter
    knows these changes, and another draw of their call sites (`[splits] salt`, other settings of `[synth]`) is another
    look at it, also by an adapter that was decided on before: what it was trained on may have stayed as it was.
    The next release is a new question though most families stay: others are served, by other adapters. Trainings on
    shuffled rows don't count: they can't be run as the domain's own, and say nothing of which settings are better.

    Args:
        lake: The lake.
        adapter: SHA-256 of the adapter that is decided on now.
        question: What is asked of it.
        families: The families of the held-out set's call sites.
        version: The target version.
        snapshot: Id of the snapshot whose rows are held out.
    """
    held_out: dict[str, set[str]] = {}
    splits = " OR ".join(f"split = '{split}'" for split in DECIDES)
    for score in lake.read(Score, f"arm = 'base' AND metric = 'choice@1' AND ({splits})"):
        held_out.setdefault(score.run, set()).add(score.family)
    shared = {run: len(found & families) for run, found in held_out.items()}
    same = {run for run, found in held_out.items() if 2 * shared[run] >= min(len(found), len(families)) > 0}
    runs = lake.read(Run)
    same -= {run.id for run in runs if run.recipe.get("shuffle")}
    of = {run.id: run.snapshot for run in runs}
    made = [one for one in _made(lake) if one["run"] in same and one["version"] in ("", version)]
    first = {one["adapter"]: one["question"] for one in reversed(made) if one["question"]}
    sites = _sites(lake, {snapshot, *(of.get(one["run"], "") for one in made)})
    looks = dict.fromkeys(
        (one["adapter"], one["question"] or first.get(one["adapter"], question), sites.get(of.get(one["run"], "")))
        for one in made
    )
    this = (adapter, question, sites.get(snapshot))
    return sum(1 for _ in itertools.takewhile(lambda look: look != this, looks))


def _sites(lake: Lake, snapshots: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Snapshot -> ids of its rows that decisions rest on; nothing is read where all decisions are on one snapshot."""
    if len(snapshots) < 2:
        return {}
    splits = " OR ".join(f"split = '{split}'" for split in DECIDES)
    listed = lake.read(SnapshotRow, f"snapshot IN (SELECT unnest($of)) AND ({splits})", {"of": sorted(snapshots)})
    ids = {"ids": sorted({row.example for row in listed}), "kind": MEASURED}
    measured = {row.id for row in lake.read(Example, "kind = $kind AND id IN (SELECT unnest($ids))", ids)}
    found: dict[str, set[str]] = {}
    for row in listed:
        if row.example in measured:
            found.setdefault(row.snapshot, set()).add(f"{row.split} {row.example}")
    return {snapshot: frozenset(rows) for snapshot, rows in found.items()}


def _made(lake: Lake) -> Iterator[dict[str, str]]:
    """All decisions, in the order in which they were made: `run`, `adapter`, `question` and `version` of each.

    Question and version are empty where they weren't written down yet, or as they were spelled. The run is that of the
    scores then, and the adapter what its training had left by then: trained anew, it may have left another one since.
    A training whose work was written down again since, to the same key, is taken for the one before.
    """
    works = lake.read(Work, "stage IN ('train', 'evaluate')", latest=sys.maxsize)  # the latest first
    trained = {str(work.result.get("run")): work.key for work in works if work.stage == "train"}  # its first training
    for work in reversed(works):
        if work.stage == "train":
            trained[str(work.result.get("run"))] = work.key
        elif "version" in work.result:
            yield {name: str(value) for name, value in work.result.items()}
        else:
            for score in lake.read(Score, "arm = 'base'", work=work.key, latest=1):
                runs = lake.read(Run, "id = $run", {"run": score.run}, work=trained.get(score.run, work.key))
                adapter = runs[0].adapter_sha256 if runs else score.run
                yield {"run": score.run, "adapter": adapter, "question": "", "version": ""}
