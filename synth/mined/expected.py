"""Blocks that are expected to raise or to warn, with what their message has to hold, as flags and texts to check."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from synth.dataflow import nodes
from synth.folding import NotConstantError, fold, literal
from synth.mined.assembly import line_of
from synth.mined.statements import UnsplittableError, plain_pattern
from synth.source import indented

if TYPE_CHECKING:
    from synth.mined.splitting import Splitter


class Expected:
    """Writes expected exceptions and warnings for a splitter.

    Args:
        splitter: What tells the script apart.
    """

    def __init__(self, splitter: Splitter) -> None:
        self.splitter = splitter

    def raises(self, expected: ast.expr, body: Sequence[ast.stmt], block: ast.With | None) -> None:
        """A block that is expected to raise: a flag says whether it did."""
        if any(isinstance(n, (ast.Assert, ast.Return)) for part in body for n in nodes(part)):
            raise UnsplittableError("checks within raises")
        if block is not None and any(item.optional_vars for item in block.items):
            raise UnsplittableError("the exception is looked at")
        name = self.splitter.fresh("raised")
        inner = self.splitter.source.block(block.body) if block is not None else ast.unparse(body[0])
        if "pytest" in inner:
            raise UnsplittableError("pytest within raises")
        caught = self.splitter.source.inline(expected)
        message = self.message_of(block)
        if message is None:
            text = f"except {caught}:\n    {name} = True\nelse:\n    {name} = False"
        else:
            error = self.splitter.fresh("error") if "error" in self.splitter.taken else "error"
            text = f"except {caught} as {error}:\n    {name} = str({error})\nelse:\n    {name} = ''"
        (self.splitter.test if self.splitter.tail else self.splitter.code).append(
            line_of(f"try:\n{indented(inner.rstrip())}\n{text}")
        )
        self.splitter.checks += 1
        self.splitter.to_test(f"assert {name} is True" if message is None else f"assert {message} in {name}")

    def message_of(self, block: ast.With | None) -> str | None:
        """The literal of what the message of an expected exception has to hold; None where a pattern says more."""
        call = block.items[0].context_expr if block is not None else None
        for keyword in call.keywords if isinstance(call, ast.Call) else ():
            if keyword.arg == "match":
                try:
                    text = plain_pattern(fold(keyword.value, self.splitter.values))
                except NotConstantError:
                    return None
                return literal(text) if text else None
        return None

    def warns(self, block: ast.With) -> None:
        """A block that is expected to warn: a flag says whether it did."""
        if any(isinstance(n, (ast.Assert, ast.With)) for s in block.body for n in nodes(s)):
            raise UnsplittableError("checks within warns")
        if len(block.items) != 1 or block.items[0].optional_vars:
            raise UnsplittableError("the warning is looked at")
        call = block.items[0].context_expr
        assert isinstance(call, ast.Call)
        if any(k.arg == "raise_on_extra_warnings" for k in call.keywords):
            raise UnsplittableError("extra warnings are looked at")
        category = self.splitter.source.inline(call.args[0]) if call.args else "DeprecationWarning"
        caught, warned = self.splitter.fresh("caught"), self.splitter.fresh("warned")
        inner = self.splitter.source.block(block.body).rstrip()
        if "pytest" in inner:
            raise UnsplittableError("pytest within warns")
        self.splitter.needs.add("warnings")
        sink = self.splitter.test if self.splitter.tail else self.splitter.code
        sink.append(
            line_of(
                f'with warnings.catch_warnings(record=True) as {caught}:\n    warnings.simplefilter("always")\n'
                f"{indented(inner)}"
            )
        )
        sink.append(line_of(f"{warned} = any(issubclass(w.category, {category}) for w in {caught})"))
        self.splitter.checks += 1
        self.splitter.to_test(f"assert {warned} is True")
