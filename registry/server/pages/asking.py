"""What the page's routes are given, and what several of them need: the caller, the store, the lake, a part's number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Depends, Query

from registry.records import Adapter
from registry.server.access import Caller, Scope, context_of, needs
from registry.server.context import Context
from registry.server.errors import RefusedError, unknown
from registry.server.pages.questions import Questions, questions_of
from registry.store import Store

Reader = Annotated[Caller, needs(Scope.READ)]
Owner = Annotated[Caller, needs(Scope.READ, named=True)]
Served = Annotated[Context, Depends(context_of)]
Lake = Annotated[Questions | None, Depends(questions_of)]
Part = Annotated[int, Query(alias="page", ge=1, le=1_000_000)]


def there(lake: Questions | None) -> Questions:
    """The lake.

    Raises:
        RefusedError: The server has none beside it.
    """
    if lake is None:
        raise RefusedError(404, "no-lake", "This server has adapters only: the lake with their rows isn't beside it")
    return lake


def seen(caller: Caller) -> list[str]:
    """The domains that a caller may see."""
    return [name for name in caller.context.store.domains() if caller.sees(name)]


def find(store: Store, domain: str, number: int) -> tuple[Adapter, Sequence[Adapter]]:
    """A version of a domain, with all that there are.

    Raises:
        RefusedError: There is none.
    """
    versions = store.versions(domain)
    found = next((adapter for adapter in versions if adapter.version == number), None)
    if found is None:
        raise unknown(f"version {number} of {domain}")
    return found, versions


def crumbs(domain: str) -> list[tuple[str, str]]:
    """Where a page below a domain stands."""
    return [("Domains", "/"), (domain, f"/domains/{domain}")]
