"""`driftune stack`: Prefect's server on PostgreSQL, workers and the registry's server, as plain processes of one home.

What `docker-compose.yml` runs in containers, where there is no engine for them.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from flows.stacking.places import find_ports, find_secrets
from flows.stacking.processes import is_alive
from registry.errors import ConfigurationError, DriftuneError, LockedError
from registry.lock import held
from registry.settings import Settings
from registry.storage import storage, write_file

READY_S = 300.0
"""Seconds until all parts have to be healthy the first time: 30 on a quiet machine."""
GIVEN_UP = 3
"""So often a part may end at once until its coming up isn't waited for any more."""


def up(*, detach: bool, gpu: bool, ports: dict[str, int | None]) -> None:
    """Runs the stack until it is told to stop (Ctrl-C, SIGTERM, or `down`); detached, it returns when all is healthy.

    Args:
        detach: Go on in the background.
        gpu: With a worker of the GPU pool.
        ports: The ports that are named, by part.

    Raises:
        LockedError: It runs already.
        ConfigurationError: PostgreSQL is missing, a port is taken, or the home can't be written.
        DriftuneError: It does not come up.
    """
    folder = _folder()

    def refused(said: str) -> LockedError:
        return LockedError(f"The stack of {folder.parent} runs already, as process {said}: driftune stack down ends it")

    with storage("the stack's files", folder):
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    if pid := _supervisor(folder):
        raise refused(str(pid))  # before its log is begun anew
    if detach:
        _detached(folder, gpu, ports)
        return
    from flows.stacking.parts import all_parts
    from flows.stacking.supervision import Running, Supervisor

    def changed(now: list[Running]) -> None:
        told = [_row(running) for running in now]
        with contextlib.suppress(DriftuneError):  # a disk that is full for a while ends no part
            _write_state(folder, told)
        _tell(told, before)

    before: dict[str, str] = {}
    with held(folder / "lock", "the stack's lock", str(os.getpid()), refused):
        parts = all_parts(Settings(), find_ports(folder, **ports), find_secrets(folder), gpu=gpu)
        supervisor = Supervisor(parts, folder / "logs", changed)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, supervisor.stop)
        supervisor.run()
    print("Stopped", flush=True)


def down() -> bool:
    """Ends the stack of this home, and waits until it has ended; false where none runs."""
    folder = _folder()
    pid = _supervisor(folder)
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    while is_alive(pid):
        time.sleep(0.1)
    return True


def read_status() -> dict[str, Any]:
    """`running`, `pid` of the supervisor, and its `parts`: name, state, pid, restarts, since, address."""
    return _status(_folder())


def _status(folder: Path) -> dict[str, Any]:
    pid, state = _supervisor(folder), _state(folder)
    if pid is None or state["pid"] != pid:  # of one before
        state["parts"] = [row | {"state": "stopped", "pid": None, "restarts": 0} for row in state["parts"]]
    return {"running": pid is not None, "pid": pid, "parts": state["parts"]}


def is_healthy(status: dict[str, Any]) -> bool:
    """Whether a stack runs and each of its parts is well."""
    return bool(status["parts"]) and all(row["state"] == "healthy" for row in status["parts"])


def show(status: dict[str, Any]) -> None:
    """Prints a status for a person."""
    if not status["parts"]:
        print("No stack was started in this home: driftune stack up --detach")
    for row in status["parts"]:
        since = row["since"].replace("T", " ").removesuffix("+00:00")
        again = f"{row['restarts']} restarts" if row["restarts"] != 1 else "1 restart"
        print(f"{row['name']:<11} {row['state']:<9} since {since} UTC, {again}  {row['address']}".rstrip())


def api(home: Path) -> tuple[str, str] | None:
    """Address and password of the Prefect API of a home's stack; None where there is none that is well."""
    folder = home / "stack"
    prefect = next((row for row in _status(folder)["parts"] if row["name"] == "prefect"), None)
    if prefect is None or prefect["state"] != "healthy":
        return None
    return prefect["address"], find_secrets(folder).api


def server() -> str:
    """The address of the Prefect API of this home's stack; empty where there is none that is well."""
    return (api(Settings().root) or ("", ""))[0]


def logs(parts: list[str], lines: int, *, follow: bool) -> None:
    """Prints the last lines of the logs of parts, of all where none is named; with `follow`, also what comes.

    Raises:
        ConfigurationError: There is no such part.
    """
    there = {path.stem: path for path in sorted((_folder() / "logs").glob("*.log"))}
    for name in parts:
        if name not in there:
            raise ConfigurationError(f"No part {name} in this home's stack: found {', '.join(there) or 'none'}")
    chosen = [there[name] for name in parts or there]
    if chosen:
        command = ["tail", "-n", str(lines), *(["-F"] if follow else []), "--", *map(str, chosen)]
        with contextlib.suppress(KeyboardInterrupt):
            subprocess.run(command, check=False)


def _folder() -> Path:
    return Settings().root / "stack"


def _supervisor(folder: Path) -> int | None:
    """The process that holds the stack's lock; None where none does."""
    try:
        with (folder / "lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None


def _detached(folder: Path, gpu: bool, ports: dict[str, int | None]) -> None:
    """Starts the supervisor in a session of its own, and waits until all parts are healthy; else it ends again."""
    named = [word for name, port in ports.items() if port is not None for word in (f"--{name}-port", str(port))]
    command = [sys.executable, "-m", "flows.cli", "stack", "up", *named, *(["--gpu"] if gpu else [])]
    log = folder / "logs" / "stack.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait_until_healthy(process, folder, log)
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _wait_until_healthy(process: subprocess.Popen[bytes], folder: Path, log: Path) -> None:
    end = time.monotonic() + READY_S
    while not ((status := read_status())["pid"] == process.pid and is_healthy(status)):
        if process.poll() is not None:
            kind = ConfigurationError if process.returncode == ConfigurationError.exit_code else DriftuneError
            raise kind(_last_line(log).removeprefix("driftune: "))
        for row in status["parts"]:
            if row["restarts"] >= GIVEN_UP:
                said = _last_line(folder / "logs" / f"{row['name']}.log")
                raise DriftuneError(f"{row['name']} does not stay up; its log ends with: {said}")
        if time.monotonic() > end:
            raise DriftuneError(
                f"The stack was not healthy after {READY_S:.0f} s, and was ended: see driftune stack logs"
            )
        time.sleep(0.2)


def _last_line(log: Path) -> str:
    return log.read_text(errors="replace").strip().rpartition("\n")[2]


def _row(running: Any) -> dict[str, Any]:
    process = running.process
    return {
        "name": running.part.name,
        "state": running.state,
        "pid": process.pid if process else None,
        "restarts": running.restarts,
        "since": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "address": running.part.address,
    }


def _write_state(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Writes what each part is; each row's `since` stays where its state has."""
    old = {row["name"]: row for row in _state(folder)["parts"]}
    same = ("state", "pid", "restarts")
    for row in rows:
        before = old.get(row["name"])
        if before and all(before[name] == row[name] for name in same):
            row["since"] = before["since"]
    state = {"pid": os.getpid(), "parts": rows}
    write_file(folder / "state.json", json.dumps(state).encode(), "the stack's state")


def _state(folder: Path) -> dict[str, Any]:
    path = folder / "state.json"
    return json.loads(path.read_text()) if path.exists() else {"pid": None, "parts": []}


def _tell(rows: list[dict[str, Any]], before: dict[str, str]) -> None:
    """Prints a line for each part whose state has changed."""
    for row in rows:
        if before.get(row["name"]) != row["state"]:
            before[row["name"]] = row["state"]
            print(f"{row['since']} {row['name']}: {row['state']} {row['address']}".rstrip(), flush=True)
