"""`driftune solve`: a model writes a program, the sandbox runs it, what went wrong is shown to the model, and so on."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from finetune.generation import ENDS_OF_A_PROGRAM, Sampling, opened
from finetune.tasks import LINE_BYTES, PASSED, Task
from flows.bench import Asked, Bench, Sample
from flows.house import House, open_house
from flows.judge import Options
from flows.models import Model, models
from flows.preflight import check_sandbox, check_training
from flows.progress import progress
from flows.tasks import never_called, repaired
from flows.writing import writing
from registry.errors import ConfigurationError
from validators.execution.pool import Pool


@dataclass(frozen=True)
class Problem:
    """What is to be written.

    Attributes:
        text: What is wanted, in words.
        domain: Domain whose adapter writes, and whose library at its new version the program may use.
        adapter: Another adapter, as `networkx@stable`.
        base: Folder of the base.
        test: File of Python that must hold of the program; that it ends without an exception where None.
        rounds: Programs at most.
        temperature: As for sampling.
        max_tokens: Tokens of a program.
        seed: Seed of what is drawn.
        chat: Whether the model is asked in its chat template, instead of having it go on.
    """

    text: str
    domain: str = ""
    adapter: str = ""
    base: Path | None = None
    test: Path | None = None
    rounds: int = 3
    temperature: float = 0.0
    max_tokens: int = 512
    seed: int = 0
    chat: bool = False


def solve(problem: Problem, *, as_json: bool) -> int:
    """Prints the last program, on standard output, and what became of each before it; the exit code: 3 if it failed.

    Raises:
        ConfigurationError: No such model, no sandbox, or no such file.
    """
    test = _test(problem.test)
    if never_called(Task("task", "", test)):
        raise ConfigurationError(f"{problem.test} defines check and never calls it: every program would pass")
    check_training()
    with ExitStack() as resources:
        tell = resources.enter_context(progress(quiet=as_json))
        house = resources.enter_context(closing(open_house(problem.domain, tell))) if problem.domain else None
        model = models(house, problem.base, problem.adapter)[-1]
        pool = resources.enter_context(Pool(1))
        check_sandbox(pool)
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="driftune-")))
        bench = resources.enter_context(closing(Bench(folder / "out", pool, Options(), tell)))
        task = Task("task", said(problem.text), test, requirements=_needs(house, model))
        sampling = Sampling(problem.max_tokens, problem.temperature)
        stop = () if problem.chat else ENDS_OF_A_PROGRAM
        begun = opened(task.prompt)
        asked = Asked(task, model.arm, sampling.as_text(), begun, begun, seed=problem.seed, stop=stop)
        turns = repaired(bench, [asked], writing(model, sampling, bench, chat=problem.chat), problem.rounds)
    _show(turns, as_json=as_json)
    return 0 if turns[-1].outcome == PASSED else 3


def said(text: str) -> str:
    """What is wanted as the comment that a program begins with.

    Raises:
        ConfigurationError: Nothing is said, or something that is no text.
    """
    if not text.strip():
        raise ConfigurationError("No task: say in words what the program shall do")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError("The task is no text in UTF-8: write it anew") from error
    return "".join(f"# {line}".rstrip() + "\n" for line in text.strip().splitlines()) + "\n"


def _test(path: Path | None) -> str:
    try:
        if path is None:
            return ""
        if path.stat().st_size > LINE_BYTES:
            raise ConfigurationError(f"{path} is no test: it is larger than {LINE_BYTES >> 20} MB")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can't be read: {error}") from error


def _needs(house: House | None, model: Model) -> tuple[str, ...]:
    """What the program may import: the library as the domain, else the adapter, knows it."""
    if house is not None:
        version = house.library.versions[1]
        return (f"{house.library.name}=={version}", *house.library.beside(version))
    return () if model.published is None else (model.published.library_range,)


def _show(turns: Sequence[Sample], *, as_json: bool) -> None:
    if as_json:
        told = [
            {"code": turn.code, "outcome": turn.outcome, "proof": turn.proof, "detail": turn.detail} for turn in turns
        ]
        print(json.dumps({"solved": turns[-1].outcome == PASSED, "rounds": told}))
        return
    for number, turn in enumerate(turns, 1):
        weak = ", by weak proof alone" if turn.outcome == PASSED and turn.proof == "weak" else ""
        print(f"Round {number}: {turn.outcome}{weak}" + (f": {turn.detail}" if turn.detail else ""), file=sys.stderr)
    print(turns[-1].code.rstrip())
