"""The Docker wall, on a real engine."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from registry.records import Program
from validators.execution import interpreters
from validators.execution.docker import Docker
from validators.execution.engine import LABEL
from validators.execution.environments import BuiltEnvironment
from validators.execution.pool import Pool
from validators.execution.wall import choose


@pytest.fixture
def client(engine: Path) -> Iterator[Any]:
    """A client of the tests' engine."""
    made = docker.APIClient(base_url=f"unix://{engine}/docker.sock", version="auto")
    yield made
    made.close()


def ours(client: Any) -> list[str]:
    """Ids of driftune's containers, whatever their state."""
    return [c["Id"] for c in client.containers(all=True, filters={"label": LABEL})]


def test_nothing_is_pulled_and_nothing_is_left(client: Any, engine: Path, tmp_path: Path) -> None:
    """Building and running need no image of anybody's, and a closed pool leaves no container."""
    before = ours(client)
    with Pool(1, wall="docker") as pool:
        where = pool.build([], tmp_path)
        assert [v.outcome for v in pool.run(where, [Program(code="x = 1", test="assert x == 1")])] == ["passed"]
        assert len(ours(client)) == len(before) + 1
    assert ours(client) == before
    tags = [tag for image in client.images() for tag in image["RepoTags"]]
    assert tags
    assert all(tag.startswith("driftune/") for tag in tags)


@pytest.mark.parametrize("builder", ["bubblewrap", "docker"])
def test_files_that_are_ours_alone_are_no_hindrance(builder: str, engine: Path, tmp_path: Path) -> None:
    """Where new files are for their owner only (umask 077), jobs can still read an environment, whoever built it."""
    mask = os.umask(0o077)
    try:
        with Pool(1, wall=builder) as pool:
            pool.build(["more-itertools==10.8.0"], tmp_path)
        with Pool(1, wall="docker") as pool:
            where = pool.build(["more-itertools==10.8.0"], tmp_path)
            program = Program(code="import more_itertools\nx = 1", test="assert x == 1")
            assert [v.outcome for v in pool.run(where, [program])] == ["passed"]
    finally:
        os.umask(mask)


def test_a_container_is_as_bare_as_can_be(client: Any, engine: Path, tmp_path: Path) -> None:
    """No network, no way to more rights, a read-only root, three capabilities, and limits."""
    with Pool(1, wall="docker") as pool:
        where = pool.build([], tmp_path)
        before = set(ours(client))
        list(pool.run(where, [Program(code="x = 1", test="assert x == 1")], attempts=1))
        (name,) = set(ours(client)) - before
        made = client.inspect_container(name)
    host = made["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"] is True
    assert host["Privileged"] is False
    assert host["CapDrop"] == ["ALL"]
    assert sorted(c.removeprefix("CAP_") for c in host["CapAdd"]) == ["KILL", "SETGID", "SETUID"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["AutoRemove"] is True
    assert 0 < host["Memory"] == host["MemorySwap"]
    assert host["PidsLimit"] > 0
    assert [m["Destination"] for m in made["Mounts"] if m["RW"]] == []


PROBE = """
import ctypes, os, socket

def tried(do, *arguments):
    try:
        return repr(do(*arguments))
    except OSError as error:
        return type(error).__name__

me, libc = os.getuid(), ctypes.CDLL(None, use_errno=True)
others = [p for p in os.listdir("/proc") if p.isdigit() and f"\\nUid:\\t{me}\\t" not in open(f"/proc/{p}/status").read()]
folders = ["/", *(d for top in os.listdir("/") if top not in ("proc", "usr") for d, _, _ in os.walk("/" + top))]
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
found = {
    "user": me > 0 and os.getgid() == me and os.getgroups() == [],
    "capabilities": [int(status[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapAmb")],
    "no new rights": status["NoNewPrivs"].strip(),
    "others are there": len(others) >= 2,
    "memory": {tried(open, f"/proc/{p}/mem", "rb") for p in others},
    "variables": {tried(open, f"/proc/{p}/environ", "rb") for p in others},
    "descriptors": {tried(os.listdir, f"/proc/{p}/fd") for p in others},
    "folders": {tried(os.readlink, f"/proc/{p}/cwd") for p in others},
    "signals": {tried(os.kill, int(p), 9) for p in others},
    "priority": {tried(os.setpriority, os.PRIO_PROCESS, int(p), 19) for p in others},
    "server": tried(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).connect, "/driftune/control/socket"),
    "control": os.listdir("/driftune/control"),
    "root": tried(os.setuid, 0),
    "queue": tried(open, "/dev/mqueue/left", "w"),
    "terminal": tried(os.openpty),
    "system": os.listdir("/sys"),
    "keys": open("/proc/keys").read(),
    "written": [d for d in sorted(folders) if "Error" not in tried(open, f"{d}/left", "w")],
    "namespaces": libc.unshare(0x10000000),
    "name": __import__("pwd").getpwuid(me).pw_name,
    "own": open("/proc/self/environ").read(4),
}
"""
FOUND = {
    "user": True, "capabilities": [0, 0, 0, 0], "no new rights": "1", "others are there": True,
    "memory": {"PermissionError"}, "variables": {"PermissionError"}, "descriptors": {"PermissionError"},
    "folders": {"PermissionError"}, "signals": {"PermissionError"}, "priority": {"PermissionError"},
    "server": "FileNotFoundError", "control": [], "root": "PermissionError", "queue": "OSError",
    "terminal": "FileNotFoundError", "system": [], "keys": "", "written": ["/dev/shm", "/tmp", "/tmp/work"], "namespaces": -1,
    "name": "sandbox", "own": "PATH",
}  # fmt: skip


@pytest.mark.parametrize("part", FOUND)
def test_a_job_reaches_nobody(part: str, docked: Pool, docked_bare: BuiltEnvironment) -> None:
    """A job sees that others run in its container, and can't read, signal or call them, nor gain or leave anything."""
    program = Program(code=PROBE, test=f"assert found[{part!r}] == {FOUND[part]!r}")
    (verdict,) = docked.run(docked_bare, [program], attempts=1)
    assert verdict.outcome == "passed", verdict.detail


LEFT = """
import os, subprocess, sys, time
os.makedirs("/tmp/left/deep")
open("/dev/shm/left", "w").write("left")
os.mkfifo("/tmp/pipe")
os.symlink("/etc", "/tmp/link")
os.chmod("/tmp/left", 0)
for _ in range(5):
    subprocess.Popen([sys.executable, "-c", "import os, time; os.setsid(); time.sleep(600)"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    while True:
        if os.fork() == 0:
            os._exit(0)
        os.wait()
time.sleep(0.3)
x = 1
"""
CENSUS = """
import os
users = {l.split()[1] for p in os.listdir("/proc") if p.isdigit() for l in open(f"/proc/{p}/status") if l[:4] == "Uid:"}
strangers = sorted(users - {"0", str(os.getuid())})
files = sorted(os.listdir("/tmp") + os.listdir("/dev/shm"))
"""


def test_what_a_job_leaves_is_swept(docked: Pool, docked_bare: BuiltEnvironment) -> None:
    """Processes that fled into sessions of their own, files, pipes and locked folders are gone before the next job."""
    programs = [
        Program(code=LEFT, test="assert x == 1"),
        Program(code=CENSUS, test="assert files == ['work']\nassert len(strangers) <= 1"),  # the next job, waiting
    ]
    verdicts = list(docked.run(docked_bare, programs, attempts=1))
    assert [v.outcome for v in verdicts] == ["passed", "passed"], [v.detail for v in verdicts]


def test_what_can_not_be_swept_ends_the_server(docked: Pool, docked_bare: BuiltEnvironment) -> None:
    """Folders nested deeper than can be removed cost the container; the next job finds a clean one."""
    code = "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\nx = 1"
    programs = [Program(code=code, test="assert x == 1"), Program(code=CENSUS, test="assert files == ['work']")]
    verdicts = list(docked.run(docked_bare, programs, attempts=1))
    assert verdicts[1].outcome == "passed", verdicts
    assert verdicts[0].outcome in ("passed", "killed")


@pytest.fixture(scope="module")
def docked(engine: Path) -> Iterator[Pool]:
    """A pool behind the Docker wall."""
    with Pool(1, wall="docker") as made:
        yield made


@pytest.fixture(scope="module")
def docked_bare(docked: Pool, sandbox_cache: Path) -> BuiltEnvironment:
    """Python and nothing else."""
    return docked.build([], sandbox_cache)


def test_killed_driver_leaves_no_container(client: Any, tmp_path: Path) -> None:
    """When the process that runs the pool is killed, its container ends by itself and is removed."""
    before = ours(client)
    script = tmp_path / "driver.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from registry.records import Program\n"
        "from validators.execution.pool import Pool\n"
        "pool = Pool(1, wall='docker')\n"
        "where = pool.build([], Path(sys.argv[1]))\n"
        "code = 'import time; time.sleep(3600)'\n"
        "list(pool.run(where, [Program(code=code, test='')], timeout_s=3600))\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    driver = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment)
    try:
        assert _until(lambda: any(_runs(client, c) for c in set(ours(client)) - set(before))), "it never started"
    finally:
        driver.kill()
        driver.wait()
    assert _until(lambda: ours(client) == before)


@pytest.mark.slow
def test_an_image_brings_its_own_system(client: Any, sandbox_cache: Path, tmp_path: Path) -> None:
    """With `image`, programs see that image's files and Python and nothing of the host's; its digest is on record."""
    name = _made_image(client, tmp_path)
    with Pool(1, wall=choose(image=name)) as pool:
        assert pool.available() is None
        where = pool.build(["more-itertools==10.8.0"], sandbox_cache)
        code = "import os, more_itertools\nmark = open('/etc/mark').read()\nfolders = os.listdir('/usr/share')"
        program = Program(code=code, test="assert mark == 'from the image'\nassert folders == ['only']")
        verdicts = list(pool.run(where, [program]))
    assert [v.outcome for v in verdicts] == ["passed"], verdicts[0].detail
    assert where.record.settings["image"] == client.inspect_image(name)["Id"]
    assert not where.interpreter.local


def _made_image(client: Any, folder: Path) -> str:
    """An image of an interpreter, what it is linked with, a system folder and a mark."""
    inside = interpreters.find()
    library = inside.prefix / "lib" / f"python{inside.minor}"
    objects = [str(inside.path), *map(str, library.glob("lib-dynload/*.so"))]
    linked = subprocess.run(["ldd", *objects], capture_output=True, text=True, check=True).stdout
    files = {word for word in linked.split() if word.startswith("/") and Path(word).is_file()} | {str(inside.path)}
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", dereference=True) as archive:
        for file in sorted(files):
            archive.add(file)
        left_out = ("site-packages", "dist-packages", "__pycache__", "test", "idlelib", "ensurepip")
        archive.add(library, filter=lambda entry: None if Path(entry.name).name in left_out else entry)
        for path, text in (("etc/mark", "from the image"), ("usr/share/only/here", "")):
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
        for path, target in (("usr/bin/python3", str(inside.path)), ("tmp", "")):
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname, entry.mode = (tarfile.SYMTYPE if target else tarfile.DIRTYPE), target, 0o1777
            archive.addfile(entry)
    client.import_image_from_data(data.getvalue(), repository="driftune/tests", tag="own")
    return "driftune/tests:own"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the docker package drops sockets that nobody answers at
def test_killed_containers_and_engine_lose_no_verdict(sandbox_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers are killed, then the engine, then both, in the middle of 2,000 examples: every verdict comes, once."""
    programs = [Program(code=f"x = {i}", test=f"assert x == {i - i % 5 % 2}") for i in range(2000)]
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        script = Path(__file__).parents[3] / "scripts" / "engine.sh"
        place = subprocess.run([script, "up", folder], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        monkeypatch.setenv("DOCKER_HOST", place)
        client = docker.APIClient(base_url=place, version="auto")
        starting: list[subprocess.Popen[bytes]] = []

        def strike(number: int) -> None:
            if number in (300, 1400):
                assert all(process.wait() == 0 for process in starting)
                for name in ours(client):
                    client.kill(name)
            if number in (800, 1400):
                subprocess.run([script, "kill", folder], check=True)
                starting.append(subprocess.Popen([script, "up", folder], stdout=subprocess.DEVNULL))

        try:
            with Pool(2, wall="docker") as pool:
                where = pool.build([], sandbox_cache)
                verdicts = []
                for number, verdict in enumerate(pool.run(where, programs, attempts=1)):
                    verdicts.append(verdict)
                    strike(number)
            assert [process.wait() for process in starting] == [0, 0]
            assert _until(lambda: ours(client) == [])
        finally:
            client.close()
            for process in starting:
                process.wait()
            subprocess.run([script, "down", folder], check=True)
            Path(folder).mkdir()
    gc.collect()  # those sockets go here, where it is known why, and not in whatever test comes next
    assert [v.program for v in verdicts] == [p.id for p in programs]
    assert [v.outcome for v in verdicts] == ["passed" if i % 5 % 2 == 0 else "failed" for i in range(2000)]


def test_leftovers_are_removed(client: Any, engine: Path, tmp_path: Path) -> None:
    """A container that a killed process had made and not started goes when the next process needs the engine."""
    assert Docker().available() is None
    image = client.images(quiet=True)[0]
    config = {"Image": image, "Entrypoint": ["/bin/true"], "Labels": {LABEL: f"{os.uname().nodename}:999999:1"}}
    left = client.create_container_from_config(config)["Id"]
    code = "from validators.execution.docker import Docker; assert Docker().available() is None"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=True)
    assert left not in ours(client)


def _runs(client: Any, name: str) -> bool:
    """Whether a container runs a program already."""
    try:
        return len(client.top(name)["Processes"] or []) > 2
    except docker.errors.APIError:
        return False


def _until(condition: Any, seconds: float = 180.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False
