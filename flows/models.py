"""The models that a command asks to write: a base, and an adapter on it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.errors import ConfigurationError, RegistryError
from registry.fingerprint import fingerprint
from registry.identity import sha256_of
from registry.lock import domain_lock
from registry.settings import Settings

if TYPE_CHECKING:
    from finetune.bases import BaseModel
    from flows.house import House
    from registry.records import Adapter

_BUILT_IN = re.compile(r"tiny-[0-9a-f]{16}")
"""The folder of a base that was made on the spot."""


@dataclass(frozen=True)
class Model:
    """A base, alone or with an adapter; nothing is loaded yet.

    Attributes:
        arm: `base` or `adapter`.
        base: The base.
        adapter: Folder of the adapter on it.
        published: The adapter's record, where it comes from a registry.
    """

    arm: str
    base: BaseModel
    adapter: Path | None = None
    published: Adapter | None = None

    def identity(self) -> str:
        """A hash of what decides what it writes: its files, how it is put into memory, and where its turns end."""
        from registry.store import content_hash

        adapter = content_hash(self.adapter) if self.adapter else ""
        return sha256_of([self.base.fingerprint, adapter, str(self.base.loading), _turn_ends(self.base.path)])

    def load(self) -> tuple[Any, Any]:
        """Model and tokenizer. An adapter from a registry is held against its base, and against its canary."""
        from finetune import tuning
        from registry.client import load_adapter

        if self.adapter is None:
            return tuning.load(self.base)
        if self.published is None:
            return tuning.load_with(self.base, self.adapter)
        model, tokenizer = tuning.load(self.base)
        return load_adapter(model, self.adapter), tokenizer


def _turn_ends(base: Path) -> list[int]:
    """The ids that a base's generation config ends a turn with; nothing else of it is taken over."""
    file = base / "generation_config.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id") if file.is_file() else None
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{file} can't be read: {error}") from error
    return [] if found is None else list(found) if isinstance(found, list) else [found]


def models(house: House | None, base: Path | None, adapter: str) -> list[Model]:
    """The base, and the adapter where there is one.

    Args:
        house: The domain, whose base and last adapter it is where nothing else is named.
        base: Folder of a base; that of the adapter, or of the domain, where None.
        adapter: `networkx@stable`, `networkx@v3`, or the folder of a version.

    Raises:
        ConfigurationError: No model is named, there is none of the name, or it isn't here.
        WrongBaseError: The adapter wasn't made for that base.
    """
    if base is not None and not (base / "config.json").is_file():
        raise ConfigurationError(f"No model in {base}: name the folder of one, with its config.json")
    if adapter:
        return _published(adapter, base)
    if base is not None:
        return [Model("base", _in(base))]
    if house is not None:
        return _of_last_run(house)
    raise ConfigurationError("No model is named: name a domain, an adapter with --adapter, or a folder with --base")


def _published(reference: str, base: Path | None) -> list[Model]:
    from registry.client import check_base, find

    folder, record = find(reference)
    place = base or _base_of(record, "name its folder with --base")
    check_base(place, record)
    found = _in(place)
    return [Model("base", found), Model("adapter", found, folder, record)]


def published_model(folder: Path, record: Adapter, base: BaseModel) -> Model:
    """A published version on its base: this one if it was made for it, else one of the home folder.

    Raises:
        ConfigurationError: Its base isn't here.
    """
    mend = f'put its folder into {Settings().root / "bases"}, or promote by hand with --force "WHY"'
    own = base if base.fingerprint == record.fingerprint else _in(_base_of(record, mend))
    return Model("adapter", own, folder, record)


def _of_last_run(house: House) -> list[Model]:
    """The domain's base and the adapter of its last run, which must have been trained."""
    from flows.training import run_id, tuned_adapter

    run_id(house)
    with domain_lock(house.settings, house.domain.name, house.run):  # trained again where its folder is gone
        base, folder = tuned_adapter(house)
    return [Model("base", base), Model("adapter", base, folder)]


def _in(folder: Path) -> BaseModel:
    """The base in a folder, put into memory as fits it and this machine; the built-in one as it was trained."""
    from finetune import bases
    from finetune.loading import PLAIN

    found = bases.find("folder").prepare((), {"path": str(folder)}, folder.parent)
    return dataclasses.replace(found, loading=PLAIN) if _BUILT_IN.fullmatch(folder.name) else found


def _base_of(adapter: Adapter, mend: str) -> Path:
    """The base that an adapter was made for, among those of the home folder; an error says what mends it."""
    for folder in likeliest_first(Settings().root / "bases", adapter.base):
        with contextlib.suppress(RegistryError):  # a damaged one is none that it was made for
            if fingerprint(folder) == adapter.fingerprint:
                return folder
    raise ConfigurationError(
        f"{adapter.domain} v{adapter.version} was made for {adapter.base} with fingerprint {adapter.fingerprint}, and "
        f"that base isn't here: {mend}"
    )


def likeliest_first(bases: Path, name: str) -> list[Path]:
    """Folders of bases, those that are called by a name first: fingerprints take a while.

    Args:
        bases: Where they lie.
        name: What an adapter calls its base: `tiny-…`, or a repository of the Hub, which is part of its folder's name.
    """
    from finetune.hub import in_a_path

    folders = sorted(path.parent for path in bases.glob("*/config.json") if not path.parent.name.startswith("."))
    called = in_a_path(name)
    return sorted(folders, key=lambda folder: called not in folder.name)
