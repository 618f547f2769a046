"""`driftune evaluate --tasks`: anybody's tasks, written by base and adapter, each run in its own environment.

Where a domain is named, also with its target version's docs in front of those that are about this version.
"""

from __future__ import annotations

import ast
import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from finetune import tasks as measured
from finetune.generation import Sampling, end_of, nothing, opened
from finetune.repair import Turn, repair
from finetune.tasks import UNAVAILABLE, Task
from flows.backends import TRANSFORMERS, Backend, backend
from flows.bench import CONTROL, SOLUTION, Asked, Bench, Sample, Write
from flows.house import open_house
from flows.judge import Options
from flows.models import Model, models
from flows.preflight import check_sandbox, check_training
from flows.progress import progress
from flows.task_docs import NO_DOCS, TaskDocs, task_docs
from flows.task_table import Summary, show
from flows.writing import WITH_DOCS, writing
from flows.written import copies, counted
from registry.errors import ConfigurationError
from registry.records import Program
from registry.trees import parsed
from validators.execution.entry import CHECK, test_of
from validators.execution.pool import Pool
from validators.execution.rows import Result, read

WARM = 0.8
"""Temperature where several samples of a task are drawn."""


@dataclass(frozen=True)
class Request:
    """What is to be evaluated.

    Attributes:
        tasks: File of tasks; None where the domain's stage is meant.
        domain: Domain whose base and adapter are asked, and whose symbols say which names exist.
        base: Folder of another base.
        chat: Whether models are asked in their chat template, instead of having them go on.
        adapter: Another adapter, as `networkx@stable`.
        ks: The k of pass@k.
        samples: Programs for a task; the largest k where None.
        rounds: Turns of repair@n.
        temperature: As for sampling; 0 for one sample and `WARM` for several where None.
        max_tokens: Tokens of a text.
        timeout_s: Wall seconds that a program may take.
        seed: Seed of all draws.
        out: File of results, continued; none is kept where None.
        backend: What writes: transformers or vllm; auto: vllm where it is installed and can.
    """

    tasks: Path | None = None
    domain: str = ""
    base: Path | None = None
    adapter: str = ""
    ks: tuple[int, ...] = (1,)
    samples: int | None = None
    rounds: int = 1
    temperature: float | None = None
    max_tokens: int = 256
    timeout_s: float = 10.0
    seed: int = 0
    out: Path | None = None
    chat: bool = False
    backend: str = "auto"

    @property
    def count(self) -> int:
        """Samples of a task."""
        return self.samples or max(self.ks)

    @property
    def sampling(self) -> Sampling:
        """How they are drawn."""
        default = 0.0 if self.count == 1 else WARM
        temperature = default if self.temperature is None else self.temperature
        return Sampling(self.max_tokens, temperature)

    def check(self) -> None:
        """Checks what options say together.

        Raises:
            ConfigurationError: They contradict each other.
        """
        if max(self.ks) > self.count:
            raise ConfigurationError(
                f"pass@{max(self.ks)} needs as many samples of a task: set --samples {max(self.ks)}"
            )
        if self.count > 1 and self.sampling.temperature == 0:
            raise ConfigurationError(
                f"All {self.count} samples of a task are the same at --temperature 0: set it higher"
            )
        if self.tasks and self.out and self.tasks.exists() and self.out.exists() and self.out.samefile(self.tasks):
            raise ConfigurationError(f"{self.out} can't be tasks and results at once: name another file with --out")


def evaluate(request: Request, *, as_json: bool) -> int:
    """Evaluates on tasks where they are given, else does the domain's stage; the exit code.

    Raises:
        ConfigurationError: What the options say is nothing that can be done.
    """
    if request.tasks is not None:
        return evaluate_tasks(request, request.tasks, as_json=as_json)
    if not request.domain:
        raise ConfigurationError("Nothing to evaluate: name a domain, or a file of tasks with --tasks")
    if as_json or request != Request(domain=request.domain):
        raise ConfigurationError("Without --tasks FILE only a domain can be named: the other options are about tasks")
    from flows.run import run_stage

    return run_stage(request.domain, "evaluate")


def evaluate_tasks(request: Request, file: Path, *, as_json: bool) -> int:
    """Evaluates models on tasks and prints what came of it; the exit code: 3 where some programs could not be run.

    Raises:
        ConfigurationError: The tasks can't be read, a line is none, there is no such model, or no sandbox.
    """
    request.check()
    asked = tasks_of(file)
    check_training()
    with ExitStack() as resources:
        tell = resources.enter_context(progress(quiet=as_json))
        house = resources.enter_context(closing(open_house(request.domain, tell))) if request.domain else None
        found = models(house, request.base, request.adapter)
        writes = backend(request.backend, found)
        pool = resources.enter_context(Pool())
        check_sandbox(pool)
        path = request.out or Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="driftune-"))) / "out"
        bench = resources.enter_context(closing(Bench(path, pool, Options(timeout_s=request.timeout_s), tell)))
        docs = task_docs(house, asked)
        samples = list(drawn_of(bench, asked, found, request, docs, writes))
        named = {task.id: task for task in asked}
        drawn = [one for one in counted(samples, named, house) if one.arm not in (SOLUTION, CONTROL)]
        alike = copies(samples, named, house)
    rows = tuple(measured.scores(drawn, request.ks, request.rounds))
    report = Summary(len(asked), request.count, tuple(samples), rows, tuple(alike), request.out, bench.cut, docs.told)
    show(report, as_json=as_json)
    return 3 if any(sample.outcome == UNAVAILABLE for sample in samples) else 0


def tasks_of(path: Path) -> list[Task]:
    """The tasks of a file, each of them one that the sandbox could judge; or those that driftune brings.

    Raises:
        ConfigurationError: It can't be read, or a line is none.
    """
    if str(path) == measured.GENERAL:
        return measured.general()
    try:
        with path.open("rb") as file:
            found = measured.read(file, str(path))
    except OSError as error:
        raise ConfigurationError(f"{path} can't be read: {error.strerror or error}") from error
    for task in found:
        if never_called(task):
            raise ConfigurationError(
                f"Task {task.id!r} of {path} is no valid task: its test defines {CHECK} and never calls it, so that "
                "every program would pass; name the function that it is called with as entry_point"
            )
    lines = "\n".join(json.dumps(task.row(task.id, task.prompt)) for task in found)
    for row in read(io.BytesIO(lines.encode())):
        if isinstance(row, Result):
            raise ConfigurationError(f"Task {row.id!r} of {path} is no valid task: {row.detail.partition(': ')[2]}")
    return found


def never_called(task: Task) -> bool:
    """Whether the test, as the sandbox runs it, defines `check` and leaves it at that."""
    tree = parsed(test_of(Program(code="", test=task.test, entry_point=task.entry_point)))
    nodes = list(ast.walk(tree)) if tree is not None else []
    defined = any(isinstance(node, ast.FunctionDef) and node.name == CHECK for node in nodes)
    return defined and not any(isinstance(node, ast.Name) and node.id == CHECK for node in nodes)


def drawn_of(
    bench: Bench,
    tasks: Sequence[Task],
    found: Iterable[Model],
    request: Request,
    docs: TaskDocs = NO_DOCS,
    writes: Backend = TRANSFORMERS,
) -> Iterator[Sample]:
    """The tasks' own solutions, programs that do nothing, then every arm's samples and corrections."""
    terms = {"timeout_s": str(request.timeout_s)}
    solved = [(task, task.canonical_solution) for task in tasks if task.canonical_solution]
    own = [Asked(task, SOLUTION, {"solution": text, **terms}, "", task.prompt) for task, text in solved]
    yield from bench.results(own, lambda asked: [f"{one.begun}{one.task.canonical_solution}" for one in asked])
    idle = [Asked(task, CONTROL, terms, "", opened(task.prompt)) for task in tasks]
    yield from bench.results(idle, lambda asked: [one.begun + (nothing(one.task.prompt) or "\n") for one in asked])
    for model in found:
        by = {"model": model.identity(), "chat": request.chat, **request.sampling.as_text(), **terms}
        by |= {"backend": writes.name} if writes.name else {}
        write = writing(model, request.sampling, bench, chat=request.chat, docs=docs.docs, writes=writes)
        shown = [(task, opened(task.prompt), () if request.chat else end_of(task.prompt)) for task in tasks]
        arms = {model.arm: by}
        if docs.docs is not None:
            arms[f"{model.arm}{WITH_DOCS}"] = by | {"docs": docs.docs.digest}
        for arm, how in arms.items():
            drawn = [
                Asked(task, arm, how, text, text, number, seed=request.seed, stop=stop)
                for task, text, stop in shown
                for number in range(request.count)
                if arm == model.arm or task.id in docs.tasks
            ]
            yield from bench.results(drawn, write)
            if request.rounds > 1:
                turns = repaired(bench, [one for one in drawn if one.sample == 0], write, request.rounds)
                yield from (sample for sample in turns if sample.turn)


def repaired(bench: Bench, first: Sequence[Asked], write: Write, rounds: int) -> list[Sample]:
    """Programs for tasks, each written after what the one before it did wrong: all turns of all tasks."""
    tasks = {one.task.id: one for one in first}
    made: list[Sample] = []

    def attempt(shown: Mapping[str, str], number: int) -> dict[str, Turn]:
        found = bench.results([replace(tasks[name], shown=text, turn=number) for name, text in shown.items()], write)
        made.extend(found)
        return {sample.task: Turn(sample.code, sample.outcome, sample.detail) for sample in found}

    repair({name: one.shown for name, one in tasks.items()}, attempt, rounds)
    return made
