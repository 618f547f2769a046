"""Walls: what choosing one gives, and that real programs come to the same verdicts behind each."""

from __future__ import annotations

import ast
import doctest
from dataclasses import replace
from pathlib import Path

import pytest

from registry.errors import ConfigurationError, SandboxError
from registry.records import Program, Verdict
from validators.execution.docker import Docker
from validators.execution.pool import Pool
from validators.execution.wall import WALLS, Limits, NoWall, choose


def test_walls_are_chosen_by_name() -> None:
    """Each kind has its name; an unknown one is the user's error, with the known ones named."""
    assert [choose(name).name for name in WALLS] == ["bubblewrap", "docker"]
    with pytest.raises(ConfigurationError, match="auto, bubblewrap, docker"):
        choose("brick")


def test_the_first_that_stands_is_taken(engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left to itself, bubblewrap is taken where it stands, else Docker, else nothing runs."""
    assert choose().name == "bubblewrap"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert choose().name == "docker"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    wall = choose()
    assert isinstance(wall, NoWall)
    assert wall.available() is not None
    with pytest.raises(SandboxError, match="No sandbox: bubblewrap is missing"):
        wall.interpreter(None)


def test_an_image_or_runtime_means_docker() -> None:
    """Options that only containers have choose Docker, and are refused by another wall."""
    wall = choose(image="debian", runtime="runsc")
    assert isinstance(wall, Docker)
    assert (wall.image, wall.runtime) == ("debian", "runsc")
    with pytest.raises(ConfigurationError, match="takes no image"):
        choose("bubblewrap", image="debian")


def test_an_engine_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is reached over a network can't see this machine's folders."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2375")
    why = Docker().available()
    assert why is not None
    assert "tcp://127.0.0.1:2375" in why


def test_real_programs_come_to_the_same_verdicts(engine: Path, sandbox_cache: Path) -> None:
    """The examples in more-itertools' own docs: outcome, proof, exception, warnings, values and symbols are the same."""
    found: dict[str, list[Verdict]] = {}
    for name in WALLS:
        with Pool(2, wall=name, limits=Limits(memory_mb=512)) as pool:
            where = pool.build(["more-itertools==10.8.0", "pytest==9.2.0"], sandbox_cache)
            programs = _examples(next(where.root.glob("lib/python*/site-packages/more_itertools/more.py")))
            verdicts = pool.run(where, programs, trace=["more_itertools"])
            found[name] = [replace(v, environment="", duration_s=0.0) for v in verdicts]
    assert len(found["docker"]) > 100
    assert [v.outcome for v in found["docker"]].count("passed") > 60
    assert found["docker"] == found["bubblewrap"]


def _examples(module: Path) -> list[Program]:
    """A program for each documented function: its statements, and what it says they show."""
    programs = []
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        code, test = ["from more_itertools import *", "from itertools import *"], []
        for example in doctest.DocTestParser().get_examples(ast.get_docstring(node) or ""):
            if example.want and not example.exc_msg:
                test.append(f"assert repr({example.source.strip()}) == {example.want.strip()!r}")
            else:
                code.append(example.source)
        if test:
            programs.append(Program(code="\n".join(code), test="\n".join(test)))
    return programs
