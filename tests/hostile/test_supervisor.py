"""The supervisor hears whatever a program may send: it judges or refuses it, and never fails itself."""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from registry.records import Program
from validators.execution.attempts import Attempt, _Talk, _Unsent, watched
from validators.execution.rewrite import NotRewritable, rewrite
from validators.execution.server import Closed, Garbled, Job, Late
from validators.execution.values import _DECODERS

TEST = """
import numpy as np
assert f(1) == 3
assert f(2) in [1, "a", (2, 3)]
assert 2.5 not in f(3)
assert f(4) == pytest.approx({"a": 1.5})
with pytest.raises(ValueError, match="a.*b"):
    f(5)
assert abs(f(6) - 2.5) < 0.1
np.testing.assert_allclose(f(7), [1.0, 2.0])
assert f(8) < 7
assert f(9) == {1, 2, (3, 4)}
"""
ATOMS: list[Any] = [
    None, True, False, 0, -1, 2**63, 10**400, 1.5, float("nan"), float("inf"), "", "a", "\ud800", "f8", "q", "0x1p3",
    "nan", "00" * 16, [], {}, [[]], {"k": 1}, ["l", []], ["f", "nan"], ["f", "0x1p99999"],
]  # fmt: skip


def _value(chance: random.Random, depth: int = 0) -> Any:
    """Something like a tagged literal, with every tag there is, and parts that may not be what the tag asks for."""
    if depth > 4 or chance.random() < 0.2:
        return chance.choice(ATOMS)
    parts = [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    tag = chance.choice(list(_DECODERS))
    return [tag, parts] if chance.random() < 0.6 else [tag, *parts]


def _heard(frames: list[Any]) -> Attempt | str:
    """What the supervisor makes of these frames."""
    job = Job(1)
    try:
        data = b""
        for frame in frames:
            text = (frame if isinstance(frame, str) else json.dumps(frame)).encode()
            data += struct.pack(">I", len(text)) + text
        theirs = socket.socket(fileno=os.dup(job.theirs.fileno()))
        job.theirs.close()

        def send() -> None:
            with theirs:
                try:
                    theirs.sendall(data)
                    theirs.shutdown(socket.SHUT_WR)
                    while theirs.recv(1 << 16):
                        pass
                except OSError:
                    return

        sending = threading.Thread(target=send)
        sending.start()
        job.begin(30.0)
        rewritten = rewrite(TEST, "import pytest")
        try:
            return _Talk(job, Program(code="", test=TEST), rewritten, lambda: None).run()
        except (Closed, Garbled, Late, _Unsent) as error:
            return type(error).__name__
        finally:
            job.close()
            sending.join()
    finally:
        job.discard()


@pytest.mark.parametrize("seed", range(8))
def test_supervisor_survives_any_frames(seed: int) -> None:
    """Frames made at random of all tags and odd parts end in a verdict that is not `passed`, or are refused."""
    chance = random.Random(seed)
    for _ in range(150):
        frames: list[Any] = [{"k": "code"}]
        for index in range(9):
            count = 2 if index == 4 else 1
            frames.append({"k": "check", "i": index, "v": [_value(chance) for _ in range(count)]})
        frames.append(
            {"k": chance.choice(["end", "raise", "weak", "?"]), "token": chance.choice(ATOMS), **_odd(chance)}
        )
        found = _heard(frames)
        assert found in ("Closed", "Garbled", "_Unsent") or found.outcome != "passed"  # type: ignore[union-attr]


def test_supervisor_survives_any_watched_value() -> None:
    """What a program says of its variables is shown or said to be unsent, whatever it is."""
    chance = random.Random(0)
    for _ in range(2000):
        row = {"v": _value(chance), "unsent": chance.choice(ATOMS), "text": chance.choice(ATOMS)}
        found = watched({"watched": {"x": chance.choice([row, row, row, *ATOMS])}}, ["x", "y"])
        assert set(found) == {"x", "y"}
        json.dumps(found).encode("utf-8")


def _odd(chance: random.Random) -> dict[str, Any]:
    names = ("warnings", "symbols", "type", "message", "kinds", "line", "in", "stage", "frame", "watched", "why")
    return {name: chance.choice([*ATOMS, [{"category": chance.choice(ATOMS)}]]) for name in names}


NESTED = {
    "list": ('["l", [', "]]"), "tuple": ('["t", [', "]]"), "frozenset": ('["z", [', "]]"),
    "deque": ('["@deque", [', "]]"), "dict": ('["d", [[1, ', "]]]"), "slice": ('["@slice", 1, 1, ', "]"),
    "instance": ('["@Instance", "A", [["a", ', "]]]"), "scalar": ('["@scalar", "f8", ', "]"), "no tag": ("[", "]"),
    "objects": ('{"a": ', "}"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NESTED)
def test_supervisor_survives_any_depth(kind: str) -> None:
    """Values nested as deeply as a frame can hold are refused or judged, whatever depth the interpreter gives up at."""
    begin, end = NESTED[kind]
    for depth in (*range(60, 500, 4), 900, 1500, 100000):
        value = begin * depth + "1" + end * depth
        found = _heard(['{"k": "code"}', f'{{"k": "check", "i": 0, "v": [{value}]}}'])
        assert found in ("Closed", "Garbled", "_Unsent"), depth


ENDLESS = [
    "assert f() == 9**9**9", "assert f() == 'a' * 10**9", "assert f() == " + "*".join(["1000**100"] * 9000),
    "assert f() == sum(range(10**9))", "assert f() == 1 << 10**10", "assert f() == bytes(10**10)",
    "assert f() == [[[[0] * 100] * 100] * 100] * 100", "assert f() == sorted([[0] * 9999] * 9999)",
    "x = [0] * 9999\ny = [x] * 9999\nassert f() == y", "x = 'ab' * 5000\nassert f() == [x] * 10000",
    "assert f() == [[k for k in range(1000)] for i in range(1000)]", "assert f() == f'{3:999999999d}'",
    "for i in range(2000):\n    for j in range(2000):\n        assert f(i) == j",
    "assert " + " and ".join(["f() == 1"] * 20000),
    "assert f() == " + "(" * 500 + "1" + ")" * 500, "assert f() == " + "-" * 5000 + "1",
    "import numpy as np\nassert (f() == np.zeros((10**5, 10**5))).all()",
    "import numpy as np\nnp.testing.assert_allclose(f(), np.arange(0, 1e9, 0.001))",
    "from decimal import Decimal\nassert f() == Decimal(10) ** Decimal(999999)",
    "import pandas as pd\npd.testing.assert_frame_equal(f(), pd.DataFrame({'a': range(10**9)}))",
]  # fmt: skip


@pytest.mark.parametrize("test", ENDLESS, ids=lambda test: test[:40])
def test_no_test_keeps_the_supervisor_busy(test: str) -> None:
    """A test whose literals would be endless to work out is left as it is, or rewritten, within seconds."""
    began = time.thread_time()
    with suppress(NotRewritable):
        rewrite(test, "def f(): pass")
    assert time.thread_time() - began < 15
