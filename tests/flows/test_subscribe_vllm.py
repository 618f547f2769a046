"""`driftune subscribe --vllm` moves a running vLLM: the shipped stub, with a real base and real adapters."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from flows.stub.server import listening
from flows.subscribe import Request, subscribe
from flows.subscribing.vllm_api import Vllm
from flows.subscribing.wanted import Wanted
from registry.canary import TOLERANCE
from registry.errors import ConfigurationError, DriftuneError, WrongBaseError
from registry.store import Store
from tests.flows.runs import start
from tests.flows.served_vllm import complete, lora, publish, stubbed
from tests.registry.test_client import make_base

Made = tuple[Path, tuple[Mapping[str, Any], ...]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vllm")


@pytest.fixture(scope="module")
def base(root: Path) -> Path:
    return make_base(root / "base")


@pytest.fixture(scope="module")
def made(root: Path, base: Path) -> list[Made]:
    """Adapters of the base; the last was trained on one of the same shapes, which is not the one that is served."""
    return [
        lora(base, root / "one", 1),
        lora(base, root / "two", 2),
        lora(make_base(root / "other", seed=1), root / "three", 3),
    ]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    return Store(tmp_path / "home" / "registry")


def look(address: str, reference: str = "networkx", **said: Any) -> None:
    """One look at the registry."""
    settings = {"dtype": "float32", "grace": 0.0, "drain": 5.0} | said
    subscribe(Request(Wanted(reference), vllm=address, once=True, **settings))


def loaded(address: str) -> list[str]:
    """Names of the adapters that a vLLM has."""
    vllm = Vllm(address)
    found = [model.name for model in vllm.models() if model.parent]
    vllm.close()
    return found


def gives(address: str, name: str, made: Made) -> bool:
    """Whether a name gives an adapter's stored answers."""
    vllm = Vllm(address)
    found = [vllm.logprob(name, row["ids"]) for row in made[1]]
    vllm.close()
    return found == pytest.approx([row["logprob"] for row in made[1]], abs=TOLERANCE["float32"])


def test_each_version_is_served_under_a_name_of_its_own(
    store: Store, base: Path, made: list[Made], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The new one answers as stored, clients are told its name, and the old one is gone, with its files."""
    name_file = tmp_path / "served" / "name"
    with stubbed(base) as address:
        for number in (0, 1):
            publish(store, base, made[number])
            look(address, name_file=name_file)
            name = f"networkx-v{number + 1}"
            assert loaded(address) == [name]
            assert gives(address, name, made[number])
            assert name_file.read_text() == f"{name}\n"
        look(address, name_file=name_file)
        kept = sorted(path.name for path in (tmp_path / "home" / "vllm").glob("*/*"))
        assert [one for one in kept if not one.startswith(".")] == ["networkx-v2"]
        up_to_date = capsys.readouterr().out.splitlines()[-1]
        store.yank("networkx@v2", "it is wrong", "a test")
        look(address, name_file=name_file)
        assert loaded(address) == ["networkx-v1"]
        assert gives(address, "networkx-v1", made[0])
    told = capsys.readouterr().out
    assert f"{address} serves networkx-v1 now" in told
    assert f"{address} doesn't serve networkx-v2 any more" in told
    assert up_to_date.endswith("is up to date: networkx-v2")


def test_a_version_that_answers_otherwise_is_taken_back_and_not_tried_again(
    store: Store, base: Path, made: list[Made], capsys: pytest.CaptureFixture[str]
) -> None:
    """An adapter of other weights of the same shapes loads without a word; its canary keeps the old one serving."""
    publish(store, base, made[0])
    with stubbed(base) as address:
        look(address)
        publish(store, base, made[2])
        with pytest.raises(WrongBaseError, match=r"v2 gives -.* nats a token .* where -.* were stored .*isn't tried"):
            look(address)
        assert loaded(address) == ["networkx-v1"]
        loads = httpx.get(f"{address}/metrics").text
        with pytest.raises(WrongBaseError, match="isn't tried again"):
            look(address)
        assert httpx.get(f"{address}/metrics").text == loads, "it was asked something again"
        with pytest.raises(WrongBaseError, match=r"v2 gives .* \(allowed 0.05 in float16"):
            look(address, dtype="float16")
        publish(store, base, made[1])
        look(address)
        assert loaded(address) == ["networkx-v3"]


@pytest.mark.slow
def test_an_adapter_without_effect_is_found(store: Store, base: Path, root: Path, made: list[Made]) -> None:
    """Where vLLM gives the base's output, and the tolerance is wide enough to hide it, it is told all the same."""
    foreign = lora(
        make_base(root / "gpt2", model="gpt2"), root / "foreign", 5, target_modules=["c_attn"], fan_in_fan_out=True
    )
    with stubbed(base) as address:
        vllm = Vllm(address)
        rows = [{**row, "logprob": vllm.logprob("base", row["ids"]) + 0.01} for row in made[0][1]]
        vllm.close()
        publish(store, base, (foreign[0], tuple(rows)))
        with pytest.raises(WrongBaseError, match=r"gives at .* what its base base gives"):
            look(address, dtype="bfloat16")
        publish(store, base, (made[1][0], ()))
        with pytest.raises(WrongBaseError, match="v2 has no canary"):
            look(address)
        assert loaded(address) == []


@pytest.mark.slow
def test_old_requests_are_waited_for(store: Store, base: Path, made: list[Made]) -> None:
    """A request on the old version ends well before that is unloaded; one that never ends isn't waited for."""
    publish(store, base, made[0])
    with stubbed(base, token_s=0.02, max_loras=2) as address:
        look(address)
        for number, (tokens, drain, whole) in enumerate([(60, 30.0, True), (1000, 0.5, False)]):
            name = f"networkx-v{number + 1}"
            codes: list[int] = []

            def ask(name: str = name, tokens: int = tokens, codes: list[int] = codes) -> None:
                body = {"model": name, "prompt": [1, 2], "max_tokens": tokens}
                codes.append(httpx.post(f"{address}/v1/completions", json=body, timeout=60).status_code)

            request = threading.Thread(target=ask)
            request.start()
            wait_for(lambda name=name: f'running_lora_adapters="{name}"' in httpx.get(f"{address}/metrics").text)
            publish(store, base, made[1 - number], run=f"again {number}")
            look(address, drain=drain)
            request.join()
            assert (codes == [200]) is whole
            assert loaded(address) == [f"networkx-v{number + 2}"]


def wait_for(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
def test_what_was_forgotten_or_left_is_put_right(store: Store, base: Path, made: list[Made], tmp_path: Path) -> None:
    """A vLLM that was started anew gets its adapter back, also one whose successor failed; another's stay."""
    publish(store, base, made[0])
    publish(store, base, made[1], channel="candidate")
    with listening() as place:
        port = place.getsockname()[1]
    with stubbed(base, port=port) as address:
        look(address)
        look(address, "networkx@candidate")
        look(address)
        assert loaded(address) == ["networkx-v1", "networkx-candidate-v2"]
    with pytest.raises(DriftuneError, match=r"doesn't answer"):
        look(address)
    publish(store, base, made[2])
    with stubbed(base, port=port) as address:
        with pytest.raises(WrongBaseError):
            look(address)
        assert loaded(address) == ["networkx-v1"]
        shutil.rmtree(tmp_path / "home" / "subscriptions")
        store.rollback("networkx", "stable")
        look(address)
        assert loaded(address) == ["networkx-v1"], "what is remembered was lost, and the server's own state was enough"


@pytest.mark.slow
def test_an_adapter_that_left_memory_is_unloaded(store: Store, base: Path, made: list[Made], tmp_path: Path) -> None:
    """With room for one the old one leaves as the new one comes, and vLLM doesn't unload what isn't in memory.

    It knows the adapters' folder by another name here, as in a container.
    """
    (tmp_path / "seen").symlink_to(tmp_path / "adapters")
    with stubbed(base, max_cpu_loras=1) as address:
        for adapter in made[:2]:
            publish(store, base, adapter)
            look(f"{address}/v1/", adapters=tmp_path / "adapters", seen_as=f"{tmp_path / 'seen'}/")
        assert loaded(address) == ["networkx-v2"]
        look(address, adapters=tmp_path / "adapters", seen_as=str(tmp_path / "seen"))
        assert loaded(address) == ["networkx-v2"]
        assert gives(address, "networkx-v2", made[1])


@pytest.mark.slow
def test_a_vllm_that_refuses_is_told_with_what_to_do(store: Store, base: Path, made: list[Made]) -> None:
    """No address for adapters, too high a rank, no key: the error says what to start it with; so do wrong options."""
    publish(store, base, made[0])
    cases = [({"updating": False}, "VLLM_ALLOW_RUNTIME_LORA_UPDATING=true"), ({"max_lora_rank": 2}, "max_lora_rank 2")]
    for options, words in [*cases, ({"key": "k"}, "DRIFTUNE_VLLM_KEY")]:
        with stubbed(base, **options) as address, pytest.raises(DriftuneError, match=words):
            look(address)
    with pytest.raises(ConfigurationError, match="bfloat16, float16, quantised"):
        look("http://127.0.0.1:1", dtype="int3")
    with pytest.raises(ConfigurationError, match="Say one thing"):
        subscribe(Request(Wanted("networkx"), vllm="http://127.0.0.1:1", into=Path("x")))


@pytest.mark.slow
def test_killed_at_any_moment_clients_are_always_served(
    store: Store, base: Path, made: list[Made], tmp_path: Path
) -> None:
    """SIGKILL at eight random moments: the name that clients are told answers rightly, and the end is clean."""
    name_file = tmp_path / "name"
    publish(store, base, made[0])
    randomly = random.Random(0)
    with stubbed(base, load_s=0.1) as address:
        look(address, name_file=name_file)
        options = ("--vllm", address, "--dtype", "float32", "--grace", "0.2", "--name-file", str(name_file), "--once")
        for turn in range(8):
            newest = made[(turn + 1) % 2]
            publish(store, base, newest, run=f"turn {turn}")
            process = start(tmp_path / "home", "subscribe", "networkx", *options)
            time.sleep(randomly.uniform(0.3, 2.5))
            process.kill()
            process.communicate()
            name = name_file.read_text().strip()
            served = made[(int(name.removeprefix("networkx-v")) - 1) % 2]
            assert gives(address, name, served)
            assert complete(address, name, [1, 2, 3], max_tokens=1)
        look(address, name_file=name_file)
        assert loaded(address) == ["networkx-v9"]
        assert name_file.read_text() == "networkx-v9\n"
