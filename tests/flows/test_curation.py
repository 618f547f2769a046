"""The stage `curate`: what a domain's `[curation]` says reaches it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flows.curation import benchmark_tasks, curate_key
from flows.house import House
from flows.scraping import compare_key, scrape_key
from flows.synthesis import derive_key
from registry.domain import Domain
from registry.errors import ConfigurationError
from registry.records import Change, Release
from registry.settings import Settings


def house(*benchmarks: str) -> House:
    """The house of a domain that lists these benchmarks."""
    domain = Domain.model_validate(
        {"name": "d", "library": {"name": "lib", "versions": ["1", "2"]}, "curation": {"benchmarks": benchmarks}}
    )
    return House(domain=domain, settings=Settings())


def test_benchmarks_are_read_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks of all files that a domain lists are known, in order."""
    monkeypatch.chdir(tmp_path)
    Path("a.jsonl").write_text('{"task_id": "A/1", "prompt": "Do it."}\n')
    (tmp_path / "b.py").write_text("x = 1\n")
    found = benchmark_tasks(house("a.jsonl", str(tmp_path / "b.py")))
    assert [task.name for task in found] == ["A/1 of a.jsonl", "b.py"]


@pytest.mark.parametrize(
    ("text", "why"), [(None, "No such file"), (b"{}\nno", "line 2 is no JSON"), (b"\xff\xfe", "can't decode")]
)
def test_a_benchmark_that_cannot_be_read_is_named(tmp_path: Path, text: bytes | None, why: str) -> None:
    """A file that isn't there, holds no JSON or is no text is an error that names it and what to mend."""
    path = tmp_path / "tasks.jsonl"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(ConfigurationError, match=why) as refused:
        benchmark_tasks(house(str(path)))
    assert str(path) in str(refused.value)
    assert "[curation] benchmarks" in str(refused.value)


def test_another_replacement_is_another_curation(tmp_path: Path) -> None:
    """A Change that comes, or gets another replacement, makes another key: families, and so splits, hang on it."""
    made = House(domain=house().domain, settings=Settings(home=tmp_path))
    old, new = (Release(library="lib", version=v, artifact_sha256=v) for v in made.library.versions)
    for release in (old, new):
        key = scrape_key(made, made.library.source[0], release.version)
        made.finish("scrape", "scrape", [key], [release], 0.0, {"release": release.id})
    keys = [curate_key(made, [], {}, [])]
    gone = Change(old=old.id, new=new.id, symbol="lib.f", kind="removed")
    made.finish("scrape", "changes", [compare_key(made)], [gone], 0.0)
    keys.append(curate_key(made, [], {}, []))
    for replacement in ("lib.g", "lib.h"):
        made.finish("synth", "drift", [derive_key(made)], [replace(gone, replacement=replacement)], 0.0)
        keys.append(curate_key(made, [], {}, []))
    assert len(set(keys)) == 4
