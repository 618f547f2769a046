"""`/healthz`: whether the server can do its work, for those who start and watch it."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends

from registry.server.access import context_of, open_to_all
from registry.server.context import Context

router = APIRouter()


@router.api_route("/healthz", methods=["GET", "HEAD"], dependencies=[open_to_all()])
async def healthz(context: Annotated[Context, Depends(context_of)]) -> dict[str, str]:
    """`{"status": "ok"}` where the state answers; else 503."""
    await context.state.ask(lambda connection: connection.execute(sa.select(1)).one())
    return {"status": "ok"}
