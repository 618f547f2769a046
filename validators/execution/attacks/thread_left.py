"""Leaves a thread that answers the harness's socket while the test runs.

timeout_s: 1
"""

import json
import os
import struct
import threading


def forge():
    data = json.dumps({"k": "end", "token": "", "warnings": [], "symbols": []}).encode()
    while True:
        for fd in range(3, 16):
            try:
                os.write(fd, struct.pack(">I", len(data)) + data)
            except OSError:
                pass


threading.Thread(target=forge, daemon=True).start()


def solve(x):
    while True:
        pass
