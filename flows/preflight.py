"""What must hold before a run starts: found wrong, it is one line, and nothing has been written."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flows.bases import check_licence
from flows.engines import check_engine
from registry import schemas
from registry.domain_files import readable, workloads
from registry.errors import ConfigurationError, SandboxError
from registry.generations import Files
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
    check_engine(house.settings)
    files = Files(house.settings.lake_url)
    schemas.check_current(files, schemas.schema_of(files))
    if "validate" in wanted:
        check_sandbox(house.pool)
    _check_names(house)
    if "synth" in wanted:
        _check_llm(house)
    if wanted & {"train", "evaluate"}:
        for each in house.adapters:
            _check_training(each)
            check_licence(each)
    if "publish" in wanted:
        if "://" not in house.settings.registry_url:
            _check_writable("the registry", Path(house.settings.registry_url))
        for each in house.adapters:
            _check_name(each)
            _check_promotion(each)
    if house.settings.lake_url.startswith("/"):
        _check_writable("the home folder", house.settings.root)
    if "scrape" in wanted:
        _check_sources(house)
        _check_versions(house)


def _check_llm(house: House) -> None:
    """Where a model is named, its endpoint and the writers that are to use it are known; nothing is asked yet."""
    if house.domain.llm.model:
        from flows.endpoint import check_llm

        check_llm(house.domain.llm)


def _check_sources(house: House) -> None:
    """What a package adds to a site is read once, and would be lost with the site's pages, which come and go."""
    from flows.sites import is_site

    after = [is_site(source) for source in house.library.source]
    if after != sorted(after):
        kinds = ", ".join(source.kind for source in house.library.source)
        raise ConfigurationError(
            f"The sources of {house.library.name} are {kinds}: put those that are no documentation sites first"
        )


def _check_name(house: House) -> None:
    """Nothing of another kind is published under the domain's name."""
    from flows.publication import check_kind
    from registry.store import Store

    check_kind(Store(house.settings.registry_url), house.domain.name, merged=False)


def _check_promotion(house: House) -> None:
    """The tasks that promotion hangs on can be read and run, before hours have gone into what they are asked of."""
    if house.domain.gate.tasks:
        from flows.promotion import promotion_tasks

        promotion_tasks(house)
        check_training()
        check_sandbox(house.pool)


def check_sandbox(sandbox: Sandbox) -> None:
    """Checks that programs can be run.

    Raises:
        ConfigurationError: They can't; the message says why, and what to do.
    """
    reason = sandbox.available()
    if reason is not None:
        raise ConfigurationError(f"No sandbox: {reason}") from SandboxError(reason)


def _check_names(house: House) -> None:
    """No workload's adapter is called as one of another domain's: whoever follows one would get the other."""
    path = Path(house.reference)
    folder = path.parent if path.suffix == ".toml" or len(path.parts) > 1 else Path("domains")
    own, *mine = [each.domain.name for each in house.adapters]
    taken = {file.stem: file for file in (folder / f"{name}.toml" for name in mine) if file.is_file()}
    of_workloads: dict[str, Path] = {}
    for file, domain in readable(folder).items():
        if domain.name != own:
            of_workloads |= {each.name: file for each in workloads(domain)}
            taken[domain.name] = file
    taken |= of_workloads
    for name in mine:
        if name in taken:
            raise ConfigurationError(
                f"The adapter of a workload would be called {name}, as that of {taken[name]} is: give the "
                f"workload of {own} another name"
            )
    if own in of_workloads:
        raise ConfigurationError(
            f"The adapter of a workload in {of_workloads[own]} would be called {own}: give that workload another name"
        )


def _check_training(house: House) -> None:
    """The packages are there, and the recipe and its settings can be; where programs are rewarded, a sandbox too."""
    from finetune.chain import Chain
    from finetune.warm import check_lora
    from flows.continuing import newest
    from registry.store import Store

    try:
        chain, adapter = Chain.of(house.domain.train.model_dump()), newest(house)
    except ConfigurationError as error:
        if house.mother is None:
            raise
        raise ConfigurationError(f"Adapter {house.domain.name}: {error}") from error
    if adapter is not None:
        folder = Store(house.settings.registry_url).folder(adapter)
        check_lora(folder, chain.lora, f"{adapter.domain}@v{adapter.version}")
    check_training()
    if chain.fills_gaps and house.domain.train.base == "tiny":
        raise ConfigurationError(
            "The base tiny has no control tokens to fill gaps in: leave fim out of mix in [train.sft], or choose "
            "another base"
        )
    if chain.runs_programs:
        check_sandbox(house.pool)


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
    from scrapers.index import pick_wheel

    if not any(source.kind == "pypi" for source in house.library.source):
        return
    index = house.index
    known = house.folder("packages") / "pypi" / house.library.name
    where = f"domains/{house.domain.name}.toml"
    for version in house.library.versions:
        if not list(known.glob(f"{version}-cp*.json")):
            pick_wheel(index.files_of(house.library.name, version, where), house.library.name, version)
