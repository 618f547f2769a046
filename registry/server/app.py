"""The application: the rooms' routes over one context, with one access rule and one form of errors."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from registry.server import errors, health
from registry.server.audit import Refusals
from registry.server.context import Context
from registry.server.limits import Limits

ROUTERS = (
    health.router,
)  # fmt: skip
"""One line a room; the first whose route fits answers. What a room does beside answering stands in its router's
`lifespan`, which finds the context at `app.state.context`."""


def create_app(context: Context) -> FastAPI:
    """An ASGI application that serves a context; it closes the context's state when it is shut down.

    Args:
        context: What is served.
    """
    refusals = Refusals(context.state, context.settings)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with refusals.running():
            yield

    app = FastAPI(title="driftune", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.context = context
    app.state.refusals = refusals
    app.state.limits = Limits(context.settings.rate, context.settings.burst)
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router)
    return app
