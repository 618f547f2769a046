"""Overflows the stack."""

import sys

sys.setrecursionlimit(10**9)


def solve(x):
    return solve(x) + solve(x)


solve(1)
