"""Leaves no descriptor to be had, nor watches of files."""

import os

kept = []
while True:
    try:
        kept.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        break


def solve(x):
    open("/etc/passwd")
