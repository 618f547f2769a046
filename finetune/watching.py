"""What is looked at after each step of a training: whether the loss is a number and falls, and how fast it goes."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from registry.errors import TrainingError

WINDOW = 10
"""Losses that are averaged at the beginning and at the end, and steps that the speed is told of."""


class Progress(Protocol):
    """Told of each step."""

    def __call__(self, title: str, done: int, total: int, note: str = "", /) -> None:
        """Takes what is being done, steps done, steps in all, and what else there is to say."""


def check(name: str, step: int, log: Mapping[str, Any], losses: Sequence[float]) -> None:
    """Stops a training that comes to nothing.

    Args:
        name: The step of the recipe.
        step: The optimiser step.
        log: What was logged of it: `loss` and, where it is known, `grad_norm`.
        losses: The losses of all steps so far, this one's too.

    Raises:
        TrainingError: Loss or gradient is no number, or the loss has more than doubled, by a nat or more.
    """
    for what, key in (("loss", "loss"), ("gradient", "grad_norm")):
        if not math.isfinite(float(log.get(key, 0.0))):
            raise TrainingError(
                f"The {what} of {name} is {log[key]} at step {step}: lower [train.{name}] learning_rate", step=step
            )
    if len(losses) < 2 * WINDOW:
        return
    first, last = statistics.fmean(losses[:WINDOW]), statistics.fmean(losses[-WINDOW:])
    if last > 2 * max(first, 0.0) + 1.0:
        raise TrainingError(
            f"The loss of {name} has grown from {first:.2f} to {last:.2f} at step {step}: "
            f"lower [train.{name}] learning_rate",
            step=step,
        )


def note(log: Sequence[Mapping[str, Any]], tokens: Sequence[int]) -> str:
    """Loss, or what is earned, and speed for a person: `loss 1.234, 3,456 tokens/s`.

    Args:
        log: What was logged of each step: `loss`, `step`, `seconds`.
        tokens: Tokens of each step in one pass over the rows; where there are few, a training takes several.
    """
    rows = log[-WINDOW:]
    seconds = sum(row["seconds"] for row in rows)
    rate = sum(tokens[(int(row["step"]) - 1) % len(tokens)] for row in rows) / max(seconds, 1e-9)
    what = "reward" if "reward" in rows[-1] else "loss"
    return f"{what} {rows[-1][what]:.3f}, {rate:,.0f} tokens/s"


def told(log: Mapping[str, Any]) -> dict[str, float]:
    """What the curve says of a step beside its loss: what was earned, and how much of that holds."""
    return {name: float(log[name]) for name in ("reward", "held_out") if name in log}


def watch(name: str, tokens: Sequence[int], progress: Progress | None) -> Any:
    """A callback of transformers that checks each step, keeps how long it took, and tells of it."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.since = time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if "loss" not in (logs or {}):
                return
            now = time.monotonic()
            state.log_history[-1]["seconds"] = now - self.since  # a checkpoint keeps it
            self.since = now
            steps = steps_of(state.log_history)
            # in float16 gradients overflow now and then: such a step is left out, and the next ones scaled down
            judged = {what: value for what, value in logs.items() if not (args.fp16 and what == "grad_norm")}
            check(name, state.global_step, judged, [row["loss"] for row in steps])
            if progress is not None:
                progress(name, state.global_step, state.max_steps, note(steps, tokens))

    return Watch()


def steps_of(log: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What a trainer has logged of its steps, without what it says at the end."""
    return [row for row in log if "loss" in row]
