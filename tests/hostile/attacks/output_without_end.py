"""Prints without end."""

import sys

while True:
    sys.stdout.write("PASSED " * 10000)
    sys.stderr.write("PASSED " * 10000)
