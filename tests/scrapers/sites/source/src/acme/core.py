"""What counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import overload
import warnings

LIMIT: int = 10
"""The most that is counted."""


def count(things: Iterable[object], *, most: int = LIMIT, names: tuple[str, ...] = ("a", "b"), **options: str) -> int:
    """Count things.

    Args:
        things: What is counted.
        most: The most.
        names: Their names, `a | b`.
        **options: More.

    Returns:
        How many there are.

    Raises:
        ValueError: There are too many.

    Examples:
        >>> count([1, 2])
        2
    """
    return len(list(things))


def positional(a: int, b: str = "x", /, c: float = 1.5, *args: int, key: Callable[[int], str] | None = None) -> dict[str, list[int]]:
    """All kinds of parameters."""
    return {}


async def tell(x: int) -> str:
    """Tell.

    !!! warning "Deprecated since 1.1"
        Use [count][acme.core.count] instead.
    """
    return "one"


class Counter:
    """Keeps count.

    Attributes:
        total: So far.

    Example:
        ```python
        Counter(3).add(1)
        ```
    """

    total: int
    name: str = "c"
    """Its name."""

    def __init__(self, start: int = 0) -> None:
        """Begin.

        Args:
            start: Where.
        """
        self.total = start

    def add(self, n: int) -> "Counter":
        """Add."""
        return self

    @property
    def double(self) -> int:
        """Twice the total."""
        return 2

    @classmethod
    def of(cls, text: str) -> "Counter":
        """From a text."""
        return cls()

    @staticmethod
    def zero() -> int:
        """Nought."""
        return 0

    @warnings.deprecated("Use of") if hasattr(warnings, "deprecated") else (lambda f: f)
    def reset(self) -> None:
        """Deprecated: make a new one."""
