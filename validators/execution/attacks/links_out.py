"""Makes links to what lies outside its folders, and writes through them."""

import os

written = []
OUTSIDE = ["/etc/passwd", "/etc/hosts", "/env/pyvenv.cfg", "/driftune/worker.py", "/usr/bin/env", os.__file__]
for number, path in enumerate(OUTSIDE):
    for folder in ("/tmp", "/dev/shm"):
        for make, name in ((os.link, "hard%d" % number), (os.symlink, "soft%d" % number)):
            link = os.path.join(folder, name)
            try:
                make(path, link)
                with open(link, "ab") as file:
                    file.write(b"\n")
                written.append(path)
            except OSError:
                continue
for name in ("work", "program.py", "test.py", "."):
    try:
        os.symlink("/env", "/tmp/" + name + "-left")
        os.replace("/tmp/" + name + "-left", "/tmp/" + name)
    except OSError:
        continue
if written:
    raise SystemError("written: %r" % written)
