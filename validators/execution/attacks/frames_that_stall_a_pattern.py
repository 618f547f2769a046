"""Says that it raised an error, with a message on which the test's own pattern never comes to an end.

test: raises
"""

import json
import os
import struct

for size in (64, 3000000):
    for fd in range(3, 16):
        try:
            for message in (
                {"k": "code"},
                {"k": "check", "i": 0, "v": [["l", ["ValueError"]], "x" * size]},
            ):
                data = json.dumps(message).encode()
                os.write(fd, struct.pack(">I", len(data)) + data)
        except OSError:
            continue
