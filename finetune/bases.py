"""Base models: what an adapter is trained on and loads onto.

The built-in one, `tiny`, is a small Llama trained on the spot from the Python standard library and the old version of
the domain's libraries: like any real base, it knows the API up to a cutoff. It is the same bytes for the same inputs,
settings and thread count, also after a kill, and is kept under `DRIFTUNE_HOME/bases`. Other settings make a larger one
(`finetune.sizes`), in minutes on a GPU.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol

from finetune import corpus
from finetune.loading import PLAIN, Loading, Machine, decide
from finetune.watching import Progress
from registry.errors import ConfigurationError, TrainingError
from registry.fingerprint import fingerprint
from registry.identity import sha256_of, sha256_of_bytes

VERSION = "tiny@1"
END = "<|end|>"
PAD = "<|pad|>"
DEVICES = ("cpu", "cuda")
_ADDED = ("at_once", "library", "corpus", "device")
"""Settings that came later: at their defaults they make no other base."""


@dataclass(frozen=True)
class BaseModel:
    """A base model on this disk.

    Attributes:
        name: What an adapter's card and config call it.
        revision: Its revision; for a base made here, its fingerprint.
        path: Its folder, in the Hugging Face layout.
        fingerprint: The hash of its weight, config, tokenizer and chat-template files.
        licences: SPDX expressions of what it was made from, sorted.
        loading: How it is put into memory here.
        context: Tokens of the texts that it was trained on; 0 where its config says how many it takes.
    """

    name: str
    revision: str
    path: Path
    fingerprint: str
    licences: tuple[str, ...] = ()
    loading: Loading = PLAIN
    context: int = 0


class Base(Protocol):
    """Something that can put a base model on this disk."""

    def licences(self, settings: Mapping[str, Any], cache: Path) -> tuple[str, ...]:
        """SPDX expressions of what the base is under, known before it is made or fetched; none where that isn't known.

        Args:
            settings: The base's own settings.
            cache: Folder that keeps bases.
        """
        ...

    def loading(self, settings: Mapping[str, Any], cache: Path) -> Loading:
        """How the base is put into memory on this machine, as far as that is known before it is made or fetched.

        Args:
            settings: The base's own settings.
            cache: Folder that keeps bases.
        """
        ...

    def prepare(
        self, texts: Iterable[str], settings: Mapping[str, Any], cache: Path, progress: Progress | None = None
    ) -> BaseModel:
        """Make or fetch the base, or find it in `cache`.

        Args:
            texts: Source, tests and examples of the old version, for a base that is trained on the spot.
            settings: The base's own settings.
            cache: Folder that keeps bases.
            progress: Told of each step.
        """
        ...


@dataclass(frozen=True)
class TinySettings:
    """Settings of the tiny Llama; the defaults are 2.56 million parameters and some 300 s on one core.

    Attributes:
        layers: Transformer blocks.
        width: Width of the residual stream.
        heads: Attention heads.
        inner: Width of the feed-forward layer.
        vocabulary: Size of the byte-level BPE vocabulary.
        context: Tokens in a training window.
        batch: Windows in a step, half of them from the library.
        steps: Optimiser steps.
        learning_rate: Peak learning rate of AdamW; warm-up over 4% of the steps, then a cosine down to a tenth.
        seed: Seed of initial weights and order.
        threads: Threads of torch.
        save_every: Steps between checkpoints.
        at_once: Windows that are computed at once, the others of the step after them; 0 for all of it.
        library: Windows of a step that are from the library; 0 for half of them.
        corpus: Name of a corpus of packages (`finetune.corpus`) that is general code too; none where empty.
        device: Where it is trained and loaded: `cpu`, in float32, or `cuda`, in bfloat16.
    """

    layers: int = 4
    width: int = 192
    heads: int = 6
    inner: int = 512
    vocabulary: int = 4096
    context: int = 256
    batch: int = 8
    steps: int = 720
    learning_rate: float = 3e-3
    seed: int = 0
    threads: int = 2
    save_every: int = 60
    at_once: int = 0
    library: int = 0
    corpus: str = ""
    device: str = "cpu"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> TinySettings:
        """Settings from a mapping; what it leaves out has its default.

        Raises:
            ConfigurationError: A setting is unknown, there is no such device, or no window of general code is left.
        """
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(settings) - set(known))
        if unknown:
            raise ConfigurationError(f"No setting {unknown[0]!r} of the base 'tiny': it takes {', '.join(known)}")
        made = cls(**settings)
        if made.device not in DEVICES:
            raise ConfigurationError(f"device of the base 'tiny' can't be {made.device!r}: set it to cpu or cuda")
        if not 0 <= made.library < made.batch:
            raise ConfigurationError(
                f"library of the base 'tiny' can't be {made.library}: a step has {made.batch} windows"
            )
        return made


class TinyBase:
    """The tiny Llama that is trained on the spot.

    Args:
        general: General code to train on, in place of the standard library's files that aren't held out.
    """

    def __init__(self, general: Iterable[str] | None = None) -> None:
        self._general = None if general is None else tuple(general)

    def licences(self, settings: Mapping[str, Any], cache: Path) -> tuple[str, ...]:
        """The standard library's licence, and those of the packages; the domain allows the library's own anyway.

        Raises:
            ConfigurationError: There is no such corpus.
        """
        name = TinySettings.of(settings).corpus
        return (corpus.LICENCE, *(corpus.about(cache, name)["licences"] if name else ()))

    def loading(self, settings: Mapping[str, Any], cache: Path) -> Loading:
        """In float32 on the CPU, wherever it is, unless its settings name CUDA.

        Raises:
            ConfigurationError: There is no CUDA device.
        """
        device = TinySettings.of(settings).device
        return PLAIN if device == "cpu" else decide({"device": device, "four_bit": False}, 0, Machine.this())

    def prepare(
        self, texts: Iterable[str], settings: Mapping[str, Any], cache: Path, progress: Progress | None = None
    ) -> BaseModel:
        """Train the base, go on where a killed training stopped, or find it in `cache`.

        Raises:
            ConfigurationError: A setting is unknown, there is no such corpus, or no CUDA device.
            TrainingError: The loss is not a number, or there is nothing to train on.
        """
        chosen = TinySettings.of(settings)
        self.loading(settings, cache)  # no CUDA is told before anything is made
        library = sorted(set(texts))
        general = self._general
        if general is None:
            general = tuple(file.text for file in corpus.standard_library() if not file.held_out)
            general += tuple(file.text for file in corpus.packages(cache, chosen.corpus)) if chosen.corpus else ()
        if not library or not general:
            raise TrainingError("Nothing to train the base on: give texts of the old version and of general code")
        name = f"tiny-{_recipe_hash(chosen, general, library)[:16]}"
        folder = cache / name
        with locked(cache, name):
            if not (folder / "config.json").exists():
                work = cache / f".{name}.part"
                _train(chosen, general, library, work, progress)
                work.rename(folder)
            (folder / "checkpoint.pt").unlink(missing_ok=True)
        return self.at(folder, settings, cache)

    def at(self, folder: Path, settings: Mapping[str, Any], cache: Path) -> BaseModel:
        """The base in a folder, here or as another machine has made it.

        Args:
            folder: The folder, by the name that the base has.
            settings: The base's own settings.
            cache: Folder that keeps bases.
        """
        mark, context = fingerprint(folder), TinySettings.of(settings).context
        licences, loading = self.licences(settings, cache), self.loading(settings, cache)
        return BaseModel(f"driftune/{folder.name}", mark, folder, mark, licences, loading, context=context)


BASES: dict[str, str] = {
    "tiny": "finetune.bases:TinyBase",
    "hub": "finetune.hub:HubBase",
    "folder": "finetune.hub:FolderBase",
}
"""Built-in bases by name; others come from the entry-point group `driftune.bases`."""


def find(name: str) -> Base:
    """The base called `name`, built in or installed.

    Raises:
        ConfigurationError: There is none.
    """
    built_in = (EntryPoint(base, place, "driftune.bases") for base, place in BASES.items())
    known = {point.name: point for point in (*entry_points(group="driftune.bases"), *built_in)}
    if name not in known:
        raise ConfigurationError(f"No base {name!r}: found {', '.join(sorted(known))}. Set [train] base to one of them")
    found: Base = known[name].load()()
    return found


def _recipe_hash(settings: TinySettings, general: Iterable[str], library: Iterable[str]) -> str:
    usual = asdict(TinySettings())
    told = asdict(settings).items()
    shape = {k: str(v) for k, v in told if k not in ("threads", "save_every") and (k not in _ADDED or v != usual[k])}
    inputs = [[sha256_of_bytes(text.encode()) for text in texts] for texts in (general, library)]
    return sha256_of([VERSION, shape, inputs])


@contextmanager
def locked(cache: Path, name: str) -> Iterator[None]:
    """Hold the making of one base: a second process waits, then finds it made."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        handle = (cache / f".{name}.lock").open("w")
    except OSError as error:
        raise ConfigurationError(
            f"The folder of bases {str(cache)!r} can't be written ({error.strerror}): set DRIFTUNE_HOME to one that can"
        ) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _train(
    settings: TinySettings, general: Iterable[str], library: Iterable[str], work: Path, progress: Progress | None
) -> None:
    from finetune import pretraining

    work.mkdir(parents=True, exist_ok=True)
    pretraining.train(settings, list(general), list(library), work, progress)
