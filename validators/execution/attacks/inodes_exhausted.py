"""Leaves so many empty files that no more can be made."""

import os

for top in ("/tmp", "/dev/shm"):
    try:
        os.makedirs(top + "/many", exist_ok=True)
        for number in range(60000):
            os.close(os.open("%s/many/%d" % (top, number), os.O_CREAT | os.O_WRONLY))
    except OSError:
        continue
