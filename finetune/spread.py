"""One step of a recipe by several processes, on CUDA each with a GPU of its own: data-parallel, as accelerate has it.

Each process holds the whole base and computes its part of a step's rows; all of them apply the mean of their gradients.
So a step sees the rows that it would see with one process, and learns the same up to rounding, but for the term `sft`
of preferences, a mean over the tokens of one process. torch starts the processes; the first of them tells of each step,
and writes checkpoints, curve and adapter. They end when the process that started them does.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn

from finetune import memory
from finetune.job import Job
from finetune.recipe import LoraSettings
from finetune.watching import Progress
from registry.errors import ConfigurationError, DriftuneError, TrainingError
from registry.storage import write_file

MARK = "driftune: "
"""What a line of a process begins with that is for the one which started it."""
LOG = "processes.log"
"""What processes say beside, in a step's folder until it is finished."""


def train(job: Job, found: Sequence[Any]) -> None:
    """Trains as `tuning.tune` does, with as many processes as the base is loaded by; leaves curve and adapter.

    Raises:
        ConfigurationError: The rows of a step can't be divided among the processes, or the step can't be spread.
        TrainingError: The training failed.
    """
    from finetune import tuning

    step, settings, base, work = job.step, job.settings, job.base, job.work
    count = base.loading.processes
    if settings.batch % count:
        raise ConfigurationError(
            f"[train.{step.name}] batch can't be {settings.batch}: each of {count} processes has as many rows of it. "
            f"Set it to a multiple of {count}, or processes in [train.base_settings] to a divisor of it"
        )
    rows = step.encode(found, tuning.load_tokenizer(base), settings, job.seed, job.progress)
    told = {
        "step": step.name, "settings": asdict(settings), "lora": asdict(job.lora),
        "base": asdict(replace(base, path=base.path.absolute())), "start": job.start and str(job.start.absolute()),
    }  # fmt: skip
    try:
        write_file(work / "rows.json", json.dumps(list(rows)).encode(), "rows")
    except TypeError as error:  # a row that asks for something outside, which other processes don't have
        raise ConfigurationError(
            f"The step {step.name} trains in one process only: leave processes out of [train.base_settings]"
        ) from error
    for own in memory.rows_at_once(settings.batch // count, work):
        how = tuning.arguments(work.absolute(), settings, job.seed, own, base.loading) | dict(job.told)
        how |= {"gradient_accumulation_steps": settings.batch // (own * count), "ddp_find_unused_parameters": False}
        write_file(work / "job.json", json.dumps(told | {"how": how}, default=str).encode(), "a job")
        if _ran(step.name, work, count, max(1, job.threads // count), job.progress):
            for name in ("rows.json", "job.json", LOG):
                (work / name).unlink()
            return
    raise tuning.too_long(step.name)


def _ran(name: str, work: Path, count: int, threads: int, progress: Progress | None) -> bool:
    """Whether processes have trained: not where there was too little memory.

    Raises:
        DriftuneError: They failed.
    """
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    command += ["-m", "finetune.spread", str(work.absolute() / "job.json")]
    said: list[Any] = []
    with _started(command, {**os.environ, "OMP_NUM_THREADS": str(threads)}, work / LOG) as process:
        for line in process.stdout or ():
            if line.startswith(MARK):
                what, *rest = json.loads(line.removeprefix(MARK))
                if what == "step" and progress is not None:
                    progress(name, *rest)
                elif what != "step":
                    said.append((what, *rest))
    if process.returncode == 0:
        return True
    if any(what == "memory" for what, *_ in said):
        return False
    for what, text in said:
        raise (ConfigurationError if what == ConfigurationError.__name__ else TrainingError)(text)
    raise TrainingError(f"A process of {name} died (exit code {process.returncode}): what they said is in {work / LOG}")


@contextlib.contextmanager
def _started(command: list[str], surroundings: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that ends when its standard input does: at the end of the block, or when this process dies."""
    with (
        log.open("w") as told,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, text=True, env=dict(surroundings)
        ) as process,
    ):
        try:
            yield process
        except BaseException:
            process.terminate()
            raise


# ------------------------------------------------------------------------------------------- in each of the processes


def main(path: Path) -> None:
    """What each process does with the job that lies there."""
    import torch

    from finetune import tuning
    from finetune.bases import BaseModel
    from finetune.chain import STEPS
    from finetune.loading import Loading

    threading.Thread(target=_end_with_parent, daemon=True).start()
    told, work = json.loads(path.read_text()), path.parent
    kept = told["base"]
    base = BaseModel(**{**kept, "path": Path(kept["path"]), "loading": Loading(**kept["loading"])})
    step, start = STEPS[told["step"]], told["start"] and Path(told["start"])
    first = os.environ["RANK"] == "0"
    job = Job(
        step, step.settings.of(told["settings"]), base, start, work, LoraSettings(**told["lora"]), told["how"]["seed"],
        int(os.environ["OMP_NUM_THREADS"]), _step if first else None,
    )  # fmt: skip
    try:
        with tuning.surroundings(step.name, work, job.threads):
            try:
                encoded = json.loads((work / "rows.json").read_text())
                model, log = tuning.attempt(job, lambda _tokenizer: encoded, told["how"])
            except (RuntimeError, MemoryError) as error:
                if memory.ran_out(error):
                    _fail("memory", str(error))
                raise
            torch.distributed.barrier()  # nobody leaves while another still waits for its part of the last mean
            if first:
                tuning.leave(model, log, base, work)
    except DriftuneError as error:
        _fail(type(error).__name__, str(error))


def _step(_title: str, done: int, total: int, note: str = "", /) -> None:
    _tell("step", done, total, note)


def _tell(*said: Any) -> None:
    """Writes a line of the protocol at once: unbuffered, as torch has it, print would write its end by itself."""
    os.write(1, f"{MARK}{json.dumps(said)}\n".encode())


def _fail(*said: Any) -> NoReturn:
    """Tells why, and ends at once: the others wait for this process's gradients, and torch ends them."""
    _tell(*said)
    os._exit(1)


def _end_with_parent() -> None:
    os.read(0, 1)  # not through sys.stdin, whose lock would be held when this process ends
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    os._exit(0)  # Python's own end takes threads of the process group down while they run, and C++ aborts the process
