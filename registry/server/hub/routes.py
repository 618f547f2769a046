"""The Hub's routes: what a path asks for is read in `names`, found in `shelf`, told by `shapes`, sent by `sending`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from registry.server.access import Caller, Scope, needs
from registry.server.errors import RefusedError
from registry.server.hub import shapes, shelf
from registry.server.hub.names import INFO, RESOLVE, Asked, asked_of_api, asked_of_files, malformed
from registry.server.hub.repos import Repo
from registry.server.hub.sending import send
from registry.server.hub.upstream import passed_on

_PAGE = 1000
"""Entries of a listing at a time, as the Hub has it."""
_PATHS = 1000
"""Paths that may be asked for at once."""
_DIGITS = 10
"""Digits, less than which a number in a query has."""

Reader = Annotated[Caller, needs(Scope.READ)]


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.forms.append(_form)
    yield


router = APIRouter(lifespan=_lifespan)


@router.get("/api/whoami-v2")
def whoami(caller: Annotated[Caller, needs(Scope.READ, named=True)]) -> Response:
    """Whose token it is, as `hf auth whoami` shows it."""
    held = caller.token.scope if caller.token else Scope.READ
    access = {"displayName": caller.name, "role": "read" if held is Scope.READ else "write"}
    return JSONResponse({
        "type": "user", "id": caller.name, "name": caller.name, "fullname": caller.name, "email": None,
        "emailVerified": False, "canPay": False, "isPro": False, "orgs": [],
        "auth": {"type": "access_token", "accessToken": access},
    })  # fmt: skip


@router.get("/api/models")
@router.get("/api/datasets")
def repositories(
    request: Request, caller: Reader, author: str = "", search: str = "", limit: int = _PAGE, cursor: int = 0,
    tags: Annotated[list[str] | None, Query(alias="filter")] = None,
) -> Response:  # fmt: skip
    """The adapters and bases, or the data sets, that a caller sees."""
    settings, found = caller.context.settings, []
    expand = _expanded(request)
    kind = request.url.path.rpartition("/")[2]
    for repo in shelf.listed(caller, kind, author, search, tags or []):
        private = not any(settings.is_public(domain) for domain in repo.domains)
        if (commit := shelf.latest(repo)) is not None:
            found.append(shapes.only(shapes.summary(repo, commit, private=private), expand))
    return _page(request, found, limit, cursor)


@router.get("/api/models/{rest:path}")
@router.get("/api/datasets/{rest:path}")
@router.get("/api/spaces/{rest:path}")
def told(request: Request, caller: Reader) -> Response:
    """A repository, its revisions, commits, or a listing of its files."""
    asked = asked_of_api(request.scope["raw_path"])
    repo = _found(caller, asked)
    if repo is None:
        return _elsewhere(request, caller, asked)
    query = request.query_params
    if asked.what == "refs":
        return JSONResponse(shapes.refs(*repo.names()))
    commit = shelf.commit_at(repo, asked.revision)
    if asked.what == "commits":
        return _page(request, shapes.commits(repo, commit))
    if asked.what == "tree":
        recursive, expand = (_is_true(query.get(name, "")) for name in ("recursive", "expand"))
        rows = shapes.tree(repo, commit, asked.path, recursive=recursive, expand=expand)
        if not rows and asked.path:
            shelf.file_in(repo, commit, asked.path)
        return _page(request, rows)
    if asked.what not in (INFO, "revision"):
        raise RefusedError(404, "unknown", f"Nothing here answers {asked.what!r} of a repository")
    private = not any(caller.context.settings.is_public(domain) for domain in repo.domains)
    found = shapes.info(repo, commit, private=private, blobs=_is_true(query.get("blobs", "")))
    return JSONResponse(shapes.only(found, _expanded(request)))


@router.post("/api/models/{rest:path}")
@router.post("/api/datasets/{rest:path}")
async def asked_with_body(request: Request, caller: Reader) -> Response:
    """What is said of some paths; nothing is changed by it."""
    asked = asked_of_api(request.scope["raw_path"])
    if asked.what != "paths-info":
        message = "This hub is read-only: publish with driftune publish"
        raise RefusedError(405, "read-only", message, {"Allow": "GET, HEAD"})
    body = await request.body()
    wanted = _paths(request.headers.get("content-type", ""), body)
    return await run_in_threadpool(_paths_info, request, caller, asked, wanted, body)


@router.api_route("/datasets/{namespace}/{name}/resolve/{rest:path}", methods=["GET", "HEAD"])
@router.api_route("/{name}/resolve/{rest:path}", methods=["GET", "HEAD"])
@router.api_route("/{namespace}/{name}/resolve/{rest:path}", methods=["GET", "HEAD"])
def resolve(request: Request, caller: Reader) -> Response:
    """A file at a revision."""
    asked = asked_of_files(request.scope["raw_path"])
    repo = _found(caller, asked)
    if repo is None:
        return _elsewhere(request, caller, asked)
    commit = shelf.commit_at(repo, asked.revision)
    return send(request, caller.context, commit, shelf.file_in(repo, commit, asked.path))


def _paths_info(request: Request, caller: Caller, asked: Asked, wanted: list[str], body: bytes) -> Response:
    repo = _found(caller, asked)
    if repo is None:
        return _elsewhere(request, caller, asked, body)
    commit = shelf.commit_at(repo, asked.revision)
    files = {file.path: shapes.entry(file) for file in commit.files}
    folders = {str(each["path"]): each for each in shapes.tree(repo, commit, recursive=True)}
    return JSONResponse([found for path in wanted if (found := files.get(path) or folders.get(path)) is not None])


def _paths(kind: str, body: bytes) -> list[str]:
    """The paths that are posted, as a form or as JSON.

    Raises:
        RefusedError: They can't be read, or are too many.
    """
    try:
        if kind.startswith("application/json"):
            found = json.loads(body)["paths"]
        else:
            found = parse_qs(body.decode(), max_num_fields=_PATHS + 10).get("paths", [])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise malformed("what was posted is no list of paths") from error
    paths = [found] if isinstance(found, str) else found
    if not isinstance(paths, list) or len(paths) > _PATHS or not all(isinstance(path, str) for path in paths):
        raise malformed(f"post up to {_PATHS:,} paths")
    return [path.rstrip("/") for path in paths]


def _found(caller: Caller, asked: Asked) -> Repo | None:
    """The repository that is ours to answer for; None where it is the upstream's, if anybody's."""
    repo = shelf.find(caller, asked)
    mirrored = repo is not None and "base" in repo.tags and _is_foreign(caller, asked)
    return None if mirrored and repo is not None and repo.at(asked.revision) is None else repo


def _is_foreign(caller: Caller, asked: Asked) -> bool:
    """Whether the upstream may be asked: there is one, and what is asked for isn't in our own namespace."""
    settings = caller.context.settings
    return bool(settings.upstream) and asked.repo.partition("/")[0] != settings.namespace


def _elsewhere(request: Request, caller: Caller, asked: Asked, body: bytes = b"") -> Response:
    """The upstream's answer for what isn't known here.

    Raises:
        RefusedError: There is no upstream that may be asked.
    """
    if not _is_foreign(caller, asked):
        raise shelf.repo_missing()
    return passed_on(request, asked, caller.context.settings.upstream, body)


def _expanded(request: Request) -> list[str]:
    """The fields that are asked for; none for all."""
    return [*request.query_params.getlist("expand"), *request.query_params.getlist("expand[]")]


def _page(request: Request, rows: list[dict[str, Any]], limit: int = 0, cursor: int | None = None) -> Response:
    """Some of the rows, with a link to the next in the header where there are more."""
    limit = limit or _number(request, "limit", _PAGE)
    cursor = cursor if cursor is not None else _number(request, "cursor", 0)
    start, end = max(cursor, 0), max(cursor, 0) + max(1, min(limit, _PAGE))
    headers = {}
    if end < len(rows):
        following = request.url.include_query_params(cursor=end)
        headers["Link"] = f'<{following}>; rel="next"'
    return JSONResponse(rows[start:end], headers=headers)


def _number(request: Request, name: str, otherwise: int) -> int:
    """A number in the query; what is none, or has more digits than rows could be counted with, isn't looked at."""
    text = request.query_params.get(name, "")
    return int(text) if text.isdecimal() and len(text) < _DIGITS else otherwise


def _is_true(value: str) -> bool:
    return value.lower() in ("true", "1", "yes")


def _form(request: Request, refused: RefusedError) -> Response | None:
    """The Hub's form of a refusal: its message in a header too, as an answer to HEAD has nothing else."""
    path = request.url.path
    if not (path.startswith(("/api/models", "/api/datasets", "/api/spaces", "/api/whoami")) or f"/{RESOLVE}/" in path):
        return None
    told = "Invalid credentials in Authorization header" if refused.status == 401 else refused.message
    line = " ".join(told.split()).encode("latin-1", "replace").decode("latin-1")
    headers = {"X-Error-Message": line, **refused.headers}
    return JSONResponse({"error": refused.message}, refused.status, headers=headers)
