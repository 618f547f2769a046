"""`driftune subscribe`: a folder that always holds the newest adapter of a channel."""

from __future__ import annotations

import datetime as dt
import sys
import threading
from pathlib import Path

from registry.errors import DriftuneError
from registry.settings import Settings
from registry.store import Store


def subscribe(reference: str, into: Path, *, once: bool = False, every: float = 60.0) -> None:
    """Keeps `into` at the newest version of a channel; it is switched by one rename, and untouched when nothing is new.

    A look that fails is told and made again at the next turn, unless it is the only one.

    Args:
        reference: `DOMAIN` or `DOMAIN@CHANNEL`; the channel is `stable` where none is named.
        into: The folder; a link to the version's own folder beside it.
        once: Look once, then return.
        every: Seconds between two looks.

    Raises:
        DriftuneError: The only look failed.
    """
    store = Store(Settings().registry_url)
    pause = threading.Event()
    while True:
        try:
            look(store, reference, into)
        except DriftuneError as error:
            if once:
                raise
            print(f"{_now()}  {error}; next look in {every:.0f} s", file=sys.stderr, flush=True)
        if once:
            return
        pause.wait(every)


def look(store: Store, reference: str, into: Path) -> bool:
    """Pulls what is newest, and says what happened; whether anything changed."""
    pulled = store.pull(reference, into)
    version = f"{pulled.adapter.domain} v{pulled.adapter.version}"
    if pulled.changed:
        print(
            f"{_now()}  {into} holds {version} now (base {pulled.adapter.base}, {pulled.adapter.library_range})",
            flush=True,
        )
    else:
        print(f"{_now()}  {into} is up to date: {version}", flush=True)
    return pulled.changed


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
