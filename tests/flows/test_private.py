"""What a library keeps to itself is in no row that is mined, whoever mines it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from flows.house import House
from flows.scraping import source_keys
from flows.synthesis import mine_stage, mined
from registry.domain import Domain
from registry.records import Example, Program, Release
from registry.settings import Settings
from synth import generators
from synth.generators import Material


class Extra:
    """A generator of another distribution, that knows nothing of private modules."""

    name, version = "extra", "1"

    def generate(self, material: Material) -> Iterator[Program | Example]:
        """A task for each module, and a text that names the private one."""
        row = {"domain": material.domain, "releases": (material.release.id,), "file": "a.py", "generator": "extra"}
        for module in ("lib.core", "lib.api"):
            answer = Program(code=f"import {module}\n\nx = 1\n", test="assert x == 1\n")
            yield answer
            parts = {"programs": {"answer": answer.id}, "prompt": "Set x."}
            yield Example(**row, kind="doc", parts=parts, root=module, generator_version="1")
        yield Example(**row, kind="text", parts={"text": "import lib.core\n"}, root="text", generator_version="1")


def test_no_installed_generator_gives_tasks_that_name_what_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks with a private module's name aren't written; texts, which show the library as it is, are."""
    extra = EntryPoint("extra", f"{__name__}:Extra", generators.GROUP)
    monkeypatch.setattr(generators, "entry_points", lambda group: [extra])
    library = {"name": "lib", "versions": ["1", "2"], "private": ["lib.core"]}
    house = House(
        Domain.model_validate({"name": "d", "library": library, "sandbox": {"workers": 1}}), Settings(home=tmp_path)
    )
    for version in ("1", "2"):
        release = Release(library="lib", version=version, artifact_sha256=version * 64, licence="MIT")
        house.finish("scrape", "pypi", source_keys(house, release), [release], 0.0, {"release": release.id})
    for batch in mine_stage(house):
        batch.run()
    assert {row.root for row in mined(house)} == {"lib.api", "text"}
