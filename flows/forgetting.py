"""`driftune forget`: what came from a source, or stands under a licence, goes for good."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from flows.annotation import account
from registry.forgetting import Order, Trace, forget, trace
from registry.lake import Lake, open_lake
from registry.lock import domain_lock, locked_domains
from registry.records import Adapter, Forgotten, Work
from registry.settings import Settings
from registry.store import Store
from synth.journal import Journal

_RUN = "forget"


def forget_source(what: str, *, dry: bool, as_json: bool) -> None:
    """Takes everything that came from a source, or stands under a licence, out of the lake, and says what it was.

    Args:
        what: The source's address, or the licence's SPDX id.
        dry: Only say what would go.
        as_json: Print one object.

    Raises:
        ConfigurationError: It is neither; or a run is under way.
    """
    settings = Settings()
    order = Order(what)
    lake = open_lake(_RUN)
    with contextlib.nullcontext() if dry else nobody_runs(settings, lake):
        found = trace(lake, order)
        if not dry:
            _forget_answers(settings, found)
            forget(lake, order, found, by=account())
            _tell_again(settings, lake, found)
    told = _told(order, found, Store(settings.registry_url))
    print(json.dumps(told) if as_json else "\n".join(_lines(told, found, dry)))


def _forget_answers(settings: Settings, found: Trace) -> None:
    """Takes what an LLM answered out of the journal: first, so that a run after a kill brings nothing back."""
    if found.rows and settings.journal.exists():
        with Journal(settings.journal) as journal:
            for domain in found.domains:
                journal.forget(domain, found.answered)


def _tell_again(settings: Settings, lake: Lake, found: Trace) -> None:
    """Writes the calls again whose answers went: without these, with what they cost."""
    if found.rows and settings.journal.exists():
        with Journal(settings.journal) as journal:
            calls = [each for domain in found.domains for each in journal.calls(domain)]
            if calls:
                lake.append([call for _, call in calls])
            journal.tell([number for number, _ in calls])


@contextlib.contextmanager
def nobody_runs(settings: Settings, lake: Lake) -> Iterator[None]:
    """Holds the lock of every domain: a run has pages in memory, and would write them again."""
    names = locked_domains(settings)
    with contextlib.ExitStack() as locks:
        for name in sorted(names | {w.domain for w in lake.read(Work)}):
            locks.enter_context(domain_lock(settings, name, _RUN))
        yield


def _told(order: Order, found: Trace, store: Store) -> dict[str, Any]:
    return {
        "what": order.what,
        "rows": {table: len(ids) for table, ids in found.rows.items()},
        "domains": list(found.domains),
        "snapshots": [{"id": s.id, "domain": s.domain, "rows": n} for s, n in found.snapshots],
        "adapters": [
            {"id": a.id, "domain": a.domain, "version": a.version, "channels": _channels(store, a)}
            for a in found.adapters
        ],
    }


def _channels(store: Store, adapter: Adapter) -> list[str]:
    return sorted(name for name, at in store.channels(adapter.domain).items() if at == adapter.version)


def _lines(told: dict[str, Any], found: Trace, dry: bool) -> Iterator[str]:
    if not told["rows"]:
        yield f"Nothing in the lake is of {told['what']}" + ("" if dry else ": it is left out from now on")
        return
    rows = ", ".join(f"{count:,} {table}" for table, count in told["rows"].items())
    yield f"{'Would forget' if dry else 'Forgot'} {told['what']}: {rows}"
    for snapshot in told["snapshots"]:
        yield f"Snapshot {snapshot['id'][:12]} of {snapshot['domain']} holds {snapshot['rows']:,} of its rows"
    for adapter in told["adapters"]:
        at = f" ({', '.join(adapter['channels'])})" if adapter["channels"] else ""
        yield f"Adapter {adapter['domain']} v{adapter['version']}{at} was trained on some: it is not changed"
    if not dry:
        yield from (f"Next: driftune run {domain}, for a snapshot without it" for domain in found.domains)


def show_forgotten(*, as_json: bool) -> None:
    """Prints everything that was ever forgotten, newest first."""
    found = sorted(open_lake().read(Forgotten), key=lambda f: (str(f.at), f.id), reverse=True)
    rows = [
        {"what": f.what, "rows": sum(map(len, f.rows.values())), "snapshots": list(f.snapshots),
         "adapters": list(f.adapters), "by": f.by, "at": f.at.isoformat(timespec="seconds") if f.at else ""}
        for f in found
    ]  # fmt: skip
    if as_json:
        print(json.dumps(rows))
        return
    from rich.console import Console

    from flows.render import grid

    names = ("what", "rows", "by", "at")
    Console().print(grid(names, [[row[name] for name in names] for row in rows]))
