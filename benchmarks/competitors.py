"""The other ways to run a snippet: each started, asked, checked and ended in the same manner."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from registry.identity import sha256_of
from validators.execution.wall import VARIABLES

HERE = Path(__file__).resolve().parent
ENGINE = HERE.parent / "scripts" / "engine.sh"

PINS = {
    "evalplus": ("numpy==2.4.6", "psutil==7.2.2", "appdirs==1.4.4", "--no-deps evalplus==0.3.1"),
    "llm_sandbox": ("llm-sandbox[docker]==0.3.46", "docker==7.2.0", "pydantic==2.14.3"),
}
"""What each competitor is installed with, in an environment of its own; EvalPlus without what only its LLMs need."""

_SYSTEM_LINKS = ("bin", "lib", "lib32", "lib64", "libx32")
_USERS = b"root:x:0:0:root:/root:/bin/sh\n"
_ALONE = ("--network", "none")  # the fastest that Docker has, and nobody runs what he doesn't trust with another


@dataclass(frozen=True)
class Snippet:
    """A program with its test; the call and the answer that it wants are there a second time for EvalPlus."""

    code: str
    test: str
    entry_point: str
    arguments: list[Any]
    expected: Any

    def script(self) -> str:
        """Code and test as one script."""
        return f"{self.code}\n{self.test}"


class Side(Protocol):
    """One side of a ratio."""

    def run(self, snippets: Sequence[Snippet]) -> list[bool]:
        """Which snippets passed; anything but a pass or a failed assertion is an error of the benchmark's."""


class BenchmarkError(Exception):
    """A side couldn't be started, or didn't do what it is measured at."""


class Commands:
    """A command a snippet: `docker run`, `docker exec` or `bwrap` before the interpreter."""

    def __init__(self, prefix: Sequence[str]) -> None:
        self.prefix = list(prefix)

    def run(self, snippets: Sequence[Snippet]) -> list[bool]:
        """Which passed."""
        return [self._passed(s) for s in snippets]

    def _passed(self, snippet: Snippet) -> bool:
        command = [*self.prefix, "/env/bin/python", "-c", snippet.script()]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0 and not (done.returncode == 1 and "AssertionError" in done.stderr):
            raise BenchmarkError(f"{self.prefix[0]} ended with status {done.returncode}: {done.stderr[-300:].strip()}")
        return done.returncode == 0


class Rival:
    """A competitor that lives in a Python process of its own (`rival.py`)."""

    def __init__(self, python: Path, name: str, **options: Any) -> None:
        self._name = name
        command = [str(python), "-s", str(HERE / "rival.py"), name, json.dumps(options)]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True
        )

    def run(self, snippets: Sequence[Snippet]) -> list[bool]:
        """Which passed."""
        self.ask(snippets)
        return self.answer()

    def ask(self, snippets: Sequence[Snippet]) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([asdict(s) for s in snippets]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> list[bool]:
        """Wait until it is done."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            raise BenchmarkError(f"{self._name} ended: {self._errors.read()[-500:].strip()}")
        found: list[bool] = json.loads(line)
        return found

    def __enter__(self) -> Rival:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def interpreter_of(name: str, cache: Path) -> Path:
    """The Python of a competitor's own environment, made where it isn't there.

    Raises:
        BenchmarkError: It can't be installed.
    """
    return interpreter_with(PINS[name], cache, f"{name}-")


def interpreter_with(pins: Sequence[str], cache: Path, prefix: str = "") -> Path:
    """The Python of a virtual environment that holds `pins`, made where it isn't there.

    Args:
        pins: Requirements; one after an option (`--no-deps`) is installed by itself, after the others.
        cache: Folder for such environments.
        prefix: What the environment's name begins with.

    Raises:
        BenchmarkError: They can't be installed.
    """
    folder = cache / (prefix + sha256_of([sys.version, pins])[:16])
    python, done = folder / "bin" / "python", folder / "done"
    if not done.exists():
        pip = [str(python), "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--disable-pip-version-check"]
        plain = [p for p in pins if not p.startswith("-")]
        alone = [p.split() for p in pins if p.startswith("-")]
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [*pip, *plain],
            *([*pip, *a] for a in alone),
        ):
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            if made.returncode:
                raise BenchmarkError(f"{pins[0]} can't be installed: {(made.stderr or made.stdout)[-500:].strip()}")
        done.touch()
    return python


@dataclass(frozen=True)
class Place:
    """What all sides run with: one interpreter, its variables, and one folder of packages, at the same places.

    Attributes:
        environment: The folder that stands at `/env`.
        prefix: Where the interpreter's own files lie.
    """

    environment: Path
    prefix: Path

    def binds(self) -> dict[str, str]:
        """Host folder to the place where it is seen."""
        own = {} if self.prefix == Path("/usr") else {str(self.prefix): str(self.prefix)}
        return {"/usr": "/usr", **own, str(self.environment): "/env"}


def bwrap(place: Place) -> Commands:
    """The same view as ours through bubblewrap, and a cold Python for each snippet."""
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    for name, value in VARIABLES.items():
        command += ["--setenv", name, value]
    for source, target in place.binds().items():
        command += ["--ro-bind", source, target]
    for name in _links():
        command += ["--symlink", f"usr/{name}", f"/{name}"]
    command += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    return Commands([*command, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp"])


def _links() -> list[str]:
    return [name for name in _SYSTEM_LINKS if Path("/usr", name).is_dir()]


class Docker:
    """A Docker engine with an image that holds nothing: the host's system is bound in, as it is into ours."""

    image = "driftune-benchmark"

    def __init__(self, variables: dict[str, str]) -> None:
        os.environ.update(variables)  # the rivals' clients find the engine by them too
        command = ["docker", "import", "--change", 'CMD ["/bin/sh"]', "-", self.image]
        done = subprocess.run(command, input=_image(), capture_output=True, check=False)
        if done.returncode:
            raise BenchmarkError(f"The engine took no image: {done.stderr.decode(errors='replace').strip()}")

    def run(self, place: Place) -> Commands:
        """`docker run --rm` for each snippet."""
        return Commands(["docker", "run", "--rm", *_ALONE, *self._options(place), self.image])

    @contextmanager
    def exec(self, place: Place) -> Iterator[Commands]:
        """`docker exec` into one container that stays."""
        command = ["docker", "run", "--rm", "--detach", *_ALONE, *self._options(place), self.image, "sleep", "infinity"]
        started = subprocess.run(command, capture_output=True, text=True, check=False)
        if started.returncode:
            raise BenchmarkError(f"docker run ended with status {started.returncode}: {started.stderr.strip()}")
        container = started.stdout.strip()
        try:
            yield Commands(["docker", "exec", container])
        finally:
            subprocess.run(["docker", "rm", "--force", container], capture_output=True, check=False)

    def _options(self, place: Place) -> list[str]:
        volumes = [f"--volume={source}:{target}:ro" for source, target in place.binds().items()]
        return [*volumes, *(f"--env={name}={value}" for name, value in VARIABLES.items())]

    @staticmethod
    def runtime(place: Place) -> dict[str, Any]:
        """The same options as the `docker` package takes them, for llm-sandbox."""
        volumes = [f"{source}:{target}:ro" for source, target in place.binds().items()]
        return {"volumes": volumes, "network_mode": "none", "environment": VARIABLES}


def _image() -> bytes:
    """A tar of folders to bind to, the system's links, the loader's cache, and a name for root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, mode in (("usr", 0o755), ("env", 0o755), ("etc", 0o755), ("root", 0o755), ("tmp", 0o1777)):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, mode, int(time.time())
            tar.addfile(folder)
        for name in _links():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(link)
        users = tarfile.TarInfo("etc/passwd")
        users.size = len(_USERS)
        tar.addfile(users, io.BytesIO(_USERS))
        if Path("/etc/ld.so.cache").exists():
            tar.add("/etc/ld.so.cache", "etc/ld.so.cache")
    return buffer.getvalue()


@contextmanager
def engine() -> Iterator[Docker]:
    """The engine that the client finds; where there is none, one of our own, ended with this block."""
    if _answers():
        yield Docker({})
        return
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        started = subprocess.run([ENGINE, "up", folder], capture_output=True, text=True, check=False)
        if started.returncode:
            raise BenchmarkError(f"No Docker engine: {started.stderr.strip()}")
        before = os.environ.get("DOCKER_HOST")
        try:
            yield Docker({"DOCKER_HOST": started.stdout.strip()})
        finally:
            subprocess.run([ENGINE, "down", folder], capture_output=True, check=False)
            os.environ.pop("DOCKER_HOST", None) if before is None else os.environ.update(DOCKER_HOST=before)


def _answers() -> bool:
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    return (
        shutil.which("docker") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )
