"""The screens of a version: what it is, who signed it, what the gate saw of it, its files, its card."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from registry.errors import ConfigurationError, RegistryError, TrustError
from registry.records import ARMS, Adapter
from registry.server.pages import gates
from registry.server.pages.asking import Reader, Served, crumbs, find
from registry.server.pages.domains import standings
from registry.server.pages.markdown import rendered
from registry.server.pages.view import moment, page
from registry.store import CARD, Store
from registry.trust import signatures

router = APIRouter()


@router.get("/domains/{domain}/v{number}")
def version(request: Request, caller: Reader, context: Served, domain: str, number: int) -> HTMLResponse:
    """A version: what it is, what the gate saw of it, its files."""
    store = context.store
    adapter, versions = find(store, domain, number)
    gate = gates.gate_of(adapter)
    return page(
        request, "version", caller, crumbs=crumbs(domain), adapter=adapter, gate=gate, arms=gates.arms(gate),
        gains=gates.gains(gate), others=gates.others(gate), arm_names=ARMS, signature=_signature(store, adapter),
        standing=standings(store, domain)(number),
        channels=[name for name, held in store.channels(domain).items() if held == number],
        before=next((each for each in versions if each.id == adapter.started_from), None),
    )  # fmt: skip


@router.get("/domains/{domain}/v{number}/card")
def card(request: Request, caller: Reader, context: Served, domain: str, number: int) -> HTMLResponse:
    """The card of a version."""
    adapter, _ = find(context.store, domain, number)
    return page(request, "card", caller, crumbs=crumbs(domain), adapter=adapter, card=_card(context.store, adapter))


def _signature(store: Store, adapter: Adapter) -> dict[str, Any]:
    """Who vouches for a version, as far as this server knows keys: clients go by their own."""
    manifest = store.manifest(adapter)
    try:
        seal = store.trust.seal(adapter.domain, manifest, f"{adapter.domain} v{adapter.version}")
    except TrustError as error:
        return {"state": "refused", "fault": str(error.values.get("fault", "damaged")).replace("-", " ")}
    if seal is not None:
        key, at = seal.key, moment(seal.signature.at)
        return {"state": "trusted", "key": key.id, "name": key.name, "at": at}
    keys = [name.removesuffix(".json") for name in store.objects.names(signatures(adapter.domain, manifest))]
    return {"state": "unknown", "keys": keys} if keys else {"state": "unsigned"}


def _card(store: Store, adapter: Adapter) -> Any:
    try:
        return rendered(store.read(adapter, CARD).decode("utf-8", "replace"))
    except (RegistryError, ConfigurationError):
        return "The card can't be read: the version is damaged."
