"""Environments: from wheels only, content-addressed, offline once built."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from registry.errors import SandboxError
from registry.records import Program
from validators.execution import interpreters
from validators.execution.bubblewrap import Bubblewrap
from validators.execution.cache import trim
from validators.execution.environments import BuiltEnvironment, build
from validators.execution.pool import Pool
from validators.execution.resolution import resolve
from validators.execution.wall import Limits


def test_requirements_are_pinned_by_hash(library: BuiltEnvironment) -> None:
    """An environment's row names every package that is in it, with version and hash, and the interpreter."""
    names = [r.split("==")[0] for r in library.record.requirements]
    assert names == sorted(names)
    assert {"more-itertools", "pytest", "pluggy"} <= set(names)
    assert all("==" in r and len(r.split(" --hash=sha256:")[1]) == 64 for r in library.record.requirements)
    assert library.record.python.count(".") == 2
    assert library.record.settings["memory_mb"] == 512


def test_known_requirements_need_no_network(
    library: BuiltEnvironment, pool: Pool, sandbox_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was built before is found again without starting any process: offline, and at once."""

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"started {arguments}")

    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    again = build(["pytest==9.2.0", "more-itertools==10.8.0"], sandbox_cache, wall=pool.wall, limits=library.limits)
    assert again.record.id == library.record.id
    assert again.root == library.root


def test_limits_are_part_of_the_identity(library: BuiltEnvironment, pool: Pool, sandbox_cache: Path) -> None:
    """Other limits make another environment, in the same folder."""
    other = build(
        ["pytest==9.2.0", "more-itertools==10.8.0"], sandbox_cache, wall=pool.wall, limits=Limits(memory_mb=64)
    )
    assert other.record.id != library.record.id
    assert other.root == library.root


def test_given_wheel_is_used(pool: Pool, tmp_path: Path) -> None:
    """A wheel that was verified elsewhere satisfies the requirement of its name; nothing is downloaded."""
    wheel = _wheel(tmp_path, "driftune_probe", "1.5", "VALUE = 42\n")
    where = pool.build(["driftune-probe==1.5"], tmp_path / "cache", wheels=[wheel])
    assert where.record.requirements[0].startswith("driftune-probe==1.5 --hash=sha256:")
    program = Program(
        code="import driftune_probe as p", test="assert p.VALUE == 42\nassert p.__file__.startswith('/env/')"
    )
    assert [v.outcome for v in pool.run(where, [program])] == ["passed"]


def test_installing_runs_behind_the_wall(pool: Pool, tmp_path: Path) -> None:
    """What a wheel brings that runs at an interpreter's start can't see the host."""
    (tmp_path / "host.txt").write_text("host", encoding="ascii")
    pth = f"import os; open('/tmp/seen', 'w').write(str(os.path.exists({str(tmp_path / 'host.txt')!r})))\n"
    wheel = _wheel(tmp_path, "driftune_pth", "1.0", "", {"driftune_pth.pth": pth})
    where = pool.build(["driftune-pth"], tmp_path / "cache", wheels=[wheel])
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', ''])\nseen = open('/tmp/seen').read()"
    verdicts = pool.run(where, [Program(code=code, test="assert seen == 'False'")])
    assert [v.outcome for v in verdicts] == ["passed"]


@pytest.mark.parametrize(
    ("requirement", "said"),
    [("driftune-there-is-no-such-thing==1.0", "No wheels for"), ("more-itertools==0.0.99", "No wheels for")],
)
def test_what_has_no_wheel_is_an_error(requirement: str, said: str, tmp_path: Path) -> None:
    """A requirement without wheels is one line that names it; it isn't tried again."""
    with pytest.raises(SandboxError, match=said) as caught:
        resolve([requirement], tmp_path, interpreters.find())
    assert requirement in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not caught.value.retryable
    assert list(tmp_path.rglob("*.whl")) == []


def test_broken_wheel_is_an_error(tmp_path: Path, pool: Pool) -> None:
    """An installation that fails says why, and leaves nothing behind."""
    wheel = _wheel(tmp_path, "driftune_broken", "1.0", "x = 1\n", record=False)
    with pytest.raises(SandboxError, match="driftune_broken"):
        pool.build(["driftune-broken"], tmp_path / "cache", wheels=[wheel])
    assert not list((tmp_path / "cache").glob("environments/*"))


def test_cache_that_can_not_be_written_is_an_error(pool: Pool, tmp_path: Path) -> None:
    """Where the cache can't be written, it is said where and why, in one line."""
    (tmp_path / "file").write_text("", encoding="ascii")
    with pytest.raises(SandboxError, match="No environment can be written to"):
        pool.build([], tmp_path / "file" / "cache")


def test_two_builders_at_once(tmp_path: Path, pool: Pool) -> None:
    """Two processes that build one environment at once both get it, and there is one."""
    wheel = _wheel(tmp_path, "driftune_race", "1.0", "x = 1\n")
    with multiprocessing.get_context("spawn").Pool(2) as builders:
        roots = builders.map(_build, [(tmp_path / "cache", wheel)] * 2)
    assert roots[0] == roots[1]
    assert [p.name for p in (tmp_path / "cache" / "environments").iterdir()] == [roots[0].name]


def _build(arguments: tuple[Path, Path]) -> Path:
    cache, wheel = arguments
    return build(["driftune-race"], cache, wall=Bubblewrap(), wheels=[wheel]).root


def test_no_wall_is_said_plainly(bare: BuiltEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a wall nothing runs: verdicts are `unavailable`, building is an error, both with the line to type."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
    with Pool(1) as unwalled:
        (verdict,) = unwalled.run(bare, [Program(code="x = 1", test="assert x == 1")])
        with pytest.raises(SandboxError, match="No sandbox: bubblewrap is missing"):
            unwalled.build([], tmp_path)
    monkeypatch.undo()
    assert (verdict.outcome, verdict.proof) == ("unavailable", "none")
    assert "apt-get install bubblewrap" in verdict.detail
    assert "no Docker engine answers" in verdict.detail


def test_wall_that_fails_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where bubblewrap can't make its namespaces, its last words are in the reason."""
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n", encoding="ascii")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    why = Bubblewrap().available()
    assert why is not None
    assert why.startswith("bubblewrap ")
    assert "namespace" in why


def test_an_environment_that_is_gone_is_an_error(pool: Pool, tmp_path: Path) -> None:
    """An environment whose interpreter can't start is the harness's failure, never a verdict."""
    where = pool.build([], tmp_path)
    (where.root / "bin" / "python").unlink()
    with pytest.raises(SandboxError, match="No sandbox for"):
        list(pool.run(where, [Program(code="x = 1", test="assert x == 1")]))


def _wheel(
    folder: Path, name: str, version: str, text: str, files: dict[str, str] | None = None, *, record: bool = True
) -> Path:
    """A wheel of one module."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    content = {f"{name}.py": text, **(files or {}), f"{info}/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n"}
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    if record:
        content[f"{info}/RECORD"] = "".join(f"{n},,\n" for n in [*content, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for inner, body in content.items():
            archive.writestr(inner, body)
    return path


@pytest.mark.parametrize("which", [0, -1])
def test_other_python_versions(which: int, pool: Pool, sandbox_cache: Path) -> None:
    """The oldest and the newest Python here get the wheels that their markers ask for, and run programs with them."""
    python = interpreters.every()[which].version
    where = pool.build(["pytest==8.3.3"], sandbox_cache, python=python)
    names = {r.split("==")[0] for r in where.record.requirements}
    old = tuple(map(int, python.split("."))) < (3, 11)
    assert (where.record.python, where.interpreter.version) == (python, python)
    assert ({"exceptiongroup", "tomli"} & names) == ({"exceptiongroup", "tomli"} if old else set())
    compiled = list((where.root / where.interpreter.site_packages / "_pytest").glob("__pycache__/*.pyc"))
    assert {p.name.split(".")[1] for p in compiled} == {f"cpython-{where.interpreter.minor.replace('.', '')}"}
    code = "import importlib.util, sys, pytest\nversion = '%d.%d.%d' % sys.version_info[:3]\nfound = pytest.__file__"
    test = f"assert version == {python!r}\nassert found.startswith('/env/')\nassert importlib.util.find_spec('networkx') is None"
    (verdict,) = pool.run(where, [Program(code=code, test=test)])
    assert verdict.outcome == "passed", verdict.detail


class _WithoutPip(Bubblewrap):
    """A wall whose interpreters have no pip of their own, as uv's may have none."""

    def interpreter(self, python: str | None) -> interpreters.Interpreter:
        return replace(super().interpreter(python), pip=None)


def test_an_interpreter_without_pip_is_served_by_ours(tmp_path: Path) -> None:
    """Our pip resolves for the other interpreter, with its markers, and installs into it."""
    python = interpreters.every()[0].minor
    where = build(["pytest==8.3.3"], tmp_path, wall=_WithoutPip(), python=python)
    names = {r.split("==")[0] for r in where.record.requirements}
    assert ("exceptiongroup" in names) == (tuple(map(int, python.split("."))) < (3, 11))
    assert (where.root / where.interpreter.site_packages / "pytest" / "__init__.py").is_file()


def test_a_wheel_that_left_the_cache_comes_back_by_its_hash(pool: Pool, tmp_path: Path) -> None:
    """An environment whose folder and wheels are gone is built again from its lock: the same, to the byte."""
    first = pool.build(["toolz==0.12.1"], tmp_path)
    record, root = first.record, first.root
    del first
    assert trim(tmp_path, 0) > 0
    assert not root.exists()
    assert list(tmp_path.rglob("*.whl")) == []
    again = pool.build(["toolz==0.12.1"], tmp_path)
    assert (again.record, again.root) == (record, root)


def test_wheels_by_their_hashes_are_these_wheels(sandbox_cache: Path, tmp_path: Path) -> None:
    """Another machine is told version and hash: it fetches that file, and asks nobody where it has it."""
    [wheel] = resolve(["toolz==0.12.1"], sandbox_cache, interpreters.find())
    assert resolve([wheel.requirement], tmp_path, interpreters.find()) == [wheel]
    [kept] = tmp_path.rglob("*.whl")
    shutil.rmtree(tmp_path / "resolutions")
    kept.write_bytes(b"not asked for")
    assert resolve([wheel.requirement], tmp_path, interpreters.find()) == [wheel]


def test_a_warm_server_outlives_no_environment(pool: Pool, tmp_path: Path) -> None:
    """An environment that was removed and made again is served anew: what was warm stands on folders that are gone."""
    program = Program(code="import toolz.sandbox.core", test="assert toolz.__name__ == 'toolz'")
    for _ in range(2):
        where = pool.build(["toolz==0.12.1"], tmp_path)
        assert [v.outcome for v in pool.run(where, [program] * 3)] == ["passed"] * 3
        del where
        assert trim(tmp_path, 0) > 0


def test_pip_ends_with_us(tmp_path: Path) -> None:
    """When a process is killed while it resolves, its pip is gone at once."""
    code = "import sys; from pathlib import Path; from validators.execution import interpreters, resolution\n"
    code += "resolution.resolve(sys.argv[2:], Path(sys.argv[1]), interpreters.find())"
    resolving = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), "pandas", "pytest", "networkx"])
    children = Path(f"/proc/{resolving.pid}/task/{resolving.pid}/children")
    deadline = time.monotonic() + 180
    while not (found := [p for p in children.read_text().split() if b"download" in _command(p)]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.3)
    resolving.kill()
    resolving.wait()
    deadline = time.monotonic() + 60
    while any(b"download" in _command(pid) for pid in found):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_download_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A failed download leaves no folder of its own; what a killed one left is removed with the next care of the cache."""
    left = tmp_path / ".making-old"
    left.mkdir()
    os.utime(left, (0, 0))
    with pytest.raises(SandboxError):
        resolve(["driftune-there-is-no-such-thing"], tmp_path, interpreters.find())
    trim(tmp_path)
    assert [p for p in tmp_path.iterdir() if p.name.startswith(".making")] == []
