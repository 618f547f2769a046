"""Bad input: one line that says what to do, exit code 2, and a lake that nobody touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flows.runs import ROOT, SMALL, driftune, environment, small_domain

GOOD = SMALL.format(old="8.14.0", new="11.2.1")

CASES = {
    "missing domain": (None, ["No domain file", "driftune init"]),
    "unknown key": (GOOD.replace("[synth]", "[sinth]"), ["Unknown key 'sinth'", "did you mean 'synth'"]),
    "unknown nested key": (GOOD.replace("mutants = 1", "mutant = 1"), ["Unknown key 'synth.mutant'", "'mutants'"]),
    "no TOML": (GOOD + "\n[", ["is no valid TOML"]),
    "unknown library": (
        GOOD.replace('"more-itertools"', '"driftune-no-such-library-at-all"'),
        ["driftune-no-such-library-at-all", "check its name"],
    ),
    "unknown version": (SMALL.format(old="8.14.77", new="11.2.1"), ["No version '8.14.77'", "found", "Set versions"]),
    "wrong order": (SMALL.format(old="11.2.1", new="8.14.0"), ["the old version must come first"]),
    "no wheel": (
        '[[library]]\nname = "numpy"\nversions = ["1.9.3", "1.19.0"]\n',
        ["No wheel of numpy", "Choose another version"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_domain_is_one_line_and_exit_code_2(case: str, tmp_path: Path) -> None:
    """A wrong domain file, library or version ends with one clear line, and no row is written."""
    text, wanted = CASES[case]
    domain = tmp_path / "more-itertools.toml"
    if text is not None:
        domain.write_text(text)
    home = tmp_path / "home"
    done = driftune(home, "run", str(domain))
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("driftune: ")]
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    for part in wanted:
        assert part in lines[0]
    assert not list(home.glob("lake/*/2*.parquet"))


def test_a_misspelt_domain_is_shown_the_nearest(tmp_path: Path) -> None:
    """`driftune run netwrkx` names networkx."""
    done = driftune(tmp_path / "home", "run", "netwrkx")
    assert done.returncode == 2
    assert "did you mean networkx" in done.stderr


@pytest.mark.parametrize(("stage", "first"), [("synth", "scrape"), ("validate", "scrape"), ("train", "curate")])
def test_a_stage_before_its_turn_says_what_to_run_first(stage: str, first: str, tmp_path: Path) -> None:
    """Over an empty home a later stage ends with one line that names an earlier one to run, and exit code 2."""
    done = driftune(tmp_path / "home", stage, str(small_domain(tmp_path)))
    assert done.returncode == 2, done.stderr
    assert f"run driftune {first} more-itertools first" in done.stderr


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A home folder below a file can't be written: one line, exit code 2."""
    (tmp_path / "file").write_text("")
    done = driftune(tmp_path / "file" / "home", "run", str(small_domain(tmp_path)))
    assert done.returncode == 2, done.stderr
    assert "Can't write" in done.stderr or "is a file" in done.stderr


def test_a_registry_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    """A registry folder below a file: one line before anything is done."""
    (tmp_path / "file").write_text("")
    home = tmp_path / "home"
    place = str(tmp_path / "file" / "registry")
    done = driftune(home, "run", str(small_domain(tmp_path)), DRIFTUNE_REGISTRY=place)
    assert done.returncode == 2, done.stderr
    assert "registry" in done.stderr
    assert "choose another folder" in done.stderr
    assert not list(home.glob("lake/*/2*.parquet"))


@pytest.mark.parametrize("kilobytes", [32, 400, 800])
def test_a_full_disk_is_one_line_and_loses_nothing(kilobytes: int, tmp_path: Path) -> None:
    """On a file system that is full, at once or in the middle of a run, it says to free space: exit code 2."""
    bubblewrap = shutil.which("bwrap")
    assert bubblewrap is not None, "bubblewrap is missing: install it with apt-get install bubblewrap"
    home = tmp_path / "home"
    home.mkdir()
    wall = [
        bubblewrap, "--dev-bind", "/", "/", "--size", str(kilobytes * 1024), "--tmpfs", str(home),
        sys.executable, "-m", "flows.cli", "run", str(small_domain(tmp_path)),
    ]  # fmt: skip
    done = subprocess.run(
        wall,
        cwd=ROOT,
        env=environment(home, HOME=os.environ.get("HOME", "/")),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 2, done.stderr
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_environment_that_can_not_be_built_is_one_line(tmp_path: Path) -> None:
    """A library that can't be installed ends the run with one line of what pip said: exit code 1."""
    domain = small_domain(tmp_path)
    text = domain.read_text(encoding="utf-8")
    wanted = "driftune-there-is-no-such-thing==1.0"
    domain.write_text(text.replace("[[library]]", f'[[library]]\nrequirements = ["{wanted}"]', 1), encoding="utf-8")
    done = driftune(tmp_path / "home", "run", str(domain))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"driftune: No wheels for {wanted}, more-itertools==8.14.0 on Python ")
    assert "No matching distribution found" in last
    assert "Traceback" not in done.stderr
