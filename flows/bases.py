"""Which base a domain may stand on, and how it is loaded here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from registry.errors import ConfigurationError

if TYPE_CHECKING:
    from flows.house import House


def told_base(house: House) -> dict[str, str]:
    """The domain's base and how it would be loaded on this machine, as `driftune plan` shows it.

    Raises:
        ConfigurationError: There is no such base, or a setting of it can't be what it is, or not on this machine.
    """
    from finetune import bases

    train = house.domain.train
    loading = bases.find(train.base).loading(train.base_settings, house.folder("bases"))
    return {"base": _name(house), "loading": str(loading)}


def _name(house: House) -> str:
    train = house.domain.train
    return str(train.base_settings.get("repo") or train.base_settings.get("path") or train.base)


def check_licence(house: House) -> None:
    """Holds what is trained on beside the domain's rows against its list: the base, before and after it is fetched.

    Raises:
        ConfigurationError: A licence isn't on the list, or isn't known; there is no such base, or a setting of it or of
            the recipe can't be what it is, or not on this machine.
        TrainingError: Where the base is fetched from can't be reached.
    """
    from finetune import bases

    train = house.domain.train
    base, name = bases.find(train.base), _name(house)
    base.loading(train.base_settings, house.folder("bases"))
    found = base.licences(train.base_settings, house.folder("bases"))
    if not found:
        raise ConfigurationError(
            f"No licence of the base {name} is known: read what it is under, and set licences in [train.base_settings]"
        )
    _check_listed(house, found, f"The base {name}", "choose another base")
    _check_listed(house, replayed(house), "The general code that is replayed", "set replay = 0 for each step")


def replayed(house: House) -> tuple[str, ...]:
    """SPDX ids of the general code that the steps of the recipe see beside the domain's rows; none where none does.

    Raises:
        ConfigurationError: There is no such recipe.
    """
    from finetune import corpus
    from finetune.chain import Chain

    steps = Chain.of(house.domain.train.model_dump()).steps
    return (corpus.LICENCE,) if any(getattr(settings, "replay", 0) > 0 for _, settings in steps) else ()


def _check_listed(house: House, licences: Iterable[str], what: str, instead: str) -> None:
    from validators.curation.licences import LicenceGate

    allowed = LicenceGate(house.domain.licences)
    listed = {licence.lower() for licence in house.domain.licences}
    for licence in licences:
        if licence.lower() not in listed and allowed.refuses(licence):
            file = house.reference if house.reference.endswith(".toml") else f"domains/{house.domain.name}.toml"
            raise ConfigurationError(
                f"{what} is under {licence}, which isn't on the list of {file}: add it to licences there, or {instead}",
                licence=licence,
            )
