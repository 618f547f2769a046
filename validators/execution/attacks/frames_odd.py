"""Sends frames with every oddity that JSON knows: no numbers, half characters, names twice, giant numbers."""

import os
import struct

SENT = (
    b'{"k": "code", "k": "code"}',
    b'{"k": "check", "i": 0, "v": [["f", "nan"]]}',
    b'{"k": "check", "i": 1, "v": [NaN]}',
    b'{"k": "check", "i": 1, "v": [-Infinity]}',
    b'{"k": "check", "i": true, "v": ["\\ud800"]}',
    b'{"k": "check", "i": 1, "v": [["d", [[["l", []], 1]]]]}',
    b'{"k": "check", "i": 1, "v": [["s", [["s", []]]]]}',
    b'{"k": "check", "i": 1, "v": [["f", "0x1p999999999"]]}',
    b'{"k": "check", "i": 1, "v": [["b", 5], ["c"], ["?"], [[]], {}]}',
    b'{"k": "check", "i": 1, "v": [1' + b"0" * 100000 + b"]}",
    b'{"k": "end", "token": "\\ud800"}',
    b'{"k": "end", "token": ["\\u0000"], "warnings": {"a": 1}, "symbols": [[], {}, null, 1e999]}',
    b'{"k": null}',
    b'"k"',
    b"",
    b"\xff\xfe",
)
pid = os.fork()
for number, data in enumerate(SENT):
    for fd in range(3, 16):
        try:
            os.write(fd, struct.pack(">I", len(data)) + data)
        except OSError:
            continue
