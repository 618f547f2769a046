"""Leaves a tree that is hard to remove: very deep, very long names, forbidden, immutable, named like options."""

import fcntl
import os
import struct

for top in ("/tmp", "/tmp/work", "/dev/shm"):
    try:
        os.chdir(top)
        for name in (b"-rf", b"--", b"\xff\xfe\n", b"x" * 255, b" ", "\u202e".encode(), b"..."):
            os.makedirs(os.path.join(name, b"y" * 255), exist_ok=True)
            os.chmod(os.path.join(name, b"y" * 255), 0)
            os.chmod(name, 0)
        with open("immutable", "w") as file:
            try:
                fcntl.ioctl(file, 0x40086602, struct.pack("l", 0x30))  # FS_IOC_SETFLAGS: immutable, append only
            except OSError:
                pass
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
        for _ in range(3):
            os.chmod(".", 0)
    except OSError:
        continue
