"""The how-to's nginx, as it stands there but for TLS, before a real server."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from registry.server import audit
from registry.store import hashes
from tests.registry.server.serving import PRIVATE, Served, context_in, serving

DOCS = Path(__file__).parents[3] / "docs" / "how-to"


@contextmanager
def behind(served: Served, folder: Path) -> Iterator[str]:
    """The address of an nginx that is configured as serve.md says, with hub.md's folders, as long as a block runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    (server,) = re.findall(r"```nginx\n(server .*?)```", (DOCS / "serve.md").read_text(), re.DOTALL)
    hub = (DOCS / "hub.md").read_text()
    folders = "".join(re.findall(r"^ *location /accel/.*\n", hub, re.MULTILINE))
    (headers,) = re.findall(r"```nginx\n(etag off.*?)```", hub, re.DOTALL)
    (folder / "driftune_headers").write_text(headers)
    server = re.sub(r" *ssl_\w+ .*\n", "", server).replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
    server = server.replace("http://127.0.0.1:8765", served.address).rstrip().removesuffix("}") + folders + "}"
    server = server.replace("/srv/driftune/registry", served.context.store.url)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    own = f"user root; daemon off; pid {folder}/pid; error_log stderr; events {{}}"
    (folder / "nginx.conf").write_text(f"{own} http {{ access_log off; {temporary} {server} }}")
    process = subprocess.Popen(["nginx", "-c", folder / "nginx.conf"], stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 20
        while time.monotonic() < until and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        _, said = process.communicate(timeout=20)
    assert "[emerg]" not in said, said


def test_the_configuration_of_the_how_to_does_what_it_says(tmp_path: Path) -> None:
    """It sends files to who may have them alone, goes on where one was cut off, and tells where callers are."""
    tmp_path.chmod(0o755)
    context = context_in(tmp_path, accel="/accel", proxy=("127.0.0.1",))
    with serving(context) as served, behind(served, tmp_path) as address:
        sha256 = hashes(context.store.versions(PRIVATE)[0])["adapter_model.safetensors"]
        path = f"/registry/files/{sha256[:2]}/{sha256}"
        bytes_ = context.store.objects.read(f"files/{sha256[:2]}/{sha256}")
        whole = httpx.get(address + path, headers=served.headers("read"))
        part = httpx.get(address + path, headers=served.headers("read") | {"Range": "bytes=10-"})
        inside = httpx.get(f"{address}/accel{path}")
        refused = httpx.get(address + path, headers={"X-Forwarded-For": "127.0.0.99"})
        hidden = httpx.get(f"{address}/registry/{PRIVATE}/", headers={"X-Forwarded-For": "127.0.0.99"})
    assert (whole.status_code, whole.content) == (200, bytes_)
    assert whole.headers["etag"] == f'"{sha256}"'
    assert whole.headers.get_list("x-content-type-options") == ["nosniff"]
    assert "x-accel-redirect" not in whole.headers
    assert (part.status_code, part.content) == (206, bytes_[10:])
    assert [answer.status_code for answer in (inside, refused, hidden)] == [404, 404, 404]
    with context.state.read() as connection:
        addresses = {row.address for row in audit.read(connection, last=50)}
    context.state.close()
    assert addresses == {"127.0.0.1"}  # nginx tells whom it saw, whatever that one said of himself
