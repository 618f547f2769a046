"""Raises an error with a message on which the test's own pattern never comes to an end.

test: raises
"""


def solve(x):
    raise ValueError("x" * 1900)
