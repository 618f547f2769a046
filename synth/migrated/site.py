"""A call site: a program cut at a call, with its old forms."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from functools import cached_property

from registry.records import Program, Symbol
from synth.material import Piece, key_of, parents_of
from synth.migrated.names import renumbered

_MARKUP = re.compile(r" ?\[\w+\]_|:(?:\w+:)+(?=`)|[`$]")
"""What a docstring has that a comment has not: footnotes, roles, backquotes and formulas' marks."""


@dataclass(frozen=True)
class Site:
    """A call site.

    Attributes:
        piece: The example it stands in.
        path: Canonical path of what is called, at new.
        family: Name of its family.
        change: Id of the change it shows.
        prompt: Code before the call.
        chosen: From the call to the end of its statement.
        suffix: The rest of the code.
        call: The call itself: what `chosen` begins with, after `lead`.
        test: Checks.
        stale: Old forms, from the call to the end of the statement, with the codemod's name.
        operator: How the site came to be: `mined`, `planted`, `varied`, `migrated`.
        donor: planted: the example that the call's statement comes from.
        lead: What stands around the call at new and is part of the choice: `dict(` of `dict(nx.shortest_path(G))`.
    """

    piece: Piece
    path: str
    family: str
    change: str | None
    prompt: str
    chosen: str
    suffix: str
    call: str
    test: str
    stale: tuple[tuple[str, str], ...] = ()
    operator: str = "mined"
    donor: Piece | None = None
    lead: str = ""

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The examples it was made from."""
        return (self.piece,) if self.donor is None else (self.piece, self.donor)

    @property
    def parents(self) -> tuple[str, ...]:
        """Ids of what it was made from."""
        return parents_of(*self.pieces)

    @cached_property
    def root(self) -> str:
        """Key that all rows of the site share."""
        return "site:" + key_of(self.prompt, self.chosen, self.suffix, self.test)

    @property
    def raises(self) -> bool:
        """Whether the call stands under `try`: as a rule it must raise there."""
        return self.prompt.rpartition("\n")[0].endswith("try:")

    @property
    def says(self) -> bool:
        """Whether anything before the call tells what it is for: a line that is neither an import nor `try:`."""
        lines = (line.strip() for line in self.prompt.rpartition("\n")[0].splitlines())
        return any(line and line != "try:" and not line.startswith(("import ", "from ")) for line in lines)

    def said(self, symbol: Symbol | None, always: bool = False) -> Site:
        """The site with what the function is for in a comment above it, where nothing else tells that.

        Args:
            symbol: The function.
            always: Also where other lines may tell it: another function could stand there as well.
        """
        lines = self.prompt.splitlines(keepends=True)
        comment = comment_of(symbol)
        if (self.says and not (always and self._is_ready)) or not comment or not self.prompt.strip():
            return self
        at = len(lines) - (1 if not self.raises else 2) if not self.prompt.endswith("\n") else len(lines)
        return replace(self, prompt="".join([*lines[:at], comment, *lines[at:]]))

    @property
    def _is_ready(self) -> bool:
        """Whether the call's line is the first of a statement of the top level that no comment stands above."""
        head, _, line = self.prompt.rpartition("\n")
        above = head.rpartition("\n")[2]
        try:
            ast.parse(head)
        except (SyntaxError, ValueError, RecursionError):
            return False
        return not line[:1].isspace() and "#" not in above and not above[:1].isspace()

    def numbered(self) -> Site:
        """The site with its results counted from one, or not at all where there is one."""
        parts = self.prompt, self.chosen, self.suffix, self.test, self.call, self.lead
        *texts, call, lead = renumbered([*parts[:4], *(old for _, old in self.stale), *parts[4:]])
        stale = tuple((op, old) for (op, _), old in zip(self.stale, texts[4:], strict=True))
        return replace(
            self, prompt=texts[0], chosen=texts[1], suffix=texts[2], test=texts[3], stale=stale, call=call, lead=lead
        )

    def program(self, chosen: str | None = None) -> Program:
        """The program, with another text from the call to the end of the statement."""
        text = self.chosen if chosen is None else chosen
        return Program(code=self.prompt + text + self.suffix, test=self.test)

    def text(self, call: str) -> str:
        """From the call to the end of the statement, with another call."""
        return self.lead + call + self.chosen[len(self.lead) + len(self.call) :]


def comment_of(symbol: Symbol | None) -> str:
    """The first sentence of a symbol's documentation as a comment's line; none where it is long."""
    sentence = " ".join((symbol.doc if symbol else "").strip().split("\n\n")[0].split())
    sentence = _MARKUP.sub("", sentence)
    if symbol is not None and symbol.kind == "class" and sentence.startswith(("A ", "An ")):
        sentence = f"Make {sentence[0].lower()}{sentence[1:]}"
    return f"# {sentence}\n" if sentence and len(sentence) <= 100 else ""
