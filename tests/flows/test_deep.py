"""Code that is nested too deeply costs its own rows, and ends no stage."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from flows import running
from flows.candidates import candidates
from flows.house import House
from flows.scraping import compare_stage, releases, source_keys
from flows.synthesis import derive_key, derive_stage, mine_key, mine_stage
from registry.domain import Domain
from registry.records import Environment, Example, Page, Program, Release, Verdict
from registry.settings import Settings
from scrapers.symbols import find_symbols
from validators.execution.pool import HARNESS
from validators.parts import programs_of

GOOD = '''def twice(a):
    """Return twice a number.

    >>> from lib.good import twice
    >>> twice(2)
    4
    """
    return 2 * a
'''
TESTED = '''from lib.good import twice


def test_twice():
    """It doubles."""
    assert twice(2) == 4
    assert twice(3) == 6
'''
FORMS = {
    "sum": lambda n: "1" + " + 1" * n,
    "attributes": lambda n: "twice" + ".f" * n,
    "signs": lambda n: "-" * n + "1",
    "lambdas": lambda n: "lambda: " * n + "1",
    "lists": lambda n: "[" * n + "]" * n,
}


def deep(number: int) -> dict[tuple[str, str], str]:
    """(kind, path) -> text of pages, each with one thing nested so deeply."""
    cases = "".join(f"elif x == {n}:\n    y = {n}\n" for n in range(number))
    branches = f"x = 3\nif x == 0:\n    y = 0\n{cases}"
    texts = {("source", f"lib/branches{number}.py"): f"{branches}\n\ndef f(x):\n    return y\n"}
    for name, form in FORMS.items():
        x = form(number)
        doc = f'"""Do.\n\n    >>> from lib.good import twice\n    >>> x = {x}\n    >>> twice(x)\n    {x}\n    """'
        texts["source", f"lib/{name}{number}.py"] = f"Z = {x}\n\n\ndef f(x={x}):\n    return x\n"
        texts["source", f"lib/doc_{name}{number}.py"] = f"def f(x):\n    {doc}\n    return x\n"
        texts["test", f"lib/tests/test_{name}{number}.py"] = TESTED.replace("twice(3)", f"twice({x})")
        texts["guide", f"docs/{name}{number}.md"] = (
            f"# Guide\n\n```python\nfrom lib.good import twice\nx = {x}\ntwice(x)  # 4\n```\n\n>>> twice({x})\n4\n"
        )
    return texts


def scraped(home: Path, texts: dict[tuple[str, str], str]) -> House:
    """A home in which two releases of a library are scraped."""
    domain = {"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}}
    made = House(Domain.model_validate(domain), Settings(home=home))
    for version in ("1", "2"):
        release = Release(library="lib", version=version, artifact_sha256=version * 64, licence="MIT")
        pages = [
            Page(
                release=release.id, url=f"pypi://lib/{version}/{path}", kind=kind, path=path, markdown=text,
                content_hash=hashlib.sha256(text.encode()).hexdigest(), licence="MIT",
            )
            for (kind, path), text in texts.items()
        ]  # fmt: skip
        rows = [release, *pages, *find_symbols(release.id, pages)]
        made.finish("scrape", "pypi", source_keys(made, release), rows, 0.0, {"release": release.id})
    return made


def made_of(house: House) -> tuple[set[str], set[str]]:
    """Programs and texts of the rows that the stages make, deriving included."""
    for stage in (compare_stage, mine_stage, derive_stage):
        for batch in stage(house):
            batch.run()
    rows = candidates(house).values()
    programs = house.programs({p for row in rows for p in programs_of(row).values()})
    texts = {str(row.parts["text"]) for row in rows if row.kind == "text"}
    return {f"{p.code}\n{p.test}" for p in programs.values()}, texts


def test_a_page_nested_deeply_costs_its_own_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is nested 900 or 5,000 deep in some pages, the rows of the others are made as without them."""
    nothing_ran = Environment(python="3.11.7", requirements=(), settings={})
    monkeypatch.setattr(running, "environment", lambda *_: SimpleNamespace(record=nothing_ran))  # there is no such lib
    good = {("source", "lib/__init__.py"): "", ("source", "lib/good.py"): GOOD, ("test", "lib/tests/test_a.py"): TESTED}
    hostile = {key: text for number in (900, 5000) for key, text in deep(number).items()}
    alone, among = made_of(scraped(tmp_path / "a", good)), made_of(scraped(tmp_path / "b", good | hostile))
    assert all(alone)
    for few, many in zip(alone, among, strict=True):
        assert few <= many
    assert not [code for code in among[0] if any(form(900) in code for form in FORMS.values())]


def test_a_program_nested_deeply_costs_what_would_be_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what an installed generator gave, rows are derived as far as it can be visited; the rest ends no stage.

    Nor does a row that names no answer, or a program that nobody wrote.
    """
    house = scraped(tmp_path, {("source", "lib/__init__.py"): "", ("source", "lib/good.py"): GOOD})
    old, new = releases(house)
    ran = {r.id: Environment(python="3.11.7", requirements=(r.version,), settings={}) for r in (old, new)}
    monkeypatch.setattr(running, "environment", lambda _, r: SimpleNamespace(record=ran[r.id]))  # there is no such lib
    texts = {"good": "3", "cut off": "3 +"} | {name: form(900) for name, form in FORMS.items()}
    head = "from lib.good import twice\n\n"
    programs = {
        n: Program(code=f"{head}x = {x}\nresult1 = twice(x)\n", test="assert result1 == 6\n") for n, x in texts.items()
    }
    named = {name: {"answer": program.id} for name, program in programs.items()}
    named |= {"no answer": {"stub": programs["good"].id}, "no program": {"answer": "0" * 64}, "nothing": {}}
    for release in (old, new):
        rows = [
            Example(
                domain="d", kind="test", releases=(release.id,), root=name, file="a.py", symbols=("lib.good.twice",),
                parts={"programs": of_one, "prompt": f"Double {name}."}, generator="installed",
                generator_version="1", licence="MIT",
            )
            for name, of_one in named.items()
        ]  # fmt: skip
        house.finish("synth", "installed@1", [mine_key(house, release)], [*programs.values(), *rows], 0.0)
        verdicts = [
            Verdict(
                program=program.id, environment=ran[release.id].id, harness=HARNESS, policy=running.policy(house),
                outcome="passed", proof="strong", symbols_called=("lib.good.twice",),
            )
            for program in programs.values()
        ]  # fmt: skip
        house.append(verdicts)
    for batch in derive_stage(house):
        batch.run()
    made = house.made(Example, derive_key(house))
    assert made
    assert {row.root for row in made} == {"good"}
