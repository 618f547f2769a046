"""The two commands' set-up: pins that install where they should, and a script that says what it can't do."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ("3.11.2", "3.12.0", "3.13.0")
"""The oldest of each line that has to do: 3.11.2 is Debian 12's."""


def pins() -> dict[str, Requirement]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


@functools.cache
def installed() -> dict[str, Distribution]:
    return {canonicalize_name(d.name): d for d in distributions()}


def needed() -> set[str]:
    """Everything that `pip install -e '.[train,dev]'` brings, by what the installed distributions ask for."""
    there = installed()
    extras = PROJECT["optional-dependencies"]
    todo = [Requirement(r) for r in [*PROJECT["dependencies"], *extras["train"], *extras["dev"]]]
    done: set[tuple[str, frozenset[str]]] = set()
    while todo:
        wanted = todo.pop()
        name, mark = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if (name, mark) in done or name not in there:
            continue
        done.add((name, mark))
        for text in there[name].requires or []:
            other = Requirement(text)
            environments = [{**default_environment(), "extra": extra} for extra in ("", *mark)]
            if other.marker is None or any(other.marker.evaluate(e) for e in environments):
                todo.append(other)
    return {name for name, _ in done}


def test_pins_are_exact_and_name_no_place() -> None:
    """Every pin is `name==version`: no address, no path, no local version, no marker."""
    for pin in pins().values():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.]+", str(pin)), pin


def test_every_package_that_is_installed_is_pinned() -> None:
    """What the two commands install is pinned, each package at the version the tests run with."""
    pinned = pins()
    for name in needed():
        assert name in pinned, f"{name} is not in constraints.txt"
        assert installed()[name].version.partition("+")[0] in pinned[name].specifier, name


def test_pins_satisfy_the_project() -> None:
    """Each pin of a direct dependency lies in the range that pyproject.toml gives."""
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *extras["train"], *extras["dev"]]:
        wanted = Requirement(text)
        [pin] = pins()[canonicalize_name(wanted.name)].specifier
        assert pin.version in wanted.specifier, wanted


@pytest.mark.parametrize("python", PYTHONS)
def test_pins_install_on_every_python(python: str) -> None:
    """No pinned package refuses the oldest release of a Python line that driftune supports."""
    assert python in SpecifierSet(PROJECT["requires-python"])
    there = installed()
    for name in needed():
        wants = there[name].metadata.get("Requires-Python")
        assert not wants or python in SpecifierSet(wants), f"{name} wants Python {wants}"


def test_a_data_engineers_install_has_no_torch() -> None:
    """torch, transformers, trl and peft come with the extra `train` alone."""
    light = {canonicalize_name(Requirement(r).name) for r in PROJECT["dependencies"]}
    heavy = {"torch", "transformers", "trl", "peft"}
    assert not light & heavy
    assert heavy <= {canonicalize_name(Requirement(r).name) for r in PROJECT["optional-dependencies"]["train"]}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the set-up reads, and no .venv."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    return tmp_path


def setup(checkout: Path, part: str, programs: tuple[str, ...] = (), **environment: str) -> tuple[int, str]:
    """Runs the set-up script where only these programs are found; exit status and what it said."""
    folder = checkout / "bin"
    folder.mkdir()
    for program in ("sh", "dirname", "id", "env", *programs):
        found = shutil.which(program)
        assert found, program
        (folder / Path(program).name).symlink_to(found)
    done = subprocess.run(
        [checkout / "scripts" / "setup.sh", part],
        env={"PATH": str(folder), **environment}, capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip
    return done.returncode, done.stderr


def test_no_python_is_said_plainly(checkout: Path) -> None:
    """Without a Python that fits, set-up ends with what is needed, what was found and what to type."""
    status, said = setup(checkout, "run")
    assert status == 2
    assert said == (
        "driftune: Python 3.11, 3.12 or 3.13 is needed, found none: install one, or name one with  "
        "make PYTHON=/path/to/python3.12 …\n"
    )
    assert not (checkout / ".venv").exists()


def test_a_python_that_is_too_old_is_named(checkout: Path) -> None:
    """A Python that is named and does not fit is named in the error with its version."""
    old = checkout / "python3.9"
    old.write_text(f'#!/bin/sh\n[ "$1" = -V ] && {{ echo Python 3.9.2; exit; }}\nexec {sys.executable} -c "exit(1)"\n')
    old.chmod(0o755)
    status, said = setup(checkout, "run", PYTHON=str(old))
    assert (status, "found Python 3.9.2" in said) == (2, True)


def test_a_missing_wall_without_apt_names_the_package(checkout: Path) -> None:
    """Where bubblewrap is missing and there is no apt, the error names the package."""
    status, said = setup(checkout, "wall")
    assert status == 2
    assert "wall is missing: install it with your system's package manager (Debian's name for it is bubblewrap)" in said


def test_a_missing_wall_that_may_not_be_installed_says_the_line(checkout: Path) -> None:
    """Where apt refuses, the error is the line to type."""
    apt = checkout / "apt-get"
    apt.write_text("#!/bin/sh\necho E: Could not open lock file >&2\nexit 100\n")
    apt.chmod(0o755)
    status, said = setup(checkout, "wall", (str(apt),))
    assert status == 2
    assert said.splitlines()[-1].endswith("sudo apt-get update && sudo apt-get install -y bubblewrap")


def test_make_lists_its_targets(checkout: Path) -> None:
    """`make` alone lists every target with what it does, and installs nothing."""
    command = ["make", "--no-print-directory"]  # the suite itself runs below make, which then names folders
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    listed = {line.split()[0] for line in done.stdout.splitlines()}
    assert listed == {
        "help",
        "setup",
        "quickstart",
        "stack",
        "stack-down",
        "test",
        "test-slow",
        "test-all",
        "lint",
        "clean",
    }
    assert not (checkout / ".venv").exists()


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_setup_installs_once(checkout: Path) -> None:
    """`make setup` makes a working .venv without tools for development; run again it does nothing, in seconds."""
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    for name in ("flows", "scrapers", "synth", "validators", "finetune", "registry", "domains"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["make", "setup"], cwd=checkout, check=True, timeout=900)
    driftune = checkout / ".venv" / "bin" / "driftune"
    assert "quick start" in (checkout / "domains" / "networkx.toml").read_text()
    subprocess.run([driftune, "doctor"], cwd=checkout, check=True, timeout=300)
    assert not (checkout / ".venv" / "bin" / "mypy").exists()
    command = ["make", "--no-print-directory", "setup"]
    again = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True, timeout=20)
    assert (again.stdout, again.stderr) == ("", "")


def test_skips_fail_where_ci_says_so(tmp_path: Path) -> None:
    """With CI=true a skipped test, and a module that skips itself, fail; without it they are skipped."""
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_one.py").write_text(
        "import pytest\ndef test_a():\n    pytest.skip('no GPU')\ndef test_b(): pass\n"
    )
    (tmp_path / "test_two.py").write_text("import pytest\npytest.skip('no torch', allow_module_level=True)\n")

    def outcome(ci: str) -> tuple[int, str]:
        line = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", "."]
        done = subprocess.run(
            line, env={**os.environ, "CI": ci}, capture_output=True, text=True, check=False, cwd=tmp_path
        )
        return done.returncode, done.stdout

    status, said = outcome("")
    assert (status, "1 passed, 2 skipped" in said) == (0, True)
    status, said = outcome("true")
    assert status != 0
    assert "no GPU. With CI=true nothing may be skipped" in said
    assert "no torch. With CI=true nothing may be skipped" in said
