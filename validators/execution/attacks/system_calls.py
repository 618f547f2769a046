"""Asks the kernel for namespaces, mounts, tracing, keys and what outlives it."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
granted = []
for name, arguments in (
    ("unshare", (0x10000000,)),
    ("unshare", (0x00020000,)),
    ("mount", (b"tmpfs", b"/tmp", b"tmpfs", 0, None)),
    ("umount2", (b"/proc", 2)),
    ("ptrace", (16, os.getppid(), 0, 0)),
    ("shmget", (0x5EC2E7, 4096, 0o1666)),
    ("chroot", (b"/",)),
    ("setns", (0, 0)),
    ("sethostname", (b"mine", 4)),
):
    if getattr(libc, name)(*arguments) >= 0:
        granted.append(name)
for number in (425, 321, 298, 250, 434 + 4, 319):
    if libc.syscall(number, 0, 0, 0, 0, 0) >= 0:
        granted.append(number)
for user in (0, 65534):
    try:
        os.setuid(user)
        granted.append("setuid")
    except OSError:
        pass
if granted:
    raise SystemError("granted: %r" % granted)
