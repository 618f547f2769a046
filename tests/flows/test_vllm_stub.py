"""`driftune vllm-stub` answers as vLLM does, also where vLLM does wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.subscribing.vllm_api import Vllm
from registry.canary import TOLERANCE
from tests.flows.runs import start
from tests.flows.served_vllm import complete, lora, post, stubbed
from tests.registry.test_client import make_base


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stub")


@pytest.fixture(scope="module")
def base(root: Path) -> Path:
    return make_base(root / "base")


@pytest.fixture(scope="module")
def adapters(root: Path, base: Path) -> dict[str, tuple[Path, tuple[Mapping[str, Any], ...]]]:
    """Two adapters of the base, one of too high a rank, and those of other models."""
    return {
        "one": lora(base, root / "one", 1),
        "two": lora(base, root / "two", 2),
        "high": lora(base, root / "high", 3, r=17),
        "wide": lora(make_base(root / "wide-base", width=32), root / "wide", 4),
        "foreign": lora(
            make_base(root / "gpt2", model="gpt2"), root / "foreign", 5, target_modules=["c_attn"], fan_in_fan_out=True
        ),
    }


@pytest.fixture(scope="module")
def address(base: Path) -> Iterator[str]:
    with stubbed(base, max_cpu_loras=2) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_loaded(address: str) -> Iterator[None]:
    """Each test finds the base alone."""
    yield
    vllm = Vllm(address)
    for model in vllm.models():
        if model.parent:
            vllm.touch(model.name)
            vllm.unload(model.name)
    vllm.close()


def load(address: str, name: str, path: Path | str) -> httpx.Response:
    return post(address, "/v1/load_lora_adapter", lora_name=name, lora_path=str(path))


def logprobs(address: str, model: str, rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """What it gives for a canary's prompts."""
    vllm = Vllm(address)
    found = [vllm.logprob(model, row["ids"]) for row in rows]
    vllm.close()
    return found


def test_log_probabilities_are_those_of_base_and_adapter(address: str, adapters: Any) -> None:
    """Under its name an adapter gives its stored log-probabilities, another one gives others, and the base neither."""
    folder, rows = adapters["one"]
    answer = load(address, "one", folder)
    assert (answer.status_code, answer.text) == (200, "Success: LoRA adapter 'one' added successfully.")
    load(address, "two", adapters["two"][0])
    stored = pytest.approx([row["logprob"] for row in rows], abs=TOLERANCE["float32"])
    assert logprobs(address, "one", rows) == stored
    assert logprobs(address, "two", rows) != stored
    assert logprobs(address, "base", rows) != stored
    listed = {model["id"]: (model["root"], model["parent"]) for model in models(address)}
    assert listed["one"] == (str(folder), "base")
    assert listed["base"][1] is None


def models(address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{address}/v1/models").json()["data"]
    return found


def test_answers_have_vllms_status_and_words(address: str, adapters: Any) -> None:
    """What is taken, unknown, missing, too large or misshapen is refused as vLLM refuses it."""
    load(address, "one", adapters["one"][0])
    unload = "/v1/unload_lora_adapter"
    cases = [
        (load(address, "one", adapters["two"][0]), 400, "has already been loaded"),
        (load(address, "none", "/nowhere"), 404, "No adapter found for /nowhere"),
        (load(address, "", "/nowhere"), 400, "Both 'lora_name' and 'lora_path' must be provided"),
        (load(address, "high", adapters["high"][0]), 500, "LoRA rank 17 is greater than max_lora_rank 16"),
        (load(address, "wide", adapters["wide"][0]), 500, "size"),
        (post(address, unload, lora_name="two"), 404, "The lora adapter 'two' cannot be found"),
        (post(address, unload), 400, "'lora_name' needs to be provided"),
        (post(address, "/v1/completions", model="two", prompt=[1]), 404, "The model `two` does not exist"),
        (post(address, "/v1/completions", model="one", prompt=[10**6]), 400, "token ids of the vocabulary"),
        (post(address, "/v1/completions", model="one", prompt=[1], stream=True), 400, "stream"),
    ]
    for answer, status, words in cases:
        assert (answer.status_code, words in answer.json()["error"]["message"]) == (status, True), answer.text
    assert post(address, unload, lora_name="one").text == "Success: LoRA adapter 'one' removed successfully."


def test_an_adapter_of_another_model_gives_the_bases_output(address: str, adapters: Any) -> None:
    """It is loaded without a word, and is the base."""
    folder, rows = adapters["foreign"]
    assert load(address, "foreign", folder).status_code == 200
    assert logprobs(address, "foreign", rows) == logprobs(address, "base", rows)


def test_a_name_used_again_serves_the_former_ones_cache(address: str, adapters: Any) -> None:
    """The other adapter's answer to a cached prompt isn't its own; under a new name it is, and no canary tells."""
    ids = adapters["two"][1][0]["ids"]
    load(address, "again", adapters["one"][0])
    complete(address, "again", ids, max_tokens=1)
    post(address, "/v1/unload_lora_adapter", lora_name="again")
    load(address, "again", adapters["two"][0])
    load(address, "fresh", adapters["two"][0])
    stale, right = (complete(address, name, ids, max_tokens=1, logprobs=1) for name in ("again", "fresh"))
    assert stale["logprobs"] != right["logprobs"]
    assert logprobs(address, "again", adapters["two"][1]) == logprobs(address, "fresh", adapters["two"][1])


def test_the_oldest_leaves_memory_and_comes_back_from_its_folder(address: str, adapters: Any) -> None:
    """Of three adapters two are in memory; the third answers rightly, but can't be unloaded before it does."""
    rows = adapters["one"][1]
    for name in ("one", "two", "foreign"):
        load(address, name, adapters[name][0])
    refused = post(address, "/v1/unload_lora_adapter", lora_name="one")
    assert (refused.status_code, "Failed to remove" in refused.text) == (500, True)
    assert logprobs(address, "one", rows) == pytest.approx([row["logprob"] for row in rows], abs=1e-3)
    assert post(address, "/v1/unload_lora_adapter", lora_name="one").status_code == 200


def test_metrics_say_what_runs_and_a_request_fails_whose_adapter_goes(base: Path, adapters: Any) -> None:
    """Running and waiting adapters are named while they are; unloading one in use breaks its request."""
    with stubbed(base, token_s=0.02, max_loras=1) as address:
        vllm = Vllm(address)
        for name in ("one", "two"):
            load(address, name, adapters[name][0])
        assert vllm.busy("one") is False
        ended: dict[str, int] = {}

        def ask(name: str, tokens: int) -> None:
            body = {"model": name, "prompt": [1, 2, 3], "max_tokens": tokens}
            ended[name] = httpx.post(f"{address}/v1/completions", json=body, timeout=60).status_code

        threads = [threading.Thread(target=ask, args=asked) for asked in (("one", 1000), ("two", 2))]
        threads[0].start()
        until(lambda: vllm.busy("one") is True)
        threads[1].start()
        until(lambda: vllm.busy("two") is True)
        assert 'running_lora_adapters="one",waiting_lora_adapters="two"' in httpx.get(f"{address}/metrics").text
        vllm.unload("one")
        for thread in threads:
            thread.join()
        assert ended == {"one": 500, "two": 200}
        assert vllm.busy("one") is vllm.busy("two") is False
        vllm.close()


def until(ready: Any) -> None:
    end = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
def test_the_command_listens_and_ends(base: Path, adapters: Any, tmp_path: Path) -> None:
    """It prints its address; where updating isn't allowed there is no such address, and a key is asked for."""
    process = start(tmp_path, "vllm-stub", str(base), "--no-updating", "--api-key", "secret")
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    try:
        assert httpx.get(f"{address}/v1/models").status_code == 401
        known = httpx.get(f"{address}/v1/models", headers={"Authorization": "Bearer secret"}).json()
        assert [model["id"] for model in known["data"]] == [str(base)]
        refused = load(address, "one", adapters["one"][0])
        assert (refused.status_code, refused.json()) == (404, {"detail": "Not Found"})
    finally:
        process.terminate()
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
