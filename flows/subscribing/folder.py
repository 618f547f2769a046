"""`--into`: a folder that always holds the newest version; it is switched by one rename."""

from __future__ import annotations

from pathlib import Path

from flows.subscribing.loop import told
from registry.records import Adapter
from registry.store import Store


class Folder:
    """Keeps a folder at the newest version.

    Args:
        store: Where versions come from.
        into: The folder; a link to the version's own folder beside it.
    """

    def __init__(self, store: Store, into: Path) -> None:
        self._store, self._into = store, into
        self._told = ""

    def __call__(self, adapter: Adapter) -> None:
        """Pulls the version, and says what happened."""
        version = f"{adapter.domain} v{adapter.version}"
        if self._store.pull(f"{adapter.domain}@v{adapter.version}", self._into).changed:
            told(f"{self._into} holds {version} now (base {adapter.base}, {adapter.library_range})")
        elif version != self._told:  # once, and not at each look
            told(f"{self._into} is up to date: {version}")
        self._told = version
