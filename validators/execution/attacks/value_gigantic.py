"""Returns values of a size that nobody wants to carry."""

import sys


def solve(x):
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    return ["secret" * 10000000, b"x" * 50000000, 10**9999 * 7, {n: str(n) for n in range(1000000)}]
