"""What every room of the server is handed, as `request.app.state.context`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from registry.lake import Lake
from registry.server.settings import ServerSettings
from registry.server.state import State
from registry.store import Store


@dataclass(frozen=True)
class Context:
    """What a server serves.

    Attributes:
        store: The adapters.
        lake: The lake that adapters' rows are in; None where there is none beside the server.
        bases: Folder of the bases that driftune made, in the Hub's layout.
        state: What changes: tokens, subscriptions, deliveries, the audit log.
        settings: What the server was told.
    """

    store: Store
    lake: Lake | None
    bases: Path
    state: State
    settings: ServerSettings
