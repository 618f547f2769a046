"""Unmodified clients of the Hub against a real server; each is a process of its own, with a cache of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.registry.server.hub.stocked import BASE, PADDING, SPLITS
from tests.registry.server.hub.upstreamed import FILES, Upstream
from tests.registry.server.serving import OTHER, PRIVATE, PUBLIC, Served

BRANCHES = ["3.6.x", "3.x", "candidate", "main", "stable"]
ROOT = Path(__file__).parents[4]


def run(command: list[str], folder: Path, address: str, token: str = "") -> subprocess.CompletedProcess[str]:
    """A command as a subscriber's process, whose home is empty."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    own = {"HF_ENDPOINT": address, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    own |= {"HF_TOKEN": token} if token else {}
    own |= {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE", "NO_COLOR": "1"}
    done = subprocess.run(command, env={**kept, **own}, text=True, capture_output=True, timeout=300, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def client(name: str, folder: Path, address: str, token: str = "") -> Any:
    """What a client of `clients` says."""
    command = [sys.executable, "-m", "tests.registry.server.hub.clients", name]
    return json.loads(run(command, folder, address, token).stdout)


def test_huggingface_hub_lists_finds_and_downloads(hub: Served, tmp_path: Path) -> None:
    """All that it asks is answered as it expects, errors as its own, and what is private as unknown."""
    found = client("hub", tmp_path, hub.address)
    texts = ["README.md", "canary.json", "manifest.json", "provenance.json"]
    files = sorted(["adapter_config.json", "adapter_model.safetensors", *texts])
    refused = {name: found[name] for name in ("no repo", "private", "private data", "no revision", "no entry", "me")}
    assert refused == {
        "no repo": "RepositoryNotFoundError", "private": "RepositoryNotFoundError", "me": "",
        "private data": "RepositoryNotFoundError", "no revision": "RevisionNotFoundError",
        "no entry": "RemoteEntryNotFoundError",
    }  # fmt: skip
    assert (found["files"], found["one"], found["tree"]) == (files, files, files)
    assert found["commit"] == found["expanded"] == hub.context.store.resolve(PUBLIC).id[:40]
    assert found["again"]
    assert found["data"] == sorted(f"data/{split}.parquet" for split in SPLITS)
    assert found["exists"] == [True, False]
    assert (found["branches"], found["tags"], found["commits"]) == (BRANCHES, ["v1", "v2"], 2)
    assert found["paths"] == ["README.md"]
    assert found["info"] > 0
    assert found["models"] == sorted([f"driftune/{PUBLIC}", f"driftune/{OTHER}", BASE])
    assert found["found"] == [f"driftune/{PUBLIC}"]
    assert found["datasets"] == sorted([f"driftune/{PUBLIC}", f"driftune/{OTHER}"])
    assert found["ls"] == sorted(f"datasets/driftune/{PUBLIC}/data/{split}.parquet" for split in SPLITS)


@contextmanager
def cutting(address: str, after: int) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that cuts the first answer of more than so many bytes; its address, and the requests that it saw."""
    host, _, port = address.removeprefix("http://").partition(":")
    listening, seen, cut = socket.create_server(("127.0.0.1", 0)), list[bytes](), threading.Event()

    def pump(one: socket.socket) -> None:
        with one, socket.create_connection((host, int(port))) as two:
            back = threading.Thread(target=answer, args=(two, one))
            back.start()
            try:
                while data := one.recv(65536):
                    seen.append(data)
                    two.sendall(data)
            except OSError:
                pass
            finally:
                two.close()
                back.join()

    def answer(two: socket.socket, one: socket.socket) -> None:
        sent = 0
        try:
            while data := two.recv(65536):
                one.sendall(data)
                sent += len(data)
                if sent > after and not cut.is_set():
                    cut.set()
                    one.shutdown(socket.SHUT_RDWR)
                    return
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=pump, args=(one,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", seen
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@pytest.mark.slow
def test_a_download_that_is_cut_goes_on_where_it_was(hub: Served, tmp_path: Path) -> None:
    """The second request asks for the rest alone, and the file is whole."""
    with cutting(hub.address, 22 << 20) as (address, seen):
        found = client("cut", tmp_path, address)
    assert found["size"] > PADDING
    assert b"range: bytes=20971520-" in b"".join(seen).lower()
    wanted = hub.context.store.file(hub.context.store.resolve(f"{OTHER}@v2"), "adapter_model.safetensors")
    assert Path(found["path"]).read_bytes() == wanted.read_bytes()


@pytest.mark.slow
def test_hf_downloads_with_a_token_and_from_upstream(hub: Served, upstream: Upstream, tmp_path: Path) -> None:
    """`hf download` gets a private adapter with its token, and a model of the upstream, which never sees that token."""
    hf, token = str(Path(sys.executable).with_name("hf")), hub.secrets["read"]
    run([hf, "download", f"driftune/{PRIVATE}", "--local-dir", "own"], tmp_path, hub.address, token)
    assert (tmp_path / "own" / "adapter_model.safetensors").is_file()
    upstream.asked.clear()
    run([hf, "download", "others/model", "--local-dir", "theirs"], tmp_path, hub.address, token)
    assert {name: (tmp_path / "theirs" / name).read_bytes() for name in FILES} == FILES
    assert any(path.startswith("GET /others/model/resolve/") for path in upstream.paths())
    assert not [path for _, path, headers in upstream.asked if token in str(headers)]


@pytest.mark.slow
def test_transformers_and_peft_load_a_base_and_adapters_on_it(hub: Served, tmp_path: Path) -> None:
    """`AutoModelForCausalLM`, `PeftModel` at a channel, `AutoPeftModel` by the base that an adapter names."""
    found = client("models", tmp_path, hub.address, hub.secrets["read"])
    assert found["on"] == found["auto"]
    assert len({found["bare"], found["on"], found["other"]}) == 3


@pytest.mark.slow
def test_datasets_loads_a_snapshot(hub: Served, tmp_path: Path) -> None:
    """`load_dataset` at the revision of an adapter gives the rows that it was trained on, split by split."""
    found = client("data", tmp_path, hub.address)
    assert found["rows"] == SPLITS
    assert (found["row"]["licence"], found["row"]["proof"]) == ("BSD-3-Clause", "none")
