"""The application: the rooms' routes over one context, with one access rule and one form of errors."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from registry.server import administration, changes, errors, feeds, feeds_stream, health, raw, subscriptions_routes
from registry.server.context import Context
from registry.server.guard import HEADERS, Guard
from registry.server.hub import routes as hub
from registry.server.limits import Limits
from registry.server.notes import Notes
from registry.server.pages.router import router as pages

ROUTERS = (
    health.router,
    administration.router,
    changes.router,
    raw.router,
    subscriptions_routes.router,
    feeds_stream.router,
    feeds.router,
    pages,
    hub.router,
)  # fmt: skip
"""One line a room; the first whose route fits answers. What a room does beside answering stands in its router's
`lifespan`, which finds the context at `app.state.context`."""


def create_app(context: Context) -> FastAPI:
    """An ASGI application that serves a context; it lets go of state and lake when it is shut down.

    Args:
        context: What is served.
    """
    notes = Notes(context.state, context.settings)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        try:
            async with notes.running():
                yield
        finally:
            context.state.close()
            if context.lake is not None:
                context.lake.close()

    app = FastAPI(
        title="driftune", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    app.state.context = context
    app.state.notes = notes
    app.state.domains = set()
    app.state.limits = Limits(context.settings.rate, context.settings.burst)
    app.add_middleware(Guard, settings=context.settings)
    errors.install(app, HEADERS)
    if context.settings.metrics:
        from registry.server import metrics

        app.include_router(metrics.router)
    for router in ROUTERS:
        app.include_router(router)
    return app
