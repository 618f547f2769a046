"""Arms every timer there is and queues signals to itself, as many as it may.

timeout_s: 1
"""

import ctypes
import os
import signal
import struct

libc = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine != "x86_64"
for number in range(34, 64):
    signal.pthread_sigmask(signal.SIG_BLOCK, [number])
info = struct.pack("iiiiQ", 40, 0, -1, 0, 0) + bytes(104)
for _ in range(200000):
    if libc.syscall(138 if ARM else 129, os.getpid(), 40, info) < 0:
        break
made = ctypes.c_int()
for _ in range(100000):
    if libc.syscall(107 if ARM else 222, 0, struct.pack("QiiQQ", 0, 41, 0, 0, 0) + bytes(32), ctypes.byref(made)) < 0:
        break
for kind in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
    signal.setitimer(kind, 0.0005, 0.0005)


def solve(x):
    while True:
        pass
