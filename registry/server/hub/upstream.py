"""What is not known here, at a configured upstream hub: its metadata is passed on, its files are redirected to.

A plain redirect of everything would hand our tokens out, or not work. huggingface_hub 2.4 follows the redirect of a
HEAD to huggingface.co with the `Authorization` that it sent here, and follows it to no other host, where it wants
commit and ETag on the redirect itself; and of a listing's next page it asks the address that it was given. So this
server asks for metadata itself, with no header of the caller's. The GET of a file is redirected: clients drop the token
there, as it leads to another origin. Our own namespace is never asked for: who may register names at the upstream
can't put an adapter in the place of ours, and the names of private domains stay here.
"""

from __future__ import annotations

import functools
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urljoin, urlsplit

import httpx
from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from registry.server.errors import RefusedError
from registry.server.hub.names import RESOLVE, Asked

_LARGEST = 32 << 20
"""Bytes of metadata, at most."""
_HOPS = 5
_PASSED_ON = ("content-type", "etag", "x-repo-commit", "x-linked-etag", "x-linked-size", "x-error-code", "retry-after")


def passed_on(request: Request, asked: Asked, upstream: str, body: bytes = b"") -> Response:
    """The upstream's answer to what isn't known here.

    Args:
        request: What was asked.
        asked: What its path names.
        upstream: The upstream's address.
        body: What was posted.

    Raises:
        RefusedError: The upstream can't be reached, or says too much.
    """
    raw = request.scope["raw_path"].decode("ascii")
    address = upstream.rstrip("/") + raw + (f"?{request.url.query}" if request.url.query else "")
    if asked.what == RESOLVE and request.method == "GET":
        return RedirectResponse(address, 307)
    try:
        return _asked(request, address, upstream.rstrip("/"), body)
    except httpx.HTTPError as error:
        raise RefusedError(502, "upstream", "The upstream hub can't be reached: try again later") from error


def _asked(request: Request, address: str, upstream: str, body: bytes) -> Response:
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if body:
        headers["Content-Type"] = request.headers.get("content-type", "application/x-www-form-urlencoded")
    for _ in range(_HOPS):
        with _client().stream(request.method, address, headers=headers, content=body or None) as answer:
            target = urljoin(address, answer.headers.get("location", "")) if answer.has_redirect_location else ""
            if _origin(target) == _origin(address):  # a repository that was renamed; another host's is for the file
                address = target
                continue
            found = b""
            for piece in answer.iter_bytes() if request.method != "HEAD" else ():
                found += piece
                if len(found) > _LARGEST:
                    raise RefusedError(502, "upstream", f"The upstream hub says more than {_LARGEST >> 20} MiB")
            return _own(request, answer, found, upstream)
    raise RefusedError(502, "upstream", f"The upstream hub redirects more than {_HOPS} times")


def _own(request: Request, answer: httpx.Response, body: bytes, upstream: str) -> Response:
    """The upstream's answer as ours: what clients need of its headers, and its next page at this address."""
    told = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
    status = 200 if answer.has_redirect_location else answer.status_code
    if request.method == "HEAD":
        if not answer.has_redirect_location and "content-length" in answer.headers:
            told.setdefault("x-linked-size", answer.headers["content-length"])
        return Response(status_code=status, headers=told)
    if "link" in answer.headers:
        told["link"] = answer.headers["link"].replace(upstream, str(request.base_url).rstrip("/"))
    return Response(body, status, headers=told)


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


@functools.lru_cache(maxsize=1)
def _client() -> httpx.Client:
    """One for all threads, as making it reads the machine's certificates; it keeps connections, and no cookie."""
    none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
    return httpx.Client(timeout=8.0, headers={"User-Agent": "driftune"}, cookies=none)
