"""Starts programs without end, in new sessions, without waiting for any."""

import os
import time

until = time.monotonic() + 0.8
while time.monotonic() < until:
    try:
        os.posix_spawn("/bin/sh", ["sh", "-c", "sleep 100 & sleep 100"], {"PATH": "/bin"}, setsid=True)
    except (OSError, TypeError, NotImplementedError):
        try:
            os.posix_spawn("/bin/sleep", ["sleep", "100"], {})
        except OSError:
            continue
