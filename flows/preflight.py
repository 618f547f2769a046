"""What must hold before a run starts: found wrong, it is one line, and nothing has been written."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flows.bases import check_base
from registry.errors import ConfigurationError, SandboxError
from registry.storage import storage

if TYPE_CHECKING:
    from flows.house import House
    from validators.execution.pool import Sandbox

TRAINING = ("accelerate", "bm25s", "datasets", "peft", "torch", "transformers", "trl")


def check(house: House, stages: Iterable[str]) -> None:
    """Checks what the stages need.

    Raises:
        ConfigurationError: Something is missing, or can't be written; the message says what to do.
    """
    wanted = set(stages)
    if "validate" in wanted:
        check_sandbox(house.pool)
    if wanted & {"train", "evaluate"}:
        _check_training(house)
        check_base(house)
    if "publish" in wanted:
        _check_writable("the registry", house.settings.registry_path)
    if house.settings.lake_url.startswith("/"):
        _check_writable("the home folder", house.settings.root)
    if "scrape" in wanted:
        _check_versions(house)


def check_sandbox(sandbox: Sandbox) -> None:
    """Checks that programs can be run.

    Raises:
        ConfigurationError: They can't; the message says why, and what to do.
    """
    reason = sandbox.available()
    if reason is not None:
        raise ConfigurationError(f"No sandbox: {reason}") from SandboxError(reason)


def _check_training(house: House) -> None:
    """The packages are there, and the recipe and its settings can be."""
    from finetune.chain import Chain

    Chain.of(house.domain.train.model_dump())
    check_training()


def check_training() -> None:
    """Checks that what trains and asks models is installed.

    Raises:
        ConfigurationError: It isn't; the message says what to do.
    """
    missing = [name for name in TRAINING if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"No {missing[0]} here: install what training needs with pip install 'driftune[train]'"
        )


def _check_writable(what: str, folder: Path) -> None:
    """Writes and removes a file below the nearest existing parent: nothing is left behind."""
    place = folder
    while not place.exists():
        place = place.parent
    probe = place / f".driftune-{os.getpid()}.probe"
    with storage(what, folder):
        try:
            probe.write_bytes(bytes(65536))
        finally:
            probe.unlink(missing_ok=True)


def _check_versions(house: House) -> None:
    """Both versions are on the index with a wheel for this Python; what was read already is not asked for."""
    from scrapers.index import Index, pick_wheel

    if not any(source.kind == "pypi" for source in house.library.source):
        return
    index = Index()
    known = house.folder("packages") / "pypi" / house.library.name
    where = f"domains/{house.domain.name}.toml"
    for version in house.library.versions:
        if not list(known.glob(f"{version}-cp*.json")):
            pick_wheel(index.files_of(house.library.name, version, where), house.library.name, version)
