"""Takes memory in many processes.

timeout_s: 2
"""

import os
import time

for _ in range(16):
    if os.fork() == 0:
        taken = [bytearray(b"x") * (8 << 20) for _ in range(20)]
        time.sleep(60)
time.sleep(60)
