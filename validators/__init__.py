"""Example in -> Verdict (execution sandbox); curation and splits -> Snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from validators.execution.differential import differential

__all__ = ["differential"]


def __getattr__(name: str) -> Any:
    """`validators.differential`, loaded when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from validators.execution import differential as module

    return getattr(module, name)
