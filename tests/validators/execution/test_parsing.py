"""Threads that parse at once don't disturb each other."""

from __future__ import annotations

import ast
import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from validators.execution.parsing import parse


@pytest.fixture
def switching() -> Iterator[None]:
    """The collector runs often, and gives way to other threads each time."""
    before = gc.get_threshold()

    def give_way(*_: object) -> None:
        time.sleep(0)

    gc.set_threshold(50)
    gc.callbacks.append(give_way)
    yield
    gc.callbacks.remove(give_way)
    gc.set_threshold(*before)


def test_threads_parse_without_disturbing_each_other(switching: None) -> None:
    """Eight threads get the same tree as one (plain `ast.parse` raises here within a second on CPython 3.11.7)."""
    source = Path(__file__).read_text(encoding="utf-8")
    wanted = ast.dump(parse(source))
    start = threading.Barrier(8)

    def work(_: int) -> bool:
        start.wait()
        return all(ast.dump(parse(source)) == wanted for _ in range(15))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, range(8)))
    with pytest.raises(SyntaxError):
        parse("def f(:")
