"""A file on its way: with what the Hub's clients look for in its headers, in pieces, from where a cut one ended.

What is sent has the SHA-256 of its content for an ETag, so it is the same thing under every name. Behind nginx (the
setting `accel`) only the headers are made here, and nginx sends the file. Nothing is ever sent as HTML.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import FileResponse, Response

from registry.exports import FOLDER
from registry.server.context import Context
from registry.server.hub.repos import Commit, File

_TEXT = (".md", ".json", ".txt", ".jinja")


class _Pieces(FileResponse):
    """A file in pieces of 256 KiB: a quarter of the turns that starlette's take, and 50 at once are 13 MB."""

    chunk_size = 256 << 10


def send(request: Request, context: Context, commit: Commit, file: File) -> Response:
    """The answer to a GET or HEAD of a file."""
    headers = _headers(commit, file)
    if _is_known(request.headers.get("if-none-match", ""), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    _keep_range(request, headers["ETag"])
    media = "text/plain; charset=utf-8" if file.path.endswith(_TEXT) else "application/octet-stream"
    found = file.read()
    if isinstance(found, bytes):
        return Response(found, headers=headers, media_type=media)
    inner = _inner(context, found) if request.method == "GET" else ""
    if inner:
        return Response(headers={**headers, "X-Accel-Redirect": inner}, media_type=media)
    return _Pieces(found, headers=headers, media_type=media)


def _headers(commit: Commit, file: File) -> dict[str, str]:
    name = quote(file.path.rpartition("/")[2])
    headers = {
        "ETag": f'"{file.sha256}"',
        "X-Repo-Commit": commit.id,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"inline; filename*=UTF-8''{name}; filename=\"{name}\";",
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization",
        "X-Content-Type-Options": "nosniff",
    }
    if file.is_large:
        headers |= {"X-Linked-ETag": headers["ETag"], "X-Linked-Size": str(file.size)}
    return headers


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


def _inner(context: Context, path: Path) -> str:
    """Where nginx finds a file, below the setting `accel`; empty where it is none of those that nginx is given."""
    if not context.settings.accel:
        return ""
    places = {"registry": Path(context.store.url), "bases": context.bases}
    if context.lake is not None:
        places[FOLDER] = context.lake.home / FOLDER
    for name, root in places.items():
        if path.is_relative_to(root):
            return f"{context.settings.accel.rstrip('/')}/{name}/{quote(path.relative_to(root).as_posix())}"
    return ""
