"""Raises an exception whose name and message are no text that a file or a terminal could hold."""

import warnings

ODD = "\ud800\0\x1b[2J\x1b]0;title\x07\r\n\u202e{!r} %s </td> \N{SNOWMAN}" * 50


class Odd(AssertionError):
    def __str__(self):
        return ODD


Odd.__name__ = Odd.__qualname__ = "\ud800\x1b[31m\n\r\u2028"
Odd.__module__ = "\udcff"
for number in range(300):
    warnings.warn(type(Odd.__name__, (UserWarning,), {"__str__": lambda self: ODD * 1000})())


def solve(x):
    raise Odd
