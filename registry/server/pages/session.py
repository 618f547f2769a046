"""Logging in: a form puts a token into a cookie that no script can read and no other site makes a browser send.

The cookie counts for reading alone (`registry.server.access`), so that a form of another site changes nothing with it.
"""

from __future__ import annotations

import time
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from registry.server import tokens
from registry.server.access import COOKIE, Caller, Scope, context_of, needs, open_to_all
from registry.server.context import Context
from registry.server.errors import RefusedError
from registry.server.pages.view import UNAUTHORISED, page

router = APIRouter()

_LONGEST = 4096
"""Bytes of the form."""


@router.get("/login", dependencies=[open_to_all()])
def login_form(request: Request) -> Response:
    """The form."""
    return page(request, "login", at="login", fault="")


@router.post("/login")
async def login(
    request: Request, context: Annotated[Context, Depends(context_of)], caller: Annotated[Caller, needs(Scope.READ)]
) -> Response:
    """Takes a token, if it is valid, and goes to the domains."""
    _own(request)
    secret = await _posted(request, "token")
    token = await context.state.ask(tokens.find, secret) if secret else None
    fault = token.fault(time.time()) if token else "is unknown"
    if fault:
        caller.refused("", f"login: token {fault}")
        said = f"This token {fault}. Ask who gave it to you for another."
        return page(request, "login", at="login", fault=said, status=UNAUTHORISED)
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, secret, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


@router.post("/logout", dependencies=[open_to_all()])
def logout(request: Request) -> Response:
    """Forgets the token."""
    _own(request)
    answer = RedirectResponse("/", 303)
    forget(request, answer)
    return answer


def forget(request: Request, answer: Response) -> None:
    """Lets a browser drop its token."""
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=request.url.scheme == "https")


async def _posted(request: Request, name: str) -> str:
    """A field of a form, empty where it has none.

    Raises:
        RefusedError: The form is too long.
    """
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST:
            raise RefusedError(413, "too-long", f"The form is longer than {_LONGEST} bytes")
    return parse_qs(body.decode("utf-8", "replace")).get(name, [""])[0].strip()


def _own(request: Request) -> None:
    """Refuses a form that another site sent: nobody is to be logged in or out unasked.

    Raises:
        RefusedError: It came from there.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    other = site not in ("same-origin", "none") if site else origin and urlsplit(origin).netloc != _host(request)
    if other:
        raise RefusedError(403, "other-site", "This form was sent by another site")


def _host(request: Request) -> str:
    return request.headers.get("host", "")
