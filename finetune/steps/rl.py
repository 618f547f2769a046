"""Reinforcement by trl's GRPO: the model writes the ends of programs, and what the sandbox proves strongly is rewarded.

Source: Shao et al., DeepSeekMath, 2024, arXiv:2402.03300; without a reference model, and with the loss and the
normalisation of trl's defaults (Yu et al., DAPO, 2025, arXiv:2503.14476).

A reward is 1 or 0: there is none for what parses, prints or nearly passes, as each of these can be had without solving
anything. Of what earned it, the assertions that were kept back say how much computes the right values and how much
only writes down those that the reward asks for.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from finetune import forms, quiet
from finetune.corpus import SourceFile
from finetune.exercises import ROLES, Exercise, earns, exercises
from finetune.generation import Prompt, Sampling, Writer, Written
from finetune.recipe import Judge, Lookup, Row, Step, StepSettings
from finetune.watching import WINDOW, steps_of
from registry.errors import ConfigurationError, TrainingError
from registry.identity import sha256_of
from registry.records import Example, Program


@dataclass(frozen=True)
class RlSettings(StepSettings):
    """Reinforcement.

    Attributes:
        batch: Programs in a step of the optimiser, as many for each exercise as `samples` says.
        max_tokens: Tokens of an exercise and of what is written.
        samples: Programs that are written for an exercise, and compared with each other.
        written: Tokens that are written at most.
        gap: Share of programs that may, over ten steps, earn a reward and fail the assertions that are kept back;
            beyond it the training stops.
    """

    TABLE: ClassVar[str] = "rl"
    SHARES: ClassVar[frozenset[str]] = frozenset({"gap"})
    learning_rate: float = 1e-3
    batch: int = 32
    steps: int = 60
    max_tokens: int = 192
    save_every: int = 10
    samples: int = 8
    written: int = 64
    gap: float = 0.2

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Settings from a mapping; what it leaves out has its default.

        Raises:
            ConfigurationError: A setting is unknown or can't be.
        """
        made = super().of(given)
        if made.samples < 2 or made.batch % made.samples:
            raise ConfigurationError(
                f"[train.rl] samples can't be {made.samples}: write 2 or more, so that there is something to compare, "
                f"of which batch ({made.batch}) is a multiple"
            )
        if made.written >= made.max_tokens:
            raise ConfigurationError(
                f"[train.rl] written can't be {made.written}: it leaves no room for the exercise in the "
                f"{made.max_tokens} of max_tokens"
            )
        return made


@dataclass(frozen=True)
class Posed:
    """An exercise, and what runs the programs that are written for it."""

    exercise: Exercise
    judge: Judge


def rows(
    examples: Iterable[Example],
    _files: Iterable[SourceFile],
    settings: RlSettings,
    seed: int,
    lookup: Lookup | None = None,
) -> list[Posed]:
    """The exercises, in order: `samples` programs are written for each.

    Raises:
        NoRowsError: No row can be an exercise.
        TrainingError: There is nothing to run programs with, or a program couldn't be run.
    """
    lookup = lookup or Lookup()
    count = settings.batch // settings.samples * settings.steps
    return [Posed(one, lookup.judge) for one in exercises(examples, lookup, count, seed)]


def _encode(found: Sequence[Posed], tokenizer: Any, settings: RlSettings, _seed: int, _tell: Any = None) -> list[Row]:
    """A row for each program that is to be written."""
    begin = forms.begin(tokenizer)
    room = settings.max_tokens - settings.written - len(begin)
    made = [
        {
            "ids": [*begin, *forms.start(tokenizer, one.exercise.begun)[-room:]],
            "written": settings.written,
            "posed": one,
        }
        for one in found
    ]
    return [row for row in made for _ in range(settings.samples)]


def _tokens(row: Row) -> int:
    return len(row["ids"]) + int(row["written"])


class _Rollouts:
    """Programs that the model writes, and what they earn: what trl asks for by the places of exercises, as text.

    Args:
        tokenizer: The base's tokenizer.
        rows: A row for each exercise.
        settings: Settings of the step.
    """

    __name__ = "strong"  # trl calls what is logged of a reward by its function's name

    def __init__(self, tokenizer: Any, rows: Sequence[Row], settings: RlSettings) -> None:
        self._tokenizer, self._settings = tokenizer, settings
        self._shown: list[list[int]] = [row["ids"] for row in rows]
        self._posed: list[Posed] = [row["posed"] for row in rows]
        self._earned: dict[str, bool] = {}

    def write(self, places: Sequence[str], trainer: Any) -> dict[str, Any]:
        """A program's end for each place, drawn as likely as the model finds it: with the token ids to be learned.

        Each has a seed of its own, of the step and its place in the batch, so that a training that goes on after a kill
        draws the same.
        """
        asked = [int(place) for place in places]
        own = [trainer.args.seed, trainer.state.global_step, trainer.accelerator.process_index]
        seeds = [int(sha256_of([*own, number])[:15], 16) for number in range(len(asked))]
        made: dict[int, Written] = {}
        model = trainer.accelerator.unwrap_model(trainer.model)
        stops = [self._posed[place].exercise.stop for place in asked]
        for stop in dict.fromkeys(stops):
            sampling = Sampling(self._settings.written, temperature=1.0, top_p=1.0, stop=stop)
            writer = Writer(model, self._tokenizer, sampling, batch=len(asked))
            group = [n for n, own_stop in enumerate(stops) if own_stop == stop]
            texts = writer.written([Prompt(seed=seeds[n], ids=tuple(self._shown[asked[n]])) for n in group])
            made |= zip(group, texts, strict=True)
        model.train()
        found = [made[number] for number in range(len(asked))]
        return {
            "prompt_ids": [list(one.prompt) for one in found],
            "completion_ids": [list(one.ids) for one in found],
            "logprobs": None,
            "text": [one.text for one in found],
        }

    def __call__(
        self, *, prompts: Sequence[str], text: Sequence[str], trainer_state: Any, log_metric: Any, **_: Any
    ) -> list[float]:
        """1 for each program that is proven strongly, else 0; the share that the assertions kept back hold of is told.

        Raises:
            TrainingError: A program couldn't be run, or what was earned so far isn't worth going on.
        """
        check(steps_of(trainer_state.log_history), self._settings.gap)
        posed = [self._posed[int(place)] for place in prompts]
        programs = [one.exercise.programs(end) for one, end in zip(posed, text, strict=True)]
        proven = self._judged([rewarded for rewarded, _ in programs])
        earned = [yes and one.exercise.calls(end) for yes, one, end in zip(proven, posed, text, strict=True)]
        again = self._judged([kept_back for (_, kept_back), yes in zip(programs, earned, strict=True) if yes])
        log_metric("held_out", sum(again) / len(earned))
        return [float(yes) for yes in earned]

    def _judged(self, programs: Sequence[Program]) -> list[bool]:
        """Which of the programs earn; each is run once in a training."""
        new = {program.id: program for program in programs if program.id not in self._earned}
        verdicts = self._posed[0].judge(list(new.values())) if new else []
        self._earned |= {name: earns(verdict) for name, verdict in zip(new, verdicts, strict=True)}
        return [self._earned[program.id] for program in programs]


def check(log: Sequence[Mapping[str, Any]], gap: float) -> None:
    """Stops a training that earns nothing, or that earns by what is no solution.

    Args:
        log: What was logged of each step so far: `reward`, and `held_out`, the share of programs that earned and that
            the assertions kept back hold of too.
        gap: How far these may be apart, over the last steps.

    Raises:
        TrainingError: No program of the last steps earned anything, or the two are further apart.
    """
    if len(log) < WINDOW:
        return
    earned, kept = (statistics.fmean(row[name] for row in log[-WINDOW:]) for name in ("reward", "held_out"))
    if not earned:
        raise TrainingError(
            f"No program has earned a reward in {WINDOW} steps of rl: there is nothing to learn from. Have the model "
            "solve some of its exercises first, by a step sft before this one, lower [train.rl] learning_rate, or "
            "choose a larger base",
            step=len(log),
        )
    if earned - kept > gap:
        raise TrainingError(
            f"In the last {WINDOW} steps of rl {earned:.0%} of the programs earned a reward, and the assertions that "
            f"are kept back hold of {kept:.0%} alone: the model learns to please the others. Set [train.rl] steps "
            f"lower than {len(log) - WINDOW}, or gap higher",
            step=len(log),
        )


def _trainer(model: Any, tokenizer: Any, made: Sequence[Row], arguments: dict[str, Any], settings: RlSettings) -> Any:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    exercised = made[:: settings.samples]
    rollouts = _Rollouts(tokenizer, exercised, settings)
    own = {"num_generations": settings.samples, "max_completion_length": settings.written, "shuffle_dataset": False}
    with quiet.environment(TRL_EXPERIMENTAL_SILENCE="1"):
        return GRPOTrainer(
            model=model,
            args=GRPOConfig(**arguments, **own),
            reward_funcs=rollouts,
            rollout_func=rollouts.write,
            train_dataset=Dataset.from_dict({"prompt": [str(place) for place in range(len(exercised))]}),
            processing_class=tokenizer,
        )


def _kinds(_: RlSettings) -> frozenset[str]:
    return frozenset(ROLES)


def _needs(_: RlSettings) -> frozenset[str]:
    """None in advance: which rows can be exercises is known once they are tried."""
    return frozenset()


STEP = Step("rl", RlSettings, rows, _encode, _tokens, _trainer, _kinds, _needs)
