"""Stops itself and all that it started: it neither ends nor uses any time.

timeout_s: 1
"""

import os
import signal

if os.fork() == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGSTOP):
    os.kill(os.getpid(), number)
while True:
    signal.pause()
