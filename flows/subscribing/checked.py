"""`--check`: a version is loaded onto the subscriber's base and asked its canary before anything is done with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flows.subscribing.memory import Memory
from registry.client import load_adapter
from registry.errors import WrongBaseError
from registry.records import Adapter
from registry.store import Store


class Checked:
    """An action on versions that give their stored answers; what was there before stays where one doesn't.

    Args:
        action: What is done with them.
        store: Where versions come from.
        base: The base's folder.
        memory: Which one the action was done with, and which failed.
    """

    def __init__(self, action: Callable[[Adapter], None], store: Store, base: Path, memory: Memory) -> None:
        self._action, self._store, self._base, self._memory = action, store, base, memory

    def __call__(self, adapter: Adapter) -> None:
        """Check a version once, then act.

        Raises:
            WrongBaseError: It gives other answers: it isn't tried again.
        """
        failed = self._memory.failed.get(adapter.id)
        if failed is not None:
            raise WrongBaseError(f"{failed}. v{adapter.version} isn't tried again; the next version is")
        if adapter.id != self._memory.adapter:
            try:
                load_adapter(self._base, self._store.folder(adapter))
            except WrongBaseError as error:
                self._memory.fail(adapter.id, str(error))
                raise
        self._action(adapter)
        self._memory.done(adapter.id, adapter.version)
