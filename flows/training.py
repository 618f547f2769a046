"""The stage `train`: an adapter from the latest snapshot."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from finetune import bases, corpus, shuffling
from finetune.bases import BaseModel
from finetune.chain import Chain
from finetune.tuning import Stage
from flows.bases import check_base
from flows.batches import Batch
from flows.curation import snapshot_id
from flows.house import House, open_house
from flows.scraping import releases, scraped
from flows.snapshots import rows_in
from registry.errors import ConfigurationError, TrainingError
from registry.identity import work_key
from registry.records import Example, Run
from registry.storage import write_file
from registry.store import content_hash

TRAIN_PART = "recipe@2"


def base_model(house: House) -> BaseModel:
    """The domain's base: found in the cache, or made from the old release (a minute's work, or several)."""
    check_base(house)
    train = house.domain.train
    settings = {"threads": 1, **train.base_settings} if train.base == "tiny" else train.base_settings
    base = bases.find(train.base).prepare(_texts(house), settings, house.folder("bases"), house.tell)
    check_base(house)  # of what came: a branch may have moved since its card was read
    return base


def _texts(house: House) -> Iterator[str]:
    """What a base that is made on the spot learns of the old release; read where a base asks for it."""
    old, _ = releases(house)
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
    """The work key of the training: the snapshot, what names the base, and what of the recipe isn't at its default."""
    train = house.domain.train
    settings = {name: repr(value) for name, value in sorted(train.base_settings.items())}
    base = {"base": train.base, "base_settings": settings, "threads": house.threads}
    return work_key(
        [snapshot_id(house)], TRAIN_PART, {**base, **_chain(house).changed(), **trial_of(house)}, train.seed
    )


def trial_of(house: House) -> dict[str, bool]:
    """What tells a trial's training, and one on shuffled rows, from the domain's own with the same settings."""
    marks = {"experiment": house.experiment, "shuffle": house.domain.train.shuffle}
    return {name: True for name, given in marks.items() if given}


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
        curve = [
            {"stage": name, "step": step, "loss": loss} for name, stage in tuned.items() for step, loss in stage.curve
        ]
        seconds = sum(stage.seconds for stage in tuned.values())
        row = Run(
            snapshot=snapshot_id(house),
            base=base.name,
            base_revision=base.revision,
            recipe=_chain(house).as_text() | trial_of(house),  # adopting what was tried is another run, decided anew
            seed=house.domain.train.seed,
            domain=house.domain.name,
            experiment=house.experiment,
            adapter_sha256=content_hash(_last(tuned)),
            device=base.loading.device,
            steps=len(curve),
            curve=curve,
            seconds=seconds,
            cost=seconds / 3600 * house.domain.train.price,
        )
        return house.finish("train", TRAIN_PART, [key], [row], since, {"run": row.id, "base": base.fingerprint})

    return [Batch(f"Train an adapter on {house.domain.train.base}", 1, run)]


def _chain(house: House) -> Chain:
    return Chain.of(house.domain.train.model_dump())


def _tune(house: House) -> tuple[BaseModel, dict[str, Stage]]:
    """Base and steps of the recipe; what is finished is found, what was killed goes on."""
    work = house.folder("training") / train_key(house)[:16]
    base = base_model(house)
    _hold(house, base, work / "begun.json")
    rows = rows_of(house, "train")
    rows = shuffling.shuffled(rows, house.domain.train.seed) if house.domain.train.shuffle else rows
    files = list(corpus.standard_library())
    tuned = _chain(house).train(
        base, rows, files, work,
        seed=house.domain.train.seed, threads=house.threads, progress=house.tell,
    )  # fmt: skip
    return base, tuned


def _hold(house: House, base: BaseModel, begun: Path) -> None:
    """Writes down what a training begins on, and refuses to go on, or to give away its adapter, on anything else.

    Settings name a base; what is in its folder, and how this machine loads it, may be another thing the next time.

    Raises:
        TrainingError: The base isn't the one that it was trained on, or half of it would be loaded in another way.
    """
    done = house.result(train_key(house))
    known = json.loads(begun.read_text()) if begun.is_file() else {}
    trained_on = str({**known, **(done or {})}.get("base", base.fingerprint))
    if trained_on != base.fingerprint:
        raise TrainingError(
            f"The base {base.name} has fingerprint {base.fingerprint} now, but the training in {begun.parent} was "
            f"begun on {trained_on}: put that one back, or set revision in [train.base_settings] to train on this one",
            wanted=trained_on, found=base.fingerprint,
        )  # fmt: skip
    loading = str(base.loading)
    if done is None and known.get("loading", loading) != loading:
        raise TrainingError(
            f"The training in {begun.parent} was begun with {known['loading']}, and would go on with {loading}: go on "
            "where it was begun, set that in [train.base_settings], or remove that folder to begin anew",
            wanted=known["loading"], found=loading,
        )  # fmt: skip
    if not known:
        write_file(begun, json.dumps({"base": base.fingerprint, "loading": loading}).encode(), "a training")


def _last(tuned: Mapping[str, Stage]) -> Path:
    """The folder of the adapter that a recipe ends in."""
    return list(tuned.values())[-1].folder


def tuned_adapter(house: House) -> tuple[BaseModel, Path]:
    """The base and the folder of the adapter that was trained last; trained again where its folder is gone.

    Raises:
        TrainingError: It isn't the adapter, or not the base, that the run tells of.
    """
    base, tuned = _tune(house)
    folder = _last(tuned)
    found = content_hash(folder)
    for run in house.made(Run, train_key(house)):
        if run.adapter_sha256 not in ("", found):
            raise TrainingError(
                f"The adapter in {folder} isn't the one that run {run.id} trained (SHA-256 {found}, not "
                f"{run.adapter_sha256}): put that one back, or set another [train] seed to train anew",
                wanted=run.adapter_sha256, found=found,
            )  # fmt: skip
    return base, folder


def run_id(house: House) -> str:
    """The id of the latest training run.

    Raises:
        ConfigurationError: Nothing is trained yet.
    """
    result = house.result(train_key(house))
    if result is None:
        raise ConfigurationError(f"Nothing is trained yet: run driftune train {house.domain.name} first")
    return str(result["run"])


def _main(reference: str) -> None:
    """Makes a domain's base, and ends when the process that started this one has gone."""
    import os
    import threading

    def watch() -> None:
        sys.stdin.buffer.read()  # ends when the other end of the pipe is closed, however that came about
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    base_model(open_house(reference))


if __name__ == "__main__":
    _main(sys.argv[1])
