"""A library with all that an entry can have."""

from __future__ import annotations

from typing import overload

_MISSING = object()

LIMIT: int = 10
"""How many there are at most."""


class Base:
    def inherited(self, a, *, b=None):
        """Comes from the base."""


class Shape(Base):
    """A shape.

    .. versionadded:: 1.1

    >>> Shape(2).area
    4
    """

    def __init__(self, side: int | None = None, *points: tuple[int, ...], name: str = "a  b", **more):
        pass

    @property
    def area(self) -> int:
        """Its area."""

    @classmethod
    def unit(cls, scale=1.5) -> Shape:
        """A shape of one."""

    @staticmethod
    def parse(text, /, sep=" -> ", *, strict=False):
        """Reads a shape."""

    def moved(self, by, missing=_MISSING):
        """Moves it; see :meth:`scaled` and :class:`the shape <Shape>`.

        .. deprecated:: 1.2
           Use :meth:`Shape.scaled` instead.
        """

    def scaled(self, factor):
        """Scales it.

        Args:
            factor (float): By how much, as in::

                    2.5

        Returns:
            Shape: Another one.
        """


class ShapeError(ValueError):
    """What goes wrong."""


@overload
def area(shape: Shape) -> int: ...
@overload
def area(shape: str, *, unit: str = ...) -> float: ...
def area(shape, *, unit="m"):
    """The area of a shape.

    Parameters
    ----------
    shape : Shape or str
        What is measured.

        .. versionchanged:: 1.2
           Names are taken too.
    unit : str, optional
        In which unit.

        .. deprecated:: 1.1
           It is always metres.

    Examples
    --------
    >>> area(Shape(2))
    4
    >>> def f(x):
    ...     if x:
    ...         return 'a  b'
    ...
    ...     return None
    >>> f(1)
    'a  b'

    >>> print('a\\n\\nb')
    a
    <BLANKLINE>
    b
    """


def long(a_rather_long_name=None, another_long_name=(1, 2), *, the_third_long_name="x", the_last_one: bool = False):
    """Has a head of several lines.

    :param a_rather_long_name: the first
    :param another_long_name: the second,
        of two lines
    :type another_long_name: tuple
    """
