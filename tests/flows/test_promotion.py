"""`stable` hangs on a team's own tasks: what is asked, what is answered, and what becomes of the channels."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from finetune.bases import BaseModel
from finetune.tasks import Drawn, exact, general, paired, scores
from flows.adapters import promote_adapter, show_adapter
from flows.annotation import account
from flows.batches import perform
from flows.evaluation import evaluate_key, question
from flows.house import House, open_house
from flows.preflight import check
from flows.promotion import (
    Promotion,
    decided,
    judged,
    last_promotion,
    promote,
    promote_stage,
    promotion_of,
    promotion_tasks,
    tasks_digest,
)
from flows.publication import publish_key
from flows.run import EXIT_BY_DECISION
from flows.scraping import scrape_key
from flows.stages import complete, complete_key, decision, finish
from flows.summary import promotion_line, show_summary
from flows.training import run_id, train_key
from registry import lock
from registry.domain import GateSpec
from registry.domain_files import with_table
from registry.errors import ConfigurationError, LockedError, SandboxError
from registry.lease import Lease
from registry.manifests import location
from registry.objects import FolderObjects
from registry.records import Release, Report, Run, Score, Snapshot
from registry.settings import Settings
from registry.store import CANDIDATE, STABLE, Publication, Store
from tests.finetune.writing import BODIES, task, write_tasks


def promoted(had: str, has: str, margin: float = 0.1) -> Promotion:
    """What is said of tasks that passed (x) or failed (.) under the old version and the new."""
    drawn = [
        Drawn(arm, str(n), 0, 0, "passed" if one == "x" else "failed")
        for arm, row in (("v1", had), ("v2", has))
        for n, one in enumerate(row)
    ]
    return judged(tuple(scores(drawn, [1])), "v1", "v2", margin)


@pytest.mark.parametrize(
    ("had", "has", "margin", "outcome", "told"),
    [
        ("x" * 40, "x" * 40, 0.1, "promoted", "v2 passes 40 of 40 tasks, v1 40 (0 won, 0 lost)"),
        ("x" * 20 + "." * 20, "." * 20 + "x" * 20, 0.1, "undecided", "too few tasks to tell"),
        ("x" * 20, "x" * 20, 0.1, "undecided", "too few tasks to tell that it isn't more than 0.1 below"),
        ("x" * 20, "x" * 20, 0.2, "promoted", "no more than 0.2 below"),
        ("x" * 20, "x" * 17 + "...", 0.1, "rejected", "v2 passes 17 of 20 tasks, v1 20 (0 won, 3 lost): -0.15"),
        ("." * 90, "." * 90, 0.1, "undecided", "tasks that neither passes can't tell which is better"),
        ("." * 20, "x" * 20, 0.1, "promoted", "20 won, 0 lost"),
    ],
)
def test_what_the_tasks_say(had: str, has: str, margin: float, outcome: str, told: str) -> None:
    """More than the margin below is refused; where tasks are too few to tell, or none passes, nothing is promoted."""
    found = promoted(had, has, margin)
    assert found.outcome == outcome
    assert told in found.reason


@pytest.mark.parametrize("idle", [0, 4])
def test_the_tasks_that_driftune_brings_suffice_at_the_default_margin(idle: int) -> None:
    """An adapter that does as well passes, few or all of them, also where four are left out as nothing passes them."""
    count = len(general()) - idle
    for passed in (1, count // 2, count):
        outcomes = "x" * passed + "." * (count - passed)
        assert promoted(outcomes, outcomes, GateSpec().tasks_margin).outcome == "promoted"
    all_but_one = "x" * (count - 1) + "."
    assert promoted("x" * count, all_but_one, 0.15).outcome == "promoted"


def test_what_is_worse_by_the_margin_is_seldom_promoted() -> None:
    """At a loss of just the margin, however the tasks that differ are split: one in twenty at most, for any count."""

    def chance(count: int, won: int, lost: int, up: float, down: float) -> float:
        rest, same = count - won - lost, 1 - up - down
        ways = math.lgamma(count + 1) - sum(math.lgamma(n + 1) for n in (won, lost, rest))
        return math.exp(ways) * up**won * down**lost * same**rest

    for margin in (0.1, 0.2):
        for count in (12, 36, 50):
            shares = [exact(n, count) for n in range(count + 1)]
            assert paired(3, 1, count) == (shares[3][0] - shares[1][1], shares[3][1] - shares[1][0])
            for up in (0.0, 0.02, 0.1, 0.3):
                wrong = sum(
                    chance(count, won, lost, up, up + margin)
                    for won in range(count + 1)
                    for lost in range(count - won + 1)
                    if shares[won][0] - shares[lost][1] > -margin
                )
                assert wrong <= 0.05


TABLE = """\
[[library]]
name = "own"
versions = ["1", "2"]
[train]
base = "folder"
threads = 1
[train.base_settings]
path = "{path}"
licences = ["MIT"]
[sandbox]
attempts = 1
[gate]
tasks = "{tasks}"
tasks_margin = 0.3
"""


@pytest.fixture
def house(writing: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A domain on a base that writes six functions right, and `triple` wrong; its tasks are twelve of the former."""
    monkeypatch.setenv("DRIFTUNE_HOME", str(tmp_path / "home"))
    file = write_tasks(tmp_path / "tasks.jsonl", asked())
    (tmp_path / "own.toml").write_text(TABLE.format(path=writing.path, tasks=file))
    with closing(open_house(str(tmp_path / "own.toml"), settings=Settings())) as house:
        yield house


def asked() -> list[dict[str, Any]]:
    return [task(name, task_id=f"{name}/{number}") for name in BODIES for number in (1, 2)]


def adapter_of(house: House, base: BaseModel, folder: Path, *, loses: str = "") -> Store:
    """A registry with a version of the domain more: one that changes nothing, or that makes the base forget a word."""
    import torch
    from peft import LoraConfig, get_peft_model

    from finetune import quiet, tuning
    from tests.finetune.chained import END

    model, tokenizer = tuning.load(base)
    with quiet.logging_off():
        tuned = get_peft_model(model, LoraConfig(r=1, lora_alpha=1, target_modules=["o_proj", "lm_head"]))
    if loses:
        word, end = tokenizer.convert_tokens_to_ids([loses, END])
        layer = tuned.base_model.model.lm_head
        with torch.no_grad():
            layer.lora_A["default"].weight.zero_()
            layer.lora_A["default"].weight[0, word] = 1.0
            layer.lora_B["default"].weight[end, 0] = 9.0
    folder.mkdir(parents=True)
    tuned.save_pretrained(folder, save_embedding_layers=False)
    about = Publication(
        domain="own", library_range="own>=2,<3", base=base.name, base_revision=base.revision,
        fingerprint=base.fingerprint, snapshot="s", run=folder.name,
    )  # fmt: skip
    store = Store(house.settings.registry_url)
    store.publish(folder, about, channel=CANDIDATE)
    return store


def published(house: House, version: int) -> None:
    """Writes down that the gate said yes to a run, whose adapter became a version."""
    since, snapshot = time.monotonic(), Snapshot(domain="own", rows_sha256="", filters={})
    for at in ("1", "2"):
        release = Release(library="own", version=at, artifact_sha256=at, licence="MIT")
        house.finish("scrape", "pypi@1", [scrape_key(house, house.library.source[0], at)], [release], since)
    house.finish("curate", "curate@1", ["k"], [snapshot], since, {"snapshot": snapshot.id})
    run = Run(snapshot=snapshot.id, base="b", base_revision="r", seed=version, domain="own", recipe={})
    house.finish("train", "train@1", [train_key(house)], [run], since, {"run": run.id})
    gate = {"decision": "publish", "reason": "it gains"}
    reports = [Report(run=run.id, arm="adapter", split="context", metric="m", domain="own", **gate)]
    house.finish("evaluate", "gate@1", [evaluate_key(house)], reports, since, gate)
    place = {"location": location("own", version), "channel": CANDIDATE}
    house.finish("publish", "store@1", [publish_key(house)], [], since, place)


FORGETS = "def square(x):"
"""A word after which the second version writes nothing any more."""


@pytest.fixture
def store(house: House, writing: BaseModel, tmp_path: Path) -> Store:
    """Two versions: one that writes as the base does, and one that has forgotten one function of six."""
    adapter_of(house, writing, tmp_path / "same")
    return adapter_of(house, writing, tmp_path / "forgets", loses=FORGETS)


def test_stable_moves_only_where_the_tasks_allow_it(house: House, store: Store) -> None:
    """First held against the base, then against what stable holds; the log says why, and who moved it."""
    first, second = store.versions("own")
    assert store.channels("own") == {CANDIDATE: 2}
    found = promote([house], store, first)
    assert (found.outcome, found.reason.partition(":")[0]) == (
        "promoted", "v1 passes 12 of 12 tasks, base 12 (0 won, 0 lost)",
    )  # fmt: skip
    (entry,) = store.history("own", STABLE)
    assert (entry.version, entry.action, entry.reason, entry.by) == (1, "promote", found.reason, account())
    found = promote([house], store, second)
    assert (found.outcome, found.reason.partition(":")[0]) == (
        "undecided", "v2 passes 10 of 12 tasks, v1 12 (0 won, 2 lost)",
    )  # fmt: skip
    assert store.channels("own") == {CANDIDATE: 2, STABLE: 1}
    lines = (house.folder("promotion") / "own.jsonl").read_text().splitlines()
    assert promote([house], store, second) == found
    assert (house.folder("promotion") / "own.jsonl").read_text().splitlines() == lines


def test_a_task_that_a_program_which_does_nothing_passes_counts_nowhere(house: House, store: Store) -> None:
    """It would make enough of too few."""
    path = Path(house.domain.gate.tasks)
    write_tasks(path, [*asked()[:2], *({**asked()[0], "task_id": n, "test": "pass"} for n in range(30))])
    found = decided(house, store, store.versions("own")[0], STABLE)
    assert (found.outcome, found.reason[:26]) == ("undecided", "v1 passes 2 of 2 tasks, ba")


@pytest.mark.slow
def test_what_cannot_be_run_is_not_decided(house: House, store: Store) -> None:
    """Neither promoted nor refused: an error that names the task, and nothing is remembered."""
    path = Path(house.domain.gate.tasks)
    write_tasks(path, [*asked(), task("double", task_id="lost", requirements=["driftune-there-is-no-such-thing"])])
    with pytest.raises(SandboxError, match="could not be run, as for the task lost"):
        promote([house], store, store.versions("own")[0])
    assert STABLE not in store.channels("own")


@pytest.mark.slow
def test_a_run_ends_in_a_candidate(house: House, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused once, said with exit code 4, and not asked again until the tasks are others; without any it moves."""
    store.promote("own", 1, STABLE)
    published(house, 2)
    assert promotion_of(house) is None
    assert perform(promote_stage, house) == 1
    assert perform(promote_stage, house) == 0
    told = decision(house)
    assert (told["decision"], "2 lost" in told["reason"]) == ("candidate", True)
    assert EXIT_BY_DECISION[told["decision"]] == 4
    assert finish(house) == "candidate" == complete(house)
    said = last_promotion(house.lake, "own", run_id(house))
    assert said is not None and promotion_line(said).startswith(
        "stable doesn't move to v2, which candidate holds (undecided): v2 passes 10 of 12 tasks"
    )
    show_summary(house)
    assert "stable doesn't move to v2" in " ".join(capsys.readouterr().out.split())
    values = [s.value for s in house.lake.read(Score, "split = 'tasks' AND arm = 'v2'")]
    assert (len(values), sum(values)) == (12, 10)

    before = complete_key(house)
    write_tasks(Path(house.domain.gate.tasks), [one for one in asked() if "square" not in one["task_id"]])
    assert complete_key(house) != before
    assert perform(promote_stage, house) == 1
    assert store.channels("own")[STABLE] == 1  # ten tasks that agree are too few for this margin
    house = dataclasses.replace(house, domain=with_table(house.domain, "gate", {}))
    assert perform(promote_stage, house) == 1
    assert store.channels("own")[STABLE] == 2
    assert decision(house)["decision"] == "publish"


def test_what_somebody_moved_away_does_not_come_back_by_itself(house: House, store: Store) -> None:
    """Rolled back by a person, a version stays so, whatever the tasks would say of it."""
    for version in (1, 2):
        store.promote("own", version, STABLE)
    store.rollback("own", STABLE)
    found = promote([house], store, store.versions("own")[1])
    assert found.outcome == "undecided"
    assert "stable held v2 and was moved away: driftune registry promote own@v2 stable" in found.reason
    assert store.channels("own")[STABLE] == 1


def test_who_lost_the_domain_moves_no_channel(house: House, store: Store) -> None:
    """A machine that slept over the tasks: another run may have promoted a newer version by then."""
    place = FolderObjects(house.settings.root / "leases")
    mine, other = (Lease(place, "_locks/own", {"run": run, "place": run}, 60) for run in (house.run, "other"))
    published(house, 1)
    assert mine.take() is None
    mine.end()
    assert other.take() is None
    mine._until = 0.0
    lock._LEASES[house.run] = {"own": mine}
    try:
        with pytest.raises(LockedError, match="Domain own was taken over by another run"):
            perform(promote_stage, house)
    finally:
        del lock._LEASES[house.run]
        other.end()
    assert store.channels("own") == {CANDIDATE: 2}


def test_what_somebody_moved_while_the_tasks_were_asked_stays(house: House, store: Store) -> None:
    """The answer was about what `stable` held before; what both passed is kept."""
    first, _ = store.versions("own")

    def somebody() -> None:
        store.promote("own", 2, STABLE)

    found = promote([house], store, first, somebody)
    assert (found.outcome, len(found.scores)) == ("undecided", 24)
    assert found.reason.startswith("stable gives v2 since the tasks were asked of v1: driftune registry promote own@v1")
    assert store.channels("own")[STABLE] == 2


def test_by_hand_the_tasks_are_asked_too(
    house: House, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused with exit code 4; with a reason it moves, and the log keeps that; candidate moves unasked."""
    monkeypatch.chdir(tmp_path)
    name = str(tmp_path / "own.toml")
    assert promote_adapter(f"{name}@v1", STABLE, None, as_json=False) == 0
    assert promote_adapter(f"{name}@v2", STABLE, None, as_json=False) == 4
    assert "stable stays (undecided): v2 passes 10 of 12 tasks" in capsys.readouterr().out
    assert promote_adapter(f"{name}@v1", CANDIDATE, None, as_json=False) == 0
    with pytest.raises(ConfigurationError, match=r'To move it all the same: --force "WHY"'):
        promote_adapter("own@v2", STABLE, None, as_json=True)  # no domains/own.toml here
    with pytest.raises(ConfigurationError, match="Say why nothing is asked"):
        promote_adapter("own@v2", STABLE, " ", as_json=True)
    assert store.channels("own") == {CANDIDATE: 1, STABLE: 1}
    capsys.readouterr()
    assert promote_adapter("own@v2", STABLE, "square is gone upstream", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {
        "adapter": "own@v2", "channel": STABLE, "outcome": "promoted", "reason": "square is gone upstream",
    }  # fmt: skip
    assert store.history("own", STABLE)[-1].reason == "square is gone upstream"
    show_adapter("own@v2", as_json=False)
    assert f"by {account()}: square is gone upstream" in " ".join(capsys.readouterr().out.split())


def test_a_workload_is_asked_its_own_tasks(
    house: House, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its adapter is found by the file of its domain; its tasks are read before a run, and are part of what is done."""
    (tmp_path / "domains").mkdir()
    own = write_tasks(tmp_path / "fim.jsonl", asked()[:2])
    text = (tmp_path / "own.toml").read_text()
    (tmp_path / "domains" / "own.toml").write_text(f'{text}[workload.fim.gate]\ntasks = "{own}"\n')
    monkeypatch.chdir(tmp_path)
    (first, _) = store.versions("own")
    about = {name: getattr(first, name) for name in ("library_range", "base", "base_revision", "fingerprint")}
    store.publish(store.folder(first), Publication(domain="own-fim", snapshot="s", run="r", **about), channel=CANDIDATE)
    assert promote_adapter("own-fim@v1", STABLE, None, as_json=False) == 4
    assert "v1 passes 2 of 2 tasks, base 2" in capsys.readouterr().out
    with closing(open_house("own")) as mother:
        before = complete_key(mother)
        write_tasks(own, asked()[:3])
        assert complete_key(mother) != before
        own.unlink()
        with pytest.raises(ConfigurationError, match=r"fim.jsonl can't be read: .* Mend \[gate\] tasks"):
            check(mother, ["publish"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "can't be read: No such file or directory. Mend [gate] tasks"),
        ("{}\n", "is no valid task: task_id must be a string or a whole number, and is missing. Mend [gate] tasks"),
        ("\x00\xff", "is no valid task: "),
        ("", "No task in "),
    ],
)
def test_a_bad_file_of_tasks_is_one_line_before_anything_is_done(house: House, text: str | None, told: str) -> None:
    """A run that would end in it isn't begun."""
    path = Path(house.domain.gate.tasks)
    path.unlink() if text is None else path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError) as error:
        check(house, ["publish"])
    assert told in str(error.value) and "\n" not in str(error.value)


def test_other_tasks_under_the_same_path_are_others(house: House) -> None:
    """Prompt, test, solution and environment count; the file's name and order of fields don't."""
    before = tasks_digest(promotion_tasks(house))
    path = Path(house.domain.gate.tasks)
    write_tasks(path, [dict(reversed(one.items())) for one in asked()])
    assert tasks_digest(promotion_tasks(house)) == before
    for change in ({"prompt": "def double(y):\n"}, {"test": "pass"}, {"canonical_solution": ""}, {"python": "3.11"}):
        write_tasks(path, [{**asked()[0], **change}, *asked()[1:]])
        assert tasks_digest(promotion_tasks(house)) != before


def test_the_gate_is_asked_no_other_question(house: House) -> None:
    """Tasks decide about promotion: adding them is no further decision on the held-out set."""
    published(house, 1)
    other = dataclasses.replace(house, domain=with_table(house.domain, "gate", {}))
    assert question(other, 256) == question(house, 256)
    assert evaluate_key(other) == evaluate_key(house)
