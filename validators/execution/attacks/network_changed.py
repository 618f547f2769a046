"""Takes its loopback down, gives it addresses, adds a way out: for itself or for the next program."""

import fcntl
import socket
import struct

granted = []
with socket.socket() as sock:
    for name, call, payload in (
        ("down", 0x8914, struct.pack("16sh", b"lo", 0)),
        ("address", 0x8916, struct.pack("16sHH4s8x", b"lo", 2, 0, bytes([10, 0, 0, 1]))),
        ("mtu", 0x8922, struct.pack("16si", b"lo", 68)),
    ):
        try:
            fcntl.ioctl(sock, call, payload + bytes(40 - len(payload)))
            granted.append(name)
        except OSError:
            pass


def netlink(kind, flags, body):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.settimeout(1)
        sock.send(struct.pack("IHHII", 16 + len(body), kind, flags | 5, 1, 0) + body)
        answer = sock.recv(4096)
        return struct.unpack_from("i", answer, 16)[0] == 0


info = struct.pack("HH", 9, 1) + b"dummy\0\0\0"
for name, kind, flags, body in (
    ("link down", 16, 0, struct.pack("BxHiII", 0, 0, 1, 0, 1)),
    ("new link", 16, 0x600, struct.pack("BxHiII", 0, 0, 0, 0, 0) + struct.pack("HH", 4 + len(info), 18) + info),
    ("address", 20, 0x600, struct.pack("BBBBi", 2, 8, 0, 0, 1) + struct.pack("HH4s", 8, 2, bytes([127, 9, 9, 9]))),
    ("no address", 21, 0, struct.pack("BBBBi", 2, 8, 0, 0, 1) + struct.pack("HH4s", 8, 2, bytes([127, 0, 0, 1]))),
):
    try:
        if netlink(kind, flags, body):
            granted.append(name)
    except OSError:
        continue
if granted:
    raise SystemError("granted: %r" % granted)
