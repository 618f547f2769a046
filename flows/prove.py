"""`driftune prove`: the whole idea on a base that can write: adapter against base+docs, at a size that a GPU makes.

A base of a chosen size is made on the spot, from the standard library, the source of permissive packages and the old
release; on it the domain's recipe is tried as an experiment, which can't be published; all four arms are scored, and
write calls that the sandbox runs. What comes of it is a table. Everything is in a folder of the home, in this order:

| file | holds |
|---|---|
| `plan.json` | what was asked, the `[train]` table that it came to, what it takes |
| `base.json` | how many steps of the base's training were timed, and their seconds |
| `programs.jsonl` | what the four arms wrote, as rows of `driftune judge` |
| `measured.json` | the run, the decision, and what was measured of all arms |
| `verdicts.jsonl` | what became of the programs |
| `results.json`, `results.md` | the table |

The last two need only the files before them: where there is a GPU there may be no sandbox, and the other way round.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.domain_files import with_table
from registry.errors import ConfigurationError
from registry.storage import write_file

if TYPE_CHECKING:
    from finetune.bases import TinySettings
    from flows.house import House

PHASES = ("all", "train", "judge")

MINUTES = 8.0
"""Minutes that a larger base is trained for where nothing is said."""
FEWEST = 20
"""Optimiser steps of a base; fewer teach nothing."""
_WIDTH = 192
"""Width of the base that the recipe's learning rates were found on."""


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        domain: A name in `domains/`, or the path of a domain file.
        size: Size of the base: a name of `finetune.sizes`.
        minutes: Minutes that the base is trained for; None for `MINUTES`, or as many steps as are set.
        device: `auto` (CUDA where there is a device), `cpu` or `cuda`.
        packages: Names of the packages whose source the base learns of; all that are here where empty.
        settings: Other settings of `[train]`, as `sft.steps=60`.
        phase: `train` all but the programs' verdicts, `judge` these, or `all`.
    """

    domain: str
    size: str = "100m"
    minutes: float | None = None
    device: str = "auto"
    packages: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    phase: str = "all"

    def as_text(self) -> dict[str, Any]:
        """What decides what is trained, as JSON."""
        told = dataclasses.asdict(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in told.items() if name != "phase"}


def prove(request: Request, *, as_json: bool) -> int:
    """Does what is left of it, and prints the table; the exit code: 3 where the programs still have to be judged.

    Raises:
        ConfigurationError: There is no such size, phase or device, the domain isn't curated, memory doesn't hold it,
            time doesn't do for it, or something else was asked for before.
        TrainingError: Training or writing failed.
    """
    from finetune.sizes import SIZES
    from flows.house import open_house
    from flows.progress import progress
    from flows.prove_table import table
    from registry.lock import domain_lock

    if request.size not in SIZES:
        raise ConfigurationError(f"No size {request.size!r} of a base: set --base to one of {', '.join(SIZES)}")
    if request.phase not in PHASES:
        raise ConfigurationError(f"No phase {request.phase!r}: set --phase to one of {', '.join(PHASES)}")
    with progress(quiet=as_json) as tell:
        house = open_house(request.domain, tell)
        house.command = "train"
        folder = house.folder("prove") / f"{house.domain.name}-{request.size}"
        with contextlib.closing(house):
            if request.phase != "judge":
                with domain_lock(house.settings, house.domain.name, house.run):
                    _train(house, request, folder)
            judged = request.phase != "train" and _judge(house, folder, must=request.phase == "judge")
    text = table(folder)
    print((folder / "results.json").read_text() if as_json else text)
    return 0 if judged or request.phase == "train" else 3


def _train(house: House, request: Request, folder: Path) -> None:
    """Base, adapter, scores and programs."""
    from flows.calls import write_calls
    from flows.experiments import reports_of, told, tried
    from flows.preflight import check
    from flows.training import trained

    house = judging_apart(house)
    table = trial_table(house, request)
    check(dataclasses.replace(house, domain=with_table(house.domain, "train", table)), ["train", "evaluate"])
    plan = _plan(house, request, folder, table)
    steps = int(plan["base"]["steps"])
    with _watched(house, folder / "base.json", steps, int(plan["base"]["tokens"])):
        trial = tried(house, plan["train"])
    write_calls(trial, folder / "programs.jsonl")
    columns = ("split", "metric", "arm", "value", "ci_low", "ci_high", "p", "n")
    rows = [{c: getattr(r, c) for c in columns} | {"families": r.clusters} for r in reports_of(trial)]
    run = trained(trial)
    recipe = {"recipe": run.recipe, "steps": run.steps, "seconds": round(run.seconds, 1), "seed": run.seed}
    about = {"run": run.id, "snapshot": run.snapshot, "name": run.base, "fingerprint": run.base_revision}
    found = {**about, "adapter": recipe, "measured": rows}
    found |= {name: value for name, value in told(trial).items() if name in ("decision", "reason")}
    write_file(folder / "measured.json", json.dumps(found, indent=1).encode(), "what was measured")


def judging_apart(house: House) -> House:
    """The domain alone, with an evaluation that runs no program: what trains needs neither sandbox nor wheels."""
    from flows.experiments import alone

    gate = house.domain.gate.model_dump() | {"written": 0}
    return alone(dataclasses.replace(house, domain=with_table(house.domain, "gate", gate)))


def _plan(house: House, request: Request, folder: Path, table: dict[str, Any]) -> dict[str, Any]:
    """What is done, as it was decided when it was begun: what a machine is fast at may differ from call to call.

    Raises:
        ConfigurationError: It was begun with other options, or memory or time don't do.
    """
    path = folder / "plan.json"
    if path.is_file():
        known: dict[str, Any] = json.loads(path.read_text())
        for name, value in request.as_text().items():
            if name != "domain" and known["asked"][name] != value:
                raise ConfigurationError(
                    f"{folder} was begun with {name} = {known['asked'][name]!r}, and {value!r} is asked for: ask for "
                    "that again, or remove the folder to begin anew"
                )
        return known
    train, base = _decided(house, request, table)
    asked = request.as_text() | {"domain": house.domain.name}
    plan = json.dumps({"asked": asked, "train": train, "base": base}, indent=1)
    write_file(path, plan.encode(), "the plan")
    return dict(json.loads(plan))


def trial_table(house: House, request: Request) -> dict[str, Any]:
    """The `[train]` table of the trial as it is asked for, before time and packages decide on steps and corpus.

    Raises:
        ConfigurationError: A setting has no value, or both it and `--minutes` say how long the base is trained.
    """
    from finetune import sizes
    from finetune.loading import Machine
    from flows.experiments import changed_by

    if _sets_steps(request) and request.minutes is not None:
        raise ConfigurationError("Both --minutes and --set base_settings.steps say how long: leave one of them out")
    large = request.size != "tiny"
    device = ("cuda" if large and Machine.this().cuda else "cpu") if request.device == "auto" else request.device
    own = house.domain.train.model_dump() | {"base": "tiny"}
    settings = {"device": device, "threads": house.threads, **sizes.SIZES[request.size]}
    if large:
        settings |= {"at_once": sizes.AT_ONCE.get(device, 1)}
    else:
        settings |= {"threads": 1, **(own["base_settings"] if house.domain.train.base == "tiny" else {})}
    return changed_by(own | {"base_settings": settings}, request.settings)


def _decided(house: House, request: Request, train: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The `[train]` table of the trial, with how long its base learns of what, and what is to be said of the base."""
    from finetune import corpus, pretraining, sizes
    from finetune.bases import TinyBase, TinySettings
    from finetune.loading import Machine
    from flows.packages import gathered

    machine, chosen = Machine.this(), TinySettings.of(train["base_settings"])
    TinyBase().loading(train["base_settings"], house.folder("bases"))
    device, parameters = chosen.device, pretraining.parameters(chosen)
    needed = sizes.memory(chosen, parameters)
    check_memory(request.size, device, needed, machine.memory if device == "cuda" else free_memory())
    told = {"parameters": parameters, "memory": needed, "device": _device(device)}
    _say(f"{parameters:,} parameters, about {needed / 2**30:.1f} GiB while it is trained on the {device}")
    fixed = request.size == "tiny" or _sets_steps(request)
    minutes = MINUTES if request.minutes is None and not fixed else request.minutes
    if minutes is not None:
        speed = pretraining.speed(chosen)
        steps = affordable(request.size, minutes, speed, chosen)
        train["base_settings"]["steps"] = steps
        _say(f"{speed:,.0f} tokens a second: {steps:,} steps in {minutes:g} minutes")
    train["base_settings"]["corpus"] = gathered(house, request.packages)
    chosen = TinySettings.of(train["base_settings"])
    made_of = corpus.about(house.folder("bases"), chosen.corpus)
    told |= {"steps": chosen.steps, "tokens": chosen.steps * chosen.batch * chosen.context, "corpus": made_of}
    return _slower(train, chosen) if request.size != "tiny" else train, told


def _sets_steps(request: Request) -> bool:
    return any(setting.startswith("base_settings.steps=") for setting in request.settings)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _slower(train: dict[str, Any], base: TinySettings) -> dict[str, Any]:
    """The table with the recipe's learning rates over the base's width: of a wide model each weight counts for less.

    Rates that the domain or an option names stay. Source: Yang et al., Tensor Programs V, 2022, arXiv:2203.03466.
    """
    from finetune.chain import Chain

    for step, settings in Chain.of(train).steps:
        rate = round(settings.learning_rate * _WIDTH / base.width, 6)
        train[step.name] = {"learning_rate": rate, **train[step.name]}
    return train


def check_memory(size: str, device: str, needed: int, there: int) -> None:
    """Refuses a base that memory doesn't hold.

    Args:
        size: Name of the size.
        device: Where it is to be trained.
        needed: Bytes that it takes.
        there: Bytes that are free; 0 where nobody knows.

    Raises:
        ConfigurationError: It doesn't fit.
    """
    if there and needed > there:
        raise ConfigurationError(
            f"Training a base of size {size} takes about {needed / 2**30:.1f} GiB, and the {device} has "
            f"{there / 2**30:.1f}: choose a smaller --base, or --set base_settings.at_once=1"
        )


def free_memory() -> int:
    """Bytes of the machine's memory that programs may take; 0 where the system doesn't say."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) << 10
    return 0


def affordable(size: str, minutes: float, speed: float, base: TinySettings) -> int:
    """Optimiser steps that a base can be given.

    Args:
        size: Name of its size.
        minutes: Minutes that it is to be trained for.
        speed: Tokens a second.
        base: Its settings.

    Raises:
        ConfigurationError: These are too few.
    """
    step = base.batch * base.context / speed
    steps = int(minutes * 60 / step)
    if steps < FEWEST:
        raise ConfigurationError(
            f"A base of size {size} takes {step:,.1f} s a step here, and {FEWEST} steps at least: set --minutes "
            f"{FEWEST * step / 60 + 0.1:.1f} or more, choose a smaller --base, or a machine with a GPU"
        )
    return steps


def _device(device: str) -> str:
    """What a device is called."""
    import torch

    if device == "cuda":
        return str(torch.cuda.get_device_name(0))
    return f"CPU, {os.cpu_count()} cores"


@contextlib.contextmanager
def _watched(house: House, path: Path, steps: int, tokens: int) -> Iterator[None]:
    """Tells of the base's speed while it is made, and keeps how long its steps took, over all calls.

    A call's first step isn't counted, as its texts become tokens before it; one that a kill has undone is.
    """
    tell = house.tell
    known = json.loads(path.read_text()) if path.is_file() else {"seconds": 0.0, "timed": 0}
    seconds, timed, last, kept = float(known["seconds"]), int(known["timed"]), 0.0, 0.0

    def told(title: str, done: int, total: int, note: str = "", /) -> None:
        nonlocal seconds, timed, last, kept
        now = time.monotonic()
        if title == "base":
            if last:
                seconds, timed = seconds + now - last, timed + 1
                note = f"{tokens / steps / max(now - last, 1e-9):,.0f} tokens/s"
            if done == total or now - kept > 10:
                write_file(path, json.dumps({"seconds": round(seconds, 1), "timed": timed}).encode(), "the speed")
                kept = now
            last = now
        tell(title, done, total, note)

    house.tell = told
    try:
        yield
    finally:
        house.tell = tell
    if not path.is_file():  # the base was there: nobody knows how long it took
        write_file(path, json.dumps({"seconds": 0.0, "timed": 0}).encode(), "the speed")


def _judge(house: House, folder: Path, *, must: bool) -> bool:
    """Has the sandbox run what isn't judged yet; whether everything is.

    Raises:
        ConfigurationError: There is no sandbox, and nothing else was asked for.
    """
    from flows.calls import read_rows
    from flows.judge import Options, judge_all
    from flows.preflight import check_sandbox
    from flows.prove_table import outcomes_of
    from validators.execution.ledger import Ledger
    from validators.execution.pool import Pool

    rows, out = read_rows(folder / "programs.jsonl"), folder / "verdicts.jsonl"
    if {row["id"] for row in rows} <= outcomes_of(out).keys():
        return True
    wanted = house.domain.sandbox
    with Pool(house.workers, wall=wanted.wall) as pool:
        if pool.available() is not None and not must:
            return False
        check_sandbox(pool)
        with (folder / "programs.jsonl").open("rb") as file, contextlib.closing(Ledger(out)) as ledger:
            judge_all(file, ledger, pool, Options(timeout_s=wanted.timeout_s), house.tell)
    return {row["id"] for row in rows} <= outcomes_of(out).keys()
