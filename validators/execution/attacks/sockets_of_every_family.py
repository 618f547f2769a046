"""Opens raw sockets, and sockets of families that know nothing of network namespaces."""

import ctypes
import socket

libc = ctypes.CDLL(None, use_errno=True)
granted = []
for family in range(3, 46):
    if family in (10, 16):
        continue
    for kind in (1, 2, 3, 5):
        if libc.socket(family, kind, 0) >= 0:
            granted.append((family, kind))
            break
for family in (socket.AF_INET, socket.AF_INET6):
    for protocol in (1, 6, 17, 58, 255):
        if libc.socket(int(family), 3, protocol) >= 0:
            granted.append((int(family), "raw", protocol))
            break
if granted:
    raise SystemError("granted: %r" % granted[:5])
