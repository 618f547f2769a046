"""Leaves children that have ended and that nobody waits for, with parents that are gone."""

import os
import signal
import time

for _ in range(3):
    if os.fork() == 0:
        for _ in range(200):
            try:
                if os.fork() == 0:
                    os._exit(0)
            except OSError:
                break
        if os.fork() == 0:
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
time.sleep(0.2)
