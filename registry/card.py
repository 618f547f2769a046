"""The card of an adapter: the README.md that travels with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from registry.records import ARMS, Adapter

_TEMPLATE = """---
library_name: peft
base_model: {base}
license: other
license_name: {licence}
tags: [driftune, lora, code, {domain}]
---
# {domain} v{version}

A LoRA adapter that speaks {library_range}, made by driftune from documentation and tests; each row is proven by
running it.

| | |
|---|---|
| Base | `{base}` |
| Base revision | `{base_revision}` |
| Base fingerprint | `{fingerprint}` |
| Library | `{library_range}` |
| Snapshot | `{snapshot}` |
| Run | `{run}` |
{start}| Licences of its rows and its base | {licences} |
{written}
It fits this base only: on another one it loads without an error and answers wrongly. `registry.client.load_adapter`
refuses any other base.
{serving}
## What the gate saw

{decision}

{table}
"""


_VLLM_RANKS = (16, 32, 64, 128, 256, 320, 512)
"""Limits of the rank that vLLM can be started with, from its default on."""


def card(adapter: Adapter, config: Mapping[str, Any] | None = None) -> str:
    """The text of an adapter's README.md.

    Args:
        adapter: The version.
        config: Its `adapter_config.json`.
    """
    report: Mapping[str, Any] = adapter.report if isinstance(adapter.report, Mapping) else {}
    return _TEMPLATE.format(
        domain=adapter.domain,
        version=adapter.version,
        base=adapter.base,
        base_revision=adapter.base_revision,
        fingerprint=adapter.fingerprint,
        library_range=adapter.library_range,
        snapshot=adapter.snapshot,
        run=adapter.run,
        start=f"| Goes on from the adapter | `{adapter.started_from}` |\n" if adapter.started_from else "",
        written="".join(f"| Rows by {row['model']} | {_wrote(row)} |\n" for row in adapter.written),
        licence=all_of(adapter.licences) or "unknown",
        licences=", ".join(adapter.licences) or "unknown",
        decision=f"**{report.get('decision', 'no decision')}**: {report.get('reason', 'no report')}.",
        table=table(report.get("rows", ())),
        serving=serving(config or {}),
    )


def _wrote(row: Mapping[str, Any]) -> str:
    """How many training rows an LLM wrote, and whether they may be there."""
    terms = "allow" if row.get("trainable") else "aren't known to allow"
    return f"{row['rows']:,} of its training rows; its terms {terms} training on what it says"


def all_of(licences: Sequence[str]) -> str:
    """One SPDX expression that asks for all: AND binds closer than OR, so that a choice stands in brackets."""
    several = len(licences) > 1
    return " AND ".join(f"({e})" if several and " OR " in e.upper() else e for e in licences)


def serving(config: Mapping[str, Any]) -> str:
    """What vLLM has to be told to serve an adapter, or that it can't; nothing where its rank isn't known."""
    if not _rank(config):
        return ""
    told = unserved(config) or f"vLLM serves it with `--enable-lora --max-lora-rank {rank_limit(config)}`"
    return f"\n{told}.\n"


def unserved(config: Mapping[str, Any]) -> str:
    """Why vLLM doesn't load an adapter; empty where it does."""
    if config.get("use_dora"):
        return "vLLM doesn't load it, as it is a DoRA adapter (its lengths of columns aren't LoRA's): peft does"
    if not rank_limit(config):
        return f"vLLM doesn't load it, as its rank, {_rank(config)}, is above {_VLLM_RANKS[-1]}: peft does"
    return ""


def rank_limit(config: Mapping[str, Any]) -> int:
    """The limit of the rank that vLLM has to be started with for an adapter; 0 where none is high enough."""
    return next((n for n in _VLLM_RANKS if n >= _rank(config)), 0)


def _rank(config: Mapping[str, Any]) -> int:
    """The highest rank of an adapter's matrices; 0 where it isn't known."""
    return max(int(rank) for rank in (config.get("r") or 0, *(config.get("rank_pattern") or {}).values()))


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """The gate's rows as a Markdown table: a line a split and metric, the arms side by side."""
    by: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by.setdefault((row["split"], row["metric"]), {})[row["arm"]] = row
    head = ("split", "metric", *ARMS, "gain over base", "interval", "items", "families")
    lines = [_line(head), _line("---" for _ in head)]
    for (split, metric), arms in by.items():
        gain = arms.get("adapter-base", {})
        low, high = gain.get("ci_low"), gain.get("ci_high")
        interval = "" if low is None or high is None else f"[{low:+.3f}, {high:+.3f}]"
        counted = next(iter(arms.values()))
        values = ("" if (v := arms.get(arm, {}).get("value")) is None else f"{v:.3f}" for arm in ARMS)
        difference = "" if gain.get("value") is None else f"{gain['value']:+.3f}"
        lines.append(_line((split, metric, *values, difference, interval, counted["n"], counted["clusters"])))
    return "\n".join(lines)


def _line(cells: Iterable[Any]) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
