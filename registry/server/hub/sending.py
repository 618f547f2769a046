"""A file on its way, with what the Hub's clients look for in its headers."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from registry.exports import FOLDER
from registry.server import sending
from registry.server.context import Context
from registry.server.hub.repos import Commit, File

_TEXT = (".md", ".json", ".txt", ".jinja")


def send(request: Request, context: Context, commit: Commit, file: File) -> Response:
    """The answer to a GET or HEAD of a file."""
    media = "text/plain; charset=utf-8" if file.path.endswith(_TEXT) else sending.BINARY
    places = {} if context.lake is None else {FOLDER: context.lake.home / FOLDER}
    headers = _headers(commit, file)
    return sending.send(request, context, file.read, file.sha256, headers, media=media, places=places)


def _headers(commit: Commit, file: File) -> dict[str, str]:
    name = quote(file.path.rpartition("/")[2])
    headers = {
        "X-Repo-Commit": commit.id,
        "Content-Disposition": f"inline; filename*=UTF-8''{name}; filename=\"{name}\";",
    }
    if file.is_large:
        headers |= {"X-Linked-ETag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    return headers
