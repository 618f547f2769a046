"""Bases that somebody else has trained: a model of the Hugging Face Hub at one revision, or in a local folder.

A model of the Hub is fetched once, whole, into `DRIFTUNE_HOME/bases`; a branch or tag stays what it was on that day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from finetune.bases import BaseModel, locked
from finetune.checkpoints import ADAPTER_FILES
from finetune.fetching import Source, announced_licences, check_causal, fetch, licences_of, spelled
from finetune.loading import CHOICES, PROCESSES, Loading, Machine, decide, weights
from finetune.watching import Progress
from registry.errors import ConfigurationError
from registry.fingerprint import fingerprint
from registry.storage import storage, write_file

ABOUT = "base.json"
"""Written into a fetched base's folder when all of it is there: its repository, commit and licences."""


@dataclass(frozen=True)
class _Settings:
    @classmethod
    def of(cls, base: str, settings: Mapping[str, Any]) -> Self:
        """Settings from a mapping; what it leaves out has its default.

        Raises:
            ConfigurationError: A setting is unknown.
        """
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(settings) - {*known, *CHOICES, PROCESSES})
        if unknown:
            accepted = ", ".join([*known, *CHOICES, PROCESSES])
            raise ConfigurationError(f"No setting {unknown[0]!r} of the base {base!r}: it takes {accepted}")
        licences = settings.get("licences", ())
        told = (licences,) if isinstance(licences, str) else licences
        if not isinstance(told, (list, tuple)) or not all(isinstance(licence, str) for licence in told):
            raise ConfigurationError(f'licences of the base {base!r} can\'t be {licences!r}: write them as ["MIT"]')
        own = {name: str(value) for name, value in settings.items() if name in known}
        return cls(**{**own, "licences": tuple(told)})


@dataclass(frozen=True)
class HubSettings(_Settings):
    """Settings of the base `hub`.

    Attributes:
        repo: The model's name, as `Qwen/Qwen2.5-Coder-0.5B`.
        revision: Commit, tag or branch; what a tag or branch means is looked up once, when it is fetched.
        licences: SPDX ids of what it is under, where its card doesn't say.
    """

    repo: str = ""
    revision: str = "main"
    licences: tuple[str, ...] = ()


@dataclass(frozen=True)
class FolderSettings(_Settings):
    """Settings of the base `folder`.

    Attributes:
        path: The folder, in the Hugging Face layout.
        name: What adapters call it; the folder's name where empty.
        revision: What adapters call its revision; its fingerprint where empty.
        licences: SPDX ids of what it is under, where its card doesn't say.
    """

    path: str = ""
    name: str = ""
    revision: str = ""
    licences: tuple[str, ...] = ()


class HubBase:
    """A causal model of the Hugging Face Hub."""

    def licences(self, settings: Mapping[str, Any], cache: Path) -> tuple[str, ...]:
        """What the model is under, as its settings or its card say; the Hub is asked where it isn't fetched yet.

        Raises:
            ConfigurationError: There is no such model or revision, or its settings and its card say different things.
            TrainingError: The Hub can't be reached.
        """
        chosen = _chosen(settings)
        about = _about(_place(cache, chosen))
        named = tuple(about["licences"]) if about is not None else announced_licences(_source(chosen))
        return _agreed(chosen.repo, chosen.licences, named)

    def loading(self, settings: Mapping[str, Any], cache: Path) -> Loading:
        """How the model is put into memory here, by its settings and, where it is fetched, its size.

        Raises:
            ConfigurationError: A setting can't be what it is, or not on this machine.
        """
        return decide(settings, weights(_place(cache, _chosen(settings))), Machine.this())

    def prepare(
        self, texts: Iterable[str], settings: Mapping[str, Any], cache: Path, progress: Progress | None = None
    ) -> BaseModel:
        """Fetch the model, go on where a killed fetch stopped, or find it in `cache`; nothing is trained.

        Raises:
            ConfigurationError: There is no such model or revision, it is none that can be used, or the disk is full.
            TrainingError: The Hub can't be reached, or what came isn't what it announced.
        """
        chosen = _chosen(settings)
        self.loading(settings, cache)
        folder = _place(cache, chosen)
        with locked(cache, folder.name):
            about = _about(folder)
            if about is None:
                part = folder.with_name(f".{folder.name}.part")
                with storage("the base", cache):
                    about = fetch(_source(chosen), part, progress)
                    write_file(part / ABOUT, json.dumps(about, sort_keys=True).encode())
                    part.rename(folder)
        licences = _agreed(chosen.repo, chosen.licences, tuple(about["licences"]))
        loading = self.loading(settings, cache)
        return BaseModel(chosen.repo, str(about["commit"]), folder, fingerprint(folder), licences, loading)


class FolderBase:
    """A model that is already in a folder."""

    def licences(self, settings: Mapping[str, Any], cache: Path) -> tuple[str, ...]:
        """What the model is under, as its settings or the card in its folder say.

        Raises:
            ConfigurationError: There is no such folder or an adapter in it, its card can't be read, or its settings say
                another thing.
        """
        chosen = _chosen_folder(settings)
        return _agreed(chosen.path, chosen.licences, licences_of(_card(Path(chosen.path) / "README.md")))

    def loading(self, settings: Mapping[str, Any], cache: Path) -> Loading:
        """How the model is put into memory here, by its settings and size.

        Raises:
            ConfigurationError: There is no such folder, or a setting can't be what it is, or not on this machine.
        """
        return decide(settings, weights(Path(_chosen_folder(settings).path)), Machine.this())

    def prepare(
        self, texts: Iterable[str], settings: Mapping[str, Any], cache: Path, progress: Progress | None = None
    ) -> BaseModel:
        """Name the model in the folder; nothing is trained.

        Raises:
            ConfigurationError: There is no such folder, or the model in it is none that can be used.
            RegistryError: It holds no model.
        """
        chosen = _chosen_folder(settings)
        folder = Path(chosen.path)
        mark = fingerprint(folder)
        name = chosen.name or (folder if folder.name not in ("", "..") else folder.resolve()).name
        check_causal(folder / "config.json", name)
        licences, loading = self.licences(settings, cache), self.loading(settings, cache)
        return BaseModel(name, chosen.revision or mark, folder, mark, licences, loading)


def _chosen(settings: Mapping[str, Any]) -> HubSettings:
    chosen = HubSettings.of("hub", settings)
    if not chosen.repo:
        raise ConfigurationError("No model for the base 'hub': set repo in [train.base_settings] to its name")
    return chosen


def _chosen_folder(settings: Mapping[str, Any]) -> FolderSettings:
    chosen = FolderSettings.of("folder", settings)
    if not chosen.path or not Path(chosen.path).is_dir():
        raise ConfigurationError(f"No folder {chosen.path!r} for the base 'folder': set path in [train.base_settings]")
    if (Path(chosen.path) / ADAPTER_FILES[0]).is_file():
        raise ConfigurationError(
            f"The base in {chosen.path} has an adapter beside it, which would be loaded with it and count as the base: "
            f"take {ADAPTER_FILES[0]} out of that folder"
        )
    return chosen


def _source(chosen: HubSettings) -> Source:
    return Source(chosen.repo, chosen.revision)


def _place(cache: Path, chosen: HubSettings) -> Path:
    """The folder of a fetched model."""
    return cache / in_a_path(f"hub--{chosen.repo}--{chosen.revision}")


def in_a_path(name: str) -> str:
    """A repository, or a revision, as it stands in a folder's name: `org/model` as `org--model`."""
    return re.sub(r"[^\w.-]", "--", name)


def _about(folder: Path) -> Mapping[str, Any] | None:
    """What was written of a model when all of it was there; None where it isn't."""
    path = folder / ABOUT
    if not path.is_file():
        return None
    found: Mapping[str, Any] = json.loads(path.read_text())
    return found


def _card(path: Path) -> Any:
    """What the head of a model's README.md says; None where there is none.

    Raises:
        ConfigurationError: It can't be read.
    """
    from huggingface_hub import ModelCard

    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        return ModelCard(text, ignore_metadata_errors=True).data if text else None
    except Exception as error:  # of YAML's own kind, or of whatever a head that is no table runs into
        raise ConfigurationError(f"The head of {path} can't be read: mend its YAML, or remove the file") from error


def _agreed(name: str, told: tuple[str, ...], card: tuple[str, ...]) -> tuple[str, ...]:
    """What a model's card says that it is under, or its settings where the card says nothing.

    Raises:
        ConfigurationError: They say different things.
    """
    if told and card and {spelled(licence) for licence in told} != set(card):
        raise ConfigurationError(
            f"The card of {name} names {', '.join(card)}, and licences in [train.base_settings] {', '.join(told)}: "
            "take that setting out; it is for models whose card names none"
        )
    return card or told
