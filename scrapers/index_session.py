"""Asking a package index: nothing of a login goes elsewhere, nothing endless is taken, and what fails is one error.

Guarantees: a login goes to its own origin alone; an answer's bytes, as they are unpacked, and the time they take are
bounded; no exception but SourceError, whose text has neither an address nor what the server said.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from registry.credentials import Credentials
from registry.errors import SourceError

TIMEOUT = (20.0, 120.0)
"""Seconds to connect, and between two bytes."""

LISTING_BYTES, FILE_BYTES = 32 << 20, 2 << 30
"""Bytes of a listing (the longest have 10 MB) or of a wheel's metadata, and of a file: no more than is unpacked."""

ANSWER_S = 3600.0
"""Seconds of one answer, however slowly it comes."""


def session_for(login: Credentials | None, most: int) -> Any:
    """A session of requests whose answers are bounded.

    Args:
        login: What is sent to its own origin alone, by no link or redirect elsewhere; then netrc's isn't used either.
        most: Bytes of an answer.
    """
    import requests

    session = requests.Session() if login is None else _with(login)
    for scheme in ("http://", "https://"):
        session.mount(scheme, _bounded(most))
    return session


def _with(login: Credentials) -> Any:
    import requests

    def sent(request: Any) -> Any:
        request.headers.pop("Authorization", None)
        request.headers.update(login.headers(request.url))
        return request

    class Session(requests.Session):
        def rebuild_auth(self, prepared_request: Any, response: Any) -> None:  # requests takes netrc's here
            sent(prepared_request)

    session = Session()
    session.auth = sent
    scheme, host, _ = login.origin
    if scheme == "http":  # to this machine alone: a proxy of the environment would read it
        session.proxies = {f"http://{host}": ""}
    return session


def _bounded(most: int) -> Any:
    """An adapter whose responses end with an error where they have more bytes, or take longer, than is taken."""
    import requests.adapters

    class Bounded(requests.adapters.HTTPAdapter):
        def build_response(self, req: Any, resp: Any) -> Any:
            response: Any = super().build_response(req, resp)
            response.iter_content = _counted(response, most)  # what `content` is made of, too
            return response

    return Bounded()


def _counted(response: Any, most: int) -> Callable[..., Iterator[bytes]]:
    chunks = response.iter_content

    def counted(*args: Any, **kwargs: Any) -> Iterator[bytes]:
        came, end = 0, time.monotonic() + ANSWER_S
        for chunk in chunks(*args, **kwargs):
            came += len(chunk)
            if came > most or time.monotonic() > end:
                response.close()
                raise SourceError(
                    f"The package index sends more than {most:,} bytes, or for longer than {ANSWER_S:,.0f} s, for one "
                    "answer, and no more is taken: check the index in the domain file, or PIP_INDEX_URL"
                )
            yield chunk

    return counted


@contextmanager
def translated(what: str, own: bool = False) -> Iterator[None]:
    """What requests, urllib3 and pypi-simple raise becomes one SourceError that says what to do.

    Never `from` what they raised: its text has the address, whose login --debug would print, and what the server said.
    """
    import pypi_simple
    import requests
    import urllib3

    try:
        yield
    except requests.HTTPError as e:
        status = e.response.status_code if e.response is not None else 0
        if status in {401, 403}:
            at = "credentials of the source" if own else "login in PIP_INDEX_URL or netrc"
            raise SourceError(f"The {what} answered {status}: check the {at}", status=status) from None
        again = status >= 500 or status in {408, 429}
        raise SourceError(f"The {what} answered {status}: try again later", status=status, retryable=again) from None
    except requests.JSONDecodeError:
        raise SourceError(_unreadable(what, own)) from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as e:
        raise SourceError(
            f"The {what} failed ({type(e).__name__}): check the network, "
            f"{'the index in the domain file' if own else 'PIP_INDEX_URL'} and PIP_CERT",
            retryable=True,
        ) from None
    except (pypi_simple.UnsupportedContentTypeError, pypi_simple.UnsupportedRepoVersionError, *_NO_LISTING):
        raise SourceError(_unreadable(what, own)) from None


_NO_LISTING = (ValueError, RecursionError, LookupError, TypeError, AttributeError)
"""What a listing that is none raises where it is read."""


def _unreadable(what: str, own: bool) -> str:
    place = "the index in the domain file" if own else "PIP_INDEX_URL"
    return f"The {what} gave what can't be read: check that {place} is the address of a simple index (PEP 503, 691)"
