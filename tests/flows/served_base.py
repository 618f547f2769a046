"""`transformers serve` with a small base: a server that nobody here wrote."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

CHAT = """\
{% for message in messages %}# {{ message['role'] }}: {{ message['content'] }}
{% endfor %}{% if add_generation_prompt %}# assistant:
{% endif %}"""
"""A chat template: bases that are made on the spot have none, and the server refuses those."""

PATIENCE_S = 120


@contextlib.contextmanager
def transformers_serve(base: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Serves a copy of a base with a chat template within the block: address and copy. Nothing is looked up anywhere.

    Args:
        base: Folder of the base.
        folder: Where the copy, the server's log and its empty cache are.
    """
    model, cache = Path(shutil.copytree(base, folder / "model")), folder / "hub"
    (model / "chat_template.jinja").write_text(CHAT)
    cache.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    command = [str(Path(sys.executable).parent / "transformers"), "serve", str(model)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    quiet = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache), "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1"}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **quiet}, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, folder / "serve.log")
        yield f"http://127.0.0.1:{port}/v1", model
    finally:
        process.terminate()
        process.wait(20)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(address).status_code == 200:
                return
        time.sleep(0.2)
    raise AssertionError(f"transformers serve does not answer: {log.read_text()[-2000:]}")
