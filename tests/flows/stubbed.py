"""The scripted LLM endpoint on a port of its own, in a thread, and what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.stub.server import Options, listen, listening, server_of, stub_of


@dataclass(frozen=True)
class Stubbed:
    """A running stub: its base address, its ledger's file."""

    address: str
    ledger: Path | None

    def lines(self) -> list[dict[str, Any]]:
        """What the ledger says, a request at a time."""
        assert self.ledger is not None
        return [json.loads(line) for line in self.ledger.read_text().splitlines()] if self.ledger.exists() else []


@contextlib.contextmanager
def stubbed(ledger: Path | None = None, **options: Any) -> Iterator[Stubbed]:
    """A stub that listens within the block."""
    stub = stub_of(Options(ledger=ledger, **options))
    server = server_of(stub)
    with listening() as place:
        thread = threading.Thread(target=lambda: asyncio.run(listen(server, place, stub)))
        thread.start()
        try:
            yield Stubbed(f"http://127.0.0.1:{place.getsockname()[1]}/v1", ledger)
        finally:
            server.should_exit = True
            thread.join()
