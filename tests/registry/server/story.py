"""A small lake with a public and a private domain, as the stages would write it: what the page's tests look at.

Some of it is hostile, as scraped text is: HOSTILE stands in a prompt, a warning, a docstring, evidence, a reason and a
symbol's name, and must be seen as text wherever it is shown.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from registry.lake import Lake
from registry.records import (
    Change,
    Environment,
    Example,
    Page,
    Program,
    Release,
    Removal,
    Report,
    Snapshot,
    SnapshotRow,
    Symbol,
    Verdict,
    Work,
)
from registry.server import deliveries, subscriptions, tokens
from registry.server.context import Context
from registry.server.subscriptions import Wish
from tests.registry.server.serving import PRIVATE, PUBLIC, Served, context_in
from tests.registry.test_store import adapter_folder, publication

HOSTILE = "<script>document.title='taken'</script><img src=http://127.0.0.9/x.png onerror=alert(1)>"
PAIRS = 12
ROWS = 70
"""Rows of text of each domain, beside the pairs: more than a page shows."""

_ARMS = {"base": 0.6, "base+docs": 0.62, "adapter": 0.8, "adapter+docs": 0.78, "adapter-base": 0.2}


@dataclasses.dataclass(frozen=True)
class Story:
    """Ids of what stands in a domain's part of the lake."""

    snapshot: str
    change: str
    symbol: str
    row: str
    removed: str


def story(folder: Path, **settings: object) -> tuple[Context, dict[str, Story]]:
    """A context over a store and a lake in a folder, with version 3 of PUBLIC and PRIVATE trained on rows of it."""
    lake = Lake(str(folder / "lake"), folder)
    lake.create()
    context = context_in(folder, lake=lake, **settings)
    return context, {domain: _told(context, lake, domain, folder) for domain in (PUBLIC, PRIVATE)}


def followed(served: Served, caller: str = "read") -> str:
    """A subscription of a caller's, with a test event that became a dead letter, as its address wanted no more."""
    wish = Wish(domain=PRIVATE, channel="stable", library=f"{PRIVATE}>=3", url="https://127.0.0.1:9/hook")
    with served.context.state.begin() as connection:
        token = tokens.find(connection, served.secrets[caller])
        assert token is not None
        made, _ = subscriptions.create(connection, wish, token.id, 9)
        deliveries.send_test(connection, made, lambda number: {"type": "test", "data": {"number": number}})
        deliveries.end(connection, made.id, f"410 {HOSTILE}")
    return made.id


def _told(context: Context, lake: Lake, domain: str, folder: Path) -> Story:
    old, new = (Release(library=domain, version=v, artifact_sha256=f"{domain}{v}") for v in ("2.8.8", "3.6.1"))
    ran = {
        r.id: Environment(python="3.11.7", requirements=(f"{domain}=={r.version}",), settings={}) for r in (old, new)
    }
    url = f"pypi://{domain}/3.6.1/{domain}-3.6.1-py3-none-any.whl/{domain}/matching.py"
    source = Page(release=new.id, url=url, content_hash="h", kind="source", path="matching.py", licence="BSD-3-Clause")
    name = f"{domain}.algorithms.matching.min_weight_matching"
    said = ({"source": "docstring", "text": f"`maxcardinality` is gone {HOSTILE}"},)
    change = Change(old=old.id, new=new.id, symbol=name, kind="signature", replacement=f"{name}(G)", evidence=said)
    symbols = [
        Symbol(release=r.id, path=name, kind="function", signature="(G, weight='weight')", doc=f"Matches.\n\n{HOSTILE}")
        for r in (old, new)
    ]
    made: list[Any] = [old, new, source, change, *symbols, *ran.values()]
    kept: dict[str, str] = {}

    def program(code: str, outcomes: dict[str, str]) -> str:
        found = Program(code=code, test="assert result == {(1, 2)}")
        made.append(found)
        for release, outcome in outcomes.items():
            detail = "" if outcome == "passed" else f"TypeError: unexpected keyword argument {HOSTILE}"
            warned = ({"category": "DeprecationWarning", "message": HOSTILE, "line": 3},) if outcome != "passed" else ()
            made.append(
                Verdict(program=found.id, environment=ran[release].id, harness="2", policy="k=2", outcome=outcome,
                        proof="strong", detail=detail, warnings=warned)
            )  # fmt: skip
        return found.id

    def example(kind: str, parts: dict[str, Any], split: str, **more: Any) -> Example:
        row = Example(
            domain=domain, kind=kind, parts=parts, file="f", root="r", generator="migrate", generator_version="1",
            licence="BSD-3-Clause", source_url=url, **{"releases": (new.id,), **more},
        )  # fmt: skip
        made.append(row)
        if split:
            kept[row.id] = split
        return row

    for number in range(PAIRS):
        head = f"import {domain} as nx\nG = nx.path_graph({number})\n"
        before = program(f"{head}result = nx.min_weight_matching(G, maxcardinality=True)\n",
                         {old.id: "passed", new.id: "error"})  # fmt: skip
        after = program(f"{head}result = nx.min_weight_matching(G)\n", {new.id: "passed"})
        pair = example("drift", {"programs": {"old": before, "new": after}, "prompt": f"Update it. {HOSTILE}"}, "train",
                       change=change.id, symbols=(name,), releases=(old.id, new.id), old_effect="fails")  # fmt: skip
    for number in range(ROWS):
        example("text", {"programs": {}, "text": f"Text {number} {HOSTILE}"}, "context" if number % 2 else "train")
    removed = example("text", {"programs": {}, "text": "Doubled"}, "")
    made.append(
        Removal(example=removed.id, rule="near-duplicate", curation=f"{domain}-now", domain=domain, detail=HOSTILE,
                kept_instead=pair.id)
    )  # fmt: skip
    snapshot = Snapshot(domain=domain, rows_sha256=domain, filters={})
    made += [snapshot, *(SnapshotRow(snapshot=snapshot.id, example=i, split=split) for i, split in kept.items())]
    made += [
        Work(key=f"{domain}{r}", stage="validate", domain=domain, part="2", outputs=1,
             result={"release": r, "environment": each.id})
        for r, each in ran.items()
    ]  # fmt: skip
    made.append(Work(key=f"{domain}-now", stage="curate", domain=domain, part="curate@1", outputs=1,
                     result={"snapshot": snapshot.id}))  # fmt: skip
    lake.append(made)
    _publish(context, domain, snapshot.id, folder)
    return Story(snapshot.id, change.id, symbols[1].id, pair.id, removed.id)


def _publish(context: Context, domain: str, snapshot: str, folder: Path) -> None:
    reports = tuple(
        Report(run="run-3", arm=arm, split=split, metric="choice@1", domain=domain, value=value, ci_low=value - 0.1,
               ci_high=value + 0.1, n=200, clusters=60, decision="publish",
               reason=f"Better than its base: choice@1 on context +0.20 {HOSTILE}")
        for split in ("context", "symbol") for arm, value in _ARMS.items()
    )  # fmt: skip
    told = dataclasses.replace(publication("run-3", domain), snapshot=snapshot, reports=reports)
    context.store.publish(adapter_folder(folder / f"third-{domain}", domain.encode() * 999), told, channel="candidate")
    context.store.promote(domain, 3, "3.x", reason=f"Asked for {HOSTILE}", by="maria")
    context.store.rollback(domain, "stable", reason="It answered wrongly", by="maria")
