"""Goes through all that /proc says of other processes: their files, folders, variables, memory, and limits."""

import os
import resource

granted = []
parent = os.getppid()
for name in {str(parent), "1", *filter(str.isdigit, os.listdir("/proc"))} - {"0", str(os.getpid())}:
    place = "/proc/%s/" % name
    for entry in ("environ", "mem", "auxv", "syscall", "stack", "personality", "clear_refs"):
        try:
            with open(place + entry, "rb", 0) as file:
                if file.read(8) or entry == "mem":
                    granted.append(place + entry)
        except OSError:
            continue
    for entry in ("exe", "cwd", "root"):
        try:
            granted.append(place + entry + " -> " + os.readlink(place + entry))
        except OSError:
            continue
    try:
        granted += [place + "fd/" + fd for fd in os.listdir(place + "fd")]
    except OSError:
        pass
    pid = int(name)
    for change in (
        lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (0, 0)),
        lambda: os.sched_setaffinity(pid, {0}),
        lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        lambda: os.kill(pid, 0),
    ):
        try:
            change()
            granted.append("a change of process %d" % pid)
        except OSError:
            continue
if granted:
    raise SystemError("granted: %r" % granted[:5])
