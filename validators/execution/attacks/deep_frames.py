"""Sends a frame nested more deeply than any parser likes."""

import os
import struct

data = b"[" * 1000000 + b"]" * 1000000
for fd in range(3, 16):
    try:
        os.write(fd, struct.pack(">I", len(data)) + data)
    except OSError:
        continue
