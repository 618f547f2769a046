"""What a server answers where it refuses or fails: one object for programs, `{"error", "code"}`.

A room that has a better form for its callers (the Hub's headers, a page for browsers) puts a handler of its own into
`app.state.forms`: it is asked first, and gives None where it has nothing to say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from registry.errors import ConfigurationError, DriftuneError


class RefusedError(Exception):
    """An answer that is no success.

    Args:
        status: HTTP status.
        code: One word or two for programs, as `unknown-domain`.
        message: What is wrong and what to do, for people.
        headers: Further headers.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


Form = Callable[[Request, RefusedError], Response | None]
"""Gives a refusal the form that a caller expects, or None."""


def unknown(what: str) -> RefusedError:
    """What doesn't exist, or may not be seen: the answer is the same, so that nobody learns which."""
    return RefusedError(404, "unknown", f"There is no {what} here, or none that this caller may see")


def install(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Lets an application answer all errors in one form.

    Args:
        app: The application.
        headers: Of every answer; that to a fault which isn't foreseen is made outside of the guard that sets them.
    """
    app.state.forms = []

    async def refused(request: Request, error: Exception) -> Response:
        refusal = _refusal(error, request.app.state.context.store.url)
        if refusal.status >= 500 and isinstance(error, DriftuneError):  # uvicorn logs the others, with their tracebacks
            logging.getLogger("uvicorn.error").error("%s %s: %s", request.method, request.url.path, error)
        given = answer(request, refusal)
        for name, value in headers.items():
            given.headers.setdefault(name, value)
        return given

    for kind in (RefusedError, DriftuneError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, refused)


def answer(request: Request, refused: RefusedError) -> Response:
    """A refusal in the form that the caller expects."""
    forms: list[Form] = request.app.state.forms
    for form in forms:
        if (given := form(request, refused)) is not None:
            return given
    content = {"error": refused.message, "code": refused.code}
    return JSONResponse(content, status_code=refused.status, headers=refused.headers)


def _refusal(error: Exception, place: str) -> RefusedError:
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, HTTPException):
        return RefusedError(error.status_code, "http", str(error.detail), error.headers)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"{place}: {first['msg']}"  # what was sent isn't repeated: it may be a secret
        return RefusedError(422, "invalid", message)
    if isinstance(error, ConfigurationError) and "ref" in error.values:
        return unknown(f"adapter {error.values['ref']!r}")  # the message lists what there is, for whoever may see all
    if isinstance(error, ConfigurationError):
        return RefusedError(400, "invalid", str(error).replace(place, "the registry"))
    if isinstance(error, DriftuneError) and error.retryable:
        message = "The server can't do that at the moment: try again"
        return RefusedError(503, "unavailable", message, {"Retry-After": "5"})
    return RefusedError(500, "failed", "The server failed; its log says why")
