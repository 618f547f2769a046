"""Opens every device there is, and makes those that are missing."""

import os
import stat

HARMLESS = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console", "stdin", "stdout", "stderr"}
opened = []
for root, _, names in os.walk("/dev"):
    if root.startswith(("/dev/fd", "/dev/shm", "/dev/pts")):
        continue
    for name in names:
        path = os.path.join(root, name)
        try:
            kind = os.stat(path).st_mode
            if name in HARMLESS or not (stat.S_ISCHR(kind) or stat.S_ISBLK(kind)):
                continue
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
        except OSError:
            continue
        opened.append(path)
for major, minor, kind in ((1, 1, stat.S_IFCHR), (8, 0, stat.S_IFBLK), (254, 0, stat.S_IFBLK), (7, 0, stat.S_IFBLK),
                           (10, 232, stat.S_IFCHR), (10, 229, stat.S_IFCHR)):  # fmt: skip
    for folder in ("/tmp", "/dev/shm", "/dev"):
        path = "%s/device-%d-%d" % (folder, major, minor)
        try:
            os.mknod(path, kind | 0o600, os.makedev(major, minor))
            os.close(os.open(path, os.O_RDONLY))
        except OSError:
            continue
        opened.append(path)
if opened:
    raise SystemError("opened: %r" % opened[:5])
