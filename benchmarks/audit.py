"""Sheets for a blind audit: rows drawn by seed from the latest snapshots, without what made them.

    python benchmarks/audit.py HOME... [--seed N] [--rows N] [--out FOLDER]
    python benchmarks/audit.py --judged FILE...

Writes a sheet a kind: what a maintainer would see of a row. A reader who did not write the generators judges each row
in a file of JSON lines, `{"id", "kind", "accept", "reason"}`; the second form counts them, with 95% Wilson intervals,
and exits with 1 where a kind has under 95% accepted.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

WANTED = 0.95

SHOWN = ("prompt", "prefix", "suffix", "middle", "chosen", "rejected", "text", "path")
"""Parts of a row that are shown as they are, where it has them."""

_DRAWN = """
    SELECT e.id, e.kind, e.domain, e.parts, e.symbols, e.licence, e.source_url, e.old_effect, e.bug_kind,
           any_value(r.library) || ' ' || string_agg(r.version, ' -> ' ORDER BY r.released_at, r.version) AS about
    FROM examples e JOIN curated c ON c.example = e.id AND c.split IS NOT NULL
    LEFT JOIN releases r ON list_contains(e.releases, r.id)
    GROUP BY ALL
"""


def rows(home: Path) -> Iterator[dict[str, Any]]:
    """The rows of the latest snapshot of each domain in a home, with their programs' texts by role."""
    with duckdb.connect(str(home / "driftune.duckdb"), read_only=True) as lake:
        programs = {i: (c, t) for i, c, t in lake.sql("SELECT id, code, test FROM programs").fetchall()}
        found = lake.sql(_DRAWN)
        for values in found.fetchall():
            row = dict(zip(found.columns, values, strict=True))
            row["parts"] = json.loads(row["parts"])
            row["programs"] = {role: programs[i] for role, i in sorted(row["parts"].pop("programs", {}).items())}
            yield row


def drawn(found: Sequence[dict[str, Any]], seed: int, count: int) -> dict[str, list[dict[str, Any]]]:
    """Of each kind so many rows, the same for the same rows and seed."""
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(found, key=lambda r: hashlib.sha256(f"{seed}:{r['id']}".encode()).digest()):
        if len(kinds[row["kind"]]) < count:
            kinds[row["kind"]].append(row)
    return dict(kinds)


def sheet(row: dict[str, Any]) -> str:
    """What a reader sees of a row: task, answer, tests; not which generator made it."""
    lines = [f"## {row['id'][:16]}", "", f"{row['about']}, licence {row['licence']}, from {row['source_url']}"]
    lines += [f"{name}: {row[name]}" for name in ("symbols", "old_effect", "bug_kind") if row[name]]
    lines += [f"{name}: {value}" for name, value in row["parts"].items() if name not in SHOWN and value]
    for name in SHOWN:
        if row["parts"].get(name):
            lines += ["", f"### {name}", "", "~~~~", str(row["parts"][name])[:4000], "~~~~"]
    tests: dict[str, list[str]] = defaultdict(list)
    for role, (code, test) in row["programs"].items():
        if role != "stub":
            lines += ["", f"### {role}", "", "~~~~python", code[:4000], "~~~~"]
            tests[test].append(role)
    for test, roles in tests.items():
        lines += ["", f"### test of {', '.join(roles)}", "", "~~~~python", test[:2000], "~~~~"]
    return "\n".join(lines) + "\n"


def wilson(accepted: float, count: float) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927)."""
    z, share = 1.96, accepted / count
    middle, width = share + z * z / (2 * count), z * (share * (1 - share) / count + z * z / (4 * count**2)) ** 0.5
    return (middle - width) / (1 + z * z / count), (middle + width) / (1 + z * z / count)


def judged(files: Sequence[Path]) -> bool:
    """Prints the judgements by kind; whether every kind has what is wanted."""
    kinds: dict[str, list[bool]] = defaultdict(list)
    for path in files:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            kinds[row["kind"]].append(bool(row["accept"]))
    for kind, accepts in sorted(kinds.items()):
        low, high = wilson(sum(accepts), len(accepts))
        share = sum(accepts) / len(accepts)
        print(f"{kind:12} {sum(accepts):3} of {len(accepts):3}  {share:.0%} [{low:.0%}, {high:.0%}]")
    return all(sum(accepts) / len(accepts) >= WANTED for accepts in kinds.values())


def main() -> int:
    """Draw, or count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("homes", nargs="*", type=Path, metavar="HOME", help="DRIFTUNE_HOME of a run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=30, help="of each kind")
    parser.add_argument("--out", type=Path, default=Path("audit"), help="folder for the sheets")
    parser.add_argument("--judged", nargs="+", type=Path, metavar="FILE", help="count judgements instead")
    options = parser.parse_args()
    if options.judged:
        return int(not judged(options.judged))
    options.out.mkdir(parents=True, exist_ok=True)
    found = [row for home in options.homes for row in rows(home)]
    for kind, some in sorted(drawn(found, options.seed, options.rows).items()):
        (options.out / f"{kind}.md").write_text("\n".join(map(sheet, some)), encoding="utf-8")
        print(f"{kind:12} {len(some):3} of {sum(r['kind'] == kind for r in found):6}  {options.out / kind}.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
