"""Leaves a crowd behind: daemons that ignore signals, sleep, are stopped, or wait for each other."""

import os
import signal
import time

for number in range(12):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for name in range(1, 64):
                try:
                    signal.signal(name, signal.SIG_IGN)
                except (OSError, ValueError):
                    pass
            if number % 3 == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
            while True:
                time.sleep(1)
        os._exit(0)
time.sleep(0.1)
