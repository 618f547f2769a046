"""Leaves message queues, semaphores and shared segments, which belong to no process."""

import ctypes

libc = ctypes.CDLL(None, use_errno=True)
granted = []
for name, arguments in (
    ("msgget", (0x5EC2E7, 0o1666)),
    ("semget", (0x5EC2E7, 1, 0o1666)),
    ("shmget", (0x5EC2E7, 4096, 0o1666)),
    ("mq_open", (b"/left", 0o102, 0o666, None)),
):
    try:
        if getattr(libc, name)(*arguments) >= 0:
            granted.append(name)
    except AttributeError:
        continue
if granted:
    raise SystemError("outlives its job: %r" % granted)
