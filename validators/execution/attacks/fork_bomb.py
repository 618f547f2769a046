"""Forks without end.

timeout_s: 1
"""

import os

while True:
    try:
        os.fork()
    except OSError:
        pass
