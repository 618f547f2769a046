"""Who asks, and what he may: every route is declared with `needs(…)`, or with `open_to_all()` where it tells nothing.

* No token: public domains may be read. A token: what it is scoped to, beside these.
* A token that is unknown, expired or revoked is refused with 401, also where no token would have done.
* A domain that may not be seen is answered as one that doesn't exist: same status, same body, the same work done.
* A domain that may be seen, but not changed: 403, or 401 where there was no token.

A token comes in the header `Authorization: Bearer …`, as clients of the Hub send `HF_TOKEN`. Pages for people may keep
one in a cookie, which is taken for GET and HEAD alone: what another site makes a browser send can't change anything,
so there is no need of CSRF tokens. No GET may have an effect. A secret in an address is refused: addresses are logged.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import fastapi
from fastapi import Request

from registry.server import audit, tokens
from registry.server.context import Context
from registry.server.errors import RefusedError, unknown
from registry.server.limits import Limits
from registry.server.notes import Notes
from registry.server.tokens import ANONYMOUS, Scope, Token

__all__ = ["COOKIE", "Caller", "Needs", "Scope", "context_of", "needs", "open_to_all"]

COOKIE = "driftune_token"
_SAFE = ("GET", "HEAD")


@dataclass(frozen=True)
class Needs:
    """What a route needs; None where it is open to all.

    Attributes:
        scope: What the caller must be allowed.
        named: Whether a token is needed though the scope is READ.
    """

    scope: Scope | None
    named: bool = False


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes:
        token: His token; None without one.
        address: Where he asks from.
        request: What he asks.
        context: Of whom.
    """

    token: Token | None
    address: str
    request: Request
    context: Context

    @property
    def name(self) -> str:
        """The name of his token, or `anonymous`."""
        return self.token.name if self.token else ANONYMOUS

    def sees(self, domain: str) -> bool:
        """Whether he may know of a domain: to leave it out of a list, a feed or a search where not."""
        covered = self.token is not None and self.token.covers(domain)
        return self.context.settings.is_public(domain) or covered

    def may(self, scope: Scope, domain: str) -> bool:
        """Whether he may do something with a domain."""
        if scope is Scope.READ:
            return self.sees(domain)
        return self.token is not None and self.token.scope >= scope and self.token.covers(domain)

    def must(self, scope: Scope, domain: str) -> None:
        """Refuses what he may not do with a domain, and tells nobody of one that he doesn't see.

        Looks at the disk: not in the event loop (a route that is `def`, or a thread).

        Raises:
            RefusedError: 404, 401 or 403; it is in the audit log then.
        """
        seen = self.sees(domain)
        exists = _exists(self.request, self.context, domain if seen else f"{domain}.")
        if not (seen and exists):
            self.refused(domain, "not seen", kept=not seen)
            raise unknown(f"domain {domain!r}")
        if self.may(scope, domain):
            return
        self.refused(domain, f"needs {scope.name.lower()}")
        if self.token is None:
            raise _unauthorised(f"This needs a token that may {scope.name.lower()} {domain}")
        raise RefusedError(403, "not-allowed", f"The token {self.name!r} may not {scope.name.lower()} {domain}")

    def must_everywhere(self, scope: Scope) -> None:
        """Refuses who may not do something with all domains.

        Raises:
            RefusedError: 401 or 403; it is in the audit log then.
        """
        if self.token is None:
            self.refused("*", f"needs {scope.name.lower()}")
            raise _unauthorised(f"This needs a token that may {scope.name.lower()} every domain")
        if self.token.scope < scope or not self.token.covers_all:
            self.refused("*", f"needs {scope.name.lower()}")
            raise RefusedError(403, "not-allowed", f"The token {self.name!r} may not {scope.name.lower()} every domain")

    def row(self, action: str, target: str, result: str, detail: str = "") -> audit.Row:
        """Of what he did, for the audit log: `audit.write` adds it in the transaction of the doing."""
        return audit.Row(self.name, self.token.id if self.token else "", self.address, action, target, result, detail)

    def refused(self, target: str, why: str, *, kept: bool = True) -> None:
        """Notes in the audit log that he was refused something; or takes as long, where it isn't to be kept."""
        asked = f"{self.request.method} {self.request.url.path}"
        _notes(self.request).refused(self.row(asked, target, audit.REFUSED, why), kept=kept)


async def context_of(request: Request) -> Context:
    """What the server serves: `Annotated[Context, Depends(context_of)]`. As a coroutine it takes no thread to ask."""
    return cast(Context, request.app.state.context)


def needs(scope: Scope, *, named: bool = False) -> Any:
    """Declares what a route asks of its callers.

    It stands in a route's signature, `caller: Annotated[Caller, needs(Scope.READ)]`, or among its `dependencies`. Where
    the path has a part `{domain}`, the scope is needed for that domain. Where it has none, READ lets everybody in, and
    the route asks `caller.sees` or `caller.must` itself; PUBLISH and ADMIN are needed for all domains.

    Args:
        scope: What the caller must be allowed.
        named: Whether a token is needed also to read.
    """

    async def dependency(request: Request) -> Caller:
        caller = await _caller(request)
        if named and caller.token is None:
            caller.refused("", "needs a token")
            raise _unauthorised("This needs a token: Authorization: Bearer …")
        domain = request.path_params.get("domain")
        if domain is not None:
            await fastapi.concurrency.run_in_threadpool(caller.must, scope, domain)
        elif scope is not Scope.READ:
            caller.must_everywhere(scope)
        return caller

    return _declared(dependency, Needs(scope, named))


def open_to_all() -> Any:
    """Declares a route that tells nothing of any domain: no token is looked at."""

    async def dependency() -> None:
        return None

    return _declared(dependency, Needs(None))


def _declared(dependency: Callable[..., Awaitable[object]], declared: Needs) -> Any:
    dependency.needs = declared  # type: ignore[attr-defined]
    return fastapi.Depends(dependency)


async def _caller(request: Request) -> Caller:
    context, limits = await context_of(request), cast(Limits, request.app.state.limits)
    address = request.client.host if request.client else ""
    secret = _secret(request)
    token = await context.state.ask(tokens.find, secret) if secret else None
    wait = limits.wait_s(f"token {token.id}" if token else f"address {address}")
    caller = Caller(token, address, request, context)
    if wait:
        caller.refused("", "too many requests")
        message = f"Too many requests: wait {wait:.1f} s"
        raise RefusedError(429, "too-many-requests", message, {"Retry-After": str(math.ceil(wait))})
    if secret is not None:
        _checked(caller)
    return caller


def _checked(caller: Caller) -> None:
    """Refuses a token that isn't valid, and keeps when a valid one was used."""
    now = time.time()
    fault = caller.token.fault(now) if caller.token else "is unknown"
    if fault:
        caller.refused("", f"token {fault}")
        raise _unauthorised(f"The token {fault}: send another, or none for what is public")
    if caller.token:
        _notes(caller.request).used(caller.token, now)


def _secret(request: Request) -> str | None:
    """What the caller sent as his token; empty where it can be none, None where he sent none."""
    header = request.headers.get("authorization")
    if header is None:
        return request.cookies.get(COOKIE) if request.method in _SAFE else None
    kind, _, secret = header.partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""


def _unauthorised(message: str) -> RefusedError:
    return RefusedError(401, "token", message, {"WWW-Authenticate": "Bearer"})


def _exists(request: Request, context: Context, domain: str) -> bool:
    """Whether a domain has an adapter.

    For one that the caller doesn't see another name is looked for, that none has: how long it takes to find that there
    is none tells nothing of it.
    """
    known: set[str] = request.app.state.domains
    if domain not in known and context.store.versions(domain):
        known.add(domain)
    return domain in known


def _notes(request: Request) -> Notes:
    return cast(Notes, request.app.state.notes)
