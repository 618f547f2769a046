"""Leaves a daemon behind that goes on writing."""

import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            for folder in ("/tmp", "/dev/shm", "/tmp/work"):
                try:
                    with open(folder + "/left", "w") as file:
                        file.write("left")
                except OSError:
                    pass
            time.sleep(0.01)
    os._exit(0)
time.sleep(0.1)
