"""Announces a frame of 4 GB and starts to send it."""

import os

for fd in range(3, 16):
    try:
        os.write(fd, b"\xff\xff\xff\xff")
        while True:
            os.write(fd, b"x" * (1 << 20))
    except OSError:
        continue
