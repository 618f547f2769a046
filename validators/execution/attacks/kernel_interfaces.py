"""Asks for the kernel's sharpest interfaces, each with arguments that would work where it is allowed."""

import ctypes
import os
import struct

libc = ctypes.CDLL(None, use_errno=True)
ARM = os.uname().machine != "x86_64"
granted = []
for name, number, arguments in (
    ("io_uring_setup", 425, (4, ctypes.create_string_buffer(120))),
    ("userfaultfd", 282 if ARM else 323, (1,)),
    ("bpf", 280 if ARM else 321, (0, struct.pack("5I", 2, 4, 8, 1, 0) + bytes(100), 120)),
    ("perf_event_open", 241 if ARM else 298, (struct.pack("IIQ", 1, 64, 0) + bytes(48), 0, -1, -1, 0)),
    ("fanotify_init", 262 if ARM else 300, (0x200, 0)),
    ("memfd_secret", 447, (0,)),
    ("keyctl", 219 if ARM else 250, (1, b"mine")),
    ("add_key", 217 if ARM else 248, (b"user", b"left", b"left", 4, -3)),
    ("syslog", 116 if ARM else 103, (3, ctypes.create_string_buffer(100), 100)),
    ("acct", 89 if ARM else 163, (None,)),
    ("swapoff", 225 if ARM else 168, (b"/swapfile",)),
    ("sethostname", 161 if ARM else 170, (b"mine", 4)),
    ("setdomainname", 162 if ARM else 171, (b"mine", 4)),
    ("clock_settime", 112 if ARM else 227, (0, struct.pack("QQ", 1 << 30, 0))),
    ("quotactl", 60 if ARM else 179, (0x80000100, None, 0, None)),
    ("name_to_handle_at", 264 if ARM else 303,
     (-100, b"/", struct.pack("Ii", 128, 0) + bytes(128), ctypes.create_string_buffer(4), 0)),
):  # fmt: skip
    if libc.syscall(number, *arguments) >= 0:
        granted.append(name)
if granted:
    raise SystemError("granted: %r" % granted)
