"""Returns a value that contains itself, and one that grows while it is read."""

import sys

sys.setrecursionlimit(100000)
loop = []
loop.append((loop, {"loop": loop}))


class Endless:
    def __iter__(self):
        while True:
            yield 1


def solve(x):
    return loop if x else Endless()
