"""Which base a domain may stand on, and how it is loaded here."""

from __future__ import annotations

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


def check_base(house: House) -> None:
    """Holds the licence of the domain's base against its list, before the base is made or fetched, and afterwards.

    Raises:
        ConfigurationError: The licence isn't on the list, or isn't known; there is no such base, or a setting of it
            can't be what it is, or not on this machine.
        TrainingError: Where the base is fetched from can't be reached.
    """
    from finetune import bases
    from validators.curation.licences import LicenceGate

    train = house.domain.train
    allowed = LicenceGate(house.domain.licences)
    base, name = bases.find(train.base), _name(house)
    base.loading(train.base_settings, house.folder("bases"))
    found = base.licences(train.base_settings, house.folder("bases"))
    if not found:
        raise ConfigurationError(
            f"No licence of the base {name} is known: read what it is under, and set licences in [train.base_settings]"
        )
    listed = {licence.lower() for licence in house.domain.licences}
    for licence in found:
        if licence.lower() not in listed and allowed.refuses(licence):
            file = house.reference if house.reference.endswith(".toml") else f"domains/{house.domain.name}.toml"
            raise ConfigurationError(
                f"The base {name} is under {licence}, which isn't on the list of {file}: add it to licences there, or "
                "choose another base",
                licence=licence,
            )
