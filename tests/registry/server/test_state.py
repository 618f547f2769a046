"""The state is the same in SQLite and in PostgreSQL: shared, whole, and refused where it can't be used."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
import threading
import time
from pathlib import Path

import anyio
import pytest
import sqlalchemy as sa

from registry.errors import ConfigurationError, RegistryError
from registry.server import audit, state, tokens
from registry.server.notes import Notes
from registry.server.settings import ServerSettings
from registry.server.state import State
from registry.server.tokens import Scope
from tests.registry.server.conftest import new_database
from tests.registry.server.postgres import postgres
from tests.registry.server.serving import PUBLIC, context_in, serving

ROW = audit.Row("ann", "", "command", "promote", "networkx@v1", audit.DONE, "why")


def opened_by_many(url: str, many: int) -> None:
    """Makes a token in a state that many open at the same moment."""
    for number in range(many):
        database = State(url)
        with database.begin() as connection:
            tokens.new(connection, f"t{number}", ["*"], Scope.READ, days=1, by="a test")
            audit.write(connection, ROW)
        database.close()


def test_threads_that_open_a_new_state_at_once_all_can(state_url: str) -> None:
    """The first makes the tables, the others find them; none fails, and what each wrote is there."""
    faults: list[BaseException] = []

    def work() -> None:
        try:
            opened_by_many(state_url, 5)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    database = State(state_url)
    with database.read() as connection:
        assert len(tokens.every(connection)) == len(audit.read(connection, last=100)) == 30
    database.close()


@pytest.mark.slow
def test_processes_that_share_a_new_state_lose_nothing(state_url: str) -> None:
    """Several servers and commands write at once: every row is there."""
    spawned = multiprocessing.get_context("spawn")
    writers = [spawned.Process(target=opened_by_many, args=(state_url, 25)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 3
    database = State(state_url)
    with database.read() as connection:
        assert len(tokens.every(connection)) == len(audit.read(connection, last=1000)) == 75
    database.close()


def test_a_token_is_found_by_its_secret_until_it_is_revoked_or_expires(state_url: str) -> None:
    """What one process changes, another sees at its next look."""
    ours, theirs = State(state_url), State(state_url)
    with ours.begin() as connection:
        token, secret = tokens.new(connection, "ann", ["networkx*"], Scope.PUBLISH, days=2, by="root")
    with theirs.read() as connection:
        assert tokens.find(connection, secret) == token
        assert tokens.find(connection, secret[:-1]) is None
    assert (token.covers("networkx-fast"), token.covers("numpy"), token.covers_all) == (True, False, False)
    assert token.fault(time.time()) == ""
    assert token.fault(time.time() + 2 * 86400) == "has expired"
    with theirs.begin() as connection:
        tokens.revoke(connection, token.id, "lost")
    with ours.read() as connection:
        found = tokens.find(connection, secret)
    assert found is not None
    assert (found.fault(time.time()), found.revoked_why) == ("was revoked", "lost")
    ours.close()
    theirs.close()


def test_a_transaction_that_fails_leaves_nothing(state_url: str) -> None:
    """A token without its row in the audit log isn't made."""
    database = State(state_url)
    with pytest.raises(ZeroDivisionError), database.begin() as connection:
        tokens.new(connection, "ann", ["*"], Scope.READ, days=None, by="root")
        raise ZeroDivisionError
    with database.read() as connection:
        assert tokens.every(connection) == []
    database.close()


def test_the_audit_log_expires_refusals_first(state_url: str) -> None:
    """A flood of refusals pushes out refusals alone; what is older than the log is kept goes."""
    settings = ServerSettings(audit_days=10, audit_refusals=3)
    database, now = State(state_url), time.time()
    with database.begin() as connection:
        audit.write(connection, audit.Row("old", "", "", "promote", "", audit.DONE, at=now - 11 * 86400), ROW)
        audit.write(connection, *(audit.Row(f"r{n}", "", "", "GET", "", audit.REFUSED) for n in range(10)))
        audit.prune(connection, settings)
        assert [row.who for row in audit.read(connection, last=100)] == ["ann", "r7", "r8", "r9"]
        assert [row.who for row in audit.read(connection, last=1, result=audit.DONE)] == ["ann"]
    database.close()


def test_a_flood_of_refusals_is_counted_and_not_kept(state_url: str) -> None:
    """What waits to be written is bounded in memory."""
    database = State(state_url)
    notes = Notes(database, ServerSettings())
    for _ in range(1500):
        notes.refused(ROW)
    notes.flush()
    with database.read() as connection:
        rows = audit.read(connection, last=5000)
    assert len(rows) == 1001
    assert rows[-1].detail == "500 further refusals at the same time"
    database.close()


def test_refusals_that_cannot_be_written_yet_are_written_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process holds the file for longer than is waited for: the next turn writes them, once."""
    path = tmp_path / "server.sqlite"
    monkeypatch.setattr(state, "_BUSY_MS", 50)
    database = State(f"sqlite:///{path}")
    notes = Notes(database, ServerSettings())
    notes.refused(ROW)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RegistryError, match="locked"):
        notes.flush()
    other.execute("COMMIT")
    other.close()
    for _ in range(2):
        notes.flush()
    with database.read() as connection:
        assert [row.who for row in audit.read(connection, last=5)] == ["ann"]
    database.close()


def test_a_state_of_a_newer_driftune_is_refused(state_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tables may mean something else."""
    with monkeypatch.context() as patch:
        patch.setattr(state, "SCHEMA", state.SCHEMA + 1)
        State(state_url).close()
    with pytest.raises(ConfigurationError, match="newer driftune"):
        State(state_url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite://", "give an SQLite file"),
        ("mysql://nobody:secret@127.0.0.1/x", "give an SQLite file"),
        ("no address", "no file and no address"),
        ("postgresql+psycopg://nobody:secret@127.0.0.1:1/x", "can't be used"),
    ],
)
def test_a_state_that_cannot_be_is_told_without_its_password(url: str, said: str) -> None:
    """One clear line, that may be shown to anybody."""
    with pytest.raises((ConfigurationError, RegistryError), match=said) as caught:
        State(url)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_state_is_told(tmp_path: Path) -> None:
    """It isn't written over."""
    path = tmp_path / "server.sqlite"
    path.write_bytes(b"something else" * 1000)
    with pytest.raises(RegistryError, match="is it the state of a driftune server"):
        State(f"sqlite:///{path}")
    assert path.read_bytes() == b"something else" * 1000


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    """Webhooks' secrets are in it."""
    State(f"sqlite:///{tmp_path / 'a' / 'server.sqlite'}").close()
    assert stat.S_IMODE((tmp_path / "a" / "server.sqlite").stat().st_mode) == 0o600


def test_who_waits_for_the_file_holds_up_nobody_else(tmp_path: Path) -> None:
    """While another process writes for a second, the event loop turns, and reads are answered."""
    path = tmp_path / "server.sqlite"
    database = State(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.0, lambda: other.execute("COMMIT"))

    async def ask_beside_a_writer() -> list[float]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.run, lambda connection: audit.write(connection, ROW))
            waits = []
            for _ in range(10):
                began = time.monotonic()
                await database.ask(lambda connection: connection.execute(sa.select(1)).one())
                waits.append(time.monotonic() - began)
            release.start()
        return waits

    waits = anyio.run(ask_beside_a_writer)
    release.join()
    other.close()
    with database.read() as connection:
        assert len(audit.read(connection, last=2)) == 1
    database.close()
    assert max(waits) < 0.5


def test_connections_that_were_cut_are_made_again(postgresql: str) -> None:
    """PostgreSQL was restarted, or a firewall forgot an idle connection: nobody notices."""
    url = new_database(postgresql)
    ours, other = State(url), State(url)
    with other.begin() as connection:
        cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
        connection.exec_driver_sql(cut + "pg_backend_pid()")
    with ours.begin() as connection:
        audit.write(connection, ROW)
        assert len(audit.read(connection, last=2)) == 1
    ours.close()
    other.close()


@pytest.mark.slow
def test_without_its_state_the_server_gives_out_what_is_public(tmp_path: Path) -> None:
    """Who sends a token is told to try again, and health says so; no answer tells the state's address."""
    with postgres() as folder:
        url = new_database(folder)
        running = serving(context_in(tmp_path, state=url))
        served = running.__enter__()
        before = [served.get(path, "read").status_code for path in ("/healthz", "/registry/")]
    answers = [served.get("/healthz"), served.get("/registry/", "read"), served.get("/registry/")]
    body = {"version": 1, "reason": "x"}
    answers.append(served.get(f"/registry/{PUBLIC}/channels/stable", "publish", "POST", json=body))
    moves = served.context.store.history(PUBLIC, "stable")
    running.__exit__(None, None, None)
    assert before == [200, 200]
    assert [answer.status_code for answer in answers] == [503, 503, 200, 503]
    assert answers[0].headers["retry-after"]
    assert not [answer for answer in answers if folder in answer.text or "driftune@" in answer.text]
    assert len(moves) == 2


def test_a_state_is_closed_after_those_who_use_it(state_url: str) -> None:
    """A server that stops leaves no connection open behind a thread that goes on."""
    database, inside = State(state_url), threading.Event()

    def use() -> None:
        with database.begin() as connection:
            inside.set()
            time.sleep(0.2)
            audit.write(connection, ROW)

    user = threading.Thread(target=use)
    user.start()
    inside.wait(10)
    database.close()
    with database.read() as connection:
        assert len(audit.read(connection, last=2)) == 1
    database.close()
    user.join()
