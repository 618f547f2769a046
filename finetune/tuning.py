"""One step of a recipe: loading, training in a way that any kill can be resumed from, and saving.

The same rows, settings, seed and thread count give the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune import memory, reporting, spread, watching
from finetune.apart import keeps_rows_apart
from finetune.bases import BaseModel
from finetune.checkpoints import finished, last_checkpoint, room, save
from finetune.job import Job
from finetune.loading import PLAIN, Loading
from finetune.recipe import LoraSettings, Row, Step, StepSettings
from registry.errors import ConfigurationError, TrainingError
from registry.storage import storage, write_file


@dataclass(frozen=True)
class Stage:
    """A finished step of a recipe.

    Attributes:
        folder: The adapter: its config and weights, nothing else.
        curve: (optimiser step, loss) of each.
        told: What else is known of each: of `rl` its `reward`, and the share that is `held_out` of it.
        seconds: Wall time of its steps and of the checkpoints between them, each once: without loading, and without
            what a kill or a lack of memory has undone.
    """

    folder: Path
    curve: tuple[tuple[int, float], ...]
    seconds: float
    told: tuple[Mapping[str, float], ...] = ()


def load(base: BaseModel) -> tuple[Any, Any]:
    """The base's model and tokenizer, as its loading says; code that lies beside them is not run.

    Raises:
        TrainingError: They can't be loaded: files are missing or damaged, it needs code of its own, or a package.
    """
    from transformers import AutoModelForCausalLM

    from finetune import quiet

    quiet.keep_memory()
    tokenizer = load_tokenizer(base)
    with quiet.single_process(), quiet.no_bars(), _loadable(base):
        options = base.loading.options()
        return AutoModelForCausalLM.from_pretrained(base.path, trust_remote_code=False, **options), tokenizer


def outlined(base: BaseModel) -> Any:
    """The base's model without weights: it tells how large it is and how much it reads, and takes no memory.

    Raises:
        TrainingError: It can't be loaded.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from finetune import quiet

    with quiet.single_process(), _loadable(base), torch.device("meta"):
        config = AutoConfig.from_pretrained(base.path, trust_remote_code=False)
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False)


def load_tokenizer(base: BaseModel) -> Any:
    """The base's tokenizer alone.

    Raises:
        TrainingError: It can't be loaded, or texts begin with nothing.
    """
    from transformers import AutoTokenizer

    from finetune import quiet

    with quiet.single_process(), quiet.no_bars(), _loadable(base):
        tokenizer = AutoTokenizer.from_pretrained(base.path, trust_remote_code=False)
        if tokenizer.bos_token is None and tokenizer.eos_token is None:
            raise TrainingError(
                f"The tokenizer of {base.name} has neither a first token nor an end token, one of which texts begin "
                f"with: set eos_token in {base.path / 'tokenizer_config.json'}, or choose another base"
            )
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.bos_token
        return tokenizer


@contextmanager
def _loadable(base: BaseModel) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TrainingError(f"Can't load the base {base.name} from {base.path}: {said}") from error


def load_with(base: BaseModel, adapter: Path, *, trainable: bool = False) -> tuple[Any, Any]:
    """The base with an adapter on it, and the tokenizer."""
    from peft import PeftModel

    from finetune import quiet

    model, tokenizer = load(base)
    with quiet.logging_off():
        model = PeftModel.from_pretrained(model, str(adapter), is_trainable=trainable)
    model.peft_config["default"].base_model_name_or_path = str(base.path)
    return model, tokenizer


def with_new(base: BaseModel, lora: LoraSettings, seed: int) -> tuple[Any, Any]:
    """The base with an adapter on it that changes nothing yet, and the tokenizer."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    from finetune import quiet

    model, tokenizer = load(base)
    set_seed(seed)
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with quiet.logging_off():
        return get_peft_model(model, config), tokenizer


def tune(
    step: Step,
    settings: StepSettings,
    base: BaseModel,
    start: Path | None,
    rows: Callable[[], Sequence[Any]],
    work: Path,
    *,
    lora: LoraSettings,
    seed: int = 0,
    threads: int = 2,
    progress: watching.Progress | None = None,
    curves: reporting.Curves | None = None,
) -> Stage:
    """Train an adapter, go on where a killed training stopped, or find it finished.

    Where memory runs out, half as many rows are computed at once, from the last checkpoint on. Where the base is loaded
    by several processes, each computes its part of a step's rows (`finetune.spread`).

    Args:
        step: What is done.
        settings: Its settings.
        base: What the adapter is for.
        start: Folder of the adapter to start from; a new one is made where None.
        rows: Gives what it sees, in order; called where there is something to train.
        work: Folder of this step; checkpoints go there, and the adapter into `work/adapter`.
        lora: What a new adapter is like.
        seed: Seed of a new adapter's weights and of the order.
        threads: Threads of torch.
        progress: Told of each step.
        curves: Where curves are written beside `work`, where TensorBoard or MLflow is installed.

    Raises:
        ConfigurationError: The disk is full, or rows are to be packed that the base doesn't keep apart.
        TrainingError: The loss is not a number or grows, a row doesn't fit into memory, or training failed.
    """
    folder, curve = work / "adapter", work / "curve.json"
    if not finished(folder):
        found = rows()
        work.mkdir(parents=True, exist_ok=True)
        with surroundings(step.name, work, threads), reporting.written(curves, step.name) as told:
            job = Job(step, settings, base, start, work, lora, seed, threads, progress, told)
            if base.loading.processes > 1:
                spread.train(job, found)
            else:
                leave(*_trained(job, found), base, work)
    for checkpoint in work.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    steps = json.loads(curve.read_text())
    more = tuple(dict(*row[3:]) for row in steps)
    return Stage(folder, tuple((row[0], row[1]) for row in steps), sum(sum(row[2:3]) for row in steps), more)


def _trained(job: Job, found: Sequence[Any]) -> tuple[Any, Sequence[Mapping[str, Any]]]:
    """The trained model, and what was logged of each step."""
    for count in memory.rows_at_once(job.settings.batch, job.work):
        try:
            how = arguments(job.work, job.settings, job.seed, count, job.base.loading) | dict(job.told)
            return attempt(job, lambda tokenizer: _encoded(job, found, tokenizer), how)
        except (RuntimeError, MemoryError) as error:
            if not memory.ran_out(error):
                raise
    raise too_long(job.step.name)


def _encoded(job: Job, found: Sequence[Any], tokenizer: Any) -> Sequence[Row]:
    return job.step.encode(found, tokenizer, job.settings, job.seed, job.progress)


def too_long(name: str) -> TrainingError:
    """What is said where memory doesn't hold a single row."""
    return TrainingError(f"Not even one row of {name} fits into memory: lower [train.{name}] max_tokens")


def attempt(
    job: Job, encoded: Callable[[Any], Sequence[Row]], how: dict[str, Any]
) -> tuple[Any, Sequence[Mapping[str, Any]]]:
    """Trains with as many rows at once as the training arguments say: the model, and what was logged of each step.

    Raises:
        ConfigurationError: Rows are to be packed that the base doesn't keep apart.
        RuntimeError: There was too little memory, or another failure of torch.
    """
    step, settings, base = job.step, job.settings, job.base
    if job.start is None:
        model, tokenizer = with_new(base, job.lora, job.seed)
    else:
        model, tokenizer = load_with(base, job.start, trainable=True)
    if getattr(settings, "packed", False) and not keeps_rows_apart(model):
        raise ConfigurationError(
            f"[train.{step.name}] packed can't be true: {base.name}, loaded as {base.loading}, lets rows in "
            "one sequence see each other. Set it to false"
        )
    rows = encoded(tokenizer)
    trainer = step.trainer(model, tokenizer, rows, how, settings)
    sizes = [step.tokens(row) for row in rows]
    tokens = [sum(sizes[i : i + settings.batch]) for i in range(0, len(sizes), settings.batch)]
    return trainer.model, _run(trainer, job.work, watching.watch(step.name, tokens, job.progress))


def leave(model: Any, log: Sequence[Mapping[str, Any]], base: BaseModel, work: Path) -> None:
    """Writes what a finished step leaves: its curve, then the adapter."""
    steps = [[row["step"], row["loss"], row["seconds"], watching.told(row)] for row in log]
    write_file(work / "curve.json", json.dumps(steps).encode(), "a curve")
    save(model, base, work / "adapter")


def _run(trainer: Any, work: Path, watch: Any) -> Sequence[Mapping[str, Any]]:
    """Train, going on from the last whole checkpoint in `work`; what was logged of each step."""
    from transformers import PrinterCallback

    from finetune import quiet

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(watch)
    found = last_checkpoint(work)
    with quiet.learned_only():
        trainer.train(resume_from_checkpoint=None if found is None else str(found))
    return watching.steps_of(trainer.state.log_history)


@contextmanager
def surroundings(name: str, work: Path, threads: int) -> Iterator[None]:
    """The surroundings of a training: threads, no network, no terminal output, and errors in our own words.

    Raises:
        ConfigurationError: The disk is full.
        TrainingError: The training failed.
    """
    from finetune import quiet

    written = storage(f"checkpoints of {name}", work)
    with (
        quiet.threads(threads), quiet.single_process(), quiet.logging_off(), quiet.no_bars(), quiet.one_device(),
        written,
    ):  # fmt: skip
        try:
            with room():
                yield
        except (RuntimeError, ValueError, FloatingPointError, KeyError) as error:
            raise TrainingError(f"Training {name} failed: {error}") from error


def arguments(work: Path, settings: StepSettings, seed: int, count: int, loading: Loading = PLAIN) -> dict[str, Any]:
    """Training arguments that all steps share; `count` rows are computed at once."""
    return {
        "output_dir": str(work),
        "learning_rate": settings.learning_rate,
        "per_device_train_batch_size": count,
        "gradient_accumulation_steps": settings.batch // count,
        "max_steps": settings.steps,
        "lr_scheduler_type": "linear",
        "warmup_steps": max(1, settings.steps // 10),
        "max_grad_norm": 1.0,
        "weight_decay": 0.0,
        "save_strategy": "steps",
        "save_steps": settings.save_every,
        "save_total_limit": 2,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        **loading.arguments(),
        "dataloader_pin_memory": False,
        "train_sampling_strategy": "sequential",
        "seed": seed,
        "data_seed": seed,
        "full_determinism": False,
    }
