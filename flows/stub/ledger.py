"""What the stub was asked and what that would have cost: the other side's word on what was spent."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from registry.storage import storage


@dataclass
class Ledger:
    """Counts requests, and writes each as a line of a file where one is given.

    Attributes:
        path: The file; None for none.
    """

    path: Path | None = None
    _attempts: Counter[str] = field(default_factory=Counter)
    _purposes: dict[str, Counter[str]] = field(default_factory=dict)
    _faults: Counter[str] = field(default_factory=Counter)
    _file: IO[str] | None = None

    def attempt(self, key: str) -> int:
        """Which time a request comes, from 0."""
        self._attempts[key] += 1
        return self._attempts[key] - 1

    def write(self, key: str, purpose: str, line: dict[str, Any], request: Any) -> None:
        """Books a request.

        Args:
            key: Its hash.
            purpose: Who asked.
            line: `attempt, status, prompt_tokens, completion_tokens`, and what went wrong: `fault`, `spoil`.
            request: Its body.
        """
        counts = self._purposes.setdefault(purpose, Counter())
        counts.update(requests=1, prompt_tokens=line["prompt_tokens"], completion_tokens=line["completion_tokens"])
        self._faults.update(kind for kind in (line["fault"], line["spoil"]) if kind)
        if self.path is not None:
            with storage("the ledger", self.path):
                self._file = self._file or self.path.open("a", encoding="utf-8", buffering=1)
                told = {"key": key, "purpose": purpose, **line, "request": request}
                self._file.write(json.dumps(told) + "\n")

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def summary(self) -> dict[str, Any]:
        """All in all, by purpose and by fault."""
        total: Counter[str] = Counter(requests=0, prompt_tokens=0, completion_tokens=0)
        for counts in self._purposes.values():
            total.update(counts)
        return {
            **total,
            "distinct": len(self._attempts),
            "purposes": {name: dict(counts) for name, counts in sorted(self._purposes.items())},
            "faults": dict(sorted(self._faults.items())),
        }
