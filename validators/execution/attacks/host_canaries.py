"""Goes for what the conformance suite put on the host: a file, a port on loopback, a socket, a process."""

import json
import os
import signal
import socket

TARGETS = json.load(open("targets.json"))


def solve(x):
    path = TARGETS["path"]
    for root in ("", "/proc/1/root", "/proc/self/root", "/proc/%d/root" % os.getppid(), "/env/..", "/oldroot"):
        try:
            with open(root + path) as file:
                return file.read()
        except OSError:
            continue
    for family, address in (
        (socket.AF_INET, ("127.0.0.1", TARGETS["port"])),
        (socket.AF_UNIX, "\0" + TARGETS["abstract"]),
        (socket.AF_UNIX, TARGETS["socket"]),
    ):
        try:
            with socket.socket(family) as sock:
                sock.settimeout(1)
                sock.connect(address)
                return sock.recv(100).decode()
        except OSError:
            continue
    for pid in TARGETS["pids"]:
        try:
            os.kill(pid, signal.SIGCONT)
        except OSError:
            continue
        if TARGETS["command"] in open("/proc/%d/cmdline" % pid).read():
            raise SystemError("can signal the driver, process %d" % pid)
    return None
