"""Numbered logs: `00000001.json`, `00000002.json` …, each created only if absent, so that nothing is overwritten.

Each entry names the SHA-256 of the one before it: one that is cut out, or put in another's place, is missed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import rfc8785

from registry.errors import RegistryError
from registry.identity import sha256_of_bytes
from registry.objects import Objects

_ATTEMPTS = 1000


@dataclass(frozen=True)
class Logged:
    """An entry as it was written.

    Attributes:
        number: 1, 2, 3 … in its log.
        data: Its bytes.
        values: What they say; `number`, `at` and `before` among it.
    """

    number: int
    data: bytes
    values: Mapping[str, Any]


@dataclass
class Log:
    """One log; what was read once isn't read again.

    Attributes:
        objects: Where it lies.
        path: Its folder.
    """

    objects: Objects
    path: str
    _known: dict[int, Logged] = field(default_factory=dict, repr=False)

    def read(self) -> list[Logged]:
        """Every entry, in order.

        Raises:
            RegistryError: One is broken.
        """
        names = self.objects.names(self.path)
        numbers = sorted(int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdigit())
        return [self._known.get(number) or self._read(number) for number in numbers]

    def append(self, values: Mapping[str, Any]) -> Logged:
        """Add an entry. Whoever comes second among concurrent writers gets the next number.

        Raises:
            ConfigurationError: The log can't be written.
            RegistryError: It is broken, or others write to it all the time.
        """
        for _ in range(_ATTEMPTS):
            past = self.read()
            number = past[-1].number + 1 if past else 1
            before = {"before": sha256_of_bytes(past[-1].data)} if past else {}
            at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            said = {**values, "number": number, "at": at, **before}
            data = rfc8785.dumps(said)
            if self.objects.create(self._name(number), data):
                return self._known.setdefault(number, Logged(number, data, said))
        raise RegistryError(f"{self.path} in {self.objects.url} is written by others all the time", retryable=True)

    def _name(self, number: int) -> str:
        return f"{self.path}/{number:08d}.json"

    def _read(self, number: int) -> Logged:
        path = self._name(number)
        try:
            data = self.objects.read(path)
            entry = Logged(number, data, json.loads(data))
            if entry.values["number"] != number:
                raise ValueError(f"it says that it is the entry {entry.values['number']}")
        except (FileNotFoundError, ValueError, KeyError, TypeError) as error:
            raise RegistryError(f"Broken entry {path} in {self.objects.url}: {error}", path=path) from error
        return self._known.setdefault(number, entry)
