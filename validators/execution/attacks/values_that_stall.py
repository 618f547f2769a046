"""Sends values that are small to write down and endless to go through: ranges, arrays, numbers.

test: contains
"""

import json
import os
import struct

VALUES = (
    ["@range", 0, 10**18, 1],
    ["l", [["@range", 0, 10**18, 1]] * 1000],
    ["@array", "u1", [2000000], "01" * 2000000],
    ["@array", "b1", [0, 10**18], ""],
    ["@Decimal", "1e999999999"],
    ["@Decimal", [0, [9] * 500000, 0]],
    ["@Fraction", 10**4000 + 1, 10**3999 + 7],
    ["@timedelta", 10**9, 0, 0],
    ["@slice", 0, 10**18, ["@range", 0, 10**18, 1]],
)
for value in VALUES:
    for fd in range(3, 16):
        try:
            for message in ({"k": "code"}, {"k": "check", "i": 0, "v": [value]}):
                data = json.dumps(message).encode()
                os.write(fd, struct.pack(">I", len(data)) + data)
        except OSError:
            continue


def solve(x):
    return range(10**18)
