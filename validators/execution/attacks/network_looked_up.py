"""Looks for any way out of its network (nothing is sent anywhere but to its own loopback)."""

import socket

names = [name for _, name in socket.if_nameindex()]
with open("/proc/net/route") as routes:
    ways = routes.read().splitlines()[1:]
families = []
for family in (socket.AF_INET, getattr(socket, "AF_VSOCK", 40), getattr(socket, "AF_PACKET", 17)):
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
        families.append(int(family))
    except OSError:
        pass
if names != ["lo"] or ways or families != [socket.AF_INET]:
    raise SystemError("a way out: %r %r %r" % (names, ways, families))
