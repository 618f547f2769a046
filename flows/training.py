"""The stage `train`: an adapter from the latest snapshot."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finetune import bases, corpus, shuffling
from finetune.bases import BaseModel
from finetune.chain import Chain
from finetune.corpus import SourceFile
from finetune.evaluation import tokens_at_once
from finetune.exercises import EXERCISES_PART
from finetune.recipe import Lookup
from finetune.reporting import Curves
from finetune.retrieval import Docs
from finetune.tuning import Stage
from finetune.warm import Start, check_lora, new_rows
from flows import continuing, picking
from flows.bases import check_licence, replayed
from flows.batches import Batch
from flows.continuing import BOTH, FRESH, WARM
from flows.curation import rejections_of, snapshot_id
from flows.docs import docs_digest, held_out, library_docs
from flows.house import House, open_house
from flows.picking import Tuned
from flows.rehearsal import rehearsed, unseen
from flows.running import environment, policy, run_programs
from flows.scraping import releases, scraped
from flows.snapshots import rows_in
from registry.errors import ConfigurationError, TrainingError
from registry.identity import sha256_of, sha256_of_bytes, work_key
from registry.records import Adapter, Example, Program, Run, Verdict
from registry.storage import remove_tree, write_file
from registry.store import Store, content_hash
from validators.execution.pool import HARNESS
from validators.splits import DEV

TRAIN_PART = "recipe@3"
COMPUTES = ("torch", "transformers", "trl", "peft")
"""Packages whose version decides the bytes that a training ends in."""


def base_model(house: House, adapter: Adapter | None = None) -> BaseModel:
    """The domain's base: found in the cache, or made from the old release (a minute's work, or several).

    Args:
        house: The domain.
        adapter: What a training goes on from, whose base it stays; what the latest snapshot's does where None.
    """
    check_licence(house)
    train = house.domain.train
    settings = {"threads": 1, **train.base_settings} if train.base == "tiny" else train.base_settings
    texts = _texts(house, adapter or continuing.current(house))
    base = bases.find(train.base).prepare(texts, settings, house.folder("bases"), house.tell)
    check_licence(house)  # of what came: a branch may have moved since its card was read
    return base


def _texts(house: House, adapter: Adapter | None) -> Iterator[str]:
    """What a base that is made on the spot learns of the old release; read where a base asks for it."""
    old = continuing.known_release(house, adapter) or releases(house)[0]
    yield from (p.markdown for p in scraped(house, old).pages if p.kind in ("source", "test", "guide"))


def start_base(house: House, reference: str) -> None:
    """Starts making the base in a process of its own, beside synthesis and validation.

    It ends when the house is closed or this process dies, and holds the base's lock until then: `base_model` waits
    for it, and goes on from its checkpoint where it was killed.
    """
    command = [sys.executable, "-m", "flows.training", reference]
    quiet = subprocess.DEVNULL
    house.while_open(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet))


def train_key(house: House) -> str:
    """The work key of the training: the snapshot, what names the base, and what of the recipe isn't at its default.

    Where it goes on from an adapter, that one too, and what of its rows it may see again.
    """
    train = house.domain.train
    settings = {name: repr(value) for name, value in sorted(train.base_settings.items())}
    base = {"base": train.base, "base_settings": settings, "threads": house.threads}
    chain = _chain(house)
    docs = {"docs": docs_digest(house)} if chain.reads_docs else {}
    asked = {"harness": HARNESS, "policy": policy(house), "exercises": EXERCISES_PART}
    judged = asked if chain.runs_programs else {}
    recipe = {**chain.changed(), **docs, **judged, **trial_of(house), **_start_of(house)}
    return work_key([snapshot_id(house)], TRAIN_PART, {**base, **recipe}, train.seed)


def _start_of(house: House) -> dict[str, Any]:
    """What tells a training that goes on from an adapter from one afresh."""
    train, adapter = house.domain.train, continuing.current(house)
    if adapter is None:
        return {}
    told = {"start": train.start, "from": adapter.id, "rehearsal": str(train.rehearsal)}
    return {**told, "rejections": sorted(rejections_of(house))}


def trial_of(house: House) -> dict[str, Any]:
    """What tells the training of a trial, of a workload, or on shuffled rows from the domain's with its settings."""
    marks = {"experiment": house.experiment, "shuffle": house.domain.train.shuffle}
    workload = {"workload": house.domain.name} if house.mother else {}
    return {name: True for name, given in marks.items() if given} | workload


def rows_of(house: House, split: str) -> list[Example]:
    """The examples of one split of the latest snapshot, by id."""
    return rows_in(house.lake, [snapshot_id(house)], split)


def train_stage(house: House) -> list[Batch]:
    """One batch: the base where it is missing, then the steps of the recipe."""
    key = train_key(house)
    if house.result(key) is not None:
        return []

    def run() -> int:
        since = time.monotonic()
        base, tuned = _tune(house)
        run, *rest = _runs(house, base, tuned)
        left = {"run": run.id, "base": base.fingerprint, "base_settings": continuing.base_digest(house)}
        left |= {"base_release": continuing.base_release(house), "start": str(run.recipe.get("start", FRESH))}
        return house.finish("train", TRAIN_PART, [key], [run, *rest], since, left)

    start = "" if house.domain.train.start == FRESH else f", {continuing.told_start(house, continuing.current(house))}"
    return [Batch(f"Train an adapter on {house.domain.train.base}{start}", 1, run)]


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
    seconds = sum(stage.seconds for stage in tuned.stages.values())
    recipe = _chain(house).as_text() | trial_of(house)  # adopting what was tried is another run, decided anew
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


def _chain(house: House) -> Chain:
    return Chain.of(house.domain.train.model_dump())


def _tune(house: House) -> tuple[BaseModel, list[Tuned]]:
    """Base and adapters, one for each start that is tried; what is finished is found, what was killed goes on.

    Once it is known which of two was taken, that one alone.
    """
    work = house.folder("training") / train_key(house)[:16]
    adapter, base = continuing.current(house), base_model(house)
    if adapter is not None:
        continuing.check_fits(adapter, base.fingerprint)
    tokens_at_once(base, house.domain.gate.window)  # refused before the training, not after it
    files = list(corpus.standard_library())
    _hold(house, base, files, work / "begun.json")
    rows = rows_of(house, "train")
    rows = shuffling.shuffled(rows, house.domain.train.seed) if house.domain.train.shuffle else rows
    done = house.result(train_key(house)) or {}
    both = adapter is not None and house.domain.train.start == BOTH
    lookup = Lookup(house.programs, partial(_docs, house), partial(_judge, house))
    tuned = []
    for name in (FRESH, WARM) if both else (WARM if adapter is not None else FRESH,):
        if name != done.get("start", name):
            continue
        seen, start = (rows, None) if adapter is None or name == FRESH else _warm(house, adapter, rows)
        stages = _chain(house).train(
            base, seen, files, work / name if both else work, start=start, lookup=lookup,
            seed=house.domain.train.seed, threads=house.threads, progress=house.tell, curves=_curves(house),
        )  # fmt: skip
        folder = list(stages.values())[-1].folder if stages else start.folder if start is not None else work
        tuned.append(Tuned(name, folder, stages))
    return base, tuned


def _warm(house: House, adapter: Adapter, rows: Sequence[Example]) -> tuple[list[Example], Start]:
    """Rows that are new to an adapter, and what a training goes on from.

    Raises:
        ConfigurationError: `[train.lora]` isn't what the adapter was made with.
        RegistryError: The adapter is damaged.
    """
    store, name = Store(house.settings.registry_path), f"{adapter.domain}@v{adapter.version}"
    folder = store.folder(store.verify(name))
    check_lora(folder, _chain(house).lora, name)
    known = continuing.trained_on(house, continuing.line(house, [adapter.id]))
    again = rehearsed(house, known, snapshot_id(house))
    return new_rows(rows, known), Start(folder, again, house.domain.train.rehearsal)


def _curves(house: House) -> Curves:
    """Where this training's curves go, for those who look at them in TensorBoard or MLflow."""
    return Curves(
        house.domain.train.report_to, house.settings.root / "curves", house.domain.name, train_key(house)[:16]
    )


def _docs(house: House) -> Docs:
    """The target version's documentation, as the evaluation has it: without what is held out."""
    return library_docs(house, held_out(house))


def _judge(house: House, programs: Sequence[Program]) -> list[Verdict]:
    """The verdicts of programs that are rewarded: of the target version, as the domain has programs run."""
    _, new = releases(house)
    return list(run_programs(house, environment(house, new), programs))


def _hold(house: House, base: BaseModel, files: Iterable[SourceFile], begun: Path) -> None:
    """Writes down what a training begins on; half of one that was begun on anything else is begun anew.

    Settings name a base; what is in its folder, and how this machine loads it, may be another thing the next time.
    Neither do they name the general code or what computes: with others, half a training would end in other bytes.

    Raises:
        TrainingError: It is finished, and the base isn't the one that it was trained on: its adapter isn't given away.
    """
    done = house.result(train_key(house))
    known = json.loads(begun.read_text()) if begun.is_file() else {}
    trained_on = str((done or {}).get("base", base.fingerprint))
    if trained_on != base.fingerprint:
        raise TrainingError(
            f"The base {base.name} has fingerprint {base.fingerprint} now, but the training in {begun.parent} was "
            f"done on {trained_on}: put that one back, or set another [train] seed to train on this one",
            wanted=trained_on, found=base.fingerprint,
        )  # fmt: skip
    if done is not None and known:
        return
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
        if run.adapter_sha256 not in ("", found):
            raise TrainingError(
                f"The adapter in {folder} isn't the one that run {run.id} trained (SHA-256 {found}, not "
                f"{run.adapter_sha256}): put that one back, or set another [train] seed to train anew",
                wanted=run.adapter_sha256, found=found,
            )  # fmt: skip
    return base, folder


def trained(house: House) -> Run:
    """The latest training run, with the hash of the adapter that it left here.

    Trained anew with other threads, or loaded in another way, a run has the same id and may leave another adapter.

    Raises:
        ConfigurationError: Nothing is trained yet.
    """
    found = _own(house)
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


def _main(reference: str) -> None:
    """Makes a domain's base, and ends when the process that started this one has gone."""
    import os
    import threading

    def watch() -> None:
        sys.stdin.buffer.read()  # ends when the other end of the pipe is closed, however that came about
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    house = open_house(reference)
    base_model(house, continuing.newest(house))


if __name__ == "__main__":
    _main(sys.argv[1])
