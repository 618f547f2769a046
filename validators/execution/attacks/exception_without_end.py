"""Raises an exception that raises when it is looked at."""


class Monster(Exception):
    def __str__(self):
        raise Monster

    @property
    def __traceback__(self):
        raise Monster

    @__traceback__.setter
    def __traceback__(self, value):
        raise Monster


def solve(x):
    raise Monster
