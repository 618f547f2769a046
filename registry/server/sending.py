"""A file on its way: in pieces, from where a cut one ended, not at all where the caller has it; by nginx where it can.

What is sent has the SHA-256 of its content for an ETag, so it is the same thing under every name. Behind nginx (the
setting `accel`) only the headers are made here, and nginx sends the file. Nothing is ever sent as HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import FileResponse, Response

from registry.server.context import Context

BINARY = "application/octet-stream"


class _Pieces(FileResponse):
    """A file in pieces of 256 KiB: a quarter of the turns that starlette's take, and 50 at once are 13 MB."""

    chunk_size = 256 << 10


def send(
    request: Request,
    context: Context,
    content: Callable[[], Path | bytes],
    sha256: str,
    headers: Mapping[str, str] | None = None,
    *,
    media: str = BINARY,
    places: Mapping[str, Path] | None = None,
) -> Response:
    """The answer to a GET or HEAD of a file.

    Args:
        request: The request.
        context: What is served.
        content: Gives the file, or its bytes where it is small; not called where the caller has it.
        sha256: Of its bytes.
        headers: Further headers.
        media: Its type.
        places: Folders beside the registry's that nginx is given, by their names below the setting `accel`.
    """
    told = {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes", **(headers or {})}
    if _is_known(request.headers.get("if-none-match", ""), told["ETag"]):
        return Response(status_code=304, headers=told)
    found = content()
    if isinstance(found, bytes):
        return Response(found, headers=told, media_type=media)
    inner = _inner(context, found, places or {}) if request.method == "GET" else ""
    if inner:
        return Response(headers={**told, "X-Accel-Redirect": inner}, media_type=media)
    _keep_range(request, told["ETag"])
    return _Pieces(found, headers=told, media_type=media)


def _is_known(held: str, etag: str) -> bool:
    """Whether `If-None-Match` names what would be sent."""
    return any(each.strip().removeprefix("W/") in (etag, "*") for each in held.split(","))


def _keep_range(request: Request, etag: str) -> None:
    """Takes a range out of a request that has the beginning of something else: `If-Range` by another ETag, or a date.

    Dates are no proof here: two files may be written in one second.
    """
    if request.headers.get("if-range", etag) != etag:
        kept = [(name, value) for name, value in request.scope["headers"] if name not in (b"range", b"if-range")]
        request.scope["headers"] = kept


def _inner(context: Context, path: Path, places: Mapping[str, Path]) -> str:
    """Where nginx finds a file, below the setting `accel`; empty where it is none of those that nginx is given."""
    if context.settings.accel:
        for name, root in {"registry": Path(context.store.url), "bases": context.bases, **places}.items():
            if path.is_relative_to(root):
                return f"{context.settings.accel.rstrip('/')}/{name}/{quote(path.relative_to(root).as_posix())}"
    return ""
