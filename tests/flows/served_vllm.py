"""vLLM's stub on a port of its own, in a thread, and adapters that it serves."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from flows.stub.server import listening
from flows.vllm_stub.server import Options, server_of
from registry.canary import canary
from registry.fingerprint import fingerprint
from registry.records import Adapter
from registry.store import Publication, Store
from tests.registry.test_client import TEXTS

LONG = tuple(f"{text}{text}{text}" for text in TEXTS)
"""Texts of more than a block of the prefix cache."""


@contextlib.contextmanager
def stubbed(base: Path, **options: Any) -> Iterator[str]:
    """A stub that listens within the block; its address."""
    server = server_of(Options(base, name="base", **options))
    with listening(options.get("port", 0)) as place:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([place])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{place.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def lora(base: Path, folder: Path, seed: int, **config: Any) -> tuple[Path, tuple[Mapping[str, Any], ...]]:
    """A LoRA adapter of random weights, and the canary it gives on its base."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    settings: dict[str, Any] = {"r": 4, "target_modules": ["q_proj", "v_proj"], "init_lora_weights": False} | config
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*gradient_checkpointing` is deprecated", FutureWarning)
        model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(**settings))
        model.save_pretrained(folder)
    return folder, canary(model, AutoTokenizer.from_pretrained(base), LONG)


def publish(
    store: Store, base: Path, made: tuple[Path, tuple[Mapping[str, Any], ...]], *, channel: str = "stable", **said: Any
) -> Adapter:
    """Publishes such an adapter."""
    mark = fingerprint(base)
    facts: dict[str, Any] = {
        "domain": "networkx", "library_range": "networkx>=3.6,<3.7", "base": "driftune/tiny-0", "base_revision": mark,
        "fingerprint": mark, "snapshot": "s", "run": made[0].name, "canary": made[1],
    }  # fmt: skip
    return store.publish(made[0], Publication(**(facts | said)), channel=channel)


def post(address: str, path: str, **body: Any) -> httpx.Response:
    """What a stub answers."""
    return httpx.post(f"{address}{path}", json=body, timeout=60)


def complete(address: str, model: str, prompt: Any, **more: Any) -> dict[str, Any]:
    """The completion that a stub gives, greedily."""
    answer = post(address, "/v1/completions", model=model, prompt=prompt, temperature=0, **more)
    assert answer.status_code == 200, answer.text
    choice: dict[str, Any] = answer.json()["choices"][0]
    return choice
