"""Interpreters: found where people install them, and asked what they are."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from registry.errors import SandboxError
from validators.execution.interpreters import every, find


def test_the_running_interpreter_is_the_default() -> None:
    """Without a version, with the running one's minor and with its patch, it is the running one, in no virtual environment."""
    version = platform.python_version()
    running = find()
    assert running.version == version
    assert running == find(version) == find(version.rpartition(".")[0])
    assert running.path.parent.parent == running.prefix == Path(os.path.realpath(sys.base_prefix))
    assert running.site_packages == f"lib/python{running.minor}/site-packages"


@pytest.mark.parametrize("which", [0, -1])
def test_each_is_what_it_says(which: int) -> None:
    """The oldest and the newest that are found run, have the version that is stated, and hide what is installed there."""
    found = every()[which]
    assert find(found.version) == found
    said = subprocess.check_output(
        [found.path, "-c", "import sys; print(*sys.version_info[:3], sys.prefix)"], text=True
    )
    assert said.split() == [*found.version.split("."), str(found.prefix)]
    installed = subprocess.check_output(
        [found.path, "-I", "-c", "import site; print(*site.getsitepackages())"], text=True
    )
    assert {Path(p) for p in installed.split()} <= set(found.packages)


@pytest.mark.parametrize(
    ("variable", "folder"),
    [("PYENV_ROOT", "versions/one"), ("UV_PYTHON_INSTALL_DIR", "cpython-one"), ("PATH", "")],
)
def test_it_is_found_where_it_is_installed(
    variable: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter in pyenv's folder, in uv's or on PATH is found, and a folder that isn't there is no error."""
    other = next((i for i in every() if i.version != platform.python_version()), find())
    link = tmp_path / folder / "bin" / f"python{other.minor}"
    link.parent.mkdir(parents=True)
    link.symlink_to(other.path)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    for name in ("PYENV_ROOT", "UV_PYTHON_INSTALL_DIR", "PATH"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    monkeypatch.setenv(variable, str(link.parent if variable == "PATH" else tmp_path))
    assert {i.version for i in every()} == {platform.python_version(), other.version}
    assert find(other.minor).path == other.path


def test_what_is_no_interpreter_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of that name which fails, says something else or is another implementation is never chosen."""
    for name, text in {
        "python3.8": "exit 1",
        "python3.9": "echo Python",
        "python3.10": """echo '{"usable": false, "version": "3.10.99"}'""",
        "python3.12": "",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n", encoding="ascii")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert not [i for i in every() if i.path.is_relative_to(tmp_path)]


@pytest.mark.parametrize(
    ("python", "said"),
    [
        ("3.11.99", r"^No Python 3\.11\.99 here: found .*\. Install it with: uv python install 3\.11\.99$"),
        ("3.7", r"^No Python 3\.7 in the sandbox: it runs 3\.8 to 3\.14 \(found .*\)$"),
        ("3.15", r"^No Python 3\.15 in the sandbox: it runs 3\.8 to 3\.14 \(found .*\)$"),
        ("2.7", r"^No Python '2\.7': a version is written as 3\.11 or 3\.11\.7$"),
        (">=3.8", r"a version is written as 3\.11 or 3\.11\.7$"),
    ],
)
def test_what_is_not_here_is_said_with_what_to_do(python: str, said: str) -> None:
    """A version that isn't here, or that the sandbox can't run, is one line that lists what is here."""
    with pytest.raises(SandboxError, match=said) as caught:
        find(python)
    if "found" in said:
        assert platform.python_version() in str(caught.value)
