"""Floods the harness's socket with descriptors in flight, of which a user may only have so many."""

import array
import os
import socket

null = os.open("/dev/null", os.O_RDONLY)
fds = array.array("i", [null] * 200)
for fd in range(3, 64):
    try:
        sock = socket.socket(fileno=os.dup(fd))
    except OSError:
        continue
    sock.setblocking(False)
    try:
        while True:
            sock.sendmsg([b"\0\0\0\1x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    except OSError:
        pass
pairs = []
while True:
    try:
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        pairs.append(pair)
        pair[0].setblocking(False)
        while True:
            pair[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    except BlockingIOError:
        continue
    except OSError:
        break
os._exit(0)
