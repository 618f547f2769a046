"""A condition of promotion: `stable` moves only to what passes a team's own tasks no less often than what it holds.

The gate decides what is published; `[gate] tasks` decides whether subscribers get it. What they have must be no better
by more than `[gate] tasks_margin`: of the tasks that one of the two passes and the other doesn't, too many may not go
against the new one, and there must be enough tasks to tell.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

from finetune import quiet
from finetune import tasks as measured
from finetune.tasks import PASSED, UNAVAILABLE, Drawn, Task
from flows.annotation import account
from flows.batches import Batch
from flows.bench import CONTROL, SOLUTION, Bench, Sample
from flows.evaluation import decision_of
from flows.events import happened
from flows.house import House
from flows.judge import Options
from flows.making import base_model
from flows.models import Model, published_model
from flows.publication import publish_key
from flows.tasks import Request, drawn_of, tasks_of
from flows.training import run_id
from registry.errors import ConfigurationError, RegistryError, SandboxError
from registry.identity import sha256_of, work_key
from registry.lake import Lake
from registry.lock import check_held
from registry.records import Adapter, Score, Work
from registry.store import CANDIDATE, STABLE, Store
from validators.execution.pool import Pool

PROMOTE_PART = "promote@1"
PROMOTED, REJECTED, UNDECIDED = "promoted", "rejected", "undecided"
PASS = "pass@1"  # noqa: S105  # the metric


@dataclasses.dataclass(frozen=True)
class Promotion:
    """Whether a channel may move to a version.

    Attributes:
        outcome: promoted, rejected or undecided.
        reason: Why, in one line.
        scores: What each task came to under both, without their run.
    """

    outcome: str
    reason: str
    scores: tuple[Score, ...] = ()


def promotion_tasks(house: House) -> list[Task]:
    """The tasks that are the domain's condition of promotion; none where it has no such condition.

    Raises:
        ConfigurationError: The file can't be read, or a line is no task.
    """
    name = house.domain.gate.tasks
    try:
        return tasks_of(Path(name)) if name else []
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}. Mend [gate] tasks", path=name) from error


def tasks_digest(tasks: Sequence[Task]) -> str:
    """What a file of tasks asks, for work keys: under the same path other tasks may stand."""
    return sha256_of([[task.row(task.id, task.prompt), task.canonical_solution] for task in tasks])


def told_tasks(house: House) -> str:
    """What is asked before `stable` moves, for a person.

    Raises:
        ConfigurationError: The tasks can't be read.
    """
    gate = house.domain.gate
    if not gate.tasks:
        return f"nothing: {STABLE} moves to what the gate lets through"
    count = len(promotion_tasks(house))
    return f"{count} tasks of {gate.tasks}, of which the new version may pass {gate.tasks_margin:.0%} fewer"


def promote_key(house: House) -> str:
    """The work key of the decision whether `stable` moves: the very adapter, the tasks, and the margin."""
    asked = [publish_key(house), tasks_digest(promotion_tasks(house))]
    return work_key(asked, PROMOTE_PART, {"margin": str(house.domain.gate.tasks_margin)})


def promotion_of(house: House) -> Mapping[str, Any] | None:
    """What was decided of the run's published version, where that had to wait for it: `outcome`, `reason`, …"""
    published = house.result(publish_key(house))
    waits = published is not None and published.get("channel", STABLE) != STABLE
    return house.result(promote_key(house)) if waits else None


def last_promotion(lake: Lake, domain: str, run: str) -> Mapping[str, Any] | None:
    """What was last decided of a run's published version: `version`, `outcome`, `reason`; None where nothing was."""
    done = lake.read(Work, "stage = 'promote' AND domain = $d", {"d": domain}, latest=1)
    return done[0].result if done and done[0].result["run"] == run else None


def promote_stage(house: House) -> list[Batch]:
    """One batch where a version was published that `stable` must not move to unasked, else none."""
    published = house.result(publish_key(house)) if decision_of(house)["decision"] == "publish" else None
    if published is None or published.get("channel", STABLE) == STABLE:
        return []
    key = promote_key(house)
    if house.result(key) is not None:
        return []

    def run() -> int:
        since = time.monotonic()
        store = Store(house.settings.registry_url)
        adapter = store.at(str(published["location"]))
        if adapter is None:
            raise RegistryError(f"{published['location']} in {store.url} isn't there any more: publish again")
        found = promote([house], store, adapter, partial(check_held, house.run))
        scores = [dataclasses.replace(score, run=run_id(house)) for score in found.scores]
        told = {"run": run_id(house), "version": adapter.version, "outcome": found.outcome, "reason": found.reason}
        done = house.finish("promote", PROMOTE_PART, [key], scores, since, told)
        if found.outcome != PROMOTED:
            happened(house, "driftune.gate.refused", decision=CANDIDATE, reason=found.reason)
        return done

    return [Batch("Ask the tasks that promotion hangs on", 1, run)]


def promote(
    houses: Sequence[House], store: Store, adapter: Adapter, fence: Callable[[], None] = lambda: None
) -> Promotion:
    """Moves `stable` to a version, where the tasks of each domain allow it and nobody took it away from there.

    Args:
        houses: The domains whose tasks are asked.
        store: Where the version is.
        adapter: The version.
        fence: Called before `stable` moves; it raises where the caller may not move it any more: asking takes minutes
            to hours, and a machine may sleep meanwhile.
    """
    refused, before = _moved_back(store, adapter), store.given(adapter.domain, STABLE)
    if refused is not None:
        return refused
    asked: list[Promotion] = []
    for house in houses:
        asked.append(decided(house, store, adapter, STABLE))
        if asked[-1].outcome != PROMOTED:
            break
    reason = "; ".join(one.reason for one in asked)
    found = Promotion(asked[-1].outcome, reason, tuple(score for one in asked for score in one.scores))
    if found.outcome != PROMOTED:
        return found
    fence()
    refused = _moved_back(store, adapter) or _moved_on(store, adapter, before)
    if refused is not None:
        return dataclasses.replace(refused, scores=found.scores)
    store.promote(adapter.domain, adapter.version, STABLE, reason=reason, by=account())
    return found


def _moved_back(store: Store, adapter: Adapter) -> Promotion | None:
    """What somebody took `stable` away from doesn't come back by itself."""
    held = [entry.version for entry in store.history(adapter.domain, STABLE)]
    if adapter.version not in held or held[-1] == adapter.version:
        return None
    name = f"{adapter.domain}@v{adapter.version}"
    why = (
        f"{STABLE} held v{adapter.version} and was moved away: driftune registry promote {name} {STABLE} moves it back"
    )
    return Promotion(UNDECIDED, why)


def _moved_on(store: Store, adapter: Adapter, before: int | None) -> Promotion | None:
    """Where somebody moved `stable` while the tasks were asked, they say nothing of what it holds now."""
    now = store.given(adapter.domain, STABLE)
    if now in (before, adapter.version):
        return None
    holds = f"gives v{now}" if now is not None else "gives nothing"
    name = f"{adapter.domain}@v{adapter.version}"
    why = (
        f"{STABLE} {holds} since the tasks were asked of v{adapter.version}: driftune registry promote {name} {STABLE}"
        " asks them again"
    )
    return Promotion(UNDECIDED, why)


def decided(house: House, store: Store, adapter: Adapter, channel: str) -> Promotion:
    """Whether a channel may move to a version, by the domain's tasks.

    Raises:
        ConfigurationError: The tasks can't be read, or the base of one of both isn't here.
        SandboxError: A program could not be run: nothing is decided, and another try may do.
    """
    tasks = promotion_tasks(house)
    if not tasks:
        return Promotion(PROMOTED, "no tasks are asked")
    now = store.given(adapter.domain, channel)
    if now == adapter.version:
        return Promotion(PROMOTED, f"{channel} holds it already")
    base = base_model(house)
    new = dataclasses.replace(published_model(store.folder(adapter), adapter, base), arm=f"v{adapter.version}")
    if now is not None:
        held = store.resolve(f"{adapter.domain}@v{now}")
        old = dataclasses.replace(published_model(store.folder(held), held, base), arm=f"v{held.version}")
    else:
        old = Model("base", new.base)
    with quiet.threads(house.threads):
        samples = _asked(house, tasks, (old, new))
    idle = {one.task for one in samples if one.arm == CONTROL and one.outcome == PASSED}
    drawn = [
        Drawn(one.arm, one.task, 0, 0, one.outcome)
        for one in samples
        if one.arm not in (CONTROL, SOLUTION) and one.task not in idle
    ]
    scores = tuple(measured.scores(drawn, [1]))
    return judged(scores, old.arm, new.arm, house.domain.gate.tasks_margin)


def _asked(house: House, tasks: Sequence[Task], models: Sequence[Model]) -> list[Sample]:
    """The likeliest program of each model for each task, run in the domain's sandbox; each is written and run once."""
    sandbox = house.domain.sandbox
    path = house.folder("promotion") / f"{house.domain.name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    request = Request(timeout_s=float(sandbox.timeout_s))
    options = Options(attempts=sandbox.attempts, timeout_s=request.timeout_s)
    with ExitStack() as resources:
        # a sandbox of somebody's own need not know how to run programs of mixed environments
        pool = house.pool if isinstance(house.pool, Pool) else resources.enter_context(Pool(house.workers))
        bench = resources.enter_context(closing(Bench(path, pool, options, house.tell)))
        samples = list(drawn_of(bench, tasks, models, request))
    missing = [one for one in samples if one.outcome == UNAVAILABLE]
    if missing:
        raise SandboxError(
            f"Not decided whether the channel moves: {len(missing)} programs could not be run, as for the task "
            f"{missing[0].task}: {missing[0].detail}. Mend that, then run the same command again"
        )
    return samples


def judged(scores: Sequence[Score], old: str, new: str, margin: float) -> Promotion:
    """Whether what a channel would get passes as many of the tasks as what it has, but for the margin.

    Args:
        scores: Of each task under both, 1 where it passes.
        old: Arm of what the channel has.
        new: Arm of what it would get.
        margin: By how much the share of tasks that are passed may be smaller.
    """
    by = {arm: {s.item: s.value == 1.0 for s in scores if s.arm == arm} for arm in (old, new)}
    had, has = sum(by[old].values()), sum(by[new].values())
    count = len(by[new])
    lost = sum(by[old][task] and not by[new][task] for task in by[new])
    won = sum(by[new][task] and not by[old][task] for task in by[new])
    told = f"{new} passes {has:,} of {count:,} tasks, {old} {had:,} ({won:,} won, {lost:,} lost)"
    if not had and not has:
        return Promotion(UNDECIDED, f"{told}: tasks that neither passes can't tell which is better", tuple(scores))
    low, high = measured.paired(won, lost, count)
    told += f": {(won - lost) / count:+.2f} [{low:+.2f}, {high:+.2f}]"
    if lost - won > margin * count:
        return Promotion(REJECTED, f"{told}, more than {margin:g} below", tuple(scores))
    if low <= -margin:
        why = f"too few tasks to tell that it isn't more than {margin:g} below"
        return Promotion(UNDECIDED, f"{told}, {why}", tuple(scores))
    return Promotion(PROMOTED, f"{told}, no more than {margin:g} below", tuple(scores))
