"""Raises an exception whose text, type and name are monstrous."""


class Monster(AssertionError):
    def __str__(self):
        return "x" * (1 << 30)

    def __repr__(self):
        raise SystemExit(0)


Monster.__name__ = Monster.__qualname__ = "M" * (1 << 20)
raise Monster
