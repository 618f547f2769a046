"""Care of the lake: `driftune compact`, `driftune gc`, `driftune check`."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any

from flows.forgetting import nobody_runs
from registry.checks import Finding, findings
from registry.compaction import Collected, Compacted, collect, compact, superseded
from registry.lake import Lake, open_lake
from registry.names import SymbolIndex
from registry.records import Example, Program, Symbol, Verdict
from registry.settings import Settings
from registry.times import put_right

_WITH_FAILURES = 3


def compact_lake(grace_h: float, *, as_json: bool, clock_is_right: bool = False) -> None:
    """Merges the lake's small files, and says how many there were and are.

    Args:
        grace_h: Hours for which replaced files are kept.
        as_json: Print one object.
        clock_is_right: Put rows that are ahead of the clock before now instead, while nobody runs.

    Raises:
        LockedError: Somebody runs.
    """
    if clock_is_right:
        lake = open_lake()
        with nobody_runs(Settings(), lake):
            count = put_right(lake)
        print(json.dumps({"times": count}) if as_json else _righted(count))
        return
    done = compact(open_lake(), grace=dt.timedelta(hours=grace_h))
    if as_json:
        print(json.dumps(dataclasses.asdict(done)))
        return
    print(_compacted(done))


def _righted(count: int) -> str:
    return f"Put rows of {count:,} times before now, in order" if count else "Nothing to do: no row is ahead of now"


def _compacted(done: Compacted) -> str:
    files = sum(done.before.values()), sum(done.after.values())
    if done.waits:
        return f"Nothing done: queries may still read what the last compaction replaced, until {_minute(done.waits)}"
    if files[0] == files[1] and not done.bodies:
        return f"Nothing to do: {files[0]:,} files, none to merge"
    sizes = f"{done.bytes_before / 1e6:,.1f} MB -> {done.bytes_after / 1e6:,.1f} MB"
    left = f", without {done.bodies:,} bodies that nothing is received as any more" if done.bodies else ""
    return f"Merged {files[0]:,} files into {files[1]:,} ({sizes}){left}; driftune gc removes the replaced ones later"


def collect_garbage(grace_h: float, *, dry: bool, as_json: bool) -> None:
    """Removes the lake's files that nothing refers to, and bodies that no fetch does; says how many they were."""
    lake, grace = open_lake(), dt.timedelta(hours=grace_h)
    done = collect(lake, grace=grace, dry=dry)
    bodies, _ = superseded(lake, grace)
    if bodies and not dry:
        bodies = compact(lake, grace=grace).bodies
    if as_json:
        print(json.dumps({**dataclasses.asdict(done), "bodies": bodies}))
        return
    print(_collected(done, bodies, dry))


def _collected(done: Collected, bodies: int, dry: bool) -> str:
    said = f"{'Would remove' if dry else 'Removed'} {done.files:,} files ({done.bytes / 1e6:,.1f} MB)"
    said += f" and {bodies:,} bodies that nothing is received as any more" if bodies else ""
    return said + (f"; {done.kept:,} more may go after {_minute(done.until)}" if done.kept else "")


def _minute(at: str) -> str:
    return dt.datetime.fromisoformat(at).strftime("%Y-%m-%d %H:%M UTC")


def check_lake(shift: float, *, as_json: bool) -> int:
    """Prints what is wrong with the lake; the exit code: 0 where nothing is.

    Args:
        shift: Largest share of a snapshot that may have changed its kind, licence or operator since the one before.
        as_json: Print one array of findings.
    """
    lake = open_lake()
    found = [*findings(lake, shift), *_judged(lake)]
    if as_json:
        print(json.dumps([dataclasses.asdict(finding) for finding in found], ensure_ascii=False))
    else:
        _show(found)
    return _WITH_FAILURES if found else 0


def _show(found: list[Finding]) -> None:
    from rich.console import Console

    from flows.render import grid

    if not found:
        checked = "ids, references, proofs, licences, shift since the last snapshot, orders to forget, times"
        print(f"Nothing is wrong: {checked}")
        return
    lines = [(f.check, f.where, f.rows, f.detail) for f in found]
    Console().print(grid(("check", "where", "rows", "what is wrong, with the first of them"), lines))


def _judged(lake: Lake) -> Iterator[Finding]:
    """Rows of the latest snapshots whose proof doesn't hold by its verdicts, or whose licence isn't allowed."""
    latest = lake.query(
        "SELECT s.domain, s.id, s.filters FROM snapshots s JOIN latest_snapshots l ON l.snapshot = s.id ORDER BY ALL"
    )
    for row in latest.to_pylist():
        where = "id IN (SELECT unnest($ids))"
        ids = lake.query("SELECT example FROM snapshot_rows WHERE snapshot = $id", {"id": row["id"]})
        examples = lake.read(Example, where, {"ids": ids.column("example").to_pylist()})
        yield from _proofs(lake, row["domain"], examples)
        yield from _licences(row["domain"], examples, json.loads(row["filters"]))


def _proofs(lake: Lake, domain: str, examples: list[Example]) -> Iterator[Finding]:
    from validators.parts import programs_of
    from validators.proofs import prove

    ids = sorted({p for e in examples for p in programs_of(e).values()})
    programs = {p.id: p for p in lake.read(Program, "id IN (SELECT unnest($ids))", {"ids": ids})}
    releases = sorted({r for e in examples for r in e.releases})
    indexes = {r: SymbolIndex(lake.read(Symbol, "release = $r", {"r": r})) for r in releases}
    verdicts = _verdicts(lake, domain)
    judged = ((e, prove(e, verdicts, programs, indexes)) for e in examples)
    broken = sorted((e.id, proof) for e, proof in judged if not proof.proven)
    if broken:
        first, proof = broken[0]
        yield Finding("proofs", domain, len(broken), f"{first} is not proven ({proof.rule}): {proof.detail}")


def _verdicts(lake: Lake, domain: str) -> dict[tuple[str, str], Verdict]:
    """(program id, release id) -> verdict, in the environments that the domain uses."""
    rows = lake.query("SELECT domain, verdict, release FROM verdict_releases").to_pylist()
    releases = {row["verdict"]: row["release"] for row in rows if row["domain"] == domain}
    found = lake.read(Verdict, "id IN (SELECT unnest($ids))", {"ids": list(releases)})
    return {(v.program, releases[v.id]): v for v in found}


def _licences(domain: str, examples: list[Example], filters: Mapping[str, Any]) -> Iterator[Finding]:
    from validators.curation.licences import LicenceGate

    gate = LicenceGate(filters.get("licences", ()))
    refused = sorted((e.id, why) for e in examples if (why := gate.refuses(e.licence)))
    if refused:
        yield Finding("licences", domain, len(refused), f"{refused[0][0]} may not be in the snapshot: {refused[0][1]}")
