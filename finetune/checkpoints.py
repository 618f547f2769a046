"""What a training leaves on the disk: checkpoints to go on from, and in the end an adapter that is only that."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetune.bases import BaseModel
from registry.errors import DriftuneError

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAID = (*map(os.strerror, _FULL), "PytorchStreamWriter", "unexpected pos")
"""How errors that aren't the system's own tell of a disk that is full: the last two are torch's."""


def last_checkpoint(work: Path) -> Path | None:
    """The last checkpoint that is whole; torn ones (a kill or a full disk while writing) are removed.

    transformers writes `trainer_state.json` last, and takes older checkpoints away after it.
    """
    whole = []
    for folder in work.glob("checkpoint-*"):
        try:
            json.loads((folder / "trainer_state.json").read_text())
            whole.append(folder)
        except (OSError, ValueError):
            shutil.rmtree(folder)
    return max(whole, key=lambda f: int(f.name.rpartition("-")[2]), default=None)


@contextmanager
def room() -> Iterator[None]:
    """Makes one error of a disk that is full, in whichever way torch, tokenizers and safetensors tell of it.

    Raises:
        OSError: ENOSPC: there is no room on the disk, in a quota, or within the process's own limit.
    """
    try:
        yield
    except DriftuneError:
        raise
    except Exception as error:  # tokenizers have no class of their own
        if getattr(error, "errno", None) in _FULL or any(said in str(error) for said in _SAID):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise


def save(model: Any, base: BaseModel, folder: Path) -> None:
    """Write the adapter alone: config and safetensors, naming the base, no path of this machine, all or nothing."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    model.save_pretrained(part, selected_adapters=["default"], save_embedding_layers=False)
    config_path = part / ADAPTER_FILES[0]
    config = json.loads(config_path.read_text())
    config |= {"base_model_name_or_path": base.name, "revision": base.revision, "inference_mode": True}
    if isinstance(config.get("target_modules"), list):
        config["target_modules"] = sorted(config["target_modules"])
    config_path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    for path in part.iterdir():
        if path.name not in ADAPTER_FILES:
            path.unlink()
    for name in ADAPTER_FILES:
        (part / name).chmod(0o644)
    part.rename(folder)


def finished(folder: Path) -> bool:
    """Whether an adapter was written there."""
    return all((folder / name).is_file() for name in ADAPTER_FILES)
