"""The keys that a client trusts, in a file of its own: nothing that a registry says can add one to it.

    {"keys": [{"id", "key": base64, "name", "registry": a location or *, "from", "until", "revoked", "why"}]}

A key counts from `from` up to `until`, where these are said: a key is retired by its `until`, and what it signed
before stays good. A revoked key counts for nothing, whenever it signed: a thief writes any time into a signature.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import fcntl
import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.contents import unique
from registry.errors import ConfigurationError
from registry.settings import Settings
from registry.signing import PublicKey, Signature, now
from registry.storage import storage, write_file

EVERYWHERE = "*"
"""As the registry of a key: all of them."""
_MAX = 1 << 20
_NAMES = {"since": "from"}


@dataclass(frozen=True, kw_only=True)
class TrustedKey:
    """A key, and what it is trusted with.

    Attributes:
        id: Its id.
        key: The public key, base64.
        name: Whose it is, for people.
        registry: Whose adapters it vouches for: a registry's location, or `*`.
        since: Signatures count that say they were made from then on; all where empty.
        until: And up to then; all where empty.
        revoked: When it was found to be in wrong hands, or lost; none of its signatures counts. Not where empty.
        why: Why it was retired or revoked.
    """

    id: str
    key: str
    name: str = ""
    registry: str = EVERYWHERE
    since: str = ""
    until: str = ""
    revoked: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        if self.public.id != self.id:
            raise ValueError(f"the id {self.id!r} isn't that of its key, which is {self.public.id!r}")
        for moment in filter(None, (self.since, self.until, self.revoked)):
            _moment(moment)

    @property
    def public(self) -> PublicKey:
        """The key itself."""
        return PublicKey(base64.b64decode(self.key, validate=True))

    def fault(self, signature: Signature) -> tuple[str, str] | None:
        """Why one of its signatures doesn't count: a name of the fault and a sentence; None where it does."""
        if self.revoked:
            why = f": {self.why}" if self.why else ""
            return "revoked-key", f"key {self._called} was revoked at {self.revoked}{why}"
        at = _moment(signature.at)
        if self.until and at > _moment(self.until):
            return "expired-key", f"key {self._called} was good until {self.until}, it signed at {signature.at}"
        if self.since and at < _moment(self.since):
            return "expired-key", f"key {self._called} is good from {self.since} on, it signed at {signature.at}"
        return None

    @property
    def _called(self) -> str:
        return f"{self.id} ({self.name})" if self.name else self.id


def trusted_key(public: PublicKey, registry: str, name: str = "", since: str = "", until: str = "") -> TrustedKey:
    """A row of the file for a key.

    Raises:
        ConfigurationError: `since` or `until` is no time.
    """
    key = base64.b64encode(public.raw).decode()
    try:
        return TrustedKey(id=public.id, key=key, name=name, registry=registry, since=since, until=until)
    except ValueError as error:
        raise ConfigurationError(f"Can't trust the key {public.id}: {error}. Write times as {now()}") from error


class TrustedKeys:
    """The file of the keys that are trusted here.

    Args:
        path: The file; no key is trusted where there is none.
        named: Whether somebody says that it is there: then it must be.
    """

    def __init__(self, path: Path, *, named: bool = False) -> None:
        self.path, self._named = path, named

    @classmethod
    def of(cls, settings: Settings) -> TrustedKeys:
        """The file that `DRIFTUNE_TRUSTED_KEYS` names, else that in `DRIFTUNE_HOME`."""
        named = settings.trusted_keys
        return cls(settings.trusted_keys_path, named=bool(named))

    def all(self) -> list[TrustedKey]:
        """Every row.

        Raises:
            ConfigurationError: The file can't be read, isn't one, or others may write it: then nothing can be
                trusted, nor can it be told that nothing needs to be.
        """
        try:
            state = self.path.stat()
            if not stat.S_ISREG(state.st_mode) or state.st_size > _MAX:
                raise ValueError(f"it is no file of up to {_MAX:,} bytes")
            if state.st_mode & stat.S_IWOTH:
                raise ValueError(f"anybody may write it: chmod o-w {self.path}")
            rows = json.loads(self.path.read_bytes(), object_pairs_hook=unique)["keys"]
            keys = [TrustedKey(**{_field(name): value for name, value in row.items()}) for row in rows]
        except FileNotFoundError:
            if self._named:
                raise ConfigurationError(
                    f"No file of trusted keys at {self.path}: DRIFTUNE_TRUSTED_KEYS names it"
                ) from None
            return []
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigurationError) as error:
            raise ConfigurationError(f"Can't read the trusted keys in {self.path}: {error}. Mend it") from error
        return keys

    def of_registry(self, place: str) -> list[TrustedKey]:
        """The rows that speak of a registry."""
        return [key for key in self.all() if key.registry in (EVERYWHERE, place)]

    def trust(self, key: TrustedKey) -> None:
        """Add a key, or change what it is trusted with in that registry.

        Raises:
            ConfigurationError: It is revoked.
        """
        with self._alone():
            keys = self.all()
            for each in keys:
                if each.id == key.id and each.revoked:
                    raise ConfigurationError(
                        f"Key {key.id} was revoked at {each.revoked} ({each.why or 'no reason given'}): trust a new one"
                    )
            self._write([k for k in keys if (k.id, k.registry) != (key.id, key.registry)] + [key])

    def revoke(self, key_id: str, why: str, at: str = "") -> TrustedKey:
        """Trust a key no more, in any registry, whatever it signed and whenever.

        Raises:
            ConfigurationError: No key, or more than one, begins so.
        """
        return self._change(key_id, revoked=at or now(), why=why)

    def retire(self, key_id: str, why: str, at: str = "") -> TrustedKey:
        """Trust what a key signed up to now, and nothing that it signs from now on.

        Raises:
            ConfigurationError: No key, or more than one, begins so.
        """
        return self._change(key_id, until=at or now(), why=why)

    def _change(self, start: str, **to: str) -> TrustedKey:
        with self._alone():
            keys = self.all()
            found = {key.id for key in keys if key.id.startswith(start)}
            if len(found) != 1 or not start:
                known = ", ".join(sorted({key.id for key in keys})) or "none"
                raise ConfigurationError(f"No one trusted key is called {start!r}; there are: {known}")
            mine = [dataclasses.replace(key, **to) if key.id in found else key for key in keys]
            self._write(mine)
            return next(key for key in mine if key.id in found)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes the file meanwhile: a revocation isn't lost to one who trusts another key just then."""
        with storage("the trusted keys", self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = self.path.with_name(f".{self.path.name}.lock").open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, keys: Sequence[TrustedKey]) -> None:
        rows = [
            {_NAMES.get(name, name): value for name, value in dataclasses.asdict(key).items() if value} for key in keys
        ]
        write_file(self.path, json.dumps({"keys": rows}, indent=1).encode() + b"\n", "the trusted keys")


def _field(name: str) -> str:
    return next((field for field, told in _NAMES.items() if told == name), name)


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment
