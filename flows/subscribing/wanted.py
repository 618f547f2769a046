"""Which version a subscription wants: the newest of its channel that fits the subscriber's base and library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from registry import channels, ranges
from registry.channels import check_name
from registry.client import check_base
from registry.errors import ConfigurationError, WrongBaseError
from registry.fingerprint import fingerprint
from registry.records import Adapter
from registry.store import STABLE, Store


@dataclass(frozen=True)
class Wanted:
    """What a subscription follows.

    Attributes:
        reference: `DOMAIN` or `DOMAIN@CHANNEL`.
        library: Versions of the library that the subscriber uses, as `>=3.6,<3.7`; any where empty.
        base: The subscriber's base, its folder or its name as cards say it; any where empty.
        who: The subscriber, who decides which side of a rollout to a share he is on.

    Raises:
        ConfigurationError: The channel or the range can't be what it is.
    """

    reference: str
    library: str = ""
    base: str = ""
    who: str = ""

    def __post_init__(self) -> None:
        ranges.parsed(self.library)
        check_name(self.channel)

    @property
    def domain(self) -> str:
        """The domain."""
        return self.reference.partition("@")[0]

    @property
    def channel(self) -> str:
        """The channel."""
        return self.reference.partition("@")[2] or STABLE

    @property
    def folder(self) -> Path | None:
        """The base's folder, where it is one."""
        return Path(self.base) if self.base and (Path(self.base) / "config.json").is_file() else None

    def find(self, store: Store) -> Adapter:
        """The newest version that the channel holds, or held on its way there, that fits.

        Raises:
            ConfigurationError: The channel holds nothing, or nothing for these versions of the library.
            WrongBaseError: It holds nothing for this base.
        """
        newest = store.resolve(self.reference, who=self.who)
        return next((one for one in self._held(store, newest) if self._fits(one)), None) or self._refuse(newest)

    def _held(self, store: Store, newest: Adapter) -> Iterator[Adapter]:
        yield newest
        moves = channels.line(store.history(self.domain, self.channel), store.yanked(self.domain))
        for version in dict.fromkeys(move.version for move in reversed(moves) if move.share >= 1):
            if version != newest.version:
                yield store.resolve(f"{self.domain}@v{version}")

    def _fits(self, adapter: Adapter) -> bool:
        return ranges.overlap(self.library, adapter.library_range) and self._is_base(adapter)

    def _is_base(self, adapter: Adapter) -> bool:
        folder = self.folder
        return fingerprint(folder) == adapter.fingerprint if folder else self.base in ("", adapter.base)

    def _refuse(self, newest: Adapter) -> NoReturn:
        """Says why the newest version doesn't fit: none before it does either."""
        name = f"{newest.domain} v{newest.version}"
        if not ranges.overlap(self.library, newest.library_range):
            raise ConfigurationError(
                f"{name} speaks {newest.library_range}, which has no version of --library {self.library!r}, and "
                f"nothing that {self.channel} held before has"
            )
        if self.folder:
            check_base(self.folder, newest)
        raise WrongBaseError(
            f"{name} was made for {newest.base}, not for --base {self.base!r}, and so was all that {self.channel} held "
            "before. Give a base's folder, or its name as the card says it",
            wanted=newest.base,
            found=self.base,
        )
