"""A Docker engine: reaching it, what it says when something is wrong, and what it keeps for us."""

from __future__ import annotations

import io
import os
import socket
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from registry.errors import SandboxError
from registry.identity import sha256_of
from validators.execution.wall import ALIASES, FILES

LABEL = "driftune"
"""Label of our containers; its value says which process they belong to."""

CALL_S = 60
"""So long an engine may take for an answer."""


_FOLDERS = dict.fromkeys(("proc", "sys", "dev", "etc", "env", "driftune", "usr"), 0o755) | {"tmp": 0o1777}


def connect() -> Any:
    """The client of the first engine that answers, one for all threads of this process.

    Raises:
        SandboxError: None does, or it is on another machine; what to do is said.
    """
    given = os.environ.get("DOCKER_HOST")
    if given and not given.startswith("unix://"):
        raise SandboxError(f"the Docker engine at {given} may be another machine's: the wall needs one at unix://…")
    usual = ["/var/run/docker.sock", f"{os.environ.get('XDG_RUNTIME_DIR', '/run')}/docker.sock"]
    places = [given] if given else [f"unix://{p}" for p in usual if Path(p).exists()]
    if not places:
        raise SandboxError("no Docker engine is here. Install one with: apt-get install docker.io", retryable=True)
    reasons = []
    for place in places:
        try:
            return _client(place)
        except SandboxError as error:
            reasons.append(error)
    raise reasons[0]


_clients: dict[str, Any] = {}
_lock = threading.Lock()


def _client(place: str) -> Any:
    import docker
    from docker.errors import DockerException

    path = Path(place.removeprefix("unix://"))
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        advice = f"As root: usermod -aG docker {_user()}; then log in again"
        raise SandboxError(f"the Docker engine at {place} may not be used by this user. {advice}")
    try:
        with socket.socket(socket.AF_UNIX) as probe:  # the docker package leaves one open where nobody listens
            probe.connect(str(path))
        with _lock:
            if place not in _clients:
                _clients[place] = docker.APIClient(base_url=place, version="auto", timeout=CALL_S)
                _remove_leftovers(_clients[place])
            return _clients[place]
    except (DockerException, OSError) as error:
        advice = "Start it with: systemctl start docker"
        raise SandboxError(f"no Docker engine answers at {place}. {advice}", retryable=True) from error


def _user() -> str:
    return os.environ.get("USER") or str(os.getuid())


def owner() -> str:
    """This process: its number, and when it began, as numbers are used again."""
    return f"{socket.gethostname()}:{os.getpid()}:{_began(os.getpid())}"


def _began(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _remove_leftovers(client: Any) -> None:
    """Containers of processes of this machine that are no more: killed before they had started theirs."""
    for each in client.containers(all=True, filters={"label": LABEL}):
        host, pid, began = each["Labels"][LABEL].rsplit(":", 2)
        if host == socket.gethostname() and _began(int(pid)) != began:
            remove(client, each["Id"])


def remove(client: Any, name: str) -> None:
    """End a container and remove it; one that is gone already, or whose engine is, is let be."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    with suppress(DockerException, RequestException):
        client.remove_container(name, force=True)


@contextmanager
def container(client: Any, config: Mapping[str, Any]) -> Iterator[str]:
    """A container that is removed at the end; its name."""
    name = str(client.create_container_from_config(dict(config))["Id"])
    try:
        yield name
    finally:
        remove(client, name)


def finish(client: Any, container: str, timeout_s: float) -> tuple[int, str]:
    """Wait for a container's end; its exit status and what it said.

    Raises:
        SandboxError: It took longer than `timeout_s`.
    """
    from requests.exceptions import ConnectionError as Lost
    from requests.exceptions import ReadTimeout

    late = f"Nothing came of it within {timeout_s:g} s behind the wall"
    began = time.monotonic()
    try:
        status = int(client.wait(container, timeout=timeout_s)["StatusCode"])
    except (ReadTimeout, Lost) as error:  # urllib3 says either when a response is late
        if time.monotonic() - began < timeout_s:
            raise
        raise SandboxError(late, retryable=True) from error
    return status, client.logs(container).decode(errors="replace").strip()


def state(client: Any, container: str) -> dict[str, Any]:
    """As the engine has it; empty where it has been removed."""
    from docker.errors import NotFound

    try:
        found = client.inspect_container(container)["State"]
    except NotFound:
        return {}
    return {k: found[k] for k in ("Running", "ExitCode", "Error", "OOMKilled")}


@contextmanager
def translated() -> Iterator[None]:
    """What the docker package raises, as ours; worth another try where the engine was the reason."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        said = str(error.explanation or error).splitlines()[-1][:500]
        raise SandboxError(f"The Docker engine refused: {said}", retryable=error.is_server_error()) from error
    except (RequestException, DockerException, ConnectionError) as error:
        raise SandboxError(f"The Docker engine is gone: {str(error)[:300]}", retryable=True) from error


def empty_image(client: Any) -> str:
    """An image of links, empty folders and the few files that programs look for; made where the engine has none."""
    from docker.errors import ImageNotFound

    links = {a: str(Path(a).readlink()) for a in ALIASES if Path(a).is_symlink()}
    name = f"driftune/empty:{sha256_of([_FOLDERS, links, FILES])[:12]}"
    try:
        return str(client.inspect_image(name)["Id"])
    except ImageNotFound:
        pass
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for folder, mode in _FOLDERS.items():
            archive.addfile(_entry(folder, tarfile.DIRTYPE, mode))
        for link, target in links.items():
            entry = _entry(link.lstrip("/"), tarfile.SYMTYPE, 0o777)
            entry.linkname = target
            archive.addfile(entry)
        for path, text in FILES.items():
            entry = _entry(path.lstrip("/"), tarfile.REGTYPE, 0o644)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    repository, _, tag = name.partition(":")
    client.import_image_from_data(data.getvalue(), repository=repository, tag=tag)
    return str(client.inspect_image(name)["Id"])


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = kind, mode
    return entry
