"""Writes to whatever of the kernel's files can be opened: settings, control groups, user maps, formats, triggers."""

import os

PATHS = [
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/randomize_va_space", "/proc/sys/kernel/panic", "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/drop_caches", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sysrq-trigger", "/proc/1/oom_score_adj",
    "/proc/%d/oom_score_adj" % os.getppid(), "/proc/1/attr/current", "/proc/self/uid_map", "/proc/self/gid_map",
    "/proc/self/setgroups", "/proc/irq/default_smp_affinity", "/proc/mtrr", "/proc/acpi/wakeup", "/proc/kcore",
    "/proc/bus/pci/00/00.0", "/sys/kernel/uevent_helper", "/sys/kernel/mm/ksm/run", "/sys/power/state",
    "/sys/fs/cgroup/release_agent", "/sys/kernel/debug", "/sys/kernel/security/apparmor/.load",
]  # fmt: skip
for root, _, names in os.walk("/sys/fs/cgroup"):
    PATHS += [os.path.join(root, n) for n in names if n.startswith(("cgroup.", "release", "notify", "memory.", "pids."))]
written = []
for path in PATHS:
    try:
        with open(path, "r+b", 0) as file:
            if path.startswith("/proc/self/") or "/attr/" in path:  # anybody may open these; what counts is writing
                file.write(b"deny" if path.endswith("setgroups") else b"0 0 10\n")
            written.append(path)
    except OSError:
        continue
if written:
    raise SystemError("can open for writing: %r" % written[:5])
