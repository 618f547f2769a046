"""The independent leak script: silent on what curation makes, and it finds what is planted into a home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from registry.lake import Lake
from registry.records import Example, Snapshot, SnapshotRow, Work
from tests.validators.test_curation import CHANGES, NEW, OLD, SEEN, TUNING, UNSEEN, Bench, full, symbols
from validators.curation.curate import curate
from validators.parts import measured
from validators.splits import CONTEXT, DEV, SYMBOL, TRAIN

ROOT = Path(__file__).parents[2]


def search(home: Path, bench: Bench, planted: list[Example], split: str = TRAIN) -> tuple[int, str]:
    """The script's exit status and words on a home with the bench's curation, and these rows planted into a split."""
    rows = list(curate(bench.lot(), "key"))
    snapshot = next(r for r in rows if isinstance(r, Snapshot))
    examples = {e.id: e for e in (*bench.examples.values(), *planted, *(r for r in rows if isinstance(r, Example)))}
    rows += [SnapshotRow(snapshot=snapshot.id, example=e.id, split=split) for e in planted]
    done = Work(key="key", stage="curate", domain="d", part="curate", outputs=1, result={"snapshot": snapshot.id})
    known = [*symbols(OLD), *symbols(NEW), *CHANGES]
    lake = Lake(str(home / "lake"), home)
    lake.create()
    lake.append([*known, *bench.programs.values(), *bench.verdicts.values(), *examples.values(), *rows, done])
    ran = subprocess.run(
        [sys.executable, ROOT / "scripts" / "leaks.py", home], capture_output=True, text=True, check=False,
        env={"PATH": os.defpath}, timeout=120,
    )  # fmt: skip
    assert not ran.stderr
    return ran.returncode, ran.stdout


def test_what_curation_makes_is_clean(tmp_path: Path) -> None:
    """A whole curation has no leak, and the summary counts what was looked at."""
    status, said = search(tmp_path, full(), [])
    assert status == 0
    assert said.startswith("d: 0 leaks in ")
    assert said.count("\n") == 1


def test_what_is_planted_is_found(tmp_path: Path) -> None:
    """A call by any import, a page's sentence or doctest, a copy in another file, and a shared root are found."""
    bench = full()
    steps = "".join(f"x{n} = lib.other({n})\n" for n in range(9))
    for n in range(6):
        for wrong in ("old", "bad"):
            bench.site(SEEN, f"lib/tests/far_{n}.py", 50 + n, wrong, before=steps.replace("other(", f"other({n}, "))
    split = {r.example: r.split for r in curate(bench.lot(), "key") if isinstance(r, SnapshotRow)}
    held = next(e for e in bench.examples.values() if split.get(e.id) == CONTEXT and "far_" in e.file)
    more = Bench()
    more.programs = bench.programs
    bench.site("Tree", "lib/tests/tree.py")
    task = next(e for e in bench.examples.values() if split.get(e.id) == CONTEXT and e.kind == "test")
    text = f"{held.parts['prompt']}{held.parts['chosen']}\n"
    planted = {
        more.test(f"from lib.core import {UNSEEN} as f\nr = f(1)\n").id: UNSEEN,
        more.test(f"def go():\n    import lib.core as c\n    return c.{TUNING}(2)\nr = go()\n").id: TUNING,
        more.text(f"Call `lib.{UNSEEN}` for this.\n").id: UNSEEN,
        more.test("import lib\nr = lib.other(8)\n", texts={"prompt": f"As in `lib.{UNSEEN}`."}).id: UNSEEN,
        more.test(
            "import lib\nr = lib.other(9)\n",
            texts={"prompt": f"Do.\n```python\nimport lib\nr = ...(9)\nlib.{UNSEEN}(9)\n```\n"},
        ).id: UNSEEN,
        more.text(f"A page.\n\n>>> import lib\n>>> lib.core.{UNSEEN}(3)\n").id: UNSEEN,
        more.text("A page.\n\n>>> tree = grown()\n>>> tree.prune(3).size\n").id: "calls prune",
        more.test(f"{text}r = r\n", file="lib/tests/elsewhere.py").id: "copies",
        more.test("r = 1\n", root=held.root).id: "shares its root",
        more.add("locate", {"original": measured(task)}, file="lib/tests/elsewhere.py").id: "holds the program",
    }
    status, said = search(tmp_path, bench, list(more.examples.values()))
    lines = said.splitlines()
    assert status == 1
    for name, what in planted.items():
        assert any(line.startswith(name) and what in line for line in lines), (name, what, said)
    assert all(line.partition(" ")[0] in planted for line in lines[:-1])


def test_what_stands_in_two_evaluation_splits_is_found(tmp_path: Path) -> None:
    """A root in two splits is a leak, and so is a program of `dev`, which tuning sees, in another one."""
    bench, more = full(), Bench()
    split = {r.example: r.split for r in curate(bench.lot(), "key") if isinstance(r, SnapshotRow)}
    unseen = [e for e in bench.examples.values() if split.get(e.id) == SYMBOL and e.kind == "test"]
    planted = [
        more.add("fim", {"whole": measured(unseen[0])}),
        more.add("fim", {"whole": bench.run("r = 1\n", "passed")}, root=unseen[1].root),
    ]
    status, said = search(tmp_path, bench, planted, DEV)
    lines = said.splitlines()
    assert status == 1
    assert any(line.startswith(planted[0].id) and line.endswith("has a program in dev, symbol") for line in lines)
    assert any(line.startswith(planted[1].id) and line.endswith("has a root in dev, symbol") for line in lines)
