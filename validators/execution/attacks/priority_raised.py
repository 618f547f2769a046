"""Puts itself before everybody else: real-time scheduling, a better priority, locked memory, all processors."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
granted = []
for policy in (os.SCHED_FIFO, os.SCHED_RR):
    try:
        os.sched_setscheduler(0, policy, os.sched_param(99))
        granted.append("real time")
    except OSError:
        pass
try:
    if os.nice(-20) < 0:
        granted.append("nice")
except OSError:
    pass
if libc.syscall(30 if os.uname().machine != "x86_64" else 251, 1, 0, 1 << 13) == 0:
    granted.append("ioprio real time")
try:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")
    granted.append("never chosen when memory runs out")
except OSError:
    pass
if granted:
    raise SystemError("granted: %r" % granted)
