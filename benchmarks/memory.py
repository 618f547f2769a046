"""What a run holds in memory, and what one costs that finds nothing changed: `python benchmarks/memory.py [--json]`.

Plug-ins (`plentiful.py`) make a library, as many rows as are asked for and their verdicts; driftune's own stages do all
else, from `scrape` to `curate`, in one process that is started for it. The programs run in that process, without a
wall: a wall's servers hold what they hold whatever the number of rows.

* peak_rss: the most memory that this process held with the larger number of rows, through that with the smaller one.
  Beside it stands the whole tree of processes: those that mine end with the stage.
* unchanged_cpu: CPU of `driftune run` where nothing has changed, through that of the stages before it, at the larger
  number. Training and evaluation, which cost a real run more than all else, aren't done: the share is an upper bound.
  The run's end is planted for it. Prefect must not start.

It takes six minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from ratios import Result, Target, exit_code, table

sys.path[:] = [entry for entry in sys.path if entry != str(HERE)]  # `synth` is the package, not the file beside this

PEAK = Target("peak_rss", 1.5, "lower")
UNCHANGED = Target("unchanged_cpu", 0.02, "lower")

STAGES = (
    "scrape", "compare", "mine", "validate mined", "derive", "validate derived", "write", "validate written", "curate",
)  # fmt: skip

DOMAIN = """\
[[library]]
name = "plenty"
versions = ["1.0", "2.0"]

[[library.source]]
kind = "plentiful"

[sandbox]
wall = "plentiful"
workers = 2
attempts = 1

[guard]
removals = 1.0
"""

ENTRY_POINTS = """\
[driftune.sources]
plentiful = plentiful:Library
[driftune.generators]
plentiful = plentiful:Generator
[driftune.sandboxes]
plentiful = plentiful:Sandbox
"""

_LOOK_S = 0.1


def prepare(folder: Path) -> Path:
    """Installs the plug-ins into a folder, and writes the domain's file; its path."""
    plugins, info = folder / "plugins", folder / "plugins" / "plentiful-1.dist-info"
    info.mkdir(parents=True)
    (plugins / "plentiful.py").write_bytes((HERE / "plentiful.py").read_bytes())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plentiful\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    domain = folder / "plenty.toml"
    domain.write_text(DOMAIN)
    return domain


def do_stages(domain: str) -> dict[str, Any]:
    """Does the stages in this process, and remembers the run as if it had come to its end; what it took."""
    from flows.batches import perform
    from flows.house import open_house
    from flows.stages import STAGES as ALL
    from flows.stages import complete_key

    peaks = {}
    with closing(open_house(domain)) as house:
        for stage in STAGES:
            perform(ALL[stage], house)
            peaks[stage] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        ended = {"decision": "rejected", "reason": "planted by a benchmark"}
        house.finish("refresh", "refresh", [complete_key(house)], [], time.monotonic(), ended)
    return {"peaks": peaks, "cpu_s": sum(each.ru_utime + each.ru_stime for each in used)}


def measure(rows: int, folder: Path) -> dict[str, Any]:
    """Does the stages over so many rows in a process of its own, and then a run that finds nothing changed."""
    domain = prepare(folder)
    here = [str(folder / "plugins"), str(HERE.parent)]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "DRIFTUNE_"))}
    environment = kept | {"DRIFTUNE_HOME": str(folder / "home"), "PLENTIFUL_ROWS": str(rows)}
    environment["PYTHONPATH"] = os.pathsep.join([*here, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, __file__, "--stages", str(domain)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        tree = 0
        while process.poll() is None:
            tree = max(tree, _tree_kb(process.pid))
            time.sleep(_LOOK_S)
        assert process.stdout is not None
        told = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"The stages over {rows:,} rows ended with exit code {process.returncode}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    again = [sys.executable, "-m", "flows.cli", "run", str(domain), "--json"]
    said = json.loads(subprocess.run(again, env=environment, check=False, stdout=subprocess.PIPE, text=True).stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if said["changed"] or (folder / "home" / "prefect").exists():
        raise SystemExit(f"A run that finds nothing changed did something: {said}")
    unchanged = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {**json.loads(told), "tree_kb": tree, "unchanged_s": unchanged}
    print(f"{rows:,} rows: {json.dumps(found)}", file=sys.stderr)
    return found


def _tree_kb(root: int) -> int:
    """Resident memory of a process and of all below it; what they share counts in each."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (status := _read(entry / "stat")):
            parents.setdefault(int(status.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    total, left = 0, [root]
    while left:
        pid = left.pop()
        left += parents.get(pid, [])
        pages = _read(Path(f"/proc/{pid}/statm")).split()
        total += int(pages[1]) * os.sysconf("SC_PAGE_SIZE") >> 10 if pages else 0
    return total


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has ended meanwhile
        return ""


def results(few: int, many: int) -> list[Result]:
    """Both figures, of two numbers of rows."""
    with tempfile.TemporaryDirectory() as folder:
        found = {rows: measure(rows, Path(folder, str(rows))) for rows in (few, many)}
    small, large = found[few], found[many]
    peaks = [max(each["peaks"].values()) for each in (small, large)]
    shown = {f"{rows:,} rows": f"{each['peaks']['curate'] >> 10} MB" for rows, each in found.items()}
    shown["tree"] = " and ".join(f"{each['tree_kb'] >> 10} MB" for each in (small, large))
    spent = {"first": f"{large['cpu_s']:.0f} s", "unchanged": f"{large['unchanged_s']:.1f} s"}
    return [
        Result(PEAK, [peaks[1] / peaks[0]], shown),
        Result(UNCHANGED, [large["unchanged_s"] / large["cpu_s"]], spent),
    ]


def main() -> int:
    """Measure, print, and say whether both are as wanted."""
    parser = argparse.ArgumentParser(description="What a run holds in memory, and costs where nothing has changed")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--stages", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.stages:
        print(json.dumps(do_stages(asked.stages)))
        return 0
    found = results(asked.few, asked.many)
    print("\n".join(result.line() for result in found) if asked.json else table(found))
    return exit_code(found)


if __name__ == "__main__":
    sys.exit(main())
