"""Which licences a row may carry: SPDX expressions against a domain's allow-list."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any


class LicenceGate:
    """Refuses what is not on the allow-list; unknown is not permissive.

    Args:
        allowed: SPDX ids; case does not matter.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(a.lower() for a in allowed)
        self._known: dict[str | None, str] = {}

    def refuses(self, expression: str | None) -> str:
        """Why a row under this SPDX expression may not enter, empty where it may.

        Of `A AND B` all must be allowed, of `A OR B` one. An exception (`A WITH B`) grants more than A, so A decides.
        """
        if expression not in self._known:
            self._known[expression] = self._judge(expression)
        return self._known[expression]

    def _judge(self, expression: str | None) -> str:
        if not expression or not expression.strip():
            return "No licence was found"
        try:
            tree = _licensing().parse(expression)
        except Exception as error:  # its parser raises several kinds, and ParseError is no ValueError
            return f"{expression!r} is no SPDX expression: {str(error).splitlines()[0] if str(error) else 'unparsable'}"
        refused = self._refused(tree)
        return f"{', '.join(refused)} is not on the domain's list of licences" if refused else ""

    def _refused(self, tree: Any) -> tuple[str, ...]:
        """The licences that keep `tree` from being allowed, sorted; none where it is."""
        licensing = _licensing()
        if isinstance(tree, (licensing.AND, licensing.OR)):
            branches = [self._refused(branch) for branch in tree.args]
            if isinstance(tree, licensing.OR) and not all(branches):
                return ()
            return tuple(sorted({name for branch in branches for name in branch}))
        key = str(getattr(getattr(tree, "license_symbol", tree), "key", tree))
        return () if key.lower() in self._allowed else (key,)


@functools.cache
def _licensing() -> Any:
    from license_expression import Licensing

    return Licensing()  # structure only: the ids are compared with the allow-list, so no index of ids is needed
