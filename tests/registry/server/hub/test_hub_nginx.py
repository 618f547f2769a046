"""Behind a real nginx, set up as docs/how-to/hub.md says: it sends the files, and the server says who may have them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.registry.server.hub.stocked import BASE, stocked
from tests.registry.server.hub.test_hub_clients import client
from tests.registry.server.serving import OTHER, PRIVATE, PUBLIC, Served, serving

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "hub.md"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
"""Debian keeps it off the path of most users."""
MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
{user}
events {{ worker_connections 64; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {server}
}}
"""


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """A server that leaves files to nginx, and nginx' address."""
    folder = tmp_path_factory.mktemp("accel")
    with (
        serving(stocked(folder, accel="/accel")) as served,
        nginx(folder, served.address.rpartition(":")[2]) as address,
    ):
        yield served, address


@contextmanager
def nginx(folder: Path, behind: str) -> Iterator[str]:
    """Nginx before a server, with the page's own configuration, over the folders of a test."""
    with socket.create_server(("127.0.0.1", 0)) as place:
        port = place.getsockname()[1]
    server, headers = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for what, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port}"),
        ("http://127.0.0.1:8765", f"http://127.0.0.1:{behind}"),
        ("/srv/driftune/registry/", f"{folder}/registry/"),
        ("/srv/driftune/", f"{folder}/home/"),
    ):
        assert what in server
        server = server.replace(what, here)
    (folder / "driftune_headers").write_text(headers)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user, server=server))
    command = [NGINX, "-p", str(folder), "-e", str(folder / "nginx.log"), "-c", str(folder / "nginx.conf")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 20
        while not _listens(port) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert process.poll() is None, (folder / "nginx.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.mark.slow
def test_nginx_sends_the_files_with_the_hubs_headers(behind: tuple[Served, str], tmp_path: Path) -> None:
    """Adapters, bases and data sets come from nginx, whole and in ranges; the folders can't be asked for directly."""
    served, address = behind
    head = {"Authorization": f"Bearer {served.secrets['read']}"}
    with httpx.Client(base_url=address, trust_env=False, verify=False, headers=head) as asking:
        for path in (f"/driftune/{PRIVATE}/resolve/main/adapter_model.safetensors", f"/{BASE}/resolve/main/config.json",
                     f"/datasets/driftune/{PUBLIC}/resolve/main/data/train.parquet"):  # fmt: skip
            got = asking.get(path)
            assert got.headers["server"].startswith("nginx")
            assert got.headers["etag"] == f'"{hashlib.sha256(got.content).hexdigest()}"'
            assert len(got.headers["x-repo-commit"]) == 40
            assert got.headers["x-content-type-options"] == "nosniff"
            assert "x-accel-redirect" not in got.headers
            part = asking.get(path, headers={"Range": "bytes=5-"})
            assert (part.status_code, part.content) == (206, got.content[5:])
            assert asking.get(path, headers={"If-None-Match": got.headers["etag"]}).status_code == 304
            assert asking.get(path, headers={"Authorization": "Bearer dt_wrong"}).status_code == 401
        asked = asking.get(f"/api/models/driftune/{PUBLIC}/revision/refs%2Fpr%2F1")
        assert asked.headers["x-error-code"] == "RevisionNotFound"
        sha256 = served.context.store.resolve(PUBLIC).files[0]["sha256"]
        for path in (
            f"/accel/registry/files/{sha256[:2]}/{sha256}",
            "/accel/bases/",
            "/accel/registry/../server.sqlite",
        ):
            assert asking.get(path).status_code == 404
    assert httpx.get(f"{address}/driftune/{PRIVATE}/resolve/main/README.md", trust_env=False).status_code == 404
    found = client("cut", tmp_path, address)
    wanted = served.context.store.file(served.context.store.resolve(f"{OTHER}@v2"), "adapter_model.safetensors")
    assert Path(found["path"]).read_bytes() == wanted.read_bytes()
