"""Returns literals that are small to send and heavy to make again, render or compare."""

import datetime
import decimal


def solve(x):
    heavy = [range(-(10**3000), 10**3000), slice(None, 10**3000), decimal.Decimal("1e2999"), datetime.date.max]
    return {x: heavy, frozenset(2**61 * n - n for n in range(20000)): [[[]] * 1000] * 100}
