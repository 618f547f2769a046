"""Loading an adapter, and refusing a base it wasn't made for.

Most mismatches are silent: other weights of the same shapes, fewer layers, another vocabulary. So the base's files are
hashed and compared with the adapter's fingerprint, and after loading a canary (stored token ids with their stored
log-probabilities) must agree.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.canary import check_canary
from registry.errors import RegistryError, WrongBaseError
from registry.fingerprint import fingerprint
from registry.manifests import manifest_in, parsed
from registry.records import Adapter
from registry.settings import Settings
from registry.store import MANIFEST, STABLE, Store, verify_folder
from registry.trust import check_folder

_VERSION = re.compile(r"v?\d+")
_TOKENIZERS = ("tokenizer*", "*.model", "*.tiktoken", "vocab.*")


@dataclass(frozen=True)
class Loaded:
    """What was loaded, as the attribute `driftune` of the model that `load_adapter` gives.

    Attributes:
        adapter: The version.
        instead_of: The version that was asked for, where that one failed its canary.
        why: What was wrong with it.
    """

    adapter: Adapter
    instead_of: Adapter | None = None
    why: str = ""


def load_adapter(
    model: Any,
    ref: str | Path,
    *,
    registry: Path | str | None = None,
    derived_from: str | Path | None = None,
    fall_back: bool = False,
) -> Any:
    """A base model with an adapter on it.

    Args:
        model: A loaded `transformers` model, or the folder of one.
        ref: `networkx@stable`, `networkx@v3`, or the folder of an adapter (a version's, or a pulled one).
        registry: The registry's folder or URL; `DRIFTUNE_REGISTRY`, else `DRIFTUNE_HOME/registry`, where null. Of a
            pulled folder: the one that it is from; where null, any key that is trusted with any registry counts.
        derived_from: Where `model` isn't the adapter's base but was made from it (AWQ, GPTQ, 8 bits, another adapter
            merged in): the base that it was made from, its folder, or its name as the adapter's card says it. That
            it was is taken on your word; the canary is still asked, and allowed to be off as far as rounding explains.
        fall_back: Whether to load what the channel held before, of the same base, where the version fails its canary.

    Returns:
        A `peft.PeftModel`, in evaluation mode; its attribute `driftune` (`Loaded`) says which version it is.

    Raises:
        ConfigurationError: There is no such adapter.
        RegistryError: The adapter's files were changed.
        TrustError: Nobody who is trusted vouches for it.
        WrongBaseError: The base isn't the one the adapter was made for.
    """
    folder, adapter = find(ref, registry)
    base = _checked(model, adapter, derived_from)
    plain = _loaded(model, base)
    derived = derived_from is not None
    try:
        return _put(plain, folder, Loaded(adapter), derived=derived)
    except WrongBaseError as error:
        if not fall_back:
            raise
        for before in _before(str(ref), adapter, registry):
            with contextlib.suppress(WrongBaseError):
                told = Loaded(before[1], instead_of=adapter, why=str(error))
                found = _put(plain, before[0], told, derived=derived)
                warnings.warn(f"{error}. Loaded v{before[1].version} instead, which {ref} held before", stacklevel=2)
                return found
        raise WrongBaseError(f"{error}. Nothing that {ref} held before fits either", **error.values) from error


def _checked(model: Any, adapter: Adapter, derived_from: str | Path | None) -> Path | None:
    """The model's folder, where its files must be known; what the adapter was made for is compared.

    Raises:
        WrongBaseError: The adapter was made for another base.
    """
    if derived_from is None:
        base = base_folder(model)
        check_base(base, adapter)
        return base
    if Path(derived_from).is_dir():
        check_base(Path(derived_from), adapter)
    elif str(derived_from) not in (adapter.base, adapter.fingerprint):
        raise WrongBaseError(
            f"{adapter.domain} v{adapter.version} was made for {adapter.base} with fingerprint {adapter.fingerprint}, "
            f"not for derived_from={str(derived_from)!r}. Give that base's folder, name or fingerprint",
            wanted=adapter.base,
            found=str(derived_from),
        )
    return Path(model) if isinstance(model, (str, Path)) else None


def _put(plain: Any, folder: Path, told: Loaded, *, derived: bool) -> Any:
    """A model with an adapter on it that gives its stored answers; where it doesn't, the model is left as it was.

    Raises:
        WrongBaseError: It doesn't, or isn't of the adapter's shape.
    """
    from peft import PeftModel

    with warnings.catch_warnings():  # peft 0.21 asks transformers 5.23 for a property by its former name
        warnings.filterwarnings("ignore", r".*gradient_checkpointing` is deprecated", FutureWarning)
        try:
            loaded = PeftModel.from_pretrained(plain, str(folder)).eval()
        except (RuntimeError, ValueError) as error:  # other shapes, or no module of that name
            name, said = f"{told.adapter.domain} v{told.adapter.version}", str(error).strip().replace("\n", " ")[:300]
            raise WrongBaseError(f"{name} can't be put on this model: {said}. Load the base that it is for") from error
    try:
        check_canary(loaded, folder, told.adapter, derived=derived)
    except WrongBaseError:
        loaded.unload()
        raise
    loaded.driftune = told
    return loaded


def _before(ref: str, adapter: Adapter, registry: Path | str | None) -> Iterator[tuple[Path, Adapter]]:
    """What a channel held before a version, of the same base, newest first; nothing where `ref` is no channel."""
    domain, _, channel = ref.partition("@")
    if (Path(ref) / MANIFEST).is_file() or _VERSION.fullmatch(channel):
        return
    store = _store(registry)
    moves = store.held(domain, channel or STABLE)
    for version in dict.fromkeys(move.version for move in reversed(moves) if move.share >= 1):
        before = store.resolve(f"{domain}@v{version}")
        if version != adapter.version and before.fingerprint == adapter.fingerprint:
            with contextlib.suppress(RegistryError):  # one that is damaged is passed over
                yield store.folder(before), before


def find(ref: str | Path, registry: Path | str | None = None) -> tuple[Path, Adapter]:
    """The folder of an adapter, every byte compared with its manifest, and its record.

    Raises:
        ConfigurationError: There is no such adapter.
        RegistryError: The adapter's files were changed.
    """
    folder = Path(ref)
    if (folder / MANIFEST).is_file():
        manifest = manifest_in(folder)
        check_folder(folder, manifest, registry)
        adapter = parsed(manifest, folder)
        verify_folder(folder, adapter)
        return folder, adapter
    store = _store(registry)
    adapter = store.resolve(str(ref))
    return store.folder(adapter), adapter


def check_base(folder: Path, adapter: Adapter) -> None:
    """Compare a base's files with the adapter's fingerprint.

    Raises:
        WrongBaseError: They differ; the message names both.
    """
    found = fingerprint(folder)
    if found != adapter.fingerprint:
        bare = not any(path for pattern in _TOKENIZERS for path in folder.glob(pattern))
        advice = (
            "No tokenizer is there, as the Hub's cache fetches each file when it is asked for: load the base's first"
            if bare
            else "Load that base, or an adapter made for this one"
        )
        raise WrongBaseError(
            f"{adapter.domain} v{adapter.version} was made for {adapter.base} with fingerprint {adapter.fingerprint}, "
            f"but {folder} has {found}. {advice}",
            wanted=adapter.fingerprint,
            found=found,
        )


def base_folder(model: Any) -> Path:
    """Where the files of a base lie: a folder, or a loaded model's own.

    Raises:
        RegistryError: It can't be told.
    """
    if isinstance(model, (str, Path)):
        return Path(model)
    name = str(getattr(model.config, "_name_or_path", "") or "")
    if name and Path(name).is_dir():
        return Path(name)
    from huggingface_hub import try_to_load_from_cache

    revision = getattr(model.config, "_commit_hash", None)
    cached = try_to_load_from_cache(name, "config.json", revision=revision) if name else None
    if isinstance(cached, str):
        return Path(cached).parent
    raise RegistryError(f"Can't tell which files the model {name!r} was loaded from: give its folder instead")


def _store(registry: Path | str | None) -> Store:
    return Store(registry if registry is not None else Settings().registry_url)


def _loaded(model: Any, base: Path | None) -> Any:
    """The model itself, or loaded from its folder without a progress bar on the terminal."""
    if not isinstance(model, (str, Path)):
        return model
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return AutoModelForCausalLM.from_pretrained(base, trust_remote_code=False)
    finally:
        if bars:
            logging.enable_progress_bar()
