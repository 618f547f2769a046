"""What LLMs were asked, what they said, and what it cost: one SQLite file for all processes of a home.

A request is written down, and charged at its worst case to each of its budgets, before it is sent; when its answer is
there, that is written down and charged instead. Whoever asks the same again gets the answer from here.

Guarantees, whenever a process is killed: no budget is exceeded by what was sent; an answer that was written down is
never asked for again; a request that was on its way is charged at its worst case by whoever comes next, and told as
`lost`. Who was killed is known by a lock that the kernel lets go of. A batch outlives who sent it: the next one waits
for it.
Non-guarantees: after a power failure the last transactions may be missing (`synchronous = NORMAL`: the file is whole,
but they may not have reached the disk; a sync for each would cost more than all else here). On a network file system
neither the lock nor SQLite's shared memory holds. A process that was forked by the holder keeps its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.errors import ConfigurationError, RegistryError
from registry.records import Call
from registry.storage import storage
from synth.budget import BILLION, Scope
from synth.entries import Bundle, Decision, Entry, Leave, NoLeave, Settled, Spent, Wait, Wish
from synth.responses import LONGEST_PAUSE_S

_VERSION = 2
_BUSY_S = 120.0
"""How long another process may hold the file; each does for milliseconds."""
_REAP_S = 1.0
"""How often, at most, it is looked who has died, while something is waited for."""
BATCH_S = 26 * 3600.0
"""After how long a batch isn't waited for any more: endpoints give themselves 24 hours."""
SOON_S = 0.05
"""After how long it is asked again for what somebody else holds."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS holders (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS scopes (
    name TEXT PRIMARY KEY, tokens INTEGER NOT NULL DEFAULT 0, money INTEGER NOT NULL DEFAULT 0,
    held_tokens INTEGER NOT NULL DEFAULT 0, held_money INTEGER NOT NULL DEFAULT 0, over INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT, request TEXT NOT NULL, attempt INTEGER NOT NULL, domain TEXT NOT NULL,
    purpose TEXT NOT NULL, model TEXT NOT NULL, holder INTEGER, batch INTEGER, scopes TEXT NOT NULL,
    worst_prompt INTEGER NOT NULL, worst_completion INTEGER NOT NULL, worst_money INTEGER NOT NULL,
    outcome TEXT, final INTEGER NOT NULL DEFAULT 0, told INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '',
    text TEXT NOT NULL DEFAULT '', prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0, money INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,
    UNIQUE (request, attempt)
);
CREATE TABLE IF NOT EXISTS batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT, endpoint TEXT NOT NULL, domain TEXT NOT NULL, mark TEXT NOT NULL,
    since REAL NOT NULL, name TEXT, holder INTEGER
);
CREATE INDEX IF NOT EXISTS open_calls ON calls (holder) WHERE outcome IS NULL;
CREATE INDEX IF NOT EXISTS untold ON calls (domain) WHERE told = 0 AND outcome IS NOT NULL;
CREATE TABLE IF NOT EXISTS pauses (endpoint TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS heeded (domain TEXT NOT NULL, mark TEXT NOT NULL, PRIMARY KEY (domain, mark)) WITHOUT ROWID;
"""


class Journal:
    """The journal of a home. It may be used by all threads of a process.

    Args:
        path: The file; made where it isn't there.

    Raises:
        ConfigurationError: It can't be opened or written, or a newer driftune wrote it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._reaped = 0.0
        with storage("the journal of the LLM", path):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._name = f"{os.getpid()}-{secrets.token_hex(8)}"
            self._file = os.open(self._folder / self._name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)  # before anybody can read of it
        try:
            self._rows = _opened(path)
            self._at_once = _opened(path)  # a connection of its own, as how long it waits is a connection's
            self._at_once.execute("PRAGMA busy_timeout = 0")
            self._inode = path.stat().st_ino
            with self._transaction() as rows:
                made = rows.execute("INSERT INTO holders (name) VALUES (?)", (self._name,))
                self._holder = int(made.lastrowid or 0)
                self._reap(rows)
        except BaseException:
            self._let_go()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _folder(self) -> Path:
        return self.path.with_name(f"{self.path.name}.holders")

    def close(self) -> None:
        """Lets go of it; what this process has on its way, but for batches, is lost: it may be charged."""
        with self._lock:
            try:
                with self._transaction() as rows:
                    self._lose(rows, self._holder)
            finally:  # on a full disk the next one does it
                self._rows.close()
                self._at_once.close()
                self._let_go()

    def write(self, entries: Sequence[Entry]) -> list[Decision | None]:
        """Writes all down in one transaction; it survives this process when this returns.

        Returns:
            What came of each Wish; None for others.
        """
        with self._transaction() as rows:
            return [self._written(rows, entry) for entry in entries]

    def write_at_once(self, entries: Sequence[Entry]) -> list[Decision | None] | None:
        """`write`, or None where it would have to wait for another thread or process: nothing is written then."""
        if not self._lock.acquire(blocking=False):
            return None
        try:
            with self._transaction(self._at_once) as rows:
                return [self._written(rows, entry) for entry in entries]
        except ConfigurationError as error:
            if getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                return None
            raise
        finally:
            self._lock.release()

    def ask(self, wish: Wish) -> Decision:
        """Writes one request down, and reserves for it, where that is possible."""
        decision = self.write([wish])[0]
        assert decision is not None  # a wish has one
        return decision

    def spent(self, scope: str) -> Spent:
        """What was used in a scope, as `domain:networkx`."""
        with self._lock, _translated(self.path):
            return _spent(self._rows, [scope]).get(scope, Spent())

    def calls(self, domain: str) -> list[tuple[int, Call]]:
        """The calls of a domain that have ended and weren't marked as told, oldest first, with their numbers."""
        asked = """SELECT id, request, attempt, domain, purpose, model, outcome, detail, text, prompt_tokens,
            completion_tokens, money, seconds, scopes FROM calls WHERE domain = ? AND told = 0 AND outcome IS NOT NULL
            ORDER BY id"""
        with self._lock, _translated(self.path):
            found = self._rows.execute(asked, (domain,)).fetchall()
        return [(number, _call(values)) for number, *values in found]

    def tell(self, numbers: Sequence[int]) -> None:
        """Marks calls as told, once they are in the lake. Killed between, they are told again: a call has one id."""
        with self._transaction() as rows:
            rows.executemany("UPDATE calls SET told = 1 WHERE id = ?", [(number,) for number in numbers])

    def bundle(self, endpoint: str, domain: str, calls: Sequence[int]) -> Bundle:
        """Writes down that calls of a domain will be sent as one batch: from now on they outlive this process."""
        mark = secrets.token_hex(16)
        with self._transaction() as rows:
            asked = "INSERT INTO batches (endpoint, domain, mark, since, holder) VALUES (?, ?, ?, ?, ?)"
            number = int(rows.execute(asked, (endpoint, domain, mark, time.time(), self._holder)).lastrowid or 0)
            rows.executemany("UPDATE calls SET batch = ? WHERE id = ?", [(number, call) for call in calls])
        return Bundle(number, mark, None, tuple(calls))

    def name(self, bundle: Bundle, name: str) -> None:
        """Writes down what the endpoint calls a batch."""
        with self._transaction() as rows:
            rows.execute("UPDATE batches SET name = ? WHERE id = ?", (name, bundle.number))

    def adopt(self, endpoint: str, domain: str) -> list[Bundle]:
        """A domain's batches at an endpoint whose processes have ended; they are this one's from now on, to be settled.

        Others may have another key for that endpoint, and not be told of them.
        """
        asked = "SELECT id, mark, name FROM batches WHERE endpoint = ? AND domain = ? AND holder IS NULL ORDER BY id"
        of_it = "SELECT id FROM calls WHERE batch = ? AND outcome IS NULL ORDER BY id"
        with self._transaction() as rows:
            self._look_around(rows)
            found = rows.execute(asked, (endpoint, domain)).fetchall()
            bundles = [
                Bundle(number, mark, name, tuple(call for (call,) in rows.execute(of_it, (number,))))
                for number, mark, name in found
            ]
            rows.executemany(
                "UPDATE batches SET holder = ? WHERE id = ?", [(self._holder, bundle.number) for bundle in bundles]
            )
        return [bundle for bundle in bundles if bundle.calls]

    def answer(self, request: str) -> Settled | None:
        """The answer to a request that is kept, if there is one."""
        with self._lock, _translated(self.path):
            last = _last(self._rows, request)
        return last.settled if last and last.settled and last.settled.final else None

    def unheeded(self, domain: str, orders: Collection[str]) -> list[str]:
        """Those of these orders to forget, by their marks, after which a domain's answers weren't looked through."""
        with self._lock, _translated(self.path):
            heeded = {mark for (mark,) in self._rows.execute("SELECT mark FROM heeded WHERE domain = ?", (domain,))}
        return sorted(set(orders) - heeded)

    def forget(self, domain: str, kept: Collection[str], heeded: Collection[str] = ()) -> None:
        """Takes the answers of a domain's calls out of the file; what they cost stays, and is to be told again.

        Who asks the same again asks anew.

        Args:
            domain: The domain.
            kept: Keys of requests whose answers stay.
            heeded: Marks of the orders that this is for: they are heeded then.
        """
        asked = (
            "SELECT id, request FROM calls WHERE domain = ? AND outcome IS NOT NULL AND (text <> '' OR detail <> '')"
        )
        with self._lock, _translated(self.path):
            self._rows.execute("PRAGMA secure_delete = ON")  # else it stays in pages that are free now
        with self._transaction() as rows:
            gone = [(call,) for call, request in rows.execute(asked, (domain,)).fetchall() if request not in kept]
            rows.executemany("UPDATE calls SET text = '', detail = '', final = 0, told = 0 WHERE id = ?", gone)
            rows.executemany("INSERT OR IGNORE INTO heeded VALUES (?, ?)", [(domain, mark) for mark in heeded])
        with self._lock, _translated(self.path):
            self._rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _written(self, rows: sqlite3.Connection, entry: Entry) -> Decision | None:
        if isinstance(entry, Wish):
            return self._decided(rows, entry)
        if isinstance(entry, Settled):
            _settle(rows, entry)
        else:
            rows.execute(
                "INSERT INTO pauses VALUES (?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
                (entry.endpoint, time.time() + entry.seconds),
            )
        return None

    def _decided(self, rows: sqlite3.Connection, wish: Wish) -> Decision:
        last = _last(rows, wish.request)
        if last and last.settled is None:
            self._look_around(rows)
            return Wait(SOON_S, "asked")
        if last and last.settled and last.settled.final:
            return last.settled
        in_the_way = _in_the_way(rows, wish)
        if isinstance(in_the_way, Wait) and in_the_way.why == "budget":
            self._look_around(rows)
        return in_the_way or self._reserved(rows, wish, last.attempt + 1 if last else 0)

    def _reserved(self, rows: sqlite3.Connection, wish: Wish, attempt: int) -> Leave:
        made = rows.execute(
            """INSERT INTO calls (request, attempt, domain, purpose, model, holder, scopes, worst_prompt,
                worst_completion, worst_money) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                wish.request, attempt, wish.domain, wish.purpose, wish.model, self._holder,
                "\n".join(scope.name for scope in wish.scopes), wish.prompt_tokens, wish.completion_tokens, wish.money,
            ),
        )  # fmt: skip
        rows.executemany(
            """INSERT INTO scopes (name, held_tokens, held_money) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET
                held_tokens = held_tokens + excluded.held_tokens, held_money = held_money + excluded.held_money""",
            [(scope.name, wish.tokens, wish.money) for scope in wish.scopes],
        )
        return Leave(int(made.lastrowid or 0), attempt)

    def _look_around(self, rows: sqlite3.Connection) -> None:
        """Somebody is waited for: has he died?"""
        if time.monotonic() - self._reaped > _REAP_S:
            self._reap(rows)

    def _reap(self, rows: sqlite3.Connection) -> None:
        """Settles what the dead had on its way."""
        self._reaped = time.monotonic()
        for holder, name in rows.execute("SELECT id, name FROM holders WHERE id <> ?", (self._holder,)).fetchall():
            path = self._folder / name
            if _is_dead(path):
                self._lose(rows, holder)
                path.unlink(missing_ok=True)
        forgotten = """SELECT calls.id FROM calls JOIN batches ON calls.batch = batches.id
            WHERE outcome IS NULL AND batches.holder IS NULL AND since < ?"""
        for (call,) in rows.execute(forgotten, (time.time() - BATCH_S,)).fetchall():
            _settle(rows, Settled(call, "lost", False, "", "Nobody asked for its batch", None, None, None))

    def _lose(self, rows: sqlite3.Connection, holder: int) -> None:
        """Settles what a process had on its way, but for batches: these go on without it."""
        asked = "SELECT id FROM calls WHERE holder = ? AND outcome IS NULL AND batch IS NULL"
        for (call,) in rows.execute(asked, (holder,)).fetchall():
            _settle(rows, Settled(call, "lost", False, "", "Its process ended meanwhile", None, None, None))
        rows.execute("UPDATE batches SET holder = NULL WHERE holder = ?", (holder,))
        rows.execute("DELETE FROM holders WHERE id = ?", (holder,))

    def _check_place(self) -> None:
        """Is the file still where others look for it? What is written to one that was moved away binds nobody."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_ino == self._inode:
                return
        raise ConfigurationError(
            f"The journal of the LLM at {self.path} was moved away while it was in use: put it back, or leave it, and "
            "run the same command again"
        )

    def _let_go(self) -> None:
        (self._folder / self._name).unlink(missing_ok=True)
        os.close(self._file)

    @contextlib.contextmanager
    def _transaction(self, on: sqlite3.Connection | None = None) -> Iterator[sqlite3.Connection]:
        rows = on or self._rows
        with self._lock, _translated(self.path):
            self._check_place()
            rows.execute("BEGIN IMMEDIATE")  # who reads to write takes the file first
            try:
                yield rows
                rows.execute("COMMIT")
            except BaseException:
                if rows.in_transaction:
                    rows.execute("ROLLBACK")
                raise


def spent_in(path: Path, scopes: Sequence[str]) -> dict[str, Spent]:
    """What was used in scopes, from a journal that is only read: also where it can't be written.

    Args:
        path: The journal's file; where there is none, nothing was used.
        scopes: Such as `domain:networkx`; what used nothing is left out.

    Raises:
        ConfigurationError: It can't be read.
        RegistryError: It is broken.
    """
    if not path.exists():
        return {}
    with _only_read(path) as rows:
        return _spent(rows, scopes)


def untold_in(path: Path, scope: str) -> int:
    """What was charged to a scope, in billionths, for calls that the lake wasn't told of: as `spent_in` reads it."""
    if not path.exists():
        return 0
    asked = """SELECT coalesce(sum(money), 0) FROM calls WHERE told = 0 AND outcome IS NOT NULL
        AND instr(char(10) || scopes || char(10), char(10) || ? || char(10))"""
    with _only_read(path) as rows:
        [(money,)] = rows.execute(asked, (scope,)).fetchall()
    return int(money)


@contextlib.contextmanager
def _only_read(path: Path) -> Iterator[sqlite3.Connection]:
    # beside a file in a folder that can't be written SQLite can't open its log: there is no writer then
    mode = "ro" if os.access(path.parent, os.W_OK) else "ro&immutable=1"
    with (
        _translated(path),
        contextlib.closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=_BUSY_S)
        ) as rows,
    ):
        yield rows


@dataclass(frozen=True)
class _Last:
    """The last call of a request; `settled` is None while it is on its way."""

    attempt: int
    settled: Settled | None


def _opened(path: Path) -> sqlite3.Connection:
    with _translated(path):
        rows = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            rows.execute("PRAGMA journal_mode = WAL")
            rows.execute("PRAGMA synchronous = NORMAL")
            (version,) = rows.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise ConfigurationError(f"{path} was written by a newer driftune: use that one")
            if version < _VERSION:
                rows.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        except BaseException:
            rows.close()
            raise
        return rows


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        advice = "free some space, make it writable, or end what locks it, and run the same again: nothing is lost"
        raise ConfigurationError(f"The journal of the LLM at {path} can't be used ({error}): {advice}") from error
    except sqlite3.DatabaseError as error:
        what_to_do = "move it away; answers in it are asked for again then, and its budgets are forgotten"
        raise RegistryError(f"The journal of the LLM at {path} is broken ({error}): {what_to_do}") from error


def _is_dead(path: Path) -> bool:
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def _spent(rows: sqlite3.Connection, names: Sequence[str]) -> dict[str, Spent]:
    asked = f"""SELECT name, tokens, money, held_tokens, held_money, over FROM scopes
        WHERE name IN ({",".join("?" * len(names))})"""  # noqa: S608 - question marks
    return {name: Spent(*values) for name, *values in rows.execute(asked, names)}


def _last(rows: sqlite3.Connection, request: str) -> _Last | None:
    """A request's last call: the answer is always the last, and so is what is on its way."""
    found = rows.execute(
        """SELECT attempt, id, outcome, final, text, detail, prompt_tokens, completion_tokens, money, seconds
            FROM calls WHERE request = ? ORDER BY attempt DESC LIMIT 1""",
        (request,),
    ).fetchone()
    if found is None:
        return None
    attempt, call, outcome, final, *rest = found
    return _Last(attempt, None if outcome is None else Settled(call, outcome, bool(final), *rest))


def _in_the_way(rows: sqlite3.Connection, wish: Wish) -> Wait | NoLeave | None:
    """Why a request can't be sent now, if it can't."""
    used = _spent(rows, [scope.name for scope in wish.scopes])
    lacks = [_lacks(scope, used.get(scope.name, Spent()), wish) for scope in wish.scopes]
    refused = next((lack for lack in lacks if isinstance(lack, NoLeave)), None)
    return refused or next((lack for lack in lacks if lack), None) or _paused(rows, wish.endpoint)


def _lacks(scope: Scope, used: Spent, wish: Wish) -> Wait | NoLeave | None:
    kinds = (
        ("tokens", scope.tokens, used.tokens, used.held_tokens, wish.tokens),
        ("billionths", scope.money, used.money, used.held_money, wish.money),
    )
    for unit, limit, settled, _, worst in kinds:
        if limit and settled + worst > limit:
            left = max(limit - settled, 0)
            return NoLeave(f"The budget {scope.name} has {left} of {limit} {unit} left, and this may take {worst}")
    waits = any(limit and settled + held + worst > limit for _, limit, settled, held, worst in kinds)
    return Wait(SOON_S, "budget") if waits else None


def _paused(rows: sqlite3.Connection, endpoint: str) -> Wait | None:
    found = rows.execute("SELECT until FROM pauses WHERE endpoint = ?", (endpoint,)).fetchone()
    left = found[0] - time.time() if found else 0.0
    return Wait(left, "paused") if 0 < left <= LONGEST_PAUSE_S else None  # longer: the clock was set back since


def _settle(rows: sqlite3.Connection, settled: Settled) -> None:
    """Charges what a call took instead of what was reserved for it; a call that was settled before stays as it is."""
    found = rows.execute(
        "SELECT scopes, worst_prompt, worst_completion, worst_money FROM calls WHERE id = ? AND outcome IS NULL",
        (settled.call,),
    ).fetchone()
    if found is None:
        return
    scopes, *most = found
    charged = [settled.prompt_tokens, settled.completion_tokens, settled.money]
    prompt, completion, money = (much if one is None else one for one, much in zip(charged, most, strict=True))
    tokens, worst_tokens, worst_money = prompt + completion, most[0] + most[1], most[2]
    over = max(tokens - worst_tokens, 0)
    rows.execute(
        """UPDATE calls SET outcome = ?, final = ?, detail = ?, text = ?, prompt_tokens = ?, completion_tokens = ?,
            money = ?, seconds = ? WHERE id = ?""",
        (settled.outcome, settled.final, settled.detail, settled.text, prompt, completion, money, settled.seconds,
         settled.call),
    )  # fmt: skip
    rows.executemany(
        """UPDATE scopes SET tokens = tokens + ?, money = money + ?, held_tokens = held_tokens - ?,
            held_money = held_money - ?, over = over + ? WHERE name = ?""",
        [(tokens, money, worst_tokens, worst_money, over, name) for name in scopes.split("\n")],
    )


def _call(values: Sequence[object]) -> Call:
    names = ("request", "attempt", "domain", "purpose", "model", "outcome", "detail", "text", "prompt_tokens")
    *rest, scopes = values
    said: Mapping[str, object] = dict(zip((*names, "completion_tokens", "money", "seconds"), rest, strict=True))
    run = next((name.removeprefix("run:") for name in str(scopes).split("\n") if name.startswith("run:")), "")
    return Call(**{**said, "run": run, "money": said["money"] / BILLION})  # type: ignore[arg-type, operator]
