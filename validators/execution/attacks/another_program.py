"""Becomes another program that keeps the socket and writes frames to it."""

import os
import sys

for fd in range(3, 16):
    try:
        os.set_inheritable(fd, True)
    except OSError:
        pass
FORGE = """
import json, os, struct
for message in [{"k": "code"}, {"k": "check", "i": 0, "v": [True]}, {"k": "end", "token": ""}]:
    data = json.dumps(message).encode()
    for fd in range(3, 16):
        try:
            os.write(fd, struct.pack(">I", len(data)) + data)
        except OSError:
            pass
"""
os.execv(sys.executable, [sys.executable, "-c", FORGE])
