"""What `driftune prove` found, as a table that stands in a page, and as an object."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.calls import METRIC, read_rows, scored, told
from flows.render import interval, signed
from flows.snapshots import HELD_OUT
from registry.errors import ConfigurationError
from registry.records import ARMS
from registry.storage import write_file
from validators.execution.ledger import UNFINISHED

GAINS = ("adapter-base", "adapter-base+docs")
FILES = ("plan.json", "base.json", "measured.json")

Row = Mapping[str, Any]


def table(folder: Path) -> str:
    """Writes `results.json` and `results.md` from the files of a folder; the text of the second.

    Raises:
        ConfigurationError: One of the files isn't there.
    """
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise ConfigurationError(f"No {missing[0]} in {folder}: run driftune prove first, or copy what it wrote")
    plan, base, measured = (json.loads((folder / name).read_text()) for name in FILES)
    written, outcomes = read_rows(folder / "programs.jsonl"), outcomes_of(folder / "verdicts.jsonl")
    counts = Counter((row["arm"], outcomes.get(row["id"], "not judged")) for row in written)
    found = {
        "asked": plan["asked"],
        "base": {**plan["base"], **base, "tokens_per_second": _rate(plan["base"], base), "name": measured["name"]},
        "train": plan["train"],
        **{name: value for name, value in measured.items() if name not in ("measured", "name")},
        "programs": [{"arm": a, "outcome": o, "count": n} for (a, o), n in sorted(counts.items())],
        "measured": sorted([*measured["measured"], *told(scored(written, outcomes))], key=_place),
    }
    text = "\n".join(_lines(found))
    write_file(folder / "results.json", f"{json.dumps(found, indent=1)}\n".encode(), "the results")
    write_file(folder / "results.md", text.encode(), "the results")
    return text


def _place(row: Row) -> tuple[int, str]:
    """Splits in their order, what belongs to none of them last."""
    return (*HELD_OUT, row["split"]).index(row["split"]), str(row["metric"])


def outcomes_of(path: Path) -> dict[str, str]:
    """Id of a program -> what became of it; those that could not be run are left out."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as file:
        results = [json.loads(line) for line in file if line.endswith("\n")]
    return {str(r["id"]): str(r["outcome"]) for r in results if r["outcome"] != UNFINISHED}


def _rate(plan: Row, base: Row) -> float | None:
    """Tokens a second of the base's training, checkpoints and what was undone too."""
    tokens = plan["tokens"] / plan["steps"] * base["timed"]
    return round(tokens / base["seconds"], 1) if base["seconds"] else None


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    base, corpus = found["base"], found["base"]["corpus"]
    size = sum(package["size"] for package in corpus["packages"])
    rate, adapter = base["tokens_per_second"], found["adapter"]
    speed = "" if rate is None else f", {base['seconds']:,.0f} s ({rate:,.0f} tokens a second)"
    general = f"the standard library and {size / 1e6:,.1f} MB of {len(corpus['packages'])} packages"
    yield f"## {found['asked']['domain']}, a base of {base['parameters']:,} parameters"
    yield ""
    yield f"{base['name']}: {base['tokens']:,} tokens in {base['steps']:,} steps{speed} on {base['device']}."
    yield f"General code: {general}."
    yield f"Adapter: {adapter['steps']:,} steps, {adapter['seconds']:,.0f} s, seed {adapter['seed']}."
    yield f"The gate would say: {found['decision']} ({found['reason']})."
    yield ""
    yield f"| split | metric | {' | '.join([*ARMS, *GAINS])} | n | families |"
    yield "|---" * (len(ARMS) + len(GAINS) + 4) + "|"
    rows: Sequence[Row] = found["measured"]
    for split, metric in dict.fromkeys((row["split"], row["metric"]) for row in rows):
        cells = {row["arm"]: row for row in rows if (row["split"], row["metric"]) == (split, metric)}
        yield _line(split, metric, cells)
    yield ""
    yield f"Programs that were written for {METRIC}: " + "; ".join(_counted(found["programs"])) + "."
    yield ""
    left = {"base_settings": {k: v for k, v in found["train"]["base_settings"].items() if k != "corpus"}}
    yield f"`[train]`: `{json.dumps(found['train'] | left)}`"
    yield ""


def _line(split: str, metric: str, cells: Mapping[str, Row]) -> str:
    shown = [f"{cells[arm]['value']:.3f}" if arm in cells else "" for arm in ARMS]
    for arm in GAINS:
        row = cells.get(arm)
        ends = "" if row is None else interval(row["ci_low"], row["ci_high"])
        p = "" if row is None or row["p"] is None else f", p = {row['p']:.2g}"
        shown.append("" if row is None else f"{signed(row['value'])} {ends}".strip() + p)
    first = cells.get("base") or next(iter(cells.values()))
    return f"| `{split}` | {metric} | {' | '.join(shown)} | {first['n']} | {first['families']} |"


def _counted(programs: Sequence[Row]) -> Iterator[str]:
    for arm in ARMS:
        counts = [f"{row['outcome']} {row['count']:,}" for row in programs if row["arm"] == arm]
        yield f"{arm} {', '.join(counts)}"
