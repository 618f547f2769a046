"""The stage `train`: an adapter from the latest snapshot."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finetune import corpus
from finetune.bases import BaseModel
from finetune.corpus import SourceFile
from finetune.evaluation import tokens_at_once
from finetune.recipe import Lookup
from finetune.reporting import Curves
from finetune.retrieval import Docs
from finetune.tuning import Stage
from flows import continuing, picking
from flows.bases import replayed
from flows.batches import Batch
from flows.continuing import FRESH, WARM
from flows.curation import snapshot_id
from flows.docs import held_out, library_docs
from flows.house import House
from flows.lessons import Lesson, chain_of, done_before, lessons, start_of
from flows.making import base_model
from flows.picking import Tuned
from flows.rehearsal import unseen
from flows.running import environment, run_programs
from flows.scraping import releases
from flows.snapshots import latest_curation, rows_in
from registry.errors import ConfigurationError, NoRowsError, TrainingError
from registry.identity import sha256_of, sha256_of_bytes, work_key
from registry.records import Example, Program, Run, Verdict
from registry.storage import remove_tree, write_file
from registry.store import content_hash
from validators.splits import DEV

TRAIN_PART = "recipe@5"
COMPUTES = ("torch", "transformers", "trl", "peft")
"""Packages whose version decides the bytes that a training ends in."""


def trainings(house: House) -> tuple[Lesson, ...]:
    """The trainings that the domain asks for on its latest snapshot.

    Raises:
        ConfigurationError: There is no snapshot yet, or the recipe can't be.
    """
    return lessons(house, TRAIN_PART)


def train_key(house: House) -> str:
    """The work key of the run: the snapshot, and the trainings that it is of, which others may have been of before."""
    keys = [lesson.key for lesson in trainings(house)]
    return work_key([snapshot_id(house), *keys], TRAIN_PART, trial_of(house))


def trial_of(house: House) -> dict[str, Any]:
    """What tells the training of a trial, of a workload, or on shuffled rows from the domain's with its settings."""
    marks = {"experiment": house.experiment, "shuffle": house.domain.train.shuffle}
    workload = {"workload": house.domain.name} if house.mother else {}
    return {name: True for name, given in marks.items() if given} | workload


def rows_of(house: House, split: str) -> list[Example]:
    """The examples of one split of the latest snapshot, by id."""
    return rows_in(house.lake, [snapshot_id(house)], split)


def train_stage(house: House) -> list[Batch]:
    """One batch: the base where it is missing, then the steps of the recipe; or the adapter of the same training.

    That there is nothing to train on is remembered as what came of it (`untrained`); a trial stops there.
    """
    key = train_key(house)
    if house.result(key) is not None:
        return []

    def run() -> int:
        since = time.monotonic()
        try:
            _check_rows(house)
            base, tuned = _tune(house)
        except NoRowsError as error:
            if house.experiment:
                raise
            return house.finish("train", TRAIN_PART, [key], [], since, {"nothing": str(error)})
        trained = _checked(house, tuned)
        run, *rest = _runs(house, base, tuned)
        left = {"run": run.id, "base": base.fingerprint, "base_settings": continuing.base_digest(house)}
        left |= {"base_release": continuing.base_release(house), "start": str(run.recipe.get("start", FRESH))}
        return house.finish("train", TRAIN_PART, [key], [run, *rest], since, {**left, "trained": trained})

    start = "" if house.domain.train.start == FRESH else f", {continuing.told_start(house, continuing.current(house))}"
    known = all(lesson.key in done_before(house) for lesson in trainings(house))
    what = "Take the adapter of the same training" if known else "Train an adapter"
    costs = house.domain.train.price > 0 and not known
    return [Batch(f"{what} on {house.domain.train.base}{start}", 1, run, costs)]


def untrained(house: House) -> str:
    """Why the latest snapshot gives nothing to train on; empty where it does, or where that isn't known yet."""
    if latest_curation(house.lake, house.owner) is None:
        return ""
    return str((house.result(train_key(house)) or {}).get("nothing", ""))


def _check_rows(house: House) -> None:
    """Looks for rows before a base is made for them.

    Raises:
        NoRowsError: A step of a training has none of a kind that it needs.
    """
    for lesson in trainings(house):
        chain_of(house).check(lesson.rows, start_of(house, lesson))


def _checked(house: House, tuned: Sequence[Tuned]) -> dict[str, str]:
    """Key of each training -> hash of the adapter that it left.

    Raises:
        TrainingError: One that was trained before isn't what it was then.
    """
    found = {one.key: content_hash(one.folder) for one in tuned}
    for one in tuned:
        if one.again:
            known = done_before(house)[one.key].result
            _check(one.folder, found[one.key], str(known["trained"][one.key]), str(known["run"]))
    return found


def _check(folder: Path, found: str, wanted: str, run: str) -> None:
    """Holds the adapter that lies in a folder against what a run left there.

    Raises:
        TrainingError: It is another one.
    """
    if found != wanted:
        raise TrainingError(
            f"The adapter in {folder} isn't the one that run {run} trained (SHA-256 {found}, not {wanted}): put that "
            "one back, or set another [train] seed to train anew",
            wanted=wanted, found=found,
        )  # fmt: skip


def _runs(house: House, base: BaseModel, tuned: Sequence[Tuned]) -> list[Any]:
    """The domain's run; then, where two were trained, the other one's, its scores on `dev` and its report."""
    if len(tuned) == 1:
        return [_run(house, base, tuned[0])]
    adapter = continuing.current(house)
    dev = unseen(house, [adapter.id] if adapter else [], DEV, rows_of(house, DEV))
    found = picking.pick(house, base, tuned, dev)
    lost = dataclasses.replace(_run(house, base, found.lost, found.told), experiment=True)
    lost = dataclasses.replace(lost, recipe={**lost.recipe, "experiment": True})
    return [_run(house, base, found.taken, found.told), lost, *picking.kept(lost, found)]


def _run(house: House, base: BaseModel, tuned: Tuned, told: Mapping[str, Any] | None = None) -> Run:
    """What a training was."""
    curve = [row for name, stage in tuned.stages.items() for row in _curve(name, stage)]
    seconds = 0.0 if tuned.again else sum(stage.seconds for stage in tuned.stages.values())
    recipe = chain_of(house).as_text() | trial_of(house)  # adopting what was tried is another run, decided anew
    adapter = continuing.current(house)
    if adapter is not None:
        warm = {"from": adapter.id, "rehearsal": str(house.domain.train.rehearsal)} if tuned.start == WARM else {}
        recipe |= {"start": tuned.start, **warm, **(told or {})}
    return Run(
        snapshot=snapshot_id(house),
        base=base.name,
        base_revision=base.revision,
        recipe=recipe,
        seed=house.domain.train.seed,
        domain=house.domain.name,
        experiment=house.experiment,
        adapter_sha256=content_hash(tuned.folder),
        device=base.loading.device,
        steps=len(curve),
        curve=curve,
        seconds=seconds,
        cost=seconds / 3600 * house.domain.train.price,
    )


def _curve(name: str, stage: Stage) -> Iterator[dict[str, Any]]:
    """A row for each step of the optimiser: its loss, and of `rl` what was earned."""
    told = stage.told or ({},) * len(stage.curve)
    for (step, loss), more in zip(stage.curve, told, strict=True):
        yield {"stage": name, "step": step, "loss": loss, **more}


def _tune(house: House) -> tuple[BaseModel, list[Tuned]]:
    """Base and adapters, one for each start that is tried; what is finished is found, what was killed goes on.

    Once it is known which of two was taken, that one alone.
    """
    base = base_model(house)
    for lesson in trainings(house):
        if lesson.adapter is not None:
            continuing.check_fits(lesson.adapter, base.fingerprint)
    tokens_at_once(base, house.domain.gate.window)  # refused before the training, not after it
    files = list(corpus.standard_library())
    taken = (house.result(train_key(house)) or {}).get("start")
    asked = [lesson for lesson in trainings(house) if taken in (None, lesson.start)]
    return base, [_tuned(house, base, lesson, files) for lesson in asked]


def _tuned(house: House, base: BaseModel, lesson: Lesson, files: Sequence[SourceFile]) -> Tuned:
    """One training: finished, gone on with, or found."""
    work, start = lesson.folder(house), start_of(house, lesson)
    again = _hold(house, base, lesson, files, work / "begun.json")
    train = house.domain.train
    stages = chain_of(house).train(
        base, lesson.rows, files, work, start=start,
        lookup=Lookup(house.programs, partial(_docs, house), partial(_judge, house)),
        seed=train.seed, threads=house.threads, progress=house.tell,
        curves=Curves(train.report_to, house.settings.root / "curves", house.domain.name, work.name),
    )  # fmt: skip
    folder = list(stages.values())[-1].folder if stages else start.folder if start is not None else work
    return Tuned(lesson.key, lesson.start, folder, stages, again)


def _docs(house: House) -> Docs:
    """The target version's documentation, as the evaluation has it: without what is held out."""
    return library_docs(house, held_out(house))


def _judge(house: House, programs: Sequence[Program]) -> list[Verdict]:
    """The verdicts of programs that are rewarded: of the target version, as the domain has programs run."""
    _, new = releases(house)
    return list(run_programs(house, environment(house, new), programs))


def _hold(house: House, base: BaseModel, lesson: Lesson, files: Iterable[SourceFile], begun: Path) -> bool:
    """Writes down what a training begins on; half of one that was begun on anything else is begun anew.

    Settings name a base; what is in its folder, and how this machine loads it, may be another thing the next time.
    Neither do they name the general code or what computes: with others, half a training would end in other bytes.

    Returns:
        Whether it was finished before, and what it left is here.

    Raises:
        TrainingError: It is finished, and the base isn't the one that it was trained on: its adapter isn't given away.
    """
    trained_on = str((house.result(train_key(house)) or {}).get("base", base.fingerprint))
    if trained_on != base.fingerprint:
        raise TrainingError(
            f"The base {base.name} has fingerprint {base.fingerprint} now, but the training in {begun.parent} was "
            f"done on {trained_on}: put that one back, or set another [train] seed to train on this one",
            wanted=trained_on, found=base.fingerprint,
        )  # fmt: skip
    known = json.loads(begun.read_text()) if begun.is_file() else {}
    before = done_before(house).get(lesson.key)
    if known and before is not None and before.result["base"] == base.fingerprint:
        return True
    now = {"base": base.fingerprint, "loading": str(base.loading)}
    now |= {package: f"{package} {version(package)}" for package in COMPUTES}
    if replayed(house):
        now["general"] = f"general code {_digest(files)}"
    others = [what for what, found in now.items() if known.get(what, found) != found]
    if others:
        house.tell(f"Train anew, as half of it was trained with another {', '.join(others)}", 0, 1)
        remove_tree(begun.parent)
    if others or not known:
        write_file(begun, json.dumps(now).encode(), "a training")
    return False


def _digest(files: Iterable[SourceFile]) -> str:
    """What general code is replayed: another Python, or an update of it, brings another standard library."""
    return sha256_of([[file.path, sha256_of_bytes(file.text.encode())] for file in files])[:16]


def tuned_adapter(house: House) -> tuple[BaseModel, Path]:
    """The base and the folder of the adapter that was trained last; trained again where its folder is gone.

    Raises:
        TrainingError: It isn't the adapter, or not the base, that the run tells of.
    """
    base, tuned = _tune(house)
    folder = tuned[0].folder
    found = content_hash(folder)
    for run in _own(house):
        if run.adapter_sha256:
            _check(folder, found, run.adapter_sha256, run.id)
    return base, folder


def trained(house: House) -> Run:
    """The latest training run, with the hash of the adapter that it left here.

    Trained anew with other threads, or loaded in another way, a run has the same id and may leave another adapter.

    Raises:
        ConfigurationError: Nothing is trained yet.
    """
    found = _own(house)
    if not found and (why := untrained(house)):
        raise ConfigurationError(f"Nothing is trained on the latest snapshot of {house.owner}: {why}")
    if not found:
        raise ConfigurationError(f"Nothing is trained yet: run driftune train {house.owner} first")
    return found[0]


def _own(house: House) -> list[Run]:
    """The domain's run, of two that were trained the one that was taken; none where nothing is trained."""
    key = train_key(house)
    taken = (house.result(key) or {}).get("run")
    return [run for run in house.made(Run, key) if run.id == taken]


def run_id(house: House) -> str:
    """The id of the latest training run.

    Raises:
        ConfigurationError: Nothing is trained yet.
    """
    return trained(house).id
