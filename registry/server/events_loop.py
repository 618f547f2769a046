"""What a server does beside answering: it looks at the logs, sends what is due, and wakes those who wait for events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import cast

from fastapi import FastAPI

from registry.errors import DriftuneError
from registry.server import events
from registry.server.context import Context
from registry.server.deliveries_sending import Sender
from registry.server.events_payload import Teller
from registry.server.events_watch import Watch


class Bell:
    """Tells those who wait that there are events which they don't know. Only for the event loop."""

    def __init__(self) -> None:
        self.last = 0
        self._event = asyncio.Event()

    def ring(self, last: int) -> None:
        """There are events up to a number."""
        if last > self.last:
            self.last = last
            self._event.set()
            self._event = asyncio.Event()

    async def after(self, seq: int) -> None:
        """Waits until there are events after a number."""
        while self.last <= seq:
            await self._event.wait()


class Eventing:
    """The look and the sender of one server process.

    Args:
        context: What is served.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        settings = context.settings
        teller = Teller(context.lake, settings.url.rstrip("/"), settings.namespace)
        self.watch = Watch(context.store, context.state, teller)
        self.sender = Sender(context.state, settings)
        self.bell = Bell()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks and sends for as long as a block runs."""
        tasks = [asyncio.create_task(self._look_on()), asyncio.create_task(self.sender.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self) -> None:
        """Looks now, and wakes who is to know."""
        looking = asyncio.create_task(asyncio.to_thread(self.watch.look))
        try:
            await asyncio.shield(looking)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await looking  # its thread goes on all the same, and the state is closed next
            raise
        self.bell.ring(await self._context.state.ask(events.last))
        self.sender.wake()

    async def _look_on(self) -> None:
        while True:
            try:
                await self.look()
            except DriftuneError as error:
                logging.getLogger("uvicorn.error").error("The look at the registry failed: %s", error)
            except Exception:  # a fault of ours with one look must not end all others
                logging.getLogger("uvicorn.error").exception("The look at the registry failed")
            await asyncio.sleep(self._context.settings.look_s)


def eventing_of(app: FastAPI) -> Eventing:
    """An application's own."""
    if getattr(app.state, "eventing", None) is None:
        app.state.eventing = Eventing(app.state.context)
    return cast(Eventing, app.state.eventing)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Of the router that comes with it."""
    async with eventing_of(app).running():
        yield
