"""A training's curves in TensorBoard and MLflow, where these are installed: files on this disk, nothing over a network.

transformers writes them: loss, learning rate and gradient norm of each step, and the training's arguments.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune import quiet
from registry.errors import ConfigurationError

INTO = ("tensorboard", "mlflow")
"""What curves can be written for."""


@dataclass(frozen=True)
class Curves:
    """Where curves are written.

    Attributes:
        into: Those of `INTO` that are wanted; what isn't installed is passed over.
        folder: TensorBoard's folder `tensorboard` and MLflow's database `mlflow.db` lie there.
        name: What the trainings are of: a domain.
        run: Names the training among them.
    """

    into: Sequence[str]
    folder: Path
    name: str
    run: str


@contextmanager
def written(curves: Curves | None, step: str) -> Iterator[dict[str, Any]]:
    """For the length of a step, what transformers writes for these goes there; the arguments that tell it to write.

    Args:
        curves: Where to; nothing is written where None.
        step: The step of the recipe.

    Raises:
        ConfigurationError: MLflow can't write.
    """
    found = installed(curves.into) if curves else []
    if not curves or not found:
        yield {}
        return
    database = curves.folder / "mlflow.db"  # a folder of files is a store that MLflow opens no more
    database.parent.mkdir(parents=True, exist_ok=True)
    with quiet.environment(
        TENSORBOARD_LOGGING_DIR=str(curves.folder / "tensorboard" / curves.name / curves.run / step),
        MLFLOW_TRACKING_URI=f"sqlite:///{database.absolute()}",
        MLFLOW_EXPERIMENT_NAME=curves.name,
        MLFLOW_RUN_ID=None,  # a run of somebody else's, which isn't in this database
        MLFLOW_NESTED_RUN=None,
        MLFLOW_DISABLE_TELEMETRY="true",
        MLFLOW_LOGGING_LEVEL="ERROR",
        HF_MLFLOW_LOG_ARTIFACTS="0",
    ):
        try:
            yield {"report_to": found, "run_name": f"{curves.run} {step}"}
        except Exception as error:
            if type(error).__module__.partition(".")[0] == "mlflow":
                said = str(error).partition("\n")[0]
                raise ConfigurationError(
                    f"MLflow can't take the curve of {step}: {said}. To train without it: report_to = [] in [train]"
                ) from error
            raise
        finally:
            _end_run()


def installed(wanted: Sequence[str]) -> list[str]:
    """Those that are installed, as transformers sees it; tensorboardX does for TensorBoard."""
    from transformers.integrations import get_available_reporting_integrations

    found = set(get_available_reporting_integrations())
    return [name for name in wanted if name in found]


def _end_run() -> None:
    """Ends the run that a training which failed has left open: the next one would go on writing into it."""
    mlflow = sys.modules.get("mlflow")
    if mlflow is not None and mlflow.active_run() is not None:
        mlflow.end_run()
