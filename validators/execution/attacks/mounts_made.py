"""Mounts, remounts, unmounts and changes its root, with the old calls and the new ones."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine != "x86_64"
os.makedirs("there", exist_ok=True)
granted = []
for source, target, kind, flags in (
    (b"tmpfs", b"there", b"tmpfs", 0),
    (b"proc", b"there", b"proc", 0),
    (b"sysfs", b"there", b"sysfs", 0),
    (b"cgroup", b"there", b"cgroup", 0),
    (b"/", b"there", None, 4096),
    (None, b"/", None, 32 | 4096),
    (None, b"/env", None, 32 | 4096),
    (None, b"/proc", None, 32 | 4096),
    (None, b"/", None, 1 << 20),
):
    if libc.mount(source, target, kind, flags, None) == 0:
        granted.append("mount %r" % target)
for target in (b"/proc", b"/tmp", b"/dev/shm", b"/proc/kcore", b"/env"):
    if libc.umount2(target, 2) == 0:
        granted.append("umount %r" % target)
if libc.syscall(41 if ARM else 155, b"there", b"there") == 0:
    granted.append("pivot_root")
if libc.chroot(b"there") == 0:
    granted.append("chroot")
for name, number, arguments in (
    ("fsopen", 430, (b"tmpfs", 0)),
    ("open_tree", 428, (-100, b"/", 1)),
    ("fspick", 433, (-100, b"/", 0)),
):
    if libc.syscall(number, *arguments) >= 0:
        granted.append(name)
if granted:
    raise SystemError("granted: %r" % granted)
