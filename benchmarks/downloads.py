"""What `python benchmarks/registry.py [--json]` measures: serving an adapter to 50 subscribers at once.

50 downloads of 50 MB, all begun at the same moment by one process that throws away what it gets; sides in turns.

* errors: downloads of ours, bare and behind nginx, that ended otherwise than whole: by count in all rounds, and by hash
  in one more.
* memory_mb: the most that `driftune serve` held in memory meanwhile (VmHWM of its processes).
* over_fileresponse: throughput of `driftune serve`, in its default configuration, over that of a bare Starlette
  application which answers with `FileResponse`, on the same uvicorn.
* over_nginx: throughput behind nginx with `--accel`, over the same nginx with the same file in a folder of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from competitors import BenchmarkError
from ratios import Result, Target, exit_code, in_turns, table

from registry.store import Publication, Store

ERRORS = Target("errors", 0, "lower")
MEMORY = Target("memory_mb", 250, "lower")
OVER_FILERESPONSE = Target("over_fileresponse", 0.9)
OVER_NGINX = Target("over_nginx", 0.9)

WEIGHTS = "adapter_model.safetensors"
OURS = f"/driftune/networkx/resolve/main/{WEIGHTS}"
NGINX_PROGRAM = shutil.which("nginx") or "/usr/sbin/nginx"  # Debian keeps that off the path of most users
_PIECE = 1 << 20
_WAIT_S = 60.0

BARE = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route

async def answer(request):
    return FileResponse(sys.argv[1])

uvicorn.run(Starlette(routes=[Route("/weights", answer)]), port=int(sys.argv[2]), log_level="warning")
"""

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
worker_processes auto;
{user}
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_set_header Host $http_host; }}
        location /plain/ {{ alias {folder}/plain/; }}
        location /accel/registry/ {{ internal; alias {folder}/registry/; }}
    }}
}}
"""


@dataclass
class Load:
    """Downloads at once, and what became of all that there were.

    Attributes:
        count: How many at a time.
        size: Bytes that each has to have.
        sha256: Their hash.
        wrong: How many weren't whole.
    """

    count: int
    size: int
    sha256: str
    wrong: int = field(default=0)

    def pace(self, address: str, *, hashed: bool = False, judged: bool = True) -> float:
        """Bytes a second of one round of downloads of an address."""
        since = time.perf_counter()
        got = _downloads(address, self.count, hashed=hashed)
        spent = time.perf_counter() - since
        wanted = (self.size, self.sha256 if hashed else "")
        wrong = sum(each != wanted for each in got)
        if judged:
            self.wrong += wrong
        elif wrong:
            raise BenchmarkError(f"{wrong} of {self.count} downloads of {address} weren't whole")
        return self.count * self.size / spent


def main() -> int:
    """Measures, prints and judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each side (default 5)")
    parser.add_argument("--downloads", type=int, default=50, help="downloads at once (default 50)")
    parser.add_argument("--megabytes", type=int, default=50, help="size of the file in MB (default 50)")
    asked = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="driftune-registry-") as folder:
            results = measured(Path(folder), asked.rounds, asked.downloads, asked.megabytes * 10**6)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(r.line() for r in results) if asked.json else table(results))
    return exit_code(results)


def measured(folder: Path, rounds: int, count: int, size: int) -> list[Result]:
    """The four figures."""
    if not Path(NGINX_PROGRAM).exists():
        raise BenchmarkError("nginx isn't here: apt-get update && apt-get install -y nginx-light")
    folder.chmod(0o755)  # workers of nginx are another user where it is started as root
    weights = _published(folder, size)
    load = Load(count, size, hashlib.sha256(weights.read_bytes()).hexdigest())
    ours, accelerated, bare, nginx = (_free_port() for _ in range(4))
    with (
        _driftune(folder / "home-a", folder, ours) as serving,
        _driftune(folder / "home-b", folder, accelerated, "--accel", "/accel") as behind,
        _started([sys.executable, "-c", BARE, str(weights), str(bare)], bare),
        _nginx(folder, nginx, accelerated),
    ):
        at = {"ours": f"{ours}{OURS}", "bare": f"{bare}/weights", "behind": f"{nginx}{OURS}",
              "nginx": f"{nginx}/plain/{WEIGHTS}"}  # fmt: skip
        addresses = {name: f"http://127.0.0.1:{rest}" for name, rest in at.items()}
        for name in ("ours", "behind"):  # the one in which each byte is looked at; it warms up, too
            load.pace(addresses[name], hashed=True)
        sides = [partial(load.pace, each, judged=name in ("ours", "behind")) for name, each in addresses.items()]
        paces = in_turns(rounds, sides)
        memory = max(_peak_mb(serving), _peak_mb(behind))
    return _results(paces, load, memory)


def _results(paces: list[list[float]], load: Load, memory: float) -> list[Result]:
    ours, bare, behind, nginx = (sorted(column)[len(column) // 2] / 10**6 for column in zip(*paces, strict=True))
    shown = [{"ours": f"{a:.0f} MB/s", "theirs": f"{b:.0f} MB/s"} for a, b in ((ours, bare), (behind, nginx))]
    return [
        Result(ERRORS, [load.wrong], {}),
        Result(MEMORY, [memory], {}),
        Result(OVER_FILERESPONSE, [row[0] / row[1] for row in paces], shown[0]),
        Result(OVER_NGINX, [row[2] / row[3] for row in paces], shown[1]),
    ]


def _published(folder: Path, size: int) -> Path:
    """A registry with an adapter of so many bytes, which lies in a folder of its own too; its file."""
    made = folder / "plain"
    made.mkdir()
    (made / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8, "target_modules": ["q_proj"]}')
    weights = made / WEIGHTS
    with weights.open("wb") as file:
        table_of = f'{{"w":{{"dtype":"U8","shape":[{size - 128}],"data_offsets":[0,{size - 128}]}}}}'.encode()
        head = table_of.ljust(120)
        file.write(len(head).to_bytes(8, "little") + head)
        for start in range(0, size - 128, _PIECE):
            file.write(os.urandom(min(_PIECE, size - 128 - start)))
    said = Publication(domain="networkx", library_range="networkx>=3.6,<3.7", base="none", base_revision="none",
                       fingerprint="none", snapshot="none", run="none")  # fmt: skip
    Store(folder / "registry").publish(made, said)
    return weights


@contextlib.contextmanager
def _driftune(home: Path, folder: Path, port: int, *options: str) -> Iterator[int]:
    """`driftune serve`; its process id."""
    own = {"DRIFTUNE_HOME": str(home), "DRIFTUNE_REGISTRY": str(folder / "registry")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRIFTUNE_")}
    command = [sys.executable, "-m", "flows.cli", "serve", "--port", str(port), *options]
    with _started(command, port, {**kept, **own}) as running:
        yield running


@contextlib.contextmanager
def _nginx(folder: Path, port: int, behind: int) -> Iterator[int]:
    """A running nginx; its process id."""
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, behind=behind, user=user))
    command = [NGINX_PROGRAM, "-p", str(folder), "-e", str(folder / "nginx.log"), "-c", str(folder / "nginx.conf")]
    with _started(command, port) as running:
        yield running


@contextlib.contextmanager
def _started(command: list[str], port: int, environment: dict[str, str] | None = None) -> Iterator[int]:
    """A process that listens on a port, ended with the block."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            until = time.monotonic() + _WAIT_S
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise BenchmarkError(f"{command[:4]} did not start: {log.read().decode()[-2000:]}")
                time.sleep(0.05)
            yield process.pid
        finally:
            process.terminate()
            process.wait(timeout=30)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as place:
        return int(place.getsockname()[1])


def _peak_mb(process: int) -> float:
    """The most that a process and its children held in memory, in MB."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    kilobytes = 0
    for each in (str(process), *children):
        lines = Path(f"/proc/{each}/status").read_text().splitlines()
        kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return kilobytes * 1024 / 10**6


@dataclass
class _Download:
    """One download: bytes of its body so far, and their hash where it is wanted."""

    head: bytes = b""
    body: int = -1
    length: int = -1
    digest: object = None


def _downloads(address: str, count: int, *, hashed: bool) -> list[tuple[int, str]]:
    """Downloads an address so many times at once; bytes and SHA-256 (empty where not asked for) of each body."""
    place = urlsplit(address)
    asked = f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n".encode()
    buffer = memoryview(bytearray(_PIECE))
    done: list[tuple[int, str]] = []
    with selectors.DefaultSelector() as selector:
        for _ in range(count):
            connection = socket.create_connection((place.hostname or "", place.port or 80))
            connection.sendall(asked)
            connection.setblocking(False)
            digest = hashlib.sha256() if hashed else None
            selector.register(connection, selectors.EVENT_READ, _Download(digest=digest))
        while selector.get_map():
            for key, _ in selector.select(timeout=_WAIT_S) or _stalled(address):
                connection, download = key.fileobj, key.data
                if _received(connection, download, buffer):
                    selector.unregister(connection)
                    connection.close()
                    done.append((download.body, download.digest.hexdigest() if hashed else ""))
    return done


def _stalled(address: str) -> list[object]:
    raise BenchmarkError(f"{address} sent nothing for {_WAIT_S:.0f} s")


def _received(connection: socket.socket, download: _Download, buffer: memoryview) -> bool:
    """Takes what has come; whether that was all."""
    try:
        count = connection.recv_into(buffer)
    except BlockingIOError:
        return False
    except OSError:
        return True
    piece = buffer[:count]
    if download.body < 0:
        download.head += bytes(piece)
        head, end, rest = download.head.partition(b"\r\n\r\n")
        if end:
            download.body = 0
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            download.length = int(lengths[0].split(b":")[1]) if lengths and b" 200 " in head else 0
            piece = memoryview(rest)
    if download.body >= 0:
        download.body += len(piece)
        if download.digest is not None:
            download.digest.update(piece)
    return count == 0 or download.body == download.length


if __name__ == "__main__":
    sys.exit(main())
