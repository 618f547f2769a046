"""The stage `write`: what an LLM was asked, what became of it, what it cost, and going on where it was left."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flows import running
from flows.authored import left
from flows.authoring import write_stage
from flows.batches import perform
from flows.candidates import candidates, is_made
from flows.curation import curate_stage
from flows.events import Event, listening
from flows.forgetting import forget_source
from flows.house import House
from flows.preflight import check
from flows.show import show_record
from flows.spending import spending_lines, told_plan, told_spending
from registry.domain_files import load_domain
from registry.errors import ConfigurationError
from registry.settings import Settings
from synth.journal import Journal
from synth.written import writers
from tests.flows.runs import all_that_is_kept
from tests.flows.said import PLAIN, SUBJECTS, URL, Endpoint, endpoint, house, nowhere, scraped


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "BUILT_IN", PLAIN)
    monkeypatch.setattr(running, "environment", nowhere)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing is written yet."""
    folder = tmp_path_factory.mktemp("first")
    scraped(folder)
    return folder


@pytest.fixture
def home(first: Path, tmp_path: Path) -> Path:
    shutil.copytree(first, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def undisturbed(first: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What a run comes to that nothing happens to: its rows' fingerprint, its dialogues."""
    folder = tmp_path_factory.mktemp("undisturbed") / "home"
    shutil.copytree(first, folder)
    with endpoint() as server, pytest.MonkeyPatch.context() as patched:
        patched.setattr(writers, "BUILT_IN", PLAIN)
        patched.setattr(running, "environment", nowhere)
        return came_to(write(folder, server.url))


@pytest.fixture
def server() -> Iterator[Endpoint]:
    with endpoint() as made:
        yield made


def rows(made: House, sql: str) -> list[dict[str, Any]]:
    return list(made.lake.query(sql).to_pylist())


SPENT = "SELECT sum(tokens)::INT AS tokens, sum(calls)::INT AS calls FROM spend"
ENDS = "SELECT outcome, sum(dialogues)::INT AS n FROM written GROUP BY ALL ORDER BY ALL"
EACH = "SELECT writer, subject, outcome, detail, rows, calls, tokens FROM dialogues"


def came_to(made: House) -> list[Any]:
    """What must be the same, whatever happened on the way."""
    return [made.lake.fingerprint(["examples"]), rows(made, EACH)]


def write(home: Path, url: str, **llm: Any) -> House:
    """Does what is left of the stage, as another run."""
    made = house(home, url, **llm)
    perform(write_stage, made)
    return made


def test_what_was_asked_is_spent_once_and_its_rows_are_worked_on(home: Path, server: Endpoint) -> None:
    """Rows become candidates, spend is the endpoint's own count to the token; what was written isn't written again."""
    assert not is_made(house(home, server.url))
    with pytest.raises(ConfigurationError, match="m wasn't asked yet, as versions and settings are now"):
        curate_stage(house(home, server.url))
    few = write(home, server.url, writers={"plain": 4})
    assert rows(few, ENDS) == [{"outcome": "written", "n": 4}]
    made = write(home, server.url)
    assert is_made(made)
    assert {row.root for row in candidates(made).values()} == {"r", *(f"lib.f{n}" for n in range(SUBJECTS))}
    assert rows(made, SPENT) == [{"tokens": server.tokens, "calls": 2 * SUBJECTS}]
    assert rows(made, ENDS) == [{"outcome": "written", "n": SUBJECTS}]
    assert left(made) == write_stage(house(home, server.url)) == []
    assert len(server.charged) == 2 * SUBJECTS


def test_without_a_model_nothing_is_asked_or_kept(home: Path, server: Endpoint) -> None:
    """A domain that names no model has no dialogues, and rows of one that it named before aren't worked on."""
    assert write_stage(house(home)) == []
    write(home, server.url)
    assert write_stage(house(home)) == []
    assert [row.root for row in candidates(house(home)).values()] == ["r"]


def test_what_the_budget_left_is_gone_on_with(home: Path, server: Endpoint) -> None:
    """Dialogues that ran out of budget are counted, told and left; with more they go on, and ask nothing twice."""
    heard: list[Event] = []
    with listening(heard.append):
        poor = write(home, server.url, domain_tokens=500)
    assert [(event.kind, event.facts["left"]) for event in heard] == [("driftune.budget.reached", len(left(poor)))]
    ends = {row["outcome"]: row["n"] for row in rows(poor, ENDS)}
    assert set(ends) == {"budget", "written"} and ends["budget"] == len(left(poor))
    assert server.tokens <= 500
    rich = write(home, server.url)
    assert rows(rich, ENDS) == [{"outcome": "written", "n": SUBJECTS}] and left(rich) == []
    assert len(server.charged) == len(set(server.charged)) == 2 * SUBJECTS
    assert rows(rich, SPENT)[0]["tokens"] == server.tokens


@pytest.mark.slow
def test_terms_that_changed_ask_nothing_again(home: Path, server: Endpoint) -> None:
    """Where it is said later that a model's answers may be trained on, rows say so, and nobody is asked again."""
    assert not any(row.written["trainable"] for row in candidates(write(home, server.url)).values() if row.written)
    told = [
        row.written["trainable"] for row in candidates(write(home, server.url, trainable=True)).values() if row.written
    ]
    assert told == [True] * SUBJECTS
    assert len(server.charged) == 2 * SUBJECTS
    back = house(home, server.url)
    assert [batch.size for batch in write_stage(back)] == [1], "the earlier choice is the domain's again"
    perform(write_stage, back)
    assert write_stage(house(home, server.url)) == []


def test_a_writer_that_raises_costs_its_own_dialogue(home: Path, server: Endpoint) -> None:
    """An answer that a writer can't take ends that dialogue, with what it raised; the others go on."""
    server.unlucky = "lib.f3"
    made = write(home, server.url)
    assert rows(made, ENDS) == [{"outcome": "broken", "n": 1}, {"outcome": "written", "n": SUBJECTS - 1}]
    [broken] = rows(made, "SELECT subject, detail, len(calls) AS calls FROM dialogues WHERE outcome = 'broken'")
    assert broken == {"subject": "lib.f3", "detail": "KeyError: 'unlucky'", "calls": 2}


def test_people_are_told_what_it_costs_and_what_is_left(home: Path, server: Endpoint) -> None:
    """The plan says how many dialogues are left and what they take, the spending what was used of each budget."""
    priced = {"price_in": 1.0, "price_out": 2.0, "domain_money": 5.0}
    assert told_plan(house(home), listed=True) == "" and told_spending(house(home)) == {}
    first = told_plan(house(home, server.url, run_tokens=1000, **priced), listed=True)
    assert first == (
        "Dialogues with m, at most: 50 plain; nothing is known yet of what plain take; at worst 1,000 tokens, 0.002 of"
        " money, as the budgets are"
    )
    poor = write(home, server.url, domain_tokens=500, **priced)
    over = len(left(poor))
    assert f"Dialogues with m: {over} plain; about " in told_plan(poor, listed=True)
    lines = list(spending_lines(told_spending(poor)))
    assert lines[0].startswith(f"Asked {len(server.charged)} times in all, {server.tokens} tokens, ")
    assert f"Budget of the domain d: {server.tokens} tokens of 500, 0.000" in "\n".join(lines)
    assert lines[-2] == f"{over} dialogues are left to the next run: see the view dialogues"
    assert re.match(f"{over} of these ended as budget: The budget domain:d has [0-9]+ of 500 tokens left", lines[-1])


@pytest.mark.slow
def test_a_rows_calls_are_shown_with_it(
    home: Path, server: Endpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`driftune show` of a row that an LLM wrote names what it was asked, by purpose and model."""
    [one, *_] = [row for row in candidates(write(home, server.url)).values() if row.written]
    monkeypatch.setenv("DRIFTUNE_HOME", str(home))
    show_record(one.id, as_json=True)
    lineage = json.loads(capsys.readouterr().out)["lineage"]
    said = sorted(each["is"] for each in lineage if each["table"] == "calls")
    assert said == ["plain/first@1 · m · d · ok", "plain/then@1 · m · d · ok"]


@pytest.mark.slow
def test_what_was_answered_about_a_forgotten_source_is_forgotten(
    home: Path, server: Endpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a page go the rows of it and the answers they came from, in lake and journal; others and the spend stay."""
    made = write(home, server.url)
    rows_of = {row.root: row for row in candidates(made).values() if row.written}
    gone, kept = rows_of["lib.f1"].parts["text"], rows_of["lib.f2"].parts["text"]
    before = rows(made, SPENT)
    monkeypatch.setenv("DRIFTUNE_HOME", str(home))
    forget_source(URL, dry=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["rows"] == {"pages": 1, "examples": 6, "calls": 12}
    there = all_that_is_kept(home)
    assert gone not in there and kept in there
    assert rows(house(home), SPENT) == before
    assert rows(house(home), "SELECT count(*) AS n FROM calls WHERE text = ''") == [{"n": 12}]
    with Journal(home / "llm.sqlite") as journal:
        assert journal.calls("d") == []


@pytest.mark.slow
@pytest.mark.parametrize("after", [3, 17])
def test_killed_it_comes_to_the_same(home: Path, undisturbed: list[Any], after: int) -> None:
    """Killed while it asks and started again: the same rows and dialogues; what was answered is never asked again."""
    with endpoint(delay=0.1) as server:
        process = subprocess.Popen([sys.executable, "-m", "tests.flows.said", str(home), server.url])
        while len(server.charged) < after:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
        server.delay = 0
        found = write(home, server.url)
        asked = [message for message, _ in server.charged]
    assert came_to(found) == undisturbed
    lost = rows(found, "SELECT request FROM calls WHERE outcome = 'lost'")
    assert len(asked) - len(set(asked)) <= len(lost) <= 4
    assert rows(found, "SELECT count(*) AS n, count(DISTINCT id) AS ids FROM calls WHERE outcome = 'ok'") == [
        {"n": 2 * SUBJECTS, "ids": 2 * SUBJECTS}
    ]
    assert rows(found, SPENT)[0]["tokens"] >= server.tokens, "what was lost is charged at its worst"


@pytest.mark.parametrize(
    ("llm", "why"),
    [
        ({"model": "gpt-9", "forbidden": ["gpt-*"]}, "model 'gpt-9' is forbidden by 'gpt-*'"),
        ({"model": "m", "run_money": 2.0}, "run_money limits money, but price_in or price_out is 0"),
        (
            {"model": "m", "writers": {"tsk": 3}, "base_url": "http://127.0.0.1:1/v1"},
            "No writer 'tsk': there are plain",
        ),
        ({"model": "m"}, "No address of an LLM: set [llm] base_url"),
        ({"model": "m", "base_url": "https://llm.invalid/v1", "key": "env:NO_SUCH_KEY"}, "NO_SUCH_KEY"),
        ({"modle": "m"}, "Unknown key 'llm.modle': did you mean 'model'?"),
    ],
)
def test_what_is_wrong_with_the_llm_is_one_line(
    llm: dict[str, Any], why: str, tmp_path: Path, monkeypatch: Any
) -> None:
    """A run with an LLM that may not be used, or can't be asked, ends before it begins, with the line that says why."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    path = tmp_path / "lib.toml"
    told = "".join(f"{key} = {_toml(value)}\n" for key, value in llm.items())
    path.write_text(f'[[library]]\nname = "lib"\nversions = ["1", "2"]\n[llm]\n{told}')
    with pytest.raises(ConfigurationError) as raised:
        check(House(load_domain(str(path), {}), Settings(home=tmp_path)), ["synth"])
    assert why in str(raised.value) and "\n" not in str(raised.value)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value)
