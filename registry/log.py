"""Numbered logs: `00000001.json`, `00000002.json` …, each created only if absent, so that nothing is overwritten.

Each entry names its log, its number and the SHA-256 of the one before it: one that is cut out, changed, or put in
another's place or in another log is missed. Whoever adds one checks first that whoever wrote the last one is trusted.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import rfc8785

from registry.contents import legible
from registry.errors import RegistryError, TrustError
from registry.identity import is_canonical, sha256_of_bytes
from registry.objects import Objects, small
from registry.trust import Trust

_ATTEMPTS = 1000
_MAX_ENTRY = 64 << 10
_MAX_ENTRIES = 100_000
_NAME = re.compile(r"([0-9]{8})\.json")


@dataclass(frozen=True)
class Logged:
    """An entry as it was written.

    Attributes:
        number: 1, 2, 3 … in its log.
        data: Its bytes.
        values: What they say, but for the log's own name; `number`, `at` and `before` among it.
    """

    number: int
    data: bytes
    values: Mapping[str, Any]


@dataclass
class Log:
    """One log; what was read once isn't read again.

    Attributes:
        objects: Where it lies.
        path: Its folder; the first part is the domain.
        trust: Who may write it; what the environment says where null.
        checked: Whether to read it is to believe it. It has to be one: who asks twice may be answered otherwise.
    """

    objects: Objects
    path: str
    trust: Trust | None = None
    checked: bool = False
    _known: dict[int, Logged] = field(default_factory=dict, repr=False)

    def read(self) -> list[Logged]:
        """Every entry, in order.

        Raises:
            RegistryError: One is broken.
            TrustError: One is missing, or isn't the one that the next one goes on from; or nobody who is trusted
                vouches for them, where that is checked.
        """
        return self.believed() if self.checked else self._chain()

    def _chain(self) -> list[Logged]:
        numbers = [int(match[1]) for name in self.objects.names(self.path) if (match := _NAME.fullmatch(name))]
        last = max(numbers, default=0)
        if last > _MAX_ENTRIES:
            raise TrustError(f"{self.path} in {self.objects.url} has more than {_MAX_ENTRIES:,} entries", fault="size")
        found: list[Logged] = []
        for number in range(1, last + 1):  # in a listing made meanwhile one may be missing that is there
            before = sha256_of_bytes(found[-1].data) if found else None
            found.append(self._known.get(number) or self._read(number, before))
        return found

    def believed(self) -> list[Logged]:
        """Every entry, in order, of a log that somebody who is trusted vouches for.

        Raises:
            TrustError: Nobody does, or it goes back behind what was accepted here before.
        """
        found = self._chain()
        try:
            self._trust.accept(self.path, [each.data for each in found])
        except TrustError:
            self._known.clear()  # the next time it may be mended
            raise
        return found

    def append(self, values: Mapping[str, Any]) -> Logged:
        """Add an entry. Whoever comes second among concurrent writers gets the next number.

        Raises:
            ConfigurationError: The log can't be written, or not without a key.
            RegistryError: It is broken, or others write to it all the time.
            TrustError: What stands in it comes from nobody who is trusted.
        """
        self._trust.check_signer()
        for _ in range(_ATTEMPTS):
            past = self.believed()
            number = past[-1].number + 1 if past else 1
            before = {"before": sha256_of_bytes(past[-1].data)} if past else {}
            at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            said = {**values, "number": number, "at": at, **before}
            data = rfc8785.dumps({**said, "log": self.path})
            self._trust.vouch(self.path.partition("/")[0], data)
            if self.objects.create(self._name(number), data):
                return self._known.setdefault(number, Logged(number, data, said))
        raise RegistryError(f"{self.path} in {self.objects.url} is written by others all the time", retryable=True)

    @cached_property
    def _trust(self) -> Trust:
        return self.trust or Trust(self.objects)

    def _name(self, number: int) -> str:
        return f"{self.path}/{number:08d}.json"

    def _read(self, number: int, before: str | None) -> Logged:
        path = self._name(number)
        try:
            data = small(self.objects, path, _MAX_ENTRY)
            values = legible(json.loads(data))
            if not is_canonical(values, data):
                raise ValueError("it isn't canonical JSON")
            own = values.pop("log"), values["number"], values.get("before")
        except FileNotFoundError as error:
            raise TrustError(
                f"Entry {number} of {self.path} in {self.objects.url} is missing: it was cut out",
                fault="log",
                path=path,
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RegistryError(
                f"Broken entry {path} in {self.objects.url}: {error}", path=path, fault="log"
            ) from error
        if own != (self.path, number, before):
            raise TrustError(
                f"{path} in {self.objects.url} is entry {own[1]} of {own[0]} after {str(own[2])[:12]}, where entry "
                f"{number} after {str(before)[:12]} belongs: it was put there, or the one before was changed",
                fault="log",
                path=path,
            )
        return self._known.setdefault(number, Logged(number, data, values))
