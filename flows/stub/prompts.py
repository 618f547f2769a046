"""What a writer asked, taken apart: its own words, and what it fenced."""

from __future__ import annotations

import re
from dataclasses import dataclass

from flows.stub.excerpts import FENCED, labelled, purpose_of
from flows.stub.wire import Asked

_PATH = re.compile(r"`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)`")
_HEAD = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+)")


@dataclass(frozen=True)
class Prompt:
    """What a writer asked.

    Attributes:
        step: Writer and step: `task/solution`.
        own: What the writer says itself, to the user's side.
        excerpts: What is fenced, each with the writer's words for it.
    """

    step: str
    own: str
    excerpts: tuple[tuple[str, str], ...]

    @property
    def path(self) -> str:
        """The symbol that it is about: the first path that the writer names, else what the first docs are of."""
        found = _PATH.search(self.own)
        return found[1] if found else described(next(iter(self.texts("Documentation")), ""))

    def texts(self, *labels: str) -> list[str]:
        """The excerpts whose label begins with one of these; all where none is given."""
        return [text for label, text in self.excerpts if not labels or label.startswith(labels)]

    def text(self, label: str) -> str:
        """The first excerpt whose label begins so; empty for none."""
        return next(iter(self.texts(label)), "")


def prompt_of(asked: Asked) -> Prompt:
    """What a request says, taken apart."""
    user = asked.said("user")
    step = purpose_of(asked.said("system", "developer")).partition("@")[0]
    return Prompt(step, FENCED.sub("", user), tuple(labelled(user)))


def described(docs: str) -> str:
    """The path that docs of a symbol begin with; empty for none."""
    found = _HEAD.match(docs)
    return found[1] if found else ""


def block(code: str) -> str:
    """Code as an answer has it."""
    return f"```python\n{code.rstrip()}\n```"
