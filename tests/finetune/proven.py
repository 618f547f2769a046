"""Proven rows of every kind that SFT can be made of, of the library that drifted, with their programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from finetune.recipe import Lookup
from registry.records import Example, Program

RIGHT = "import lib\nx = lib.new_call({n}, other=1)\n"
WRONG = "import lib\nx = lib.old_call({n}, 1)\n"


class Rows:
    """Rows with their programs."""

    def __init__(self) -> None:
        self.examples: list[Example] = []
        self.programs: dict[str, Program] = {}

    @property
    def lookup(self) -> Lookup:
        """Gives the programs."""
        return Lookup(programs=self.found)

    def found(self, ids: Iterable[str]) -> Mapping[str, Program]:
        """Id -> program; nobody asks for what there isn't."""
        return {name: self.programs[name] for name in ids}

    def add(self, kind: str, number: int, roles: Mapping[str, str], parts: Mapping[str, Any], **columns: Any) -> None:
        """A row with programs of these roles."""
        programs = {
            role: Program(code=code.format(n=number), test=f"assert x == {number}\n") for role, code in roles.items()
        }
        self.programs |= {program.id: program for program in programs.values()}
        named = {role: program.id for role, program in programs.items()}
        self.examples.append(
            Example(
                domain="lib", kind=kind, releases=("new",), parts={"programs": named, **parts}, file="lib/test.py",
                symbols=(f"lib.s{number % 3}",), root=f"{kind}:{number}", generator="test", generator_version="1",
                **columns,
            )
        )  # fmt: skip


def proven(each: int = 4) -> Rows:
    """So many rows of each kind."""
    rows = Rows()
    for n in range(each):
        rows.add("doc", n, {"answer": RIGHT, "stub": WRONG}, {"prompt": f"Complete {n}"})
        rows.add("test", n, {"answer": RIGHT, "stub": WRONG}, {"prompt": f"Complete test {n}"})
        rows.add("drift", n, {"old": WRONG, "new": RIGHT}, {"prompt": f"Update {n}"}, family="lib.new_call")
        rows.add("edit", n, {"before": WRONG, "after": RIGHT}, {"prompt": f"Change {n}", "scope": [[2, 2]]})
        rows.add("bug", n, {"buggy": WRONG, "fixed": RIGHT}, {"prompt": f"Fix {n}"}, bugs=1 + n % 2, edit_distance=n)
        rows.add("syntax", n, {"buggy": WRONG, "fixed": RIGHT}, {"prompt": f"Close {n}"}, bugs=1, edit_distance=1)
        rows.add(
            "locate", n, {"corrupted": WRONG, "original": RIGHT},
            {"prompt": f"Which {n}?", "line": 2, "at": 19, "was": "new_call", "replaced": "old_call"},
        )  # fmt: skip
        rows.add(
            "fim", n, {"whole": RIGHT},
            {"prefix": "import lib\nx = ", "middle": f"lib.new_call({n}, other=1)", "suffix": "\n", "order": "psm"},
        )  # fmt: skip
        rows.add("task", n, {"answer": RIGHT, "stub": WRONG}, {"prompt": f"Write {n}"})
        said = [("user", f"How {n}?"), ("assistant", fenced(RIGHT, n)), ("user", "Else?"), ("assistant", f"No {n}.")]
        rows.add("chat", n, {"block1": RIGHT}, {"turns": turns(said)})
        told = [
            ("user", f"Do {n}"),
            ("assistant", fenced(WRONG, n)),
            ("user", "It fails"),
            ("assistant", fenced(RIGHT, n)),
        ]
        rows.add("repair", n, {"attempt1": WRONG, "answer": RIGHT, "stub": WRONG}, {"turns": turns(told)})
    return rows


def fenced(code: str, number: int) -> str:
    """A program as an answer shows it."""
    return f"```python\n{code.format(n=number).strip()}\n```"


def turns(said: Iterable[tuple[str, str]]) -> list[Mapping[str, str]]:
    """A conversation."""
    return [{"role": role, "content": text} for role, text in said]
