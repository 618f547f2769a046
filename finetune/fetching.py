"""Fetching a model from the Hugging Face Hub: whole files, each held against what the Hub has announced of it.

Only safetensors, configuration, tokenizer, licence and card are taken: no pickles, no code of the model's own.
`HF_ENDPOINT` names another Hub, `HF_TOKEN` opens private and gated models; with `HF_HUB_OFFLINE` set nothing is asked.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.domain import PERMISSIVE
from registry.errors import ConfigurationError, TrainingError
from registry.identity import sha256_of_file

HUB = "https://huggingface.co"

_WANTED = (
    "config.json", "config.*.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json",
    "tokenizer.json", "tokenizer.*.json", "tokenizer_config.json", "*.model", "*.tiktoken", "vocab.*", "merges.txt",
    "special_tokens_map.json", "added_tokens.json", "chat_template*", "additional_chat_templates/*.jinja", "README.md",
    "LICEN[SC]E*", "NOTICE*",
)  # fmt: skip
_UNWANTED = ("consolidated*",)
"""Weights for other programs, which some repositories hold beside those that transformers reads."""
_CAUSAL = re.compile(r"(CausalLM|LMHeadModel)$")
_SAYS_NOTHING = ("other", "unknown")
"""What a card says of a licence that the Hub has no name for."""
_SPELLING = {name.lower(): name for name in PERMISSIVE}


@dataclass(frozen=True)
class Source:
    """A model of the Hub.

    Attributes:
        repo: Its name, as `Qwen/Qwen2.5-Coder-0.5B`.
        revision: Commit, tag or branch.
    """

    repo: str
    revision: str

    def __str__(self) -> str:
        return f"{self.repo} from {_endpoint()}"


def announced_licences(source: Source) -> tuple[str, ...]:
    """What the Hub says that a model is under; the Hub is asked.

    Raises:
        ConfigurationError: There is no such model or revision.
        TrainingError: The Hub can't be reached.
    """
    with _asking(source):
        return licences_of(_ask(source).card_data)


def fetch(source: Source, folder: Path, progress: Callable[[str, int, int], None] | None) -> dict[str, Any]:
    """Fetch a model's files into `folder`, or what a killed fetch has left of them; its commit and licences.

    The configuration comes first: it says whether the model is one that can be used.

    Raises:
        ConfigurationError: There is no such model or revision, or it is none that can be used.
        TrainingError: The Hub can't be reached, or what came isn't what it announced.
    """
    from huggingface_hub import hf_hub_download

    with _asking(source):
        about = _ask(source)
        files = {file.rfilename: file for file in about.siblings if _is_wanted(file.rfilename)}
        if "config.json" not in files or not any(name.endswith(".safetensors") for name in files):
            raise ConfigurationError(
                f"{source.repo} has no config.json with safetensors weights: choose a model that has, or convert it "
                'into a folder and set base = "folder"'
            )
        _drop_others(folder, files)
        for done, name in enumerate(sorted(files, key=lambda n: (n != "config.json", n))):
            if progress is not None:
                progress(f"fetch {source.repo}", done, len(files))
            path = hf_hub_download(
                source.repo, name, revision=about.sha, local_dir=folder, cache_dir=folder / ".cache",
                endpoint=_endpoint(), token=_token(),
            )  # fmt: skip
            _check(Path(path), files[name], source)
            if name == "config.json":
                check_causal(Path(path), source.repo)
        shutil.rmtree(folder / ".cache", ignore_errors=True)
        if progress is not None:
            progress(f"fetch {source.repo}", len(files), len(files))
        return {"repo": source.repo, "commit": str(about.sha), "licences": list(licences_of(about.card_data))}


def licences_of(card: Any) -> tuple[str, ...]:
    """The licences that a model's card names, the common ones as SPDX spells them; none where it names none."""
    named = getattr(card, "license", None) or ()
    own = getattr(card, "license_name", None)
    listed = [
        str(own) if name == "other" and own else str(name) for name in ([named] if isinstance(named, str) else named)
    ]
    return tuple(spelled(name) for name in listed if name.lower() not in _SAYS_NOTHING)


def spelled(licence: str) -> str:
    """A licence as SPDX spells it, where it is a common one."""
    return _SPELLING.get(licence.lower(), licence)


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", HUB).rstrip("/")


def _token() -> str | bool:
    """The token that was given for this; never one that lies about from another Hub's login."""
    return os.environ.get("HF_TOKEN") or False


def _drop_others(folder: Path, files: Mapping[str, Any]) -> None:
    """Removes what a killed fetch has left of another commit, and this one doesn't hold: it would count as its own.

    Files that both hold are compared by huggingface_hub, which keeps beside them what they were.
    """
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if path.is_file() and place.parts[0] != ".cache" and place.as_posix() not in files:
            path.unlink()


def _ask(source: Source) -> Any:
    """What the Hub says of a model: commit, files with their sizes and hashes, card."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=_endpoint(), token=_token()).model_info(
        source.repo, revision=source.revision, files_metadata=True
    )


def _is_wanted(name: str) -> bool:
    inner = name.startswith("additional_chat_templates/")
    return ("/" not in name or inner) and _matches(name, _WANTED) and not _matches(name, _UNWANTED)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _check(path: Path, announced: Any, source: Source) -> None:
    """Hold a file against the size and hash that the Hub has announced; one that differs is removed."""
    size, large = announced.size, announced.lfs
    right = size is None or path.stat().st_size == size
    if not right or (large is not None and sha256_of_file(path) != large.sha256):
        path.unlink()
        raise TrainingError(f"{path.name} of {source} came damaged: run the same command again", retryable=True)


def check_causal(config: Path, name: str) -> None:
    """Hold a model's config against what a base must be.

    Raises:
        ConfigurationError: It can't be read, or is of a model that doesn't continue text.
    """
    try:
        architectures = json.loads(config.read_bytes()).get("architectures") or []
    except (ValueError, AttributeError) as error:
        raise ConfigurationError(
            f"The config.json of {name} can't be read: choose another model, or mend it"
        ) from error
    if architectures and not any(_CAUSAL.search(str(found)) for found in architectures):
        raise ConfigurationError(
            f"{name} is a {architectures[0]}, no causal language model: choose one that continues text"
        )


@contextmanager
def _asking(source: Source) -> Iterator[None]:
    """Asking the Hub: quietly, as the environment says now, and with its errors in our own words.

    huggingface_hub reads `HF_HUB_OFFLINE` when it is imported: where that was while something trained, which is kept
    offline, it would ask nothing ever after.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    offline, silent = constants.HF_HUB_OFFLINE, are_progress_bars_disabled()
    constants.HF_HUB_OFFLINE = os.environ.get("HF_HUB_OFFLINE", "").upper() in constants.ENV_VARS_TRUE_VALUES
    disable_progress_bars()
    try:
        with _in_our_words(source):
            yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        if not silent:
            enable_progress_bars()


@contextmanager
def _in_our_words(source: Source) -> Iterator[None]:
    from huggingface_hub import errors

    failed: Any = errors  # it lists its own errors only, not the one of its HTTP client that they derive from
    table = "[train.base_settings]"
    folder = 'or set base = "folder" and its path'
    try:
        yield
    except errors.GatedRepoError as error:
        raise ConfigurationError(f"{source} is gated: accept its terms on its page, and set HF_TOKEN") from error
    except errors.RepositoryNotFoundError as error:
        raise ConfigurationError(
            f"No model {source}: set repo in {table} to its name; HF_TOKEN opens private ones"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ConfigurationError(
            f"No revision {source.revision!r} of {source}: set revision in {table} to a commit, tag or branch"
        ) from error
    except errors.HFValidationError as error:
        raise ConfigurationError(f"{source.repo!r} can't be a model's name: write repo as owner/name") from error
    except errors.OfflineModeIsEnabled as error:
        raise ConfigurationError(f"Can't fetch {source}: HF_HUB_OFFLINE is set. Unset it, {folder}") from error
    except (failed.HTTPError, errors.LocalEntryNotFoundError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise TrainingError(
            f"Can't fetch {source}: {said}. What came is kept: run the same command again, {folder}", retryable=True
        ) from error
