"""`driftune token` and `driftune audit`: what the server's state says of callers, also while a server runs."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from registry.errors import ConfigurationError
from registry.server import audit, tokens
from registry.server.administration import time_of, told
from registry.server.settings import ServerSettings
from registry.server.state import State
from registry.server.tokens import Scope, Token

_DAYS = 365.0


def new_token(
    name: str, domains: Sequence[str], scope: str, days: float | None, state: str | None, *, as_json: bool
) -> None:
    """Makes a token and prints its secret, once.

    Args:
        name: Whose it is.
        domains: Names or patterns of domains.
        scope: read, publish or admin.
        days: Days until it expires; a year where None, never where 0.
        state: Where the server's state is; the environment's where None.
        as_json: Print an object.

    Raises:
        ConfigurationError: A name, scope, domain or time can't be what it is, or the state can't be opened.
    """
    from flows.annotation import account

    lasting = _DAYS if days is None else days or None
    with opened(state) as held, held.begin() as connection:
        token, secret = tokens.new(connection, name, domains, Scope.of(scope), days=lasting, by=account())
        audit.write(connection, by_command("token new", token.id, f"{scope} of {' '.join(domains)} for {name}"))
    if as_json:
        print(json.dumps(told(token) | {"secret": secret}))
    else:
        print(secret)
        _say(f"Token {token.id} of {name}: {_can(token)}. It isn't shown again")


def list_tokens(state: str | None, *, as_json: bool) -> None:
    """Prints all tokens, without their secrets."""
    with opened(state) as held, held.read() as connection:
        found = tokens.every(connection)
    if as_json:
        print(json.dumps([told(token) for token in found]))
        return
    for token in found:
        print(f"{token.id}  {token.name}: {_can(token)}; last used {_time(token.used)}")
    if not found:
        print("No tokens yet. Make one with: driftune token new NAME --domain DOMAIN")


def revoke_token(token: str, why: str, state: str | None, *, as_json: bool) -> None:
    """Revokes a token by its id.

    Raises:
        ConfigurationError: There is no such token, or no reason.
    """
    if not why.strip():
        raise ConfigurationError('Say why it is revoked: --why "WHY"')
    with opened(state) as held, held.begin() as connection:
        revoked = tokens.revoke(connection, token, why.strip())
        audit.write(connection, by_command("token revoke", revoked.id, why.strip()))
    print(json.dumps(told(revoked)) if as_json else f"Token {revoked.id} of {revoked.name} is revoked")


def show_audit(last: int, state: str | None, *, refused: bool, as_json: bool) -> None:
    """Prints the last rows of the audit log, oldest first; as JSON, one array."""
    with opened(state) as held, held.read() as connection:
        rows = audit.read(connection, last=last, result=audit.REFUSED if refused else "")
    if as_json:
        print(json.dumps([asdict(row) | {"at": time_of(row.at)} for row in rows]))
        return
    for row in rows:
        token = f" ({row.token})" if row.token else ""
        detail = f": {row.detail}" if row.detail else ""
        print(f"{_time(row.at)}  {row.who}{token} from {row.address}  {row.action} {row.target}  {row.result}{detail}")


@contextlib.contextmanager
def opened(state: str | None) -> Iterator[State]:
    """The server's state, which may be in use by servers; the environment's where None is given."""
    settings = ServerSettings(**({} if state is None else {"state": state}))
    held = State(settings.state_url)
    try:
        yield held
    finally:
        held.close()


def by_command(action: str, target: str, detail: str) -> audit.Row:
    """A row of the audit log for what the command line does."""
    from flows.annotation import account

    return audit.Row(account(), "", "command", action, target, audit.DONE, detail)


def _can(token: Token) -> str:
    fault = token.fault(time.time())
    until = f", {fault}" if fault else f", until {_time(token.expires)}" if token.expires else ", for good"
    return f"may {token.scope.name.lower()} {' '.join(token.domains)}{until}"


def _time(at: float | None) -> str:
    return time_of(at) or "never"


def _say(line: str) -> None:
    import sys

    print(line, file=sys.stderr)
