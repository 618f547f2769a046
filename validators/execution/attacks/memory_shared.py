"""Takes memory that belongs to no process alone: shared mappings handed down to children.

timeout_s: 1
"""

import mmap
import os
import time

kept = []
for _ in range(20):
    part = mmap.mmap(-1, 64 << 20)
    kept.append(part)
    for page in range(0, len(part), 4096):
        part[page] = 1
    if os.fork() == 0:
        time.sleep(3600)
while True:
    pass
