"""Answers from a file, and a file from answers: one JSON object a line.

    {"request": SHA-256, "status": 200, "response": {…}}                          a whole answer, as it was recorded
    {"match": {"purpose": "task/solution@1", "contains": "astar"}, "answer": …}   a text, or an object for its JSON

`request` is the hash of a body (`wire.key_of`; the ledger shows it). A `match` holds where the purpose begins so and
the conversation contains the text; either may be left out. The first line that fits answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.stub.excerpts import purpose_of
from flows.stub.wire import Asked
from registry.errors import ConfigurationError
from registry.storage import storage


@dataclass(frozen=True)
class Recorded:
    """Answers that are known.

    Attributes:
        whole: Hash of a request -> status and body.
        matching: (what a request has to be like, its answer), in order.
    """

    whole: dict[str, tuple[int, Any]] = field(default_factory=dict)
    matching: list[tuple[Mapping[str, str], str]] = field(default_factory=list)

    def answer(self, asked: Asked) -> str | None:
        """The text that is the answer to a request like this."""
        purpose, said = purpose_of(asked.said("system", "developer")), "\n\n".join(text for _, text in asked.messages)
        for like, text in self.matching:
            if purpose.startswith(like.get("purpose", "")) and like.get("contains", "") in said:
                return text
        return None


def read(path: Path) -> Recorded:
    """Answers of a file.

    Raises:
        ConfigurationError: It isn't there, or a line is none of the two forms.
    """
    recorded = Recorded()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"Can't read answers from {path}: {error}", path=str(path)) from error
    for number, line in enumerate(lines, 1):
        if line.strip() and not _taken(line, recorded):
            raise ConfigurationError(
                f"Line {number} of {path} is no recorded answer: write {{'request', 'status', 'response'}} or "
                "{'match': {'purpose', 'contains'}, 'answer'}",
                line=line[:200],
            )
    return recorded


def kept(path: Path, key: str, status: int, body: Any) -> None:
    """Adds an answer to a file."""
    with storage("recorded answers", path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"request": key, "status": status, "response": body}) + "\n")


def _taken(line: str, into: Recorded) -> bool:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(told, dict):
        return False
    if isinstance(told.get("request"), str) and isinstance(told.get("status"), int) and "response" in told:
        into.whole.setdefault(told["request"], (told["status"], told["response"]))
        return True
    like, answer = told.get("match"), told.get("answer")
    if not isinstance(like, dict) or not all(isinstance(v, str) for v in like.values()) or answer is None:
        return False
    if like.keys() - {"purpose", "contains"}:
        return False
    into.matching.append((like, answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)))
    return True
