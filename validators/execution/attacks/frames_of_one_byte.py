"""Sends its frames a byte at a time, and never quite to the end.

timeout_s: 1
"""

import os
import struct
import time

data = b'{"k": "code"' + b" " * 1000000 + b"}"
for fd in range(3, 16):
    try:
        for byte in struct.pack(">I", len(data)) + data:
            os.write(fd, bytes([byte]))
    except OSError:
        continue
time.sleep(60)
