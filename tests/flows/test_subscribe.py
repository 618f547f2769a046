"""`driftune subscribe` keeps a folder at the newest adapter of a channel."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flows.subscribe import Request
from flows.subscribe import subscribe as follow
from flows.subscribing.loop import follow as loop
from flows.subscribing.waking import Waking
from flows.subscribing.wanted import Wanted
from registry.errors import ConfigurationError, DriftuneError
from registry.records import Adapter
from registry.store import Publication, Store
from tests.adapters import adapter_folder, weights
from tests.flows.runs import start


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    return Store(tmp_path / "home" / "registry")


def publish(store: Store, folder: Path, content: str, channel: str = "stable", **said: str) -> Adapter:
    """Publishes an adapter whose weights hold `content`; the store looks at no numbers."""
    adapter_folder(folder, content.encode())
    facts = {
        "domain": "networkx", "library_range": "networkx>=3.6,<3.7", "base": "tiny", "base_revision": "r",
        "fingerprint": "f", "snapshot": "s", "run": content,
    }  # fmt: skip
    return store.publish(folder, Publication(**(facts | said)), channel=channel)


def subscribe(reference: str, into: Path, **said: Any) -> None:
    """One look."""
    follow(Request(Wanted(reference, **said), into=into, once=True))


def held(into: Path) -> str:
    return (into / "adapter_model.safetensors").read_bytes().rpartition(b"}")[2].decode()


def test_newest_version_is_there_after_one_look(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One look brings the newest stable version, also over an older one, and says so."""
    into = tmp_path / "deep" / "adapter"
    publish(store, tmp_path / "a", "one")
    subscribe("networkx", into)
    assert held(into) == "one"
    publish(store, tmp_path / "a", "two")
    subscribe("networkx@stable", into)
    assert held(into) == "two"
    lines = capsys.readouterr().out.splitlines()
    assert "holds networkx v1 now" in lines[0]
    assert "holds networkx v2 now" in lines[1]


def test_nothing_is_touched_when_nothing_is_new(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second look changes no file and no link."""
    publish(store, tmp_path / "a", "one")
    subscribe("networkx", tmp_path / "into")

    def marks() -> list[tuple[str, int, int]]:
        paths = sorted([tmp_path / "into", *(tmp_path / "into").rglob("*")])
        return [(str(p), p.lstat().st_mtime_ns, p.lstat().st_ino) for p in paths]

    before = marks()
    subscribe("networkx", tmp_path / "into")
    assert marks() == before
    assert "up to date: networkx v1" in capsys.readouterr().out.splitlines()[-1]


def test_a_reader_never_sees_a_mixture(store: Store, tmp_path: Path) -> None:
    """A reader that opened the folder keeps the old version whole while the new one is switched in."""
    publish(store, tmp_path / "a", "one")
    subscribe("networkx", tmp_path / "into")
    opened = os.open(tmp_path / "into", os.O_RDONLY)
    publish(store, tmp_path / "a", "two")
    subscribe("networkx", tmp_path / "into")
    old = os.open("adapter_model.safetensors", os.O_RDONLY, dir_fd=opened)
    assert (os.read(old, 1000), held(tmp_path / "into")) == (weights(b"one"), "two")
    os.close(old)
    os.close(opened)


def test_folders_beside_each_other_leave_each_other_alone(store: Store, tmp_path: Path) -> None:
    """Of `nx`, `nx.new` and `n*` in one folder none removes a version that another holds."""
    publish(store, tmp_path / "a", "one")
    for name in ("nx", "nx.new", "n*"):
        subscribe("networkx", tmp_path / name)
    for content in ("two", "three"):
        publish(store, tmp_path / "a", content)
        subscribe("networkx", tmp_path / "n*")
        subscribe("networkx", tmp_path / "nx")
    assert [held(tmp_path / name) for name in ("nx", "nx.new", "n*")] == ["three", "one", "three"]


def test_two_who_pull_into_one_folder_leave_it_whole(store: Store, tmp_path: Path) -> None:
    """Two that pull other versions into one folder at a time fail at nothing, and whoever reads finds one of them."""
    for content in ("one", "two", "three"):
        publish(store, tmp_path / "a", content)
    into = tmp_path / "into"
    subscribe("networkx", into)

    def pull(seed: int) -> None:
        own = Store(tmp_path / "home" / "registry")
        for step in range(25):
            own.pull(f"networkx@v{1 + (seed + step) % 3}", into)

    with ThreadPoolExecutor(2) as pool:
        pulling = [pool.submit(pull, seed) for seed in range(2)]
        while not all(one.done() for one in pulling):
            assert held(into) in ("one", "two", "three")
        for one in pulling:
            one.result()


def test_what_a_registry_says_is_one_line(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A base whose name has a line's end forges no line of what driftune says."""
    publish(store, tmp_path / "a", "one", base="tiny\n2026-01-01T00:00:00+00:00  all is well")
    subscribe("networkx", tmp_path / "into")
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_other_channels_are_followed_by_name(store: Store, tmp_path: Path) -> None:
    """`DOMAIN@CHANNEL` follows that channel alone."""
    publish(store, tmp_path / "a", "one")
    publish(store, tmp_path / "a", "two", channel="candidate")
    subscribe("networkx", tmp_path / "stable")
    subscribe("networkx@candidate", tmp_path / "candidate")
    assert (held(tmp_path / "stable"), held(tmp_path / "candidate")) == ("one", "two")


def test_nothing_published_is_the_users_error_in_one_look(store: Store, tmp_path: Path) -> None:
    """One look at a domain without an adapter is refused, says what to do, and makes no folder."""
    with pytest.raises(ConfigurationError, match=r"No adapter 'networkx'.*driftune run networkx"):
        subscribe("networkx", tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_the_same_failure_is_said_once_until_something_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """Of looks that fail alike the first is told, and each change after it; the look that succeeds ends it."""
    none, away = ConfigurationError("No adapter"), DriftuneError("No answer", retryable=True)
    looks = iter([none, none, away, away, away, none, None, None, none])

    def look() -> None:
        try:
            error = next(looks)
        except StopIteration:
            raise KeyboardInterrupt from None
        if error is not None:
            raise error

    with pytest.raises(KeyboardInterrupt), Waking() as waking:
        loop(look, waking, once=False, every=0.001)
    out, err = capsys.readouterr()
    assert [line.partition("  ")[2].partition(";")[0] for line in err.splitlines()] == [
        "No adapter", "No answer", "No adapter", "No adapter"
    ]  # fmt: skip
    assert [line.partition("  ")[2] for line in out.splitlines()] == ["What had failed works again"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_loop_waits_for_a_version_and_ends_cleanly(stop: signal.Signals, store: Store, tmp_path: Path) -> None:
    """The loop starts before anything is published, brings each version by itself, and ends without a traceback."""
    into = tmp_path / "into"
    loop = start(tmp_path / "home", "subscribe", "networkx", "--into", str(into), "--every", "1")
    try:
        for weights in ("one", "two"):
            publish(store, tmp_path / "a", weights)
            assert loop.stdout is not None
            while "holds networkx" not in (line := loop.stdout.readline()):  # it says so once the folder is switched
                assert line, "It ended"
            assert held(into) == weights
    finally:
        loop.send_signal(stop)
        out, err = loop.communicate(timeout=120)
    assert loop.returncode in (130, -signal.SIGTERM)
    assert "Traceback" not in out + err
    assert "holds networkx" not in out
