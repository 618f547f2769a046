"""Asks for every kind of namespace, in every way there is: unshare, clone, clone3, and entering another's."""

import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
KINDS = {"user": 0x10000000, "mount": 0x20000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x8000000,
         "uts": 0x4000000, "cgroup": 0x2000000, "time": 0x80}  # fmt: skip
CLONE, UNSHARE, SETNS = (56, 272, 308) if os.uname().machine == "x86_64" else (220, 97, 268)
granted = []
for name, flag in KINDS.items():
    for flags in (flag, flag | 0x10000000):
        if libc.syscall(UNSHARE, flags) == 0:
            granted.append("unshare " + name)
        if name != "time":
            child = libc.syscall(CLONE, flags | 17, 0, 0, 0, 0)
            if child == 0:
                os._exit(0)
            if child > 0:
                granted.append("clone " + name)
        arguments = struct.pack("11Q", flags, *[0] * 3, 17, *[0] * 6)
        child = libc.syscall(435, arguments, len(arguments))
        if child == 0:
            os._exit(0)
        if child > 0:
            granted.append("clone3 " + name)
for pid in ("self", "1", str(os.getppid())):
    try:
        names = os.listdir("/proc/%s/ns" % pid)
    except OSError:
        continue
    for name in names:
        try:
            fd = os.open("/proc/%s/ns/%s" % (pid, name), os.O_RDONLY)
        except OSError:
            continue
        if libc.syscall(SETNS, fd, 0) == 0:
            granted.append("setns " + name)
if granted:
    raise SystemError("granted: %r" % granted)
