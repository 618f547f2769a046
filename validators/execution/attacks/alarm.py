"""Interrupts the harness with signals and exceptions of its own.

timeout_s: 1
"""

import signal


def interrupt(number, frame):
    raise SystemExit(0)


signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)


def solve(x):
    while True:
        pass
