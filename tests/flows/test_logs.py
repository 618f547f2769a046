"""What a run says of itself, for a machine."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from flows import logs
from flows.house import House, open_house
from flows.watching import CURRENT, watched_batch, watched_run, watched_stage
from registry.errors import SourceError
from registry.settings import Settings


def opened(folder: Path, name: str = "lib", **settings: Any) -> House:
    """A run of a domain whose file and home are in a folder."""
    (folder / f"{name}.toml").write_text('[[library]]\nname = "lib"\nversions = ["1.0", "2.0"]\n')
    return open_house(str(folder / f"{name}.toml"), settings=Settings(home=folder / "home", **settings))


def lines(folder: Path, name: str = "lib") -> list[dict[str, Any]]:
    """What stands in the only log of a domain."""
    [path] = (folder / "home" / "logs" / name).glob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_runs_log_has_run_domain_and_stage(tmp_path: Path) -> None:
    """Runs, stages, batches, what libraries warn of, and an error with its traceback, each an object in a line."""
    house = opened(tmp_path)
    with pytest.raises(SourceError), watched_run(house), watched_stage(house, "scrape"):
        with watched_batch(house, "Read it", 3):
            logging.getLogger("some.library").warning("Slow\npage %d", 7)
            logging.getLogger("some.library").info("Not this")
        raise SourceError("No such page")
    said = lines(tmp_path)
    assert [(e["level"], e["message"]) for e in said] == [
        ("info", "run began"), ("info", "stage began"), ("info", "batch began"), ("warning", "Slow\npage 7"),
        ("info", "batch ended"), ("error", "run ended"),
    ]  # fmt: skip
    assert {(e["run"], e["domain"]) for e in said} == {(house.run, "lib")}
    assert [e["stage"] for e in said] == ["", *["scrape"] * 4, ""]
    assert said[3]["logger"] == "some.library"
    assert said[-1]["reason"] == "No such page"
    assert "raise SourceError" in said[-1]["error"]
    assert not [h for logger in (logs.LOG, logging.getLogger()) for h in logger.handlers if isinstance(h, logs._Least)]


def test_two_runs_of_a_process_are_told_apart(tmp_path: Path) -> None:
    """What a thread warns of stands in the log of the run that it works for, and in no other."""
    ready = threading.Barrier(2)

    def run(name: str) -> None:
        house = opened(tmp_path, name)
        with watched_run(house, working=True), watched_stage(house, "mine"):
            ready.wait()
            logging.getLogger("some.library").warning("Of %s", name)
            ready.wait()

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("one", "two"):
        assert [e["message"] for e in lines(tmp_path, name) if e["level"] == "warning"] == [f"Of {name}"]
    assert CURRENT.get() is None


def test_a_log_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that says much keeps the last of it; of many runs the latest logs stay; nothing done leaves none."""
    monkeypatch.setattr(logs, "BYTES", 10_000)
    monkeypatch.setattr(logs, "KEPT", 2)
    folder = tmp_path / "home" / "logs" / "lib"
    for _ in range(3):
        house = opened(tmp_path)
        with watched_run(house, working=True):
            for n in range(200):
                logging.getLogger("some.library").warning("%d %s", n, "x" * 20_000 if n == 5 else "")
    assert len(list(folder.glob("*.jsonl"))) == 2
    assert all(path.stat().st_size <= 20_000 for path in folder.iterdir())
    last = [json.loads(line) for line in (folder / f"{house.run}.jsonl").read_text().splitlines()]
    assert last[-1]["message"] == "run completed"
    with watched_run(opened(tmp_path)) as watch, watched_stage(watch.house, "mine"):
        pass
    assert not (folder / f"{watch.house.run}.jsonl").exists()


def test_standard_error_is_for_machines_if_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `DRIFTUNE_LOG=json` each line on standard error is an object; without it nothing is said there."""
    with watched_run(opened(tmp_path), working=True):
        pass
    assert capsys.readouterr().err == ""
    with watched_run(opened(tmp_path, log="json"), working=True):
        pass
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [e["message"] for e in said] == ["run began", "event", "run completed"]
    assert said[1]["kind"] == "driftune.run.completed"
