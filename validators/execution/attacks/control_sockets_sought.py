"""Connects to every socket that it can find: an engine's, the sandbox's own, another job's."""

import os
import socket
import stat

mine = set()
reached = []
places = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock"]
for root, folders, names in os.walk("/"):
    if root in ("/proc", "/sys", "/usr/lib", "/usr/share", "/env/lib"):
        folders.clear()
        continue
    for name in names:
        path = os.path.join(root, name)
        try:
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                places.append(path)
        except OSError:
            continue
try:
    with open("/proc/net/unix") as file:
        places += ["\0" + line.split("@", 1)[1] for line in file.read().splitlines() if "@" in line]
except OSError:
    pass
for place in places:
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        try:
            with socket.socket(socket.AF_UNIX, kind) as sock:
                sock.settimeout(1)
                sock.connect(place)
                reached.append(place)
        except OSError:
            continue
with open("/proc/net/tcp") as file:
    for line in file.read().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A":
            reached.append("port %d" % int(fields[1].split(":")[1], 16))
if reached:
    raise SystemError("reached: %r" % reached[:5])
