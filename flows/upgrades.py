"""What an upgrade of driftune makes anew: parts that work otherwise than those that worked on a domain last.

A part's version goes up when the same inputs may give other rows; then its work has other keys, and is done again.
What comes after it is done again where it hangs on ids that the part makes new in any case; else only for what comes
out otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.authored import write_part
from flows.curation import CURATE_PART
from flows.evaluation import EVALUATE_PART
from flows.house import House
from flows.publication import PUBLISH_PART
from flows.scraping import CHANGES_VERSION, SCRAPER_VERSION
from flows.sites import is_site
from flows.synthesis import DERIVE_PART, mine_part
from flows.training import TRAIN_PART
from validators.execution.pool import HARNESS

SURELY, PERHAPS = "surely", "perhaps"
"""Again in any case, or only where what a step reads comes out otherwise."""

_LEADS_TO: Mapping[str, tuple[str, ...]] = {
    "mine": ("derive", "curate", "train", "evaluate"),
    "validate": ("derive", "curate"),
    "derive": ("curate", "train", "evaluate"),
    "write": ("curate", "train", "evaluate"),
    "train": ("evaluate",),
}
"""Step -> those that hang on ids which its new version makes new, or on digests of verdicts."""

_WORKED = """
    SELECT stage, part, "_run" AS run, sum(seconds) AS seconds, sum(outputs)::BIGINT AS rows, max("_at") AS last
    FROM work WHERE domain = $domain GROUP BY ALL ORDER BY last
"""


@dataclass(frozen=True)
class Again:
    """A step that is done again after an upgrade.

    Attributes:
        step: scrape, compare, mine, validate, …
        changed: What works otherwise now, as `doc_examples 9 -> 11`; empty where only what it reads may.
        again: `SURELY` or `PERHAPS`.
        seconds: What its longest run took.
        rows: Rows that that run wrote.
    """

    step: str
    changed: str
    again: str
    seconds: float
    rows: int


def parts(house: House) -> list[tuple[str, str, str]]:
    """(step, stage of its works, part with its version) of what works on a domain now, in the order of a run."""
    kinds = dict.fromkeys(source.kind for source in house.library.source if not is_site(source))
    found = [("scrape", "scrape", f"{kind}@{SCRAPER_VERSION}") for kind in kinds]
    found += [("compare", "scrape", f"changes@{CHANGES_VERSION}"), ("mine", "synth", mine_part())]
    found += [("validate", "validate", HARNESS), ("derive", "synth", DERIVE_PART)]
    found += [("write", "synth", part) for part in write_part(house).split("+") if part]
    found += [("curate", "curate", CURATE_PART), ("train", "train", TRAIN_PART)]
    return [*found, ("evaluate", "evaluate", EVALUATE_PART), ("publish", "publish", PUBLISH_PART)]


def rekeyed(house: House) -> list[Again]:
    """The steps that are done again because parts work otherwise than those that worked here last, in their order.

    None where nothing has run yet, or where each part has worked here before: then its rows are there.
    """
    worked = house.lake.query(_WORKED, {"domain": house.domain.name}).to_pylist()
    last: dict[str, list[dict[str, Any]]] = {}
    changed: dict[str, list[str]] = {}
    for step, stage, part in parts(house):
        alike = [w for w in worked if w["stage"] == stage and _is_heir(part, w["part"])]
        if alike:
            last.setdefault(step, []).extend(alike)
            if part not in {w["part"] for w in alike}:
                changed.setdefault(step, []).extend(_told(_versions(alike[-1]["part"]), _versions(part)))
    surely = set(changed)
    for step in last:  # in the order of a run, so one pass is enough
        surely |= set(_LEADS_TO.get(step, ())) if step in surely else set()
    steps = list(last)[min(map(list(last).index, changed)) :] if changed else []
    return [_again(step, changed.get(step, ()), SURELY if step in surely else PERHAPS, last[step]) for step in steps]


def _again(step: str, changed: Sequence[str], again: str, worked: Sequence[Mapping[str, Any]]) -> Again:
    """A step, with what it took: the sum of what its parts did in the run in which they took longest."""
    runs: dict[str, list[float]] = {}
    for work in worked:
        runs[work["run"]] = [
            a + b for a, b in zip(runs.get(work["run"], [0, 0]), (work["seconds"], work["rows"]), strict=True)
        ]
    seconds, rows = max(runs.values())
    return Again(step, ", ".join(changed), again, seconds, int(rows))


def upgrade_lines(again: Sequence[Again]) -> Iterator[str]:
    """`rekeyed` for a person."""
    if not again:
        return
    changed = "; ".join(f"{each.step} ({each.changed})" for each in again if each.changed)
    yield f"This driftune works otherwise than the one before: {changed}"
    for kind, what in ((SURELY, "Done again"), (PERHAPS, "Done again for what comes out otherwise")):
        steps = [each for each in again if each.again == kind]
        if steps:
            named = ", ".join(f"{each.step} {_time(each.seconds)}" for each in steps)
            yield f"{what}: {named}; {_time(sum(each.seconds for each in steps))} at most, as it took before"


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _is_heir(part: str, before: str) -> bool:
    """Whether a part does what another did, most of whose names it has: a writer may be called as a generator is."""
    new, old = _versions(part).keys(), _versions(before).keys()
    return 2 * len(new & old) > len(new | old)


def _told(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """What differs between two parts, as `doc_examples 9 -> 11`, `text 6 is new`."""
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield f"{name} is gone"
        elif name not in old:
            yield f"{name} {new[name]} is new"
        elif old[name] != new[name]:
            yield f"{name} {old[name]} -> {new[name]}"


def _versions(part: str) -> dict[str, str]:
    """Name -> version, of a part as `doc_examples@9+text@6`; that of the harness has no name."""
    pairs = (each.rpartition("@") for each in part.split("+"))
    return {name or "harness": number for name, _, number in pairs}
