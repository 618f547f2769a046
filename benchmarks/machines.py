"""What a second machine brings: `python benchmarks/machines.py [--json] [--rounds 1] [--domains 8]`, as root.

A machine is a process group with one core, in a network namespace and a home of its own; all it shares with the other
is an S3 server (moto's), whose address on its own loopback leads there through a Unix socket. So many small domains,
each over a library of its own, are done from docs to snapshot by one machine, and by two at once which take what the
other doesn't hold. Beside it, in the same rounds: a bare CPU loop on one core, and on two.

* two_machines: how much faster two are than one, through how much faster two loops are than one.

In the end both lakes must hold the same rows, and no piece of work may have been done twice. Starting Python and its
imports is left out on both sides; building environments is not. The S3 server and the relays have the cores that the
side's machines have, on which they take about a tenth: with a core of their own beside one machine, and none beside
two, one machine would look faster than it is. Two and a half minutes a round on two quiet cores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
sys.path[:] = [str(HERE), str(HERE.parent), *sys.path]

from ratios import Result, Target, exit_code, in_turns, table

sys.path[:] = [entry for entry in sys.path if entry != str(HERE)]

TARGET = Target("two_machines", 0.9)
LAST = "curate"
"""The last stage that is measured."""
TABLES = ("releases", "symbols", "changes", "programs", "examples", "verdicts", "removals", "snapshot_rows")
LOOP_S = 5.0
_HELD_S = 0.5
_LOOP = """
import sys, time
n, end = 0, time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    sum(i * i for i in range(1000))
    n += 1
print(n)
"""


def main() -> int:
    """Measures, prints and judges; or is one of the processes that this takes."""
    if sys.argv[1:2] == ["machine"]:
        return _machine(sys.argv[2:])
    if sys.argv[1:2] == ["relay"]:
        asyncio.run(_relay(sys.argv[2:]))
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--domains", type=int, default=8)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # namespaces don't outlive it then either
    result = _measured(options.rounds, options.domains)
    print(result.line() if options.json else table([result]))
    return exit_code([result])


def _measured(rounds: int, domains: int) -> Result:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="driftune-machines-")))
        world = stack.enter_context(_world(folder, domains))
        sides = [lambda: _loops(1), lambda: _loops(2), lambda: world.run(1), lambda: world.run(2)]
        made = in_turns(rounds, sides)
        world.check()
    loops, machines = [two / one for one, two, _, _ in made], [one / two for _, _, one, two in made]
    shown = {
        "one machine": f"{made[-1][2]:.0f} s",
        "two": f"{made[-1][3]:.0f} s",
        "speed-up": f"{machines[-1]:.2f}",
        "loops": f"{loops[-1]:.2f}",
    }
    return Result(TARGET, [ours / bare for ours, bare in zip(machines, loops, strict=True)], shown)


def _loops(count: int) -> float:
    """Turns that so many bare loops make together, each on a core of its own."""
    command = [sys.executable, "-c", _LOOP, str(LOOP_S)]
    running = [subprocess.Popen(["taskset", "-c", str(n), *command], stdout=subprocess.PIPE) for n in range(count)]
    return float(sum(int(each.communicate()[0]) for each in running))


class _Space(NamedTuple):
    """A network namespace, and the processes that lead out of it."""

    name: str
    relays: Sequence[int]


class _World:
    """Namespaces, an S3 server, an index, and domains."""

    def __init__(self, folder: Path, domains: Sequence[Path], spaces: Sequence[_Space], endpoint: str) -> None:
        self._folder, self._domains, self._spaces = folder, list(domains), [space.name for space in spaces]
        self._relays = [relay for space in spaces for relay in space.relays]
        self._endpoint, self._turn = endpoint, 0
        self._lakes: list[str] = []

    def run(self, machines: int) -> float:
        """Seconds in which so many machines do all domains, in a lake of their own."""
        self._turn += 1
        lake = f"s3://machines/lake{self._turn}"
        self._lakes.append(lake)
        for thread in [*(int(task.name) for task in Path("/proc/self/task").iterdir()), *self._relays]:
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(thread, range(machines))
        running = [self._start(number, lake) for number in range(machines)]
        for each in running:
            assert each.stdout is not None
            _ = each.stdout.readline()
        begun = time.monotonic()
        for each in running:
            assert each.stdin is not None
            each.stdin.write("go\n")
            each.stdin.flush()
        codes = [each.wait() for each in running]
        taken = time.monotonic() - begun
        for each in running:
            each.communicate()
        if any(codes):
            raise SystemExit(f"A machine ended with {codes}")
        return taken

    def _start(self, number: int, lake: str) -> subprocess.Popen[str]:
        home = self._folder / f"home{self._turn}-{number}"
        domains = self._domains if number == 0 else self._domains[::-1]
        own = {"DRIFTUNE_HOME": str(home), "DRIFTUNE_LAKE": lake, "AWS_ENDPOINT_URL": self._endpoint}
        command = ["taskset", "-c", str(number), "ip", "netns", "exec", self._spaces[number], sys.executable]
        return subprocess.Popen(
            [*command, str(Path(__file__).resolve()), "machine", *map(str, domains)],
            env=os.environ | own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def check(self) -> None:
        """Holds all lakes against the first.

        Raises:
            SystemExit: A row is missing or another, or a piece of work was done twice.
        """
        from registry.lake import Lake

        prints = []
        for number, url in enumerate(self._lakes):
            lake = Lake(url, self._folder / f"check{number}")
            lake.create()
            prints.append(lake.fingerprint(TABLES))
            files = ", ".join(f"'{name}'" for name in lake.files.patterns("work"))
            twice = f'SELECT "key" FROM read_parquet([{files}], union_by_name = true) GROUP BY ALL HAVING count(*) > 1'
            with contextlib.closing(lake.views()) as connection:
                if found := connection.execute(twice).fetchall():
                    raise SystemExit(f"{len(found)} pieces of work were done twice in {url}")
            lake.close()
        different = {name for each in prints for name in TABLES if each[name] != prints[0][name]}
        if different:
            raise SystemExit(f"Lakes differ in {', '.join(sorted(different))}")


@contextlib.contextmanager
def _world(folder: Path, domains: int) -> Iterator[_World]:
    from moto.server import ThreadedMotoServer

    from tests.flows import written_lib
    from tests.indexed import own_index

    with ExitStack() as stack:
        (folder / "made").mkdir()
        index = stack.enter_context(own_index(folder / "made"))
        files = []
        for name in (f"lib{n}" for n in range(domains)):
            for version, is_new in (("1.0", False), ("2.0", True)):
                named = {_of(path, name): _of(text, name) for path, text in written_lib.files(is_new=is_new).items()}
                index.add(name, version, named, "License-Expression: MIT\n")
            files.append(folder / f"{name}.toml")
            files[-1].write_text(
                _of(written_lib.DOMAIN.format(url=index.url), name).replace("workers = 2", "workers = 1")
            )
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        stack.callback(server.stop)
        port = server.get_host_and_port()[1]
        ports = [port, int(index.url.split(":")[2].split("/")[0])]
        spaces = [stack.enter_context(_space(number, folder, ports)) for number in (0, 1)]
        endpoint = f"http://127.0.0.1:{port}"
        own = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
        os.environ.update(own | {"AWS_DEFAULT_REGION": "us-east-1"})
        import s3fs

        s3fs.S3FileSystem().mkdir("machines")
        yield _World(folder, files, spaces, endpoint)


def _of(text: str, name: str) -> str:
    return re.sub(r"\blib\b", name, text)


@contextlib.contextmanager
def _space(number: int, folder: Path, ports: Sequence[int]) -> Iterator[_Space]:
    """A network namespace whose loopback has these ports of ours, and nothing else."""
    name = f"driftune-{os.getpid()}-{number}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    relays: list[subprocess.Popen[bytes]] = []
    try:
        subprocess.run(["ip", "netns", "exec", name, "ip", "link", "set", "lo", "up"], check=True)
        for port in ports:
            socket = folder / f"{number}-{port}"
            relay = [sys.executable, str(Path(__file__).resolve()), "relay"]
            relays.append(subprocess.Popen([*relay, str(socket), str(port)]))
            relays.append(subprocess.Popen(["ip", "netns", "exec", name, *relay, str(port), str(socket)]))
        time.sleep(2)
        yield _Space(name, [each.pid for each in relays])
    finally:
        for each in relays:
            each.kill()
            each.wait()
        subprocess.run(["ip", "netns", "delete", name], check=True)


async def _relay(ends: Sequence[str]) -> None:
    """Leads from one end to another: each a port of this loopback, or a Unix socket."""
    here, there = ends

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(1 << 16):
                target.write(data)
                await target.drain()
        target.close()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = asyncio.open_connection("127.0.0.1", int(there)) if there.isdecimal() else None
        out = await (opened or asyncio.open_unix_connection(there))
        await asyncio.gather(copy(reader, out[1]), copy(out[0], writer))

    server: Any = (
        asyncio.start_server(lead, "127.0.0.1", int(here))
        if here.isdecimal()
        else asyncio.start_unix_server(lead, here)
    )
    await (await server).serve_forever()


def _machine(files: Sequence[str]) -> int:
    """Does all domains that no other machine does, until all are done."""
    from registry.errors import LockedError
    from registry.lake import open_lake
    from registry.records import Work

    lake = open_lake("machine")
    print("ready", flush=True)
    sys.stdin.readline()
    left = list(files)
    while left:
        for file in list(left):
            if lake.read(Work, "stage = 'curate' AND domain = $d", {"d": Path(file).stem}):
                left.remove(file)
                continue
            with contextlib.suppress(LockedError):
                _done(file)
                left.remove(file)
        if left:
            time.sleep(_HELD_S)
    lake.close()
    return 0


def _done(file: str) -> None:
    """Does a domain up to its snapshot."""
    from flows.batches import perform
    from flows.house import open_house
    from flows.stages import STAGES
    from registry.lock import domain_lock

    house = open_house(file)
    with domain_lock(house.settings, house.domain.name, house.run), contextlib.closing(house):
        for name, stage in STAGES.items():
            perform(stage, house)
            if name == LAST:
                break


if __name__ == "__main__":
    sys.exit(main())
