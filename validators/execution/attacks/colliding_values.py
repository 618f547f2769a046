"""Returns a set whose elements all have one hash: building it takes quadratic time."""


def solve(x):
    return [{"%d" % i: i for i in range(1000)}, list(range(19000)), [(2**61 - 1) * i for i in range(19000)]]
