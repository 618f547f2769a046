"""The page's routes under one router, with what they need while a server runs, and its form of refusals."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from registry.errors import DriftuneError
from registry.server.access import open_to_all
from registry.server.errors import RefusedError, unknown
from registry.server.pages import details, domains, examples, following, session, versions
from registry.server.pages.domains import newest
from registry.server.pages.questions import Questions
from registry.server.pages.view import UNAUTHORISED, assets, environment, page
from registry.store import Store

_HEADINGS = {
    400: "This can't be asked so",
    401: "This token isn't valid",
    403: "Not allowed",
    404: "Nothing here",
    422: "This can't be asked so",
    429: "Too many requests",
    503: "Busy at the moment",
}
_FIRST_S = 2.0
"""How long a server that starts reads ahead before it answers, at most; it goes on with that beside answering."""
_LAST_S = 5.0
"""How long a server that stops waits for what it reads ahead."""

_YEAR = "public, max-age=31536000, immutable"


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    lake = app.state.context.lake
    app.state.questions = Questions(lake) if lake is not None else None
    app.state.forms.append(refusal)
    ends = threading.Event()
    warming = threading.Thread(target=_warm, args=(app.state.context.store, app.state.questions, ends), daemon=True)
    warming.start()
    await asyncio.to_thread(warming.join, _FIRST_S)
    try:
        yield
    finally:
        ends.set()
        await asyncio.to_thread(warming.join, _LAST_S)
        if app.state.questions is not None:
            app.state.questions.close()


def _warm(store: Store, lake: Questions | None, ends: threading.Event) -> None:
    """Reads what the first view shows, so that who comes first doesn't wait for it: manifests, templates, the views."""
    with contextlib.suppress(DriftuneError):
        environment().get_template("domains.html")
        names = store.domains()
        newest(lake, names)
        for name in names:
            if not ends.is_set():
                store.versions(name)


router = APIRouter(lifespan=_lifespan)


@router.get("/static/{name}", dependencies=[open_to_all()])
def static(request: Request, name: str) -> Response:
    """A file of the page's own: its address has the content's hash, so that it never changes."""
    if name not in assets():
        raise unknown(f"file {name[:64]!r}")
    content, kind = assets()[name]
    kept = _YEAR if request.url.query else "no-cache"
    return Response(content, media_type=kind, headers={"Cache-Control": kept})


def refusal(request: Request, refused: RefusedError) -> Response | None:
    """A refusal as a page, for who asks for pages; a browser drops a token that isn't valid any more."""
    if "text/html" not in request.headers.get("accept", "") or request.method not in ("GET", "HEAD", "POST"):
        return None
    heading = _HEADINGS.get(refused.status, "That failed")
    shown = page(
        request, "error", status=refused.status, heading=heading, message=refused.message, number=refused.status
    )
    shown.headers.update({name: value for name, value in refused.headers.items() if name != "WWW-Authenticate"})
    if refused.status == UNAUTHORISED and "authorization" not in request.headers:
        session.forget(request, shown)
    return shown


for room in (domains, versions, examples, details, following, session):
    router.include_router(room.router)
