"""Closes every descriptor."""

import os

os.closerange(0, 1024)


def solve(x):
    return "nothing"
