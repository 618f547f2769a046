"""`driftune attribute`: the training rows that an output is nearest to, with their pages and licences."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.copies import AT_LENGTH, Match, nearest, texts_of
from flows.snapshots import latest_curation, rows_in
from registry.domain_files import load_domain
from registry.errors import ConfigurationError
from registry.lake import Lake, open_lake
from registry.records import Example, Program, Work
from registry.settings import Settings
from registry.store import MANIFEST, Store, read_manifest
from validators.parts import programs_of


def attribute(file: Path, reference: str, limit: int, *, as_json: bool, adapter: str = "") -> None:
    """Prints the training rows nearest to a text; of rows that were made from one only the nearest.

    Args:
        file: The text; standard input where `-`.
        reference: A name in `domains/`, or the path of a domain file: its latest snapshot alone; every domain's where
            empty.
        limit: Rows to show, at most.
        as_json: Print an object.
        adapter: `networkx@v3`, or the folder of an adapter: what that one was trained on; empty where it isn't asked.

    Raises:
        ConfigurationError: The file can't be read, or there is no snapshot or adapter.
    """
    text = read_text(file)
    lake = open_lake()
    if adapter and reference:
        raise ConfigurationError("Give --adapter or --domain, not both: an adapter's rows are its own domain's")
    rows = (
        learned_rows(lake, adapter)
        if adapter
        else training_rows(lake, load_domain(reference).name if reference else "")
    )
    [found] = nearest([text], row_texts(lake, rows.values()))
    told = [_told(match, rows[match.row], alike) for match, alike in _by_root(found, rows)[:limit]]
    if as_json:
        longest = found[0].tokens if found else 0
        print(json.dumps({"rows": len(rows), "longest": longest, "copied": longest >= AT_LENGTH, "nearest": told}))
    else:
        _show(told, len(rows))


def read_text(file: Path) -> str:
    """The text of a file, or of standard input where it is `-`.

    Raises:
        ConfigurationError: It can't be read, is no text, or is empty.
    """
    name = "standard input" if str(file) == "-" else f"the file {str(file)!r}"
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = data.decode("utf-8")
    except OSError as error:
        raise ConfigurationError(f"Can't read {name}: {error.strerror}. Give a text file, or -") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"Can't read {name}: it is no UTF-8 text ({error.reason}). Give a text file") from None
    if not text.strip():
        raise ConfigurationError(f"Nothing to attribute: {name} is empty. Give what a model wrote")
    return text


def training_rows(lake: Lake, domain: str = "") -> dict[str, Example]:
    """Id -> row, of what the latest snapshot trains on.

    Args:
        lake: The lake.
        domain: Name of a domain; all of them where empty.

    Raises:
        ConfigurationError: There is no snapshot.
    """
    names = [domain] if domain else sorted({w.domain for w in lake.read(Work, "stage = 'curate'")})
    curated = [work for name in names if (work := latest_curation(lake, name)) is not None]
    if not curated:
        raise ConfigurationError(f"No snapshot yet: run driftune run {domain or 'DOMAIN'} first")
    return {e.id: e for e in rows_in(lake, [str(work.result["snapshot"]) for work in curated], "train")}


def learned_rows(lake: Lake, reference: str) -> dict[str, Example]:
    """Id -> row, of what an adapter was trained on, and those that its training went on from.

    Args:
        lake: The lake.
        reference: `networkx@v3`, or the folder of an adapter.

    Raises:
        ConfigurationError: There is no such adapter, or this lake doesn't know it.
    """
    folder = Path(reference)
    here = (folder / MANIFEST).is_file()
    adapter = read_manifest(folder) if here else Store(Settings().registry_url).resolve(reference, yanked=True)
    asked = "SELECT DISTINCT snapshot FROM lineage WHERE adapter = $id"
    snapshots = [str(row["snapshot"]) for row in lake.query(asked, {"id": adapter.id}).to_pylist()]
    if not snapshots:
        raise ConfigurationError(
            f"This lake doesn't know {adapter.domain} v{adapter.version} ({adapter.id[:12]}): ask where it was made, "
            "with DRIFTUNE_LAKE set to that lake",
            adapter=adapter.id,
        )
    return {e.id: e for e in rows_in(lake, snapshots, "train")}


def row_texts(lake: Lake, rows: Iterable[Example]) -> dict[str, list[str]]:
    """Id of a row -> what it shows of itself, as `finetune.copies` compares it."""
    examples = list(rows)
    named = {name for e in examples for name in programs_of(e).values()}
    read = lake.read(Program, "id IN (SELECT unnest($ids))", {"ids": sorted(named)}) if named else []
    programs = {p.id: p for p in read}
    return {e.id: texts_of(e, programs) for e in examples}


def _by_root(found: Sequence[Match], rows: Mapping[str, Example]) -> list[tuple[Match, int]]:
    """The nearest row of each root, in their order, and how many others of that root share a run with the output."""
    roots: dict[str, list[Match]] = {}
    for match in found:
        roots.setdefault(rows[match.row].root, []).append(match)
    return [(matches[0], len(matches) - 1) for matches in roots.values()]


def _told(match: Match, row: Example, alike: int) -> dict[str, Any]:
    return {
        "row": row.id,
        "domain": row.domain,
        "kind": row.kind,
        "tokens": match.tokens,
        "share": match.share,
        "lines": list(match.lines),
        "renamed": dict(match.renamed),
        "page": row.source_url,
        "licence": row.licence,
        "same_root": alike,
    }


def _show(told: Sequence[Mapping[str, Any]], rows: int) -> None:
    if not told:
        print(f"None of {rows:,} training rows shares a run with it that says anything")
        return
    for row in told:
        first, last = row["lines"]
        where = f"line {first}" if first == last else f"lines {first} to {last}"
        alike = f"; {row['same_root']:,} more of its origin" if row["same_root"] else ""
        print(f"{row['tokens']} tokens in a row ({where}), {row['share']:.0%} of the output in all{alike}")
        if row["renamed"]:
            print("  with other names: " + ", ".join(f"{their} as {our}" for their, our in row["renamed"].items()))
        print(f"  row: {row['row'][:12]} ({row['kind']} of {row['domain']})")
        print(f"  page: {row['page'] or 'none'}")
        print(f"  licence: {row['licence'] or 'unknown'}")
    longest = told[0]["tokens"]
    says = "A copy at length" if longest >= AT_LENGTH else "No copy at length"
    print(f"\n{says}: {longest} tokens in a row, of {rows:,} training rows ({AT_LENGTH} count)")
