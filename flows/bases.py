"""Which base a domain may stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.errors import ConfigurationError

if TYPE_CHECKING:
    from flows.house import House


def check_base(house: House) -> None:
    """Holds the licence of the domain's base against its list, before the base is made or fetched.

    Raises:
        ConfigurationError: The licence isn't on the list, or isn't known; or there is no such base.
        TrainingError: Where the base is fetched from can't be reached.
    """
    from finetune import bases
    from validators.curation.licences import LicenceGate

    train = house.domain.train
    allowed = LicenceGate(house.domain.licences)
    found = bases.find(train.base).licences(train.base_settings, house.folder("bases"))
    name = train.base_settings.get("repo") or train.base_settings.get("path") or train.base
    if not found:
        raise ConfigurationError(
            f"No licence of the base {name} is known: read what it is under, and set licences in [train.base_settings]"
        )
    listed = {licence.lower() for licence in house.domain.licences}
    for licence in found:
        if licence.lower() not in listed and allowed.refuses(licence):
            raise ConfigurationError(
                f"The base {name} is under {licence}, which isn't on the list of domains/{house.domain.name}.toml: add "
                "it to licences there, or choose another base",
                licence=licence,
            )
