"""Going on from the current adapter: which one that is, what is trained on, and that nothing is trained on twice."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from finetune import bases
from flows import continuing, rehearsal
from flows.batches import perform
from flows.curation import snapshot_id
from flows.experiments import trained_with
from flows.house import House, open_house
from flows.making import base_model
from flows.preflight import check
from flows.publication import last_same
from flows.rehearsal import rehearsed, unseen
from flows.scraping import compare_key, releases
from flows.stages import STAGES
from flows.training import rows_of, train_key, train_stage, trained, tuned_adapter
from registry.errors import ConfigurationError
from registry.records import Adapter, Annotation, Change, Example, Forgotten, Program, Run, Snapshot, Verdict, Work
from registry.settings import Settings
from registry.store import CARD, Store, content_hash
from tests.finetune.lib_drift import site
from tests.flows.continued import DOMAIN, come_to, curate, publish, scrape, with_train

FIRST = [row for number, family in enumerate(("lib.a", "lib.b", "lib.c")) for row in site(number, family)]
SECOND = [row for number, family in enumerate(("lib.d", "lib.e"), start=10) for row in site(number, family)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a domain whose first adapter is published."""
    folder = tmp_path_factory.mktemp("continuing")
    (folder / "lib.toml").write_text(DOMAIN)
    with pytest.MonkeyPatch.context() as patch, closing(_open(folder, patch)) as house:
        scrape(house)
        curate(house, train=FIRST)
        assert train_key(house) == train_key(with_train(house, start="fresh")), "nothing is there to go on from"
        publish(house)
    return folder


def _open(folder: Path, patch: pytest.MonkeyPatch) -> House:
    patch.setitem(bases.BASES, "small", "tests.flows.continued:SmallBase")
    return open_house(str(folder / "lib.toml"), settings=Settings(home=folder / "home"))


@pytest.fixture
def house(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """That domain."""
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    with closing(_open(tmp_path, monkeypatch)) as opened:
        yield opened


@pytest.fixture
def later(house: House) -> tuple[House, Adapter]:
    """That domain a version later, scraped and curated, and what was published before."""
    second = come_to(house, "2", "3")
    curate(second, train=[*FIRST[:3], *SECOND], context=site(20, "lib.d", file="other.py"), symbol=site(3, "lib.b"))
    return second, Store(house.settings.registry_url).resolve("lib@stable")


@pytest.mark.slow
def test_a_version_goes_on_from_the_one_before(later: tuple[House, Adapter]) -> None:
    """It keeps the base, sees what is new, names what it goes on from, and carries that one's licence files."""
    house, first = later
    assert continuing.current(house) == first
    assert base_model(house).fingerprint == first.fingerprint
    assert base_model(with_train(house, start="fresh")).fingerprint != first.fingerprint
    perform(train_stage, house)
    run = trained(house)
    assert (run.recipe["start"], run.recipe["from"]) == ("warm", first.id)
    second = publish(house)
    assert (second.version, second.started_from, second.fingerprint) == (2, first.id, first.fingerprint)
    folder = Store(house.settings.registry_url).folder(second)
    assert first.id in (folder / CARD).read_text()
    assert {path.name for path in folder.glob("notices-*")} == {f"notices-lib-{n}-LICENSE" for n in (1, 2, 3)}
    third = come_to(house, "3", "4")
    curate(third, train=site(30, "lib.f"))
    assert continuing.current(third) == second
    assert base_model(third).fingerprint == first.fingerprint, "the base that the first adapter was made for"
    assert [a.version for a in continuing.line(third, [second.id])] == [2, 1]


@pytest.mark.slow
def test_unchanged_data_is_not_trained_on_again(house: House) -> None:
    """Neither when its own adapter is published, nor after another start is set, nor when `stable` goes back."""
    first = Store(house.settings.registry_url).resolve("lib@stable")
    assert train_stage(house) == []
    assert train_stage(with_train(house, start="both")) == []
    second = come_to(house, "2", "3")
    curate(second, train=SECOND)
    assert len(train_stage(second)) == 1
    assert publish(second).version == 2
    assert train_stage(second) == []
    Store(house.settings.registry_url).promote("lib", first.version, "stable")
    assert train_stage(dataclasses.replace(second, _kept={})) == []


@pytest.mark.slow
def test_where_nothing_is_new_the_adapter_stays_as_it_is(later: tuple[House, Adapter]) -> None:
    """A snapshot of rows that it was trained on, at whichever releases, takes no step."""
    house, first = later
    curate(house, train=FIRST[:6])
    perform(train_stage, house)
    assert (trained(house).steps, trained(house).recipe["start"]) == (0, "warm")
    weights = Store(house.settings.registry_url).folder(first)
    assert trained(house).adapter_sha256 == content_hash(weights) == content_hash(tuned_adapter(house)[1])


def test_an_adapter_knows_the_kinds_that_its_recipe_names(house: House) -> None:
    """Of calls alone it knows no doc row of its snapshot: for a training that goes on from it these are new."""
    store = Store(house.settings.registry_url)
    first = store.resolve("lib@stable")
    doc = dataclasses.replace(FIRST[0], kind="doc", family=None, root="doc", parts={"task": "Show it"})
    curate(house, train=[*FIRST, doc])
    (run,) = house.lake.read(Run, "id = $id", {"id": first.run})
    now = snapshot_id(house)
    for sft, kinds in (({}, {"preference"}), ({"mix": {"doc": "0.1"}}, {"preference", "doc"})):
        told = dataclasses.replace(run, snapshot=now, recipe={"recipe": ["sft"], "sft": sft})
        house.append([told])
        of_it = dataclasses.replace(first, snapshot=now, run=told.id)
        assert {row.kind for row in continuing.trained_on(house, [of_it])} == kinds
    unknown = dataclasses.replace(first, snapshot=now, run="of another lake")
    assert {row.kind for row in continuing.trained_on(house, [unknown])} == {"preference", "doc"}


@pytest.mark.slow
def test_equal_weights_are_published_once(house: House) -> None:
    """Another snapshot with the same training rows has the adapter that there is: no second version, which is said."""
    house = with_train(house, start="fresh")
    curate(house, train=FIRST, context=site(20, "lib.d", file="other.py"))
    assert publish(house).version == 1
    assert [a.version for a in Store(house.settings.registry_url).versions("lib")] == [1]
    (work,) = house.lake.read(Work, "stage = 'publish' AND domain = 'lib'", latest=1)
    assert (work.result["same_as"], work.result["run"]) == (1, trained(house).id)
    assert last_same(house.lake, "lib", trained(house).id) == 1
    assert last_same(house.lake, "lib", "another run") == 0
    assert STAGES["publish"](house) == []


@pytest.mark.parametrize("split", ["symbol", "dev", "context"])
def test_a_family_that_earlier_rows_of_any_kind_named_is_not_unseen(
    house: House, monkeypatch: pytest.MonkeyPatch, split: str
) -> None:
    """A doc or test row of a function trained on it before it changed: its sites, and tasks about it, say nothing new.

    Of `context` only sites count that weren't trained on, whatever names their family.
    """
    first = Store(house.settings.registry_url).resolve("lib@stable")
    programs = {n: Program(code=f"import lib\nx = lib.{n}(1)\n", test="") for n in ("learned", "fresh_one")}
    house.append(programs.values())
    rows = {
        n: [
            *site(number, f"lib.{n}", file=f"{n}.py"),
            dataclasses.replace(FIRST[0], kind="test", family=None, root=n, parts={"programs": {"answer": p.id}}),
        ]
        for number, (n, p) in enumerate(programs.items(), 40)
    }
    earlier = dataclasses.replace(
        rows["learned"][-1], root="earlier", parts={"programs": {"stub": programs["learned"].id}}
    )
    second = come_to(house, "2", "3")
    old, new = releases(second)
    changed = [Change(old=old.id, new=new.id, symbol=f"lib.{n}", kind="signature") for n in programs]
    second.finish("compare", "changes@1", [compare_key(second)], changed, 0.0)
    monkeypatch.setattr(rehearsal, "trained_on", lambda *_: [*FIRST, earlier])
    found = unseen(second, [first.id], split, [row for ones in rows.values() for row in ones])
    assert found == ([*rows["learned"], *rows["fresh_one"]] if split == "context" else rows["fresh_one"])


def test_nothing_held_out_is_rehearsed(later: tuple[House, Adapter]) -> None:
    """Not a family of `symbol`, a file of `context` or a root of either; what was seen of them isn't asked."""
    house, first = later
    known = continuing.trained_on(house, continuing.line(house, [first.id]))
    assert {row.family for row in known} == {"lib.a", "lib.b", "lib.c"}
    assert {row.family for row in rehearsed(house, known, snapshot_id(house))} == {"lib.a", "lib.c"}
    held_out = rows_of(house, "symbol")
    assert {row.family for row in held_out} == {"lib.b"}
    assert unseen(house, [first.id], "symbol", held_out) == []
    assert unseen(house, [], "symbol", held_out) == held_out
    context = rows_of(house, "context")
    assert unseen(house, [first.id], "context", context) == context
    curate(
        house,
        train=SECOND,
        context=site(20, "lib.a"),
        dev=[dataclasses.replace(r, root="lib.c:2") for r in site(50, "lib.h")],
    )
    assert {row.family for row in rehearsed(house, known, snapshot_id(house))} == {"lib.b"}


def test_nothing_that_is_forbidden_or_rejected_now_is_rehearsed(later: tuple[House, Adapter]) -> None:
    """A licence that is off the list, and what a person rejected since: that makes it another training, too."""
    house, first = later
    known = continuing.trained_on(house, continuing.line(house, [first.id]))
    strict = dataclasses.replace(house, domain=house.domain.model_copy(update={"licences": ("PSF-2.0",)}))
    assert rehearsed(strict, known, snapshot_id(house)) == []
    before = train_key(house)
    wrong = next(row for row in known if row.family == "lib.a")
    house.append([Annotation(example=wrong.id, domain="lib", verdict="rejected", why="wrong")])
    assert wrong.id not in {row.id for row in rehearsed(house, known, snapshot_id(house))}
    assert train_key(house) != before


def test_what_had_to_be_forgotten_is_not_gone_on_from(later: tuple[House, Adapter]) -> None:
    """An adapter that was trained on it is no start; nor are settings of another base, or shuffled rows."""
    house, first = later
    settings = house.domain.train.base_settings
    for other in ({"base_settings": {**settings, "layers": 1}}, {"start": "fresh"}, {"shuffle": True}):
        assert continuing.current(with_train(house, **other)) is None
    house.append([Forgotten(what="MIT", adapters=(first.id,))])
    assert continuing.current(house) is None


def test_an_adapter_keeps_its_shape(later: tuple[House, Adapter]) -> None:
    """Another rank than that of the adapter is told in one line before anything is done."""
    house, _ = later
    other = with_train(house, lora={"rank": 4})
    said = r'lora\] rank is 4, but lib@v1, .*made with 2: set it to that, or set \[train\] start = "fresh"'
    with pytest.raises(ConfigurationError, match=said):
        check(other, ["train"])
    with pytest.raises(ConfigurationError, match=said):
        perform(train_stage, other)


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_bytes(later: tuple[House, Adapter]) -> None:
    """A training that goes on from an adapter, stopped after a step, ends as an undisturbed one does."""
    house, _ = later
    house = with_train(house, sft={"batch": 2, "steps": 8, "replay": 0, "save_every": 2})
    perform(train_stage, house)
    undisturbed = trained(house).adapter_sha256
    again = with_train(house, price=1.0, seed=0)
    for path in sorted(house.folder("training").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    def stop(_title: str, done: int, _total: int, _note: str = "", /) -> None:
        if done == 3:
            raise KeyboardInterrupt

    again.tell = stop
    with pytest.raises(KeyboardInterrupt):
        tuned_adapter(again)
    again.tell = lambda *_: None
    assert content_hash(tuned_adapter(again)[1]) == undisturbed


@pytest.mark.slow
def test_dev_takes_one_of_two_starts(later: tuple[House, Adapter]) -> None:
    """Both are trained on one base and scored on `dev` alone; the one that isn't taken is a trial with a report."""
    house, first = later
    curate(house, train=SECOND, dev=site(40, "lib.g"), context=site(41, "lib.d", file="x.py"))
    house = with_train(house, start="both")
    perform(train_stage, house)
    run = trained(house)
    runs = {r.id: r for r in house.made(Run, train_key(house))}
    [other] = [r for r in runs.values() if r.id != run.id]
    assert {run.recipe["start"], other.recipe["start"]} == {"fresh", "warm"}
    assert (run.experiment, other.experiment) == (False, True)
    assert run.base_revision == other.base_revision == first.fingerprint
    assert set(run.recipe["dev"]) == {"fresh", "warm"}
    assert run.recipe["metric"] == "choice@1"
    assert run.adapter_sha256 != other.adapter_sha256
    assert content_hash(tuned_adapter(house)[1]) == run.adapter_sha256
    assert train_stage(house) == []


def test_the_plan_says_what_it_goes_on_from(later: tuple[House, Adapter]) -> None:
    """The training's line names the adapter; without one it says why it is afresh."""
    house, _ = later
    assert continuing.told_start(house, continuing.current(house)) == "on from lib v1"
    assert train_stage(house)[0].title == "Train an adapter on small, on from lib v1"
    both = with_train(house, start="both")
    assert train_stage(both)[0].title.endswith("afresh and on from lib v1, of which dev takes one")
    assert continuing.told_start(house, None).startswith("afresh: stable")
    assert train_stage(with_train(house, start="fresh"))[0].title == "Train an adapter on small"


def test_unchanged_data_makes_no_other_training(house: House) -> None:
    """With its adapter published a snapshot's training is the same one whatever start is set; a new one's isn't."""
    assert train_stage(house) == []
    assert {train_key(with_train(house, start=start)) for start in ("fresh", "warm", "both")} == {train_key(house)}
    first = train_key(house)
    second = come_to(house, "2", "3")
    curate(second, train=SECOND)
    keys = {train_key(with_train(second, start=start)) for start in ("fresh", "warm", "both")}
    assert len({*keys, first, train_key(with_train(second, rehearsal=0.5))}) == 5


@pytest.mark.slow
def test_another_base_is_trained_on_the_same_snapshot(later: tuple[House, Adapter]) -> None:
    """Only the training is to be done, afresh: no row is made and nothing is run."""
    house, first = later
    before = [len(house.lake.read(record)) for record in (Example, Verdict, Snapshot)]
    [trial] = trained_with(house.domain.train.model_dump(), [0], ["base_settings.layers=1"])
    other = with_train(house, **trial)
    perform(train_stage, other)
    run = trained(other)
    assert run.snapshot == snapshot_id(house)
    assert run.base_revision != first.fingerprint
    assert "from" not in run.recipe
    assert [len(house.lake.read(record)) for record in (Example, Verdict, Snapshot)] == before


def test_a_workload_goes_on_from_its_own_adapter(house: House) -> None:
    """Whoever is asked first: each under its own key, so that what is trained is found done, and can be evaluated."""
    path = Path(house.reference)
    path.write_text(path.read_text() + "\n[workload.w.train.sft]\nsteps = 3\n")
    names = ["lib", "lib-w"]

    def opened() -> tuple[House, ...]:
        return open_house(house.reference, settings=house.settings).adapters

    for each in opened():
        publish(each)
    curate(house, train=[*FIRST, *SECOND])
    first, last = opened(), opened()
    keys = [train_key(each) for each in first]
    assert keys == [train_key(each) for each in reversed(last)][::-1]
    assert len(set(keys)) == 2
    for asked in (first, last):
        started = [continuing.current(each) for each in asked]
        assert [found.domain for found in started if found] == names
    assert perform(STAGES["train"], opened()[0]) == 2
    own = opened()
    assert [trained(each).recipe.get("from") for each in own] == [found.id for found in started if found]
    assert perform(STAGES["train"], own[0]) == 0
