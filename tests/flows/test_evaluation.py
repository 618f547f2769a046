"""Decisions on one held-out set are counted; what is held out doesn't stand in the docs of the arms that have some."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finetune import retrieval
from flows.decisions import DECIDES, decisions_before
from flows.docs import library_docs
from flows.evaluation import question
from flows.house import House, open_house
from flows.scraping import scrape_key
from registry.domain_files import with_table
from registry.lake import Lake
from registry.records import Example, Page, Program, Release, Run, Score, SnapshotRow, Symbol, Work
from registry.settings import Settings
from validators.splits import plan

FAMILIES = {"a", "b", "c", "d"}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An empty lake."""
    made = Lake(str(tmp_path / "lake"), tmp_path)
    made.create()
    return made


def decide(
    lake: Lake,
    seed: int,
    *,
    question: str = "q",
    families: set[str] = FAMILIES,
    site: str = "",
    version: str = "2",
    snapshot: str = "s",
    **run: Any,
) -> str:
    """Writes down a decision on the adapter of a run; the run's id. Without a question it is as it was once written."""
    given: dict[str, Any] = {"recipe": {}, "domain": "lib", "adapter_sha256": f"adapter {seed}", **run}
    of = Run(snapshot=snapshot, base="b", base_revision="r", seed=seed, **given)
    scores = [
        Score(run=of.id, arm="base", split=split, metric="choice@1", item=family + site, family=family, value=0.0)
        for family, split in zip(sorted(families), ("context", "symbol") * len(families), strict=False)
    ]
    asked = {"run": of.id, "adapter": of.adapter_sha256, "question": question, "version": version}
    done = {"domain": of.domain, "outputs": 1}
    trained = Work(key=f"{of.id} {of.adapter_sha256}", stage="train", part="recipe@3", result={"run": of.id}, **done)
    lake.append([of, trained])
    key = f"{of.id} {of.adapter_sha256} {question} {version}"
    lake.append([*scores, Work(key=key, stage="evaluate", part="gate@6", result=asked if question else {}, **done)])
    return of.id


def counted(
    lake: Lake,
    *,
    adapter: str = "adapter 0",
    question: str = "q",
    families: set[str] = FAMILIES,
    version: str = "2",
    snapshot: str = "s",
) -> int:
    """Decisions before that on an adapter."""
    return decisions_before(lake, adapter, question, families, version, snapshot)


def test_other_adapters_count_trials_too(lake: Lake) -> None:
    """Each other adapter that was decided on makes the next decision harder."""
    assert counted(lake) == 0
    for seed in (1, 2):
        decide(lake, seed, experiment=seed == 2)
    assert counted(lake) == 2


def test_a_decision_made_anew_keeps_its_place(lake: Lake) -> None:
    """Trials that came after an adapter's first decision don't count against it when it is asked about again."""
    for seed in (1, 0, 2, 3):
        decide(lake, seed, question="" if seed < 2 else "q")
    assert [counted(lake, adapter=f"adapter {seed}") for seed in (1, 0, 2, 3, 4)] == [0, 1, 2, 3, 4]


def test_the_same_adapter_counts_once(lake: Lake) -> None:
    """A trial that is adopted, and a run that is trained again, leave the same adapter: no other decision."""
    for mark in (True, False):
        decide(lake, 1, adapter_sha256="same", recipe={"experiment": mark})
    assert counted(lake) == 1
    assert counted(lake, adapter="same") == 0


def held_out(lake: Lake, snapshot: str, files: Mapping[str, str], kind: str = "preference") -> None:
    """A snapshot with a row held out of each file, in its split."""
    for file, split in files.items():
        row = Example(
            domain="lib", kind=kind, releases=("1", "2"), parts={"n": file}, file=file, root=file, generator="test",
            generator_version="1",
        )  # fmt: skip
        lake.append([row, SnapshotRow(snapshot=snapshot, example=row.id, split=split)])


def test_the_same_adapter_on_other_held_out_rows_is_another_decision(lake: Lake) -> None:
    """What it was trained on may stay while other call sites are drawn; rows that nothing rests on are no matter."""
    held_out(lake, "s", {"a.py": "context", "b.py": "symbol"})
    held_out(lake, "fim", {"a.py": "context", "b.py": "symbol", "d.py": "dev"})
    held_out(lake, "fim", {"e.py": "context"}, kind="fim")
    held_out(lake, "other", {"a.py": "context", "c.py": "symbol"})
    held_out(lake, "moved", {"a.py": "symbol", "b.py": "context"})
    decide(lake, 0)
    assert {s: counted(lake, snapshot=s) for s in ("s", "fim", "other", "moved")} == {
        "s": 0, "fim": 0, "other": 1, "moved": 1,
    }  # fmt: skip
    decide(lake, 0, snapshot="other")
    assert [counted(lake, snapshot=s) for s in ("fim", "other", "moved")] == [0, 1, 2]
    assert counted(lake, adapter="adapter 1", snapshot="other") == 2


def test_asking_otherwise_counts(lake: Lake) -> None:
    """Another window, margin, metric or split is another question: the same adapter gets no second chance for free."""
    decide(lake, 0, question="window = 256")
    assert counted(lake, question="window = 512") == 1
    decide(lake, 0, question="window = 512")
    assert counted(lake, question="window = 1024") == 2
    assert counted(lake, question="window = 256") == 0


def test_what_else_a_run_left_counts(lake: Lake) -> None:
    """One run, trained with other threads, may leave two adapters: these are two decisions."""
    first, second = (decide(lake, 1, adapter_sha256=name) for name in ("one", "other"))
    assert first == second
    assert counted(lake) == 2


def test_the_next_release_is_a_new_question(lake: Lake) -> None:
    """Most families stay from release to release: what was decided for one doesn't make it harder for the next."""
    decide(lake, 1, version="2")
    decide(lake, 2, version="3")
    assert [counted(lake, version=version) for version in ("2", "3", "4")] == [1, 1, 0]


@pytest.mark.parametrize(
    ("families", "counts"),
    [
        (FAMILIES - {"d"}, 1),  # a person rejected the rows of one
        (FAMILIES | {"e", "f", "g", "h", "i"}, 1),
        ({"a", "b", "x", "y"}, 1),
        ({"a", "x", "y", "z"}, 0),  # a release that changed something else
        ({"x"}, 0),
        (set(), 0),
    ],
)
def test_a_set_that_shares_half_is_the_same(lake: Lake, families: set[str], counts: int) -> None:
    """Families that come or go, other sites, or a copy of the domain under another name don't begin the count anew."""
    decide(lake, 1, domain="copy", site=" of another file")
    assert counted(lake, families=families) == counts


def test_another_salt_begins_no_count_anew(lake: Lake) -> None:
    """Most families of one draw are held out by another too, if with other sites: it is the same set."""
    sites = [
        Example(
            domain="lib", kind="preference", releases=("1", "2"), generator="test", generator_version="1", parts={},
            root=f"{family} {file}", family=f"f{family}", file=f"{file}.py",
        )
        for family in range(60) for file in range(1 + family % 4)
    ]  # fmt: skip
    one, other = ([s for s in sites if plan(salt, sites).of_site(s) in DECIDES] for salt in ("driftune", "another"))
    assert len({s.root for s in one} & {s.root for s in other}) < len(other) / 2
    decide(lake, 1, families={s.family or "" for s in other})
    assert counted(lake, families={s.family or "" for s in one}) == 1


def test_what_was_decided_before_questions_were_written_down_counts(lake: Lake) -> None:
    """Of such a decision only the scores tell: it counts once, by what its run had left then, and not against that."""
    run = decide(lake, 1, question="")
    assert counted(lake) == 1
    assert counted(lake, adapter="adapter 1") == 0
    assert decide(lake, 1, adapter_sha256="trained anew", question="asked now") == run
    assert counted(lake) == 2
    assert counted(lake, adapter="trained anew", question="asked now") == 1


def test_a_decision_without_a_question_stands_for_the_first_one_alone(lake: Lake) -> None:
    """Evaluated anew by an update, an adapter is the same look for all others; asked otherwise then, it is another."""
    decide(lake, 1, question="")
    decide(lake, 2)
    assert counted(lake, adapter="adapter 1", question="first") == 0
    decide(lake, 1, question="first")
    assert counted(lake) == 2
    assert counted(lake, adapter="adapter 1", question="first") == 0
    assert counted(lake, adapter="adapter 1", question="margin = 0.2") == 2
    decide(lake, 1, question="margin = 0.2")
    assert counted(lake, adapter="adapter 1", question="margin = 0.3") == 3


def test_trainings_on_shuffled_rows_do_not_count(lake: Lake) -> None:
    """Other settings that were tried count; a null experiment, which can't be run as the domain's own, doesn't."""
    decide(lake, 1, recipe={"experiment": True})
    decide(lake, 2, recipe={"experiment": True, "shuffle": True})
    assert counted(lake) == 1


CALL = "shortest_tree(G, 'a', weight=None)"
SAID = f"Finds the shortest tree::\n\n    t = lib.{CALL}\n\nIt may be a forest.\n"
TABLE = '[[library]]\nname = "lib"\nversions = ["1", "2"]\n[gate]\npages = true\ndocs = 9\n'


def test_docs_are_of_the_target_version_without_the_calls_that_are_held_out(tmp_path: Path) -> None:
    """Of what was scraped, the new release's docstrings and guides are shown, but for code that held-out rows ask for.

    A row that isn't held out for a family, as it stands in another file, cuts nothing of it.
    """
    (tmp_path / "lib.toml").write_text(TABLE)
    row = Example(
        domain="lib", kind="preference", releases=("1", "2"), generator="test", generator_version="1", root="r",
        file="f", parts={"programs": {}, "prompt": "t = lib.", "chosen": f"{CALL}\n", "rejected": "f()", "suffix": ""},
    )  # fmt: skip
    program = Program(code=f"G = lib.graph()\nx = lib.{CALL}\n", test="")
    other = replace(row, parts={**row.parts, "chosen": "lib.shortest_tree()"}, family="lib.shortest_tree", file="a.py")
    task = replace(other, kind="test", parts={"programs": {"answer": program.id}}, family=None)
    far = replace(task, file="b.py")
    with closing(open_house(str(tmp_path / "lib.toml"), settings=Settings(home=tmp_path / "home"))) as house:
        house.lake.create()
        house.lake.append([program])
        for version, said in (("1", "The old tree."), ("2", SAID)):
            release = Release(library="lib", version=version, artifact_sha256=version, licence="MIT")
            page = Page(release=release.id, url="u", content_hash=version, kind="guide", path="g.md", markdown=said)
            symbol = Symbol(release=release.id, path="lib.shortest_tree", kind="function", signature="(G)", doc=said)
            key = scrape_key(house, house.library.source[0], version)
            house.finish("scrape", "pypi@1", [key], [release, page, symbol], time.monotonic())
        for rows, shown in (([], True), ([row], False), ([task], False), ([far], True)):
            found = library_docs(house, {"context": rows and [other, *rows]}).best("lib shortest tree")
            told = "\n".join("\n".join((document.said, *document.shown)) for document in found)
            assert {document.symbol for document in found} == {"lib.shortest_tree", ""}
            assert "Finds the shortest tree" in told and "old tree" not in told
            assert (CALL in told) == shown


OTHERWISE = {"alpha": 0.01, "docs": 3, "rows": 0, "rows_limit": 1.0}


def asks(house: House, window: int = 256, **gate: Any) -> str:
    """The question of a domain with other settings of its gate."""
    return question(dataclasses.replace(house, domain=with_table(house.domain, "gate", gate)), window)


def test_a_question_is_what_is_asked_however_it_is_spelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings at their defaults, other sources of the same text, or docs laid out otherwise ask nothing else.

    Another margin or doc does, and so do other rows: with none, nothing is asked of them.
    """
    (tmp_path / "lib.toml").write_text(TABLE.partition("[gate]")[0])
    with closing(open_house(str(tmp_path / "lib.toml"), settings=Settings(home=tmp_path / "home"))) as house:
        asked = []
        for part, said in (("1", "A tree."), ("2", "A tree."), ("3", "A forest.")):
            source = house.library.source[0].model_copy(update={"url": f"https://{part}.example"})
            library = house.library.model_copy(update={"source": (source,)})
            other = dataclasses.replace(house, domain=house.domain.model_copy(update={"library": (library,)}))
            for version in ("1", "2"):
                release = Release(library="lib", version=version, artifact_sha256=version, licence="MIT")
                symbol = Symbol(release=release.id, path="lib.tree", kind="function", signature="(G)", doc=said)
                other.finish("scrape", "pypi@1", [scrape_key(other, source, version)], [release, symbol], 0.0)
            asked.append(asks(other))
            assert asks(other, window=256, alpha=0.025, docs=2) == asks(other, written=7) == asked[-1]
            assert len({asked[-1], asks(other, 512), *(asks(other, **{n: v}) for n, v in OTHERWISE.items())}) == 6
            with monkeypatch.context() as patch:
                patch.setattr(retrieval, "_docstring", lambda text, begin: f"{begin}'''{text}'''")
                assert asks(other) == asked[-1]
        assert asked[0] == asked[1] != asked[2]
