"""Commands from a snapshot to the channels, with nothing made up: training, gate, publication, a team's own tasks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from finetune.bases import TinyBase
from flows.annotation import account
from flows.house import open_house
from flows.run import run_stage
from flows.training import trained
from registry.records import Example
from registry.settings import Settings
from registry.store import CANDIDATE, STABLE, Store
from tests.finetune.lib_drift import OLD, pairs, site
from tests.finetune.writing import BODIES, SETTINGS, learned, task, taught, write_tasks
from tests.flows.continued import curate, scrape

TABLE = """\
[[library]]
name = "lib"
versions = ["1", "2"]
[sandbox]
attempts = 1
[train]
base = "folder"
threads = 1
recipe = ["sft"]
[train.base_settings]
path = "{base}"
licences = ["MIT"]
[train.lora]
rank = 8
[train.sft]
batch = 8
steps = 60
learning_rate = 1e-2
max_tokens = 96
replay = 0
[gate]
tasks = "{tasks}"
tasks_margin = 0.3
general_limit = 9.0
"""
FORGOTTEN = {"square": "return x + 1"}
"""What the training rows teach otherwise than the base knows it."""


@pytest.mark.slow
def test_stable_moves_to_what_the_team_has_tasks_for_and_not_to_what_lost_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gate says yes, but a function is lost: held back while the tasks ask for it, moved once they don't."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    texts = [*learned(), *OLD]
    base = TinyBase(texts).prepare(texts, {**SETTINGS, "context": 192}, tmp_path / "bases").path
    tasks = tmp_path / "tasks.jsonl"
    path = tmp_path / "lib.toml"
    path.write_text(TABLE.format(base=base, tasks=tasks))
    write_tasks(tasks, asked(*FORGOTTEN))
    with closing(open_house(str(path), settings=Settings())) as house:
        scrape(house)
        curate(house, **rows())
    assert [run_stage(str(path), command) for command in ("train", "evaluate", "publish")] == [0, 0, 4]
    store = Store(tmp_path / "home" / "registry")
    assert store.channels("lib") == {CANDIDATE: 1}
    said = capsys.readouterr().out
    assert "Gate: publish" in said
    assert "Published as candidate alone: v1 passes 0 of 14 tasks, base 14 (0 won, 14 lost): -1.00" in said
    write_tasks(tasks, asked(*(BODIES.keys() - FORGOTTEN.keys())))
    assert run_stage(str(path), "publish") == 0
    assert store.channels("lib") == {CANDIDATE: 1, STABLE: 1, "2.0.x": 1, "2.x": 1}
    (moved,) = store.history("lib", STABLE)
    assert (moved.action, moved.by) == ("promote", account())
    assert moved.reason.startswith("v1 passes 15 of 15 tasks, base 15 (0 won, 0 lost)")
    with closing(open_house(str(path), settings=Settings())) as house:
        assert trained(house).id == store.resolve("lib@stable").run


def asked(*names: str) -> list[dict[str, Any]]:
    """Fourteen tasks for these functions, or one more: enough to tell at this margin."""
    return [task(name, task_id=f"{name}/{n}") for name in sorted(names) for n in range(-(-14 // len(names)))]


def rows() -> dict[str, Sequence[Example]]:
    """Call sites of fourteen families that changed, those held out in a file of their own; and functions."""
    families = [f"lib.f{number}" for number in range(14)]
    train = [row for n, family in enumerate(families) for k in range(2) for row in site(4 * n + k, family)]
    context = [
        row
        for n, family in enumerate(families)
        for k in range(4)
        if k > 1 or k < n % 3
        for row in (site if k > 1 else unchanged)(4 * n + k, family, file="held.py")  # gains differ, as real ones do
    ]
    known = [taught(name, FORGOTTEN.get(name, body)) for name, body in BODIES.items()]
    return {"train": [*train, *known], "context": context}


def unchanged(number: int, family: str, *, file: str) -> list[Example]:
    """The pairs of a call that the base knows: what has nothing to gain."""
    before = f"import lib\nx{number} = lib.old_call({number}, {number + 1})\ny = lib."
    wrong = {
        kind: f"{name}(x{number})\n" for kind, name in (("stale", "former"), ("swap", "only"), ("invented", "uther"))
    }
    return pairs(before, f"other(x{number})\n", wrong, number, family, file)
