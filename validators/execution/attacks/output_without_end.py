"""Prints without end.

timeout_s: 1
"""

import sys

while True:
    sys.stdout.write("PASSED " * 10000)
    sys.stderr.write("PASSED " * 10000)
