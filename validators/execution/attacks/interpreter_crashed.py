"""Crashes the interpreter in the middle of the test, in every thread and child."""

import ctypes
import os
import threading


def solve(x):
    for _ in range(4):
        os.fork()
    threading.Thread(target=ctypes.string_at, args=(1,)).start()
    ctypes.memset(id(None), 0, 4096)
    ctypes.string_at(0)
